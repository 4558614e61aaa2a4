"""Columns of users' tables in batches of rows: CSV, TSV, FITS, VOTable, Parquet and ECSV.

Only the columns asked for are kept. Delimited text, FITS and Parquet are never in memory as a whole;
VOTable and ECSV are, for want of a library that reads them in parts. Rows are counted from 1, without
the header.
"""

import csv
import gzip
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from galcen.errors import SchemaError
from galcen.io.table_columns import Kind, RawColumn, WantedColumn, check_names, from_arrow, from_numpy

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".cat": "tsv",
    ".txt": "tsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ecsv": "ecsv",
}
"""Format by the file's ending; a further .gz is allowed for all but Parquet."""

BLOCK_BYTES = 1 << 24
BATCH_ROWS = 1 << 18


class Batch(NamedTuple):
    """Consecutive rows of a table."""

    first: int  # row of the first
    columns: dict[str, RawColumn]


def read_batches(path: Path, form: str, kinds: Mapping[str, Kind]) -> Iterator[Batch]:
    """Some columns of a table, in batches of rows; a table without rows gives none.

    Parameters
    ----------
    path
        The table.
    form
        csv, tsv, fits, votable, parquet, ecsv, or auto to go by the file's ending.
    kinds
        The table's name of each column wanted -> what its cells become.

    Raises
    ------
    SchemaError
        The file is missing, damaged or of another format; a column is not there, or a cell of
        it is not of its kind.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise SchemaError(f"{path}: the table {found}; paths are relative to the folder snakemake is run in")
    if form == "auto":
        form = ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix.lower(), "")
    if form not in _READERS:
        raise SchemaError(
            f"{path}: the ending tells no known format; set `format` to one of {', '.join(_READERS)}"
        )
    batches = _READERS[form](path, {name: WantedColumn(path, name, kind) for name, kind in kinds.items()})
    while (batch := _next(batches, path, form)) is not None:
        yield batch


def _next(batches: Iterator[Batch], path: Path, form: str) -> Batch | None:
    """The next batch; whatever the libraries have to say of a damaged file, as one error."""
    batch, reason = None, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            batch = next(batches, None)
        except (SchemaError, MemoryError):
            raise
        except Exception as error:  # each reader, and each library below it, has errors of its own
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    # Astropy only warns of a FITS file that ends too early, and may return what it likes.
    short = [str(warning.message) for warning in caught if "truncated" in str(warning.message)]
    reason = short[0] if short else reason
    if reason:
        raise SchemaError(
            f"{path}: cannot be read as {form}: {reason}; the file is damaged, or `format` is another"
        )
    return batch


def _open_text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path, delimiter: str) -> tuple[list[str], int]:
    """Names of the columns, and number of comments (#) and empty lines above them."""
    with _open_text(path) as lines:
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith("#"):
                return next(csv.reader([line], delimiter=delimiter)), number
    raise SchemaError(f"{path}: the table is empty; expected a line of column names and at least one star")


def _delimited(path: Path, wanted: dict[str, WantedColumn], delimiter: str) -> Iterator[Batch]:
    import pyarrow.csv as reader  # deferred: each format loads only its own library

    names, skipped = _header(path, delimiter)
    check_names(path, names, list(wanted), "is the delimiter another? set `format`")
    ragged: list[Any] = []

    def keep(row: Any) -> str:  # noqa: ANN401 - pyarrow's type has no name
        ragged.append(row)
        return "error"

    try:
        batches = reader.open_csv(
            path,
            # Without threads pyarrow knows the number of a row.
            reader.ReadOptions(use_threads=False, skip_rows=skipped, block_size=BLOCK_BYTES),
            reader.ParseOptions(delimiter=delimiter, invalid_row_handler=keep),
            reader.ConvertOptions(
                include_columns=list(wanted), column_types={name: pa.string() for name in wanted}
            ),
        )
        yield from _converted(batches, wanted, {})
    except pa.ArrowInvalid:
        if not ragged:
            raise
        first = ragged[0]
        raise SchemaError(
            f"{path}: row {first.number - skipped - 1}: {first.actual_columns} cells, expected "
            f"{first.expected_columns} as in the line of column names"
        ) from None


def _parquet(path: Path, wanted: dict[str, WantedColumn]) -> Iterator[Batch]:
    import pyarrow.parquet as reader  # deferred: each format loads only its own library

    with reader.ParquetFile(path) as file:
        schema = file.schema_arrow
        check_names(path, schema.names, list(wanted))
        # Astropy writes a masked column as two; the values under the mask mean nothing.
        flags = {field.name for field in schema if pa.types.is_boolean(field.type)}
        masks = [f"{name}.mask" for name in wanted if f"{name}.mask" in flags]
        batches = file.iter_batches(BATCH_ROWS, columns=[*wanted, *masks], use_threads=False)
        yield from _converted(batches, wanted, _parquet_units(schema))


def _parquet_units(schema: pa.Schema) -> dict[str, str]:
    """Units by column: Parquet knows none, astropy and others write them as metadata."""
    from astropy.table import meta  # deferred: each format loads only its own library

    units = {
        field.name: field.metadata[b"unit"].decode() for field in schema if b"unit" in (field.metadata or {})
    }
    header = (schema.metadata or {}).get(b"table_meta_yaml")
    if header is not None:
        described = meta.get_header_from_yaml(header.decode().split("\n"))["datatype"]
        units |= {item["name"]: str(item["unit"]) for item in described if "unit" in item}
    return units


def _converted(
    batches: Iterable[pa.RecordBatch], wanted: dict[str, WantedColumn], units: dict[str, str]
) -> Iterator[Batch]:
    """Batches of arrow as ours."""
    first = 1
    for batch in batches:
        columns = {}
        for name, column in wanted.items():
            cells = batch.column(name)
            if f"{name}.mask" in batch.schema.names:
                cells = pc.if_else(batch.column(f"{name}.mask"), pa.scalar(None, cells.type), cells)
            columns[name] = RawColumn(from_arrow(cells, column, first), units.get(name))
        if batch.num_rows:
            yield Batch(first, columns)
        first += batch.num_rows


def _fits(path: Path, wanted: dict[str, WantedColumn]) -> Iterator[Batch]:
    from astropy.io import fits  # deferred: each format loads only its own library

    # Mapped, not read: only the rows in hand are in memory.
    with fits.open(path, memmap=True) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            raise ValueError("it holds no table")
        header: Any = tables[0].columns  # astropy declares neither as what it is
        data: Any = tables[0].data
        check_names(path, header.names, list(wanted))
        for start in range(0, len(data), BATCH_ROWS):
            part, columns = data[start : start + BATCH_ROWS], {}
            for name, column in wanted.items():
                values, null = np.asarray(part[name]), header[name].null
                # A null is a value of its own for integers only; NaN is the null of floats.
                mask = values == null if values.dtype.kind in "iu" and isinstance(null, int) else None
                columns[name] = RawColumn(from_numpy(values, mask, column, start + 1), header[name].unit)
            yield Batch(start + 1, columns)


def _votable(path: Path, wanted: dict[str, WantedColumn]) -> Iterator[Batch]:
    from astropy.io import votable  # deferred: each format loads only its own library

    table = votable.parse(path, verify="ignore").get_first_table()
    # The names are what the user sees; the IDs serve references inside the file.
    yield from _from_table(path, table.to_table(use_names_over_ids=True), wanted)


def _ecsv(path: Path, wanted: dict[str, WantedColumn]) -> Iterator[Batch]:
    from astropy.table import Table  # deferred: each format loads only its own library

    yield from _from_table(path, Table.read(path, format="ascii.ecsv"), wanted)


def _from_table(path: Path, table: Any, wanted: dict[str, WantedColumn]) -> Iterator[Batch]:  # noqa: ANN401
    """Columns of an astropy table."""
    check_names(path, table.colnames, list(wanted))
    columns = {}
    for name, column in wanted.items():
        found = table[name]
        if not isinstance(found, np.ndarray):
            raise column.wrong_type(type(found).__name__)
        mask = np.ma.getmaskarray(found) if isinstance(found, np.ma.MaskedArray) else None
        unit = getattr(found, "unit", None)
        values = from_numpy(np.asarray(found), mask, column, 1)
        columns[name] = RawColumn(values, None if unit is None else str(unit))
    if len(table):
        yield Batch(1, columns)


_READERS: dict[str, Callable[[Path, dict[str, WantedColumn]], Iterator[Batch]]] = {
    "csv": lambda path, wanted: _delimited(path, wanted, ","),
    "tsv": lambda path, wanted: _delimited(path, wanted, "\t"),
    "fits": _fits,
    "votable": _votable,
    "parquet": _parquet,
    "ecsv": _ecsv,
}
