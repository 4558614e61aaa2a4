r"""The posterior of `posterior` at twenty times its speed, for stars with three errors at the floor.

The likelihood is read off a `MagnitudeLattice`; the prior is interpolated by `prior_squares`. What neither
covers is bounded: a star for which the bound exceeds `ALLOWED` of its evidence, or whose errors are others,
is left to the sum over the pieces. Numbers of a star do not depend on its neighbours.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.catalogue.distance_grid import impact_parameter
from galcen.catalogue.magnitude_lattice import LANE_CHI2, N_LANE, MagnitudeLattice
from galcen.catalogue.piece_sums import NOTHING
from galcen.catalogue.prior_squares import NEAREST_PC, Prior, squares
from galcen.catalogue.sampling import QUANTILES
from galcen.catalogue.vectors import spline_point
from galcen.compiled import compiled
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.model import Galaxy, Sightlines, extinction
from galcen.galaxy.photometry import distance_modulus

ALLOWED = 1e-5  # of the evidence may come from where only a bound is known
NEGLIGIBLE = 1e-8  # of the largest bound: such knots are not looked up at first
WORST_FIT = 9.0  # chi-square above which the sum over the pieces is taken


class Stars(NamedTuple):
    """What the kernel needs of some stars of one cell and square."""

    place: Float[np.ndarray, "n_star 3"]  # observed magnitudes in lattice coordinates
    weight: Float[np.ndarray, "n_star 9"]  # of the nine lines
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    inverse_error: Float[np.ndarray, " n_star"]  # of the parallax, 0 where it is not used
    uniform: Float[np.ndarray, "n_star 2 n_sample"]


class Result(NamedTuple):
    """Outputs of the kernel, as those of `sampling.Summary`."""

    probability: Float[np.ndarray, "n_star 12"]
    quantile: Float[np.ndarray, "n_star 3"]
    ln_evidence: Float[np.ndarray, " n_star"]
    beyond: Float[np.ndarray, " n_star"]
    comp: Int[np.ndarray, "n_star n_sample"]
    dist: Float[np.ndarray, "n_star n_sample"]
    chi2_min: Float[np.ndarray, " n_star"]
    done: Bool[np.ndarray, " n_star"]

    @classmethod
    def empty(cls, n_star: int, n_sample: int) -> "Result":
        """Room for some stars, none of them done."""
        return cls(
            np.empty((n_star, N_COMPONENT)),
            np.empty((n_star, 3)),
            np.empty(n_star),
            np.empty(n_star),
            np.empty((n_star, n_sample), dtype=np.int8),
            np.empty((n_star, n_sample)),
            np.empty(n_star),
            np.zeros(n_star, dtype=bool),
        )


def infer_stars(
    galaxy: Galaxy,
    lattice: MagnitudeLattice,
    dist_max: float,
    mag: Float[np.ndarray, "3 n_star"],
    parallax: Float[np.ndarray, " n_star"],
    inverse_error: Float[np.ndarray, " n_star"],
    line: Sightlines,
    uniform: Float[np.ndarray, "n_star 2 n_sample"],
) -> Result:
    """Posterior of stars whose errors are those of the lattice in all bands.

    Parameters
    ----------
    galaxy, lattice
        The model, and its photometric likelihood.
    dist_max
        Largest distance [pc].
    mag
        J, H, Ks.
    parallax, inverse_error
        Parallax [mas] and 1 / error, 0 where none is used.
    line
        Directions of the stars.
    uniform
        Numbers in [0, 1) that choose the class and the distance of each draw.

    Returns
    -------
    In the order of the stars; `done` is False where the star is left to the sum over the pieces.
    """
    n_star = mag.shape[1]
    result = Result.empty(n_star, uniform.shape[2])
    place = (lattice.axes @ mag).T - lattice.origin
    impact = impact_parameter(galaxy.frame, np.asarray(line.lon), np.asarray(line.lat))
    arrays = lattice_arrays(lattice)
    for prior, members, weight in squares(galaxy, line, np.flatnonzero(impact >= NEAREST_PC), dist_max):
        # Of one cell, that is of one extinction, and in the order of colour: neighbours use the same
        # places of the lattice.
        cells = np.stack([np.asarray(x)[members] for x in (line.cell_lon_deg, line.cell_lat_deg)])
        cells = np.concatenate([cells, np.asarray(line.reddening)[:, members]])
        if line.screen is not None:
            cells = np.concatenate([cells, np.nan_to_num(np.asarray(line.screen)[None, members], nan=-1.0)])
        _, first, cell = np.unique(cells, axis=1, return_index=True, return_inverse=True)
        cell = cell.ravel()
        dust = extinction(line.take(members[first]), np.tile(prior.coarse, (len(first), 1)))
        shift = np.asarray(dust) + np.asarray(distance_modulus(prior.coarse))
        order = np.lexsort((place[members, 0], cell))
        for k, mine in enumerate(np.split(order, np.cumsum(np.bincount(cell))[:-1])):
            rows = members[mine]
            stars = Stars(place[rows], weight[mine], parallax[rows], inverse_error[rows], uniform[rows])
            found = Result.empty(len(rows), uniform.shape[2])
            _infer(arrays, prior, np.ascontiguousarray((lattice.axes @ shift[:, k]).T), stars, found)
            for all_stars, values in zip(result, found, strict=True):
                all_stars[rows] = values
    return result


class LatticeArrays(NamedTuple):
    """The lattice as the kernel takes it."""

    start: Int[np.ndarray, "n_1 n_2"]
    inner_low: Int[np.ndarray, "n_1 n_2"]
    inner_high: Int[np.ndarray, "n_1 n_2"]
    values: Float[np.ndarray, "n_point 16"]
    bound: Float[np.ndarray, "m_1 m_2 m_3"]
    bound_outside: Float[np.ndarray, "m_1 m_2 m_3"]
    bound_per_index: float


def lattice_arrays(lattice: MagnitudeLattice) -> LatticeArrays:
    """The arrays of a lattice."""
    return LatticeArrays(*(getattr(lattice, name) for name in LatticeArrays._fields))


@compiled
def _infer(
    lattice: LatticeArrays, prior: Prior, shift: Float[np.ndarray, "n_knot 3"], stars: Stars, result: Result
) -> None:
    """Every star of a prior."""
    n_node, n_knot = len(prior.dist), len(prior.coarse)
    ln_like = np.empty((n_knot, N_LANE), dtype=np.float32)
    ln_p = np.empty((n_node, N_LANE), dtype=np.float32)
    density, cumulative = np.empty_like(ln_p), np.empty_like(ln_p)
    total, total_cumulative = np.empty(n_node), np.empty(n_node)
    bound = np.empty(n_knot)
    inside, known = np.empty(n_knot, dtype=np.bool_), np.empty(n_knot, dtype=np.bool_)
    for s in range(len(stars.place)):
        place = stars.place[s]
        threshold = NEGLIGIBLE * _bound_knots(lattice, prior, shift, place, bound, inside)
        while True:
            missing, square = _look_up(lattice, prior, shift, place, bound, inside, threshold, known, ln_like)
            top, first, last = _multiply(
                prior, stars.weight[s], stars.parallax[s], stars.inverse_error[s], known, ln_like, ln_p
            )
            _accumulate(prior.dist, ln_p, top, first, last, density, cumulative, total, total_cumulative)
            evidence = total_cumulative[last]
            is_covered = top > 0.5 * NOTHING and missing <= ALLOWED * evidence * math.exp(top)
            # Knots of little bound are left out unless all of them together matter.
            if is_covered or threshold == 0.0:
                break
            threshold = 0.0
        if is_covered and square < WORST_FIT:
            sums = Sums(first, last, density, cumulative, total, total_cumulative)
            _summarise(prior, stars.uniform[s], sums, result, s)
            result.ln_evidence[s] = math.log(evidence) + top
            result.chi2_min[s] = square
            result.done[s] = True


@compiled
def _bound_knots(
    lattice: LatticeArrays,
    prior: Prior,
    shift: Float[np.ndarray, "n_knot 3"],
    place: Float[np.ndarray, " 3"],
    bound: Float[np.ndarray, " n_knot"],
    inside: Bool[np.ndarray, " n_knot"],
) -> float:
    """Upper bound of what the nodes of each knot add to the evidence, without parallax.

    Returns the largest of those inside the lattice.
    """
    per_index, shape = lattice.bound_per_index, lattice.bound.shape
    start, low, high = lattice.start, lattice.inner_low, lattice.inner_high
    largest = 0.0
    for k in range(len(bound)):
        x, y, z = place[0] - shift[k, 0], place[1] - shift[k, 1], place[2] - shift[k, 2]
        box_x = min(max(int(x * per_index), 0), shape[0] - 1)
        box_y = min(max(int(y * per_index), 0), shape[1] - 1)
        box_z = min(max(int(z * per_index), 0), shape[2] - 1)
        i, j, m = math.floor(x), math.floor(y), math.floor(z)
        inside[k] = (
            1 <= i < start.shape[0] - 3 and 1 <= j < start.shape[1] - 3 and low[i, j] <= m <= high[i, j]
        )
        boxes = lattice.bound if inside[k] else lattice.bound_outside
        bound[k] = prior.ceiling[k] * boxes[box_x, box_y, box_z]
        if inside[k]:
            largest = max(largest, bound[k])
    return largest


@compiled
def _look_up(
    lattice: LatticeArrays,
    prior: Prior,
    shift: Float[np.ndarray, "n_knot 3"],
    place: Float[np.ndarray, " 3"],
    bound: Float[np.ndarray, " n_knot"],
    inside: Bool[np.ndarray, " n_knot"],
    threshold: float,
    known: Bool[np.ndarray, " n_knot"],
    ln_like: Float[np.ndarray, "n_knot 16"],
) -> tuple[float, float]:
    """Spline at the knots; the sum of the bounds of those left out, and chi-square at the best knot."""
    start = lattice.start
    w, rows = np.empty(12, dtype=np.float32), np.empty(16, dtype=np.int64)
    missing, square = 0.0, -NOTHING
    for k in range(len(bound)):
        known[k] = inside[k] and bound[k] >= threshold
        for lane in range(N_LANE):
            ln_like[k, lane] = 0.0
        if not known[k]:
            missing += bound[k]
            continue
        x, y, z = place[0] - shift[k, 0], place[1] - shift[k, 1], place[2] - shift[k, 2]
        i, j, m = math.floor(x), math.floor(y), math.floor(z)
        w[0], w[1], w[2], w[3] = _weights(x - i)
        w[4], w[5], w[6], w[7] = _weights(y - j)
        w[8], w[9], w[10], w[11] = _weights(z - m)
        for a in range(4):
            for b in range(4):
                rows[4 * a + b] = start[i - 1 + a, j - 1 + b] + m - 1
        spline_point(lattice.values, rows, w, ln_like, k)
        square = min(square, -2.0 * ln_like[k, LANE_CHI2])
    return missing, max(square, 0.0)


@compiled
def _weights(t: float) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Weights of the four neighbours in a cubic B-spline."""
    single, s = np.float32, 1.0 - t
    return (
        single(s * s * s / 6),
        single((4 - 6 * t * t + 3 * t * t * t) / 6),
        single((4 - 6 * s * s + 3 * s * s * s) / 6),
        single(t * t * t / 6),
    )


