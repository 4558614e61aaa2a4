"""Posterior of the class and distance of observed stars, exact to a stated bound.

.. math:: p(i, D) = n_i(l, b, D) \\, D^2 \\, L_i(D) \\, N(\\varpi; 1/D, \\sigma_\\varpi)

with the photometric likelihood L of `likelihood`, on the grid of `distance_grid`. Of the
10^7 terms (distance, piece of an isochrone) of a star a few in a thousand matter. Bounds on the terms
of whole groups of pieces, then of blocks, find them; those left out are together below
`NEGLIGIBLE` of the evidence. Nothing is normalised but the whole.

Every star is computed in a batch of one fixed size whatever its neighbours, so that its
numbers do not depend on them.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from galcen.catalogue.distance_grid import distance_grid, grid_class, impact_parameter
from galcen.catalogue.flags import Flag
from galcen.catalogue.likelihood import N_ISOCHRONE, Pieces, piece_integral, smallest_chi2
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density
from galcen.galaxy.photometry import distance_modulus

BATCH = 64
SLAB = 4096
NEGLIGIBLE = 1e-6
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
        self.pieces = Pieces.build(galaxy.intervals, options.error_floor)
        self._group_bounds = self.pieces.bounds((-2, -1))
        self._block_bounds = self.pieces.bounds((-1,))

    def classes(self, line: Sightlines) -> Int[np.ndarray, " n_star"]:
        """Grid class of each star; a batch holds stars of one class."""
        return grid_class(impact_parameter(self.galaxy.frame, np.asarray(line.lon), np.asarray(line.lat)))

    def curves(self, data: Data, line: Sightlines, grid: int) -> Curves:
        """p(i, D) of exactly `BATCH` stars of one grid class."""
        dist = distance_grid(self.galaxy.frame, line.lon, line.lat, grid, self.options.dist_max)
        target, ln_prior, ln_group = _prepare(self.galaxy, data, line, dist)
        keep, bound = _test_groups(target, data.inverse_error, ln_group, self.pieces.isochrone, *self._group_bounds)
        index = np.flatnonzero(np.asarray(keep))
        star, node, group = np.unravel_index(index, keep.shape)
        star, node, block = self._test_blocks(star, node, group, target, data, ln_group, np.asarray(bound))
        term, chi2, reference = self._terms(star, node, block, target, data, ln_group)
        n_dist = dist.shape[1]
        flat = (self.pieces.isochrone[block // 8] * BATCH + star) * n_dist + node
        summed = np.bincount(flat, term, minlength=N_ISOCHRONE * BATCH * n_dist)
        chi2_min = np.full(BATCH, np.inf)
        np.minimum.at(chi2_min, star, chi2)
        density, ln_scale = _split(
            summed.reshape(N_ISOCHRONE, BATCH, n_dist), reference, ln_prior, data, dist, chi2_min > OUTLIER_CHI2
        )
        return Curves(dist, np.asarray(density), np.asarray(ln_scale), chi2_min)

    def _test_blocks(
        self, star: Int[np.ndarray, " n"], node: Int[np.ndarray, " n"], group: Int[np.ndarray, " n"],
        target: Array, data: Data, ln_prior: Array, bound: Float[np.ndarray, " n_star"],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the groups that may matter, the blocks that may; the bound sharpens on the way."""
        upper, lower = (
            np.empty((len(star), 8)) for _ in range(2)
        )
        for start, rows in _slabs(star, node, group):
            result = _block_bounds(*rows, target, data.inverse_error, ln_prior, self.pieces, *self._block_bounds)
            n = min(SLAB, len(star) - start)
            upper[start : start + n], lower[start : start + n] = (np.asarray(x)[:n] for x in result)
        bound = bound.copy()
        np.maximum.at(bound, star, lower.max(axis=1))
        n_term = target.shape[2] * self.pieces.ln_weight[..., 0].size
        row, block = np.nonzero(upper >= (bound + np.log(NEGLIGIBLE / n_term))[star][:, None])
        return star[row], node[row], group[row] * 8 + block

    def _terms(
        self, star: Int[np.ndarray, " n"], node: Int[np.ndarray, " n"], block: Int[np.ndarray, " n"],
        target: Array, data: Data, ln_prior: Array,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each block's contribution in units of exp(reference of its star), and its best chi-square."""
        ln_term, chi2 = (np.empty(len(star)) for _ in range(2))
        for start, rows in _slabs(star, node, block):
            result = _block_terms(*rows, target, data.inverse_error, ln_prior, self.pieces)
            n = min(SLAB, len(star) - start)
            ln_term[start : start + n], chi2[start : start + n] = (np.asarray(x)[:n] for x in result)
        reference = np.full(BATCH, -np.inf)
        np.maximum.at(reference, star, ln_term)
        reference = np.where(np.isfinite(reference), reference, 0.0)
        return np.exp(ln_term - reference[star]), chi2, reference


def _slabs(*columns: np.ndarray):  # noqa: ANN202 - a generator of (start, padded columns)
    """Fixed-size pieces of long lists, so that one compiled kernel serves all."""
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
    galaxy: Galaxy, data: Data, line: Sightlines, dist: Float[Array, "n_star n_dist"]
) -> tuple[Array, Array, Array]:
    """Absolute magnitudes the star would have, ln prior by component, ln (prior dD) by isochrone."""
    target = data.mag[:, :, None] - extinction(line, dist) - distance_modulus(dist)
    excess = (data.parallax[:, None] - 1000.0 / dist) * data.inverse_parallax_error[:, None]
    ln_prior = jnp.log(number_density(galaxy, line, dist)) + 2 * jnp.log(dist) - 0.5 * excess**2
    by_isochrone = jnp.stack(
        [logsumexp(ln_prior[np.flatnonzero(_ISOCHRONE == i)], axis=0) for i in range(N_ISOCHRONE)]
    )
    return target, ln_prior, by_isochrone + jnp.log(_widths(dist))


