r"""Posterior of the class and distance of observed stars, exact to a stated bound.

.. math:: p(i, D) = n_i(l, b, D) \, D^2 \, L_i(D) \, N(\varpi; 1/D, \sigma_\varpi)

with the photometric likelihood L of `likelihood`, on the grid of `distance_grid`. Of the
10^7 terms (distance, piece of an isochrone) of a star a few in a thousand matter. Bounds on the terms
of whole groups of pieces, then of blocks, find them; those left out are by their bounds
together below `NEGLIGIBLE` of what is kept. Nothing is normalised but the whole.

Every star is computed in a batch of one fixed size whatever its neighbours, so that its
numbers do not depend on them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from galcen.catalogue.distance_grid import (
    N_LOG,
    Grid,
    distance_grid,
    grid_class,
    impact_parameter,
    interpolate,
    near_place,
)
from galcen.catalogue.flags import Flag
from galcen.catalogue.likelihood import (
    BLOCKS_PER_GROUP,
    N_ISOCHRONE,
    Pieces,
    piece_integral,
)
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density
from galcen.galaxy.photometry import distance_modulus

BATCH = 64
SLAB = 8192
PART = 256
NEGLIGIBLE = 1e-5
# Blocks are ranked in bins of ln; deeper ones are negligible however many they are.
STEP, DEEPEST = 0.25, 32.0
OUTLIER_CHI2 = 100.0

_ISOCHRONE = np.array([COMPONENTS.index(name) for name in ISOCHRONE_OF])


class Stars(NamedTuple):
    """Observed stars; what is missing is NaN. Magnitudes in J, H, Ks."""

    source_id: Int[np.ndarray, " n_star"]
    mag: Float[np.ndarray, "3 n_star"]
    error: Float[np.ndarray, "3 n_star"]
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    parallax_error: Float[np.ndarray, " n_star"]
    ruwe: Float[np.ndarray, " n_star"]


class Options(NamedTuple):
    """Choices of the inference; see `galcen.config.inference.Posterior`."""

    error_floor: float = 0.1
    missing_error: float = 0.2
    ruwe_limit: float = 1.4
    dist_max: float = 20000.0


class Data(eqx.Module):
    """The data of one batch as the likelihood uses them; a missing band has no weight."""

    mag: Float[Array, "3 n_star"]
    inverse_error: Float[Array, "3 n_star"]
    parallax: Float[Array, " n_star"]
    inverse_parallax_error: Float[Array, " n_star"]


class Curves(NamedTuple):
    """p(i, D) of some stars of one grid class, in units of exp(`ln_scale`)."""

    dist: Float[np.ndarray, "n_star n_dist"]  # [pc]
    density: Float[np.ndarray, "12 n_star n_dist"]
    ln_scale: Float[np.ndarray, " n_star"]
    chi2_min: Float[np.ndarray, " n_star"]


def clean(stars: Stars, options: Options) -> tuple[Data, Int[np.ndarray, " n_star"]]:
    """Errors with their floor, the parallaxes that are used, and the flags so far."""
    seen = np.isfinite(stars.mag)
    has_error = np.isfinite(stars.error)
    error = np.maximum(np.where(has_error, stars.error, options.missing_error), options.error_floor)
    given = np.isfinite(stars.parallax)
    used = given & np.isfinite(stars.parallax_error) & ~(stars.ruwe > options.ruwe_limit)
    flags = np.where(seen.all(axis=0), 0, Flag.MISSING_BAND)
    flags |= np.where((seen & ~has_error).any(axis=0), Flag.NO_ERROR, 0)
    flags |= np.where(given & ~used, Flag.PARALLAX_UNUSED, 0)
    data = Data(
        np.where(seen, stars.mag, 0.0),
        np.where(seen, 1.0 / error, 0.0),
        np.where(used, stars.parallax, 0.0),
        np.where(used, 1.0 / np.where(used, stars.parallax_error, 1.0), 0.0),
    )
    return data, flags


class Evaluator:
    """The posterior for one Galaxy model and error floor: bounds made once, batches of stars after."""

    def __init__(self, galaxy: Galaxy, options: Options) -> None:
        self.galaxy = galaxy
        self.options = options
        pieces = Pieces.build(galaxy.intervals, options.error_floor)
        self._isochrone = jnp.asarray(pieces.isochrone)
        self._rows = jnp.asarray(pieces.rows())
        self._group_bounds = Bounds(*pieces.bounds((-2, -1)))
        self._block_bounds = Bounds(*pieces.bounds((-1,)))
        self._n_block = self._rows.shape[0]

    def classes(self, line: Sightlines) -> Int[np.ndarray, " n_star"]:
        """Grid class of each star; a batch holds stars of one class."""
        return grid_class(impact_parameter(self.galaxy.frame, np.asarray(line.lon), np.asarray(line.lat)))

    def curves(self, data: Data, line: Sightlines, class_index: int) -> Curves:
        """p(i, D) of exactly `BATCH` stars of one grid class."""
        grid = distance_grid(self.galaxy.frame, line.lon, line.lat, class_index, self.options.dist_max)
        target, ln_prior, ln_largest = _prepare(self.galaxy, data, line, grid)
        found = _test_groups(target, data.inverse_error, ln_largest, self._isochrone, self._group_bounds)
        keep, bound = map(np.asarray, found)
        star, node, group = np.unravel_index(np.flatnonzero(keep), keep.shape)
        rows = self._test_blocks((star, node, group), target, data, ln_largest, bound)
        ln_likelihood, chi2_min = self._likelihood(rows, target, data)
        density, ln_scale = _combine(ln_likelihood, ln_prior, data, grid, chi2_min > OUTLIER_CHI2)
        return Curves(grid.dist, np.asarray(density), np.asarray(ln_scale), chi2_min)

    def _test_blocks(
        self,
        rows: tuple[np.ndarray, ...],
        target: Array,
        data: Data,
        ln_largest: Array,
        bound: Float[np.ndarray, " n_star"],
    ) -> tuple[np.ndarray, ...]:
        """Of the groups that may matter, the blocks that may; the bound sharpens on the way."""
        star, node, group = rows
        upper = np.empty((len(star), BLOCKS_PER_GROUP), dtype=np.float32)
        lower = np.empty(len(star))
        for start, part in _slabs(star, node, group):
            result = _bound_blocks(
                *part, target, data.inverse_error, ln_largest, self._isochrone, self._block_bounds
            )
            n = min(SLAB, len(star) - start)
            upper[start : start + n], lower[start : start + n] = (np.asarray(x)[:n] for x in result)
        bound = bound.copy()
        np.maximum.at(bound, star, lower)
        least = np.bincount(star, np.exp(lower - bound[star]), minlength=BATCH)
        row, block = np.nonzero(upper >= (bound - DEEPEST).astype(np.float32)[star][:, None])
        keep = _matter(star[row], upper[row, block], bound, least)
        row, block = row[keep], block[keep]
        return star[row], node[row], group[row] * BLOCKS_PER_GROUP + block

    def _likelihood(
        self, rows: tuple[np.ndarray, ...], target: Array, data: Data
    ) -> tuple[Float[np.ndarray, "10 n_star n_coarse"], Float[np.ndarray, " n_star"]]:
        """Ln L by isochrone at the coarse distances, -inf where it does not matter; best chi-square."""
        star, node, block = rows
        ln_term, chi2 = (np.empty(len(star)) for _ in range(2))
        for start, part in _slabs(star, node, block):
            result = _block_terms(*part, target, data.inverse_error, self._rows)
            n = min(SLAB, len(star) - start)
            ln_term[start : start + n], chi2[start : start + n] = (np.asarray(x)[:n] for x in result)
        shape = (N_ISOCHRONE, BATCH, target.shape[2])
        place = np.ravel_multi_index(
            (np.asarray(self._isochrone)[block // BLOCKS_PER_GROUP], star, node), shape
        )
        # Blocks come by star, distance and isochrone: those of one sum stand together.
        first = np.flatnonzero(np.diff(place, prepend=-1))
        largest = np.maximum.reduceat(ln_term, first) if len(first) else np.empty(0)
        count = np.diff(first, append=len(place))
        total = np.add.reduceat(np.exp(ln_term - np.repeat(largest, count)), first) if len(first) else largest
        out = np.full(shape, -np.inf)
        out.reshape(-1)[place[first]] = largest + np.log(total)
        chi2_min = np.full(BATCH, np.inf)
        np.minimum.at(chi2_min, star, chi2)
        return out, chi2_min


def _matter(
    star: Int[np.ndarray, " n"],
    upper: Float[np.ndarray, " n"],
    bound: Float[np.ndarray, " n_star"],
    least: Float[np.ndarray, " n_star"],
) -> Bool[np.ndarray, " n"]:
    """Leave out the smallest blocks of each star, as many as are together negligible."""
    n_bin = int(DEEPEST / STEP) + 1
    place = np.clip(((upper - bound[star]) / STEP).astype(int) + n_bin - 1, 0, n_bin - 1)
    # Every block of a bin counts as the bin's upper edge; bin n_bin - 1 begins at the bound.
    number = np.bincount(star * n_bin + place, minlength=BATCH * n_bin).reshape(BATCH, n_bin)
    edge = np.exp(STEP * (np.arange(n_bin) - n_bin + 2))
    dropped = (number * edge).cumsum(axis=1) <= NEGLIGIBLE * least[:, None]
    return place >= dropped[:, :-1].sum(axis=1)[star]


class Bounds(NamedTuple):
    """Brightest and faintest magnitude of groups or blocks of pieces, and ln of their weight."""

    low: Float[np.ndarray, "3 ..."]
    high: Float[np.ndarray, "3 ..."]
    ln_weight: Float[np.ndarray, "..."]


def _slabs(*columns: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Fixed-size parts of long lists, so that one compiled kernel serves all."""
    for start in range(0, len(columns[0]), SLAB):
        part = [column[start : start + SLAB] for column in columns]
        yield start, [np.pad(column, (0, SLAB - len(column))) for column in part]