@compiled
def _multiply(
    prior: Prior,
    weight: Float[np.ndarray, " 9"],
    parallax: float,
    inverse_error: float,
    known: Bool[np.ndarray, " n_knot"],
    ln_like: Float[np.ndarray, "n_knot 16"],
    ln_p: Float[np.ndarray, "n_node 16"],
) -> tuple[float, int, int]:
    """Ln of prior times likelihood at every node; the largest, and the first and last node about them all."""
    w = weight.astype(np.float32)
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    nothing, one, zero = np.float32(NOTHING), np.float32(1.0), np.float32(0.0)
    # A number of lanes that the compiler does not know: known ones it unrolls before it could use vectors.
    n_lane, last = ln_like.shape[1], len(ln_like) - 1
    largest = np.full(n_lane, nothing)
    first, end = len(prior.dist), 0
    for d in range(len(prior.dist)):
        k = prior.knot[d]
        row = ln_p[d]
        t, is_between = prior.step[d], prior.weight[d, 1] < one
        if not (known[k] or (is_between and known[k + 1])):
            row[:] = nothing
            continue
        first, end = min(first, d), d + 1
        v0, v1, v2, v3 = prior.weight[d, 0], prior.weight[d, 1], prior.weight[d, 2], prior.weight[d, 3]
        if is_between and not (known[k - 1] and known[k] and known[k + 1] and known[k + 2]):
            # Linear next to knots that are left out; where there is but one it speaks for the node.
            if not known[k]:
                t = one
            elif not known[k + 1]:
                t = zero
            v0, v1, v2, v3 = zero, one - t, t, zero
        excess = (parallax - 1000.0 / prior.dist[d]) * inverse_error
        shift = np.float32(-0.5 * excess * excess)
        like0, like1 = ln_like[max(k - 1, 0)], ln_like[k]
        like2, like3 = ln_like[min(k + 1, last)], ln_like[min(k + 2, last)]
        lines = prior.ln_prior[d]
        for lane in range(n_lane):
            row[lane] = (
                w0 * lines[lane]
                + w1 * lines[lane + 16]
                + w2 * lines[lane + 32]
                + w3 * lines[lane + 48]
                + w4 * lines[lane + 64]
                + w5 * lines[lane + 80]
                + w6 * lines[lane + 96]
                + w7 * lines[lane + 112]
                + w8 * lines[lane + 128]
                + v0 * like0[lane]
                + v1 * like1[lane]
                + v2 * like2[lane]
                + v3 * like3[lane]
                + shift
            )
        for lane in range(n_lane):
            largest[lane] = max(largest[lane], row[lane])
    return float(largest.max()), max(min(first, end) - 1, 0), min(end, len(prior.dist) - 1)


