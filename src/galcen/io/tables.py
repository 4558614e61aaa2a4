"""Read a user's table of stars: its columns by name, in galcen's units, with every fault named."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.bounds import BANDS
from galcen.config.survey_tables import SurveyTable
from galcen.config.table_format import equinox_year
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io import frames
from galcen.io.cuts import RowCuts
from galcen.io.declared import Frame
from galcen.io.precision import PrecisionCheck
from galcen.io.row_checks import Place, refuse_impossible
from galcen.io.table_columns import Batch, Kind, RawColumn, identifiers, quantity
from galcen.io.table_formats import read_batches

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


def read_survey(
    survey: SurveyTable, first_id: int = 1, cuts: RowCuts | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """The mapped columns of a table, checked and in galcen's units and frame, in batches of its rows.

    Rows that the table's cuts leave out are not there; a batch may be empty. Missing values are NaN, and
    so is the error of a missing value, whatever it was. The column `row` counts from 1, `ref_epoch` is the
    epoch of each position.

    Parameters
    ----------
    survey
        The table, its column map, units and cuts.
    first_id
        source_id of the first row of a table without identifiers; the rows are numbered from it.
    cuts
        The table's cuts, for who wants to know what they leave out.

    Raises
    ------
    SchemaError
        One line: the file, the column, the first row at fault, what was found and expected.
    """
    cuts = RowCuts(survey.path, survey.cuts) if cuts is None else cuts
    kinds = cuts.kinds
    for name, column in survey.columns.items():
        kind = _KINDS.get(name, "number")
        if kinds.get(column, "condition") != "condition":
            raise SchemaError(
                f"{survey.path}: a cut compares the column {column} otherwise than as the number that "
                f"{name} is; compare it with a number"
            )
        kinds[column] = kind
    optional: dict[str, Kind] = {} if "ref_epoch" in survey.columns else {"ref_epoch": "number"}
    precision = PrecisionCheck(survey.path, survey.columns)
    for batch in read_batches(Path(survey.path), survey.format, kinds, survey.hdu, optional):
        yield _chunk(survey, batch, cuts, first_id, precision)
    if cuts.n_row == 0:
        raise SchemaError(f"{survey.path}: the table has no rows; expected at least one star")
    cuts.finish()
    precision.finish()


def _chunk(
    survey: SurveyTable, batch: Batch, cuts: RowCuts, first_id: int, precision: PrecisionCheck
) -> dict[str, np.ndarray]:
    """The rows of a batch that the cuts keep, checked."""
    keep = cuts.keep(batch)
    row = np.arange(batch.first, batch.first + len(keep))[keep]
    raw = {
        name: batch.columns[column]._replace(values=batch.columns[column].values[keep])
        for name, column in {"ref_epoch": "ref_epoch", **survey.columns}.items()
        if column in batch.columns
    }
    precision.look_at(raw, survey.units)
    columns = {name: _quantity(survey, name, raw, row) for name in survey.columns if name not in _KINDS}
    for name in _KINDS.keys() & survey.columns.keys():
        missing = survey.missing_values if name == "gaia_source_id" else ()
        columns[name] = identifiers(raw[name].values, missing)
    columns.setdefault("source_id", first_id + row - 1)
    columns["row"] = row
    if "source_id" in survey.columns:
        _check_identifiers(survey, columns)
    for name in MEASURED:
        error = columns.get(f"{name}_error")
        if error is not None:
            error[np.isnan(columns[name])] = np.nan
    stored = {name: column.values for name, column in raw.items()}
    refuse_impossible(Place(survey.path, survey.columns, row, columns["source_id"]), columns, stored)
    _interpret(survey, columns, raw)
    return columns


def _interpret(survey: SurveyTable, columns: dict[str, np.ndarray], raw: dict[str, RawColumn]) -> None:
    """Positions and motions in ICRS, and the epoch of each position."""
    configured = (
        None if survey.frame is None else Frame(survey.frame, equinox_year(survey.frame, survey.equinox))
    )
    frame, epoch = frames.stated(survey.path, raw, configured, survey.epoch)
    if "ref_epoch" in raw and "ref_epoch" not in columns:
        columns["ref_epoch"] = _quantity(survey, "ref_epoch", raw, columns["row"])
    columns["ref_epoch"] = frames.epochs(
        survey.path, columns, columns["row"], epoch, frame, is_mapped="ref_epoch" in survey.columns
    )
    frames.to_icrs(columns, frame, columns["ref_epoch"], survey.path)


def _quantity(survey: SurveyTable, name: str, raw: dict[str, RawColumn], rows: np.ndarray) -> np.ndarray:
    """One column in galcen's unit, with the numbers that stand for missing values as NaN."""
    missing = () if name in ("ra", "dec") else survey.missing_values
    base = name.removesuffix("_error")
    given = survey.units.get(name) or raw[name].unit
    if not given and base != name:
        # Unless it says another, an error has its quantity's unit.
        given = survey.units.get(base) or raw[base].unit
    where = f"{survey.path}: column {survey.columns.get(name, name)}"
    values = quantity(raw[name].values, missing, (given, UNITS.get(base)), where, f"units.{name}")
    if name != "ref_epoch":
        return values
    return frames.julian_years(values, given, survey.path, survey.columns.get(name, name), rows)


def _check_identifiers(survey: SurveyTable, columns: dict[str, np.ndarray]) -> None:
    ids = columns["source_id"]
    bad = (ids < 0) | (ids >= MAX_SOURCE_ID)
    if bad.any():
        first = int(np.argmax(bad))
        raise SchemaError(
            f"{survey.path}: row {columns['row'][first]}, column {survey.columns['source_id']}: {ids[first]} "
            f"is not a whole number from 0 to 2^53 - 1 ({np.count_nonzero(bad)} such rows so far); number "
            "the stars anew, or leave source_id out of the column map to have the rows numbered; Gaia's "
            "identifiers belong to gaia_source_id"
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
