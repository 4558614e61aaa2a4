r"""Are the errors of a solution those that it states? Pulls of sources of known truth.

The pull of a source is (estimate - truth) / error. Pulls of one solution are not independent: reference stars
tie all sources to the sky, and their catalogue errors shift, turn and stretch the solution as a whole. This
common part is an affine function of the place, :math:`F h` with :math:`h = (1, x, y)` and one row of F for
each parameter. A source with posterior covariance :math:`\Sigma` and prior precision P takes
:math:`(1 - \Sigma P) F h` of it, and by itself tells :math:`F h` with the precision
:math:`P - P \Sigma P`, the inverse of prior and measurement covariance together; all sources together leave F
the covariance

.. math:: Q = \left( \sum_i (P_i - P_i \Sigma_i P_i) \otimes h_i h_i^T \right)^{-1}

Here :math:`\Sigma` is the source's own, without the common part, which marginal errors contain: it is taken
off them by iteration.

Mean pulls are compared with what Q and their number allow. Width and shape are those of what is left after F,
fitted to all sources with their weights, is taken off, in units of the errors without Q. The fit itself is
compared with Q. What the references leave of higher degree in the place is left out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from galcen.mapping.space_motion import Column

LIMIT = 4.0
"""Standard deviations that mean and width may be off."""
SMALLEST_P = 1e-3
N_ITERATION = 300
"""At most, between the covariance of the common part and those of the sources without it: 20 with 60
references, 100 with ten."""
LEAST = 10
"""Pulls of fewer sources are not judged."""
NOT_JUDGED, FAILS, PASSES = -1, 0, 1

Terms = Float[np.ndarray, "n_src 3"]


class Estimates(NamedTuple):
    """Parameters of all sources of a solution."""

    miss: Float[np.ndarray, "n_src n_par"]
    """Estimate - truth."""
    covariance: Float[np.ndarray, "n_src n_par n_par"]
    """As stated."""
    prior_precision: Float[np.ndarray, "n_src n_par n_par"]
    """Inverse covariance; 0 without prior."""


class Frame(NamedTuple):
    """What the errors of all sources have in common, and what they have not."""

    coefficients: Float[np.ndarray, "n_par 3"]
    """F, fitted."""
    expected: Float[np.ndarray, "n_par 3 n_par 3"]
    """Q."""
    noise: Float[np.ndarray, "n_par 3 n_par 3"]
    """Covariance of the fit."""
    design: Float[np.ndarray, "n_src n_par n_par 3"]
    """Derivatives of the errors by F."""
    local_error: Float[np.ndarray, "n_src n_par"]
    """Standard deviation of what is not in common."""
    local_pull: Float[np.ndarray, "n_src n_par"]
    """What is left of the errors, over its standard deviation."""

    def p_value(self, parameter: int) -> float:
        """Probability that a row of F is as large as fitted, or larger; 1 where nothing was fitted."""
        row = self.coefficients[parameter]
        if not row.any():
            return 1.0
        spread = (self.expected + self.noise)[parameter, :, parameter]
        return float(stats.chi2.sf(row @ np.linalg.pinv(spread, hermitian=True) @ row, len(row)))

    def shift(self, parameter: int) -> tuple[float, float]:
        """Mean of the common part over the sources, and the error of it that the references leave."""
        variance = self.expected[parameter, 0, parameter, 0]
        return float(self.coefficients[parameter, 0]), float(np.sqrt(variance))


class Verdict(NamedTuple):
    """Pulls of a class of sources; NaN without any."""

    n: int
    rms: float  # of estimate - truth
    error: float  # median of the stated errors
    mean: float  # of the pulls
    mean_limit: float
    width: float  # rms of the pulls
    local_width: float  # the same without the common part
    width_limit: float  # of local_width, from 1
    local_p: float  # Kolmogorov-Smirnov, against the normal distribution
    passes: int  # see PASSES


def place_terms(ra: Column, dec: Column) -> Terms:
    """1 and the place of sources [deg] about their mean, in units of its spread."""
    if not len(ra):
        return np.zeros((0, 3))
    # The mean of the vectors: a field may lie across ra = 0.
    angle = np.radians(ra)
    middle = np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()))
    x = ((ra - middle + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec))
    x, y = x - x.mean(), dec - dec.mean()
    scale = np.sqrt(np.mean(x**2 + y**2)) or 1.0
    return np.stack([np.ones_like(x), x / scale, y / scale], axis=-1)


def common_frame(terms: Terms, found: Estimates, is_stated: bool) -> Frame:
    """Fit what the errors have in common.

    Parameters
    ----------
    terms
        See `place_terms`.
    found
        Estimates of all sources.
    is_stated
        Whether the stated errors hold the common part, as the marginal errors of a plate do.
    """
    sigma, precision = found.covariance, found.prior_precision
    local, before = sigma, np.zeros(())
    for _ in range(N_ITERATION if is_stated else 1):
        told = precision - precision @ local @ precision
        expected = _inverse(np.einsum("nij,na,nb->iajb", told, terms, terms))
        share = np.eye(sigma.shape[1]) - local @ precision
        design = share[:, :, :, None] * terms[:, None, None, :]
        if np.allclose(expected, before, rtol=1e-5, atol=0.0):
            break
        before = expected
        if is_stated:
            common = np.einsum("nikb,njkb->nij", np.tensordot(design, expected, axes=2), design)
            # Half a step: with few references a whole one swings.
            local = _at_least(0.5 * (local + sigma - common), sigma)
    weight = np.linalg.inv(local) if len(local) else local
    weighted = np.einsum("nij,njkb->nikb", weight, design)
    noise = _inverse(np.einsum("nika,nijb->kajb", design, weighted))
    coefficients = np.einsum("kajb,jb->ka", noise, np.einsum("nika,ni->ka", weighted, found.miss))
    variance = np.diagonal(local, axis1=1, axis2=2)
    left = found.miss - np.einsum("nika,ka->ni", design, coefficients)
    fitted = np.einsum("nikb,nikb->ni", np.tensordot(design, noise, axes=2), design)
    scale = np.sqrt(np.maximum(variance - fitted, 1e-6 * variance))
    return Frame(coefficients, expected, noise, design, np.sqrt(variance), left / scale)


def conditional_frame(frame: Frame, miss: np.ndarray, error: np.ndarray) -> Frame:
    """The same common part for other estimates of the same sources, whose errors leave it out."""
    left = miss - np.einsum("nika,ka->ni", frame.design, frame.coefficients)
    return frame._replace(local_error=error, local_pull=left / error)


def judged(
    frame: Frame, miss: np.ndarray, error: np.ndarray, parameter: int, rows: Int[np.ndarray, " n"]
) -> Verdict:
    """Judge the pulls of some sources.

    Parameters
    ----------
    frame, miss, error
        Of all sources of the solution; misses and stated errors have the shape (n_src, n_par).
    parameter
        Which one.
    rows
        The sources of the class.
    """
    n = len(rows)
    if n == 0:
        return Verdict(0, *[np.nan] * 8, NOT_JUDGED)
    miss, error, local = miss[rows, parameter], error[rows, parameter], frame.local_pull[rows, parameter]
    pull = miss / error
    design = (frame.design[rows, parameter] / error[:, None, None]).mean(axis=0)
    own = np.mean((frame.local_error[rows, parameter] / error) ** 2) / n
    common = np.einsum("ka,kajb,jb", design, frame.expected, design)
    mean, mean_limit = float(pull.mean()), LIMIT * float(np.sqrt(own + common))
    width, width_limit = _rms(local), LIMIT / np.sqrt(2.0 * n)
    p_value = float(stats.kstest(local, "norm").pvalue)
    is_good = abs(mean) <= mean_limit and abs(width - 1.0) <= width_limit and p_value > SMALLEST_P
    return Verdict(
        n,
        _rms(miss),
        float(np.median(error)),
        mean,
        mean_limit,
        _rms(pull),
        width,
        width_limit,
        p_value,
        (PASSES if is_good else FAILS) if n >= LEAST else NOT_JUDGED,
    )


def chi2_passes(chi2: float, dof: float) -> bool:
    """Whether chi2 / dof of the residuals is 1 within its scatter."""
    return abs(chi2 / dof - 1.0) <= LIMIT * np.sqrt(2.0 / dof)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _at_least(
    local: Float[np.ndarray, "n_src n_par n_par"], sigma: Float[np.ndarray, "n_src n_par n_par"]
) -> Float[np.ndarray, "n_src n_par n_par"]:
    """Covariances, where a variance fell below a hundredth of what is stated that part of it instead."""
    diagonal = np.diagonal(local - 0.01 * sigma, axis1=1, axis2=2)
    return np.where((diagonal > 0).all(axis=1)[:, None, None], local, 0.01 * sigma)


def _inverse(normal: Float[np.ndarray, "n_par 3 n_par 3"]) -> Float[np.ndarray, "n_par 3 n_par 3"]:
    """Inverse of a normal matrix of unlike units; of what the sources do not determine, 0."""
    size = normal.shape[0] * normal.shape[1]
    matrix = normal.reshape(size, size)
    scale = np.sqrt(np.diagonal(matrix).clip(0.0))
    scale = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1.0), 0.0)
    both = np.outer(scale, scale)
    return (np.linalg.pinv(matrix * both, rcond=1e-10, hermitian=True) * both).reshape(normal.shape)
