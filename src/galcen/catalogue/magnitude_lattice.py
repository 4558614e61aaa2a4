r"""Photometric likelihood tabulated over absolute magnitudes, for stars with errors at the floor.

With one error in all bands, ln L_i is a smooth function of the three absolute magnitudes that a star
would have. It is kept as a cubic spline on a lattice of 0.55 errors, whose last axis is the direction
of the distance modulus, wherever a piece of an isochrone lies within `REACH` errors; elsewhere only a
bound is known. Against the sum over the pieces the spline is right to 1e-4 in ln L (median), and to 2e-3
but for one point in two hundred, between branches that end six errors apart.
"""

import math

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.catalogue.likelihood import BLOCKS_PER_GROUP, N_ISOCHRONE, PIECES_PER_BLOCK, Pieces
from galcen.catalogue.piece_sums import COEFFICIENTS, NOTHING, PieceTable, exponential
from galcen.compiled import compiled
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF, N_COMPONENT

STEP = 0.55  # of the lattice, in errors
REACH = 6.5  # of the table around the pieces, in errors
FAINTEST = 28.0  # end of the last axis: Ks about 16 [mag]
N_LANE = 16
"""Numbers of one point, a vector of the processor: ln L of the 12 components, -chi2 / 2 of the best piece."""
LANE_CHI2 = N_COMPONENT
COARSE = 2.0  # side of the boxes that hold the bounds, in errors
FARTHEST = -100.0  # terms of the bounds below exp of this are taken together
NEGLIGIBLE = 14.0  # blocks by this much below the best of their isochrone are left out
_POLE = math.sqrt(3.0) - 2.0  # of the cubic spline's filter


class MagnitudeLattice(eqx.Module):
    """Spline coefficients in columns along the third axis, of the length that each needs."""

    axes: Float[np.ndarray, "3 3"]  # magnitudes to lattice coordinates
    origin: Float[np.ndarray, " 3"]
    start: Int[np.ndarray, "n_1 n_2"]  # row of third index 0 in `values`
    inner_low: Int[np.ndarray, "n_1 n_2"]  # third indices whose 4 x 4 x 4 neighbours are all there
    inner_high: Int[np.ndarray, "n_1 n_2"]
    values: Float[np.ndarray, "n_point 16"]
    bound: Float[np.ndarray, "m_1 m_2 m_3"]  # of L, in boxes of COARSE errors
    bound_outside: Float[np.ndarray, "m_1 m_2 m_3"]  # of L at points of the boxes that are not in the table
    bound_per_index: float  # boxes per lattice index
    error: float  # [mag]

    @classmethod
    def build(cls, pieces: Pieces, error: float) -> "MagnitudeLattice":
        """Tabulate for errors of `error` [mag] in all bands; half a minute on one core."""
        table = PieceTable.build(pieces)
        real = np.isfinite(pieces.ln_weight)
        middle = pieces.middle[:, real]
        # The colour of reddening and of the isochrones, what is left, and the distance modulus: along the
        # last axis neighbours lie side by side, and along it a star moves with its distance.
        modulus = np.ones(3) / math.sqrt(3.0)
        colour = np.array([1.0, 0.35, 0.0])
        colour -= (colour @ modulus) * modulus
        colour /= np.linalg.norm(colour)
        rotation = np.stack([colour, np.cross(modulus, colour), modulus])
        axes = rotation / (STEP * error)
        place = axes @ middle
        place = place[:, place[2] < FAINTEST / (STEP * error)]
        # Neighbours of a point in reach: two steps to each side.
        radius = REACH / STEP + 2 * math.sqrt(3.0)
        origin = place.min(axis=1) - radius - 2
        shape = tuple(np.ceil(place.max(axis=1) - origin + radius + 3).astype(int))
        there = np.zeros(shape, dtype=bool)
        _paint(np.ascontiguousarray(place.T) - origin, radius, there)
        # Columns along the third axis have no holes.
        there = (
            np.maximum.accumulate(there, axis=2)
            & np.maximum.accumulate(there[:, :, ::-1], axis=2)[:, :, ::-1]
        )
        index = np.argwhere(there)
        magnitudes = (index + origin) @ np.linalg.inv(axes).T
        values = np.zeros((len(index), N_LANE), dtype=np.float64)
        first_block = np.searchsorted(pieces.isochrone, np.arange(N_ISOCHRONE + 1)) * BLOCKS_PER_GROUP
        inverse = 1.0 / error
        _tabulate(
            _block_bounds(table, inverse), _rows(table, inverse), first_block, magnitudes * inverse, values
        )
        for component in range(N_ISOCHRONE, N_COMPONENT):
            values[:, component] = values[:, COMPONENTS.index(ISOCHRONE_OF[component])]
        row = np.full(shape, -1)
        row[there] = np.arange(len(index))
        for axis in range(3):
            _filter(np.moveaxis(row, axis, 2), values)
        start, low, high = _columns(there)
        return cls(
            axes=axes,
            origin=origin,
            start=start,
            inner_low=low,
            inner_high=high,
            values=values.astype(np.float32),
            bound=_bounds(pieces, axes, origin, shape, 0.0),
            bound_outside=_bounds(pieces, axes, origin, shape, REACH),
            bound_per_index=STEP / COARSE,
            error=error,
        )


