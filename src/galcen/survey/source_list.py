"""Which stars the survey observes, and the artificial sources among them.

All that is random belongs to a source's identifier: no order of rows and no other source changes it.
"""

from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from scipy.spatial import KDTree
from scipy.special import ndtr

from galcen.constants import ICRS_TO_GALACTIC
from galcen.mapping.space_motion import Column, SpaceMotion, triads
from galcen.threefry import normals

FIRST_ARTIFICIAL_ID = 9 * 10**15
"""Identifiers of artificial sources count from here; below 2^53, above those of tables and models."""

BULGE_DIST_KPC = 8.2
BULGE_MOTION = 3.0
"""Dispersion of the proper motions of bulge stars on each axis [mas/yr]."""

# Places in the stream of a source.
CATALOGUE, REFERENCE, WRONG, TURN, SUBSET, MOTION, PLACE, MAGNITUDE, CORRELATION = (
    0,
    5,
    6,
    7,
    8,
    9,
    11,
    13,
    32,
)


class Rectangle(NamedTuple):
    """Part of the sky in Galactic coordinates [deg], longitudes from -180 to 180."""

    l_min: float
    l_max: float
    b_min: float
    b_max: float


def scores(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], first: int, count: int
) -> Float[np.ndarray, "count n_star"]:
    """Standard normal scores of each source from place `first` of its stream on."""
    out = np.empty((count, len(source_id)))
    numbers = np.arange(first, first + count)
    normals(np.asarray(jax.random.key_data(root)), source_id.astype(np.int64), numbers, out)
    return out


def uniforms(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], first: int, count: int
) -> Float[np.ndarray, "count n_star"]:
    """Numbers between 0 and 1 of each source."""
    return ndtr(scores(root, source_id, first, count))


def random_subset(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], max_star: int | None
) -> Bool[np.ndarray, " n_star"]:
    """Which stars are kept if there are too many; a larger number keeps those of a smaller one."""
    if max_star is None or len(source_id) <= max_star:
        return np.ones(len(source_id), dtype=bool)
    rank = uniforms(root, source_id, SUBSET, 1)[0]
    return rank <= np.partition(rank, max_star - 1)[max_star - 1]


def filled_motion(
    motion: SpaceMotion,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    missing: Literal["zero", "draw"],
) -> SpaceMotion:
    """True motions, with those that are missing at rest and infinitely far, or as of a star of the bulge."""
    parallax, pm = 0.0, np.zeros((2, len(source_id)))
    if missing == "draw":
        parallax, pm = 1.0 / BULGE_DIST_KPC, BULGE_MOTION * scores(root, source_id, MOTION, 2)

    def filled(values: Column, other: Column | float) -> Column:
        return np.where(np.isnan(values), other, values)

    # A proper motion is measured on both axes or on none.
    unknown = np.isnan(motion.pmra) | np.isnan(motion.pmdec)
    return motion._replace(
        parallax=filled(motion.parallax, parallax),
        pmra=np.where(unknown, pm[0], motion.pmra),
        pmdec=np.where(unknown, pm[1], motion.pmdec),
        radial_velocity=filled(motion.radial_velocity, 0.0),
    )


def bounds(lon: Column, lat: Column) -> Rectangle:
    """The rectangle that holds all directions."""
    return Rectangle(float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max()))


def artificial_sources(
    root: Key[Array, ""], n_artificial: int, window: Rectangle, hw: Column
) -> tuple[Int[np.ndarray, " n"], SpaceMotion, Column]:
    """Identifiers, motions and Hw of sources at rest and infinitely far, uniform over a rectangle.

    Parameters
    ----------
    root
        Stream of the stage.
    n_artificial
        How many.
    window
        Where.
    hw
        Magnitudes to choose from, in an order that does not depend on chance, such as by identifier.
    """
    source_id = FIRST_ARTIFICIAL_ID + np.arange(n_artificial, dtype=np.int64)
    along, up = uniforms(root, source_id, PLACE, 2)
    lon = window.l_min + (window.l_max - window.l_min) * along
    low, high = np.sin(np.radians([window.b_min, window.b_max]))
    lat = np.degrees(np.arcsin(low + (high - low) * up))
    chosen = (uniforms(root, source_id, MAGNITUDE, 1)[0] * len(hw)).astype(int)
    rest = np.zeros(n_artificial)
    ra, dec = equatorial(lon, lat)
    return source_id, SpaceMotion(ra, dec, rest, rest, rest, rest), hw[np.minimum(chosen, len(hw) - 1)]


def equatorial(lon: Column, lat: Column) -> tuple[Column, Column]:
    """ICRS position [deg] of Galactic coordinates [deg]."""
    direction = triads(lon, lat).radial
    # Written out: a matrix product may add in another order for another number of stars.
    x, y, z = (
        sum(row[k] * part for row, part in zip(ICRS_TO_GALACTIC, direction, strict=True)) for k in range(3)
    )
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def close_pairs(ra: Column, dec: Column, radius_arcsec: float) -> int:
    """Number of pairs of sources closer than a radius."""
    tree = KDTree(triads(ra, dec).radial.T)
    return len(tree.query_pairs(np.radians(radius_arcsec / 3600.0)))
