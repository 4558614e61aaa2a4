"""Text lists in the shapes that reduction programs write them: names of columns, cells, and nothing lost.

Cells are apart by blanks, commas, semicolons, tabs or vertical bars. Names of columns are in a comment line
(#, % or !), in a plain first line, or one a line with its number as SExtractor writes them; columns may also
be wanted by their numbers, and then no names are needed.
"""

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from galcen.errors import SchemaError
from galcen.io.table_columns import EMPTY

COMMENTS = ("#", "%", "!")

DELIMITERS = (",", ";", "\t", "|")
"""Tried in this order; blanks where none of them divides names and cells alike."""

UNITS = {
    "pix": "pix",
    "pixel": "pix",
    "pixels": "pix",
    "px": "pix",
    "mas": "mas",
    "arcsec": "arcsec",
    "deg": "deg",
    "um": "um",
    "mm": "mm",
    "mag": "mag",
    "yr": "yr",
    "year": "yr",
    "mas/yr": "mas/yr",
}
"""Units that a line below the names of the columns may hold, in brackets or not."""

NUMBERED_COLUMN = re.compile(r"#\s*(\d+)\s+(\S+)")
"""A line of SExtractor's header."""


class TextList(NamedTuple):
    """Cells of a list as text."""

    path: Path
    names: list[str]  # of the columns
    cells: list[list[str]]
    units: dict[str, str]  # of the columns that have one

    def has(self, name: str) -> bool:
        """Whether there is a column of this name or number."""
        return self._place(name) is not None

    def text(self, name: str) -> np.ndarray:
        """A column as text, empty where the cell is.

        Raises
        ------
        SchemaError
            There is no such column, or a row has another number of cells than there are columns.
        """
        place = self._place(name)
        if place is None:
            raise SchemaError(f"{self.path}: no column {name}; the list has {', '.join(self.names)}")
        for row, found in enumerate(self.cells, 1):
            if len(found) != len(self.names):
                raise SchemaError(
                    f"{self.path}: row {row}: {len(found)} cells, expected {len(self.names)} as in the line "
                    "of column names; the file is cut short, or a name has a blank in it"
                )
        return np.array([row[place].strip() for row in self.cells], dtype=str)

    def numbers(self, name: str) -> np.ndarray:
        """A column as numbers, NaN where the cell is empty, INDEF, or stars alone.

        Raises
        ------
        SchemaError
            A cell is no number.
        """
        out = np.empty(len(self.cells))
        for row, cell in enumerate(self.text(name).tolist(), 1):
            # Fortran writes stars where a number is too long for its cell.
            if cell.lower() in (*EMPTY, "indef") or not cell.strip("*"):
                out[row - 1] = np.nan
                continue
            try:
                # Fortran writes exponents with a D.
                out[row - 1] = float(cell.replace("D", "e").replace("d", "e"))
            except ValueError:
                raise SchemaError(
                    f"{self.path}: row {row}, column {name}: {cell!r} is not a number"
                ) from None
        return out

    def _place(self, name: str) -> int | None:
        if name in self.names:
            if self.names.count(name) > 1:
                raise SchemaError(
                    f"{self.path}: {self.names.count(name)} columns are called {name}; map it by its number "
                    f"({', '.join(str(at) for at, found in enumerate(self.names, 1) if found == name)})"
                )
            return self.names.index(name)
        if name.isdecimal() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        return None


def read_text(path: Path, wanted: Sequence[str]) -> TextList:
    """A list of any of the shapes.

    Parameters
    ----------
    path
        The list.
    wanted
        Names of columns by which the line of names is known, or their numbers, counted from 1.

    Raises
    ------
    SchemaError
        The file is missing or no text, or has no names of columns or no stars.
    """
    lines = _lines(path)
    comments = [line for line in lines if line.lstrip().startswith(COMMENTS)]
    body = [line for line in lines if not line.lstrip().startswith(COMMENTS)]
    names, delimiter, body = _header(path, comments, body, wanted)
    cells = [_split(line, delimiter) for line in body]
    units: dict[str, str] = {}
    while cells and (found := _units(names, cells[0], wanted)) is not None:
        units |= found
        cells = cells[1:]
    if not cells:
        raise SchemaError(f"{path}: the list has no stars; expected one a line")
    return TextList(path, names, cells, units)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise SchemaError(f"{path}: {found}; give star lists with their paths")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: cannot be read as text: {error}; is it a star list?") from None
    if "\0" in text:
        raise SchemaError(f"{path}: cannot be read as text: it holds binary zeros; is it a star list?")
    return [line for line in text.splitlines() if line.strip()]


def _header(
    path: Path, comments: list[str], body: list[str], wanted: Sequence[str]
) -> tuple[list[str], str | None, list[str]]:
    """Names of the columns, what divides the cells (None for blanks), and the lines of cells."""
    first = body[0] if body else ""
    numbered = [NUMBERED_COLUMN.match(line.strip()) for line in comments]
    described = {int(match[1]): match[2] for match in numbered if match}
    if described and set(wanted) & set(described.values()):
        delimiter = _delimiter(first, first)
        count = len(_split(first, delimiter)) if first else max(described)
        return [described.get(at, f"column_{at}") for at in range(1, count + 1)], delimiter, body
    best: tuple[int, bool, list[str], str | None] | None = None
    for line in comments:
        plain = line.strip().lstrip("".join(COMMENTS)).strip()
        delimiter = _delimiter(plain, first)
        names = _split(plain, delimiter)
        rank = (sum(name in names for name in wanted), len(names) == len(_split(first, delimiter)))
        if rank[0] and (best is None or rank > best[:2]):
            best = (*rank, names, delimiter)
    if best is not None:
        return best[2], best[3], body
    if first:
        delimiter = _delimiter(first, body[1] if len(body) > 1 else first)
        names = _split(first, delimiter)
        if set(wanted) & set(names) or (len(body) > 1 and not any(map(_is_number, names))):
            return names, delimiter, body[1:]
        if wanted and all(name.isdecimal() for name in wanted):
            return [str(at) for at in range(1, len(names) + 1)], delimiter, body
    raise SchemaError(
        f"{path}: no line of column names; expected a first line such as # name m t x y xe ye, or a map to "
        'their numbers such as {"columns": {"x": "2", "y": "3"}}'
    )


def _delimiter(names: str, cells: str) -> str | None:
    """What divides the names of the columns; blanks (None) unless it divides the cells alike."""
    for delimiter in DELIMITERS:
        count = len(_split(names, delimiter))
        if count > 1 and (not cells or len(_split(cells, delimiter)) == count):
            return delimiter
    return None


def _split(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    cells = next(csv.reader([line.strip(" ")], delimiter=delimiter, skipinitialspace=True))
    if delimiter == "|" and len(cells) > 2 and not cells[0].strip() and not cells[-1].strip():
        cells = cells[1:-1]
    return [cell.strip() for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace("D", "e").replace("d", "e"))
    except ValueError:
        return False
    return True


def _units(names: list[str], cells: list[str], wanted: Sequence[str]) -> dict[str, str] | None:
    """Units of the columns where a line holds them, or dashes; None for a line of a star."""
    plain = [cell.strip("[]()").lower() for cell in cells]
    if len(cells) != len(names) or any(map(_is_number, plain)):
        return None
    rules = [not cell.strip("-=:") for cell in plain]
    known = [cell in UNITS for cell in plain]
    if all(rules) or (any(known) and sum(known) + sum(rules) >= min(2, len(set(wanted) & set(names)))):
        return {name: UNITS[cell] for name, cell in zip(names, plain, strict=True) if cell in UNITS}
    return None
