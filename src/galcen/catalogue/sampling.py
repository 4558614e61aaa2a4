"""Summaries of a posterior, and draws from it: class, distance, mass.

Densities are linear between the nodes of the distance grid, and so is what is drawn:
cumulative sums are integrated and inverted exactly, never rounded to a node.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.catalogue.likelihood import N_ISOCHRONE, Pieces
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF

QUANTILES = (0.16, 0.5, 0.84)
N_WITHIN = 33  # nodes of the draw inside one piece

_ISOCHRONE = np.array([COMPONENTS.index(name) for name in ISOCHRONE_OF])


class Summary(eqx.Module):
    """What is kept of each star's posterior."""

    probability: Float[Array, "12 n_star"]
    quantile: Float[Array, "3 n_star"]  # distance at 16, 50, 84 per cent [pc]
    ln_evidence: Float[Array, " n_star"]
    beyond: Float[Array, " n_star"]  # probability beyond 95 per cent of the largest distance
    comp: Int[Array, "n_sample n_star"]
    dist: Float[Array, "n_sample n_star"]  # [pc]


@eqx.filter_jit
def uniform_pairs(key: Key[Array, " n_star"], n_sample: int) -> Float[Array, "n_star 2 n_sample"]:
    """Numbers in [0, 1) that choose the class and the distance of each draw."""
    return jax.vmap(lambda stream: jax.random.uniform(stream, (2, n_sample)))(key)


@eqx.filter_jit
def summarise(
    uniform: Float[Array, "n_star 2 n_sample"],
    dist: Float[Array, "n_star n_dist"],
    density: Float[Array, "12 n_star n_dist"],
    ln_scale: Float[Array, " n_star"],
) -> Summary:
    """Class probabilities, quantiles and draws of (class, distance) of each star."""
    per_star = jax.vmap(_summarise_star, in_axes=(0, 0, 1), out_axes=-1)
    weight, quantile, beyond, comp, drawn = per_star(uniform, dist, density)
    total = _sum_leading(weight)
    return Summary(weight / total, quantile, jnp.log(total) + ln_scale, beyond, comp, drawn)


def _summarise_star(
    u: Float[Array, "2 n_sample"], dist: Float[Array, " n_dist"], density: Float[Array, "12 n_dist"]
) -> tuple[Array, ...]:
    cumulative = jax.vmap(cumulate, in_axes=(None, 0))(dist, density)
    weight = cumulative[:, -1]
    total, total_cumulative = _sum_leading(density), _sum_leading(cumulative)
    quantile = invert(dist, total, total_cumulative, jnp.array(QUANTILES))
    limit = jnp.searchsorted(dist, 0.95 * dist[-1])
    beyond = 1.0 - total_cumulative[limit] / total_cumulative[-1]
    steps = jnp.cumsum(weight)
    comp = jnp.searchsorted(steps, u[0] * steps[-1], side="right")
    comp = jnp.minimum(comp, len(COMPONENTS) - 1)
    drawn = jax.vmap(lambda i, v: invert(dist, density[i], cumulative[i], v[None])[0])(comp, u[1])
    return weight, quantile, beyond, comp, drawn


def _sum_leading(values: Array) -> Array:
    """Sum over the components in their order, whatever the compiler would prefer."""
    total = values[0]
    for part in values[1:]:
        total = total + part
    return total


def cumulate(x: Float[Array, " n"], density: Float[Array, " n"]) -> Float[Array, " n"]:
    """Integral of a piecewise-linear density from the first node to each."""
    area = 0.5 * (density[1:] + density[:-1]) * jnp.diff(x)
    return jnp.concatenate([jnp.zeros(1), jnp.cumsum(area)])


def invert(
    x: Float[Array, " n"], density: Float[Array, " n"], cumulative: Float[Array, " n"], u: Float[Array, " m"]
) -> Float[Array, " m"]:
    """Where the cumulative of a piecewise-linear density reaches the fraction u of its total."""
    target = u * cumulative[-1]
    k = jnp.clip(jnp.searchsorted(cumulative, target, side="right") - 1, 0, len(x) - 2)
    step = x[k + 1] - x[k]
    left, right = density[k], density[k + 1]
    rest = jnp.where(step > 0, (target - cumulative[k]) / jnp.where(step > 0, step, 1.0), 0.0)
    # Root of left t + (right - left) t^2 / 2 = rest in the form that does not cancel.
    root = jnp.sqrt(jnp.maximum(left**2 + 2 * (right - left) * rest, 0.0))
    t = jnp.where(left + root > 0, 2 * rest / jnp.where(left + root > 0, left + root, 1.0), 0.0)
    return x[k] + jnp.clip(t, 0.0, 1.0) * step


