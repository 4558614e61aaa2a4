"""Families of distributions that numpyro lacks, for the guides.

References
----------
Roeder, Wu & Duvenaud (2017), arXiv:1703.09194 (gradients by the path alone); Jones & Pewsey (2009),
Biometrika 96, 761 (sinh-arcsinh).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpyro.distributions import Distribution, constraints

Params = dict[str, Array]

NODES = 48
"""Of the quadrature for the moments of a sinh-arcsinh normal distribution."""


class PathOnly(Distribution):
    """A distribution whose density has no derivative by its parameters, only by the value.

    The part of the gradient that is left out has the mean 0; without it the gradient has no noise where the
    guide is the posterior.
    """

    def __init__(self, family: Callable[[Params], Distribution], params: Params) -> None:
        self.live = family(params)
        self.fixed = family(jax.lax.stop_gradient(params))
        super().__init__(self.live.batch_shape, self.live.event_shape)

    @property
    def support(self) -> constraints.Constraint:
        """All real numbers."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Array:
        """A value that follows the parameters."""
        return self.live.sample(key, sample_shape)

    def log_prob(self, value: Array, intermediates: object = None) -> Array:
        """Of the distribution at fixed parameters."""
        return self.fixed.log_prob(value)


class InClosedForm(Distribution):
    """A distribution that contributes a mean, known in closed form, in place of its density at a draw."""

    def __init__(self, base: Distribution, mean: Float[Array, ""]) -> None:
        self.base, self.contribution = base, mean
        super().__init__(base.batch_shape, base.event_shape)

    @property
    def support(self) -> constraints.Constraint:
        """All real numbers."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Array:
        """A value that follows the parameters."""
        return self.base.sample(key, sample_shape)

    def log_prob(self, value: Array) -> Array:
        """The mean."""
        return self.contribution


class PairNormal(Distribution):
    """Normal distributions of pairs of coordinates, lower factors in closed form."""

    def __init__(
        self,
        centre: Float[Array, "2 n"],
        log_width: Float[Array, "2 n"],
        cross: Float[Array, " n"],
    ) -> None:
        self.centre, self.log_width, self.cross = centre, log_width, cross
        super().__init__((), centre.shape)

    @property
    def support(self) -> constraints.Constraint:
        """All real numbers."""
        return constraints.independent(constraints.real, 2)

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Array:
        """Pairs."""
        first, second = jnp.moveaxis(jax.random.normal(key, (*sample_shape, *self.event_shape)), -2, 0)
        width = jnp.exp(self.log_width)
        pair = jnp.stack([width[0] * first, self.cross * first + width[1] * second], axis=-2)
        return self.centre + pair

    def log_prob(self, value: Array) -> Array:
        """Of all pairs."""
        first, second = jnp.moveaxis(value - self.centre, -2, 0)
        width = jnp.exp(self.log_width)
        first = first / width[0]
        second = (second - self.cross * first) / width[1]
        return -0.5 * (first**2 + second**2 + np.log(2 * np.pi) * 2).sum(-1) - self.log_width.sum()


class SinhArcsinh(Distribution):
    """x = location + scale sinh(tail (arcsinh z + skew)) of standard normal z, independently."""

    def __init__(self, location: Array, log_scale: Array, skew: Array, log_tail: Array) -> None:
        self.location, self.log_scale, self.skew, self.log_tail = location, log_scale, skew, log_tail
        super().__init__((), location.shape)

    def value(self, z: Array) -> Array:
        """The transform."""
        bent = jnp.sinh(jnp.exp(self.log_tail) * (jnp.arcsinh(z) + self.skew))
        return self.location + jnp.exp(self.log_scale) * bent

    @property
    def support(self) -> constraints.Constraint:
        """All real numbers."""
        return constraints.independent(constraints.real, 1)

    def sample(self, key: Key[Array, ""], sample_shape: tuple[int, ...] = ()) -> Array:
        """The transform of normal numbers."""
        return self.value(jax.random.normal(key, (*sample_shape, *self.event_shape)))

    def log_prob(self, value: Array) -> Array:
        """By the inverse of the transform."""
        bent = (value - self.location) * jnp.exp(-self.log_scale)
        angle = jnp.exp(-self.log_tail) * jnp.arcsinh(bent)
        z = jnp.sinh(angle - self.skew)
        slope = -self.log_tail - self.log_scale + 0.5 * jnp.log1p(z**2) - 0.5 * jnp.log1p(bent**2)
        return (-0.5 * (z**2 + np.log(2 * np.pi)) + slope).sum(-1)

    def mean_and_variance(self) -> tuple[Array, Array]:
        """By Gauss-Hermite quadrature."""
        node, weight = np.polynomial.hermite_e.hermegauss(NODES)
        values = jax.vmap(lambda z: self.value(jnp.full_like(self.location, z)))(jnp.asarray(node))
        weight = jnp.asarray(weight / weight.sum())
        mean = weight @ values
        return mean, weight @ (values - mean) ** 2
