"""Binary and text tables of FITS, read in batches of rows from their stored bytes.

Astropy's own reader of tables compares TNULL with the scaled value, opens every extension and believes
sizes that the file cannot hold; its reader of headers is used here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import meta as table_meta

from galcen.errors import SchemaError
from galcen.io.declared import Declaration, from_keywords
from galcen.io.readers import serialized
from galcen.io.readers.packed import is_gzip, open_bytes
from galcen.io.table_columns import (
    Batch,
    RawColumn,
    Wanted,
    WantedColumn,
    from_numpy,
    hide,
    missing_name,
    select,
)

BLOCK = 2880
MOST_HEADER_BLOCKS = 1000
"""A header of 36,000 lines; longer ones are no headers."""

BATCH_BYTES = 1 << 26

_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(.*)")
_TEXT_FORM = re.compile(r"\s*([AIFED])(\d+)(?:\.(\d+))?\s*")
_WIDTH = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_TYPES = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


class _Field(NamedTuple):
    """A column as the header describes it."""

    name: str
    letter: str  # of TFORM
    repeat: int  # elements in a cell; characters of text
    offset: int  # in a row [byte]
    unit: str | None
    null: Any
    scale: float
    zero: float
    is_text: bool  # numbers written in characters


class _Table(NamedTuple):
    """A table's place and form."""

    fields: list[_Field]
    row_bytes: int
    n_row: int
    declared: Declaration
    serialized: Mapping[str, Any]
    """Astropy's metadata of columns that it took apart."""


