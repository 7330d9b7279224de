"""The words of one output column: the inventory's, and those that records bring."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from transform.codes import NONE, Coded


class Index:
    """Texts of an inventory, found by text; made once and shared.

    Args:
        words: Distinct texts.
    """

    def __init__(self, words: pa.Array) -> None:
        self.words = words

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each text."""
        return {text: code for code, text in enumerate(self.words.to_pylist())}


class Words:
    """An inventory's texts and more; codes beyond the inventory's are the latter.

    Args:
        index: The inventory's texts.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._more: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._index.words) + len(self._more)

    def code(self, text: str | None) -> int:
        """Return a text's code; a new text is added, null is ``NONE``."""
        if text is None:
            return NONE
        known = self._index.codes.get(text)
        if known is not None:
            return known
        return self._more.setdefault(text, len(self))

    def of(self, column: Coded) -> Any:
        """Return a column's codes among these words; int32."""
        if column.words is self._index.words:
            return column.codes
        known = [self.code(text) for text in column.words.to_pylist()]
        return np.take(np.array([*known, NONE], np.int32), column.codes)

    def text(self, code: int) -> str | None:
        """Return the text of a code."""
        if code < 0:
            return None
        size = len(self._index.words)
        if code < size:
            return str(self._index.words[code].as_py())
        return list(self._more)[code - size]

    def array(self, codes: Any, spread: Spread) -> pa.DictionaryArray | None:
        """Return texts as a dictionary column; None if all are null.

        The dictionary holds what the codes use and no more: an inventory has a
        million pods, a file some hundreds.

        Args:
            codes: A code for each distinct case.
            spread: The cases' rows.
        """
        encoded = pa.array(codes).dictionary_encode()
        used = np.asarray(encoded.dictionary)
        if len(used) == 0 or (len(used) == 1 and used[0] == NONE):
            return None
        null = used == NONE
        texts = self._texts(used[~null])
        places = np.asarray(encoded.indices)
        if null.any():
            # Arrow follows codes of nulls too when it joins dictionaries.
            places = np.maximum(np.cumsum(~null, dtype=np.int32) - 1, 0)[places]
        return spread.column(places, texts, codes != NONE if null.any() else None)

    def _texts(self, used: Any) -> pa.Array:
        size = len(self._index.words)
        more = pa.array(list(self._more), pa.string())
        if len(used) and used.min() >= size:
            return more.take(pa.array(used - size))
        if used.max() < size:
            return self._index.words.take(pa.array(used)).cast(pa.string())
        words = pa.concat_arrays([self._index.words.cast(pa.string()), more])
        return words.take(pa.array(used))


class Spread:
    """Cases spread over their rows, column by column.

    Args:
        which: For each row its case; intp.
    """

    def __init__(self, which: Any) -> None:
        self._which = which
        self._known: dict[bytes, pa.Buffer] = {}

    def column(
        self, places: Any, texts: pa.Array, known: Any = None
    ) -> pa.DictionaryArray:
        """Return a dictionary column of each row's text.

        Args:
            places: Of each case, the place of its text; int32.
            texts: Distinct texts.
            known: Which cases have a text at all; None: all of them.
        """
        valid = None if known is None else self._valid(known)
        codes = self._zeros if len(texts) == 1 else np.take(places, self._which)
        return _column(codes, texts, valid)

    @cached_property
    def _zeros(self) -> Any:
        """Return the codes of all rows in a column of one text, null or not."""
        return np.zeros(len(self._which), np.int32)

    def _valid(self, known: Any) -> pa.Buffer:
        """Return the bitmap of some cases' rows: most columns lack the same."""
        key = known.tobytes()
        if key not in self._known:
            self._known[key] = _bitmap(np.take(known, self._which))
        return self._known[key]


def _bitmap(known: Any) -> pa.Buffer:
    """Return a mask of rows that are not null as Arrow has it."""
    return pa.py_buffer(np.packbits(known, bitorder="little"))


def column_of_codes(codes: Any, texts: Sequence[str]) -> pa.DictionaryArray | None:
    """Return codes of a few texts, negative where null; None if all are null."""
    known = codes >= 0
    if not known.any():
        return None
    valid = None if known.all() else _bitmap(known)
    return _column(np.maximum(codes, 0).astype(np.int32), pa.array(texts), valid)


def _column(codes: Any, texts: pa.Array, valid: Any) -> pa.DictionaryArray:
    buffers = [valid, pa.py_buffer(codes)]
    indices = pa.Array.from_buffers(pa.int32(), len(codes), buffers)
    return pa.DictionaryArray.from_arrays(indices, texts, safe=False)