class MassTables(eqx.Module):
    """The pieces of each isochrone side by side, padded with pieces of no weight."""

    middle: Float[Array, "10 n_piece 3"]
    extent: Float[Array, "10 n_piece 3"]
    ln_weight: Float[Array, "10 n_piece"]
    mass_ini: Float[Array, "10 n_piece 2"]
    mass: Float[Array, "10 n_piece 2"]

    @classmethod
    def build(cls, pieces: Pieces) -> "MassTables":
        """Lay out the pieces by isochrone."""
        rows = [np.flatnonzero(np.repeat(pieces.isochrone == i, 128)) for i in range(N_ISOCHRONE)]
        n_piece = max(map(len, rows))

        def gather(values: np.ndarray, fill: float) -> np.ndarray:
            flat = values.reshape(*values.shape[: values.ndim - 3], -1)
            out = np.full((N_ISOCHRONE, n_piece, *flat.shape[:-1]), fill)
            for i, row in enumerate(rows):
                out[i, : len(row)] = np.moveaxis(flat[..., row], -1, 0)
            return out

        return cls(
            gather(pieces.middle, 0.0),
            gather(pieces.extent, 0.0),
            gather(pieces.ln_weight, -np.inf),
            gather(pieces.mass_ini, 0.0),
            gather(pieces.mass, 0.0),
        )


@eqx.filter_jit
def draw_mass(
    tables: MassTables,
    key: Key[Array, " n_star"],
    comp: Int[Array, " n_star"],
    target: Float[Array, "3 n_star"],
    inverse_error: Float[Array, "3 n_star"],
) -> tuple[Float[Array, " n_star"], Float[Array, " n_star"], Float[Array, "3 n_star"]]:
    """Initial mass, present mass [Msun] and absolute magnitudes of each star.

    Parameters
    ----------
    tables
        The isochrones.
    key
        Stream of each star.
    comp
        Drawn component.
    target
        Absolute magnitudes J, H, Ks the star would have at its drawn distance.
    inverse_error
        1 / error in each band, 0 where there is no magnitude.
    """
    return jax.vmap(_draw_mass_star, in_axes=(None, 0, 0, 1, 1), out_axes=-1)(
        tables, key, jnp.asarray(_ISOCHRONE)[comp], target, inverse_error
    )


def _draw_mass_star(
    tables: MassTables,
    key: Key[Array, ""],
    isochrone: Int[Array, ""],
    target: Float[Array, " 3"],
    inverse: Float[Array, " 3"],
) -> tuple[Array, Array, Array]:
    middle, extent = tables.middle[isochrone], tables.extent[isochrone]
    q = (target - middle) * inverse
    # A piece is short against the errors: for the choice of one, five nodes integrate it.
    nodes, weights = np.polynomial.legendre.leggauss(5)
    exponents = jnp.stack([-0.5 * jnp.sum((q - 0.5 * u * extent * inverse) ** 2, axis=1) for u in nodes])
    exponents = exponents + tables.ln_weight[isochrone]
    scaled = jnp.exp(exponents - jnp.max(exponents))
    terms = sum(w * row for w, row in zip(weights, scaled, strict=True))
    u = jax.random.uniform(key, (2,))
    steps = jnp.cumsum(terms)
    k = jnp.minimum(jnp.searchsorted(steps, u[0] * steps[-1], side="right"), len(steps) - 1)
    t = jnp.linspace(0.0, 1.0, N_WITHIN)
    chi2 = jnp.sum((q[k] - (t[:, None] - 0.5) * extent[k] * inverse) ** 2, axis=1)
    density = jnp.exp(-0.5 * (chi2 - jnp.min(chi2)))
    place = invert(t, density, cumulate(t, density), u[1][None])[0]
    ends = tables.mass_ini[isochrone, k], tables.mass[isochrone, k]
    mass_ini, mass = (pair[0] + place * (pair[1] - pair[0]) for pair in ends)
    return mass_ini, mass, middle[k] + (place - 0.5) * extent[k]
