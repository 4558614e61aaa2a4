"""Products of derivatives from which the normal equations are summed, for the measurements of some panels.

A panel holds measurements of one exposure on one chip. Of the unknowns that it shares, first come the five
of the exposure, then the coefficients A, then B, of the distortion, then those of the chip. Only what a panel
sums over its measurements is a matrix here; what belongs to sources is still by measurement, and products
with the distortion are left as their factors, basis and shift.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.apart import apart
from galcen.mapping.linearisation import Linearised, Plane

N_EXPOSURE = 5
"""Unknowns of an exposure: a_X, a_Y, psi, f_X, f_Y."""


class Blocks(NamedTuple):
    """Derivatives over the standard deviation, and their products.

    `source` and `exposure` are rounded to float32, in which they are kept; all products are of the rounded
    ones, so that the matrix they make is one of squares. Right sides are of the exact ones.
    """

    source: Float[Array, "3 2 n_panel n_obs"]
    """By a, d, parallax; by the proper motions: those by a, d times the exposure's time."""
    exposure: Float[Array, "5 2 n_panel n_obs"]
    source_right: Float[Array, "5 n_panel n_obs"]
    """By a, d, parallax and the proper motions."""
    source_shift: Float[Array, "3 2 n_panel n_obs"]
    """By the value of the distortion in x, y; times a term of `basis`: by its coefficients."""
    basis: Float[Array, "n_term n_panel n_obs"]
    source_chip: Float[Array, "3 n_chip_unknown n_panel n_obs"]
    """By the unknowns of the panel's chip."""
    shared: Float[Array, "n_panel n_shared n_shared"]
    """Summed over the measurements of a panel."""
    shared_right: Float[Array, "n_panel n_shared"]


def blocks(
    model: Linearised,
    residual: Plane,
    root_weight: Plane,
    colour: Float[Array, "n_panel n_obs"] | None = None,
) -> Blocks:
    """Blocks of some panels.

    Parameters
    ----------
    model
        Pixels and derivatives, arrays (n_panel, n_obs), or (n_panel, 1) where all are the same.
    residual
        Observed minus predicted [pixel].
    root_weight
        1 / sigma along each axis [1/pixel]; 0 for what is no measurement.
    colour
        Of the source [mag]: the chip has two more unknowns, a shift in X and Y [um/mag].
    """

    def weighted(*parts: Plane) -> Float[Array, "n_par 2 n_panel n_obs"]:
        # Where nothing was observed the model may be NaN, which no weight would remove.
        used = [
            [jnp.where(r > 0, r * v, 0.0) for v, r in zip(part, root_weight, strict=True)] for part in parts
        ]
        return apart(lambda *_: jnp.stack([jnp.stack(part) for part in used]), root_weight[0])

    exact = weighted(*model.source, *model.exposure)
    kept = exact.astype(jnp.float32)
    source, exposure = jnp.split(kept.astype(jnp.float64), [3])
    own, right = weighted(*model.chip), weighted(residual)
    if colour is not None:
        # A shift of the image is one of the chip the other way.
        own = jnp.concatenate([own, -colour * own[1:3]])
    is_used = (root_weight[0] > 0) | (root_weight[1] > 0)
    terms = apart(lambda *b: jnp.where(is_used, jnp.stack(b), 0.0), *model.basis)
    others = jnp.concatenate([exposure, own, right])
    shift = weighted(*model.shift)
    gram = _gram(terms, shift, others)
    sides = apart(_products, exact, right)[:, 0]
    shared_right = gram[:, :-1, -1].at[:, :N_EXPOSURE].set(sides[3:].sum(-1).T)
    return Blocks(
        kept[:3],
        kept[3:],
        jnp.concatenate([sides[:3], jnp.where(is_used, model.time, 0.0) * sides[:2]]),
        apart(_products, source, shift),
        terms,
        apart(_products, source, own),
        gram[:, :-1, :-1],
        shared_right,
    )


def noise_sides(
    model: Linearised,
    noise: Plane,
    root_weight: Plane,
    colour: Float[Array, "n_panel n_obs"] | None = None,
) -> tuple[Float[Array, "5 n_panel n_obs"], Float[Array, "n_panel n_shared"]]:
    """Products of the derivatives over the standard deviation with `noise` of unit variance.

    Of the sources by measurement, of the shared unknowns summed; otherwise as `blocks`.
    """

    def against(column: Plane) -> Float[Array, "n_panel n_obs"]:
        parts = zip(column, noise, root_weight, strict=True)
        return sum((jnp.where(r > 0, r * v * z, 0.0) for v, z, r in parts), start=jnp.zeros(()))

    source = jnp.stack([against(column) for column in model.source])
    is_used = (root_weight[0] > 0) | (root_weight[1] > 0)
    source = jnp.concatenate([source, jnp.where(is_used, model.time, 0.0) * source[:2]])
    exposure = [against(column).sum(-1) for column in model.exposure]
    along = jnp.stack([against(column) for column in model.shift])
    terms = jnp.where(is_used, jnp.stack(model.basis), 0.0)
    distortion = jnp.einsum("aen,ten->eat", along, terms).reshape(along.shape[1], -1)
    own = jnp.stack([against(column) for column in model.chip])
    if colour is not None:
        own = jnp.concatenate([own, -colour * own[1:3]])
    return source, jnp.concatenate([jnp.stack(exposure, axis=1), distortion, own.sum(-1).T], axis=1)


def _products(
    a: Float[Array, "n_a 2 n_panel n_obs"], b: Float[Array, "n_b 2 n_panel n_obs"]
) -> Float[Array, "n_a n_b n_panel n_obs"]:
    return a[:, None, 0] * b[None, :, 0] + a[:, None, 1] * b[None, :, 1]


def _gram(
    terms: Float[Array, "n_term n_panel n_obs"],
    shift: Float[Array, "2 2 n_panel n_obs"],
    others: Float[Array, "n_other 2 n_panel n_obs"],
) -> Float[Array, "n_panel n_row n_row"]:
    """Products of all shared columns, right side last, summed over measurements.

    The columns of the distortion are terms times `shift`: with shift . shift and shift . others as weights of
    the terms, a third of the multiplications do.
    """
    n_term, n_other, n_exp = len(terms), len(others), terms.shape[1]
    pairs = _products(shift, shift)[jnp.array([0, 0, 1]), jnp.array([0, 1, 1])]

    def summed(factors: Array, by: Array) -> Float[Array, "n_panel n_factor n_by"]:
        return jnp.einsum("ren,ten->ert", factors, by)

    squares = apart(lambda p, t: (p[:, None] * t).reshape(-1, *t.shape[1:]), pairs, terms)
    xx, xy, yy = summed(squares, terms).reshape(n_exp, 3, n_term, n_term).swapaxes(0, 1)
    distortion = jnp.block([[xx, xy], [xy, yy]])
    cross = apart(lambda s, o: _products(o, s).reshape(-1, *terms.shape[1:]), shift, others)
    mixed = summed(cross, terms).reshape(n_exp, n_other, 2 * n_term)
    rest = jnp.einsum("iaen,jaen->eij", others, others)
    first = N_EXPOSURE
    rows = [
        jnp.concatenate([rest[:, :first, :first], mixed[:, :first], rest[:, :first, first:]], axis=2),
        jnp.concatenate(
            [mixed[:, :first].swapaxes(1, 2), distortion, mixed[:, first:].swapaxes(1, 2)], axis=2
        ),
        jnp.concatenate([rest[:, first:, :first], mixed[:, first:], rest[:, first:, first:]], axis=2),
    ]
    return jnp.concatenate(rows, axis=1)
