"""Summaries of a posterior, and draws of class and distance from it.

Densities are linear between the nodes of the distance grid, and so is what is drawn:
cumulative sums are integrated and inverted exactly, never rounded to a node.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.galaxy.components import COMPONENTS
from galcen.random import keys

QUANTILES = (0.16, 0.5, 0.84)
BATCH = 1024


class Summary(eqx.Module):
    """What is kept of each star's posterior."""

    probability: Float[Array, "12 n_star"]
    quantile: Float[Array, "3 n_star"]  # distance at 16, 50, 84 per cent [pc]
    ln_evidence: Float[Array, " n_star"]
    beyond: Float[Array, " n_star"]  # probability beyond 95 per cent of the largest distance
    comp: Int[Array, "n_sample n_star"]
    dist: Float[Array, "n_sample n_star"]  # [pc]


def uniform_numbers(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], n_sample: int
) -> Float[np.ndarray, "n_star 2 n_sample"]:
    """Pairs of numbers in [0, 1) for the draws of each star, in batches of one size."""
    out = np.empty((len(source_id), 2, n_sample))
    for start in range(0, len(source_id), BATCH):
        some = source_id[start : start + BATCH]
        streams = keys(root, jnp.asarray(np.pad(some, (0, BATCH - len(some)))))
        out[start : start + BATCH] = np.asarray(_uniform_pairs(streams, n_sample))[: len(some)]
    return out


@eqx.filter_jit
def _uniform_pairs(key: Key[Array, " n_star"], n_sample: int) -> Float[Array, "n_star 2 n_sample"]:
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
