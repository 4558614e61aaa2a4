"""Cuts of a user's table: the rows they keep, how many each leaves out, and those that cannot be."""

import logging
from collections.abc import Sequence

import numpy as np

from galcen.config.cuts import Cut, parse_cut
from galcen.errors import SchemaError
from galcen.io.table_columns import FALSE, TRUE, Batch, Kind

log = logging.getLogger(__name__)

MOST_WORDS = 12
"""Words of a column that an error lists."""


class RowCuts:
    """The cuts of one table, through all its batches."""

    def __init__(self, path: str, texts: Sequence[str]) -> None:
        self._path = path
        self._columns = [_Condition(path, text) for text in texts]
        self.n_row = 0
        """Rows so far."""
        self.left_out = dict.fromkeys(texts, 0)
        """Rows that each cut left out of those that the cuts before it kept."""

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column must be read as."""
        return {one.cut.column: "word" if one.cut.is_text else "condition" for one in self._columns}

    def keep(self, batch: Batch) -> np.ndarray:
        """Which rows of a batch fulfil all cuts."""
        n_row = len(next(iter(batch.columns.values())).values)
        self.n_row += n_row
        kept = np.ones(n_row, dtype=bool)
        for one in self._columns:
            fulfilled = one.fulfilled(batch.columns[one.cut.column].values, batch.first)
            self.left_out[one.text] += int(np.count_nonzero(kept & ~fulfilled))
            kept &= fulfilled
        return kept

    def finish(self) -> None:
        """Refuse cuts that ask for a word that no row has, or that leave nothing.

        Raises
        ------
        SchemaError
            One line: the file, the cut, what its column has.
        """
        for one in self._columns:
            one.finish()
        left = self.n_row
        for text, count in self.left_out.items():
            log.info("%s: cut %r leaves out %d of %d rows", self._path, text, count, left)
            left -= count
            if left == 0 and self.n_row > 0:
                raise SchemaError(
                    f"{self._path}: the cut {text!r} leaves none of the {self.n_row} rows"
                    f"{'' if count == self.n_row else ', after the cuts before it'}; see the column's "
                    "values and unit"
                )


class _Condition:
    """One cut, and what was seen of its column."""

    def __init__(self, path: str, text: str) -> None:
        self.text = text
        self.cut = parse_cut(text)
        self._path = path
        self._seen: set[str] = set()
        self._words: dict[str, None] = {}  # distinct words, in order
        self._is_logical = True  # no other words than those of logical values so far
        self._was_read_as_logical = False

    def fulfilled(self, values: np.ndarray, first: int) -> np.ndarray:
        """Which values fulfil the cut; `first` is the row of the first."""
        if not self.cut.is_text:
            return _compared(self.cut, values)
        words = [str(value) for value in self.cut.values]
        if values.dtype.kind == "f":
            numbers = [self._number(word, values, first) for word in words]
            equal = np.isin(values, numbers)
        else:
            equal = self._equal(words, values)
        return ~equal if self.cut.operator == "!=" else equal

    def _number(self, word: str, values: np.ndarray, first: int) -> float:
        """The number that a word means in a column of numbers or logical values."""
        self._seen.add(word)
        try:
            return float(word)
        except ValueError:
            pass
        number = 1.0 if word.lower() in TRUE else 0.0 if word.lower() in FALSE else None
        other = ~(np.isin(values, (0.0, 1.0)) | np.isnan(values))
        if number is None or other.any():
            found = (
                f"{values[np.argmax(other)]:g} in row {first + np.argmax(other)}"
                if other.any()
                else "0, 1 or true, false"
            )
            raise SchemaError(
                f"{self._path}: the cut {self.text!r} asks for {word!r}, but the column "
                f"{self.cut.column} has {found}; "
                "compare it with what it has"
            )
        return number

    def _equal(self, words: list[str], values: np.ndarray) -> np.ndarray:
        """Which cells hold one of the words; logical values in whatever spelling."""
        lower = np.char.lower(values)
        self._is_logical &= bool(np.isin(lower, (*TRUE, *FALSE, "")).all())
        if len(self._words) <= MOST_WORDS:
            self._words |= dict.fromkeys(np.unique(values[values != ""]).tolist())
        equal = np.zeros(len(values), dtype=bool)
        for word in words:
            exact = values == word
            group = next((group for group in (TRUE, FALSE) if word.lower() in group), None)
            if group is not None and self._is_logical:
                found = np.isin(lower, group)
                self._was_read_as_logical |= bool((found & ~exact).any())
                self._seen.add(word)
                exact = found
            if exact.any():
                self._seen.add(word)
            equal |= exact
        if self._was_read_as_logical and not self._is_logical:
            strange = next(word for word in self._words if word.lower() not in (*TRUE, *FALSE))
            raise SchemaError(
                f"{self._path}: the cut {self.text!r}: the column {self.cut.column} has logical values "
                f"and {strange!r}; "
                "expected either logical values or other words"
            )
        return equal

    def finish(self) -> None:
        """Refuse a word that no row has; of a list, say it."""
        if not self.cut.is_text:
            return
        absent = [str(word) for word in self.cut.values if str(word) not in self._seen]
        if not absent:
            return
        words = list(self._words)
        has = (
            ", ".join(words[:MOST_WORDS]) + (" and more" if len(words) > MOST_WORDS else "")
            or "no words at all"
        )
        message = (
            f"{self._path}: the cut {self.text!r}: no row has {absent[0]!r} in column {self.cut.column}; "
            f"it has {has}"
        )
        if len(absent) == len(self.cut.values):
            raise SchemaError(message)
        log.warning("%s", message)


def _compared(cut: Cut, values: np.ndarray) -> np.ndarray:
    """Which numbers a cut keeps; a missing one fulfils no comparison but !=."""
    if cut.operator in ("==", "in"):
        return np.isin(values, cut.values)
    if cut.operator == "!=":
        return ~np.isin(values, cut.values)
    return {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[cut.operator](
        values, cut.values[0]
    )