def _widths(dist: Float[Array, "n_star n_dist"]) -> Float[Array, "n_star n_dist"]:
    """Weights of the trapezoid rule."""
    step = 0.5 * jnp.diff(dist, axis=1)
    edge = jnp.zeros_like(dist[:, :1])
    return jnp.concatenate([step, edge], axis=1) + jnp.concatenate([edge, step], axis=1)


@eqx.filter_jit
def _prepare(
    galaxy: Galaxy, data: Data, line: Sightlines, grid: Grid
) -> tuple[
    Float[Array, "3 n_star n_coarse"], Float[Array, "12 n_star n_dist"], Float[Array, "10 n_star n_coarse"]
]:
    """Absolute magnitudes the star would have; ln prior; ln of the largest prior mass near each node."""
    target = data.mag[:, :, None] - extinction(line, grid.coarse) - distance_modulus(grid.coarse)
    excess = (data.parallax[:, None] - 1000.0 / grid.dist) * data.inverse_parallax_error[:, None]
    ln_prior = jnp.log(number_density(galaxy, line, grid.dist)) + 2 * jnp.log(grid.dist) - 0.5 * excess**2
    mass = _by_isochrone(ln_prior) + jnp.log(_widths(grid.dist))
    # A coarse node speaks for every distance that is interpolated from it: two steps each way.
    n_star, n_coarse = grid.coarse.shape
    nearest, _, is_near = near_place(grid)
    largest = jnp.full((N_ISOCHRONE, n_star, n_coarse), -jnp.inf)
    stars = jnp.arange(n_star)[:, None]
    for m in range(-1, 3):
        where = jnp.where(is_near, N_LOG + nearest + m, jnp.minimum(grid.order, N_LOG - 1))
        largest = largest.at[:, stars, where].max(mass)
    return target, ln_prior, largest


