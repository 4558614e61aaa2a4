"""Photometric likelihood of stars at many distances: the sum over the pieces of the isochrones.

Of the 10^7 terms (distance, piece) of a star a few in a hundred matter. Bounds on the terms of whole
groups of pieces, then of blocks, find them; what is left out is by its bounds together below
`NEGLIGIBLE` of what is kept. Every star is summed by itself, in one order.
"""

import math
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int

from galcen.catalogue.likelihood import (
    BLOCKS_PER_GROUP,
    N_ISOCHRONE,
    PIECES_PER_BLOCK,
    SERIES,
    Pieces,
)
from galcen.compiled import compiled

NEGLIGIBLE = 1e-5
# Stands for ln 0: the kernels are compiled for finite numbers alone.
NOTHING = -1e30
# Blocks are ranked in bins of ln; deeper ones are negligible however many they are.
STEP, DEEPEST = 0.25, 32.0
N_BIN = int(DEEPEST / STEP) + 1
# Terms are given relative to the largest; below this they are nothing.
SMALLEST = -64.0

_N_H, _N_A = len(SERIES), len(SERIES[0])
COEFFICIENTS = np.array(SERIES)


@compiled
def exponential(x: float) -> float:
    """Exp of a number not above 0, to 3e-6, and of `SMALLEST` for less: many at once on a processor."""
    y = max(x, SMALLEST) * (1.0 / 256.0)
    power = 1.0 + y * (1.0 + y * (1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720))))))
    for _ in range(8):
        power *= power
    return power


class Bounds(NamedTuple):
    """Brightest and faintest magnitude of groups or blocks of pieces, and ln of their weight."""

    low: Float[np.ndarray, "3 ..."]
    high: Float[np.ndarray, "3 ..."]
    ln_weight: Float[np.ndarray, "..."]


class PieceTable(NamedTuple):
    """Pieces of all isochrones with the bounds of their groups and blocks, as the kernel reads them."""

    isochrone: Int[np.ndarray, " n_group"]
    group: Bounds  # (n_group)
    block: Bounds  # (n_group, 8)
    rows: Float[np.ndarray, "n_group 8 7 16"]  # middle (3), extent (3), ln weight of each piece

    @classmethod
    def build(cls, pieces: Pieces) -> Self:
        """Bounds of `pieces`."""
        groups = Bounds(*(part.astype(np.float32) for part in pieces.bounds((-2, -1))))
        rows = np.maximum(pieces.rows(), NOTHING)
        shape = (len(pieces.isochrone), BLOCKS_PER_GROUP, 7, PIECES_PER_BLOCK)
        return cls(pieces.isochrone, groups, Bounds(*pieces.bounds((-1,))), rows.reshape(shape))


def ln_likelihood(
    table: PieceTable,
    target: Float[np.ndarray, "3 n_star n_dist"],
    inverse_error: Float[np.ndarray, "3 n_star"],
    ln_largest: Float[np.ndarray, "10 n_star n_dist"],
) -> tuple[Float[np.ndarray, "10 n_star n_dist"], Float[np.ndarray, " n_star"]]:
    """Ln L of each isochrone at each distance, and the chi-square of the best piece of each star.

    Parameters
    ----------
    table
        The isochrones.
    target
        Absolute magnitudes J, H, Ks the star would have at each distance.
    inverse_error
        1 / error in each band, 0 where there is no magnitude.
    ln_largest
        Ln of the prior mass that each likelihood will be multiplied with.

    Returns
    -------
    ln L without the normalisation of the errors, -inf where it does not matter; chi-square, infinite
    where nothing matters.
    """
    out = np.full(ln_largest.shape, -np.inf)
    chi2 = np.full(target.shape[1], np.inf)
    _sum_stars(table, target, inverse_error, np.maximum(ln_largest, NOTHING), out, chi2)
    return out, chi2


@compiled
def _sum_stars(
    table: PieceTable,
    target: Float[np.ndarray, "3 n_star n_dist"],
    inverse_error: Float[np.ndarray, "3 n_star"],
    ln_largest: Float[np.ndarray, "10 n_star n_dist"],
    out: Float[np.ndarray, "10 n_star n_dist"],
    chi2: Float[np.ndarray, " n_star"],
) -> None:
    """Fill `out` and `chi2` star by star. Below, `x` and bounds of pieces are in errors."""
    n_dist, n_group = target.shape[2], len(table.isochrone)
    group_upper = np.empty((n_group, n_dist), dtype=np.float32)
    size = n_dist * n_group * BLOCKS_PER_GROUP
    # Of each block that may matter: its distance, its number and its upper bound.
    nodes, blocks = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    upper = np.empty(size)
    total = np.empty((N_ISOCHRONE, n_dist))
    for s in range(target.shape[1]):
        inverse, prior = inverse_error[:, s].copy(), ln_largest[:, s].copy()
        x = target[:, s] * inverse.reshape((3, 1))
        bound = _bound_groups(table, x, inverse, prior, group_upper)
        limit = bound + math.log(NEGLIGIBLE / size)
        n, bound, top, least = _bound_blocks(
            table, x, inverse, prior, group_upper, limit, nodes, blocks, upper
        )
        if n == 0:
            continue
        limit = _least_that_matters(upper[:n], bound, least)
        chi2[s] = _sum_blocks(table, x, inverse, prior, nodes[:n], blocks[:n], upper[:n], limit, top, total)
        for isochrone in range(N_ISOCHRONE):
            for i in range(n_dist):
                if total[isochrone, i] > 0.0:
                    out[isochrone, s, i] = math.log(total[isochrone, i]) + top - prior[isochrone, i]


