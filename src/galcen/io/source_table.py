"""Read a user's table of sources to observe: columns by name, in galcen's units, every fault named."""

from pathlib import Path

import numpy as np
from astropy import units as u

from galcen.config.survey_sources import SourceTable
from galcen.constants import MAX_SOURCE_ID
from galcen.errors import SchemaError
from galcen.io.row_checks import Place, refuse_impossible
from galcen.io.table_columns import Kind, RawColumn, quantity
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


def read_source_table(table: SourceTable) -> dict[str, np.ndarray]:
    """The mapped columns of all rows, and `source_id`; missing values are NaN, identifiers of Gaia -1.

    Raises
    ------
    SchemaError
        One line: the file, the row, the column, what was found and expected.
    """
    path = Path(table.path)
    kinds: dict[str, Kind] = {column: _KINDS.get(name, "number") for name, column in table.columns.items()}
    parts = [batch.columns for batch in read_batches(path, table.format, kinds)]
    if not parts:
        raise SchemaError(f"{path}: the table has no rows; expected at least one star")
    columns, stored = {}, {}
    for name, column in table.columns.items():
        values = np.concatenate([part[column].values for part in parts])
        columns[name] = values if name in _KINDS else _quantity(table, name, parts[0][column], values)
        stored[name] = values
    n_row = len(columns["ra"])
    columns.setdefault("source_id", np.arange(n_row, dtype=np.int64))
    _check_identifiers(table, columns)
    rows = np.arange(1, n_row + 1)
    refuse_impossible(Place(table.path, table.columns, rows, columns["source_id"]), columns, stored)
    columns["ra"] = columns["ra"] % 360.0
    return columns


def _quantity(table: SourceTable, name: str, raw: RawColumn, values: np.ndarray) -> np.ndarray:
    """One column in galcen's unit, with the numbers that stand for missing values as NaN."""
    missing = () if name in ("ra", "dec") else table.missing_values
    units = (table.units.get(name) or raw.unit, UNITS.get(name))
    where = f"{table.path}: column {table.columns[name]}"
    return quantity(values, missing, units, where, f"survey_sources.table.units.{name}")


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