@compiled
def _accumulate(
    dist: Float[np.ndarray, " n_node"],
    ln_p: Float[np.ndarray, "n_node 16"],
    top: float,
    first: int,
    last: int,
    density: Float[np.ndarray, "n_node 16"],
    cumulative: Float[np.ndarray, "n_node 16"],
    total: Float[np.ndarray, " n_node"],
    total_cumulative: Float[np.ndarray, " n_node"],
) -> None:
    """Densities from the first to the last node in units of exp(top), and their integrals."""
    n_lane = density.shape[1]
    single_top = np.float32(top)
    for d in range(first, last + 1):
        row, out = ln_p[d], density[d]
        for lane in range(n_lane):
            out[lane] = _exponential(row[lane] - single_top)
        part = np.float32(0.0)
        for lane in range(n_lane):
            part += out[lane]
        total[d] = part
    for lane in range(n_lane):
        cumulative[first, lane] = 0.0
    total_cumulative[first] = 0.0
    for d in range(first + 1, last + 1):
        half = 0.5 * (dist[d] - dist[d - 1])
        single_half = np.float32(half)
        before, after, last, now = density[d - 1], density[d], cumulative[d - 1], cumulative[d]
        for lane in range(n_lane):
            now[lane] = last[lane] + single_half * (before[lane] + after[lane])
        total_cumulative[d] = total_cumulative[d - 1] + half * (total[d - 1] + total[d])


