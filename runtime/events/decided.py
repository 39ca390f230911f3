"""What agents decide: one shape for all kinds of decision."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Scalar = bool | int | float | str
"""What a feature or threshold may be."""


class StrategyStamp(BaseModel):
    """Which strategy decided: its registered name, version and the digest of its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    parameters: str = Field(pattern=r"^[0-9a-f]{16}$", description="first 16 hex digits of SHA-256")


class DecisionData(BaseModel):
    """The data of a decision.

    `yield` is in percent a year, rounded to six decimals; rates among the features are
    fractions a year. Field order is the order of the stored bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    protocol: str
    yield_: float | None = Field(alias="yield", description="percent a year")
    confidence: float = Field(ge=0.0, le=1.0)
    action: str = Field(min_length=1)
    aggregate: str
    reason: str
    features: dict[str, Scalar] = Field(description="what was seen")
    thresholds: dict[str, Scalar] = Field(description="what it was compared with")
    strategy: StrategyStamp


class YieldOpportunityDetected(DecisionData):
    """A pool's yield stands out."""


class OpportunityRejected(DecisionData):
    """A yield that stood out is not worth taking, and why."""


class PositionCalculated(DecisionData):
    """What a position in this pool is expected to earn."""


class PositionRecommended(DecisionData):
    """A position that an agent would take."""


class AgentDecisionMade(DecisionData):
    """What an agent has decided to do."""
