"""Draws of a star's mass given its component, distance and magnitudes.

A piece of the isochrone is chosen by its part of the likelihood, and a place in it by the density along it.
"""

import math
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int

from galcen.catalogue.likelihood import BLOCKS_PER_GROUP, N_ISOCHRONE, PIECES_PER_BLOCK, Pieces
from galcen.catalogue.piece_sums import COEFFICIENTS, NOTHING, PieceTable, exponential
from galcen.compiled import compiled
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF

NEGLIGIBLE = 20.0  # blocks by this much below the best are left out
N_WITHIN = 33  # nodes of the density inside one piece
_ISOCHRONE = np.array([COMPONENTS.index(name) for name in ISOCHRONE_OF])


class MassTable(NamedTuple):
    """The pieces of all isochrones with the masses at their ends, as the kernel reads them."""

    first_block: Int[np.ndarray, " 11"]  # of each isochrone
    low: Float[np.ndarray, "3 n_block"]
    high: Float[np.ndarray, "3 n_block"]
    ln_weight: Float[np.ndarray, " n_block"]
    rows: Float[np.ndarray, "n_block 7 16"]  # middle (3), extent (3), ln weight
    masses: Float[np.ndarray, "n_block 4 16"]  # initial and present mass at the two ends [Msun]

    @classmethod
    def build(cls, pieces: Pieces) -> Self:
        """Lay out the pieces."""
        table = PieceTable.build(pieces)
        masses = np.concatenate([pieces.mass_ini, pieces.mass]).reshape(4, -1, PIECES_PER_BLOCK)
        return cls(
            np.searchsorted(pieces.isochrone, np.arange(N_ISOCHRONE + 1)) * BLOCKS_PER_GROUP,
            table.block.low.reshape(3, -1),
            table.block.high.reshape(3, -1),
            table.block.ln_weight.ravel(),
            table.rows.reshape(-1, 7, PIECES_PER_BLOCK),
            np.ascontiguousarray(np.moveaxis(masses, 0, 1)),
        )


def draw_mass(
    table: MassTable,
    uniform: Float[np.ndarray, "n_star 2"],
    comp: Int[np.ndarray, " n_star"],
    target: Float[np.ndarray, "3 n_star"],
    inverse_error: Float[np.ndarray, "3 n_star"],
) -> tuple[Float[np.ndarray, " n_star"], Float[np.ndarray, " n_star"], Float[np.ndarray, "3 n_star"]]:
    """Initial mass, present mass [Msun] and absolute magnitudes of each star.

    Parameters
    ----------
    table
        The isochrones.
    uniform
        Numbers in [0, 1) that choose the piece and the place in it.
    comp
        Drawn component.
    target
        Absolute magnitudes J, H, Ks the star would have at its drawn distance.
    inverse_error
        1 / error in each band, 0 where there is no magnitude.
    """
    out = np.empty((5, len(comp)))
    _draw(table, uniform, _ISOCHRONE[comp], target, inverse_error, out)
    return out[0], out[1], out[2:]