@compiled
def _paint(place: Float[np.ndarray, "n 3"], radius: float, there: Bool[np.ndarray, "n_1 n_2 n_3"]) -> None:
    """Mark the points within `radius` of a piece."""
    for n in range(len(place)):
        x, y, z = place[n, 0], place[n, 1], place[n, 2]
        for i in range(math.ceil(x - radius), math.floor(x + radius) + 1):
            rest_x = radius * radius - (i - x) ** 2
            reach = math.sqrt(max(rest_x, 0.0))
            for j in range(math.ceil(y - reach), math.floor(y + reach) + 1):
                rest = math.sqrt(max(rest_x - (j - y) ** 2, 0.0))
                there[i, j, math.ceil(z - rest) : math.floor(z + rest) + 1] = True


def _rows(table: PieceTable, inverse: float) -> Float[np.ndarray, "n_block 15 16"]:
    """Middle and extent of each piece in errors, ln of its weight, and its coefficients of h^(2n)."""
    scaled = table.rows[:, :, :6] * inverse
    a = (scaled[:, :, 3:] ** 2).sum(axis=2)
    series = [np.polyval(row[::-1], a) for row in COEFFICIENTS]
    rows = np.concatenate([scaled, table.rows[:, :, 6:], np.stack(series, axis=2)], axis=2)
    return rows.reshape(-1, *rows.shape[2:])


def _block_bounds(table: PieceTable, inverse: float) -> Float[np.ndarray, "7 n_block"]:
    """Lowest and highest magnitudes of each block, in errors, and ln of its weight."""
    rows = [*(table.block.low * inverse), *(table.block.high * inverse), table.block.ln_weight]
    return np.stack(rows).reshape(7, -1)


@compiled
def _tabulate(
    bounds: Float[np.ndarray, "7 n_block"],
    rows: Float[np.ndarray, "n_block 15 16"],
    first_block: Int[np.ndarray, " 11"],
    x: Float[np.ndarray, "n 3"],
    out: Float[np.ndarray, "n 16"],
) -> None:
    """Ln L of each isochrone at points in errors, and -chi2 / 2 of the best piece of all."""
    low0, low1, low2 = bounds[0], bounds[1], bounds[2]
    high0, high1, high2, weight = bounds[3], bounds[4], bounds[5], bounds[6]
    upper, lower = np.empty_like(weight), np.empty_like(weight)
    terms, squares = np.empty(PIECES_PER_BLOCK), np.empty(PIECES_PER_BLOCK)
    for n in range(len(x)):
        x0, x1, x2 = x[n, 0], x[n, 1], x[n, 2]
        # Two loops: one with all these arrays would not be vectorised.
        for k in range(len(weight)):
            near0 = max(max(low0[k] - x0, x0 - high0[k]), 0.0)
            near1 = max(max(low1[k] - x1, x1 - high1[k]), 0.0)
            near2 = max(max(low2[k] - x2, x2 - high2[k]), 0.0)
            upper[k] = weight[k] - 0.5 * (near0 * near0 + near1 * near1 + near2 * near2)
        for k in range(len(weight)):
            far0 = min(low0[k] - x0, x0 - high0[k])
            far1 = min(low1[k] - x1, x1 - high1[k])
            far2 = min(low2[k] - x2, x2 - high2[k])
            lower[k] = weight[k] - 0.5 * (far0 * far0 + far1 * far1 + far2 * far2)
        least = -NOTHING
        for isochrone in range(N_ISOCHRONE):
            first, end = first_block[isochrone], first_block[isochrone + 1]
            limit, top = lower[first:end].max() - NEGLIGIBLE, upper[first:end].max()
            total = 0.0
            for k in range(first, end):
                if upper[k] < limit:
                    continue
                row = rows[k]
                for j in range(PIECES_PER_BLOCK):
                    q0, q1, q2 = x0 - row[0, j], x1 - row[1, j], x2 - row[2, j]
                    square = q0 * q0 + q1 * q1 + q2 * q2
                    h = q0 * row[3, j] + q1 * row[4, j] + q2 * row[5, j]
                    h *= h
                    integral = 0.0
                    for m in range(COEFFICIENTS.shape[0] - 1, -1, -1):
                        integral = integral * h + row[7 + m, j]
                    terms[j] = exponential(row[6, j] - 0.5 * square - top) * max(integral, 0.0)
                    squares[j] = square
                for j in range(PIECES_PER_BLOCK):
                    total += terms[j]
                    least = min(least, squares[j])
            out[n, isochrone] = top + math.log(total)
        out[n, LANE_CHI2] = -0.5 * least


