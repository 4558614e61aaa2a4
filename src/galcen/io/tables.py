"""Read a user's table of stars: its columns by name, in galcen's units, with every fault named."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.config.cuts import Cut, parse_cut
from galcen.config.survey_tables import SurveyTable
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io.table_columns import Kind, RawColumn, quantity
from galcen.io.table_formats import Batch, read_batches

UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "mj": u.mag,
    "mh": u.mag,
    "mks": u.mag,
    "parallax": u.mas,
    "pmra": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "radial_velocity": u.km / u.s,
    "a_ks": u.mag,
    "r_lo_photogeo": u.pc,
    "r_med_photogeo": u.pc,
    "r_hi_photogeo": u.pc,
}
"""Unit of each column, and of its error."""

BANDS = ("mj", "mh", "mks")
MEASURED = (*BANDS, "parallax", "pmra", "pmdec", "radial_velocity")
DISTANCES = ("r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo")
_KINDS: dict[str, Kind] = {"source_id": "identifier", "gaia_source_id": "link"}

BRIGHTEST, FAINTEST = -6.0, 35.0
"""The brightest star has Ks = -4; beyond lie values such as 99.999 or -9.99 for missing ones."""

WORST_ERROR = 10.0
"""An error this large [mag] is no measurement either."""

MOST_EXTINCTION = 20.0
"""Behind more than this [mag in Ks] no survey sees a star."""

_SENTINEL = "leave missing values empty, or list their number under `missing_values`"


def read_survey(survey: SurveyTable, first_id: int = 1) -> Iterator[dict[str, np.ndarray]]:
    """The mapped columns of a table, checked and in galcen's units, in batches of its rows.

    Rows that the table's cuts leave out are not there; a batch may be empty. Missing values are NaN, and
    so is the error of a missing value, whatever it was. The column `row` counts from 1.

    Parameters
    ----------
    survey
        The table, its column map, units and cuts.
    first_id
        source_id of the first row of a table without identifiers; the rows are numbered from it.

    Raises
    ------
    SchemaError
        One line: the file, the column, the first row at fault, what was found and expected.
    """
    cuts = [parse_cut(text) for text in survey.cuts]
    kinds: dict[str, Kind] = {cut.column: "text" if cut.is_text else "number" for cut in cuts}
    for name, column in survey.columns.items():
        kind = _KINDS.get(name, "number")
        if kinds.get(column, kind) != kind:
            raise SchemaError(
                f"{survey.path}: a cut compares the column {column} otherwise than as the number that "
                f"{name} is; compare it with a number"
            )
        kinds[column] = kind
    is_empty = True
    for batch in read_batches(Path(survey.path), survey.format, kinds):
        is_empty = False
        yield _chunk(survey, batch, cuts, first_id)
    if is_empty:
        raise SchemaError(f"{survey.path}: the table has no rows; expected at least one star")


def _chunk(survey: SurveyTable, batch: Batch, cuts: list[Cut], first_id: int) -> dict[str, np.ndarray]:
    """The rows of a batch that the cuts keep, checked."""
    raw = batch.columns
    n_row = len(next(iter(raw.values())).values)
    keep = np.logical_and.reduce(
        [np.ones(n_row, bool), *(fulfils(cut, raw[cut.column].values) for cut in cuts)]
    )
    row = np.arange(batch.first, batch.first + n_row)[keep]
    columns = {}
    for name, column in survey.columns.items():
        kept = RawColumn(raw[column].values[keep], raw[column].unit)
        columns[name] = kept.values.copy() if name in _KINDS else _quantity(survey, name, kept)
    columns.setdefault("source_id", first_id + row - 1)
    columns["row"] = row
    if "source_id" in survey.columns:
        _check_identifiers(survey, columns)
    for name in MEASURED:
        error = columns.get(f"{name}_error")
        if error is not None:
            error[np.isnan(columns[name])] = np.nan
    _check(survey, columns)
    return columns


def fulfils(cut: Cut, values: np.ndarray) -> np.ndarray:
    """Which values a cut keeps."""
    if cut.operator in ("==", "in"):
        return np.isin(values, cut.values)
    if cut.operator == "!=":
        return ~np.isin(values, cut.values)
    return {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[cut.operator](
        values, cut.values[0]
    )


def _quantity(survey: SurveyTable, name: str, raw: RawColumn) -> np.ndarray:
    """One column in galcen's unit, with the numbers that stand for missing values as NaN."""
    missing = () if name in ("ra", "dec") else survey.missing_values
    units = (survey.units.get(name) or raw.unit, UNITS.get(name.removesuffix("_error")))
    where = f"{survey.path}: column {survey.columns[name]}"
    return quantity(raw.values, missing, units, where, f"units.{name}")


