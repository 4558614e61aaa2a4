"""Polynomial distortion of the focal plane.

Terms of degree 2 to n, by degree, then by falling degree in the first coordinate: (2,0) (1,1) (0,2) (3,0) ...
Lower degrees belong to the attitude, the focal lengths and the chips. Terms of one's own, functions of the
place on the focal plane, follow them.

References
----------
Shupe et al. (2005), ADASS XIV, 491 (SIP).
"""

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Kind = Literal["legendre", "sip"]
Direction = Literal["ideal_to_real", "real_to_ideal"]
Plane = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]

SIP_STEP = 1e-4
"""A SIP coefficient of degree k is multiplied by the k-th power of this, coordinates in um."""

NEWTON_STEPS = 8
"""From a distortion of 1 mm on 20 mm, four reach rounding; strong ones take a few more."""


class Distortion(NamedTuple):
    """Which polynomial; hashable, so that compiled code depends on it."""

    kind: Kind = "legendre"
    order: int = 5
    scale_um: float = 21000.0
    """Half side of the square on which the Legendre polynomials are orthogonal; not used by SIP."""
    vanish_at_centre: bool = True
    """Legendre: subtract each term's value at the centre, so that the centre is not shifted."""
    direction: Direction = "ideal_to_real"
    """What the polynomial is a function of, and what it gives."""
    extra: tuple[Callable[[Array, Array], Array], ...] = ()
    """Further terms: functions of (p, q) [um] in JAX, elementwise; coefficients in um."""

    @property
    def n_term(self) -> int:
        """Number of terms in each coordinate."""
        return len(terms(self.order)) + len(self.extra)


class Coefficients(NamedTuple):
    """Of the shift in each coordinate: um for Legendre, see SIP_STEP for SIP."""

    a: Float[Array, "n_term *shape"]
    b: Float[Array, "n_term *shape"]


@cache
def terms(order: int) -> tuple[tuple[int, int], ...]:
    """Degrees (in p, in q) of each term."""
    return tuple((n - j, j) for n in range(2, order + 1) for j in range(n + 1))


def basis(which: Distortion, p: Float[Array, "*shape"], q: Float[Array, "*shape"]) -> list[Array]:
    """Each term at positions [um]."""
    return [*products(which, *factors(which, p, q)), *extra(which, p, q)]


def extra(which: Distortion, p: Float[Array, "*shape"], q: Float[Array, "*shape"]) -> list[Array]:
    """The terms that are not polynomials of the chosen kind."""
    return [jnp.broadcast_to(term(p, q), jnp.shape(p)) for term in which.extra]


def factors(
    which: Distortion, p: Float[Array, "*shape"], q: Float[Array, "*shape"]
) -> tuple[list[Array], list[Array]]:
    """Polynomials of degree 0 to n in each coordinate [um]."""
    if which.kind == "sip":
        return _powers(which.order, SIP_STEP * p), _powers(which.order, SIP_STEP * q)
    return _legendre(which.order, p / which.scale_um), _legendre(which.order, q / which.scale_um)


def products(which: Distortion, in_p: list[Array], in_q: list[Array]) -> list[Array]:
    """Each polynomial term from its two factors."""
    centre = np.polynomial.legendre.legvander(0.0, which.order)[0]
    shifted = which.kind == "legendre" and which.vanish_at_centre
    return [in_p[i] * in_q[j] - (centre[i] * centre[j] if shifted else 0.0) for i, j in terms(which.order)]


def displaced(
    which: Distortion, coefficients: Coefficients, p: Float[Array, "*shape"], q: Float[Array, "*shape"]
) -> Plane:
    """Positions [um] with the polynomial's shift at them, whichever way that goes."""
    values = basis(which, p, q)
    for term, a, b in zip(values, coefficients.a, coefficients.b, strict=True):
        p, q = p + a * term, q + b * term
    return p, q


def distorted(
    which: Distortion, coefficients: Coefficients, p: Float[Array, "*shape"], q: Float[Array, "*shape"]
) -> Plane:
    """Real positions [um] of ideal ones; where the polynomial maps real to ideal, by Newton's method.

    Its derivatives are those of the implicit function.
    """
    if which.direction == "ideal_to_real":
        return displaced(which, coefficients, p, q)
    return solved(lambda x, y: displaced(which, coefficients, x, y), p, q)


def undistorted(
    which: Distortion, coefficients: Coefficients, x: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Plane:
    """Ideal positions [um] of real ones: the inverse of `distorted`."""
    if which.direction == "real_to_ideal":
        return displaced(which, coefficients, x, y)
    return solved(lambda p, q: displaced(which, coefficients, p, q), x, y)


def solved(
    function: Callable[[Array, Array], Plane], p: Float[Array, "*shape"], q: Float[Array, "*shape"]
) -> Plane:
    """(x, y) with function(x, y) = (p, q), starting at (p, q); differentiable once in what it closes over."""

    def step(x: Array, y: Array) -> Plane:
        # The slope is held fixed, so that the last step has the derivative of the implicit function.
        (at_x, at_y), slope = jax.linearize(function, *map(jax.lax.stop_gradient, (x, y)))
        one, zero = jnp.ones_like(x), jnp.zeros_like(x)
        (xx, yx), (xy, yy) = jax.lax.stop_gradient((slope(one, zero), slope(zero, one)))
        miss_x, miss_y = p - at_x, q - at_y
        determinant = xx * yy - xy * yx
        return x + (yy * miss_x - xy * miss_y) / determinant, y + (xx * miss_y - yx * miss_x) / determinant

    x, y = jax.lax.fori_loop(
        0, NEWTON_STEPS, lambda _, now: step(*now), tuple(map(jax.lax.stop_gradient, (p, q)))
    )
    return step(*map(jax.lax.stop_gradient, (x, y)))


def determinant(
    which: Distortion, coefficients: Coefficients, p: Float[Array, "*shape"], q: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Of the derivatives of `displaced`; where it is not positive the map folds and has no inverse."""
    one, zero = jnp.ones_like(p), jnp.zeros_like(p)
    _, slope = jax.linearize(lambda x, y: displaced(which, coefficients, x, y), p, q)
    (xx, yx), (xy, yy) = slope(one, zero), slope(zero, one)
    return xx * yy - xy * yx


def folded(
    which: Distortion, coefficients: Coefficients, half_side_um: float, n_grid: int = 65
) -> Bool[Array, ""]:
    """Whether `determinant` is not positive, or not finite, anywhere on a grid over a square."""
    line = jnp.linspace(-half_side_um, half_side_um, n_grid)
    return ~jnp.all(determinant(which, coefficients, *jnp.meshgrid(line, line)) > 0)


def _powers(order: int, x: Float[Array, "*shape"]) -> list[Array]:
    powers = [jnp.ones_like(x)]
    for _ in range(order):
        powers.append(powers[-1] * x)
    return powers


def _legendre(order: int, x: Float[Array, "*shape"]) -> list[Array]:
    """P_0 to P_order by Bonnet's recursion."""
    values = [jnp.ones_like(x), x]
    for n in range(1, order):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return values