@compiled
def _filter(row: Int[np.ndarray, "n_1 n_2 n_3"], values: Float[np.ndarray, "n 16"]) -> None:
    """Turn values into coefficients of a cubic spline along the last axis, run by run of points.

    The recursive filter of Unser, Aldroubi & Eden (1993, IEEE Trans. Signal Process. 41, 821), with
    mirror boundaries.
    """
    for i in range(row.shape[0]):
        for j in range(row.shape[1]):
            begin = 0
            while begin < row.shape[2]:
                if row[i, j, begin] < 0:
                    begin += 1
                    continue
                end = begin
                while end < row.shape[2] and row[i, j, end] >= 0:
                    end += 1
                run = row[i, j, begin:end]
                begin = end
                n = len(run)
                if n == 1:
                    continue
                for lane in range(N_LANE):
                    total, power = 0.0, 1.0
                    for k in range(min(n, 30)):
                        total += power * values[run[k], lane]
                        power *= _POLE
                    values[run[0], lane] = total
                    for k in range(1, n):
                        values[run[k], lane] += _POLE * values[run[k - 1], lane]
                    last = values[run[n - 1], lane] + _POLE * values[run[n - 2], lane]
                    values[run[n - 1], lane] = last * _POLE / (_POLE * _POLE - 1.0)
                    for k in range(n - 2, -1, -1):
                        values[run[k], lane] = _POLE * (values[run[k + 1], lane] - values[run[k], lane])
                    for k in range(n):
                        values[run[k], lane] *= 6.0


def _columns(there: Bool[np.ndarray, "n_1 n_2 n_3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of third index 0 of each column, and the third indices with all their neighbours."""
    count = there.sum(axis=2)
    empty = count == 0
    low = there.argmax(axis=2)
    start = (np.cumsum(count) - count.ravel()).reshape(count.shape) - low
    high = np.where(empty, -1, low + count - 1)
    low = np.where(empty, there.shape[2], low)
    inner_low, inner_high = np.full_like(low, there.shape[2]), np.full_like(high, -1)
    n_1, n_2 = count.shape
    windows = [np.s_[a : n_1 - 3 + a, b : n_2 - 3 + b] for a in range(4) for b in range(4)]
    inner_low[1 : n_1 - 2, 1 : n_2 - 2] = np.max([low[w] for w in windows], axis=0) + 1
    inner_high[1 : n_1 - 2, 1 : n_2 - 2] = np.min([high[w] for w in windows], axis=0) - 2
    return start, inner_low, inner_high


def _bounds(
    pieces: Pieces,
    axes: Float[np.ndarray, "3 3"],
    origin: Float[np.ndarray, " 3"],
    shape: tuple[int, ...],
    nearest: float,
) -> Float[np.ndarray, "m_1 m_2 m_3"]:
    """Upper bound of every L in boxes of lattice points, `nearest` errors or more from any piece tabulated.

    Boxes at the edge have no end.
    """
    middle = np.einsum("ab,b...->a...", axes, pieces.middle) - origin[:, None, None, None]
    half = 0.5 * np.abs(np.einsum("ab,b...->a...", axes, pieces.extent))
    weight = np.exp(pieces.ln_weight).sum(axis=-1).ravel()
    low = (middle - half).min(axis=-1).reshape(3, -1)
    high = (middle + half).max(axis=-1).reshape(3, -1)
    side = COARSE / STEP
    bound = np.empty([math.ceil(n / side) for n in shape])
    isochrone = np.repeat(pieces.isochrone, pieces.middle.shape[2])
    # The axes have the length of one over the step.
    end = FAINTEST * np.linalg.norm(axes[2]) - origin[2]
    is_tabulated = middle[2].max(axis=-1).ravel() < end
    least = np.where(is_tabulated, (nearest / STEP) ** 2, 0.0)
    _bound_boxes(low, high, weight, isochrone, side, least, bound)
    return bound


@compiled
def _bound_boxes(
    low: Float[np.ndarray, "3 n_block"],
    high: Float[np.ndarray, "3 n_block"],
    weight: Float[np.ndarray, " n_block"],
    isochrone: Int[np.ndarray, " n_block"],
    side: float,
    least: Float[np.ndarray, " n_block"],
    bound: Float[np.ndarray, "m_1 m_2 m_3"],
) -> None:
    """Sum over the blocks of each isochrone, each as near as it can be; the largest of all."""
    total, box = np.empty(N_ISOCHRONE), np.empty((3, 2))
    for i in range(bound.shape[0]):
        for j in range(bound.shape[1]):
            for k in range(bound.shape[2]):
                place = (i, j, k)
                for axis in range(3):
                    n = place[axis]
                    box[axis, 0] = n * side if n > 0 else NOTHING
                    box[axis, 1] = (n + 1) * side if n < bound.shape[axis] - 1 else -NOTHING
                # What the terms left out below can add up to.
                total[:] = math.exp(FARTHEST)
                for b in range(len(weight)):
                    square = 0.0
                    for axis in range(3):
                        near = max(low[axis, b] - box[axis, 1], box[axis, 0] - high[axis, b])
                        square += max(near, 0.0) ** 2
                    ln_term = -0.5 * max(square, least[b]) * STEP * STEP
                    if ln_term > FARTHEST:
                        total[isochrone[b]] += weight[b] * math.exp(ln_term)
                bound[i, j, k] = total.max()
