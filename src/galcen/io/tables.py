"""Read a user's table of stars: its columns by name, in galcen's units, with every fault named."""

from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.config.catalogue import SurveyTable
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io.table_formats import RawColumn, read_columns

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

BANDS = ("mj", "mh", "mks")
MEASURED = (*BANDS, "parallax", "pmra", "pmdec")

BRIGHTEST, FAINTEST = -6.0, 35.0
"""The brightest star has Ks = -4; beyond lie values such as 99.999 or -9.99 for missing ones."""

WORST_ERROR = 10.0
"""An error this large [mag] is no measurement either."""

_SENTINEL = "leave missing values empty, or list their number under `missing_values`"


def read_survey(survey: SurveyTable, first_id: int = 1) -> dict[str, np.ndarray]:
    """The mapped columns of a table, checked and in galcen's units, in the order of its rows.

    Missing values are NaN, and so is the error of a missing value, whatever it was.

    Parameters
    ----------
    survey
        The table, its column map and units.
    first_id
        source_id of the first row of a table without identifiers; the rows are numbered from it.

    Raises
    ------
    SchemaError
        One line: the file, the column, the first row at fault, what was found and expected.
    """
    path = survey.path
    whole = {column: name == "source_id" for name, column in survey.columns.items()}
    raw = read_columns(Path(path), survey.format, whole)
    n_star = len(next(iter(raw.values())).values)
    if n_star == 0:
        raise SchemaError(f"{path}: the table has no rows; expected at least one star")
    columns = {
        name: _quantity(survey, name, raw[column])
        for name, column in survey.columns.items()
        if name != "source_id"
    }
    given = survey.columns.get("source_id")
    columns["source_id"] = (
        np.arange(first_id, first_id + n_star, dtype=np.int64) if given is None else raw[given].values
    )
    if given is not None:
        _check_identifiers(path, given, columns["source_id"])
    for name in MEASURED:
        error = columns.get(f"{name}_error")
        if error is not None:
            error[np.isnan(columns[name])] = np.nan
    _check(survey, columns)
    return columns


def _quantity(survey: SurveyTable, name: str, raw: RawColumn) -> np.ndarray:
    """One column in galcen's unit, with the numbers that stand for missing values as NaN."""
    values = raw.values.astype(np.float64)
    if name not in ("ra", "dec"):
        for sentinel in survey.missing_values:
            # A table in single precision holds 99.999 to 8 digits only.
            values[np.isclose(values, sentinel, rtol=1e-6, atol=0.0)] = np.nan
    expected = UNITS.get(name.removesuffix("_error"))
    given = survey.units.get(name) or raw.unit
    if expected is None or not given:
        return values
    try:
        return (values * u.Unit(given)).to_value(expected)
    except (u.UnitConversionError, u.UnitTypeError, ValueError, TypeError):
        raise SchemaError(
            f"{survey.path}: column {survey.columns[name]} is in {given}, expected {expected} or a unit "
            f"of the same kind; if the table is wrong, or astropy does not know the unit, give it with "
            f"the key units.{name}"
        ) from None


def _check_identifiers(path: str, column: str, ids: np.ndarray) -> None:
    bad = (ids < 0) | (ids >= MAX_SOURCE_ID)
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{path}: row {row + 1}, column {column}: {ids[row]} is not a whole number from 0 to 2^53 - 1 "
            f"({np.count_nonzero(bad)} such rows); number the stars anew, or leave source_id out of the "
            "column map to have the rows numbered"
        )
    order = np.argsort(ids, kind="stable")
    again = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if len(again):
        pair = min(again, key=lambda i: order[i + 1])
        raise SchemaError(
            f"{path}: row {order[pair + 1] + 1}, column {column}: {ids[order[pair]]} is also the "
            f"identifier of row {order[pair] + 1} ({len(again)} such rows); identifiers must be unique"
        )


def _check(survey: SurveyTable, columns: dict[str, np.ndarray]) -> None:
    """Values that cannot be: the first row at fault is named."""

    def refuse(name: str, bad: np.ndarray, expected: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            value = columns[name][row]
            raise SchemaError(
                f"{survey.path}: row {row + 1} (source_id {columns['source_id'][row]}), column "
                f"{survey.columns[name]}: {'missing' if np.isnan(value) else f'{value:.10g}'}, expected "
                f"{expected} ({np.count_nonzero(bad)} such rows)"
            )

    for name in ("ra", "dec"):
        refuse(name, ~np.isfinite(columns[name]), "a finite angle; stars without position must go")
    refuse("ra", np.abs(columns["ra"]) > 360, "a right ascension from -360 to 360 deg; see `units`")
    refuse("dec", np.abs(columns["dec"]) > 90, "a declination from -90 to 90 deg; are ra and dec swapped?")
    for name in (*MEASURED, "ruwe"):
        if name in columns:
            refuse(name, np.isinf(columns[name]), f"a finite number; {_SENTINEL}")
    for name in BANDS:
        if name in columns:
            magnitude = columns[name]
            strange = (magnitude < BRIGHTEST) | (magnitude > FAINTEST)
            refuse(name, strange, f"a magnitude from {BRIGHTEST:g} to {FAINTEST:g}; {_SENTINEL}")
    for name in MEASURED:
        error = f"{name}_error"
        if error in columns:
            refuse(error, np.isinf(columns[error]), f"a finite error; {_SENTINEL}")
            refuse(error, columns[error] <= 0, f"an error above 0; {_SENTINEL}")
            if name in BANDS:
                large = columns[error] >= WORST_ERROR
                refuse(error, large, f"an error below {WORST_ERROR:g} mag; {_SENTINEL}")
