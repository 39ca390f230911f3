"""What a run records of itself, in its own stream `system-<run>`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Lifecycle(BaseModel):
    """Base of the events of a run's own stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(Lifecycle):
    """The first event of a run: all that its decisions depend on.

    `feeds` and `agents` determine the run's id; the fingerprint does not, it is there so
    that a later difference explains itself.
    """

    run: str
    run_id: str
    author: str = Field(description="did:key of the run's own key, which signs this stream")
    agents: list[dict[str, Any]] = Field(description="name, key, strategy, parameters of each")
    feeds: list[dict[str, Any]] = Field(description="name, declaration, digest of each")
    locations: dict[str, str] = Field(description="where each feed was read from; not in the id")
    fingerprint: dict[str, str] = Field(description="library versions, processor, platform")
    signing_block: int = Field(
        1, description="decisions of a stream on so many positions share one signature"
    )
    code: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of the file of each agent's strategy; not in the id",
    )

    @field_validator("agents", "feeds")
    @classmethod
    def _are_named(cls, declared: list[dict[str, Any]], info: ValidationInfo) -> Any:
        for name in ("name", "did" if info.field_name == "agents" else "digest"):
            if not all(isinstance(one.get(name), str) for one in declared):
                raise ValueError(f"one of the {info.field_name} has no {name}")
        return declared


class RunResumed(Lifecycle):
    """The run went on in a new process."""

    run_id: str
    fingerprint: dict[str, str]
    refused_snapshots: tuple[str, ...] = Field(
        (), description="what is wrong with snapshots that were not used"
    )
    code: dict[str, str] = Field(
        default_factory=dict, description="as in RunStarted, by now: a file may have been edited"
    )


class StrategyUpgraded(Lifecycle):
    """From position `since` on an agent decides with another strategy, version or parameters.

    The other fields are those of an agent in `RunStarted`.
    """

    run_id: str
    agent: str
    since: int
    strategy: str
    version: str
    parameters: dict[str, Any]
    parametersDigest: str  # noqa: N815 (as it is spelt in RunStarted)
    reference: str = Field("", description="module:Class of the strategy, as it was loaded")
    code: dict[str, str] = Field(
        default_factory=dict,
        description="as in RunStarted: its own, and once those of agents that are not upgraded",
    )


class RunPaused(Lifecycle):
    """The run was drained before the end of its input; it can be resumed."""

    run_id: str
    root: str = Field(description="hex Merkle root over the heads of all decision streams")
    streams: int
    decisions: int


class RunCompleted(RunPaused):
    """The run has taken in all of its input."""
