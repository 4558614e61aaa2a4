"""Read a user's table of the extinction off the map: directions and A_Ks."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from galcen.bounds import BOUNDS
from galcen.errors import SchemaError
from galcen.io.table_columns import Kind, quantity
from galcen.io.table_formats import read_batches

_UNITS = {"glon": u.deg, "glat": u.deg, "ra": u.deg, "dec": u.deg, "a_ks": u.mag}


def read_extinction(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Galactic longitude and latitude [deg] and A_Ks [mag] of each row.

    The table has the columns a_ks and either glon and glat, or ra and dec (ICRS), in any format that
    tables of stars have.

    Raises
    ------
    SchemaError
        The table cannot be read, or a row has no direction or an extinction that cannot be.
    """
    try:
        columns = _read(path, ("glon", "glat", "a_ks"))
    except SchemaError as without_galactic:
        try:
            columns = _read(path, ("ra", "dec", "a_ks"))
        except SchemaError:
            raise SchemaError(
                f"{without_galactic}; a table of extinction has the columns a_ks and either glon and "
                "glat, or ra and dec"
            ) from None
        place = SkyCoord(columns["ra"], columns["dec"], unit="deg").galactic
        columns |= {"glon": place.l.deg, "glat": place.b.deg}
    return columns["glon"], columns["glat"], columns["a_ks"]


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    kinds: dict[str, Kind] = dict.fromkeys(names, "number")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in read_batches(path, "auto", kinds):
        for name, raw in batch.columns.items():
            where = f"{path}: column {name}"
            parts[name].append(quantity(raw.values, (), (raw.unit, _UNITS[name]), where, f"units.{name}"))
    if not parts["a_ks"]:
        raise SchemaError(f"{path}: the table has no rows; expected at least one direction")
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    _check(path, columns)
    return columns


def _check(path: Path, columns: dict[str, np.ndarray]) -> None:
    for name, values in columns.items():
        low, high, *_ = BOUNDS[{"glon": "ra", "glat": "dec"}.get(name, name)]
        bad = ~((values >= low) & (values <= high))
        if bad.any():
            first = int(np.argmax(bad))
            found = "missing" if np.isnan(values[first]) else f"{values[first]:.10g}"
            unit = "mag" if name == "a_ks" else "deg"
            raise SchemaError(
                f"{path}: row {first + 1}, column {name}: {found}, expected a number from {low:g} to "
                f"{high:g} {unit} ({np.count_nonzero(bad)} such rows); leave rows out that have none"
            )
