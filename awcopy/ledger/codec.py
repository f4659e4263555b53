"""Records as JSON and back, exactly; where the JSON is kept is the adapters' affair.

A record becomes an object of its fields by name. A field that has its default value is left out, so a
default may never change its meaning once jobs exist. What is not known is ignored when it is read, so an
older awcopy reads what a newer one wrote. Moments are ISO 8601 in UTC, states are their values, CRCs are
16 hex digits, and all text is ASCII with JSON's own escapes: an object's key may hold any character.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quote
from types import NoneType, UnionType
from typing import Any, NamedTuple, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from awcopy.errors import AwcopyError
from awcopy.model.items import LargeFile
from awcopy.model.objects import SourceObject
from awcopy.model.outcome import AtSource, Outcome, Proof, Result, Route

_Record = TypeVar("_Record")

# These whole numbers are CRCs, which people compare as hex digits.
_CRC_FIELDS = frozenset({(Outcome, "crc64"), (LargeFile, "range_crcs")})
# Of a field that may hold one of several records, this member names the one it holds.
_TAG = "is"
# Some modules of the model import these for the type checker alone.
_NAMES = {"datetime": datetime}

_RESULTS = {result.value: result for result in Result}
_PROOFS = {proof.value: proof for proof in Proof}
_ROUTES = {route.value: route for route in Route}
_AT_SOURCE = {one.value: one for one in AtSource}
_coders: dict[type[Any], _RecordCoder] = {}
_dump = json.JSONEncoder(separators=(",", ":")).encode


class _Coder(NamedTuple):
    """The two directions of one type; None means that JSON holds the value as it is."""

    encode: Callable[[Any], Any] | None
    decode: Callable[[Any], Any] | None


class _RecordCoder(NamedTuple):
    """The two directions of one kind of record."""

    encode: Callable[[object], dict[str, object]]
    decode: Callable[[Mapping[str, Any]], object]


_PLAIN = _Coder(None, None)


def encode_record(record: object) -> dict[str, object]:
    """Return a record's fields as JSON holds them, without those that have their default."""
    kind: type[Any] = type(record)
    return _record_coder(kind).encode(record)


def decode_record(kind: type[_Record], members: Mapping[str, object]) -> _Record:
    """Return the record that ``encode_record`` was given; unknown members are ignored.

    Raises:
        AwcopyError: A member is missing, or holds what this version does not know.
    """
    known_kind: type[Any] = kind
    try:
        return cast("_Record", _record_coder(known_kind).decode(members))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _unreadable(kind.__name__) from exc


def dump_record(record: object) -> str:
    """Return a record as one line of JSON."""
    return _dump(encode_record(record))


def load_record(kind: type[_Record], text: str) -> _Record:
    """Return the record that ``dump_record`` was given.

    Raises:
        AwcopyError: The text is not such a record.
    """
    return decode_record(kind, load_members(text))


def dump_members(members: Mapping[str, object]) -> str:
    """Return what ``encode_record`` gave, or a part of it, as one line of JSON."""
    return _dump(members)


def load_members(text: str) -> dict[str, object]:
    """Return what ``dump_members`` was given.

    Raises:
        AwcopyError: The text is not a JSON object.
    """
    try:
        members = json.loads(text)
    except ValueError as exc:
        raise _unreadable("record") from exc
    if not isinstance(members, dict):
        raise _unreadable("record")
    return members


def dump_objects(objects: Iterable[SourceObject]) -> str:
    """Return listed objects as JSON, one line each. Written by hand: a job may have hundreds of millions."""
    return "".join([_dump_object(item) for item in objects])


def load_objects(text: str) -> list[SourceObject]:
    """Return the objects that ``dump_objects`` was given, in their order.

    Raises:
        AwcopyError: The text is not a list of objects.
    """
    try:
        return [_load_object(members) for members in _load_lines(text)]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _unreadable("list of objects") from exc


