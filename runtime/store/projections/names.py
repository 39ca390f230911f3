"""The streams that belong to a projection, named as KurrentDB names them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

REGISTRY = "$projections-$all"
"""Which projections there are: an event for each one made or deleted."""

TYPE_INDEX = "$et"
"""Where `$by_event_type` tells how far it has come."""

CREATED, DELETED = "$ProjectionCreated", "$ProjectionDeleted"
UPDATED = "$ProjectionUpdated"
CHECKPOINT, PARTITION_CHECKPOINT = "$ProjectionCheckpoint", "$Checkpoint"
PARTITION, TRACKED = "$partition", "$StreamTracked"
RESULT, RESULT_REMOVED = "Result", "ResultRemoved"


@dataclass(frozen=True, slots=True)
class Names:
    """The streams of the projection `name`; `result` and `pattern` are named by its query.

    In `pattern`, `{0}` stands for the partition.
    """

    name: str
    result: str = ""
    pattern: str = ""

    @property
    def definition(self) -> str:
        """Where its query and its settings stand."""
        return f"$projections-{self.name}"

    @property
    def tracked(self) -> str:
        """Which streams it has emitted to."""
        return f"$projections-{self.name}-emittedstreams"

    @property
    def partitions(self) -> str:
        """Which partitions it has."""
        return f"$projections-{self.name}-partitions"

    def checkpoint_of(self, partition: str) -> str:
        """Where the state of a partition stands; that of the empty one has the checkpoint.

        >>> Names("sums").checkpoint_of(""), Names("sums").checkpoint_of("a-1")
        ('$projections-sums-checkpoint', '$projections-sums-a-1-checkpoint')
        """
        inner = f"-{partition}" if partition else ""
        return f"$projections-{self.name}{inner}-checkpoint"

    def result_of(self, partition: str) -> str:
        """Where the results of a partition stand; those of the empty one, and links to all.

        >>> Names("sums").result_of("a-1"), Names("sums", pattern="sum-{0}").result_of("a-1")
        ('$projections-sums-a-1-result', 'sum-a-1')
        """
        if not partition:
            return self.result or f"$projections-{self.name}-result"
        pattern = self.pattern or f"$projections-{self.name}-{{0}}-result"
        return pattern.replace("{0}", partition)


def is_system(stream: str) -> bool:
    """Whether no projection sees the events of `stream` unless it names it.

    >>> [is_system(name) for name in ("a-1", "$$a-1", "$ce-a", "$$$ce-a")]
    [False, False, True, True]
    """
    return stream.removeprefix("$$").startswith("$")
