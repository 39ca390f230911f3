"""How many hosts a run should have, from how busy they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from runtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """Between `least` and `most` hosts, by how much of its credit a run uses.

    Above `high` for `up_after` seconds on end there are to be half as many hosts more (at
    least one), below `low` for `down_after` seconds one less. The gap between `low` and
    `high`, and the patience, keep the number from swinging. Raises `ConfigError` for bounds
    that contradict each other.
    """

    least: int = 1
    most: int = 1
    high: float = 0.8
    low: float = 0.2
    up_after: float = 5.0
    down_after: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ConfigError(
                f"autoscale.least must lie between 1 and most ({self.most}), was {self.least}"
            )
        if not 0.0 <= self.low < self.high <= 1.0:
            raise ConfigError(
                f"autoscale.low must be below high, both within [0, 1]; were {self.low} and"
                f" {self.high}"
            )


class Autoscaler:
    """Follows the load of a run and says when it should be scaled.

    >>> scaler = Autoscaler(ScalingPolicy(least=1, most=8, up_after=5.0))
    >>> scaler.observe(0.0, 1.0, 2), scaler.observe(4.0, 1.0, 2), scaler.observe(5.0, 1.0, 2)
    (None, None, 3)
    """

    def __init__(self, policy: ScalingPolicy) -> None:
        self._policy = policy
        self._since: tuple[str, float] = ("", 0.0)

    def observe(self, now: float, load: float, hosts: int) -> int | None:
        """Take in the load at `now` (seconds); returns the number of hosts there should be.

        `load` is the share of credit in use, 0 to 1, of the busiest stage; `hosts` how many
        there are to be now. None: leave it as it is.
        """
        policy = self._policy
        side = "high" if load >= policy.high else "low" if load <= policy.low else ""
        if side != self._since[0]:
            self._since = (side, now)
        lasted = now - self._since[1]
        wanted = hosts
        if side == "high" and lasted >= policy.up_after:
            wanted = hosts + ceil(hosts / 2)
        if side == "low" and lasted >= policy.down_after:
            wanted = hosts - 1
        wanted = max(policy.least, min(policy.most, wanted))
        if wanted == hosts:
            return None
        self._since = (side, now)
        return wanted
