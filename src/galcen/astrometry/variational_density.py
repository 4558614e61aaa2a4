"""Log density of the unknowns of a plate problem and its gradient, by the forward model alone.

The measurements run through a loop of a few exposures at a time, each differentiated in reverse as soon as it
has been evaluated: intermediate results stay in the cache, and memory does not grow with the exposures.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galcen.astrometry.plate_normal import inverse2, sources_of, y_sigma
from galcen.astrometry.plate_problem import N_CHIP, N_EXPOSURE, PlateProblem
from galcen.mapping.detector import Affine, Chip, ChipOffsets, affine, moved
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source, focal_plane, nominal_plane, pixel
from galcen.mapping.frames import Attitude
from galcen.mapping.linearisation import Exposure
from galcen.mapping.projection import Plane
from galcen.mapping.source_motion import Offsets, Triad
from galcen.mapping.vector import Vector

_NEVER = float(jnp.finfo(jnp.float64).max)


class Rows(NamedTuple):
    """Measurements in groups of exposures."""

    source: Int[Array, "n_group n_exp n_obs"]
    """Row of the source; in the padding that of some source of the same exposure."""
    triad: Float[Array, "n_group 9 n_exp n_obs"]
    """Of the source's comparison direction."""
    chip: Int[Array, "n_group n_exp n_obs"]
    pixel: Float[Array, "n_group 2 n_exp n_obs"]
    root: Float[Array, "n_group 2 n_exp n_obs"]
    """Square root of the weight over sigma [1/pixel]; 0 in the padding."""
    exposure: Exposure
    """Arrays of shape (n_group, n_exp, 1)."""


class Density(eqx.Module):
    """Data, weights and priors of a plate problem, laid out for `log_density`."""

    optics: Optics = eqx.field(static=True)
    focal_length_um: Float[Array, ""]
    chips: Chip
    rows: Rows
    places: Int[Array, "n_src n_most"]
    """Flat rows of each source's measurements; the row after the last where there are no more."""
    prior_mean: Float[Array, "2 n_src"]
    prior_precision: Float[Array, "2 2 n_src"]
    y_precision: Float[Array, " n_y"]

    @property
    def n_source(self) -> int:
        """Number of sources."""
        return self.prior_mean.shape[1]

    @property
    def n_y(self) -> int:
        """Number of the other unknowns."""
        return len(self.y_precision)


def density_of(
    problem: PlateProblem,
    weight: Float[np.ndarray, "n_exp n_obs"],
    prior_weight: Float[np.ndarray, " n_src"],
    n_together: int = 1,
) -> Density:
    """Lay out a problem with fixed weights.

    Parameters
    ----------
    problem
        What is solved.
    weight
        Of each measurement beside its sigma.
    prior_weight
        Of each source's prior beside its covariance.
    n_together
        Exposures that are evaluated at once; a divisor of their number. One suits the caches of a CPU.
    """
    seen, camera = problem.observations, problem.camera
    first_real = seen.source[np.arange(len(seen.source)), seen.is_real.argmax(1)]
    # A padding row must see a source that lies in the field: NaN times a weight of 0 would be NaN.
    source = np.where(seen.is_real, seen.source, first_real[:, None])
    root = np.where(seen.is_real, np.sqrt(weight), 0.0)[:, None] / seen.sigma
    vectors = np.asarray(sources_of(problem).triad)[:, source]

    def grouped(values: np.ndarray) -> Array:
        return jnp.asarray(np.reshape(values, (-1, n_together, *np.shape(values)[1:])))

    rows = Rows(
        grouped(source),
        jnp.moveaxis(grouped(vectors.swapaxes(0, 1)), 1, 2),
        grouped(seen.chip),
        jnp.moveaxis(grouped(seen.pixel), 1, 2),
        jnp.moveaxis(grouped(root), 1, 2),
        jax.tree.map(grouped, problem.exposures),
    )
    return Density(
        camera.optics,
        jnp.asarray(camera.focal_length_um),
        Chip(*map(jnp.asarray, camera.chips)),
        rows,
        jnp.asarray(_places(source, seen.is_real, len(problem.sources.ra))),
        jnp.asarray(problem.sources.mean.T),
        jnp.asarray(prior_weight * inverse2(problem.sources.covariance.transpose(1, 2, 0))),
        jnp.asarray(y_sigma(problem) ** -2.0),
    )


def log_density(
    density: Density, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]
) -> Float[Array, ""]:
    """Minus half of chi2 of data and priors."""
    miss = density.prior_mean - source
    prior = (
        jnp.einsum("is,ijs,js->", miss, density.prior_precision, miss) + (y**2 * density.y_precision).sum()
    )
    return -0.5 * prior + log_likelihood(density, source, y)


@jax.custom_vjp
def log_likelihood(
    density: Density, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]
) -> Float[Array, ""]:
    """Minus half of chi2 of the data."""
    return _value_and_slopes(density, source, y)[0]


