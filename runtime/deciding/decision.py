"""What a strategy returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.events import Scalar

NOTHING: Mapping[str, Scalar] = {}


@dataclass(frozen=True, slots=True)
class Decision:
    """Something decided on one event, with the grounds for it.

    `action` is a short verb phrase (`enter_position`, `hold`); `confidence` lies in [0, 1];
    `apr` is the yield it is about as a fraction a year, or None where there is none;
    `features` is what was seen and `thresholds` what it was compared with (finite numbers,
    text, flags); `type` is one of the event types the strategy `emits`. The runtime adds
    aggregate, protocol, cause, time, author and signature.

    >>> Decision("hold", confidence=0.5).type
    'AgentDecisionMade'
    """

    action: str
    confidence: float
    apr: float | None = None
    reason: str = ""
    features: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING)
    thresholds: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING)
    type: str = "AgentDecisionMade"
