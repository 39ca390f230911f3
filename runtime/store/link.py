"""Links: events that stand for another one (KurrentDB's form); `resolution` follows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.events import RecordedEvent
from runtime.store.expectation import TOMBSTONE

LINK_TYPE = "$>"
"""The type of an event whose data are `<revision>@<stream>`, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """An event as it was read: itself, or, if it is a link, what it stands for.

    `event` is None where the target is deleted or was never there; `link` is None where
    the event is no link.
    """

    event: RecordedEvent | None
    link: RecordedEvent | None = None

    @property
    def original(self) -> RecordedEvent:
        """The event that stands in the stream that was read."""
        original = self.link or self.event
        assert original is not None
        return original

    @property
    def size(self) -> int:
        """The bytes of its data and metadata, of the event and of the link."""
        parts = (part for part in (self.event, self.link) if part is not None)
        return sum(len(part.data) + len(part.metadata) for part in parts)


def target_of(event: RecordedEvent) -> tuple[str, int] | None:
    """The stream and the revision that a link stands for; None if it is none, or not a sound one.

    >>> link = RecordedEvent(9, "$ce-a", 0, bytes(16), "$>", b"3@a-1@b", b"", 0)
    >>> target_of(link)
    ('a-1@b', 3)
    """
    if event.type != LINK_TYPE:
        return None
    number, separator, stream = event.data.partition(b"@")
    try:
        revision, name = int(number), stream.decode()
    except ValueError:
        return None
    sound = separator and name and number.isdigit() and revision <= TOMBSTONE
    return (name, revision) if sound else None