@compiled
def _draw(
    table: MassTable,
    uniform: Float[np.ndarray, "n_star 2"],
    isochrone: Int[np.ndarray, " n_star"],
    target: Float[np.ndarray, "3 n_star"],
    inverse_error: Float[np.ndarray, "3 n_star"],
    out: Float[np.ndarray, "5 n_star"],
) -> None:
    """Initial mass, present mass and three magnitudes of every star into `out`."""
    most = len(table.ln_weight)
    upper = np.empty(most)
    kept, terms = np.empty(most, dtype=np.int64), np.empty((most, PIECES_PER_BLOCK))
    density, cumulative = np.empty(N_WITHIN), np.empty(N_WITHIN)
    q, d = np.empty(3), np.empty(3)
    for s in range(len(isochrone)):
        x, inverse = target[:, s].copy(), inverse_error[:, s].copy()
        n, top = _keep_blocks(table, isochrone[s], x, inverse, upper, kept)
        total = 0.0
        for m in range(n):
            row = table.rows[kept[m]]
            for j in range(PIECES_PER_BLOCK):
                square, h, a = 0.0, 0.0, 0.0
                for band in range(3):
                    r, e = (x[band] - row[band, j]) * inverse[band], row[3 + band, j] * inverse[band]
                    square += r * r
                    h += r * e
                    a += e * e
                h *= h
                integral = 0.0
                for power in range(COEFFICIENTS.shape[0] - 1, -1, -1):
                    inner = 0.0
                    for p in range(COEFFICIENTS.shape[1] - 1, -1, -1):
                        inner = inner * a + COEFFICIENTS[power, p]
                    integral = integral * h + inner
                terms[m, j] = exponential(row[6, j] - 0.5 * square - top) * max(integral, 0.0)
            for j in range(PIECES_PER_BLOCK):
                total += terms[m, j]
        rest, block, piece = uniform[s, 0] * total, 0, 0
        for m in range(n):
            for j in range(PIECES_PER_BLOCK):
                if rest >= 0.0 and terms[m, j] > 0.0:
                    block, piece = kept[m], j
                    rest -= terms[m, j]
        row = table.rows[block]
        for band in range(3):
            q[band] = (x[band] - row[band, piece]) * inverse[band]
            d[band] = row[3 + band, piece] * inverse[band]
        t = _place(q, d, uniform[s, 1], density, cumulative)
        ends = table.masses[block]
        out[0, s] = ends[0, piece] + t * (ends[1, piece] - ends[0, piece])
        out[1, s] = ends[2, piece] + t * (ends[3, piece] - ends[2, piece])
        for band in range(3):
            out[2 + band, s] = row[band, piece] + (t - 0.5) * row[3 + band, piece]


@compiled
def _keep_blocks(
    table: MassTable,
    isochrone: int,
    x: Float[np.ndarray, " 3"],
    inverse: Float[np.ndarray, " 3"],
    upper: Float[np.ndarray, " n_block"],
    kept: Int[np.ndarray, " n_block"],
) -> tuple[int, float]:
    """Blocks of an isochrone that may matter; their number, and the largest upper bound of ln of a term."""
    best, top = NOTHING, NOTHING
    first, end = table.first_block[isochrone], table.first_block[isochrone + 1]
    for k in range(first, end):
        near, far = 0.0, 0.0
        for band in range(3):
            below = (table.low[band, k] - x[band]) * inverse[band]
            above = (x[band] - table.high[band, k]) * inverse[band]
            near += max(max(below, above), 0.0) ** 2
            far += min(below, above) ** 2
        upper[k] = table.ln_weight[k] - 0.5 * near
        best = max(best, table.ln_weight[k] - 0.5 * far)
        top = max(top, upper[k])
    n = 0
    for k in range(first, end):
        if upper[k] >= best - NEGLIGIBLE:
            kept[n] = k
            n += 1
    return n, top


@compiled
def _place(
    q: Float[np.ndarray, " 3"],
    d: Float[np.ndarray, " 3"],
    u: float,
    density: Float[np.ndarray, " n"],
    cumulative: Float[np.ndarray, " n"],
) -> float:
    """Place from 0 to 1 in a piece, of density exp(-|q - (t - 1/2) d|^2 / 2), linear between nodes."""
    least = -NOTHING
    step = 1.0 / (N_WITHIN - 1)
    for n in range(N_WITHIN):
        square = 0.0
        for band in range(3):
            square += (q[band] - (n * step - 0.5) * d[band]) ** 2
        density[n] = square
        least = min(least, square)
    cumulative[0] = 0.0
    for n in range(N_WITHIN):
        density[n] = math.exp(-0.5 * (density[n] - least))
        if n > 0:
            cumulative[n] = cumulative[n - 1] + 0.5 * step * (density[n - 1] + density[n])
    target, n = u * cumulative[N_WITHIN - 1], 0
    while n < N_WITHIN - 2 and cumulative[n + 1] <= target:
        n += 1
    rest = (target - cumulative[n]) / step
    left, right = density[n], density[n + 1]
    root = math.sqrt(max(left * left + 2.0 * (right - left) * rest, 0.0))
    return (n + min(max(2.0 * rest / (left + root), 0.0), 1.0)) * step
