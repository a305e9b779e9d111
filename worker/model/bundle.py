"""A bundle: a directory with a model, its tokenizer, a manifest and golden posts. Nothing is trusted unchecked."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from worker.core.errors import Fatal
from worker.core.policy import Decision, Policy, decide
from worker.core.types import Scores
from worker.model.manifest import GOLDEN, MANIFEST, MODEL, TOKENIZER, Manifest, parse_manifest

EXTERNAL = re.compile(rb"[\x00\x08]location")
"""A graph with weights in another file has `location` as a key there, after its length (or that length's padding).

onnxruntime would read that file, which no checksum covers, from wherever it is. Protobuf cannot write the key otherwise.
"""
REMEDY = "set MODERATION_BUNDLE to a directory made by `moderation-model export`, or unset it for the bundled model"


@dataclass(frozen=True, slots=True)
class Golden:
    """A made-up post with the scores this bundle gave it when it was made."""

    name: str
    text: str
    scores: Scores
    decision: Decision


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. `sha256` identifies all that computes scores: graph and tokenizer."""

    path: Path
    manifest: Manifest
    policy: Policy
    golden: tuple[Golden, ...]

    @property
    def name(self) -> str:
        """The model's name, as it appears in verdicts and metrics."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of every Scores tuple."""
        return self.manifest.labels

    @property
    def sha256(self) -> str:
        """`cat model.onnx tokenizer.json`'s checksums, hashed: lower-case hex."""
        return hashlib.sha256((self.manifest.files[MODEL] + self.manifest.files[TOKENIZER]).encode()).hexdigest()


def load_bundle(path: Path, remedy: str = REMEDY) -> Bundle:
    """Read and verify a bundle: manifest, every checksum, a graph in one file, golden posts that fit the policy.

    Raises Fatal saying what is wrong, and `remedy`: what to change.
    """
    try:
        manifest = parse_manifest(_read(path / MANIFEST))
        contents = {name: _verified(path / name, sha256) for name, sha256 in manifest.files.items()}
        _in_one_file(contents[MODEL])
        policy = manifest.as_policy()
        return Bundle(path, manifest, policy, _golden(contents[GOLDEN], policy))
    except Fatal as error:
        raise Fatal(f"bundle {path}: {error}; {remedy}") from error


def file_sha256(path: Path) -> str:
    """Lower-case hex SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fatal(f"{path.name} cannot be read: {error.strerror}") from error


def _verified(path: Path, sha256: str) -> bytes:
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise Fatal(f"{path.name} is corrupt or was replaced: its SHA-256 is {found}, the manifest says {sha256}")
    return content


def _in_one_file(graph: bytes) -> None:
    if EXTERNAL.search(graph):
        raise Fatal(f"{MODEL} refers to another file for its weights (external data): all must be inside it")


def _golden(content: bytes, policy: Policy) -> tuple[Golden, ...]:
    golden = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        try:
            row = json.loads(line)
            scores = tuple(float(row["scores"][label]) for label in policy.labels)
            decision = Decision(row["action"], tuple(row["labels"]))
            golden.append(Golden(str(row["name"]), str(row["text"]), scores, decision))
            follows = decide(scores, policy) == decision
        except (ValueError, KeyError, TypeError) as error:
            raise Fatal(f"{GOLDEN}:{number}: not a golden post: {error!r}") from error
        if not follows:
            raise Fatal(f"{GOLDEN}:{number}: {golden[-1].name!r}: its scores do not give its decision under the policy")
    if not golden:
        raise Fatal(f"{GOLDEN} holds no posts: the model cannot be checked")
    return tuple(golden)
