r"""Weights of observations, and of priors, that lie far from the solution.

.. math::
    w(z) = 1, \quad
    1 - 1.773735 (|z|-2)^2 + 1.141615 (|z|-2)^3, \quad
    \exp(-|z|/3)

for :math:`|z| \le 2`, between 2 and 3, and from 3 on. The middle piece joins the others with value and slope.
Residuals on several axes get one weight, that of the :math:`z` of the same tail probability.

References
----------
Lindegren et al. (2012), A&A 538, A78, eq. 66.
"""

import jax.numpy as jnp
from jax.scipy.special import gammaincc, gammaln, log_ndtr
from jaxtyping import Array, Bool, Float

BAD = 0.2
"""An observation of smaller weight counts as bad."""

NO_INFORMATION = 1e-6
"""Information of the data, in units of the prior's, below which they do not judge the prior."""

_ASYMPTOTIC = 200.0
"""Half chi-square beyond which the tail probability is expanded; at 700 it would underflow."""


def weight(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Weight of a residual in units of its standard deviation; NaN for NaN."""
    z = jnp.abs(z)
    x = z - 2.0
    middle = 1.0 - 1.773735 * x**2 + 1.141615 * x**3
    return jnp.where(z <= 2.0, jnp.where(jnp.isnan(z), z, 1.0), jnp.where(z < 3.0, middle, jnp.exp(-z / 3.0)))


def two_axis_weight(z_x: Float[Array, "*shape"], z_y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """One weight of an observation with independent residuals on two axes."""
    return weight(equivalent_z(z_x**2 + z_y**2, 2))


def equivalent_z(chi2: Float[Array, "*shape"], n_axis: int) -> Float[Array, "*shape"]:
    """The |z| that is exceeded as rarely as a chi-square of `n_axis` degrees of freedom.

    Right to 1e-6; 0 where the chi-square is 0.
    """
    if n_axis == 1:
        return jnp.sqrt(chi2)
    order, half = 0.5 * n_axis, 0.5 * jnp.asarray(chi2)
    near = jnp.log(gammaincc(order, jnp.minimum(half, _ASYMPTOTIC)))
    far = jnp.maximum(half, _ASYMPTOTIC)
    series = term = jnp.ones_like(far)
    for k in range(1, 6):
        term = term * (order - k) / far
        series = series + term
    ln_tail = jnp.where(
        half <= _ASYMPTOTIC, near, (order - 1) * jnp.log(far) - far - gammaln(order) + jnp.log(series)
    )
    # Newton on the logarithm of the normal tail, which is concave: no step from below overshoots.
    z = jnp.zeros_like(ln_tail)
    z = jnp.where(ln_tail < -5.0, jnp.sqrt(-2.0 * ln_tail) - 2.0, z)
    for _ in range(8):
        ln_normal = log_ndtr(-z)
        slope = -jnp.exp(-0.5 * z**2 - 0.9189385332046727 - ln_normal)
        z = jnp.maximum(z - (ln_normal + 0.6931471805599453 - ln_tail) / slope, 0.0)
    return z


def prior_chi2(
    shift: Float[Array, "n_star n_par"],
    prior: Float[Array, "n_star n_par n_par"],
    posterior: Float[Array, "n_star n_par n_par"],
    applied: Float[Array, " n_star"] | float = 1.0,
) -> Float[Array, " n_star"]:
    r"""How far the data of sources are from the priors that went into their solution.

    .. math:: \chi^2 = e^T (C + D)^{-1} e

    where C is the prior's covariance and D that of a solution without the prior, which differs from the
    prior's mean by e; both follow from the solution with it. It has `n_par` degrees of freedom where data and
    prior agree, and does not depend on the weight that the prior had, so that weights found from it settle at
    once. Directions in which the data say nothing add nothing.

    Parameters
    ----------
    shift
        Solution minus mean of the prior.
    prior
        Covariances of the priors, before any weight.
    posterior
        Marginal covariances of the solution.
    applied
        Weights by which the inverse covariances of the priors were multiplied in the solution.
    """
    inverse = jnp.linalg.inv(jnp.linalg.cholesky(prior))
    remaining, axes = jnp.linalg.eigh(inverse @ posterior @ jnp.swapaxes(inverse, -1, -2))
    along = jnp.einsum("nji,njk,nk->ni", axes, inverse, shift)
    weighted = jnp.broadcast_to(jnp.asarray(applied), shift.shape[:1])[:, None]
    gained = 1.0 / remaining - weighted
    known = gained > NO_INFORMATION
    gained = jnp.where(known, gained, 1.0)
    return jnp.sum(
        jnp.where(known, (along * (weighted + gained)) ** 2 / (gained * (1.0 + gained)), 0.0), axis=-1
    )


def prior_weight(chi2: Float[Array, "*shape"], n_par: int) -> Float[Array, "*shape"]:
    """Weights of priors of `n_par` parameters for the next solution, from `prior_chi2`."""
    return weight(equivalent_z(chi2, n_par))


def is_kept(chi2: Float[Array, "*shape"], n_par: int, limit: float = 4.0) -> Bool[Array, "*shape"]:
    """Which priors lie within `limit` standard deviations: the others are left out of the next solution."""
    return equivalent_z(chi2, n_par) <= limit
