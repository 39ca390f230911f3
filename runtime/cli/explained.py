"""An explanation as people read it."""

from __future__ import annotations

from typing import Any

from runtime.cli.screen import output, plain, say, table
from runtime.jobs.explanation import Explanation


def print_explanation(explained: Explanation) -> None:
    """Print what was decided, seen and compared, by whom, from what, and the proof."""
    decision, data = explained.decision, explained.decision["data"]
    say((decision["eventType"], "bold"), f" {decision['eventId']}")
    pairs = {
        "yield (% a year)" if name == "yield" else name: data[name]
        for name in ("action", "aggregate", "yield", "confidence", "protocol", "reason")
    }
    pairs["time"] = decision["timestamp"]
    pairs["stream"] = f"{decision['streamId']} event {decision['eventNumber']}"
    _print_pairs("Decided", pairs)
    _print_pairs("Seen", data["features"])
    _print_pairs("Compared with", data["thresholds"])
    _print_pairs("By", _author(explained))
    _print_causes(explained)
    _print_proof(explained)


def _author(explained: Explanation) -> dict[str, Any]:
    agent = explained.agent
    return {
        "agent": agent["name"],
        "key": explained.decision["metadata"]["agentId"],
        "strategy": f"{agent.get('strategy')} version {agent.get('version')}",
    } | {f"  {name}": value for name, value in agent.get("parameters", {}).items()}


def _print_pairs(title: str, pairs: dict[str, Any]) -> None:
    shown = table(title, "", "value", fold="value")
    shown.show_header = False
    for name, value in pairs.items():
        shown.add_row(plain(name), plain(value))
    output.print(shown)


def _print_causes(explained: Explanation) -> None:
    say(("\nBecause of", "bold"))
    for cause in explained.causes:
        say(
            f"{cause['eventType']} {plain(cause['data']['action'])} of {cause['streamId']}"
            f" event {cause['eventNumber']} at {cause['timestamp']} ({cause['eventId']})"
        )
    origin = explained.origin
    say(f"row {origin.row} of feed {origin.feed}")
    if origin.values is None:
        say(f"  its values are not at hand: {plain(origin.missing)}")
        return
    for name, value in origin.values.items():
        say(f"  {plain(name)} = {plain(str(value))}")


def _print_proof(explained: Explanation) -> None:
    say("")
    for damage in explained.damages:
        say(("damaged", "red"), f" {plain(damage)}")
    if not explained.damages:
        count = 1 + len(explained.causes)
        say(
            ("proven", "green"),
            ": signatures and chains hold from the beginning of"
            f" {count} stream{'s' if count > 1 else ''} to this decision",
        )