def dump_outcomes(outcomes: Iterable[Outcome]) -> str:
    """Return outcomes as JSON, one line each; by hand, as for objects."""
    return "".join([_dump_outcome(outcome) for outcome in outcomes])


def load_outcomes(text: str) -> list[Outcome]:
    """Return the outcomes that ``dump_outcomes`` was given, in their order.

    Raises:
        AwcopyError: The text is not a list of outcomes.
    """
    try:
        return [_load_outcome(members) for members in _load_lines(text)]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _unreadable("list of outcomes") from exc


def _unreadable(kind: str) -> AwcopyError:
    return AwcopyError(
        f"the ledger holds a {kind} that this version of awcopy cannot read",
        hint="run one version of awcopy everywhere; if all are equal, the ledger is damaged",
    )


# A newline within a line is always escaped, so a bare one can only lie between two lines.
def _load_lines(text: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(f"[{text.rstrip().replace(chr(10), ',')}]"))


def _dump_object(item: SourceObject) -> str:
    line = (
        f'{{"key":{quote(item.key)},"size_bytes":{item.size_bytes},"etag":{quote(item.etag)}'
        f',"modified_at":"{_dump_moment(item.modified_at)}"'
    )
    if item.storage_class != "STANDARD":
        line += f',"storage_class":{quote(item.storage_class)}'
    if item.version_id:
        line += f',"version_id":{quote(item.version_id)}'
    if not item.is_latest:
        line += ',"is_latest":false'
    if item.is_delete_marker:
        line += ',"is_delete_marker":true'
    if item.is_restored:
        line += ',"is_restored":true'
    return line + "}\n"


def _load_object(members: dict[str, Any]) -> SourceObject:
    return SourceObject(
        key=members["key"],
        size_bytes=members["size_bytes"],
        etag=members["etag"],
        modified_at=datetime.fromisoformat(members["modified_at"]),
        storage_class=members.get("storage_class", "STANDARD"),
        version_id=members.get("version_id", ""),
        is_latest=members.get("is_latest", True),
        is_delete_marker=members.get("is_delete_marker", False),
        is_restored=members.get("is_restored", False),
    )


def _dump_outcome(outcome: Outcome) -> str:
    line = f'{{"key":{quote(outcome.key)},"blob":{quote(outcome.blob)},"result":"{outcome.result}"'
    if outcome.reason:
        line += f',"reason":{quote(outcome.reason)}'
    if outcome.proof:
        line += f',"proof":"{outcome.proof}"'
    if outcome.size_bytes:
        line += f',"size_bytes":{outcome.size_bytes}'
    line += _dump_content(outcome)
    if outcome.attempts != 1:
        line += f',"attempts":{outcome.attempts}'
    if outcome.detail:
        line += f',"detail":{quote(outcome.detail)}'
    if outcome.notices:
        line += f',"notices":{_dump(outcome.notices)}'
    if outcome.route:
        line += f',"route":"{outcome.route}"'
    return line + _dump_fate(outcome) + "}\n"


def _dump_content(outcome: Outcome) -> str:
    etag = f',"etag":{quote(outcome.etag)}' if outcome.etag else ""
    version = f',"version_id":{quote(outcome.version_id)}' if outcome.version_id else ""
    crc64 = f',"crc64":"{outcome.crc64:016x}"' if outcome.crc64 is not None else ""
    return etag + version + crc64


def _dump_fate(outcome: Outcome) -> str:
    fate = f',"at_source":"{outcome.at_source}"' if outcome.at_source else ""
    return f'{fate},"source_reason":{quote(outcome.source_reason)}' if outcome.source_reason else fate


