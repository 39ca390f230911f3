"""From commits to one write: what is new is appended, what the log holds is compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from runtime.engine.commands import Commit
from runtime.engine.notices import NoticeBook
from runtime.engine.results import Sealed, StageSnapshot
from runtime.errors import MetadataInvalid, ReplayDiverged
from runtime.events import Entry, Scavenged, split_metadata
from runtime.identity import recorded_digest
from runtime.store import Append, Checkpoint, Fence, Snapshot, Write


class Log(Protocol):
    """What the ledger asks of the log."""

    def revision(self, stream: str) -> int:
        """The last revision of `stream`, -1 if it has none."""

    def event(self, stream: str, revision: int) -> Entry:
        """The event at that revision, or what is kept of it."""


@dataclass(slots=True)
class Ledger:
    """Follows the revision of each stream of a run, and drops what was decided before.

    After a restart hosts decide again on what they had not snapshotted; such events stand
    in the log already, and must be the same to the byte: else `ReplayDiverged`. Writes bear
    `fence`, so that the store refuses them once the run was taken over. What is told of
    aggregates in quarantine is written by `book`.
    """

    run: str
    log: Log
    fence: Fence | None = None
    book: NoticeBook | None = None
    _revisions: dict[str, int] = field(default_factory=dict)

    def write(self, commits: Iterable[Commit]) -> Write:
        """One write for all of `commits`, in their order."""
        events: dict[str, list[Sealed]] = {}
        checkpoints: dict[str, Checkpoint] = {}
        snapshots: dict[str, Snapshot] = {}
        for commit in commits:
            name = f"{self.run}/{commit.stage}"
            for event in commit.events:
                if self._is_new(event):
                    events.setdefault(event.stream, []).append(event)
            for notice in commit.notices:
                assert self.book is not None
                self.book.note(commit.stage, notice)
            if commit.checkpoint is not None:
                checkpoints[name] = Checkpoint(name, commit.checkpoint)
            if commit.snapshot is not None:
                snapshots[name] = _joined(name, snapshots.get(name), commit.snapshot)
        appends = [
            Append(stream, those[0].revision - 1, [one.event for one in those])
            for stream, those in events.items()
        ]
        if self.book is not None:
            appends += self.book.appends()
        return Write(appends, tuple(checkpoints.values()), tuple(snapshots.values()), self.fence)

    def _is_new(self, event: Sealed) -> bool:
        stream = event.stream
        revision = self._revisions.get(stream)
        if revision is None:
            revision = self.log.revision(stream)
        if event.revision == revision + 1:
            self._revisions[stream] = event.revision
            return True
        self._revisions[stream] = revision
        if event.revision > revision:
            raise ReplayDiverged(
                f"{stream} ends at event {revision}, but event {event.revision} was decided next:"
                " the log lost events since the run's last snapshot; check it with 'lucent verify'"
            )
        self._compare(event, self.log.event(stream, event.revision))
        return False

    def _compare(self, event: Sealed, stored: Entry) -> None:
        if not _is_same(event, stored):
            raise ReplayDiverged(
                f"event {event.revision} of {event.stream} was decided differently this time:"
                " the strategy, a library or the processor changed since the run began;"
                " compare the fingerprints in its RunStarted and RunResumed events"
            )


def _is_same(decided: Sealed, stored: Entry) -> bool:
    """Whether all that is signed is the same; it may have been signed with other events."""
    event = decided.event
    if isinstance(stored, Scavenged):
        return (event.event_id, _digest(decided)) == (stored.event_id, stored.digest)
    if event[:3] != (stored.event_id, stored.type, stored.data):
        return False
    if event.metadata == stored.metadata:
        return True
    try:
        return split_metadata(event.metadata)[0] == split_metadata(stored.metadata)[0]
    except MetadataInvalid:
        return False


def _digest(decided: Sealed) -> str:
    """The digest that the next event of the stream names, "" if it is in no signed form."""
    try:
        return recorded_digest(decided.recorded())
    except MetadataInvalid:
        return ""


def _joined(name: str, before: Snapshot | None, taken: StageSnapshot) -> Snapshot:
    if before is None or taken.whole:
        return Snapshot(name, taken.cursor, taken.parts, taken.whole)
    return Snapshot(name, taken.cursor, before.parts | taken.parts, before.whole)
