"""What came of passwords that were checked before: a check is slow on purpose. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from runtime.store.access.password import Verifier

REMEMBERED = 1_024
"""Verdicts that are kept of each kind."""

SECONDS = 300.0
"""How long a verdict is kept."""


class _Verdict(NamedTuple):
    verifier: Verifier
    until: float


class Verdicts:
    """Which credentials were right and which were wrong, for a while, the latest ones.

    Credentials are told apart by a `key`, which should be a keyed digest of them. A verdict
    counts for the very verifier that it was found with: a changed password makes it void.
    Right and wrong ones do not crowd each other out.
    """

    def __init__(self, most: int = REMEMBERED, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._kept: dict[bool, OrderedDict[bytes, _Verdict]] = {
            right: OrderedDict() for right in (True, False)
        }

    def recall(self, key: bytes, verifier: Verifier, now: float) -> bool | None:
        """The verdict on the credentials, None if there is none. `now`: seconds that only grow."""
        for right, kept in self._kept.items():
            found = kept.get(key)
            if found is not None and found.verifier == verifier and now < found.until:
                kept.move_to_end(key)
                return right
        return None

    def remember(self, key: bytes, verifier: Verifier, now: float, *, right: bool) -> None:
        """Keep a verdict; the one that was not asked for longest makes room."""
        self._kept[not right].pop(key, None)
        kept = self._kept[right]
        kept[key] = _Verdict(verifier, now + self._seconds)
        kept.move_to_end(key)
        if len(kept) > self._most:
            kept.popitem(last=False)
