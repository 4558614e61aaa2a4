"""Read a user's table of directions on the sky, such as places or the extinction off the map."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from galcen.bounds import BOUNDS
from galcen.errors import SchemaError
from galcen.io.table_columns import Kind, quantity
from galcen.io.table_formats import read_batches

_PAIRS = (("glon", "glat"), ("l", "b"), ("ra", "dec"))
_LIKE = {"glon": "ra", "l": "ra", "glat": "dec", "b": "dec"}


def read_directions(path: Path, *others: str) -> dict[str, np.ndarray]:
    """Galactic longitude `glon`, from -180 to 180, and latitude `glat` [deg] of each row, and other columns.

    The table has the columns glon and glat, or l and b, or ra and dec (ICRS), and all of `others`, in any
    format that tables of stars have. The column `row` counts from 1.

    Parameters
    ----------
    path
        The table.
    others
        Further columns that it must have; names of `galcen.bounds.BOUNDS`, in its units.

    Raises
    ------
    SchemaError
        The table cannot be read or has no rows, or a value of a row is missing or cannot be.
    """
    columns = _read(path, others)
    found = [pair for pair in _PAIRS if set(pair) <= set(columns)]
    if not found:
        raise SchemaError(
            f"{path}: the table has no directions; expected the columns glon and glat, l and b, or ra and dec"
        )
    used = found[0]
    _check(path, {name: columns[name] for name in (*used, *others)})
    lon, lat = (columns[name] for name in used)
    if used == ("ra", "dec"):
        place = SkyCoord(lon, lat, unit="deg").galactic
        lon, lat = np.asarray(place.l.deg), np.asarray(place.b.deg)
    row = np.arange(1, len(lon) + 1)
    return {name: columns[name] for name in others} | {
        "row": row,
        # Others keep their last digit.
        "glon": np.where((lon < -180.0) | (lon >= 180.0), (lon + 180.0) % 360.0 - 180.0, lon),
        "glat": lat,
    }


def _read(path: Path, others: tuple[str, ...]) -> dict[str, np.ndarray]:
    required: dict[str, Kind] = dict.fromkeys(others, "number")
    optional: dict[str, Kind] = {name: "number" for pair in _PAIRS for name in pair}
    parts: dict[str, list[np.ndarray]] = {}
    for batch in read_batches(path, "auto", required, optional=optional):
        for name, raw in batch.columns.items():
            unit = u.Unit(BOUNDS[_LIKE.get(name, name)].unit)
            where = f"{path}: column {name}"
            values = quantity(raw.values, (), (raw.unit, unit), where, f"units.{name}")
            parts.setdefault(name, []).append(values)
    if not parts:
        raise SchemaError(
            f"{path}: the table has no rows of directions; expected the columns glon and glat, l and b, or "
            "ra and dec, and at least one row"
        )
    return {name: np.concatenate(values) for name, values in parts.items()}


def _check(path: Path, columns: dict[str, np.ndarray]) -> None:
    for name, values in columns.items():
        bound = BOUNDS[_LIKE.get(name, name)]
        bad = ~((values >= bound.low) & (values <= bound.high))
        if bad.any():
            first = int(np.argmax(bad))
            found = "missing" if np.isnan(values[first]) else f"{values[first]:.10g}"
            raise SchemaError(
                f"{path}: row {first + 1}, column {name}: {found}, expected a number from {bound.low:g} to "
                f"{bound.high:g} {bound.unit} ({np.count_nonzero(bad)} such rows); correct the row, or leave "
                "it out"
            )
