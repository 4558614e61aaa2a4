"""Text with commas, tabs, semicolons, bars or blanks between its columns, in batches of rows."""

import csv
import io
import logging
import re
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from galcen.errors import SchemaError
from galcen.io.declared import NOTHING, Declaration, frame_of, from_words
from galcen.io.readers.packed import open_bytes
from galcen.io.table_columns import Batch, RawColumn, Wanted, WantedColumn, from_arrow, missing_name, select

log = logging.getLogger(__name__)

DELIMITERS = ("\t", ",", ";", "|", " ")
_NAMES = {"\t": "tsv", ",": "csv", ";": "semicolon", "|": "pipe", " ": "blank"}

HEAD_LINES = 2000
"""Lines among which the names of the columns are looked for."""

MOST_LINE = 1 << 20
"""Characters of a line; a longer one is no row of a table."""

_DASHES = re.compile(r"[-+=|;,\s]*-[-+=|;,\s]*")
_FOOTER = re.compile(r"\s*\(?\d+ rows?\)?\s*")
_NO_UNIT = ("", "-", "--", "---", "none")


_SEXAGESIMAL = {
    **dict.fromkeys(('"h:m:s"', "h:m:s", "hms"), "hourangle"),
    **dict.fromkeys(('"d:m:s"', "d:m:s", "dms"), "deg"),
}
"""Units of angles in three parts, as VizieR writes them -> those of their first part."""

_ANGLE = re.compile(r"([+-]?)(\d+)[ :](\d+)[ :](\d+(?:\.\d*)?)")


class _Head(NamedTuple):
    """What stands above the first row."""

    delimiter: str
    names: list[str]
    units: dict[str, str]
    declared: dict[str, Declaration]
    n_line: int  # lines above the first row


class _LastByte(io.RawIOBase):
    """A stream that remembers its last byte: a file whose last line has no end may have been cut."""

    def __init__(self, stream: BinaryIO, last: list[bytes]) -> None:
        self._stream = stream
        self._last = last

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        if part:
            self._last[0] = part[-1:]
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def read(
    path: Path, wanted: Wanted, delimiter: str | None, block_bytes: int, batch_rows: int
) -> Iterator[Batch]:
    """Some columns of a table of text; without a delimiter the kind of text is found out.

    Parameters
    ----------
    path
        The file; gzip is undone.
    wanted
        The columns.
    delimiter
        One of `DELIMITERS`, or None.
    block_bytes, batch_rows
        Size of a batch.
    """
    with _open_text(path) as lines:
        try:
            head = list(islice(iter(lambda: lines.readline(MOST_LINE), ""), HEAD_LINES))
        except UnicodeDecodeError as error:
            raise SchemaError(
                f"{path}: is no text in UTF-8 ({error.reason} at byte {error.start}); convert it, such "
                "as with iconv -t UTF-8, or set `format`"
            ) from None
    if delimiter is None and (form := _described_form(head)) is not None:
        from galcen.io.readers import astropy_text  # deferred: needed for few tables

        yield from astropy_text.read(path, wanted, form)
        return
    found = _head(path, head, wanted, delimiter)
    advice = f"is the delimiter another than that of {_NAMES[found.delimiter]}? set `format`"
    if all(_is_number(name) for name in found.names):
        advice = "its first line has numbers, not the names of columns; write them above"
    elif len(found.names) > 1:
        advice = ""
    chosen = select(path, found.names, wanted, advice)
    last = [b"\n"]
    tail = _Tail(path, found.names[-1], chosen)
    with io.BufferedReader(_LastByte(open_bytes(path), last), 1 << 20) as stream:
        if found.delimiter == " ":
            batches = _blank_separated(path, stream, found, chosen, batch_rows)
        else:
            batches = _separated(path, stream, found, chosen, block_bytes)
        first = 1
        for batch in batches:
            tail.look_at(batch)
            columns = {
                key: RawColumn(
                    _values(batch.column(column.name), column, first, found.units.get(column.name)),
                    _SEXAGESIMAL.get(found.units.get(column.name, ""), found.units.get(column.name)),
                    found.declared.get(column.name, NOTHING),
                )
                for key, column in chosen.items()
            }
            if batch.num_rows:
                yield Batch(first, columns)
            first += batch.num_rows
    if last[0] not in (b"\n", b"\r"):
        tail.warn()


def _open_text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline=None)


