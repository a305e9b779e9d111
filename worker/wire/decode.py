"""From a record's bytes to a post: the field mapping, then the published schema, then what no schema can say."""

import hashlib

import orjson

from worker.core.errors import Reason, Rejected
from worker.core.types import Post, PostRef, Record, Tombstone
from worker.text.encodable import LONE_SURROGATE, encodable
from worker.wire.fields import FieldMap, RepeatedKeyError, find, tokens
from worker.wire.schemas import validator
from worker.wire.untrusted_json import Fault, JsonReader, Parsed

DEFAULT_MAX_RECORD_BYTES = 8 * 1024 * 1024
LONGEST_ID_BYTES = 512

_REGISTRY_HEADER_BYTES = 5  # a zero byte and a schema's number in four
_INT64 = range(-(2**63), 2**64)  # signed and unsigned
_EXACT_IN_A_FLOAT = 2**53
_SCHEMA = "post.v1"


class Decoder:
    """Decodes records into posts. Holds no state: any number of threads may share one.

    A record that is no post raises Rejected and nothing else. Wherever the post's id can be read all the same
    (at most 512 bytes, standing once), Rejected.post names it; its content hash is of the record's value.
    """

    def __init__(
        self,
        fields: FieldMap = FieldMap(),  # noqa: B008 - immutable
        *,
        schema_registry_header: bool = False,
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
    ) -> None:
        self._pointers = dict(fields.pointers())
        self._paths = tuple((name, tokens(pointer)) for name, pointer in fields.pointers())
        self._reader = JsonReader([token for _, path in self._paths for token in path])
        self._validator = validator(_SCHEMA)
        self._strip_header = schema_registry_header
        self._max_record_bytes = max_record_bytes

    def decode(self, record: Record) -> Post | Tombstone:
        """The post in `record`, or the news that it was deleted. Raises Rejected for everything else."""
        value = record.value
        if value is None:
            if record.key is None:
                raise Rejected(Reason.TOMBSTONE_WITHOUT_KEY, "neither a value nor a key says which post was deleted")
            return Tombstone()
        parsed = self._reader.read(self._body(value))
        fault = self._framing_fault(value) or parsed.fault
        if fault is None and not isinstance(parsed.document, dict):
            fault = Fault(Reason.NOT_AN_OBJECT, "the JSON is no object")
        found: Post | Fault = fault or self._post(parsed)
        if isinstance(found, Fault):
            raise Rejected(found.reason, found.detail, self._reference(parsed.document, value))
        return found

    def _body(self, value: bytes) -> bytes:
        return value[_REGISTRY_HEADER_BYTES:] if self._strip_header and value[:1] == b"\0" else value

    def _framing_fault(self, value: bytes) -> Fault | None:
        if len(value) > self._max_record_bytes:
            limit = f"MODERATION_MAX_RECORD_BYTES is {self._max_record_bytes}"
            return Fault(Reason.RECORD_TOO_LARGE, f"a value of {len(value)} bytes; {limit}")
        if self._strip_header and (value[:1] != b"\0" or len(value) < _REGISTRY_HEADER_BYTES):
            setting = "MODERATION_SCHEMA_REGISTRY_HEADER is true"
            return Fault(Reason.NO_REGISTRY_HEADER, f"no schema registry header, but {setting}")
        if not self._strip_header and value[:1] == b"\0":
            setting = "MODERATION_SCHEMA_REGISTRY_HEADER=true strips a schema registry's header"
            return Fault(Reason.NOT_JSON, f"begins with a zero byte; {setting}")
        return None

    def _post(self, parsed: Parsed) -> Post | Fault:
        mapped: dict[str, object] = {}
        for name, path in self._paths:
            try:
                value = find(parsed.document, path)
            except RepeatedKeyError:
                return Fault(Reason.DUPLICATE_KEY, f"a key on the way to {self._pointers[name]} stands more than once")
            if value is not None:
                mapped[name] = value
        identity = mapped.get("id")
        if type(identity) is int and identity in _INT64:
            mapped["id"] = str(identity)
        text = mapped["text"] = _clean(mapped.get("text"), surrogates=parsed.exact)
        title = _clean(mapped.get("title"), surrogates=parsed.exact)
        if title is not None:
            mapped["title"] = title
        fault = self._schema_fault(mapped, surrogates=parsed.exact)
        if fault:
            return fault
        # The schema holds from here on; the types repeat it for the checker.
        assert isinstance(text, str) and (title is None or isinstance(title, str))  # noqa: PT018, S101
        if not (text.strip() or (title and title.strip())):
            return Fault(Reason.EMPTY_TEXT, "neither text nor title holds more than white space")
        content_hash = hashlib.sha256(orjson.dumps([title, text])).hexdigest()
        return Post(_reference(mapped, content_hash), text, title)

    def _schema_fault(self, mapped: dict[str, object], *, surrogates: bool) -> Fault | None:
        # The validator itself takes no lone surrogates; objects and lists, which are no field, may hide some.
        for name, value in mapped.items() if surrogates else ():
            if isinstance(value, str) and LONE_SURROGATE.search(value):
                return Fault(Reason.SCHEMA, f"{self._pointers[name]} holds a lone surrogate")
            if isinstance(value, (dict, list)):
                return Fault(Reason.SCHEMA, f"{self._pointers[name]} breaks {_SCHEMA}: type")
        for name in ("id", "revision"):
            number = mapped.get(name)
            if isinstance(number, float) and not abs(number) < _EXACT_IN_A_FLOAT:
                return Fault(Reason.SCHEMA, f"{self._pointers[name]} is a number past 64 bits")
        if not self._validator.is_valid(mapped):
            return Fault(Reason.SCHEMA, self._complaint(mapped))
        identity = mapped["id"]
        if not (isinstance(identity, str) and _fits(identity)):
            return Fault(Reason.SCHEMA, f"{self._pointers['id']} is longer than {LONGEST_ID_BYTES} bytes")
        return None

    def _complaint(self, mapped: dict[str, object]) -> str:
        """The first thing the schema has against a post, without a word of the post."""
        for name in ("id", "text"):
            if mapped.get(name) is None:
                return f"{self._pointers[name]} is missing"
        error = next(self._validator.iter_errors(mapped))
        name = str(error.instance_path[0]) if error.instance_path else ""
        return f"{self._pointers.get(name, 'the post')} breaks {_SCHEMA}: {error.kind.name}"

    def _reference(self, document: object, value: bytes) -> PostRef | None:
        """What names the post in a record that was turned down; None where its id cannot be read."""
        named: dict[str, object] = {"text": ""}
        for name, path in self._paths:
            if name in {"id", "revision", "language"}:
                found = self._valid(document, name, path)
                if found is not None:
                    named[name] = found
        return _reference(named, hashlib.sha256(value).hexdigest()) if "id" in named else None

    def _valid(self, document: object, name: str, path: tuple[str, ...]) -> str | int | float | None:
        try:
            value = find(document, path)
        except RepeatedKeyError:
            return None
        if name == "id" and type(value) is int and value in _INT64:
            value = str(value)
        if not isinstance(value, (str, int, float)):
            return None
        probe: dict[str, object] = {"id": "-", "text": "", name: value}
        return value if self._schema_fault(probe, surrogates=True) is None else None


def _clean(value: object, *, surrogates: bool) -> object:
    """A text without NULs and lone surrogates; what is no text as it is."""
    if not isinstance(value, str):
        return value
    if surrogates:
        return encodable(value)
    return value.replace("\0", "") if "\0" in value else value


def _fits(identity: str) -> bool:
    longest = LONGEST_ID_BYTES
    return len(identity) * 4 <= longest or len(identity.encode()) <= longest


def _reference(valid: dict[str, object], content_hash: str) -> PostRef:
    revision, language = valid.get("revision"), valid.get("language")
    return PostRef(
        str(valid["id"]),
        int(revision) if isinstance(revision, (int, float)) else None,
        content_hash,
        language if isinstance(language, str) else None,
    )