def _by_isochrone(ln_prior: Float[Array, "12 n_star n_dist"]) -> Float[Array, "10 n_star n_dist"]:
    """Sum over the components that share an isochrone."""
    return jnp.stack(
        [logsumexp(ln_prior[np.flatnonzero(_ISOCHRONE == i)], axis=0) for i in range(N_ISOCHRONE)]
    )


@eqx.filter_jit
def _test_groups(
    target: Float[Array, "3 n_star n_coarse"],
    inverse_error: Float[Array, "3 n_star"],
    ln_largest: Float[Array, "10 n_star n_coarse"],
    isochrone: Int[Array, " n_group"],
    bounds: Bounds,
) -> tuple[Bool[Array, "n_star n_coarse n_group"], Float[Array, " n_star"]]:
    """Which groups may hold a term that matters, and a lower bound of ln of the largest term."""
    # Single precision is enough to choose: one is added to the upper bound for its rounding.
    low, high, ln_weight = (jnp.asarray(x, dtype=jnp.float32) for x in bounds)
    n_term = target.shape[2] * len(isochrone) * BLOCKS_PER_GROUP

    def one(star: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        x, inverse, prior = (value.astype(jnp.float32) for value in star)
        near = far = jnp.float32(0.0)
        for b in range(3):
            below = (low[b] - x[b][:, None]) * inverse[b]
            above = (x[b][:, None] - high[b]) * inverse[b]
            near = near + jnp.maximum(jnp.maximum(below, above), 0.0) ** 2
            far = far + jnp.maximum(-below, -above) ** 2
        total = prior[isochrone].T + ln_weight
        bound = jnp.max(total - 0.5 * far)
        return total - 0.5 * near + 1.0 >= bound + np.float32(np.log(NEGLIGIBLE / n_term)), bound

    keep, bound = jax.lax.map(
        one, (jnp.moveaxis(target, 1, 0), inverse_error.T, jnp.moveaxis(ln_largest, 1, 0))
    )
    return keep, bound.astype(jnp.float64) - 1.0


@eqx.filter_jit
def _bound_blocks(
    star: Int[Array, " n"],
    node: Int[Array, " n"],
    group: Int[Array, " n"],
    target: Array,
    inverse_error: Array,
    ln_largest: Array,
    isochrone: Array,
    bounds: Bounds,
) -> tuple[Float[Array, "n 8"], Float[Array, " n"]]:
    """Upper bound of ln of each block's contribution, and the largest lower bound of each group."""
    # Single precision is enough to choose, as in `_test_groups`.
    single = jnp.float32
    low, high, ln_weight = (jnp.asarray(x, dtype=single) for x in bounds)

    def some(part: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        s, i, k = part
        near = far = single(0.0)
        for b in range(3):
            x = target[b, s, i].astype(single)[:, None]
            inverse = inverse_error[b, s].astype(single)[:, None]
            below, above = (low[b][k] - x) * inverse, (x - high[b][k]) * inverse
            near = near + jnp.maximum(jnp.maximum(below, above), 0.0) ** 2
            far = far + jnp.maximum(-below, -above) ** 2
        total = ln_largest[isochrone[k], s, i].astype(single)[:, None] + ln_weight[k]
        return total - 0.5 * near + 0.1, jnp.max(total - 0.5 * far, axis=1).astype(jnp.float64) - 0.1

    parts = jax.tree.map(lambda x: x.reshape(-1, PART), (star, node, group))
    upper, lower = jax.lax.map(some, parts)
    return upper.reshape(-1, BLOCKS_PER_GROUP), lower.ravel()


@eqx.filter_jit
def _block_terms(
    star: Int[Array, " n"],
    node: Int[Array, " n"],
    block: Int[Array, " n"],
    target: Array,
    inverse_error: Array,
    rows: Float[Array, "n_block 7 16"],
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Ln of each block's part of L(D), and the smallest chi-square of the middles of its pieces."""

    def some(part: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        s, i, k = part
        table = rows[k]
        q = [(target[b, s, i][:, None] - table[:, b]) * inverse_error[b, s][:, None] for b in range(3)]
        d = [table[:, 3 + b] * inverse_error[b, s][:, None] for b in range(3)]
        exponent = table[:, 6] - 0.5 * sum(x * x for x in q)
        largest = jnp.max(exponent, axis=1)
        terms = jnp.exp(exponent - largest[:, None]) * piece_integral(q, d)
        chi2 = jnp.min(sum(x * x for x in q) + jnp.where(jnp.isfinite(table[:, 6]), 0.0, jnp.inf), axis=1)
        return largest + jnp.log(jnp.sum(terms, axis=1)), chi2

    # Parts that stay in the cache of one core.
    parts = jax.tree.map(lambda x: x.reshape(-1, PART), (star, node, block))
    return jax.tree.map(jnp.ravel, jax.lax.map(some, parts))


@eqx.filter_jit
def _combine(
    ln_likelihood: Float[Array, "10 n_star n_coarse"],
    ln_prior: Float[Array, "12 n_star n_dist"],
    data: Data,
    grid: Grid,
    outlier: Bool[Array, " n_star"],
) -> tuple[Float[Array, "12 n_star n_dist"], Float[Array, " n_star"]]:
    """p(i, D) by component; that of the prior and parallax alone where no model star fits."""
    fine = interpolate(ln_likelihood, grid)
    fine = jnp.where(outlier[:, None], 0.0, fine)
    ln_p = ln_prior + fine[_ISOCHRONE]
    largest = jnp.max(ln_p, axis=(0, 2))
    density = jnp.exp(ln_p - largest[:, None])
    norm = -0.5 * jnp.log(2 * jnp.pi)
    norms = jnp.sum(jnp.where(data.inverse_error > 0, norm + jnp.log(data.inverse_error), 0.0), axis=0)
    inverse = data.inverse_parallax_error
    norms = norms + jnp.where(inverse > 0, norm + jnp.log(inverse), 0.0)
    return density, largest + norms
