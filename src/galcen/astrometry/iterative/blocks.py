"""Products of derivatives from which the normal equations are summed, for the measurements of some panels.

A panel holds measurements of one exposure on one chip. Of the unknowns that it shares, first come the five
of the exposure, then the coefficients A, then B, of the distortion, then those of the chip. Only what a panel
sums over its measurements is a matrix here; what belongs to sources is still by measurement.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.apart import apart
from galcen.mapping.linearisation import Linearised, Plane

N_EXPOSURE = 5
"""Unknowns of an exposure: a_X, a_Y, psi, f_X, f_Y."""


class Derivatives(NamedTuple):
    """Of the measurements, over their standard deviation; 0 for what is no measurement."""

    source: Float[Array, "3 2 n_panel n_obs"]
    """By a, d, parallax; by the proper motions: those by a, d times the exposure's time."""
    exposure: Float[Array, "5 2 n_panel n_obs"]
    shift: Float[Array, "2 2 n_panel n_obs"]
    """By the value of the distortion in x, y; times a term of `basis`: by its coefficients."""
    basis: Float[Array, "n_term n_panel n_obs"]
    chip: Float[Array, "n_chip_unknown 2 n_panel n_obs"]
    """By the unknowns of the panel's chip."""


class Blocks(NamedTuple):
    """Derivatives and sums of their products.

    All products are of the rounded derivatives, here and wherever others are made, so that the matrix they
    make is one of squares. Right sides are of the exact ones, since they decide where the steps end.
    """

    derivatives: Derivatives
    """Those by source and exposure rounded to float32. Those by the calibration are nearly the same for all
    measurements of a chip, so that their rounding would not average: after large residuals it would send all
    chips far from the telescope, which no measurement forbids."""
    source_right: Float[Array, "5 n_panel n_obs"]
    """By a, d, parallax and the proper motions."""
    shared: Float[Array, "n_panel n_shared n_shared"]
    """Summed over the measurements of a panel."""
    shared_right: Float[Array, "n_panel n_shared"]


def derivatives(
    model: Linearised, root_weight: Plane, colour: Float[Array, "n_panel n_obs"] | None = None
) -> Derivatives:
    """Derivatives over the standard deviation.

    Parameters
    ----------
    model
        Pixels and derivatives, arrays (n_panel, n_obs), or (n_panel, 1) where all are the same.
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

    is_used = (root_weight[0] > 0) | (root_weight[1] > 0)
    terms = apart(lambda *b: jnp.where(is_used, jnp.stack(b), 0.0), *model.basis)
    own = weighted(*model.chip)
    if colour is not None:
        # A shift of the image is one of the chip the other way.
        own = jnp.concatenate([own, -colour * own[1:3]])
    source, exposure = jnp.split(weighted(*model.source, *model.exposure), [3])
    return Derivatives(source, exposure, weighted(*model.shift), terms, own)


def blocks(
    model: Linearised,
    residual: Float[Array, "2 n_panel n_obs"],
    root_weight: Plane,
    colour: Float[Array, "n_panel n_obs"] | None = None,
) -> Blocks:
    """Blocks of some panels, with the residuals [pixel]; otherwise as `derivatives`."""
    exact = derivatives(model, root_weight, colour)
    root = jnp.stack(root_weight)
    right = apart(lambda r, w: jnp.where(w > 0, r * w, 0.0), residual, root)
    source, exposure = apart(
        lambda *parts: tuple(part.astype(jnp.float32) for part in parts), exact.source, exact.exposure
    )
    rounded = exact._replace(source=source, exposure=exposure)
    source_right, shared_right = sides(exact, model.time, right)
    return Blocks(rounded, source_right, _gram(rounded), shared_right)


def sides(
    exact: Derivatives, time: Float[Array, "*shape"], right: Float[Array, "2 n_panel n_obs"]
) -> tuple[Float[Array, "5 n_panel n_obs"], Float[Array, "n_panel n_shared"]]:
    """Products of derivatives with residuals over their standard deviation.

    Of the sources by measurement, of the shared unknowns summed. `time` is that of `Linearised`.
    """
    columns = jnp.concatenate([exact.source, exact.exposure, exact.shift, exact.chip])
    each = apart(lambda c, r: c[:, 0] * r[0] + c[:, 1] * r[1], columns, right)
    source, exposure, shift, chip = jnp.split(each, [3, 3 + N_EXPOSURE, 5 + N_EXPOSURE])
    distortion = jnp.einsum("aen,ten->eat", shift, exact.basis).reshape(shift.shape[1], -1)
    # In the padding there may be no time.
    moved = jnp.where(source[:2] != 0, time, 0.0) * source[:2]
    return (
        jnp.concatenate([source, moved]),
        jnp.concatenate([exposure.sum(-1).T, distortion, chip.sum(-1).T], axis=1),
    )


def _products(a: Float[Array, "n_panel n_a 2 n_obs"], b: Float[Array, "n_panel n_b 2 n_obs"]) -> Array:
    return a[:, :, 0] * b[:, :, 0] + a[:, :, 1] * b[:, :, 1]


def _gram(rounded: Derivatives) -> Float[Array, "n_panel n_shared n_shared"]:
    """Products of all shared columns summed over measurements.

    The columns of the distortion are terms times `shift`: with shift . shift and shift . others as weights of
    the terms, a third of the multiplications do.
    """
    n_term, n_other = len(rounded.basis), N_EXPOSURE + len(rounded.chip)

    def laid_out(*parts: Array) -> tuple[Array, ...]:
        # Panels first, as batched matrix products want it.
        return tuple(jnp.moveaxis(part, -2, 0) for part in parts)

    wide = Derivatives(*(part.astype(jnp.float64) for part in rounded))
    terms, shift, others = apart(
        laid_out, wide.basis, wide.shift, jnp.concatenate([wide.exposure, wide.chip])
    )

    def weighted(terms: Array, shift: Array, others: Array) -> tuple[Array, ...]:
        x, y = shift[:, :1], shift[:, 1:]
        squares = (_products(a, b) * terms for a, b in ((x, x), (x, y), (y, y)))
        return (*squares, _products(x, others), _products(y, others))

    factors = jnp.concatenate(apart(weighted, terms, shift, others), axis=1)
    summed = jnp.einsum("ern,etn->ert", factors, terms)
    xx, xy, yy, x, y = jnp.split(summed, [n_term, 2 * n_term, 3 * n_term, 3 * n_term + n_other], axis=1)
    distortion = jnp.block([[xx, xy], [xy, yy]])
    mixed = jnp.concatenate([x, y], axis=2)
    flat = others.reshape(*others.shape[:2], -1)
    rest = jnp.einsum("ein,ejn->eij", flat, flat)
    first = N_EXPOSURE
    rows = [
        jnp.concatenate([rest[:, :first, :first], mixed[:, :first], rest[:, :first, first:]], axis=2),
        jnp.concatenate(
            [mixed[:, :first].swapaxes(1, 2), distortion, mixed[:, first:].swapaxes(1, 2)], axis=2
        ),
        jnp.concatenate([rest[:, first:, :first], mixed[:, first:], rest[:, first:, first:]], axis=2),
    ]
    return jnp.concatenate(rows, axis=1)
