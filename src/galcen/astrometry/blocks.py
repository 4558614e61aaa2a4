"""Blocks of the normal equations, from the linearised model of some exposures.

Sources appear in the blocks by their own unknowns only; everything that exposures and the camera share is one
product of a matrix with its transpose, whose rows are, in this order, the five unknowns of an exposure, the
coefficients A, then B, of the distortion, and the five unknowns of each chip.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from galcen.mapping.apart import apart
from galcen.mapping.linearisation import Linearised, Plane

N_EXPOSURE = 5
"""Unknowns of an exposure: a_X, a_Y, psi, f_X, f_Y."""


SOURCE_PAIRS = tuple((i, j) for i in range(5) for j in range(i, 5))
"""Elements of a source's symmetric block, by its unknowns a, d, parallax, pma, pmd."""


class Blocks(NamedTuple):
    """Weighted products of derivatives; those of sources are still by observation."""

    source: Float[Array, "15 n_exp n_obs"]
    """Elements of SOURCE_PAIRS."""
    source_right: Float[Array, "5 n_exp n_obs"]
    source_exposure: Float[Array, "3 5 n_exp n_obs"]
    """By a, d, parallax, and the exposure's unknowns; by the proper motions: those by a, d times the time."""
    shared: Float[Array, "n_exp n_shared n_shared"]
    """Of an exposure and the camera, summed over its observations."""
    shared_right: Float[Array, "n_exp n_shared"]


def blocks(
    model: Linearised, residual: Plane, root_weight: Plane, chip: Int[Array, "n_exp n_obs"], n_chip: int
) -> Blocks:
    """Blocks of some exposures.

    Parameters
    ----------
    model
        Pixels and derivatives, arrays (n_exp, n_obs).
    residual
        Observed minus predicted [pixel].
    root_weight
        1 / sigma along each axis [1/pixel]; 0 for what is no observation.
    chip
        Number of the chip.
    n_chip
        How many there are.
    """

    def weighted(*parts: Plane) -> Float[Array, "n_par 2 n_exp n_obs"]:
        # Where nothing was observed the model may be NaN, which no weight would remove.
        used = [
            [jnp.where(r > 0, r * v, 0.0) for v, r in zip(part, root_weight, strict=True)] for part in parts
        ]
        return apart(lambda *_: jnp.stack([jnp.stack(part) for part in used]), chip)

    position = weighted(*model.source)
    exposure, own, right = weighted(*model.exposure), weighted(*model.chip), weighted(residual)
    # Of the other chips' unknowns the derivatives are 0.
    chips = [jnp.where(chip == c, own, 0.0) for c in range(n_chip)]
    others = jnp.concatenate([exposure, *apart(lambda *_: chips, own), right])
    is_used = (root_weight[0] > 0) | (root_weight[1] > 0)
    terms = apart(lambda *b: jnp.where(is_used, jnp.stack(b), 0.0), *model.basis)
    gram = _gram(terms, weighted(*model.shift), others)
    block, sides = apart(_of_sources, position, right, jnp.where(is_used, model.time, 0.0))
    return Blocks(
        jnp.stack(block),
        jnp.stack(sides),
        _products(position, exposure),
        gram[:, :-1, :-1],
        gram[:, :-1, -1],
    )


def _of_sources(
    position: Float[Array, "3 2 n_exp n_obs"], right: Float[Array, "1 2 n_exp n_obs"], time: Array
) -> tuple[list[Array], list[Array]]:
    """Blocks and right sides of the sources; by the proper motions: time times the derivatives by a, d."""
    products, powers = _products(position, position), (1.0, time, time * time)
    block = [products[i % 3, j % 3] * powers[i // 3 + j // 3] for i, j in SOURCE_PAIRS]
    sides = list(_products(position, right)[:, 0])
    return block, [*sides, time * sides[0], time * sides[1]]


def _products(
    a: Float[Array, "n_a 2 n_exp n_obs"], b: Float[Array, "n_b 2 n_exp n_obs"]
) -> Float[Array, "n_a n_b n_exp n_obs"]:
    return a[:, None, 0] * b[None, :, 0] + a[:, None, 1] * b[None, :, 1]


def _gram(
    terms: Float[Array, "n_term n_exp n_obs"],
    shift: Float[Array, "2 2 n_exp n_obs"],
    others: Float[Array, "n_other 2 n_exp n_obs"],
) -> Float[Array, "n_exp n_row n_row"]:
    """Products of all shared columns, right side last, summed over observations.

    The columns of the distortion are terms times `shift`: with shift . shift and shift . others as weights of
    the terms, a third of the multiplications do.
    """
    n_term, n_other, n_exp = len(terms), len(others), terms.shape[1]
    pairs = _products(shift, shift)[jnp.array([0, 0, 1]), jnp.array([0, 1, 1])]

    def summed(factors: Array, by: Array) -> Float[Array, "n_exp n_factor n_by"]:
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
