"""Read a user's table of stars: its columns by name, in galcen's units, with every fault named.

CSV, TSV, FITS, VOTable, Parquet and ECSV, through astropy and pyarrow.
"""

import difflib
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table

from galcen.config.catalogue import SurveyTable
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError

UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "mj": u.mag,
    "mh": u.mag,
    "mks": u.mag,
    "parallax": u.mas,
    "pmra": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
}
"""Unit of each column, and of its error."""

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".cat": "tsv",
    ".txt": "tsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
    ".ecsv": "ecsv",
}
_ASTROPY = {
    "csv": "ascii.csv",
    "tsv": "ascii.tab",
    "fits": "fits",
    "votable": "votable",
    "ecsv": "ascii.ecsv",
}

BRIGHTEST, FAINTEST = -10.0, 40.0
"""Magnitudes outside are no magnitudes: values such as 99.9 or -99 stand for missing ones."""


def read_survey(survey: SurveyTable) -> dict[str, np.ndarray]:
    """The mapped columns of a table, checked and in galcen's units; missing values are NaN.

    Without a `source_id` the stars are numbered by their row, from 1.

    Raises
    ------
    SchemaError
        One line: the file, the column, the first row at fault, what was expected.
    """
    path = Path(survey.path)
    table = _read(path, survey)
    if len(table) == 0:
        raise SchemaError(f"{path}: the table has no rows; expected at least one star")
    for name in survey.columns.values():
        if name not in table.colnames:
            near = difflib.get_close_matches(name, table.colnames, 3) or table.colnames[:8]
            raise SchemaError(f"{path}: no column {name}; the table has {', '.join(near)}")
    columns = {name: _numbers(path, survey, table, name) for name in survey.columns if name != "source_id"}
    columns["source_id"] = (
        _identifiers(path, table, survey.columns["source_id"])
        if "source_id" in survey.columns
        else np.arange(1, len(table) + 1)
    )
    _check(path, survey, columns)
    return columns


def _read(path: Path, survey: SurveyTable) -> Table:
    if not path.is_file():
        raise SchemaError(
            f"{path}: no such table (survey {survey.name}); paths are relative to the folder "
            "snakemake is run in"
        )
    form = FORMATS.get(path.suffix.lower()) if survey.format == "auto" else survey.format
    if form is None:
        raise SchemaError(
            f"{path}: the ending {path.suffix!r} is no known format; set `format` to one of "
            "csv, tsv, fits, votable, parquet, ecsv"
        )
    try:
        if form == "parquet":
            import pyarrow.parquet  # deferred: slow to import, and few tables need it

            return Table(pyarrow.parquet.read_table(path).to_pydict())
        return Table.read(path, format=_ASTROPY[form])
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SchemaError(
            f"{path}: cannot be read as {form}: {reason}; the file is damaged, or `format` is another"
        ) from None


def _numbers(path: Path, survey: SurveyTable, table: Table, name: str) -> np.ndarray:
    """One column as float64 in galcen's unit; masked and empty values are NaN."""
    column = table[survey.columns[name]]
    values = (
        column.filled(np.nan) if isinstance(column, MaskedColumn) and column.dtype.kind == "f" else column
    )
    try:
        if column.dtype.kind in "fiu" and not isinstance(column, MaskedColumn):
            numbers = np.asarray(values, dtype=float)
        else:
            numbers = np.array([_number(value) for value in values])
    except ValueError as error:
        bad = next(i for i, value in enumerate(values) if not _is_number(value))
        raise SchemaError(
            f"{path}: row {bad + 1}, column {survey.columns[name]}: {values[bad]!r} is no number"
        ) from error
    expected = UNITS.get(name.removesuffix("_error"))
    given = survey.units.get(name) or getattr(column, "unit", None)
    if expected is None or given is None:
        return numbers
    try:
        return (numbers * u.Unit(given)).to_value(expected)
    except (u.UnitConversionError, ValueError, TypeError):
        raise SchemaError(
            f"{path}: column {survey.columns[name]} is in {given}, expected {expected} or a "
            f"unit of the same kind; give its unit with the key units.{name}"
        ) from None


def _number(value: object) -> float:
    return np.nan if value is np.ma.masked or value is None or str(value).strip() == "" else float(str(value))


def _is_number(value: object) -> bool:
    try:
        _number(value)
    except ValueError:
        return False
    return True


def _identifiers(path: Path, table: Table, column: str) -> np.ndarray:
    values = table[column]
    if isinstance(values, MaskedColumn) and values.mask.any():
        raise SchemaError(f"{path}: row {int(np.argmax(values.mask)) + 1}: {column} is empty")
    if values.dtype.kind not in "iu":
        raise SchemaError(
            f"{path}: {column} holds {values.dtype}, expected whole numbers (a float cannot "
            "hold every identifier); leave source_id out to number the rows"
        )
    ids = np.asarray(values)
    bad = (ids < 0) | (ids > MAX_SOURCE_ID)
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{path}: row {row + 1}: {column} = {ids[row]} is outside 0 to 2^53; number the "
            "stars anew, or leave source_id out"
        )
    ids = ids.astype(np.int64)
    unique, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        repeated = unique[count > 1]
        row = int(np.flatnonzero(ids == repeated[0])[1])
        raise SchemaError(
            f"{path}: row {row + 1}: {column} = {repeated[0]} stood before; {len(repeated)} "
            "identifiers are not unique"
        )
    return ids


def _check(path: Path, survey: SurveyTable, columns: dict[str, np.ndarray]) -> None:
    """Values that cannot be: the first row at fault is named."""

    def refuse(name: str, bad: np.ndarray, expected: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise SchemaError(
                f"{path}: row {row + 1} (id {columns['source_id'][row]}), column {survey.columns[name]}: "
                f"{columns[name][row]} is not {expected} ({int(bad.sum())} such rows)"
            )

    for name in ("ra", "dec"):
        refuse(name, ~np.isfinite(columns[name]), "a finite angle")
    refuse("ra", (columns["ra"] < -360) | (columns["ra"] > 360), "a right ascension [deg]")
    refuse("dec", np.abs(columns["dec"]) > 90, "a declination between -90 and 90 deg")
    for name in ("mj", "mh", "mks", "parallax", "pmra", "pmdec"):
        if name in columns:
            refuse(name, np.isinf(columns[name]), "finite (leave missing values empty)")
        error = f"{name}_error"
        if error in columns:
            refuse(error, np.isinf(columns[error]), "finite (leave missing values empty)")
            refuse(error, columns[error] <= 0, "a positive error (leave missing errors empty)")
    for name in ("mj", "mh", "mks"):
        if name in columns:
            bad = (columns[name] < BRIGHTEST) | (columns[name] > FAINTEST)
            refuse(
                name, bad, f"a magnitude between {BRIGHTEST:g} and {FAINTEST:g} (leave missing values empty)"
            )
