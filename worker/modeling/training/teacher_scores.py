"""What teachers said of posts: logits by source and id, without any text, so that they can be kept and shared."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example
from worker.modeling.training.recipe import LABELS


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """`keys` str [posts] "source/id"; `digests` uint32 [posts], CRC-32 of the texts; `logits` float32 [posts, labels].

    `teachers`: whose scores these are, "name:digest of the weights"; () where the file does not say.
    `labels`: what the columns are; a file that does not say is of LABELS, as the first ones all were. `file`: what
    errors call them.
    """

    keys: NDArray[np.str_]
    digests: NDArray[np.uint32]
    logits: NDArray[np.float32]
    teachers: tuple[str, ...] = ()
    labels: tuple[str, ...] = LABELS
    file: str = "teacher scores"

    @classmethod
    def of(
        cls,
        examples: Sequence[Example],
        logits: Tensor,
        teachers: Sequence[str] = (),
        labels: tuple[str, ...] = LABELS,
    ) -> "TeacherScores":
        """The scores of `examples`, in their order."""
        keys = np.array([key(e) for e in examples])
        digests = np.array([digest(e) for e in examples], dtype=np.uint32)
        return cls(keys, digests, logits.numpy().astype(np.float32), tuple(teachers), labels)

    @classmethod
    def read(cls, path: Path) -> "TeacherScores":
        """Read what `write` wrote. Raises Fatal for anything else."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                teachers = tuple(found["teachers"].tolist()) if "teachers" in found else ()
                labels = tuple(found["labels"].tolist()) if "labels" in found else LABELS
                scores = cls(
                    found["keys"], found["digests"], found["logits"].astype(np.float32), teachers, labels, str(path)
                )
        except (OSError, EOFError, BadZipFile, zlib.error, ValueError, KeyError, TypeError) as error:
            raise Fatal(f"{path}: no teacher scores: {error}; `moderation-model distill` writes them") from error
        if scores.keys.ndim != 1 or not scores.keys.shape == scores.digests.shape == scores.logits.shape[:-1]:
            raise Fatal(f"{path}: no teacher scores: its arrays are not of the same posts")
        if scores.logits.shape[1] != len(scores.labels):
            raise Fatal(
                f"{path}: scores of {scores.logits.shape[1]} labels, not of {', '.join(scores.labels)}: score them anew"
            )
        return scores

    def write(self, path: Path) -> None:
        """Write to `path` (.npz; logits as float16), aside first. Raises Fatal where it cannot be written."""
        partial = path.with_suffix(f".{os.getpid()}.partial.npz")
        logits = self.logits.astype(np.float16)
        teachers, labels = np.array(self.teachers, dtype=np.str_), np.array(self.labels, dtype=np.str_)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                np.savez_compressed(
                    partial, keys=self.keys, digests=self.digests, logits=logits, teachers=teachers, labels=labels
                )
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise Fatal(f"{path}: cannot be written: {error}") from error

    def logits_of(self, examples: Sequence[Example]) -> Tensor:
        """float32 [posts, labels]. Raises Fatal where a post is missing or its text is another than the teachers'."""
        positions = self._positions(examples)
        if (missing := positions.index(None) if None in positions else None) is not None:
            raise Fatal(f"{self.file}: none for {key(examples[missing])!r}; score these files with --teacher first")
        return torch.from_numpy(self.logits[np.array(positions, dtype=np.int64)])

    def known(self, examples: Sequence[Example]) -> list[bool]:
        """Whether each post has scores already."""
        return [position is not None for position in self._positions(examples)]

    def _positions(self, examples: Sequence[Example]) -> list[int | None]:
        index = {name: position for position, name in enumerate(self.keys.tolist())}
        found = []
        for example in examples:
            position = index.get(key(example))
            if position is not None and int(self.digests[position]) != digest(example):
                raise Fatal(f"{self.file}: {key(example)!r} had another text: these are the scores of other files")
            found.append(position)
        return found


def key(example: Example) -> str:
    """What identifies a post over all files."""
    return f"{example.source}/{example.id}"


def digest(example: Example) -> int:
    """CRC-32 of a post's text: tells changed files, not attacks."""
    return zlib.crc32(example.text.encode("utf-8", "surrogatepass"))
