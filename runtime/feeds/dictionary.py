"""One growing dictionary for a column of text, so that codes mean the same in all batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

TEXT = pa.dictionary(pa.int32(), pa.string())
"""The Arrow type of text columns."""


class Dictionary:
    """Gives each distinct text a code, for good; `judge` is asked once for each.

    >>> words = Dictionary()
    >>> words.codes(pa.array(["b", "a", "b"])).tolist(), words.codes(pa.array(["a"])).tolist()
    ([0, 1, 0], [1])
    """

    def __init__(self, judge: Callable[[str], bool] = bool) -> None:
        self._judge = judge
        self._known: dict[str, int] = {}
        self._good: list[bool] = []
        self._array = pa.array([], pa.string())
        self._last: pa.Array | None = None
        self._map: NDArray[np.int32] = np.empty(0, np.int32)

    def codes(self, column: pa.Array) -> NDArray[np.int32]:
        """The codes of a text column (plain or dictionary, no nulls)."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        if self._last is None or not column.dictionary.equals(self._last):
            self._last = column.dictionary
            texts = column.dictionary.cast(pa.string()).to_pylist()
            self._map = np.array([self.code(text or "") for text in texts] + [0], np.int32)
        indices = column.indices
        if indices.null_count:
            self._map[-1] = self.code("")
            indices = pc.fill_null(indices, -1)
        found: NDArray[np.int32] = self._map[indices.to_numpy(zero_copy_only=False)]
        return found

    def __len__(self) -> int:
        return len(self._known)

    def good(self, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """What `judge` said of each."""
        verdicts: NDArray[np.bool_] = np.array(self._good, np.bool_)[codes]
        return verdicts

    def text(self, code: int) -> str:
        """The text of a code."""
        return str(self._array_now()[code].as_py())

    def array(self, codes: NDArray[np.int32]) -> pa.DictionaryArray:
        """A column of these codes."""
        return pa.DictionaryArray.from_arrays(pa.array(codes), self._array_now())

    def code(self, text: str) -> int:
        """The code of one text."""
        code = self._known.setdefault(text, len(self._known))
        if code == len(self._good):
            self._good.append(self._judge(text))
        return code

    def _array_now(self) -> pa.Array:
        if len(self._array) < len(self._known):
            self._array = pa.array(list(self._known), pa.string())
        return self._array
