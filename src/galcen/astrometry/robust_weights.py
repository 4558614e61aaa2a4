"""Weights that let outliers go, after Gaia's astrometric solution, and what they do to normal errors.

In numpy, for the small problems that are solved without JAX; `weights` serves the large ones.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 5.1.2: the weight function.
Huber (1981), Robust Statistics, sect. 7.6: covariance of a solution with such weights.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import integrate, special

BAD = 0.2
"""An observation of a smaller weight is an outlier (|z| above 4.8)."""


def weight(z: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weight of a normalised residual: 1 up to 2, falling as exp(-|z|/3) from 3 on, a cubic between."""
    size = np.abs(z)
    between = size - 2.0
    cubic = 1.0 - 1.773735 * between**2 + 1.141615 * between**3
    return np.where(size <= 2.0, 1.0, np.where(size < 3.0, cubic, np.exp(-size / 3.0)))


def loss(z: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Integral of w z: what the solution with these weights makes small; z^2 / 2 up to 2, 9.9 at most."""
    size = np.abs(z)
    x = np.clip(size - 2.0, 0.0, 1.0)
    # (1 - a x^2 + b x^3)(2 + x), integrated.
    a, b = 1.773735, 1.141615
    between = 2 * x + x**2 / 2 - 2 * a * x**3 / 3 + (2 * b - a) * x**4 / 4 + b * x**5 / 5
    far = np.maximum(size, 3.0)
    tail = 18.0 * np.exp(-1.0) - 3.0 * (far + 3.0) * np.exp(-far / 3.0)
    return np.minimum(size, 2.0) ** 2 / 2.0 + between + tail


def as_one_axis(square: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The |z| of one axis that is as improbable as z_x^2 + z_y^2.

    Solves erfc(|z| / sqrt 2) = exp(-square / 2), in logarithms: it holds at any size.
    """
    return -special.ndtri_exp(-0.5 * np.asarray(square) - np.log(2.0))


class NormalErrors(NamedTuple):
    """What the weights of two-axis observations do where all errors are normal."""

    chi2: float  # mean of w z^2, over that of z^2
    covariance: float  # covariance of the solution, over the inverse of its weighted normal matrix


@cache
def normal_errors() -> NormalErrors:
    """Expectations under normal errors of known size.

    With psi = w z, the covariance of an M-estimate is E[psi^2] / E[psi']^2 times the inverse of the
    unweighted normal matrix, that is E[w] E[psi^2] / E[psi']^2 times that of the weighted one. By Stein's
    lemma E[psi'] = E[psi z].
    """

    def mean(power_of_w: int, power_of_r: int) -> float:
        def integrand(r: float) -> float:
            w = float(weight(as_one_axis(np.array([r * r])))[0])
            return w**power_of_w * r**power_of_r * r * np.exp(-0.5 * r * r)

        # The kinks of the weight function, seen from two axes.
        kinks = [float(np.sqrt(-2.0 * (np.log(2.0) + special.log_ndtr(-z)))) for z in (2.0, 3.0)]
        return integrate.quad(integrand, 0.0, 12.0, points=kinks, limit=200)[0]

    chi2 = mean(1, 2) / 2.0
    return NormalErrors(chi2, mean(1, 0) * mean(2, 2) / 2.0 / chi2**2)
