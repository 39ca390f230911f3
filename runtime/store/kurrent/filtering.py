"""Which events of a server's log are the store's own, and which of them a filter lets pass. Pure.

Streams that begin with `lucent-` are the adapter's books; those of the server itself begin
with `$`. Neither is shown, but the metadata of the other streams are.
"""

from __future__ import annotations

import re

from runtime.errors import FilterInvalid
from runtime.events import RecordedEvent
from runtime.store.pattern import matches
from runtime.store.port import Filter

_HIDDEN = r"(?!(\$\$)?(lucent-|\$[^$]))"
_OWN = re.compile(_HIDDEN)
_SPECIAL = re.compile(r"[.^$*+?()\[\]{}|\\#\s-]")


def name_pattern(prefixes: tuple[str, ...]) -> str:
    r"""A regular expression for the server: own streams that begin with one of `prefixes`.

    >>> name_pattern(("agent-a/", "system-"))
    '^(?!(\\$\\$)?(lucent-|\\$[^$]))(agent\\-a/|system\\-).*'
    """
    either = "|".join(_SPECIAL.sub(r"\\\g<0>", prefix) for prefix in prefixes)
    return f"^{_HIDDEN}({either}).*" if either else f"^{_HIDDEN}.*"


def is_own(stream: str) -> bool:
    """Whether a stream is to be shown.

    >>> [is_own(name) for name in ("s-1", "$$s-1", "lucent-x", "$$lucent-x", "$ce-s", "$$$ce-s")]
    [True, True, False, False, False, False]
    """
    return _OWN.match(stream) is not None


def passes(only: Filter, event: RecordedEvent) -> bool:
    """Whether `only` lets `event` pass. Raises `FilterInvalid`."""
    if only.streams and not event.stream.startswith(tuple(only.streams)):
        return False
    if only.types and event.type not in only.types:
        return False
    if only.type_prefixes and not event.type.startswith(tuple(only.type_prefixes)):
        return False
    named = not only.stream_pattern or _found(only.stream_pattern, event.stream)
    return named and (not only.type_pattern or _found(only.type_pattern, event.type))


def _found(pattern: str, name: str) -> bool:
    try:
        return matches(pattern, name)
    except TimeoutError:
        raise FilterInvalid(
            f"{name[:80]!r} took too long to be matched with {pattern[:80]!r}: simplify the filter"
        ) from None
