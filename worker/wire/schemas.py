"""The published schemas, as the worker itself validates with them."""

from functools import cache
from importlib import resources

import jsonschema_rs
import orjson


@cache
def schema_text(name: str) -> bytes:
    """The schema `name`, such as `post.v1`, as published. Raises FileNotFoundError where there is none.

    An installed worker has the schemas inside the package; in a checkout they lie at the top.
    """
    package = resources.files("worker")
    for folder in (package / "schemas", package / ".." / "schemas"):
        file = folder / f"{name}.json"
        if file.is_file():
            return file.read_bytes()
    raise FileNotFoundError(f"schema {name}: neither in the package nor in the checkout; install the worker again")


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """A validator for the schema `name`, formats included. Patterns run in linear time."""
    return jsonschema_rs.Draft202012Validator(
        orjson.loads(schema_text(name)),
        validate_formats=True,
        ignore_unknown_formats=False,
        pattern_options=jsonschema_rs.RegexOptions(),
    )
