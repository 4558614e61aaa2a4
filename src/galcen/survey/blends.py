"""Unresolved neighbours: stars so close that they give one position, the mean weighted by their light.

It is decided orbit by orbit, in the middle of which the stars are put: within an orbit they hardly move. The
mean is taken on the sky; on the pixels it differs by 1e-7 pixel. What a pair does to the shape of its image,
and so to the centroid error, is left out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from galcen.mapping.source_motion import RAD_PER_MAS

# A parallax moves a star by its size times the distance of the observer from the barycentre [au].
FURTHEST_AU = 1.1


class Blended(NamedTuple):
    """What the stars of an orbit look like with their neighbours."""

    hw: Float[np.ndarray, " n_star"]
    """With the light of the neighbours [mag]."""
    east: Float[np.ndarray, " n_star"]
    """Shift of the position [mas]."""
    north: Float[np.ndarray, " n_star"]
    is_blend: Bool[np.ndarray, " n_star"]
    is_lost: Bool[np.ndarray, " n_star"]
    """In a brighter neighbour, under whose name the pair goes."""


def neighbours(
    direction: Float[np.ndarray, "n_star 3"], motion_mas: Float[np.ndarray, " n_star"], radius: float
) -> Int[np.ndarray, "n_pair 2"]:
    """Pairs of stars that may come within `radius` [rad].

    Parameters
    ----------
    direction
        Unit vectors at the reference epoch.
    motion_mas
        How far each may be from there [mas].
    radius
        Largest separation of an unresolved pair [rad].
    """
    if radius == 0 or len(direction) < 2:
        return np.empty((0, 2), dtype=np.int64)
    around = radius + 2 * RAD_PER_MAS * float(motion_mas.max())
    pairs = KDTree(direction).query_pairs(around, output_type="ndarray")
    apart = np.linalg.norm(direction[pairs[:, 0]] - direction[pairs[:, 1]], axis=1)
    return pairs[apart <= radius + RAD_PER_MAS * motion_mas[pairs].sum(axis=1)]


def blended(
    pairs: Int[np.ndarray, "n_pair 2"],
    radius: float,
    direction: Float[np.ndarray, "n_star 3"],
    triads: Float[np.ndarray, "9 n_star"],
    hw: Float[np.ndarray, " n_star"],
) -> Blended:
    """Put the unresolved ones together.

    From the brightest star down, each that is left takes up every fainter one that is left within the radius.

    Parameters
    ----------
    pairs
        Of `neighbours`.
    radius
        Largest separation of an unresolved pair [rad].
    direction
        Unit vectors of the stars in the middle of the orbit.
    triads
        East, north and radial unit vectors of their comparison directions.
    hw
        Magnitudes; equal ones go by their order.
    """
    n_star = len(hw)
    lost, primary = np.zeros(n_star, dtype=bool), np.zeros(n_star, dtype=bool)
    flux, east, north = np.ones(n_star), np.zeros(n_star), np.zeros(n_star)
    near = pairs[np.linalg.norm(direction[pairs[:, 0]] - direction[pairs[:, 1]], axis=1) <= radius]
    swap = (hw[near[:, 1]] < hw[near[:, 0]]) | (
        (hw[near[:, 1]] == hw[near[:, 0]]) & (near[:, 1] < near[:, 0])
    )
    near = np.where(swap[:, None], near[:, ::-1], near)
    order = np.lexsort((near[:, 1], hw[near[:, 1]], near[:, 0], hw[near[:, 0]]))
    for bright, faint in near[order]:
        if lost[bright] or lost[faint]:
            continue
        lost[faint] = primary[bright] = True
        part = 10 ** (-0.4 * (hw[faint] - hw[bright]))
        step = (direction[faint] - direction[bright]) / RAD_PER_MAS
        flux[bright] += part
        east[bright] += part * (step @ triads[0:3, bright])
        north[bright] += part * (step @ triads[3:6, bright])
    return Blended(hw - 2.5 * np.log10(flux), east / flux, north / flux, primary, lost)