@compiled
def _bound_groups(
    table: PieceTable,
    x: Float[np.ndarray, "3 n_dist"],
    inverse: Float[np.ndarray, " 3"],
    prior: Float[np.ndarray, "10 n_dist"],
    upper: Float[np.ndarray, "n_group n_dist"],
) -> float:
    """Upper bound of each group's terms, and a lower bound of the largest term."""
    single = np.float32
    x0, x1, x2 = x[0].astype(single), x[1].astype(single), x[2].astype(single)
    inv = inverse.astype(single)
    priors = prior.astype(single)
    low, high, ln_weight = table.group.low, table.group.high, table.group.ln_weight
    zero, half, one = single(0.0), single(0.5), single(1.0)
    # By distance: a loop that also looks for the one largest of all is not vectorised.
    lower = np.full(len(x0), single(NOTHING))
    for k in range(len(table.isochrone)):
        low0, low1, low2 = low[0, k] * inv[0], low[1, k] * inv[1], low[2, k] * inv[2]
        high0, high1, high2 = high[0, k] * inv[0], high[1, k] * inv[1], high[2, k] * inv[2]
        base, row = priors[table.isochrone[k]], upper[k]
        weight = ln_weight[k]
        for i in range(len(x0)):
            below0, above0 = low0 - x0[i], x0[i] - high0
            below1, above1 = low1 - x1[i], x1[i] - high1
            below2, above2 = low2 - x2[i], x2[i] - high2
            near0 = max(max(below0, above0), zero)
            near1 = max(max(below1, above1), zero)
            near2 = max(max(below2, above2), zero)
            far0, far1, far2 = min(below0, above0), min(below1, above1), min(below2, above2)
            total = base[i] + weight
            near = near0 * near0 + near1 * near1 + near2 * near2
            far = far0 * far0 + far1 * far1 + far2 * far2
            # Single precision is enough to choose: one is added for its rounding.
            row[i] = total - half * near + one
            lower[i] = max(lower[i], total - half * far)
    return float(lower.max()) - 1.0


@compiled
def _bound_blocks(
    table: PieceTable,
    x: Float[np.ndarray, "3 n_dist"],
    inverse: Float[np.ndarray, " 3"],
    prior: Float[np.ndarray, "10 n_dist"],
    group_upper: Float[np.ndarray, "n_group n_dist"],
    limit: float,
    nodes: Int[np.ndarray, " n"],
    blocks: Int[np.ndarray, " n"],
    upper: Float[np.ndarray, " n"],
) -> tuple[int, float, float, float]:
    """Of the groups that may matter, the blocks that may; the bound sharpens on the way.

    Returns their number, a lower bound of the largest term, an upper bound of it, and a lower bound of
    the sum in units of the former.
    """
    low, high, ln_weight = table.block.low, table.block.high, table.block.ln_weight
    n_dist = x.shape[1]
    place, near_x = np.empty(n_dist, dtype=np.int32), np.empty((4, n_dist))
    block_upper, lower = np.empty((BLOCKS_PER_GROUP, n_dist)), np.empty(n_dist)
    n, bound, top, least = 0, NOTHING, NOTHING, 0.0
    least_upper = np.float32(limit)
    for k in range(len(table.isochrone)):
        base, row = prior[table.isochrone[k]], group_upper[k]
        n_near = 0
        for i in range(n_dist):
            if row[i] >= least_upper:
                place[n_near] = i
                for band in range(3):
                    near_x[band, n_near] = x[band, i]
                near_x[3, n_near] = base[i]
                n_near += 1
        if n_near == 0:
            continue
        x0, x1, x2, ln_prior = near_x[0], near_x[1], near_x[2], near_x[3]
        for b in range(BLOCKS_PER_GROUP):
            low0, high0 = low[0, k, b] * inverse[0], high[0, k, b] * inverse[0]
            low1, high1 = low[1, k, b] * inverse[1], high[1, k, b] * inverse[1]
            low2, high2 = low[2, k, b] * inverse[2], high[2, k, b] * inverse[2]
            weight, highest = ln_weight[k, b], block_upper[b]
            if b == 0:
                lower[:n_near] = NOTHING
            for j in range(n_near):
                below0, above0 = low0 - x0[j], x0[j] - high0
                below1, above1 = low1 - x1[j], x1[j] - high1
                below2, above2 = low2 - x2[j], x2[j] - high2
                near0 = max(max(below0, above0), 0.0)
                near1 = max(max(below1, above1), 0.0)
                near2 = max(max(below2, above2), 0.0)
                far0, far1, far2 = min(below0, above0), min(below1, above1), min(below2, above2)
                total = ln_prior[j] + weight
                highest[j] = total - 0.5 * (near0 * near0 + near1 * near1 + near2 * near2)
                lower[j] = max(lower[j], total - 0.5 * (far0 * far0 + far1 * far1 + far2 * far2))
        for j in range(n_near):
            if lower[j] > bound:
                least = least * math.exp(bound - lower[j]) + 1.0
                bound = lower[j]
            elif lower[j] > bound - DEEPEST:
                least += math.exp(lower[j] - bound)
        for b in range(BLOCKS_PER_GROUP):
            for j in range(n_near):
                if block_upper[b, j] >= bound - DEEPEST:
                    nodes[n], blocks[n] = place[j], k * BLOCKS_PER_GROUP + b
                    upper[n] = block_upper[b, j]
                    top = max(top, upper[n])
                    n += 1
    return n, bound, top, least


