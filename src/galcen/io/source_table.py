"""Read a user's table of sources to observe: columns by name, in galcen's units, every fault named."""

from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.config.survey_sources import SourceTable
from galcen.config.table_format import equinox_year
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io import frames
from galcen.io.declared import Frame
from galcen.io.plausibility import MedianCheck
from galcen.io.precision import PrecisionCheck
from galcen.io.row_checks import Place, refuse_impossible
from galcen.io.table_columns import Kind, RawColumn, identifiers, quantity
from galcen.io.table_formats import read_batches

_KINDS: dict[str, Kind] = {"source_id": "identifier", "gaia_source_id": "link"}

UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "hw": u.mag,
    "mj": u.mag,
    "mh": u.mag,
    "parallax": u.mas,
    "pmra": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "radial_velocity": u.km / u.s,
    "ra_error": u.mas,
    "dec_error": u.mas,
    "parallax_error": u.mas,
    "pmra_error": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
}


DEFAULT_EPOCH = 2016.0
"""Epoch of positions without motions whose table states none [Julian year]."""


def read_source_table(table: SourceTable) -> dict[str, np.ndarray]:
    """The mapped columns of all rows, in ICRS, with `source_id` and the epoch `ref_epoch` of each position.

    Missing values are NaN, missing identifiers of Gaia -1.

    Raises
    ------
    SchemaError
        One line: the file, the row, the column, what was found and expected.
    """
    path = Path(table.path)
    kinds: dict[str, Kind] = {column: _KINDS.get(name, "number") for name, column in table.columns.items()}
    optional: dict[str, Kind] = {} if "ref_epoch" in table.columns else {"ref_epoch": "number"}
    parts = [batch.columns for batch in read_batches(path, table.format, kinds, table.hdu, optional)]
    if not parts:
        raise SchemaError(f"{path}: the table has no rows; expected at least one star")
    rows = np.arange(1, sum(len(part[table.columns["ra"]].values) for part in parts) + 1)
    raw = {
        name: parts[0][column]._replace(values=np.concatenate([part[column].values for part in parts]))
        for name, column in {"ref_epoch": "ref_epoch", **table.columns}.items()
        if column in parts[0]
    }
    columns = {name: _quantity(table, name, raw, rows) for name in table.columns if name not in _KINDS}
    for name in _KINDS.keys() & table.columns.keys():
        missing = table.missing_values if name == "gaia_source_id" else ()
        columns[name] = identifiers(raw[name].values, missing)
    columns.setdefault("source_id", rows - 1)
    _check_identifiers(table, columns)
    stored = {name: column.values for name, column in raw.items()}
    refuse_impossible(Place(table.path, table.columns, rows, columns["source_id"]), columns, stored)
    _interpret(table, columns, raw)
    medians = MedianCheck(table.path, table.columns, is_measured=False)
    medians.look_at(columns)
    medians.judge()
    precision = PrecisionCheck(table.path, table.columns)
    precision.look_at(raw, table.units)
    precision.finish()
    return columns


def _interpret(table: SourceTable, columns: dict[str, np.ndarray], raw: dict[str, RawColumn]) -> None:
    """Positions and motions in ICRS, and the epoch of each position."""
    configured = None if table.frame is None else Frame(table.frame, equinox_year(table.frame, table.equinox))
    frame, epoch = frames.stated(table.path, raw, configured, table.epoch)
    rows = np.arange(1, len(columns["ra"]) + 1)
    if "ref_epoch" in raw and "ref_epoch" not in columns:
        columns["ref_epoch"] = _quantity(table, "ref_epoch", raw, rows)
    columns["ref_epoch"] = frames.epochs(
        table.path, columns, rows, epoch, frame, DEFAULT_EPOCH, is_mapped="ref_epoch" in table.columns
    )
    frames.to_icrs(columns, frame, columns["ref_epoch"], table.path)
    columns["ra"] = columns["ra"] % 360.0


def _quantity(table: SourceTable, name: str, raw: dict[str, RawColumn], rows: np.ndarray) -> np.ndarray:
    """One column in galcen's unit, with the numbers that stand for missing values as NaN."""
    missing = () if name in ("ra", "dec") else table.missing_values
    base = name.removesuffix("_error")
    given = table.units.get(name) or raw[name].unit
    if not given and base != name and base not in ("ra", "dec") and base in raw:
        # Unless it says another, an error has its quantity's unit; those of positions are in mas everywhere.
        given = table.units.get(base) or raw[base].unit
    where = f"{table.path}: column {table.columns.get(name, name)}"
    values = quantity(
        raw[name].values, missing, (given, UNITS.get(name)), where, f"survey_sources.table.units.{name}"
    )
    if name != "ref_epoch":
        return values
    return frames.julian_years(values, given, table.path, table.columns.get(name, name), rows)


def _check_identifiers(table: SourceTable, columns: dict[str, np.ndarray]) -> None:
    """Refuse identifiers out of range, or that stand twice; the first such row is named."""

    def refuse(bad: np.ndarray, expected: str) -> None:
        if bad.any():
            first = int(np.argmax(bad))
            raise SchemaError(
                f"{table.path}: row {first + 1}, column {table.columns.get('source_id', 'source_id')}: "
                f"{columns['source_id'][first]}, expected {expected} ({np.count_nonzero(bad)} such rows)"
            )

    ids = columns["source_id"]
    refuse((ids < 0) | (ids >= MAX_SOURCE_ID), "a whole number from 0 to 2^53 - 1")
    first_of = np.unique(ids, return_index=True)[1]
    repeated = np.ones(len(ids), dtype=bool)
    repeated[first_of] = False
    refuse(repeated, "an identifier that no row above has")
