"""Which detections of two surveys are the same star.

Pairs within a radius, alike in magnitude, are taken where each is the other's nearest; then once more among
those left over. What becomes of a star thus hangs on its surroundings alone, out to a distance known
beforehand: sky cut into tiles with a margin of it gives the same matches as the whole.

Trees of scipy find the neighbours.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from galcen.catalogue.motion import at_epoch, separation

ROUNDS = 2
MARGIN_ARCSEC = 80.0
"""Stars farther from a tile than this do not matter to it; less than a cell of 90 arcsec."""

ARCSEC = np.radians(1.0 / 3600.0)

Rows = Int[np.ndarray, " n_pair"]


class Positions(NamedTuple):
    """Where stars were seen, and how they move (NaN where that is not known)."""

    source_id: Int[np.ndarray, " n_star"]
    ra: Float[np.ndarray, " n_star"]  # [deg]
    dec: Float[np.ndarray, " n_star"]
    epoch: Float[np.ndarray, " n_star"]  # [Julian year]
    pmra: Float[np.ndarray, " n_star"]  # [mas/yr], times cos dec
    pmdec: Float[np.ndarray, " n_star"]

    def moves(self) -> Bool[np.ndarray, " n_star"]:
        """Whether there is a proper motion."""
        return np.isfinite(self.pmra) & np.isfinite(self.pmdec)

    def at(self, rows: Rows, epoch: Float[np.ndarray, " n_pair"]) -> tuple[np.ndarray, np.ndarray]:
        """Positions of some stars at other epochs."""
        columns = (getattr(self, name)[rows] for name in ("ra", "dec", "pmra", "pmdec"))
        return at_epoch(*columns, epoch - self.epoch[rows])


class Pairs(NamedTuple):
    """Pairs of rows of two tables."""

    one: Rows
    other: Rows
    separation: Float[np.ndarray, " n_pair"]  # [arcsec]

    def take(self, chosen: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        return Pairs(*(column[chosen] for column in self))


def largest_reach(n_match: int) -> float:
    """Largest distance [arcsec] of the observed positions of a pair, if `n_match` tables are matched in turn.

    In each turn a match hangs on what lies within twice that distance, for each round, and moves a star by it
    once.
    """
    return MARGIN_ARCSEC / ((2 * ROUNDS + 1) * max(n_match, 1))


def neighbours(one: Positions, other: Positions, radius: float, reach: float) -> Pairs:
    """Pairs within `radius` [arcsec] of each other at one epoch.

    Where one star's proper motion is known it is moved to the epoch of the other (the first star, if both are
    known). Pairs whose observed positions are more than `reach` apart are left out.
    """
    if not (len(one.ra) and len(other.ra)):
        empty = np.empty(0, dtype=np.int64)
        return Pairs(empty, empty, np.empty(0))
    found = [_within(one, other, radius, reach), _within(other, one, radius, reach)[::-1]]
    rows, columns = np.unique(np.concatenate([np.stack(pair) for pair in found], axis=1), axis=1)
    first_moves = one.moves()[rows]
    epoch = np.where(first_moves, other.epoch[columns], one.epoch[rows])
    distance = separation(*one.at(rows, epoch), *other.at(columns, epoch))
    near = distance <= radius
    return Pairs(rows[near], columns[near], distance[near])


def _within(one: Positions, other: Positions, radius: float, reach: float) -> tuple[Rows, Rows]:
    """Pairs that the motion of the first table's stars can bring within the radius."""
    years = np.abs(np.array([other.epoch.min(), other.epoch.max()])[:, None] - one.epoch).max(axis=0)
    shift = np.where(one.moves(), np.hypot(one.pmra, one.pmdec) * years / 1000.0, 0.0)
    tree = KDTree(unit_vectors(other.ra, other.dec))
    hits = tree.query_ball_point(
        unit_vectors(one.ra, one.dec), np.minimum(radius + shift, reach) * (1 + 1e-9) * ARCSEC
    )
    count = np.fromiter(map(len, hits), dtype=np.int64, count=len(hits))
    rows = np.repeat(np.arange(len(hits)), count)
    columns = np.fromiter((j for hit in hits for j in hit), dtype=np.int64, count=int(count.sum()))
    return rows, columns


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> Float[np.ndarray, "n 3"]:
    """Directions [deg] as vectors: a small angle is the distance of their tips."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def alike(
    pairs: Pairs, one: Float[np.ndarray, "3 n"], other: Float[np.ndarray, "3 m"], difference: float
) -> Bool[np.ndarray, " n_pair"]:
    """Whether the magnitudes of each pair differ by less than `difference` in every band both have."""
    apart = np.abs(one[:, pairs.one] - other[:, pairs.other])
    return ~(apart >= difference).any(axis=0)


def mutual_nearest(pairs: Pairs, one: Positions, other: Positions) -> Pairs:
    """The pairs that are each other's nearest, then those of what is left; a star is in one at most."""
    # Equal distances are decided by the identifiers, never by the order of the rows.
    order = np.lexsort((other.source_id[pairs.other], one.source_id[pairs.one], pairs.separation))
    left = pairs.take(order)
    chosen = []
    for _ in range(ROUNDS):
        rank = np.arange(len(left.one))
        best = [np.zeros(len(left.one), dtype=bool) for _ in range(2)]
        for mark, rows in zip(best, (left.one, left.other), strict=True):
            mark[np.unique(rows, return_index=True)[1]] = True
        both = best[0] & best[1]
        chosen.append(left.take(rank[both]))
        gone = np.isin(left.one, left.one[both]) | np.isin(left.other, left.other[both])
        left = left.take(rank[~gone])
    return Pairs(*(np.concatenate(column) for column in zip(*chosen, strict=True)))