@compiled
def _least_that_matters(
    upper: Float[np.ndarray, " n"],
    bound: float,
    least: float,
) -> float:
    """The bound below which blocks can be left out: as many as are together negligible."""
    number = np.zeros(N_BIN)
    for u in upper:
        place = int((u - bound + DEEPEST) * (1.0 / STEP))
        number[min(max(place, 0), N_BIN - 1)] += 1
    dropped = 0.0
    # Every block of a bin counts as the bin's upper edge; the last bin begins at the bound.
    for n in range(N_BIN - 1):
        dropped += number[n] * math.exp(STEP * (n - N_BIN + 2))
        if dropped > NEGLIGIBLE * least:
            return bound + STEP * (n - N_BIN + 1)
    return bound


@compiled
def _sum_blocks(
    table: PieceTable,
    x: Float[np.ndarray, "3 n_dist"],
    inverse: Float[np.ndarray, " 3"],
    prior: Float[np.ndarray, "10 n_dist"],
    nodes: Int[np.ndarray, " n"],
    blocks: Int[np.ndarray, " n"],
    upper: Float[np.ndarray, " n"],
    limit: float,
    top: float,
    total: Float[np.ndarray, "10 n_dist"],
) -> float:
    """Sums by isochrone and distance into `total`; the smallest chi-square of all pieces."""
    terms, chi2 = np.empty(PIECES_PER_BLOCK), np.full(PIECES_PER_BLOCK, -NOTHING)
    middle, extent = np.empty((3, PIECES_PER_BLOCK)), np.empty((3, PIECES_PER_BLOCK))
    series = np.empty((_N_H, PIECES_PER_BLOCK))
    rows = table.rows.reshape((-1, 7, PIECES_PER_BLOCK))
    total[:] = 0.0
    last = -1
    ln_weight, base, sums = rows[0, 6], prior[0], total[0]
    # They come by block: what does not depend on the distance is made once for each.
    for n in range(len(blocks)):
        if upper[n] < limit:
            continue
        if blocks[n] != last:
            last = blocks[n]
            row, isochrone = rows[last], table.isochrone[last // BLOCKS_PER_GROUP]
            ln_weight, base, sums = row[6], prior[isochrone], total[isochrone]
            for j in range(PIECES_PER_BLOCK):
                a = 0.0
                for band in range(3):
                    middle[band, j] = row[band, j] * inverse[band]
                    d = row[3 + band, j] * inverse[band]
                    extent[band, j] = d
                    a += d * d
                for m in range(_N_H):
                    inner = 0.0
                    for p in range(_N_A - 1, -1, -1):
                        inner = inner * a + COEFFICIENTS[m, p]
                    series[m, j] = inner
        i = nodes[n]
        x0, x1, x2, shift = x[0, i], x[1, i], x[2, i], base[i] - top
        for j in range(PIECES_PER_BLOCK):
            q0, q1, q2 = x0 - middle[0, j], x1 - middle[1, j], x2 - middle[2, j]
            square = q0 * q0 + q1 * q1 + q2 * q2
            h = q0 * extent[0, j] + q1 * extent[1, j] + q2 * extent[2, j]
            h *= h
            integral = 0.0
            for m in range(_N_H - 1, -1, -1):
                integral = integral * h + series[m, j]
            # The series alternates for stars far off the end of a piece; the integral is positive.
            terms[j] = exponential(shift + ln_weight[j] - 0.5 * square) * max(integral, 0.0)
            chi2[j] = min(chi2[j], square)
        term = 0.0
        for j in range(PIECES_PER_BLOCK):
            term += terms[j]
        sums[i] += term
    return chi2.min()
