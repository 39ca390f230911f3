"""The rules of KurrentDB's own projections: an event in, the links to write out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from runtime.errors import ProjectionInvalid
from runtime.events import RecordedEvent
from runtime.store.link import LINK_TYPE
from runtime.store.policy import METADATA_TYPE, TOMBSTONE_TYPE, described_by, read_policy
from runtime.store.projections.definition import Definition
from runtime.store.projections.emission import STREAM_REFERENCE, Emitted, link, metadata_of
from runtime.store.projections.names import is_system

Rule = Callable[[RecordedEvent], Iterator[Emitted]]
"""What is to be written for an event of the log."""

_DELETED = {"$deleted": -1}
_SECOND = 10**9


def passes(event: RecordedEvent) -> bool:
    """Whether projections over the whole log look at `event`.

    They leave out the streams of the system, except the metadata of other streams, and what
    is declared JSON but is none.
    """
    return not is_system(event.stream) and is_sound(event)


def is_sound(event: RecordedEvent) -> bool:
    """Whether the data of an event is JSON, if it is declared to be.

    >>> is_sound(RecordedEvent(1, "a", 0, bytes(16), "T", b"{", b"", 0))
    False
    """
    if not event.json or event.type == TOMBSTONE_TYPE:
        return True
    try:
        msgspec.json.decode(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def deleted_stream(event: RecordedEvent) -> str | None:
    """The stream that is deleted by `event`, for good or not, if any is.

    >>> deleted_stream(RecordedEvent(1, "a-1", 2**63 - 1, bytes(16), "$streamDeleted", b"", b"", 0))
    'a-1'
    """
    described = described_by(event.stream)
    if described is None:
        return event.stream if event.type == TOMBSTONE_TYPE else None
    gone = event.type == METADATA_TYPE and read_policy(event.data).deleted
    return described if gone else None


def rule_of(definition: Definition) -> Rule:
    """The rule of one of the store's own projections; `ProjectionInvalid` if its query is bad."""
    query = definition.query
    if definition.name == "$by_category":
        return _by_category(categorizer(query))
    if definition.name == "$stream_by_category":
        return _stream_by_category(categorizer(query))
    if definition.name == "$by_correlation_id":
        return _by_correlation(_correlation_property(query))
    if query.strip():
        raise ProjectionInvalid(f"projection {definition.name!r} takes no query: give an empty one")
    return _by_type if definition.name == "$by_event_type" else _streams


def categorizer(query: str) -> Callable[[str], str | None]:
    r"""How the category of a stream is found: up to the `first` or the `last` separator.

    Raises `ProjectionInvalid` unless `query` is one of these words, a line break and one
    character.

    >>> first, last = categorizer("first\n-"), categorizer("last\n-")
    >>> first("a-b-1"), last("a-b-1"), first("ab"), first("$a-1"), first("-1")
    ('a', 'a-b', None, None, None)
    """
    kind, _, separator = query.strip().partition("\n")
    if kind.strip() not in ("first", "last") or len(separator.strip()) != 1:
        raise ProjectionInvalid(
            f"{query[:80]!r} does not say how categories are found: give 'first' or 'last',"
            " a line break, and the separator"
        )
    find = str.find if kind.strip() == "first" else str.rfind
    mark = separator.strip()

    def category(stream: str) -> str | None:
        end = find(stream, mark)
        return stream[:end] if end > 0 and not stream.startswith("$") else None

    return category


def _by_category(category_of: Callable[[str], str | None]) -> Rule:
    def rule(event: RecordedEvent) -> Iterator[Emitted]:
        gone = deleted_stream(event)
        source = event.stream if gone is None else gone
        category = category_of(source)
        if category is None:
            return
        extra = {"$o": source} | (_DELETED if gone is not None else {})
        stream = f"$ce-{category}"
        if event.type == LINK_TYPE:
            yield Emitted(stream, LINK_TYPE, event.data, extra=extra)
        else:
            yield link(stream, event.stream, event.revision, extra)

    return rule


def _stream_by_category(category_of: Callable[[str], str | None]) -> Rule:
    def rule(event: RecordedEvent) -> Iterator[Emitted]:
        category = category_of(event.stream)
        if event.revision == 0 and category is not None:
            yield Emitted(f"$category-{category}", STREAM_REFERENCE, event.stream.encode())

    return rule


def _by_type(event: RecordedEvent) -> Iterator[Emitted]:
    gone = deleted_stream(event)
    if gone is not None:
        yield link("$et-$deleted", gone, event.revision, _DELETED)
    elif event.type != LINK_TYPE:
        yield link(f"$et-{event.type}", event.stream, event.revision)


def _streams(event: RecordedEvent) -> Iterator[Emitted]:
    if event.revision == 0:
        yield link("$streams", event.stream, 0)


def _by_correlation(key: str) -> Rule:
    def rule(event: RecordedEvent) -> Iterator[Emitted]:
        found = metadata_of(event).get(key)
        correlation = str(found) if type(found) in (str, int) else ""
        if correlation and "\0" not in correlation and event.type != LINK_TYPE:
            extra = {"$eventTimestamp": _timestamp(event.recorded_at)}
            yield link(f"$bc-{correlation}", event.stream, event.revision, extra)

    return rule


def _correlation_property(query: str) -> str:
    if not query.strip():
        return "$correlationId"
    try:
        return msgspec.json.decode(query, type=_Correlation).property
    except msgspec.DecodeError as error:
        raise ProjectionInvalid(
            f"the query of $by_correlation_id must be a JSON object with the text"
            f" correlationIdProperty: {error}"
        ) from None


class _Correlation(msgspec.Struct):
    property: str = msgspec.field(name="correlationIdProperty")


def _timestamp(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // _SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % _SECOND // 1000:06}Z"
