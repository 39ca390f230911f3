"""Checking a log with public keys only.

What is checked of each event: its number follows the one before it, its fields are of
their types, its metadata is in the signed form, its author is the one trusted for its
stream, its signature holds over the stored bytes and its place, alone or as one of a batch,
it names the digest of the event before it and the run it belongs to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from runtime.errors import KeyInvalid, MetadataInvalid
from runtime.events import (
    GENESIS,
    Entry,
    RecordedEvent,
    Scavenged,
    kind_of,
    read_metadata,
    split_decision_stream,
)
from runtime.identity.batch import Claim, claim
from runtime.identity.chain import recorded_message
from runtime.identity.keys import VerifyingKey

ID_BYTES = 16
REMEMBERED = 4
"""How many of the last signatures that held a stream's check knows again."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that does not hold: where, what kind, and in words.

    `kind` is one of `gap`, `form`, `metadata`, `author`, `signature`, `chain`, `run`,
    `cause`, `root`. `revision` and `position` are -1 where the damage is not in one event.
    """

    stream: str
    revision: int
    position: int
    kind: str
    detail: str

    def __str__(self) -> str:
        if self.revision < 0:
            return f"{self.stream}: {self.kind}: {self.detail}"
        return f"{self.stream} event {self.revision} (position {self.position}): {self.detail}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may write what: did:key and run id by agent name, and the same by run stream."""

    agents: Mapping[str, str]
    runs: Mapping[str, str]
    run_ids: Mapping[str, str] = field(default_factory=dict)

    def author(self, stream: str) -> str | None:
        """The did:key trusted for `stream`, if any."""
        if kind_of(stream) == "agent":
            return self.agents.get(_owner(stream))
        return self.runs.get(_owner(stream))

    def run_id(self, stream: str) -> str | None:
        """The id of the run that `stream` belongs to, if it is known."""
        return self.run_ids.get(_owner(stream))


def _owner(stream: str) -> str:
    try:
        return split_decision_stream(stream)[0]
    except ValueError:
        return stream.partition("/")[0]


@dataclass(slots=True)
class StreamCheck:
    """Checks the entries of one stream, in their order; remembers where the chain stands.

    An event that was removed is passed over: what is kept of it is where the chain goes on,
    and the event behind it names its digest. `scavenged` counts them, `ends` says whether
    the last entry was an event, as a scavenge leaves it.

    The signature of a batch is verified once for a key, root and count: each other event of the
    batch is proven by its path to that root.
    """

    stream: str
    trust: Trust
    digest: str = GENESIS
    revision: int = -1
    scavenged: int = 0
    ends: bool = True
    _keys: dict[str, VerifyingKey] = field(default_factory=dict)
    _held: deque[tuple[str, Claim]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def check(self, event: Entry) -> Damage | None:
        """The first thing that does not hold about `event`, or None; then goes on behind it."""
        if event.revision != self.revision + 1:
            found = f"event {event.revision} follows event {self.revision}: events were dropped"
            return self._damage(event, "gap", found)
        self.ends = isinstance(event, RecordedEvent)
        if isinstance(event, Scavenged):
            self.revision, self.digest = event.revision, event.digest
            self.scavenged += 1
            return None
        if not _well_formed(event):
            return self._damage(event, "form", "one of its fields is of another type or length")
        try:
            message, signature = recorded_message(event)
            claimed = claim(message, signature)
            fields = read_metadata(event.metadata)
        except MetadataInvalid as error:
            return self._damage(event, "metadata", f"the metadata is damaged: {error}")
        damage = (
            self._check_author(event, fields.get("agentId"))
            or self._check_signature(event, str(fields["agentId"]), claimed)
            or self._check_place(event, fields)
        )
        if damage is None:
            self.revision, self.digest = event.revision, sha256(message).hexdigest()
        return damage

    def _check_author(self, event: RecordedEvent, author: object) -> Damage | None:
        trusted = self.trust.author(self.stream)
        if trusted is None:
            return self._damage(event, "author", "no key is trusted for this stream")
        if author != trusted:
            return self._damage(event, "author", f"its author is {author}, trusted is {trusted}")
        return None

    def _check_signature(self, event: RecordedEvent, author: str, claimed: Claim) -> Damage | None:
        if (author, claimed) in self._held:
            return None
        try:
            key = self._keys.get(author) or self._keys.setdefault(author, VerifyingKey.of(author))
        except KeyInvalid as error:
            return self._damage(event, "author", str(error))
        if not key.verifies(*claimed):
            return self._damage(event, "signature", "the signature does not hold over its bytes")
        self._held.append((author, claimed))
        return None

    def _check_place(self, event: RecordedEvent, fields: Mapping[str, object]) -> Damage | None:
        if fields.get("previous") != self.digest:
            return self._damage(event, "chain", "it does not follow the event before it")
        expected = self.trust.run_id(self.stream)
        if expected is not None and fields.get("$correlationId") != expected:
            found = f"it belongs to run {fields.get('$correlationId')}, not to {expected}"
            return self._damage(event, "run", found)
        return None

    def _damage(self, event: Entry, kind: str, detail: str) -> Damage:
        return Damage(self.stream, event.revision, event.position, kind, detail)


def _well_formed(event: RecordedEvent) -> bool:
    """Whether each field is of its type; SQLite keeps other types where they are put."""
    kinds = {"event_id": bytes, "type": str, "data": bytes, "metadata": bytes}
    well = all(isinstance(getattr(event, name), kind) for name, kind in kinds.items())
    return well and len(event.event_id) == ID_BYTES


def check_stream(events: Iterable[Entry], stream: str, trust: Trust) -> Damage | None:
    """The first damage of a stream whose entries are given in order, or None."""
    check = StreamCheck(stream, trust)
    for event in events:
        damage = check.check(event)
        if damage is not None:
            return damage
    return None