def read(path: Path, wanted: Wanted, hdu: int | str | None, batch_rows: int) -> Iterator[Batch]:
    """Some columns of a table of a FITS file, in batches of rows.

    Parameters
    ----------
    path
        The file; gzip is undone.
    wanted
        The columns.
    hdu
        Number of the extension, from 1, or its EXTNAME; None takes the first table that has the columns.
    batch_rows
        Rows of a batch at most.
    """
    with open_bytes(path) as stream:
        table, chosen = _find(path, stream, wanted, hdu)
        fields = {field.name: field for field in table.fields}
        declared = serialized.declarations(table.serialized, str(path))
        masks = serialized.masks(table.serialized)
        n_batch = max(1, min(batch_rows, BATCH_BYTES // max(1, table.row_bytes)))
        for start in range(0, table.n_row, n_batch):
            n_row = min(n_batch, table.n_row - start)
            block = stream.read(n_row * table.row_bytes)
            if len(block) < n_row * table.row_bytes:
                raise SchemaError(
                    f"{path}: truncated: the table should have {table.n_row} rows, the file ends in row "
                    f"{start + len(block) // table.row_bytes + 1}; fetch it again"
                )
            columns = {}
            for key, column in chosen.items():
                field = fields[column.name]
                values = _decoded(block, n_row, table, field, column, start + 1)
                if masks.get(column.name) in fields:
                    flags = column._replace(name=masks[column.name], kind="condition")
                    hidden = _decoded(block, n_row, table, fields[flags.name], flags, start + 1) == 1
                    values = hide(values, hidden, column, start + 1)
                stated = declared.get(column.name).filled(table.declared)
                columns[key] = RawColumn(values, field.unit, stated)
            yield Batch(start + 1, columns)


def _find(
    path: Path, stream: BinaryIO, wanted: Wanted, hdu: int | str | None
) -> tuple[_Table, dict[str, WantedColumn]]:
    """The table asked for, with the stream at its first row; and which of its columns are wanted."""
    size = None if is_gzip(path) else path.stat().st_size
    seen: list[str] = []
    primary: fits.Header | None = None
    first: list[str] | None = None
    number, position = 0, 0
    while (header := _next_header(path, stream, number)) is not None:
        primary = header if primary is None else primary
        position = 0 if size is None else stream.tell()
        n_byte = _data_bytes(path, header, number)
        padded = -(-n_byte // BLOCK) * BLOCK
        name = str(header.get("EXTNAME", "")).strip()
        kind = str(header.get("XTENSION", "")).strip()
        is_meant = hdu is None or hdu == number or (isinstance(hdu, str) and hdu.lower() == name.lower())
        if kind in ("BINTABLE", "A3DTABLE", "TABLE"):
            seen.append(f"{number}{f' ({name})' if name else ''}")
        if is_meant and kind in ("BINTABLE", "A3DTABLE", "TABLE"):
            if size is not None and position + padded > size:
                raise SchemaError(
                    f"{path}: truncated: its header asks for {position + padded} bytes up to the end of "
                    f"extension {number}, the file has {size}; fetch it again"
                )
            table = _described(path, header, number, kind, primary)
            names = [field.name for field in table.fields]
            first = names if first is None else first
            if hdu is not None or missing_name(names, wanted) is None:
                return table, select(path, names, wanted)
        elif is_meant and hdu is not None:
            raise SchemaError(f"{path}: extension {hdu} is {kind or 'no table'}, expected a table")
        _skip(path, stream, padded, None if size is None else size - position, number)
        number += 1
    if first is not None:
        more = f"; none of its tables, {', '.join(seen)}, has all the columns" if len(seen) > 1 else ""
        select(path, first, wanted, more)
    if hdu is not None:
        raise SchemaError(f"{path}: no extension {hdu}; its tables are {', '.join(seen) or 'none'}")
    raise SchemaError(f"{path}: the FITS file holds no table")


def _next_header(path: Path, stream: BinaryIO, number: int) -> fits.Header | None:
    """The header at the stream's place; None at the end of the file."""
    raw = bytearray()
    while True:
        block = stream.read(BLOCK)
        if not raw and (not block or (number > 0 and not block.startswith(b"XTENSION"))):
            return None
        if number == 0 and not raw and not block.startswith(b"SIMPLE  ="):
            raise SchemaError(f"{path}: cannot be read as fits: it does not begin with SIMPLE; set `format`")
        if len(block) < BLOCK:
            raise SchemaError(f"{path}: truncated: the file ends in the header of extension {number}")
        raw += block
        if any(block[i : i + 80].rstrip() == b"END" for i in range(0, BLOCK, 80)):
            break
        if len(raw) >= MOST_HEADER_BLOCKS * BLOCK:
            raise SchemaError(f"{path}: the header of extension {number} has no END; the file is damaged")
    return fits.Header.fromstring(raw.decode("ascii", "replace"))


def _whole(path: Path, header: fits.Header, key: str, number: int, default: int | None = None) -> int:
    """A whole number of a header, not below 0."""
    value = header.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SchemaError(
            f"{path}: the header of extension {number} has {key} = {value}, expected a whole number from 0; "
            "the file is damaged"
        )
    return value


def _data_bytes(path: Path, header: fits.Header, number: int) -> int:
    """Bytes of data that a header announces, without padding (FITS 4.0, eq. 1 and 2)."""
    n_axis = _whole(path, header, "NAXIS", number)
    if n_axis == 0 or n_axis > 999:
        if n_axis > 999:
            raise SchemaError(
                f"{path}: the header of extension {number} has NAXIS = {n_axis}, expected 999 at most"
            )
        return 0
    axes = [_whole(path, header, f"NAXIS{i}", number) for i in range(1, n_axis + 1)]
    if axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]
    n_element = 1
    for axis in axes:
        n_element *= axis
    bits = header.get("BITPIX")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise SchemaError(
            f"{path}: the header of extension {number} has BITPIX = {bits}; the file is damaged"
        )
    heap = _whole(path, header, "PCOUNT", number, 0)
    return abs(bits) // 8 * _whole(path, header, "GCOUNT", number, 1) * (heap + n_element)


def _skip(path: Path, stream: BinaryIO, n_byte: int, left: int | None, number: int) -> None:
    """Go over the data of an extension."""
    if left is not None:
        if n_byte > left:
            raise SchemaError(
                f"{path}: truncated: its header asks for {n_byte} bytes of extension {number}, the file "
                f"has {left} left"
            )
        stream.seek(n_byte, 1)
        return
    while n_byte:
        part = stream.read(min(n_byte, 1 << 20))
        if not part:
            raise SchemaError(f"{path}: truncated: the file ends in extension {number}")
        n_byte -= len(part)


def _described(path: Path, header: fits.Header, number: int, kind: str, primary: fits.Header) -> _Table:
    """The form of a table, checked for what cannot be."""
    if header.get("ZTABLE") is True:
        raise SchemaError(f"{path}: extension {number} is a compressed table; unpack it with funpack first")
    row_bytes, n_row = (_whole(path, header, key, number) for key in ("NAXIS1", "NAXIS2"))
    n_field = _whole(path, header, "TFIELDS", number)
    if n_field > 999:
        raise SchemaError(
            f"{path}: the header of extension {number} has TFIELDS = {n_field}, expected 999 at most"
        )
    fields, offset = [], 0
    for i in range(1, n_field + 1):
        field, width = _field(path, header, i, offset, kind == "TABLE")
        if field.offset + width > row_bytes:
            raise SchemaError(
                f"{path}: column {field.name} ends at byte {field.offset + width} of a row of "
                f"{row_bytes} bytes "
                "(NAXIS1); the header is damaged"
            )
        fields.append(field)
        offset += width
    if kind != "TABLE" and offset != row_bytes:
        raise SchemaError(
            f"{path}: the columns of extension {number} take {offset} bytes, a row has {row_bytes} (NAXIS1); "
            "the header is damaged"
        )
    own = from_keywords(header, f"{path}: the header of extension {number}", is_fits=True)
    return _Table(
        fields,
        row_bytes,
        n_row,
        own.filled(from_keywords(primary, f"{path}: the primary header", is_fits=True)),
        _serialized(header),
    )


def _serialized(header: fits.Header) -> dict[str, Any]:
    """What astropy wrote into comments of the columns that it took apart, as it does for coordinates."""
    lines = [str(line) for line in header.get("COMMENT") or ()]
    begin, end = (f"--{word}-ASTROPY-SERIALIZED-COLUMNS--" for word in ("BEGIN", "END"))
    if begin not in lines or end not in lines:
        return {}
    text = "\n".join(lines[lines.index(begin) + 1 : lines.index(end)]).replace("\\\n", "")
    return table_meta.get_header_from_yaml(text.split("\n")).get("meta", {})


def _field(path: Path, header: fits.Header, i: int, offset: int, is_text: bool) -> tuple[_Field, int]:
    """Column number i, and the bytes it takes in a row."""
    name, form = str(header.get(f"TTYPE{i}", f"col{i}")).strip(), str(header.get(f"TFORM{i}", ""))
    match = (_TEXT_FORM if is_text else _FORM).fullmatch(form)
    if match is None:
        raise SchemaError(f"{path}: column {name} has TFORM{i} = {form!r}, which FITS does not know")
    if is_text:
        letter, repeat = match[1], int(match[2])
        offset, width = _whole(path, header, f"TBCOL{i}", 1) - 1, repeat
    else:
        letter, repeat = match[2], int(match[1] or 1)
        width = -(-repeat // 8) if letter == "X" else repeat * _WIDTH[letter]
    scale, zero = header.get(f"TSCAL{i}", 1.0), header.get(f"TZERO{i}", 0.0)
    for key, value in (("TSCAL", scale), ("TZERO", zero)):
        if isinstance(value, bool | str) or not np.isfinite(value) or (key == "TSCAL" and value == 0):
            raise SchemaError(
                f"{path}: column {name} has {key}{i} = {value!r}, expected a number; correct it"
            )
    unit = str(header.get(f"TUNIT{i}", "")).strip() or None
    return _Field(name, letter, repeat, offset, unit, header.get(f"TNULL{i}"), scale, zero, is_text), width


def _decoded(
    block: bytes, n_row: int, table: _Table, field: _Field, column: WantedColumn, first: int
) -> np.ndarray:
    """A column of the rows of a block."""
    letter, n = field.letter, field.repeat
    if letter in "PQ":
        raise column.wrong_type("arrays of variable length")
    if letter in "CM":
        raise column.wrong_type("complex numbers")
    if n != 1 and letter != "A" and not field.is_text:
        raise column.wrong_type(f"arrays of shape ({n},)")
    is_text = letter == "A" or field.is_text
    form = f"S{n}" if is_text else "u1" if letter == "X" else _TYPES[letter]
    dtype = np.dtype(
        {"names": ["x"], "formats": [form], "offsets": [field.offset], "itemsize": table.row_bytes}
    )
    raw = np.frombuffer(block, dtype, n_row)["x"] if not is_text or n else np.full(n_row, b"")
    if is_text:
        return _from_characters(raw, field, column, first)
    if letter == "X":
        return from_numpy(raw >= 0x80, None, column, first)
    if letter == "L":
        wrong = ~np.isin(raw, (ord("T"), ord("F"), 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise SchemaError(
                f"{column.path}: row {first + row}, column {column.name}: byte {raw[row]} is no logical "
                "value, "
                "expected T, F or 0"
            )
        return from_numpy(raw == ord("T"), raw == 0, column, first)
    values, null = _scaled(raw, field), _nulls(raw, field, column)
    return from_numpy(values, null, column, first)


def _nulls(raw: np.ndarray, field: _Field, column: WantedColumn) -> np.ndarray | None:
    """Which stored numbers stand for no value (FITS 4.0, 7.3.2: TNULL before TSCAL and TZERO)."""
    null = field.null
    if null is None:
        return None
    if isinstance(null, str):
        try:
            null = float(null)
        except ValueError:
            raise SchemaError(
                f"{column.path}: column {column.name} has TNULL = {null!r}, expected a number; correct it"
            ) from None
    if raw.dtype.kind == "f":
        # No standard null of floats, yet some writers give one.
        return raw == raw.dtype.type(null)
    found = raw == null
    if _is_unsigned(field) and null >= 0 and not found.any():
        # Astropy writes the null of unsigned integers as the number that is meant, with TZERO in it.
        found = raw == int(null) - int(field.zero)
    return found


def _is_unsigned(field: _Field) -> bool:
    """Whether TZERO makes an unsigned integer of a signed one."""
    return field.scale == 1 and {"I": 2.0**15, "J": 2.0**31, "K": 2.0**63}.get(field.letter) == field.zero


def _scaled(raw: np.ndarray, field: _Field) -> np.ndarray:
    """Stored numbers as they are meant; whole ones stay exact."""
    if field.scale == 1 and field.zero == 0:
        return raw
    if raw.dtype.kind == "f" or field.scale != 1 or field.zero != int(field.zero):
        return raw.astype(np.float64) * field.scale + field.zero
    if field.letter == "K":
        if field.zero == 2.0**63:
            return raw.astype("i8").view("u8") ^ np.uint64(1 << 63)
        return raw.astype(np.float64) + field.zero
    return raw.astype(np.int64) + int(field.zero)


def _from_characters(raw: np.ndarray, field: _Field, column: WantedColumn, first: int) -> np.ndarray:
    """Text, or numbers written in characters."""
    text = np.array(
        [cell.split(b"\0")[0].decode("utf-8", "replace").strip() for cell in raw.tolist()], dtype=str
    )
    null = None if field.null is None else text == str(field.null).strip()
    if field.is_text and field.letter != "A":
        if field.scale != 1 or field.zero != 0:
            number = WantedColumn(column.path, column.name, "number")
            values = from_numpy(np.char.replace(text, "D", "E"), null, number, first)
            return from_numpy(values * field.scale + field.zero, np.isnan(values), column, first)
        text = np.char.replace(text, "D", "E")
    return from_numpy(text, null, column, first)
