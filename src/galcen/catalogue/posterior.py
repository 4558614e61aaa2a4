r"""Posterior of the class and distance of observed stars, exact to a stated bound.

.. math:: p(i, D) = n_i(l, b, D) \, D^2 \, L_i(D) \, N(\varpi; 1/D, \sigma_\varpi)

with the photometric likelihood L of `likelihood`, summed by `piece_sums`, on the grid of
`distance_grid`; that of a star without magnitudes is 1, or with a survey's limits the fraction of
`survey_limit`. Nothing is normalised but the whole. Two options: L averaged over the extinctions of
`extinction_spread`, and a factor K_i(D) of `kinematic_likelihood`.

Every star is computed in a batch of one fixed size whatever its neighbours, so that its
numbers do not depend on them.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from galcen.catalogue.distance_grid import (
    CLUSTER_STEPS,
    PRECISE,
    Grid,
    distance_grid,
    grid_class,
    impact_parameter,
    interpolate,
    near_place,
)
from galcen.catalogue.extinction_spread import Spread, extinctions, has_sub_cells
from galcen.catalogue.flags import Flag
from galcen.catalogue.kinematic_likelihood import Motions, ln_kinematic
from galcen.catalogue.likelihood import N_ISOCHRONE, Pieces
from galcen.catalogue.piece_sums import PieceTable, ln_likelihood
from galcen.catalogue.survey_limit import Limit, SurveyLimit, without_magnitude
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density
from galcen.galaxy.photometry import distance_modulus

BATCH = 64
OUTLIER_CHI2 = 100.0
N_GRID = len(CLUSTER_STEPS) + 1

ISOCHRONE = np.array([COMPONENTS.index(name) for name in ISOCHRONE_OF])


class Stars(NamedTuple):
    """Observed stars; what is missing is NaN. Magnitudes in J, H, Ks."""

    source_id: Int[np.ndarray, " n_star"]
    mag: Float[np.ndarray, "3 n_star"]
    error: Float[np.ndarray, "3 n_star"]
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    parallax_error: Float[np.ndarray, " n_star"]
    ruwe: Float[np.ndarray, " n_star"]
    motions: Motions | None = None
    a_ks: Float[np.ndarray, " n_star"] | None = None  # extinction of the stars themselves in Ks [mag]


class Options(NamedTuple):
    """Choices of the inference; see `galcen.config.inference.Posterior`."""

    error_floor: float = 0.1
    missing_error: float = 0.2
    ruwe_limit: float = 1.4
    dist_max: float = 20000.0
    parallax_zero_point: float = 0.0
    photometric_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    extinction_spread: Spread = None
    kinematics: bool = False
    limit: Limit | None = None  # of stars without magnitudes


class Data(eqx.Module):
    """The data of one batch as the likelihood uses them; a missing band has no weight."""

    mag: Float[Array, "3 n_star"]
    inverse_error: Float[Array, "3 n_star"]
    parallax: Float[Array, " n_star"]
    inverse_parallax_error: Float[Array, " n_star"]
    motions: Motions | None = None  # None: not used

    def take(self, rows: Int[np.ndarray, " n"]) -> "Data":
        """Some of the stars."""
        return jax.tree.map(lambda column: column[..., rows], self)


class BatchClass(NamedTuple):
    """What all stars of a batch share, so that they are computed alike."""

    grid: int  # of `distance_grid`
    has_sub_cells: bool  # the likelihood is averaged over them
    is_precise: bool  # the parallax has nodes of its own
    is_dark: bool  # there is no magnitude

    @classmethod
    def of(cls, index: int) -> "BatchClass":
        """The class of a number."""
        flags = index // N_GRID
        return cls(index % N_GRID, bool(flags & 1), bool(flags & 2), bool(flags & 4))


class Curves(NamedTuple):
    """p(i, D) of some stars of one grid class, in units of exp(`ln_scale`)."""

    dist: Float[np.ndarray, "n_star n_dist"]  # [pc]
    density: Float[np.ndarray, "12 n_star n_dist"]
    ln_scale: Float[np.ndarray, " n_star"]
    chi2_min: Float[np.ndarray, " n_star"]


def clean(stars: Stars, options: Options) -> tuple[Data, Int[np.ndarray, " n_star"]]:
    """Magnitudes and parallaxes without their offsets, errors with their floor, and the flags so far."""
    seen = np.isfinite(stars.mag)
    has_error = np.isfinite(stars.error)
    error = np.maximum(np.where(has_error, stars.error, options.missing_error), options.error_floor)
    given = np.isfinite(stars.parallax)
    used = given & np.isfinite(stars.parallax_error) & ~(stars.ruwe > options.ruwe_limit)
    flags = np.where(seen.all(axis=0), 0, Flag.MISSING_BAND)
    flags |= np.where(seen.any(axis=0), 0, Flag.NO_MAGNITUDE)
    flags |= np.where((seen & ~has_error).any(axis=0), Flag.NO_ERROR, 0)
    flags |= np.where(given & ~used, Flag.PARALLAX_UNUSED, 0)
    data = Data(
        np.where(seen, stars.mag - np.array(options.photometric_offset)[:, None], 0.0),
        np.where(seen, 1.0 / error, 0.0),
        np.where(used, stars.parallax - options.parallax_zero_point, 0.0),
        np.where(used, 1.0 / np.where(used, stars.parallax_error, 1.0), 0.0),
        stars.motions if options.kinematics else None,
    )
    return data, flags


class Evaluator:
    """The posterior for one Galaxy model and error floor: bounds made once, batches of stars after."""

    def __init__(self, galaxy: Galaxy, options: Options) -> None:
        self.galaxy = galaxy
        self.options = options
        self._discs = DiscVelocities.build(galaxy.kinematics.shu) if options.kinematics else None
        self._table = PieceTable.build(Pieces.build(galaxy.intervals, options.error_floor))
        self._limit = None if options.limit is None else SurveyLimit.build(galaxy.intervals, options.limit)

    def classes(self, line: Sightlines, data: Data) -> Int[np.ndarray, " n_star"]:
        """Number of the `BatchClass` of each star; a batch holds stars of one class."""
        grid = grid_class(impact_parameter(self.galaxy.frame, np.asarray(line.lon), np.asarray(line.lat)))
        flags = 2 * is_precise(data) + 4 * without_magnitude(data.inverse_error)
        if self.options.extinction_spread == "sub_cells":
            flags += has_sub_cells(self.galaxy, line)
        return grid + N_GRID * flags

    def curves(self, data: Data, line: Sightlines, class_index: int) -> Curves:
        """p(i, D) of exactly `BATCH` stars of one class."""
        kind = BatchClass.of(class_index)
        grid = self._grid(data, line, kind)
        ln_motion = self._ln_motion(data, line, grid.dist)
        target, ln_prior, ln_largest = _prepare(self.galaxy, data, line, grid, ln_motion)
        if self.options.extinction_spread is None and not kind.is_dark:
            likelihood, chi2_min = ln_likelihood(
                self._table, np.asarray(target), np.asarray(data.inverse_error), np.asarray(ln_largest)
            )
        else:
            likelihood, chi2_min = self._averaged(data, line, kind, grid.coarse, np.asarray(ln_largest))
        density, ln_scale = _combine(likelihood, ln_prior, data, grid, chi2_min > OUTLIER_CHI2)
        return Curves(grid.dist, np.asarray(density), np.asarray(ln_scale), chi2_min)

    def _grid(self, data: Data, line: Sightlines, kind: BatchClass) -> Grid:
        parallax = None
        if kind.is_precise:
            parallax = np.asarray(data.parallax), 1.0 / np.asarray(data.inverse_parallax_error)
        return distance_grid(
            self.galaxy.frame, line.lon, line.lat, kind.grid, self.options.dist_max, parallax
        )

    def at(
        self, data: Data, line: Sightlines, class_index: int, dist: Float[np.ndarray, "n_star n_dist"]
    ) -> tuple[Float[np.ndarray, "12 n_star n_dist"], Float[np.ndarray, "n_star n_dist"]]:
        """Ln p(i, D) at any distances [pc], up to a term that is common to all i, and chi-squares.

        Every distance is summed for itself: nothing is left out that matters at it alone. Where no model
        star fits, it is the prior's.
        """
        shape = dist.shape
        ln_p = _ln_number(self.galaxy, line, dist)
        ln_motion = self._ln_motion(data, line, dist)
        ln_p = np.asarray(ln_p if ln_motion is None else ln_p + ln_motion)
        rows = np.repeat(np.arange(shape[0]), shape[1])
        likelihood, chi2 = self._averaged(
            data.take(rows),
            line.take(rows),
            BatchClass.of(class_index),
            dist.reshape(-1, 1),
            np.asarray(_by_isochrone(ln_p)).reshape(N_ISOCHRONE, -1, 1),
        )
        likelihood = np.where(chi2[:, None] > OUTLIER_CHI2, 0.0, likelihood)
        return ln_p + likelihood[ISOCHRONE].reshape(len(COMPONENTS), *shape), chi2.reshape(shape)

    def _ln_motion(
        self, data: Data, line: Sightlines, dist: Float[np.ndarray, "n_star n_dist"]
    ) -> Float[np.ndarray, "12 n_star n_dist"] | None:
        """Ln K_i(D), where motions are used."""
        if self._discs is None or data.motions is None:
            return None
        return ln_kinematic(self.galaxy, self._discs, data.motions, line.lon, line.lat, dist)

    def _averaged(
        self,
        data: Data,
        line: Sightlines,
        kind: BatchClass,
        dist: Float[np.ndarray, "n_star n_dist"],
        ln_largest: Float[np.ndarray, "10 n_star n_dist"],
    ) -> tuple[Float[np.ndarray, "10 n_star n_dist"], Float[np.ndarray, " n_star"]]:
        """Ln L averaged over extinctions, and the smallest chi-square with any of them."""
        total = np.full(ln_largest.shape, -np.inf)
        chi2_min = np.full(len(dist), np.inf)
        nodes = extinctions(self.galaxy, line, self.options.extinction_spread, kind.has_sub_cells)
        for reddening, weight in zip(*nodes, strict=True):
            target = _targets(data, eqx.tree_at(lambda one: one.reddening, line, reddening), dist)
            if kind.is_dark:
                part = ln_within(self._limit, -np.asarray(target))
                chi2 = _parallax_chi2(data, dist, np.isfinite(part).any(axis=0))
            else:
                part, chi2 = ln_likelihood(
                    self._table, np.asarray(target), np.asarray(data.inverse_error), ln_largest
                )
            total = np.logaddexp(total, part + np.log(weight))
            chi2_min = np.minimum(chi2_min, chi2)
        return total, chi2_min


def is_precise(data: Data) -> Bool[np.ndarray, " n_star"]:
    """Which stars have a parallax that the common distances do not resolve."""
    return np.asarray(data.parallax) * np.asarray(data.inverse_parallax_error) > 1.0 / PRECISE


def _parallax_chi2(
    data: Data, dist: Float[np.ndarray, "n_star n_dist"], is_seen: Bool[np.ndarray, "n_star n_dist"]
) -> Float[np.ndarray, " n_star"]:
    """By how much a survey's limits worsen the parallax's chi-square; infinite where no star is left."""
    excess = np.asarray(data.parallax)[:, None] - 1000.0 / dist
    chi2 = (excess * np.asarray(data.inverse_parallax_error)[:, None]) ** 2
    return np.where(is_seen, chi2, np.inf).min(axis=1) - chi2.min(axis=1)


def ln_within(
    limit: SurveyLimit | None, shift: Float[np.ndarray, "3 n_star n_dist"]
) -> Float[np.ndarray, "10 n_star n_dist"]:
    """Ln of the fraction of each isochrone's living stars that a survey sees, all of them without limits."""
    if limit is None:
        return np.zeros((N_ISOCHRONE, *shift.shape[1:]))
    with np.errstate(divide="ignore"):
        return np.log(limit.fraction(shift))


