"""What agents decided, as the input of others: read from the log, in an order that replays.

The log's own order depends on which host was faster. The order handed out does not: by the
position of the first observation behind a decision, then by the rank of its agent, its
stream and its number. A decision is handed out once the log is known to hold all that come
before it.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from runtime.errors import ConfigError
from runtime.events import (
    RecordedEvent,
    ReleaseBegun,
    decision_stream,
    parse_time,
    run_stream,
    split_decision_stream,
)
from runtime.feeds.port import FeedBatch
from runtime.store import EventStore, Filter

END = 1 << 62
"""A watermark at or beyond this says that there will never be other decisions."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
_BASE = {
    "aggregate": _TEXT,
    "event_time": pa.int64(),
    "known_at": pa.int64(),
    "position": pa.int64(),
    "source": _TEXT,
    "row": pa.int64(),
    "type": _TEXT,
    "protocol": _TEXT,
    "id": pa.binary(16),
}
_ARROW = {str: _TEXT, float: pa.float64(), bool: pa.bool_()}


class _Metadata(msgspec.Struct):
    position: str
    timestamp: str
    knownAt: str  # noqa: N815 (the field's name in the log)


class _Data(msgspec.Struct):
    protocol: str
    aggregate: str
    features: dict[str, Any]
    action: str
    confidence: float
    yield_: float | None = msgspec.field(name="yield", default=None)
    reason: str = ""

    def read(self, name: str) -> object:
        """A field by the name strategies know it under: data's own, `origin`, or a feature."""
        if name in ("action", "confidence", "protocol", "reason"):
            return getattr(self, name)
        if name in ("origin", "aggregate"):
            return self.aggregate
        return self.yield_ if name == "yield" else self.features.get(name)


@dataclass(frozen=True, slots=True)
class DecisionSource:
    """Which decisions to read: agents with their ranks, event types, and as what.

    `key` names the field that becomes the aggregate: `aggregate` for that of the decision,
    or another (decisions without it are passed over); `fields` the other fields to hand
    out, with their types (float, str, bool). `run` is the run that decides.
    """

    run: str

    ranks: Mapping[str, int]
    types: tuple[str, ...]
    key: str
    fields: Mapping[str, type]


@dataclass(order=True, slots=True)
class _Waiting:
    position: int
    rank: int
    stream: str
    revision: int
    event: RecordedEvent = field(compare=False)


