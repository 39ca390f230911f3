"""An explanation as people read it."""

from __future__ import annotations

from typing import Any

from runtime.cli.screen import output, plain, table
from runtime.jobs.explanation import Explanation


def print_explanation(explained: Explanation) -> None:
    """Print what was decided, seen and compared, by whom, from what, and the proof."""
    decision, data = explained.decision, explained.decision["data"]
    output.print(f"[bold]{decision['eventType']}[/bold] {decision['eventId']}", soft_wrap=True)
    facts = table("Decided", "what", "value")
    for name in ("action", "aggregate", "yield", "confidence", "protocol", "reason"):
        facts.add_row("yield (% a year)" if name == "yield" else name, plain(data[name]))
    facts.add_row("time", decision["timestamp"])
    facts.add_row("stream", f"{decision['streamId']} event {decision['eventNumber']}")
    output.print(facts)
    _print_pairs("Seen", data["features"])
    _print_pairs("Compared with", data["thresholds"])
    _print_agent(explained)
    _print_causes(explained)
    _print_proof(explained)


def _print_pairs(title: str, pairs: dict[str, Any]) -> None:
    shown = table(title, "name", "value")
    for name, value in pairs.items():
        shown.add_row(name, plain(value))
    output.print(shown)


def _print_agent(explained: Explanation) -> None:
    agent = explained.agent
    shown = table("By", "what", "value")
    shown.add_row("agent", str(agent["name"]))
    shown.add_row("key", str(explained.decision["metadata"]["agentId"]))
    shown.add_row("strategy", f"{agent.get('strategy')} version {agent.get('version')}")
    for name, value in agent.get("parameters", {}).items():
        shown.add_row(f"parameter {name}", plain(value))
    output.print(shown)


def _print_causes(explained: Explanation) -> None:
    output.print("[bold]Because of[/bold]")
    for cause in explained.causes:
        output.print(
            f"  {cause['eventType']} {cause['data']['action']} of {cause['streamId']}"
            f" event {cause['eventNumber']} at {cause['timestamp']} ({cause['eventId']})",
            soft_wrap=True,
        )
    origin = explained.origin
    output.print(f"  row {origin.row} of feed {origin.feed}", soft_wrap=True)
    if origin.values is None:
        output.print(f"  its values are not at hand: {origin.missing}", soft_wrap=True)
        return
    for name, value in origin.values.items():
        output.print(f"    {name} = {value}", soft_wrap=True, markup=False)


def _print_proof(explained: Explanation) -> None:
    for damage in explained.damages:
        output.print(f"[red]damaged[/red] {damage}", soft_wrap=True)
    if not explained.damages:
        count = 1 + len(explained.causes)
        output.print(
            "[green]Proven[/green]: signatures and chains hold from the beginning of"
            f" {count} stream{'s' if count > 1 else ''} to this decision"
        )
