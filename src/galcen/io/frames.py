"""Users' coordinates in galcen's own terms: ICRS, and the epoch of each position."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy import coordinates as coord
from astropy import units as u
from astropy.time import Time

from galcen.errors import SchemaError
from galcen.io.declared import ICRS, Declaration, Frame
from galcen.io.table_columns import RawColumn

log = logging.getLogger(__name__)

SAME_EPOCH = 0.01
"""Epochs closer than this are the same [yr]: 0.1 mas of the motion of a star of the bulge."""

DEFAULT_EPOCH = 2000.0
"""Epoch of positions without motions whose table states none [Julian year]."""

POSITION = ("ra", "dec")
MOTION = ("pmra", "pmdec")

SMALL_TURN = 1e-4
"""Errors of the two axes are left as they are in a frame turned by less [rad]."""


def stated(
    path: str, raw: Mapping[str, RawColumn], frame: Frame | None, epoch: float | None
) -> tuple[Frame, float | None]:
    """Frame and epoch of a table: what the file and the configuration state, which must agree.

    Parameters
    ----------
    path
        The table.
    raw
        Columns by galcen's name.
    frame, epoch
        Those of the configuration; None where it states none.

    Raises
    ------
    SchemaError
        They differ, or the file has several and does not tell which is meant.
    """
    told = [(name, raw[name].declared) for name in (*POSITION, *MOTION) if name in raw]
    for name, one in told:
        if one.doubt and frame is None and epoch is None:
            raise SchemaError(
                f"{path}: {one.doubt}; state the `frame` and the `epoch` of {name} in the configuration"
            )
    of_file = Declaration()
    for name, one in told:
        if None not in (one.frame, of_file.frame) and one.frame != of_file.frame:
            raise SchemaError(
                f"{path}: {name} is in {one.frame}, another of ra, dec, pmra, pmdec in {of_file.frame}; "
                "expected one "
                "frame for all; map columns of one frame"
            )
        if name in POSITION and _differ(one.epoch, of_file.epoch):
            raise SchemaError(
                f"{path}: ra has the epoch {of_file.epoch}, {name} {one.epoch}; map columns of one epoch"
            )
        of_file = of_file.filled(one if name in POSITION else one._replace(epoch=None))
    if frame is not None and of_file.frame not in (None, frame):
        raise SchemaError(
            f"{path}: the file declares {of_file.frame}, the configuration states the frame {frame}; "
            "leave `frame` "
            "out to convert from what the file declares, or correct the file"
        )
    if _differ(of_file.epoch, epoch):
        raise SchemaError(
            f"{path}: the file declares the epoch {of_file.epoch:g}, the configuration states epoch: "
            f"{epoch:g}; leave "
            "`epoch` out to take that of the file, or correct the file"
        )
    given = Declaration(frame, epoch).filled(of_file)
    return given.frame or ICRS, given.epoch


def _differ(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) > SAME_EPOCH


def julian_years(
    values: np.ndarray, unit: str | None, path: str | Path, column: str, rows: np.ndarray
) -> np.ndarray:
    """Epochs as Julian years, from years or, where the unit is the day, MJD or JD.

    Raises
    ------
    SchemaError
        A number that is no date from 1800 to 2200.
    """
    name = (unit or "yr").strip().lower()
    if name in ("d", "day", "days", "mjd", "jd"):
        days = np.where(values > 2.3e6, values - 2400000.5, values)
        years = 2000.0 + (days - 51544.5) / 365.25
    elif name in ("yr", "a", "year", "years", "jyear", "julian year", "jyr"):
        years = values.astype(np.float64)
    else:
        raise SchemaError(
            f"{path}: column {column} is in {unit}, expected Julian years (yr) or days of MJD or JD (d)"
        )
    strange = ~((years > 1800) & (years < 2200)) & ~np.isnan(values)
    if strange.any():
        first = int(np.argmax(strange))
        found = f"{values[first]:.10g}{f' {unit}' if unit else ''}"
        raise SchemaError(
            f"{path}: row {rows[first]}, column {column}: the epoch is {found} "
            f"({np.count_nonzero(strange)} such "
            "rows), expected a Julian year from 1800 to 2200; for MJD or JD give its unit as d"
        )
    return years


def epochs(
    path: str,
    columns: Mapping[str, np.ndarray],
    rows: np.ndarray,
    one: float | None,
    frame: Frame,
    default: float = DEFAULT_EPOCH,
    *,
    is_mapped: bool = True,
) -> np.ndarray:
    """Epoch of each star [Julian year]: its own, else the table's.

    Parameters
    ----------
    path
        The table.
    columns
        Columns by galcen's name, `ref_epoch` among them where the table has epochs of its stars.
    rows
        Number of each row.
    one
        Epoch of the table, or None.
    frame
        Frame of the positions: positions without any epoch have that of its equinox in FK4.
    default
        Epoch of positions without motions in other frames.
    is_mapped
        Whether the epochs of the stars are those that the user asked for, which stand above the table's.

    Raises
    ------
    SchemaError
        A star with a proper motion has no epoch, or its own is another than that of the table.
    """
    own = columns.get("ref_epoch")
    own = np.full(len(rows), np.nan) if own is None else own
    if one is not None and not is_mapped:
        _refuse_other_epochs(path, own, one, rows)
    filled = own if one is None else np.where(np.isnan(own), one, own)
    lacks = np.isnan(filled)
    if not lacks.any():
        return filled
    moves = np.zeros(len(rows), dtype=bool)
    for name in MOTION:
        if name in columns:
            moves |= ~np.isnan(columns[name])
    if (lacks & moves).any():
        first = int(np.argmax(lacks & moves))
        raise SchemaError(
            f"{path}: row {rows[first]}: the star has a proper motion, but neither the file nor the "
            "configuration states "
            "the epoch of its position; give `epoch`, such as 2016.0 for Gaia DR3, or map ref_epoch to a "
            "column"
        )
    if frame.name.startswith("fk4"):
        default = float(Time(frame.equinox, format="byear").jyear)
    return np.where(lacks, default, filled)


def _refuse_other_epochs(path: str, own: np.ndarray, one: float, rows: np.ndarray) -> None:
    """Refuse epochs of stars that are not that of their table."""
    other = np.abs(own - one) > SAME_EPOCH
    if other.any():
        first = int(np.argmax(other))
        raise SchemaError(
            f"{path}: row {rows[first]}: the column ref_epoch has {own[first]:g}, the epoch of the table is "
            f"stated as {one:g} ({np.count_nonzero(other)} such rows); leave `epoch` out to take the column, "
            "or correct it"
        )


def to_icrs(columns: dict[str, np.ndarray], frame: Frame, epoch: np.ndarray, path: str) -> None:
    """Convert positions, proper motions and the errors of both, in place, from another frame to ICRS.

    Astropy converts; in FK4 the positions are those at their epoch. Motions are turned with the axes.
    Errors and correlations are turned with the axes where the turn is not negligible.

    Parameters
    ----------
    columns
        Columns by galcen's name, with ra and dec in place of whatever longitude and latitude [deg], and
        pmra and pmdec in place of their motions, times cos of the latitude [mas/yr].
    frame
        Frame that they are in.
    epoch
        Epoch of each position [Julian year].
    path
        The table, for errors and the log.

    Raises
    ------
    SchemaError
        An error is there for one axis alone, so that it cannot be turned.
    """
    if frame == ICRS or not len(epoch):
        return
    lon, lat = columns["ra"] * u.deg, columns["dec"] * u.deg
    moving = all(name in columns for name in MOTION)
    system = _astropy_frame(frame, epoch)
    here = _converted(system, lon, lat)
    cos, sin = _turn(system, lon, lat, here)
    columns["ra"], columns["dec"] = here.ra.to_value(u.deg), here.dec.to_value(u.deg)
    if moving:
        # A star without motion is converted as one that stands still, and stays without.
        known = [np.nan_to_num(columns[name]) for name in MOTION]
        motion = _motion_between(frame, epoch, (lon, lat), known, here)
        for name, values in zip(MOTION, motion, strict=True):
            columns[name] = np.where(np.isnan(columns[name]), np.nan, values)
    _turn_errors(columns, cos, sin, path)
    log.info("%s: positions%s converted from %s to ICRS", path, " and motions" if moving else "", frame)


def _astropy_frame(frame: Frame, epoch: np.ndarray) -> coord.BaseCoordinateFrame:
    """The frame as astropy has it."""
    if frame.name in ("fk4", "fk4noeterms"):
        kind = coord.FK4 if frame.name == "fk4" else coord.FK4NoETerms
        return kind(equinox=Time(frame.equinox, format="byear"), obstime=Time(epoch, format="jyear"))
    if frame.name == "galactic":
        return coord.Galactic()
    if frame.name == "supergalactic":
        return coord.Supergalactic()
    kind = coord.FK5 if frame.name == "fk5" else coord.BarycentricMeanEcliptic
    return kind(equinox=Time(frame.equinox, format="jyear"))


def _converted(system: coord.BaseCoordinateFrame, lon: u.Quantity, lat: u.Quantity) -> Any:  # noqa: ANN401
    """Directions of a frame, in ICRS."""
    return coord.SkyCoord(system.realize_frame(coord.UnitSphericalRepresentation(lon, lat))).icrs


def _motion_between(
    frame: Frame,
    epoch: np.ndarray,
    place: tuple[u.Quantity, u.Quantity],
    motion: list[np.ndarray],
    here: Any,  # noqa: ANN401
) -> tuple[np.ndarray, np.ndarray]:
    """Proper motions in ICRS [mas/yr]: from where the stars are half a year before and after.

    Astropy's own motions from FK4 are differences over one second, in which 1 mas/yr is lost to rounding.
    """
    east, north = ((pm * u.mas).to_value(u.rad) for pm in motion)
    there = []
    for years in (-0.5, 0.5):
        moved = [angle.to_value(u.deg) for angle in place]
        moved = _displaced(*moved, years * east, years * north)
        system = _astropy_frame(frame, epoch + years)
        there.append(_converted(system, moved[0] * u.deg, moved[1] * u.deg).cartesian.xyz.value)
    step = (there[1] - there[0]) * (1.0 * u.rad).to_value(u.mas)
    ra, dec = here.ra.to_value(u.rad), here.dec.to_value(u.rad)
    along = (-np.sin(ra), np.cos(ra), np.zeros_like(ra))
    upward = (-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec))
    return tuple(sum(a * b for a, b in zip(axis, step, strict=True)) for axis in (along, upward))


def _displaced(
    lon: np.ndarray, lat: np.ndarray, east: np.ndarray, north: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions [deg] displaced along the axes [rad]."""
    sin, cos = np.sin(np.radians(lat)), np.cos(np.radians(lat))
    outward, upward = cos - north * sin, sin + north * cos
    longitude = lon + np.degrees(np.arctan2(east, outward))
    return longitude % 360.0, np.degrees(np.arctan2(upward, np.hypot(outward, east)))