def _value_and_slopes(density: Density, source: Array, y: Array) -> tuple[Array, Array, Array]:
    n_term, n_chip = density.optics.distortion.n_term, len(density.chips.x)
    n_group, n_own = density.rows.source.shape[:2]
    exposure, shared = jnp.split(y, [N_EXPOSURE * n_group * n_own])
    exposure = exposure.reshape(n_group, n_own, N_EXPOSURE)
    shape = (n_term, n_chip)
    evaluate = jax.value_and_grad(_group, argnums=(2, 3, 4))

    def step(sums: tuple[Array, Array], group: tuple[Rows, Array]) -> tuple[tuple[Array, Array], tuple]:
        rows, own = group
        at = jnp.take(source, rows.source, axis=1)
        value, (by_at, by_own, by_shared) = evaluate(density, rows, at, own, shared, shape)
        return (sums[0] + value, sums[1] + by_shared), (by_at, by_own)

    zero = (jnp.zeros(()), jnp.zeros_like(shared))
    (value, by_shared), (by_at, by_own) = jax.lax.scan(step, zero, (density.rows, exposure))
    # Scattered additions have no fixed order on a GPU; pairs that lie together are gathered twice as fast.
    flat = jnp.concatenate([jnp.moveaxis(by_at, 1, -1).reshape(-1, 2), jnp.zeros((1, 2))])
    by_source = jnp.take(flat, density.places, axis=0).sum(1).T
    return value, by_source, jnp.concatenate([by_own.ravel(), by_shared])


def _forward(density: Density, source: Array, y: Array) -> tuple[Array, tuple]:
    value, by_source, by_y = _value_and_slopes(density, source, y)
    return value, (by_source, by_y)


def _backward(slopes: tuple[Array, Array], cotangent: Array) -> tuple[None, Array, Array]:
    return None, cotangent * slopes[0], cotangent * slopes[1]


log_likelihood.defvjp(_forward, _backward)


def _group(
    density: Density, rows: Rows, at: Array, own: Array, shared: Array, shape: tuple[int, int]
) -> Float[Array, ""]:
    """Minus half of chi2 of a group of exposures."""
    n_term, n_chip = shape
    distortion, chip = jnp.split(shared, [2 * n_term])
    offsets, values = ChipOffsets(*chip.reshape(n_chip, N_CHIP).T), own.T[:, :, None]
    optics = density.optics

    def sky(fixed: tuple[Array, Exposure], a: Array, d: Array) -> Plane:
        vectors, exposure = fixed
        still = jnp.zeros(())
        triad = Triad(*(Vector(*vectors[i : i + 3]) for i in (0, 3, 6)))
        return nominal_plane(
            Offsets(a, d, still, still, still), Source(triad, still), exposure.observer, exposure.axes
        )

    def optical(nominal_um: Array, x: Array, y: Array, *values: Array) -> Plane:
        focal_length = FocalLength(nominal_um, *values[3:])
        return focal_plane(optics.projection, x, y, Attitude(*values[:3]), focal_length)

    def detect(_: None, p: Array, q: Array, coefficients: Coefficients, *chip: Array) -> Plane:
        return pixel(optics.distortion, (p, q), coefficients, Affine(*chip))

    geometry = affine(moved(density.chips, offsets))
    mark = rows.root.ravel()[0]
    nominal = _apart(sky, mark)((rows.triad, rows.exposure), *at)
    ideal = _apart(optical, mark)(density.focal_length_um, *nominal, *values)
    coefficients = Coefficients(*distortion.reshape(2, n_term))
    chip_of_row = (_chosen(column, rows.chip) for column in geometry)
    seen = _apart(detect, mark)(None, *ideal, coefficients, *chip_of_row)
    z = (rows.pixel - jnp.stack(seen)) * rows.root
    return -0.5 * (z**2).sum()


def _apart(function: Callable[..., Plane], mark: Float[Array, ""]) -> Callable[..., Plane]:
    """A stage that XLA does not fuse with its neighbours, nor its derivative with theirs.

    Fused on a CPU, the whole chain would be computed again for every number that its derivative gives, 15
    times slower. A condition whose answer XLA cannot know keeps them apart. The function's first argument is
    fixed.
    """

    def guarded(compute: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - any pytree
        shapes = jax.eval_shape(compute, *arguments)
        never = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)
        return jax.lax.cond(mark != _NEVER, lambda: compute(*arguments), lambda: never)

    @jax.custom_vjp
    def stage(fixed: Any, *at: Any) -> Plane:  # noqa: ANN401
        return guarded(function, fixed, *at)

    def forward(fixed: Any, *at: Any) -> tuple[Plane, tuple]:  # noqa: ANN401
        return guarded(function, fixed, *at), (fixed, at)

    def backward(kept: tuple, cotangent: Plane) -> tuple:
        fixed, at = kept

        def slopes(cotangent: Plane, *at: Any) -> tuple:  # noqa: ANN401
            return jax.vjp(lambda *at: function(fixed, *at), *at)[1](cotangent)

        return None, *guarded(slopes, cotangent, *at)

    stage.defvjp(forward, backward)
    return stage


def _chosen(column: Float[Array, " n_chip"], chip: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    """What `jnp.take` gives, but its derivative is a sum instead of a scatter."""
    value = jnp.broadcast_to(column[0], chip.shape)
    for c in range(1, len(column)):
        value = jnp.where(chip == c, column[c], value)
    return value


def _places(source: np.ndarray, is_real: np.ndarray, n_src: int) -> Int[np.ndarray, "n_src n_most"]:
    flat = np.flatnonzero(is_real)
    owner = source.ravel()[flat]
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=n_src)
    column = np.arange(len(flat)) - np.repeat(np.cumsum(count) - count, count)
    places = np.full((n_src, max(count.max(), 1)), source.size, dtype=np.int32)
    places[owner[order], column] = flat[order]
    return places
