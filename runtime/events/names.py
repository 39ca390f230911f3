"""Stream names: `<kind>-<id>`, the kind up to the first dash.

A kind belongs to one of four categories, which carry the policies of its streams.
Decision streams are `agent-<agent>/<aggregate>`, a run's own stream is `system-<run>`,
what it records of an aggregate in quarantine `system-<run>/<agent>/<aggregate>`, and of the
rows a stage did not take in `system-<run>/<stage>`.
"""

from __future__ import annotations

import re

CATEGORIES = {
    "agent": "agent-events",
    "audit": "audit-events",
    "market": "domain-events",
    "system": "system-events",
    "user": "domain-events",
}
"""Category of each kind of stream."""

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""What an agent, feed, run or key may be called: letters, digits, dots, dashes, underscores."""

AGGREGATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")
"""What an aggregate may be called: printable ASCII without blanks, 200 characters at most."""


def decision_stream(agent: str, aggregate: str) -> str:
    """The stream of what `agent` decides on `aggregate`.

    >>> decision_stream("scout", "ethereum:0xa0b8")
    'agent-scout/ethereum:0xa0b8'
    """
    return f"agent-{agent}/{aggregate}"


def run_stream(run: str) -> str:
    """The stream in which a run records its own start, pauses and end."""
    return f"system-{run}"


def quarantine_stream(run: str, agent: str, aggregate: str) -> str:
    """The stream in which a run records that it cannot decide on an aggregate.

    >>> quarantine_stream("live", "scout", "pool-1")
    'system-live/scout/pool-1'
    """
    return f"{run_stream(run)}/{agent}/{aggregate}"


def is_quarantine_stream(stream: str) -> bool:
    """Whether a run records in it that it cannot decide on an aggregate.

    >>> is_quarantine_stream("system-live/scout/pool-1"), is_quarantine_stream("system-live/scout")
    (True, False)
    """
    return kind_of(stream) == "system" and stream.count("/") > 1


def intake_stream(run: str, stage: str) -> str:
    """The stream in which a run records which rows a stage did not take in.

    >>> intake_stream("live", "scout")
    'system-live/scout'
    """
    return f"{run_stream(run)}/{stage}"


def split_decision_stream(stream: str) -> tuple[str, str]:
    """Agent and aggregate of a decision stream; `ValueError` for any other stream.

    >>> split_decision_stream("agent-scout/ethereum:0xa0b8")
    ('scout', 'ethereum:0xa0b8')
    """
    kind, _, rest = stream.partition("-")
    agent, slash, aggregate = rest.partition("/")
    if kind != "agent" or not slash:
        raise ValueError(f"{stream!r} is not a decision stream (agent-<agent>/<aggregate>)")
    return agent, aggregate


def kind_of(stream: str) -> str:
    """The kind of a stream: its name up to the first dash."""
    return stream.partition("-")[0]
