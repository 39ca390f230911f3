"""From a chunk of a file to usable, typed rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from runtime.errors import RowRejected
from runtime.events import FieldSpec, observation_fields
from runtime.feeds.checks import CODE, REASONS, Order, Verdicts
from runtime.feeds.columns import Mask, raw_values, read_flags, read_numbers, read_text, read_times
from runtime.feeds.dictionary import Dictionary
from runtime.feeds.port import LISTED, RejectedRow
from runtime.feeds.reasons import explain_row
from runtime.feeds.spec import ColumnSpec, TapeSpec


@dataclass(frozen=True, slots=True)
class Cut:
    """The usable rows of a chunk: numbers in the file, times (ns), aggregate codes, values."""

    row: NDArray[np.int64]
    time: NDArray[np.int64]
    known_at: NDArray[np.int64]
    aggregates: NDArray[np.int32]
    values: Mapping[str, Any]


class Reader:
    """Reads chunk after chunk of one tape, in order.

    `counts` says how many rows were refused, by reason; `parked` which aggregates are
    quarantined; `order` how far known-at has come.
    """

    def __init__(
        self,
        spec: TapeSpec,
        aggregates: Dictionary,
        words: Mapping[str, Dictionary],
        order: Order,
    ) -> None:
        self._spec, self._aggregates, self._words = spec, aggregates, words
        self._fields = observation_fields(spec.event_type)
        self._names = list(spec.columns)
        self.order = order
        self.counts: Counter[str] = Counter()
        self.parked: set[str] = set()

    def relearn(self, first: int, batch: pa.RecordBatch) -> None:
        """Take rows in that were handed out before, for what they say of the order only."""
        self._judge(*self._selected(first, batch))

    def read(
        self, first: int, batch: pa.RecordBatch, listed: list[RejectedRow]
    ) -> tuple[Cut, RowRejected | None]:
        """The usable rows of a chunk whose first row is number `first`.

        Adds refused rows to `listed`, up to its bound. Under `reject` the rows end before
        the first bad one, and the error to raise behind them comes with them.
        """
        numbers, batch = self._selected(first, batch)
        verdicts, time, known, aggregates, values = self._judge(numbers, batch)
        error = None
        refused = np.flatnonzero(~verdicts.usable)
        if len(refused) and self._spec.policy == "reject":
            error = self._error(batch, verdicts, int(refused[0]), int(numbers[refused[0]]))
            verdicts.codes[refused[0] :] = CODE["quarantined"]
            refused = refused[:0]
        self._count(verdicts, refused)
        listed.extend(
            self._row(batch, verdicts, index, int(numbers[index]))
            for index in refused[: max(0, LISTED - len(listed))].tolist()
        )
        keep = verdicts.usable
        if keep.all():
            return Cut(numbers, time, known, aggregates, values), error
        cut = {name: column[keep] for name, column in values.items()}
        return Cut(numbers[keep], time[keep], known[keep], aggregates[keep], cut), error

    def _selected(
        self, first: int, batch: pa.RecordBatch
    ) -> tuple[NDArray[np.int64], pa.RecordBatch]:
        numbers = np.arange(first, first + batch.num_rows)
        mask = np.ones(batch.num_rows, np.bool_)
        for name, wanted in self._spec.select.items():
            found = pc.is_in(read_text(batch.column(name)), pa.array(wanted, pa.string()))
            mask &= found.to_numpy(zero_copy_only=False)
        return (numbers, batch) if mask.all() else (numbers[mask], batch.filter(pa.array(mask)))

    def _judge(
        self, numbers: NDArray[np.int64], batch: pa.RecordBatch
    ) -> tuple[Verdicts, NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], dict[str, Any]]:
        spec, verdicts = self._spec, Verdicts.of(batch.num_rows)
        time, bad = read_times(batch.column(spec.event_time.column), spec.event_time.unit)
        verdicts.refuse(bad, "time")
        known = time if not spec.delay else time + spec.delay
        if spec.known_at is not None:
            known, bad = read_times(batch.column(spec.known_at.column), spec.known_at.unit)
            verdicts.refuse(bad, "time")
            verdicts.refuse(known < time, "known before it happened")
        aggregates = self._aggregates.codes(self._keys(batch))
        good = self._aggregates.good(aggregates)
        if not good.all():
            verdicts.refuse(~good, "aggregate name")
        values = {
            name: self._value(verdicts, number, batch) for number, name in enumerate(self._names)
        }
        alone = spec.policy == "quarantine"
        parked = [self._aggregates.code(name) for name in sorted(self.parked)] if alone else []
        if alone:
            self._park(verdicts, aggregates, parked)
        self.order.judge(verdicts, numbers, known, time, aggregates, alone=alone)
        if alone:
            self._park(verdicts, aggregates, parked)
        return verdicts, time, known, aggregates, values

    def _keys(self, batch: pa.RecordBatch) -> pa.Array:
        spec = self._spec
        if spec.aggregate_name is not None:
            return pa.array([spec.aggregate_name]).take(pa.array(np.zeros(batch.num_rows, int)))
        if len(spec.aggregate) == 1:
            column = batch.column(spec.aggregate[0])
            return column if pa.types.is_dictionary(column.type) else read_text(column)
        parts = [read_text(batch.column(name)) for name in spec.aggregate]
        return pc.binary_join_element_wise(*parts, ":")

    def _value(self, verdicts: Verdicts, number: int, batch: pa.RecordBatch) -> Any:
        name = self._names[number]
        column, field = self._spec.columns[name], self._fields[name]
        raw = (
            _constant(column, batch.num_rows)
            if column.column is None
            else batch.column(column.column)
        )
        if field.kind is str:
            codes = self._words[name].codes(read_text(raw))
            if field.required:
                verdicts.refuse(codes == self._words[name].code(""), "missing", number)
            return codes
        if field.kind is bool:
            flags, bad = read_flags(raw)
            verdicts.refuse(bad, "not a number", number)
            return pc.fill_null(flags, False).to_numpy(zero_copy_only=False)  # noqa: FBT003
        return self._numbers(verdicts, number, raw, column, field)

    def _numbers(
        self, verdicts: Verdicts, number: int, raw: pa.Array, column: ColumnSpec, field: FieldSpec
    ) -> NDArray[np.float64]:
        values, bad = read_numbers(raw)
        if column.scale != 1.0 or column.divisor != 1.0:
            values = values * column.scale / column.divisor
        verdicts.refuse(bad, "not a number", number)
        finite = np.isfinite(values)
        if not finite.all():
            nan = np.isnan(values)
            verdicts.refuse(np.isinf(values), "not finite", number)
            if field.required:
                verdicts.refuse(nan, "missing", number)
        verdicts.refuse(_absurd(values, column, field), "absurd", number)
        return values

    def _park(self, verdicts: Verdicts, aggregates: NDArray[np.int32], parked: list[int]) -> None:
        """Refuse what comes after a bad row of its aggregate; `parked` had one before."""
        rows = len(aggregates)
        since = np.full(len(self._aggregates), rows)
        since[parked] = -1
        bad = np.flatnonzero(~verdicts.usable & self._aggregates.good(aggregates))
        np.minimum.at(since, aggregates[bad], bad)
        verdicts.refuse(np.arange(rows) > since[aggregates], "quarantined")
        stopped = np.flatnonzero(since < rows).tolist()
        self.parked.update(self._aggregates.text(code) for code in stopped)

    def _count(self, verdicts: Verdicts, refused: NDArray[np.intp]) -> None:
        for code, count in zip(
            *np.unique(verdicts.codes[refused], return_counts=True), strict=True
        ):
            self.counts[REASONS[code]] += int(count)

    def _row(
        self, batch: pa.RecordBatch, verdicts: Verdicts, index: int, number: int
    ) -> RejectedRow:
        reason = REASONS[verdicts.codes[index]]
        name = self._names[verdicts.fields[index]] if self._names else ""
        aggregate = str(self._keys(batch.slice(index, 1))[0].as_py() or "")
        row = raw_values(batch, index)
        detail = explain_row(self._spec, reason, name, row)
        return RejectedRow(self._spec.name, number, aggregate, reason, detail)

    def _error(
        self, batch: pa.RecordBatch, verdicts: Verdicts, index: int, number: int
    ) -> RowRejected:
        row = self._row(batch, verdicts, index, number)
        where = f"{self._spec.path}: " if self._spec.path else ""
        return RowRejected(
            f"{where}{row}. Mend the file, or set policy = 'skip' or 'quarantine' for this feed"
        )


def _absurd(values: NDArray[np.float64], column: ColumnSpec, field: FieldSpec) -> Mask:
    low = field.low if column.low is None else column.low
    high = field.high if column.high is None else column.high
    with np.errstate(invalid="ignore"):
        bad = np.zeros(len(values), np.bool_)
        if low is not None:
            bad |= values < low
        if high is not None:
            bad |= values > high
        if field.above is not None and column.low is None:
            bad |= values <= field.above
    return bad


def _constant(column: ColumnSpec, rows: int) -> pa.Array:
    return pa.array([column.value]).take(pa.array(np.zeros(rows, np.int64)))
