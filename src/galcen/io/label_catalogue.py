"""Catalogues of known positions and motions that plates take their frame from: flystar's or Gaia's.

Positions on the sky are projected from the middle of the catalogue onto a plane, x to the east and y to the
north; motions are carried along, so that they are those of the plane.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy import units as u
from jaxtyping import Bool, Float

from galcen.bounds import BOUNDS, PLATE_BOUNDS
from galcen.errors import SchemaError
from galcen.io.list_text import read_text
from galcen.io.row_checks import Place, refuse_beyond
from galcen.io.table_columns import quantity
from galcen.io.table_formats import ENDINGS, read_batches

FLYSTAR = {
    "name": "name",
    "x": "xarc",
    "y": "yarc",
    "pmx": "vx",
    "pmy": "vy",
    "pm_error": "vxerr",
    "t": "t0",
    "magnitude": "kp",
}

GAIA = {
    "name": "source_id",
    "ra": "ra",
    "dec": "dec",
    "pmx": "pmra",
    "pmy": "pmdec",
    "pmx_error": "pmra_error",
    "pmy_error": "pmdec_error",
    "t": "ref_epoch",
    "magnitude": "phot_g_mean_mag",
    "x_error": "ra_error",
    "y_error": "dec_error",
}

TABLES = ("fits", "votable", "parquet", "ecsv")
"""Formats that are no plain text."""

NEEDED = ("pmx", "pmy")
OPTIONAL = ("name", "magnitude", "t", "pm_error", "pmx_error", "pmy_error", "error", "x_error", "y_error")
UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "pmx": u.mas / u.yr,
    "pmy": u.mas / u.yr,
    "pm_error": u.mas / u.yr,
    "pmx_error": u.mas / u.yr,
    "pmy_error": u.mas / u.yr,
    "error": u.mas,
    "x_error": u.mas,
    "y_error": u.mas,
    "t": u.yr,
}

WIDEST = 5.0
"""Largest distance from the middle [deg]: beyond, a plane is no place for positions and motions."""

RAD_MAS = float(u.rad.to(u.mas))


class LabelTable(NamedTuple):
    """Stars of a catalogue that have a position and a motion."""

    path: Path
    names: np.ndarray  # empty where there are none
    position: Float[np.ndarray, "n 2"]  # [mas]
    motion: Float[np.ndarray, "n 2"]  # [mas/yr]
    epoch: Float[np.ndarray, " n"]  # of the positions [Julian year]
    magnitude: Float[np.ndarray, " n"]  # NaN where unknown
    position_error: Float[np.ndarray, " n"]  # of one axis [mas]; NaN where unknown
    motion_error: Float[np.ndarray, " n"]  # [mas/yr]
    tangent: tuple[float, float] | None  # ra and dec of the plane's middle [deg], for positions on the sky


def read_label(
    path: Path, columns: Mapping[str, str | None], unit_mas: float, epoch: float | None
) -> LabelTable:
    """A catalogue of known positions and motions.

    Parameters
    ----------
    path
        Text with names of columns, or a table in FITS, VOTable, Parquet or ECSV.
    columns
        Our names -> the catalogue's; what is not given has the names of Gaia or flystar.
    unit_mas
        Unit of x and y [mas].
    epoch
        Of the positions, where there is no column t [Julian year].

    Raises
    ------
    SchemaError
        The file cannot be read, a column is missing, no star has a motion, or values cannot be.
    """
    source = _open(path, columns)
    on_sky = "ra" in columns or ("x" not in columns and source.has("ra") and source.has("dec"))
    axes = ("ra", "dec") if on_sky else ("x", "y")
    mapped: dict[str, str | None] = {**(GAIA if on_sky else FLYSTAR), **columns}
    found: dict[str, np.ndarray] = {}
    for ours in (*axes, *NEEDED, *OPTIONAL):
        theirs = mapped.get(ours)
        required = ours in (*axes, *NEEDED) or ours in columns
        if theirs is None and ours in (*axes, *NEEDED):
            raise SchemaError(f"{path}: label.columns: {ours} is mapped to no column of the catalogue")
        if theirs is not None and (required or source.has(theirs)):
            found[ours] = source.read(ours, theirs)
    n = len(found["pmx"])
    found["t"] = _epoch(path, found, epoch, n)
    motion_error = _error(found, "pm_error", "pmx_error", "pmy_error", n)
    position = np.column_stack([found[axis] for axis in axes])
    motion = np.column_stack([found["pmx"], found["pmy"]])
    kept = np.isfinite(position).all(axis=1) & np.isfinite(motion).all(axis=1) & np.isfinite(found["t"])
    if {"pm_error", "pmx_error", "pmy_error"} & set(found):
        # A motion of no error is none: flystar writes zeros for stars without.
        kept &= motion_error > 0
    if not kept.any():
        raise SchemaError(f"{path}: none of its {n} stars has a position and a motion with an error above 0")
    _refuse_impossible(path, mapped, found, motion_error, kept)
    position, motion, t = position[kept], motion[kept], found["t"][kept]
    tangent = None
    if on_sky:
        position, motion, tangent = _to_plane(path, position, motion)
    else:
        position = unit_mas * position
    names = found.get("name", np.full(n, ""))[kept]
    errors = _error(found, "error", "x_error", "y_error", n)[kept]
    magnitude = found.get("magnitude", np.full(n, np.nan))[kept]
    return LabelTable(path, names, position, motion, t, magnitude, errors, motion_error[kept], tangent)


def _refuse_impossible(
    path: Path,
    mapped: Mapping[str, str | None],
    found: Mapping[str, np.ndarray],
    motion_error: Float[np.ndarray, " n"],
    kept: Bool[np.ndarray, " n"],
) -> None:
    """Refuse motions, their errors, positions and magnitudes that cannot be, of the stars that are kept."""
    rows = np.flatnonzero(kept) + 1
    names = {ours: theirs for ours, theirs in mapped.items() if theirs is not None}
    names["pm_error"] = next((names[name] for name in ("pm_error", "pmx_error") if name in found), "")
    stars = found.get("name", np.arange(1, len(kept) + 1))[kept]
    place = Place(str(path), names, rows, stars, "star", "leave such rows out", None)
    bounds = {"pmx": BOUNDS["pmra"], "pmy": BOUNDS["pmdec"], "pm_error": BOUNDS["pmra_error"]}
    bounds |= {name: PLATE_BOUNDS[name] for name in ("x", "y", "magnitude")}
    for name, bound in bounds.items():
        values = motion_error if name == "pm_error" else found.get(name)
        if values is not None:
            refuse_beyond(place, name, bound, values[kept], values[kept])


class _Source:
    """Columns of a catalogue of any format."""

    def __init__(self, path: Path, form: str, wanted: list[str]) -> None:
        self.path, self.form = path, form
        self.text = None if form else read_text(path, wanted)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        if self.text is not None:
            return self.text.has(name)
        try:
            next(read_batches(self.path, self.form, {name: "text"}), None)
        except SchemaError as error:
            if f"no column {name}" in str(error):
                return False
            raise
        return True

    def read(self, ours: str, theirs: str) -> np.ndarray:
        """A column as text or numbers, in our unit."""
        if self.text is not None:
            return self.text.text(theirs) if ours == "name" else self.text.numbers(theirs)
        kind = "text" if ours == "name" else "number"
        batches = list(read_batches(self.path, self.form, {theirs: kind}))
        if not batches:
            raise SchemaError(
                f"{self.path}: the catalogue has no stars; expected some of those on the plates"
            )
        values = np.concatenate([batch.columns[theirs].values for batch in batches])
        if ours == "name":
            return values
        units = (batches[0].columns[theirs].unit, UNITS.get(ours))
        return quantity(values, (), units, f"{self.path}: column {theirs}", "label.columns")


def _open(path: Path, columns: Mapping[str, str | None]) -> _Source:
    if not path.is_file():
        raise SchemaError(f"{path}: no such file; `label.path` is the catalogue that the frame is taken from")
    form = ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix.lower(), "")
    wanted = [*filter(None, columns.values()), *FLYSTAR.values(), *GAIA.values()]
    return _Source(path, form if form in TABLES else "", wanted)


def _epoch(path: Path, found: dict[str, np.ndarray], epoch: float | None, n: int) -> np.ndarray:
    """Epochs of the positions."""
    if "t" not in found and epoch is None:
        raise SchemaError(
            f"{path}: no column of the positions' epoch; map t to it in label.columns, or give label.epoch"
        )
    t = found.get("t", np.full(n, np.nan if epoch is None else epoch))
    strange = np.isfinite(t) & ~((t > 1800) & (t < 2200))
    if strange.any():
        row = int(np.argmax(strange))
        raise SchemaError(
            f"{path}: row {row + 1}: t is {t[row]:g}, expected a Julian year from 1800 to 2200 "
            f"({np.count_nonzero(strange)} such rows)"
        )
    if epoch is not None and "t" in found and np.nanmax(np.abs(t - epoch), initial=0.0) > 1e-3:
        raise SchemaError(
            f"{path}: its column of epochs has {t[0]:g}, label.epoch is {epoch:g}; leave one of them out"
        )
    return t


def _error(found: dict[str, np.ndarray], one: str, x: str, y: str, n: int) -> np.ndarray:
    """Error of an axis, of one column or two; NaN where there is none."""
    if one in found:
        return found[one]
    if x in found and y in found:
        return np.sqrt((found[x] ** 2 + found[y] ** 2) / 2.0)
    return found.get(x, found.get(y, np.full(n, np.nan)))


def _to_plane(
    path: Path, sky: Float[np.ndarray, "n 2"], motion: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"], tuple[float, float]]:
    """Gnomonic projection of places [deg] and motions [mas/yr, right ascension times cos dec]."""
    outside = (sky[:, 0] < 0) | (sky[:, 0] > 360) | (np.abs(sky[:, 1]) > 90)
    if outside.any():
        row = int(np.argmax(outside))
        raise SchemaError(
            f"{path}: ra and dec are {sky[row, 0]:g} and {sky[row, 1]:g}, expected 0 to 360 and -90 to 90 "
            f"deg "
            f"({np.count_nonzero(outside)} such stars)"
        )
    ra, dec = np.radians(sky).T
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    middle = direction.mean(axis=0)
    middle /= np.linalg.norm(middle)
    farthest = float(np.degrees(np.arccos(np.clip((direction @ middle).min(), -1.0, 1.0))))
    if farthest > WIDEST:
        raise SchemaError(
            f"{path}: its stars are up to {farthest:.3g} deg from their middle; expected those of the "
            f"plates' "
            f"field, within {WIDEST:g} deg: are ra and dec in deg?"
        )
    ra_0, dec_0 = np.arctan2(middle[1], middle[0]), np.arcsin(middle[2])
    east_0 = np.array([-np.sin(ra_0), np.cos(ra_0), 0.0])
    north_0 = np.cross(middle, east_0)
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=1)
    north = np.cross(direction, east)
    speed = motion[:, :1] * east + motion[:, 1:] * north
    axes = np.stack([east_0, north_0], axis=1)
    depth = (direction @ middle)[:, None]
    place = direction @ axes / depth
    # The derivative of the projection along the motion.
    plane_speed = speed @ axes / depth - place * (speed @ middle)[:, None] / depth
    tangent = (float(np.degrees(ra_0) % 360.0), float(np.degrees(dec_0)))
    return RAD_MAS * place, plane_speed, tangent