@eqx.filter_jit
def _test_groups(
    target: Float[Array, "3 n_star n_dist"],
    inverse_error: Float[Array, "3 n_star"],
    ln_prior: Float[Array, "10 n_star n_dist"],
    isochrone: Int[np.ndarray, " n_group"],
    low: Float[np.ndarray, "3 n_group"],
    high: Float[np.ndarray, "3 n_group"],
    ln_weight: Float[np.ndarray, " n_group"],
) -> tuple[Bool[Array, "n_star n_dist n_group"], Float[Array, " n_star"]]:
    """Which groups may hold a term that matters, and a lower bound of ln of the largest sum."""
    near = far = 0.0
    for b in range(3):
        x = target[b][:, :, None]
        inverse = inverse_error[b][:, None, None]
        outside = jnp.maximum(jnp.maximum(low[b] - x, x - high[b]), 0.0) * inverse
        extreme = jnp.maximum(x - low[b], high[b] - x) * inverse
        near, far = near + outside**2, far + extreme**2
    total = jnp.moveaxis(ln_prior, 0, 2)[:, :, isochrone] + ln_weight
    bound = jnp.max(total - 0.5 * far, axis=(1, 2))
    n_term = target.shape[2] * len(isochrone) * 8
    return total - 0.5 * near >= (bound + np.log(NEGLIGIBLE / n_term))[:, None, None], bound


@eqx.filter_jit
def _block_bounds(
    star: Int[Array, " n"], node: Int[Array, " n"], group: Int[Array, " n"],
    target: Array, inverse_error: Array, ln_prior: Array, pieces: Pieces,
    low: Array, high: Array, ln_weight: Array,
) -> tuple[Float[Array, "n 8"], Float[Array, "n 8"]]:
    """Upper and lower bound of ln of each block's contribution."""
    near = far = 0.0
    for b in range(3):
        x = target[b][star, node][:, None]
        inverse = inverse_error[b][star][:, None]
        below, above = jnp.asarray(low[b])[group], jnp.asarray(high[b])[group]
        near = near + (jnp.maximum(jnp.maximum(below - x, x - above), 0.0) * inverse) ** 2
        far = far + (jnp.maximum(x - below, above - x) * inverse) ** 2
    total = ln_prior[jnp.asarray(pieces.isochrone)[group], star, node][:, None] + jnp.asarray(ln_weight)[group]
    return total - 0.5 * near, total - 0.5 * far


@eqx.filter_jit
def _block_terms(
    star: Int[Array, " n"], node: Int[Array, " n"], block: Int[Array, " n"],
    target: Array, inverse_error: Array, ln_prior: Array, pieces: Pieces,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Ln of each block's contribution to p(i, D) dD, and its smallest chi-square."""
    # The piece is the leading axis: it is summed over, and rows stay side by side.
    flat = (16, -1)
    inverse = inverse_error[:, star][:, None, :]
    middle = jnp.moveaxis(jnp.asarray(pieces.middle).reshape(3, -1, 16)[:, block], 2, 1)
    extent = jnp.moveaxis(jnp.asarray(pieces.extent).reshape(3, -1, 16)[:, block], 2, 1)
    q = (target[:, star, node][:, None, :] - middle) * inverse
    d = extent * inverse
    exponent = jnp.asarray(pieces.ln_weight).reshape(-1, 16)[block].T.reshape(flat) - 0.5 * jnp.sum(q * q, axis=0)
    largest = jnp.max(exponent, axis=0)
    # Summed in a fixed order, written out: a reduction's order is the compiler's choice.
    terms = jnp.exp(exponent - largest) * piece_integral(q, d)
    total = terms[0]
    for k in range(1, 16):
        total = total + terms[k]
    ln_node = ln_prior[jnp.asarray(pieces.isochrone)[block // 8], star, node]
    return ln_node + largest + jnp.log(total), jnp.min(smallest_chi2(q, d), axis=0)


@eqx.filter_jit
def _split(
    summed: Float[Array, "10 n_star n_dist"],
    reference: Float[Array, " n_star"],
    ln_prior: Float[Array, "12 n_star n_dist"],
    data: Data,
    dist: Float[Array, "n_star n_dist"],
    outlier: Bool[Array, " n_star"],
) -> tuple[Float[Array, "12 n_star n_dist"], Float[Array, " n_star"]]:
    """p(i, D) by component; that of the prior and parallax alone where no model star fits."""
    by_isochrone = jnp.stack(
        [logsumexp(ln_prior[np.flatnonzero(_ISOCHRONE == i)], axis=0) for i in range(N_ISOCHRONE)]
    )
    # Components that share an isochrone share its sum in proportion to their densities.
    share = jnp.exp(ln_prior - by_isochrone[_ISOCHRONE])
    width = _widths(dist)
    photometric = jnp.where(width > 0, summed[_ISOCHRONE] * jnp.where(share > 0, share, 0.0) / width, 0.0)
    largest = jnp.max(ln_prior, axis=(0, 2))
    density = jnp.where(outlier[:, None], jnp.exp(ln_prior - largest[:, None]), photometric)
    norm = -0.5 * jnp.log(2 * jnp.pi)
    norms = jnp.sum(jnp.where(data.inverse_error > 0, norm + jnp.log(data.inverse_error), 0.0), axis=0)
    inverse = data.inverse_parallax_error
    norms = norms + jnp.where(inverse > 0, norm + jnp.log(inverse), 0.0)
    return density, jnp.where(outlier, largest, reference) + norms