@eqx.filter_jit
def _targets(data: Data, line: Sightlines, dist: Float[Array, "n_star n_dist"]) -> Array:
    """Absolute magnitudes the star would have at each distance."""
    return data.mag[:, :, None] - extinction(line, dist) - distance_modulus(dist)


@eqx.filter_jit
def _ln_number(galaxy: Galaxy, line: Sightlines, dist: Float[Array, "n_star n_dist"]) -> Array:
    return jnp.log(number_density(galaxy, line, dist))


def _widths(dist: Float[Array, "n_star n_dist"]) -> Float[Array, "n_star n_dist"]:
    """Weights of the trapezoid rule."""
    step = 0.5 * jnp.diff(dist, axis=1)
    edge = jnp.zeros_like(dist[:, :1])
    return jnp.concatenate([step, edge], axis=1) + jnp.concatenate([edge, step], axis=1)


@eqx.filter_jit
def _prepare(
    galaxy: Galaxy, data: Data, line: Sightlines, grid: Grid, ln_motion: Array | None = None
) -> tuple[
    Float[Array, "3 n_star n_coarse"], Float[Array, "12 n_star n_dist"], Float[Array, "10 n_star n_coarse"]
]:
    """Absolute magnitudes the star would have; ln prior; ln of the largest prior mass near each node."""
    target = data.mag[:, :, None] - extinction(line, grid.coarse) - distance_modulus(grid.coarse)
    excess = (data.parallax[:, None] - 1000.0 / grid.dist) * data.inverse_parallax_error[:, None]
    ln_prior = jnp.log(number_density(galaxy, line, grid.dist)) + 2 * jnp.log(grid.dist) - 0.5 * excess**2
    if ln_motion is not None:
        # Part of what decides which terms of the likelihood matter.
        ln_prior = ln_prior + ln_motion
    mass = _by_isochrone(ln_prior) + jnp.log(_widths(grid.dist))
    # A coarse node speaks for every distance that is interpolated from it: two steps each way.
    n_star, n_coarse = grid.coarse.shape
    nearest, _, is_near = near_place(grid)
    largest = jnp.full((N_ISOCHRONE, n_star, n_coarse), -jnp.inf)
    stars = jnp.arange(n_star)[:, None]
    for m in range(-1, 3):
        where = jnp.where(is_near, grid.n_far + nearest + m, jnp.minimum(grid.order, grid.n_far - 1))
        largest = largest.at[:, stars, where].max(mass)
    return target, ln_prior, largest


def _by_isochrone(ln_prior: Float[Array, "12 n_star n_dist"]) -> Float[Array, "10 n_star n_dist"]:
    """Sum over the components that share an isochrone."""
    return jnp.stack(
        [logsumexp(ln_prior[np.flatnonzero(ISOCHRONE == i)], axis=0) for i in range(N_ISOCHRONE)]
    )


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
    ln_p = ln_prior + fine[ISOCHRONE]
    largest = jnp.max(ln_p, axis=(0, 2))
    density = jnp.exp(ln_p - largest[:, None])
    return density, largest + ln_normalisation(data)


def ln_normalisation(data: Data) -> Float[Array, " n_star"]:
    """Ln of the factors 1 / (sqrt(2 pi) sigma) of the magnitudes and the parallax."""
    inverse = jnp.concatenate([data.inverse_error, data.inverse_parallax_error[None]])
    return jnp.sum(jnp.where(inverse > 0, jnp.log(inverse) - 0.5 * jnp.log(2 * jnp.pi), 0.0), axis=0)
