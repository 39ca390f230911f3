"""Snapshots on a server: the state of each key group in a stream of its own, and a list of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import uuid4

import msgspec

from runtime.errors import SnapshotDamaged, StoreDamaged, StoreError, StreamNotFound
from runtime.events import NewEvent
from runtime.store.digest import part_digest, snapshot_digest
from runtime.store.kurrent import books
from runtime.store.kurrent.line import Line
from runtime.store.policy import metastream
from runtime.store.port import Append, Expected, Snapshot

SPARED = 64
"""Events of older states that a stream may show before it is shortened."""

LISTED, STATE = "SnapshotTaken", "StatePiece"


class _Part(msgspec.Struct, frozen=True):
    """Where the state of a key group stands, the cursor it was taken at, and its digest."""

    first: int
    pieces: int
    cursor: str
    digest: bytes


class _Listed(msgspec.Struct, frozen=True):
    cursor: str
    digest: bytes
    parts: dict[int, _Part] = {}


class Parts:
    """The snapshots of a server's log."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def store(self, snapshot: Snapshot) -> list[Append]:
        """Store the states of `snapshot`, and answer what makes them count.

        Until the answered appends are stored, the snapshot before it counts. Raises
        `SnapshotDamaged` if it would be added to a damaged one.
        """
        name, cursor = snapshot.name, snapshot.cursor
        revision, listed = self._listed(name)
        if listed is not None and not snapshot.whole:
            _check(name, listed)
        before = {} if listed is None else listed.parts
        kept = {} if snapshot.whole else before
        parts = dict(kept) | self._stored(snapshot)
        digest = _digest(name, cursor, parts)
        data = msgspec.json.encode(_Listed(cursor, digest, parts))
        appends = books.last_counts(books.snapshot_stream(name), revision, LISTED, data)
        return [*appends, *self._shortened(name, before, parts)]

    def read(self, name: str, groups: Collection[int] | None) -> Snapshot | None:
        """The snapshot that counts, with the states of `groups` (None: all), checked."""
        revision, listed = self._listed(name)
        while listed is not None:
            try:
                return self._read(name, listed, groups)
            except (SnapshotDamaged, StreamNotFound):
                before = revision
                revision, listed = self._listed(name)
                if revision == before:
                    raise
        return None

    def _read(self, name: str, listed: _Listed, groups: Collection[int] | None) -> Snapshot:
        _check(name, listed)
        wanted = listed.parts.keys() if groups is None else listed.parts.keys() & set(groups)
        states = {group: self._state(name, group, listed.parts[group]) for group in sorted(wanted)}
        return Snapshot(name, listed.cursor, states)

    def _stored(self, snapshot: Snapshot) -> dict[int, _Part]:
        """Write the states, and tell where they stand."""
        parts = {}
        pieces = {group: books.cut(state) for group, state in snapshot.parts.items()}
        ends: dict[int, int] = {}
        for turn in range(max(map(len, pieces.values()), default=0)):
            groups = [group for group in pieces if turn < len(pieces[group])]
            for group, revision in self._put(snapshot, groups, pieces, turn).items():
                if revision != ends.get(group, revision - 1) + 1:
                    stream = books.state_stream(snapshot.name, group)
                    raise StoreDamaged(f"{stream} is written to by two processes: end one of them")
                ends[group] = revision
        for group, state in snapshot.parts.items():
            digest = part_digest(snapshot.name, snapshot.cursor, group, state)
            count = len(pieces[group])
            parts[group] = _Part(ends[group] - count + 1, count, snapshot.cursor, digest)
        return parts

    def _put(
        self, snapshot: Snapshot, groups: list[int], pieces: Mapping[int, list[bytes]], turn: int
    ) -> dict[int, int]:
        """Append one piece of each group; answers where it stands."""
        appends = []
        for group in groups:
            piece = pieces[group][turn]
            stream = books.state_stream(snapshot.name, group)
            event = NewEvent(uuid4().bytes, STATE, piece, b"", json=False)
            appends.append(Append(stream, Expected.ANY, [event]))
        revisions = {}
        for group, outcome in zip(groups, self._line.append(appends), strict=True):
            if isinstance(outcome, StoreError):
                raise outcome
            revisions[group] = outcome.revision
        return revisions

    def _shortened(
        self, name: str, before: Mapping[int, _Part], now: Mapping[int, _Part]
    ) -> list[Append]:
        """Metadata that hide older states, of streams that have many of them."""
        streams = [
            (books.state_stream(name, group), part.first)
            for group, part in now.items()
            if group in before and before[group].first // SPARED < part.first // SPARED
        ]
        return [
            books.shortened(stream, self._described(stream), first) for stream, first in streams
        ]

    def _described(self, stream: str) -> int:
        """The revision of a stream's metadata, -1 if it has none."""
        last = self._line.last(metastream(stream))
        return -1 if last is None else last.revision

    def _state(self, name: str, group: int, part: _Part) -> bytes:
        stream = books.state_stream(name, group)
        pieces = self._line.call(
            lambda client: client.stream_page(stream, part.first, part.pieces, backwards=False),
            stream,
        )
        state = b"".join(piece.data for piece in pieces)
        if part_digest(name, part.cursor, group, state) != part.digest:
            raise SnapshotDamaged(
                f"snapshot {name!r} is damaged: the state of key group {group}, its cursor or its"
                f" digest is not the one that was stored: see {stream}"
            )
        return state

    def _listed(self, name: str) -> tuple[int, _Listed | None]:
        stream = books.snapshot_stream(name)
        event = self._line.last(stream)
        if event is None:
            return -1, None
        try:
            return event.revision, msgspec.json.decode(event.data, type=_Listed)
        except msgspec.MsgspecError:
            raise SnapshotDamaged(
                f"snapshot {name!r} is damaged: event {event.revision} of {stream} cannot be read"
            ) from None


def _check(name: str, listed: _Listed) -> None:
    if _digest(name, listed.cursor, listed.parts) != listed.digest:
        raise SnapshotDamaged(
            f"snapshot {name!r} is damaged: its cursor was altered, or parts were removed, added"
            f" or exchanged (it has {len(listed.parts)} parts now)"
        )


def _digest(name: str, cursor: str, parts: Mapping[int, _Part]) -> bytes:
    return snapshot_digest(name, cursor, {group: part.digest for group, part in parts.items()})