class DecisionTape:
    """Reads the decisions of `source` from `store`.

    `advance` says how far the log is complete; `read` returns what may be handed out, cut
    between two positions only (so a batch may exceed its limit by decisions on the same
    observation). Memory holds what stands in the log between two marks. What an aggregate
    decided late, because it was in quarantine, is passed over: whoever reads the log again
    reads the same. With a `block` above 1, a batch is what was decided on one whole block of
    that many positions.
    """

    def __init__(self, store: EventStore, source: DecisionSource, block: int = 1) -> None:
        self._store = store
        self._block = block
        self._source = source
        streams = [f"agent-{agent}/" for agent in source.ranks]
        self._releases = Filter([f"{run_stream(source.run)}/"], [ReleaseBegun.__name__])
        self._filter = Filter(
            [*streams, *self._releases.streams], [*source.types, *self._releases.types]
        )
        self._late: dict[str, list[range]] = {}
        self._marks: deque[tuple[int, int]] = deque()
        self._heap: list[_Waiting] = []
        self._position = self._next = 0
        self._logs: list[int] = []
        self._gone: set[int] = set()
        self.widen(source.fields)

    def widen(self, fields: Mapping[str, type]) -> None:
        """Hand these fields out from now on; raises `ConfigError` for one that every event has."""
        taken = set(fields) & (_BASE.keys() - {"aggregate", "protocol"})
        if taken:
            raise ConfigError(
                f"no strategy can read a field {min(taken)!r} of decisions: every event has one"
            )
        wanted = {**fields, self._source.key: str}
        self._fields = {name: kind for name, kind in wanted.items() if name not in _BASE}
        self.schema = pa.schema(
            _BASE | {name: _ARROW[kind] for name, kind in sorted(self._fields.items())}
        )

    def seek(self, cursor: str) -> None:
        """Go on behind the batch that had this cursor."""
        fields = json.loads(cursor)
        self._position, self._next = int(fields["position"]), int(fields["log"])
        for event in self._store.read_all(only=self._releases):
            if event.position < self._next:
                self._note_release(event)

    def advance(self, watermark: int, log: int) -> None:
        """The log holds, up to position `log`, all decisions caused before `watermark`."""
        self._marks.append((watermark, log))

    def read(self, limit: int) -> FeedBatch | None:
        """The next decisions, at least those on one observation; None if none is known yet."""
        while self._marks and self._marks[0][0] <= self._position:
            self._marks.popleft()
        if not self._marks:
            return None
        if self._block > 1:
            return self._read_block()
        watermark, log = self._marks[0]
        self._scan(log)
        taken: list[_Waiting] = []
        while self._heap and self._heap[0].position < watermark:
            if len(taken) >= limit and self._heap[0].position != taken[-1].position:
                break
            taken.append(heapq.heappop(self._heap))
            self._gone.add(taken[-1].event.position)
        more = self._heap and self._heap[0].position < watermark
        self._position = taken[-1].position + 1 if more else watermark
        cursor = json.dumps({"position": self._position, "log": self._first()}, sort_keys=True)
        return FeedBatch(self._batch(taken), self._position, cursor)

    def _read_block(self) -> FeedBatch | None:
        """The decisions of the next block of positions that has any, once it is complete."""
        watermark, log = self._marks[-1]
        self._scan(log)
        complete = watermark if watermark >= END else watermark - watermark % self._block
        if complete <= self._position:
            return None
        end = complete
        if self._heap and self._heap[0].position < complete:
            end = (self._heap[0].position // self._block + 1) * self._block
        taken = []
        while self._heap and self._heap[0].position < end:
            taken.append(heapq.heappop(self._heap))
            self._gone.add(taken[-1].event.position)
        self._position = end
        cursor = json.dumps({"position": end, "log": self._first()}, sort_keys=True)
        return FeedBatch(self._batch(taken), end, cursor)

    def _first(self) -> int:
        """Where the log must be read again from, if only what was handed out is remembered."""
        while self._logs and self._logs[0] in self._gone:
            self._gone.remove(heapq.heappop(self._logs))
        return self._logs[0] if self._logs else self._next

    def _scan(self, log: int) -> None:
        if log < self._next:
            return
        for event in self._store.read_all(self._next, only=self._filter):
            if event.position > log:
                break
            if event.type == ReleaseBegun.__name__:
                self._note_release(event)
                continue
            position = int(msgspec.json.decode(event.metadata, type=_Metadata).position)
            late = any(position in those for those in self._late.get(event.stream, ()))
            if position >= self._position and not late:
                rank = self._source.ranks[split_decision_stream(event.stream)[0]]
                waiting = _Waiting(position, rank, event.stream, event.revision, event)
                heapq.heappush(self._heap, waiting)
                heapq.heappush(self._logs, event.position)
        self._next = log + 1

    def _note_release(self, event: RecordedEvent) -> None:
        """What an aggregate decides from now on, on what was held of it, comes late."""
        begun = ReleaseBegun.model_validate_json(event.data)
        stream = decision_stream(begun.agent, begun.aggregate)
        self._late.setdefault(stream, []).append(range(begun.first, begun.last + 1))

    def _batch(self, taken: list[_Waiting]) -> pa.RecordBatch:
        rows: dict[str, list[object]] = {name: [] for name in self.schema.names}
        for one in taken:
            event = one.event
            data = msgspec.json.decode(event.data, type=_Data)
            key = data.read(self._source.key)
            if not key:
                continue
            metadata = msgspec.json.decode(event.metadata, type=_Metadata)
            times = (parse_time(metadata.timestamp), int(metadata.knownAt))
            base = (key, *times, one.position, event.stream, event.revision, event.type)
            for name, value in zip(_BASE, (*base, data.protocol, event.event_id), strict=True):
                rows[name].append(value)
            for name, kind in self._fields.items():
                rows[name].append(_typed(data.read(name), kind))
        return pa.RecordBatch.from_pydict(rows, schema=self.schema)


def _typed(value: object, kind: type) -> object:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if number else float("nan")  # type: ignore[arg-type]
    return value if isinstance(value, kind) else kind()
