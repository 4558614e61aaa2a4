"""Read a user's table of stars: its columns by name, in galcen's units, with every fault named."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.bounds import BANDS
from galcen.config.cuts import Cut, parse_cut
from galcen.config.survey_tables import SurveyTable
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io.row_checks import Place, refuse_impossible
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

MEASURED = (*BANDS, "parallax", "pmra", "pmdec", "radial_velocity")
_KINDS: dict[str, Kind] = {"source_id": "identifier", "gaia_source_id": "link"}


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
    columns, stored = {}, {}
    for name, column in survey.columns.items():
        kept = RawColumn(raw[column].values[keep], raw[column].unit)
        columns[name] = kept.values.copy() if name in _KINDS else _quantity(survey, name, kept)
        stored[name] = kept.values
    columns.setdefault("source_id", first_id + row - 1)
    columns["row"] = row
    if "source_id" in survey.columns:
        _check_identifiers(survey, columns)
    for name in MEASURED:
        error = columns.get(f"{name}_error")
        if error is not None:
            error[np.isnan(columns[name])] = np.nan
    refuse_impossible(Place(survey.path, survey.columns, row, columns["source_id"]), columns, stored)
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
