"""What a model card says that no command can measure: TOML, written by whoever made the bundle."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.core.errors import Fatal


class About(BaseModel):
    """`encoder`, `vocabulary`: what they were, whose, and under what licence. `make`: the command that makes the bundle.

    `licence`: that of the bundle itself, which its data may decide. `teachers`: whose scores it learnt, and what they
    were made from. `data`: Markdown about posts that their files' names do not tell, such as copies and selections of
    others. `use`, `limits`: Markdown: what it is for, and what it cannot do. `probes`: made-up sentences whose scores the
    card shows; choose those that it gets wrong, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    vocabulary: str
    licence: str = ""
    teachers: str = ""
    data: str = ""
    use: str = ""
    make: str = ""
    limits: str = "Not written down yet: measure it on your own posts before you rely on it."
    probes: tuple[str, ...] = ()


def read_about(path: Path) -> About:
    """Read the file. Raises Fatal that names the key where it does not fit."""
    try:
        with path.open("rb") as file:
            return About(**tomllib.load(file))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"card: --about {path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise Fatal(f"card: --about {path}: {name}: {first['msg']} (keys: {', '.join(About.model_fields)})") from error