def _turn(
    system: coord.BaseCoordinateFrame,
    lon: u.Quantity,
    lat: u.Quantity,
    here: Any,  # noqa: ANN401
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of the position angle, in ICRS, of the frame's north at each star."""
    step = np.where(lat > 0, -1.0, 1.0) * u.arcsec
    there = _converted(system, lon, lat + step)
    angle = here.position_angle(there).to_value(u.rad) + np.where(step > 0, 0.0, np.pi)
    return np.cos(angle), np.sin(angle)


def _turn_errors(columns: dict[str, np.ndarray], cos: np.ndarray, sin: np.ndarray, path: str) -> None:
    """Turn errors and correlations of positions and motions with the axes."""
    if np.abs(sin).max() < SMALL_TURN:
        return
    for pair in (POSITION, MOTION):
        names = [f"{name}_error" for name in pair]
        present = [name for name in names if name in columns]
        if len(present) == 1:
            raise SchemaError(
                f"{path}: {present[0]} is mapped without the error of the other axis, and the frame is "
                "turned against "
                f"ICRS; map both {names[0]} and {names[1]}, or neither"
            )
    names = ("ra", "dec", "parallax", "pmra", "pmdec")
    present = [name for name in names if f"{name}_error" in columns]
    if not present:
        return
    n, n_star = len(present), len(cos)
    covariance = np.zeros((n_star, n, n))
    for i, one in enumerate(present):
        for j, other in enumerate(present):
            key = f"{one}_{other}_corr" if i < j else f"{other}_{one}_corr"
            correlation = 1.0 if i == j else columns.get(key, 0.0)
            covariance[:, i, j] = columns[f"{one}_error"] * columns[f"{other}_error"] * correlation
    turn = np.broadcast_to(np.eye(n), (n_star, n, n)).copy()
    for east, north in (POSITION, MOTION):
        if east in present and north in present:
            i, j = present.index(east), present.index(north)
            turn[:, i, i], turn[:, i, j], turn[:, j, i], turn[:, j, j] = cos, sin, -sin, cos
    # NaN of one quantity must not spread to others that the turn does not mix.
    mixed = np.einsum("nij,njk,nlk->nil", turn, np.nan_to_num(covariance), turn)
    error = np.sqrt(np.einsum("nii->ni", mixed))
    for i, one in enumerate(present):
        mates = [name for pair in (POSITION, MOTION) if one in pair for name in pair] or [one]
        unknown = np.logical_or.reduce([np.isnan(columns[f"{name}_error"]) for name in mates])
        columns[f"{one}_error"] = np.where(unknown, np.nan, error[:, i])
    for i, one in enumerate(present):
        for j in range(i + 1, n):
            key = f"{one}_{present[j]}_corr"
            if key in columns:
                missing = np.isnan(columns[key])
                with np.errstate(invalid="ignore", divide="ignore"):
                    columns[key] = np.where(missing, np.nan, mixed[:, i, j] / (error[:, i] * error[:, j]))
