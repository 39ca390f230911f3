"""A host: holds the state of its key groups and decides, window by window. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from runtime.deciding import POISON
from runtime.engine.author import new_chain
from runtime.engine.commands import Restore
from runtime.engine.desk import Desk, Output, Share
from runtime.engine.keygroups import key_group
from runtime.engine.results import GroupResult, Release, Results
from runtime.engine.signing import Drafts
from runtime.engine.windows import columns_for, read_rows
from runtime.errors import StateInvalid


@dataclass(frozen=True, slots=True)
class Decided:
    """What a host decided on a part, by key group; and where agents raised.

    Key groups in which one raised have no output.
    """

    outputs: Mapping[int, Output]
    raised: tuple[int, ...] = ()

    @property
    def known(self) -> Results:
        """What is told where the decisions are known already: only what could not be decided."""
        parked = ((group, tuple(out.parked)) for group, out in self.outputs.items())
        return tuple(GroupResult(group, (), those) for group, those in parked if those)

    @property
    def drafts(self) -> Drafts:
        """The decisions, not signed yet."""
        return tuple((group, tuple(out.drafts)) for group, out in self.outputs.items())

    def results(self, signed: Results) -> Results:
        """The signed decisions, with what was not decided."""
        return tuple(
            one._replace(parked=tuple(out.parked), held=tuple(out.held))
            if (out := self.outputs[one.group]).held
            else one
            for one in signed
        )


class Host:
    """Decides on the parts it is given, in their order; `desks` are its agents by stage.

    Deciding and signing are two steps, so that a shell may sign elsewhere. A key group in
    which an agent raised is not decided on any more until it is restored.
    """

    def __init__(self, desks: Mapping[str, Sequence[Desk]]) -> None:
        self._desks = desks
        self._broken: dict[str, set[int]] = {stage: set() for stage in desks}
        self._inputs = {
            stage: columns_for([one.strategy.inputs for desk in those for one in desk.editions])
            for stage, those in desks.items()
        }

    def decide(
        self,
        stage: str,
        batch: pa.RecordBatch,
        *,
        careful: bool = False,
        release: Release | None = None,
    ) -> Decided:
        """Decide on rows sorted by aggregate; answers for every key group among them.

        `careful`: event by event, so that one that a strategy raises on is parked. `release`:
        these are events that were held back, for one agent alone.
        """
        rows = read_rows(batch, self._inputs[stage])
        broken = self._broken[stage]
        outputs: dict[int, Output] = {}
        raised: list[int] = []
        for start, window in rows.windows():
            group = key_group(window.aggregate)
            if group in broken:
                continue
            out = outputs.setdefault(group, Output())
            share = Share(group, batch, rows, start, window, careful)
            if not self._decide(stage, share, out, release):
                raised.append(group)
                broken.add(group)
                del outputs[group]
        return Decided(outputs, tuple(raised))

    def snapshot(self, stage: str, groups: Collection[int]) -> dict[int, bytes]:
        """The state of key groups of a stage, as MessagePack; empty groups are left out."""
        parts: dict[int, list[tuple[str, str, int, str, bytes]]] = {}
        for desk in self._desks[stage]:
            for group in groups:
                for aggregate, cell in desk.cells.get(group, {}).items():
                    state = desk.kept(aggregate, cell)
                    at, whose = cell.chain, _whose(desk.agent, cell.edition)
                    kept = (whose, aggregate, at.revision, at.previous, state)
                    parts.setdefault(group, []).append(kept)
        return {group: msgspec.msgpack.encode(cells) for group, cells in parts.items()}

    def restore(self, command: Restore, parts: Mapping[int, bytes]) -> None:
        """Hold key groups as `parts` of a snapshot have them, and nothing else of them.

        Raises `StateInvalid` if a part does not fit.
        """
        stage = command.stage
        self.forget(stage, command.groups)
        desks = {desk.agent: desk for desk in self._desks[stage]}
        for who, position in command.parked:
            desks[who.agent].parked[who.aggregate] = position
        for group in command.groups:
            for whose, aggregate, revision, previous, state in _cells(stage, group, parts):
                agent, _, number = whose.partition(EDITION)
                desk, edition = desks[agent], int(number or 0)
                resumed = new_chain(agent, aggregate, previous)
                resumed.revision = revision
                desk.restore(group, aggregate, resumed, edition, state)

    def forget(self, stage: str, groups: Collection[int]) -> None:
        """Drop all that is known of key groups."""
        self._broken[stage].difference_update(groups)
        for desk in self._desks[stage]:
            desk.forget(groups, key_group)

    def _decide(self, stage: str, share: Share, out: Output, release: Release | None) -> bool:
        """Have the desks decide; returns whether no strategy raised."""
        for desk in self._desks[stage]:
            if release is not None and desk.agent != release.who.agent:
                continue
            try:
                if release is None:
                    desk.decide(share, out)
                else:
                    desk.release(share, release.then, out)
            except POISON:
                if share.careful or release is not None:
                    raise  # going event by event again would come to the same
                return False
        return True


EDITION = "@"
"""Between an agent and the number of the edition that a state is of, the first left out."""


def _whose(agent: str, edition: int) -> str:
    return f"{agent}{EDITION}{edition}" if edition else agent


_CELLS = msgspec.msgpack.Decoder(list[tuple[str, str, int, str, bytes]])


def _cells(
    stage: str, group: int, parts: Mapping[int, bytes]
) -> list[tuple[str, str, int, str, bytes]]:
    if group not in parts:
        return []
    try:
        return _CELLS.decode(parts[group])
    except msgspec.MsgspecError as error:
        raise StateInvalid(
            f"the snapshot of stage {stage!r}, key group {group}, is damaged: {error}"
        ) from None
