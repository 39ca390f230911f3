"""Where a stage goes on: its watermark and its feed's own cursor."""

from __future__ import annotations

import json

from runtime.errors import StoreDamaged


def stage_cursor(position: int, feed: str) -> str:
    """The cursor of a stage: its watermark and its feed's own cursor, as JSON."""
    return json.dumps({"position": position, "feed": feed}, sort_keys=True)


def read_stage_cursor(cursor: str) -> tuple[int, str]:
    """Watermark and feed cursor of a stage's cursor; `StoreDamaged` if it is none."""
    try:
        fields = json.loads(cursor)
        return int(fields["position"]), str(fields["feed"])
    except (ValueError, TypeError, KeyError):
        raise StoreDamaged(
            f"{cursor[:80]!r} is not where a stage can go on: restore the store from a copy"
        ) from None
