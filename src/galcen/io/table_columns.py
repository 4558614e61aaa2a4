"""One column of a user's table, of whatever type, as float64, int64 or text."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u

from galcen.errors import SchemaError
from galcen.io.declared import NOTHING, Declaration

EMPTY = ("", "nan", "null", "none", "n/a", "na", "<na>", "\\n", "--")
"""Cells of text that hold no value, in any case of letters; R writes NA, pandas <NA>, databases \\N."""


TRUE = ("true", "t", "yes", "y", "1", "1.0")
FALSE = ("false", "f", "no", "n", "0", "0.0")
"""Spellings of the logical values, in any case of letters."""

Kind = Literal["number", "identifier", "link", "text", "condition", "word"]
"""What a column becomes: float64 with NaN for what is missing; int64 of which none may be missing; int64
with -1 for what is missing; text, empty for what is missing; float64 with 1 and 0 for logical values; text
or, where the column has numbers or logical values, float64."""


class RawColumn(NamedTuple):
    """A column as it stands in the table."""

    values: np.ndarray
    unit: str | None
    declared: Declaration = NOTHING
    """What the file says of the frame and the epoch of the column."""


class Batch(NamedTuple):
    """Consecutive rows of a table."""

    first: int  # row of the first
    columns: dict[str, RawColumn]


class WantedColumn(NamedTuple):
    """Where a column comes from, and what it must hold."""

    path: Path
    name: str
    kind: Kind
    is_optional: bool = False
    """Read where the table has it, under its name in any case of letters."""

    @property
    def whole(self) -> bool:
        """Whether it must hold whole numbers."""
        return self.kind in ("identifier", "link")

    @property
    def expected(self) -> str:
        """What a cell must be."""
        return {
            "identifier": "a whole number from 0 to 2^53",
            "link": "a whole number from 0 to 2^63",
            "number": "a number",
            "condition": "a number or a logical value",
            "text": "text",
            "word": "text",
        }[self.kind]

    def fault(self, row: int, cell: object) -> SchemaError:
        """A cell that cannot be read."""
        advice = ""
        if not self.whole and re.fullmatch(r"[+-]?\d+[ :hd]+\d+[ :m]+[\d.]+s?", str(cell).strip()):
            advice = (
                "; angles in three parts are read where the row of units says h:m:s and d:m:s, "
                "else write degrees"
            )
        elif not self.whole and re.fullmatch(r"[+-]?\d+,\d+", str(cell).strip()):
            advice = "; write decimals with a point"
        elif str(cell).strip() == self.name:
            advice = "; the line of column names is repeated: leave it out"
        elif not self.whole and re.fullmatch(r"[+-]?[\d.]+[dD][+-]?\d+", str(cell).strip()):
            advice = "; write exponents with E"
        elif not self.whole and not re.search(r"\d", str(cell)):
            advice = "; if it stands for a missing value, leave the cell empty or write nan"
        elif self.kind in ("identifier", "link") and re.fullmatch(r"\D+\d{6,}", str(cell)):
            advice = "; leave out the words before the number"
        return SchemaError(
            f"{self.path}: row {row}, column {self.name}: {cell!r} is not {self.expected}{advice}"
        )

    def empty(self, row: int) -> SchemaError:
        """A star without its identifier."""
        return SchemaError(
            f"{self.path}: row {row}, column {self.name}: the cell is empty; every star needs "
            "an identifier, or leave source_id out of the column map to number the rows"
        )

    def wrong_type(self, found: object) -> SchemaError:
        """A column that cannot be read."""
        advice = "; a float does not hold every identifier: store them as integers, or leave " + (
            "source_id out of the column map to number the rows" if self.kind == "identifier" else "it out"
        )
        return SchemaError(
            f"{self.path}: column {self.name} holds {found}, expected {self.expected}"
            f"{advice if self.whole else ''}"
        )


Wanted = Mapping[str, WantedColumn]
"""Columns to be read, by the key under which they are returned."""


def missing_name(found: Sequence[str], wanted: Wanted) -> str | None:
    """The first column wanted that is not there."""
    return next((c.name for c in wanted.values() if not c.is_optional and c.name not in found), None)


def select(path: Path, found: Sequence[str], wanted: Wanted, advice: str = "") -> dict[str, WantedColumn]:
    """The columns wanted that a table has, under its own names; those that must be there are checked."""
    check_names(path, found, [column.name for column in wanted.values() if not column.is_optional], advice)
    taken = {column.name for column in wanted.values() if not column.is_optional}
    chosen = {}
    for key, column in wanted.items():
        names = (
            [name for name in found if name.lower() == column.name.lower()]
            if column.is_optional
            else [column.name]
        )
        if len(names) == 1 and not (column.is_optional and names[0] in taken):
            chosen[key] = column._replace(name=names[0])
    return chosen


def check_names(path: Path, found: Sequence[str], wanted: Iterable[str], advice: str = "") -> None:
    """Refuse a column that the table does not have, or has twice, and name those like it."""
    plain = {name.lower(): name for name in found}
    for name in wanted:
        if name not in found:
            near = [plain[match] for match in difflib.get_close_matches(name.lower(), plain, 3)]
            has = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(found[:12])}"
            hint = advice and f"; {advice.removeprefix('; ')}"
            raise SchemaError(f"{path}: the table has no column {name}; {has}{hint}")
        if found.count(name) > 1:
            raise SchemaError(f"{path}: the table has {found.count(name)} columns {name}; rename all but one")


def from_numpy(values: np.ndarray, mask: np.ndarray | None, column: WantedColumn, first: int) -> np.ndarray:
    """An array of any type as its kind; what the mask covers is missing."""
    if values.ndim != 1:
        raise column.wrong_type(f"arrays of shape {values.shape[1:]}")
    if values.dtype.kind in "OSU":
        text = [item.decode() if isinstance(item, bytes) else str(item) for item in values.tolist()]
        return from_arrow(pa.array(text, pa.string(), mask=mask), column, first)
    native = values.astype(values.dtype.newbyteorder("="))
    return from_arrow(pa.array(native, mask=mask), column, first)


def from_arrow(array: pa.Array, column: WantedColumn, first: int) -> np.ndarray:
    """An array of any type as its kind; `first` is the row of its first element."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    is_number = pa.types.is_floating(array.type) or pa.types.is_integer(array.type)
    if column.kind == "text" or (
        column.kind == "word" and not (is_number or pa.types.is_boolean(array.type))
    ):
        words = pc.fill_null(pc.utf8_trim_whitespace(pc.cast(array, pa.string())), "")
        return np.array(words.to_pylist(), dtype=str)
    if column.kind in ("condition", "word") and pa.types.is_boolean(array.type):
        array = pc.cast(array, pa.int8())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = pc.utf8_trim_whitespace(array)
        blank = pc.is_in(pc.utf8_lower(array), pa.array(EMPTY, array.type))
        array = pc.if_else(blank, pa.scalar(None, array.type), array)
        if column.kind == "condition":
            array = _logical_as_numbers(array)
    elif pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        if column.whole:
            raise column.wrong_type(array.type)
    elif not (pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
        raise column.wrong_type(array.type)
    kind = pa.int64() if column.whole else pa.float64()
    try:
        numbers = pc.cast(array, kind)
    except pa.ArrowInvalid:
        row, cell = next(_misfits(array, kind))
        raise column.fault(first + row, cell) from None
    if column.kind == "link":
        numbers = pc.fill_null(numbers, -1)
    if column.kind == "identifier" and numbers.null_count:
        row = int(np.argmax(np.asarray(pc.is_null(numbers))))
        raise column.empty(first + row)
    if not column.whole:
        numbers = pc.fill_null(numbers, np.nan)
    return numbers.to_numpy(zero_copy_only=False)


def hide(values: np.ndarray, hidden: np.ndarray, column: WantedColumn, first: int) -> np.ndarray:
    """A column with what a mask covers as missing."""
    if column.kind == "identifier" and hidden.any():
        raise column.empty(first + int(np.argmax(hidden)))
    nothing = "" if values.dtype.kind == "U" else -1 if column.kind == "link" else np.nan
    return np.where(hidden, nothing, values)


def _logical_as_numbers(array: pa.Array) -> pa.Array:
    """Text whose logical values, in any spelling, are 1 and 0."""
    lower = pc.utf8_lower(array)
    for words, number in ((TRUE, "1"), (FALSE, "0")):
        is_meant = pc.is_in(lower, pa.array(words, array.type))
        array = pc.if_else(pc.fill_null(is_meant, False), pa.scalar(number, array.type), array)
    return array


def _misfits(array: pa.Array, kind: pa.DataType) -> Iterable[tuple[int, object]]:
    """Place and content of the cells that are no number."""
    for row, cell in enumerate(array):
        try:
            pc.cast(cell, kind)
        except pa.ArrowInvalid:
            yield row, cell.as_py()


def identifiers(values: np.ndarray, missing: Iterable[float]) -> np.ndarray:
    """Identifiers of another catalogue, -1 where there is none; `missing` are numbers that stand for none."""
    return np.where(np.isin(values, [int(one) for one in missing if float(one).is_integer()]), -1, values)


def quantity(
    values: np.ndarray,
    missing: Iterable[float],
    units: tuple[str | None, u.UnitBase | None],
    where: str,
    key: str,
) -> np.ndarray:
    """Values in galcen's unit, NaN where there is none.

    Parameters
    ----------
    values
        As in the table.
    missing
        Numbers that stand for no value.
    units
        The table's own and galcen's; without one of them values stay as they are.
    where
        File and column, for the message of an error.
    key
        Of the configuration, by which the unit is given.

    Raises
    ------
    SchemaError
        The units are of different kinds, or the table's is unknown.
    """
    values = values.astype(np.float64, copy=True)
    for sentinel in missing:
        # A table in single precision holds 99.999 to 8 digits only.
        values[np.isclose(values, sentinel, rtol=1e-6, atol=0.0)] = np.nan
    given, expected = units
    if expected is None or not given:
        return values
    try:
        return (values * _unit(given)).to_value(expected)
    except (u.UnitConversionError, u.UnitTypeError, ValueError, TypeError):
        raise SchemaError(
            f"{where} is in {given}, expected {expected} or a unit of the same kind; if the table is wrong, "
            f"or astropy does not know the unit, give it with the key {key}"
        ) from None


def _unit(text: str) -> u.UnitBase:
    """A unit as astropy, the VO or the CDS write it."""
    try:
        return u.Unit(text)
    except ValueError:
        for form in ("vounit", "cds"):
            try:
                return u.Unit(text, format=form)
            except ValueError:
                pass
        raise
