"""Columns of users' tables in batches of rows, whatever their format.

Only the columns asked for are kept. Delimited text, FITS and Parquet are never in memory as a whole;
formats that no library reads in parts are. Rows are counted from 1, without the header.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from galcen.errors import SchemaError
from galcen.io.declared import from_name
from galcen.io.table_columns import Batch, Kind, Wanted, WantedColumn

ENDINGS = {
    **dict.fromkeys(
        (".csv", ".tsv", ".tab", ".cat", ".txt", ".dat", ".asc", ".ascii", ".tbl", ".mrt"), "text"
    ),
    **dict.fromkeys((".fits", ".fit", ".fts"), "fits"),
    **dict.fromkeys((".vot", ".votable", ".xml"), "votable"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".h5", ".hdf", ".hdf5"), "hdf5"),
    ".ecsv": "ecsv",
}
"""Format by the file's ending; a further .gz is allowed for all but Parquet. What kind of text a file holds
is seen in its first lines.
"""

REMEDIES = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save it as CSV"),
    **dict.fromkeys((".feather", ".arrow", ".orc"), "write it as Parquet (pyarrow.parquet.write_table)"),
    **dict.fromkeys((".pkl", ".pickle"), "write it with to_parquet or to_csv"),
    **dict.fromkeys((".npy", ".npz"), "write it with astropy.table.Table(array).write('table.fits')"),
    **dict.fromkeys((".sqlite", ".db", ".json", ".jsonl"), "export it as CSV or Parquet"),
    **dict.fromkeys((".zip", ".bz2", ".xz", ".zst", ".7z", ".tar"), "unpack it first"),
}
"""What to do with a file of a format that is not read."""

BLOCK_BYTES = 1 << 24
BATCH_ROWS = 1 << 18


def read_batches(
    path: Path,
    form: str,
    kinds: Mapping[str, Kind],
    hdu: int | str | None = None,
    optional: Mapping[str, Kind] | None = None,
) -> Iterator[Batch]:
    """Some columns of a table, in batches of rows; a table without rows gives none.

    Parameters
    ----------
    path
        The table.
    form
        One of `galcen.config.table_format.Format`; auto goes by the file's ending.
    kinds
        The table's name of each column wanted -> what its cells become.
    hdu
        Number or name of the table in a file of several; None takes the first that has the columns.
    optional
        Columns that are returned where the table has them, in any case of letters.

    Raises
    ------
    SchemaError
        The file is missing, damaged or of another format; a column is not there, or a cell of
        it is not of its kind.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise SchemaError(f"{path}: the table {found}; paths are relative to the folder snakemake is run in")
    wanted = {name: WantedColumn(path, name, kind) for name, kind in kinds.items()}
    for name, kind in (optional or {}).items():
        wanted.setdefault(name, WantedColumn(path, name, kind, True))
    if form == "auto":
        ending = Path(path.name.removesuffix(".gz")).suffix.lower()
        if ending in REMEDIES:
            raise SchemaError(
                f"{path}: tables of the ending {ending} are not read; {REMEDIES[ending]}, or set `format`"
            )
        form = ENDINGS.get(ending, "")
    if form not in _READERS:
        raise SchemaError(
            f"{path}: the ending tells no known format; set `format` to one of {', '.join(_READERS)}"
        )
    if hdu is not None and form not in ("fits", "votable", "hdf5"):
        raise SchemaError(
            f"{path}: `hdu` names a table of a FITS file, a VOTable or HDF5, found a file read as {form}"
        )
    batches = _READERS[form](_Source(path, wanted, hdu))
    while (batch := _next(batches, path, form)) is not None:
        columns = {
            key: column._replace(declared=column.declared.filled(from_name(key)))
            for key, column in batch.columns.items()
        }
        yield batch._replace(columns=columns)


class _Source(NamedTuple):
    """What a reader is asked for."""

    path: Path
    wanted: Wanted
    hdu: int | str | None


def _next(batches: Iterator[Batch], path: Path, form: str) -> Batch | None:
    """The next batch; whatever the libraries have to say of a damaged file, as one error."""
    batch, reason = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            batch = next(batches, None)
        except (SchemaError, MemoryError):
            raise
        except Exception as error:  # each reader, and each library below it, has errors of its own
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__) or type(error).__name__
    if reason:
        raise SchemaError(
            f"{path}: cannot be read as {form}: {reason}; the file is damaged, or `format` is another"
        )
    return batch


# Each reader is imported when it is used: each loads only its own library.


def _text(source: _Source, delimiter: str | None = None) -> Iterator[Batch]:
    from galcen.io.readers import text

    return text.read(source.path, source.wanted, delimiter, BLOCK_BYTES, BATCH_ROWS)


def _astropy_text(source: _Source, form: str) -> Iterator[Batch]:
    from galcen.io.readers import astropy_text

    return astropy_text.read(source.path, source.wanted, form)


def _fits(source: _Source) -> Iterator[Batch]:
    from galcen.io.readers import fits

    return fits.read(source.path, source.wanted, source.hdu, BATCH_ROWS)


def _votable(source: _Source) -> Iterator[Batch]:
    from galcen.io.readers import votable

    return votable.read(source.path, source.wanted, source.hdu)


def _hdf5(source: _Source) -> Iterator[Batch]:
    from galcen.io.readers import hdf5

    return hdf5.read(source.path, source.wanted, source.hdu, BATCH_ROWS)


def _parquet(source: _Source) -> Iterator[Batch]:
    from galcen.io.readers import parquet

    return parquet.read(source.path, source.wanted, BATCH_ROWS)


_READERS: dict[str, Callable[[_Source], Iterator[Batch]]] = {
    "text": _text,
    "csv": lambda source: _text(source, ","),
    "tsv": lambda source: _text(source, "\t"),
    "semicolon": lambda source: _text(source, ";"),
    "pipe": lambda source: _text(source, "|"),
    "blank": lambda source: _text(source, " "),
    "fits": _fits,
    "votable": _votable,
    "parquet": _parquet,
    "hdf5": _hdf5,
    "ecsv": lambda source: _astropy_text(source, "ascii.ecsv"),
    "ipac": lambda source: _astropy_text(source, "ascii.ipac"),
    "cds": lambda source: _astropy_text(source, "ascii.cds"),
    "mrt": lambda source: _astropy_text(source, "ascii.mrt"),
}