def _described_form(head: list[str]) -> str | None:
    """Astropy's name of a form of text that describes itself; None for plain columns."""
    text = "".join(head[:200])
    if head and head[0].startswith("# %ECSV"):
        return "ascii.ecsv"
    if re.search(r"^Byte-(by|per)-byte Description of file:", text, re.MULTILINE):
        return "ascii.cds" if re.search(r"^={20}", text, re.MULTILINE) is None else "ascii.mrt"
    lines = [line for line in head if line.strip() and not line.startswith("\\")]
    if lines and lines[0].startswith("|") and len(lines) > 1:
        types = [cell.strip().lower() for cell in lines[1].strip().strip("|").split("|")]
        if lines[1].startswith("|") and all(
            t
            in (
                "int",
                "integer",
                "long",
                "double",
                "float",
                "real",
                "char",
                "date",
                "i",
                "l",
                "d",
                "f",
                "r",
                "c",
            )
            for t in types
        ):
            return "ascii.ipac"
    return None


def _head(path: Path, lines: list[str], wanted: Wanted, delimiter: str | None) -> _Head:
    """Names, units and declarations above the rows."""
    rows = [i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    if not rows:
        raise SchemaError(
            f"{path}: the table is empty; expected a line of column names and at least one star"
        )
    place = rows[0]
    names_line, after = lines[place], place + 1
    comment = _names_in_comment(lines, place, wanted, delimiter)
    if comment is not None:
        names_line, after = comment, place
    if delimiter is None:
        delimiter = _delimiter(names_line, wanted)
    names = _split(names_line, delimiter)
    units: dict[str, str] = {}
    following = [i for i in rows if i >= after][:2]
    dashes = next((i for i in following if _DASHES.fullmatch(lines[i])), None)
    if dashes is not None and dashes == following[0]:
        after = dashes + 1
    elif dashes is not None:
        cells = _split(lines[following[0]], delimiter)
        units = {name: cell for name, cell in zip(names, cells, strict=False) if cell.lower() not in _NO_UNIT}
        after = dashes + 1
    return _Head(delimiter, names, units, _declared(path, lines[:place], names), after)


def _names_in_comment(lines: list[str], place: int, wanted: Wanted, delimiter: str | None) -> str | None:
    """The comment above the first row that has the names, as TOPCAT and numpy write it."""
    above = [line for line in lines[:place] if line.startswith("#")]
    if not above:
        return None
    text = above[-1].lstrip("#").strip()
    first = _delimiter(text, wanted) if delimiter is None else delimiter
    names, cells = _split(text, first), _split(lines[place], first)
    needs = missing_name(names, wanted) is None and missing_name(cells, wanted) is not None
    return text if needs and len(names) == len(cells) else None


def _split(line: str, delimiter: str) -> list[str]:
    """Cells of a line, without blanks around them."""
    line = line.rstrip("\r\n")
    if delimiter == " ":
        return shlex.split(line) if '"' in line or "'" in line else line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _delimiter(line: str, wanted: Wanted) -> str:
    """What separates the names in a line: what gives all those wanted, else what gives most."""
    parts = {one: _split(line, one) for one in DELIMITERS if one == " " or one in line}
    return next(
        (one for one, names in parts.items() if missing_name(names, wanted) is None),
        max(parts, key=lambda one: (one != " ", len(parts[one]))),
    )


_COLUMN = re.compile(r"#Column\s+(?P<name>\S+)\s+\(\S*\)\s*(?P<text>.*)")
_COOSYS = re.compile(r"#Coosys\s+\S+?:\s*(?P<system>\S+)(?:\s+(?P<equinox>\S+))?", re.IGNORECASE)


def _declared(path: Path, lines: list[str], names: list[str]) -> dict[str, Declaration]:
    """Frame and epoch by column, as VizieR writes them above the table."""
    found: dict[str, Declaration] = {}
    systems = set()
    for line in lines:
        if (match := _COOSYS.match(line)) is not None:
            systems.add(frame_of(match["system"], match["equinox"], f"{path}: #Coosys"))
        if (match := _COLUMN.match(line)) is not None:
            found[match["name"]] = from_words(
                match["text"], f"{path}: the description of column {match['name']}"
            )
    only = Declaration(next(iter(systems))) if len(systems) == 1 else NOTHING
    return {name: found.get(name, NOTHING).filled(only) for name in names}


def _separated(
    path: Path, stream: BinaryIO, head: _Head, chosen: dict[str, WantedColumn], block_bytes: int
) -> Iterator[pa.RecordBatch]:
    """Cells of the columns as text, by pyarrow."""
    ragged: list[Any] = []

    def keep(row: Any) -> str:  # noqa: ANN401 - pyarrow's type has no name
        if row.text.startswith("#") or _FOOTER.fullmatch(row.text):
            return "skip"
        ragged.append(row)
        return "error"

    names = _unique(head.names)
    columns = [column.name for column in chosen.values()]
    if not _has_rows(stream, head.n_line):
        return
    try:
        yield from pyarrow.csv.open_csv(
            stream,
            # Without threads pyarrow knows the number of a row.
            pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=block_bytes),
            pyarrow.csv.ParseOptions(delimiter=head.delimiter, invalid_row_handler=keep),
            pyarrow.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        if not ragged:
            raise
        first = ragged[0]
        raise SchemaError(
            f"{path}: row {first.number}: {first.actual_columns} cells, expected "
            f"{first.expected_columns} as in the line of column names"
        ) from None


def _has_rows(stream: Any, n_line: int) -> bool:  # noqa: ANN401
    """Whether anything but comments and blanks stands below the head, with the stream at the first row."""
    for _ in range(n_line):
        stream.readline()
    while (ahead := stream.peek(1)[:1]) in (b"#", b"\n", b"\r", b" "):
        if ahead == b" " and stream.peek(4096)[:4096].strip():
            break
        if not stream.readline():
            return False
    return bool(ahead)


def _unique(names: list[str]) -> list[str]:
    """Names with numbers behind those that are repeated; pyarrow knows each by its name."""
    return [name if names.count(name) == 1 else f"{name}\0{i}" for i, name in enumerate(names)]


def _blank_separated(
    path: Path, stream: BinaryIO, head: _Head, chosen: dict[str, WantedColumn], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Cells of the columns as text, between blanks; those in quotation marks may have some."""
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig")
    for _ in range(head.n_line):
        lines.readline()
    places = {column.name: head.names.index(column.name) for column in chosen.values()}
    rows: list[list[str]] = []
    count = 0
    for line in iter(lambda: lines.readline(MOST_LINE), ""):
        if line.startswith("#") or not line.strip():
            continue
        cells = _split(line, " ")
        count += 1
        if len(cells) != len(head.names):
            raise SchemaError(
                f"{path}: row {count}: {len(cells)} cells, expected {len(head.names)} as in the line of "
                "column names; "
                'an empty cell must be written as "" or nan where blanks separate'
            )
        rows.append(cells)
        if len(rows) == batch_rows:
            yield _batch(rows, places)
            rows = []
    if rows:
        yield _batch(rows, places)


def _batch(rows: list[list[str]], places: dict[str, int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {name: pa.array([row[place] for row in rows], pa.string()) for name, place in places.items()}
    )


def _values(cells: pa.Array, column: WantedColumn, first: int, unit: str | None) -> np.ndarray:
    """Cells of text as their kind; angles in hours or degrees, minutes and seconds where the unit says so."""
    if unit not in _SEXAGESIMAL or column.kind != "number":
        return from_arrow(cells, column, first)
    angles = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.to_pylist()):
        if cell and cell.strip():
            match = _ANGLE.fullmatch(cell.strip())
            if match is None or float(match[3]) >= 60 or float(match[4]) > 60:
                raise column.fault(first + row, cell)
            size = float(match[2]) + float(match[3]) / 60 + float(match[4]) / 3600
            angles[row] = -size if match[1] == "-" else size
    return angles


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Tail:
    """The last cell of a file, and how many decimals the cells above it have."""

    def __init__(self, path: Path, name: str, chosen: dict[str, WantedColumn]) -> None:
        self._path = path
        self._name = name
        self._is_wanted = name in [column.name for column in chosen.values()]
        self._fewest = 99
        self._cell: str | None = None
        self._n_row = 0

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take note of the cells of a batch."""
        if not self._is_wanted or not batch.num_rows:
            return
        cells = batch.column(self._name).to_pylist()
        above = ([] if self._cell is None else [self._cell]) + cells[:-1]
        self._cell = cells[-1]
        self._n_row += batch.num_rows
        self._fewest = min([self._fewest, *(_decimals(cell) for cell in above if cell)])

    def warn(self) -> None:
        """Warn of a file without a last line end whose last cell is shorter than all others."""
        if self._cell and self._n_row > 3 and _decimals(self._cell) < self._fewest:
            unit = 10.0 ** -_decimals(self._cell)
            log.warning(
                "%s: the file ends within a line, and its last cell, %s in column %s, has %d decimals "
                "where every "
                "other has %d or more: the file seems to be cut; up to %g of the number (%g arcsec of an "
                "angle in deg) "
                "and all rows behind it may be lost",
                *(
                    self._path,
                    self._cell,
                    self._name,
                    _decimals(self._cell),
                    self._fewest,
                    unit,
                    3600.0 * unit,
                ),
            )


def _decimals(cell: str) -> int:
    """Digits behind the point; many of a number with an exponent."""
    mantissa = cell.strip().lower()
    return 99 if "e" in mantissa else len(mantissa.rpartition(".")[2]) if "." in mantissa else 0