@compiled
def _exponential(x: float) -> float:
    """Exp of a number not above 0 in single precision, to 1e-5; 0 below -32."""
    one = np.float32(1.0)
    y = max(x, np.float32(-32.0)) * np.float32(1 / 64)
    power = one + y * np.float32(1 / 7)
    power = one + y * np.float32(1 / 6) * power
    power = one + y * np.float32(1 / 5) * power
    power = one + y * np.float32(1 / 4) * power
    power = one + y * np.float32(1 / 3) * power
    power = one + y * np.float32(1 / 2) * power
    power = one + y * power
    for _ in range(6):
        power *= power
    return power if x > np.float32(-32.0) else np.float32(0.0)


class Sums(NamedTuple):
    """Densities and their integrals between the first and the last node where they are not zero."""

    first: int
    last: int
    density: Float[np.ndarray, "n_node 16"]
    cumulative: Float[np.ndarray, "n_node 16"]
    total: Float[np.ndarray, " n_node"]
    total_cumulative: Float[np.ndarray, " n_node"]


@compiled
def _summarise(
    prior: Prior, uniform: Float[np.ndarray, "2 n_sample"], sums: Sums, result: Result, s: int
) -> None:
    """Class probabilities, quantiles and draws of one star."""
    first, last = sums.first, sums.last
    whole = sums.total_cumulative[last]
    # The sums of the components are of single precision: theirs is not quite that of all.
    parts = 0.0
    for i in range(N_COMPONENT):
        parts += sums.cumulative[last, i]
    for i in range(N_COMPONENT):
        result.probability[s, i] = sums.cumulative[last, i] / parts
    for q in range(3):
        result.quantile[s, q] = _invert(
            prior.dist, sums.total, sums.total_cumulative, first, last, QUANTILES[q]
        )
    far = min(max(prior.far, first), last)
    result.beyond[s] = 1.0 - sums.total_cumulative[far] / whole
    for n in range(uniform.shape[1]):
        rest, comp = uniform[0, n] * parts, 0
        while comp < N_COMPONENT - 1 and rest >= sums.cumulative[last, comp]:
            rest -= sums.cumulative[last, comp]
            comp += 1
        result.comp[s, n] = comp
        result.dist[s, n] = _invert(
            prior.dist, sums.density[:, comp], sums.cumulative[:, comp], first, last, uniform[1, n]
        )


@compiled
def _invert(
    x: Float[np.ndarray, " n"],
    density: Float[np.ndarray, " n"],
    cumulative: Float[np.ndarray, " n"],
    low: int,
    high: int,
    u: float,
) -> float:
    """Where the integral of a piecewise-linear density reaches the fraction u; as `sampling.invert`."""
    target = u * cumulative[high]
    while high - low > 1:
        middle = (low + high) // 2
        if cumulative[middle] <= target:
            low = middle
        else:
            high = middle
    step = x[low + 1] - x[low]
    if step <= 0.0:
        return x[low]
    rest = (target - cumulative[low]) / step
    left, right = density[low], density[low + 1]
    root = math.sqrt(max(left * left + 2.0 * (right - left) * rest, 0.0))
    t = 2.0 * rest / (left + root) if left + root > 0.0 else 0.0
    return x[low] + min(max(t, 0.0), 1.0) * step