def _check_identifiers(survey: SurveyTable, columns: dict[str, np.ndarray]) -> None:
    ids = columns["source_id"]
    bad = (ids < 0) | (ids >= MAX_SOURCE_ID)
    if bad.any():
        first = int(np.argmax(bad))
        raise SchemaError(
            f"{survey.path}: row {columns['row'][first]}, column {survey.columns['source_id']}: {ids[first]} "
            f"is not a whole number from 0 to 2^53 - 1 ({np.count_nonzero(bad)} such rows so far); number "
            "the stars anew, or leave source_id out of the column map to have the rows numbered"
        )


def refuse_repeated(survey: SurveyTable, ids: np.ndarray, rows: np.ndarray) -> None:
    """Refuse identifiers that stand in two rows of a table; the first such row is named."""
    order = np.lexsort((rows, ids))
    again = np.flatnonzero(ids[order[1:]] == ids[order[:-1]])
    if len(again):
        pair = min(again, key=lambda i: rows[order[i + 1]])
        raise SchemaError(
            f"{survey.path}: row {rows[order[pair + 1]]}, column {survey.columns['source_id']}: "
            f"{ids[order[pair]]} is also the identifier of row {rows[order[pair]]} ({len(again)} or more "
            "such rows); identifiers must be unique"
        )


def _check(survey: SurveyTable, columns: dict[str, np.ndarray]) -> None:
    """Values that cannot be: the first row at fault is named."""

    def refuse(name: str, bad: np.ndarray, expected: str) -> None:
        if bad.any():
            first = int(np.argmax(bad))
            value = columns[name][first]
            raise SchemaError(
                f"{survey.path}: row {columns['row'][first]} (source_id {columns['source_id'][first]}), "
                f"column {survey.columns[name]}: "
                f"{'missing' if np.isnan(value) else f'{value:.10g}'}, expected "
                f"{expected} ({np.count_nonzero(bad)} such rows)"
            )

    for name in ("ra", "dec"):
        refuse(name, ~np.isfinite(columns[name]), "a finite angle; stars without position must go")
    refuse("ra", np.abs(columns["ra"]) > 360, "a right ascension from -360 to 360 deg; see `units`")
    refuse("dec", np.abs(columns["dec"]) > 90, "a declination from -90 to 90 deg; are ra and dec swapped?")
    for name in (*MEASURED, *DISTANCES, "ruwe", "a_ks"):
        if name in columns:
            refuse(name, np.isinf(columns[name]), f"a finite number; {_SENTINEL}")
    for name in BANDS:
        if name in columns:
            magnitude = columns[name]
            strange = (magnitude < BRIGHTEST) | (magnitude > FAINTEST)
            refuse(name, strange, f"a magnitude from {BRIGHTEST:g} to {FAINTEST:g}; {_SENTINEL}")
    if "a_ks" in columns:
        strange = (columns["a_ks"] < 0) | (columns["a_ks"] > MOST_EXTINCTION)
        refuse("a_ks", strange, f"an extinction in Ks from 0 to {MOST_EXTINCTION:g} mag; {_SENTINEL}")
    for name in DISTANCES:
        if name in columns:
            refuse(name, columns[name] <= 0, f"a distance above 0 pc; {_SENTINEL}")
    for name in MEASURED:
        error = f"{name}_error"
        if error in columns:
            refuse(error, np.isinf(columns[error]), f"a finite error; {_SENTINEL}")
            refuse(error, columns[error] <= 0, f"an error above 0; {_SENTINEL}")
            if name in BANDS:
                large = columns[error] >= WORST_ERROR
                refuse(error, large, f"an error below {WORST_ERROR:g} mag; {_SENTINEL}")