def _load_outcome(members: dict[str, Any]) -> Outcome:
    get = members.get
    crc64 = get("crc64")
    return Outcome(
        key=members["key"],
        blob=members["blob"],
        result=_RESULTS[members["result"]],
        reason=get("reason", ""),
        proof=_PROOFS[get("proof", "")],
        size_bytes=get("size_bytes", 0),
        etag=get("etag", ""),
        version_id=get("version_id", ""),
        crc64=None if crc64 is None else int(crc64, 16),
        attempts=get("attempts", 1),
        detail=get("detail", ""),
        notices=tuple(get("notices", ())),
        route=_ROUTES[members["route"]] if "route" in members else None,
        at_source=_AT_SOURCE[get("at_source", "")],
        source_reason=get("source_reason", ""),
    )


def _dump_moment(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        moment = moment.astimezone(UTC)
    return moment.isoformat()


def _record_coder(kind: type[Any]) -> _RecordCoder:
    coder = _coders.get(kind)
    if coder is None:
        coder = _coders[kind] = _build_record_coder(kind)
    return coder


def _build_record_coder(kind: type[Any]) -> _RecordCoder:
    hints = get_type_hints(kind, localns=_NAMES)
    members = [
        (f.name, _default_of(f), *_coder(hints[f.name], is_crc=(kind, f.name) in _CRC_FIELDS))
        for f in fields(kind)
    ]
    decoders = [(name, decode) for name, _, _, decode in members]

    def encode(record: object) -> dict[str, object]:
        encoded: dict[str, object] = {}
        for name, default, encode_member, _ in members:
            value = getattr(record, name)
            if value != default:
                encoded[name] = encode_member(value) if encode_member else value
        return encoded

    def decode(encoded: Mapping[str, Any]) -> object:
        known = {
            name: read(encoded[name]) if read else encoded[name] for name, read in decoders if name in encoded
        }
        return kind(**known)

    return _RecordCoder(encode, decode)


def _default_of(member: Any) -> object:  # noqa: ANN401 - dataclasses.Field is generic in what is not known here
    return member.default if member.default_factory is MISSING else member.default_factory()


def _coder(hint: object, *, is_crc: bool = False) -> _Coder:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return _union_coder(tuple(kind for kind in inner if kind is not NoneType), is_crc=is_crc)
    if origin is tuple:
        return _tuple_coder(_coder(inner[0], is_crc=is_crc))
    if isinstance(hint, NewType):
        return _coder(hint.__supertype__, is_crc=is_crc)
    return _single_coder(cast("type[Any]", hint), is_crc=is_crc)


def _single_coder(kind: type[Any], *, is_crc: bool) -> _Coder:
    if is_dataclass(kind):
        return _Coder(*_record_coder(kind))
    if issubclass(kind, StrEnum):
        return _Coder(lambda state: state.value, {state.value: state for state in kind}.__getitem__)
    if issubclass(kind, datetime):
        return _Coder(_dump_moment, datetime.fromisoformat)
    if issubclass(kind, int) and is_crc:
        return _Coder(lambda crc: f"{crc:016x}", lambda digits: int(digits, 16))
    if kind in {str, int, float, bool}:
        return _PLAIN
    raise TypeError(f"no JSON form is known for {kind.__name__}")


# None is told apart in front, so that no other coder ever sees it.
def _union_coder(kinds: tuple[type[object], ...], *, is_crc: bool) -> _Coder:
    encode, decode = _coder(kinds[0], is_crc=is_crc) if len(kinds) == 1 else _tagged_coder(kinds)
    return _Coder(
        encode and (lambda value: None if value is None else encode(value)),
        decode and (lambda value: None if value is None else decode(value)),
    )


def _tagged_coder(kinds: tuple[type[object], ...]) -> _Coder:
    named = {kind.__name__: kind for kind in kinds}
    return _Coder(
        lambda record: {_TAG: type(record).__name__, **encode_record(record)},
        lambda members: decode_record(named[members[_TAG]], members),
    )


def _tuple_coder(inner: _Coder) -> _Coder:
    encode, decode = inner
    return _Coder(
        (lambda values: [encode(value) for value in values]) if encode else list,
        (lambda values: tuple([decode(value) for value in values])) if decode else tuple,
    )
