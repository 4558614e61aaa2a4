r"""Are the errors of a solution those that it states? Pulls of sources of known truth.

The pull of a source is (estimate - truth) / error. Pulls of one solution are not independent: reference stars
tie all sources to the sky, and their catalogue errors shift, turn and stretch the solution as a whole. This
common part is an affine function of the place, :math:`h^T f` with :math:`h = (1, x, y)`. References of prior
errors :math:`\sigma_p` and errors :math:`\sigma_m` of measurement leave it the covariance

.. math:: Q = \left( \sum_i \frac{h_i h_i^T}{\sigma_{p,i}^2 + \sigma_{m,i}^2} \right)^{-1}

A source with a prior takes only the share :math:`s = 1 - \sigma^2 / \sigma_p^2` of it. Mean pulls are compared
with what Q and their number allow; width and shape are those of what is left after f, fitted to all sources
with their weights, is taken off, in units of the errors without Q. The fit itself is compared with Q. What the
references leave of higher degree in the place is left out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from galcen.mapping.space_motion import Column

LIMIT = 4.0
"""Standard deviations that mean and width may be off."""
SMALLEST_P = 1e-3
LEAST = 10
"""Pulls of fewer sources are not judged."""

Terms = Float[np.ndarray, "n_src 3"]
NOT_JUDGED, FAILS, PASSES = -1, 0, 1


class Quantity(NamedTuple):
    """One quantity of all sources of a solution."""

    miss: Column  # estimate - truth
    error: Column  # as stated
    prior_error: Column  # infinite without prior


class Frame(NamedTuple):
    """What the errors of all sources have in common."""

    coefficients: Float[np.ndarray, " 3"]  # f, fitted
    expected: Float[np.ndarray, "3 3"]  # Q
    noise: Float[np.ndarray, "3 3"]  # covariance of the fit
    share: Column  # of f that each source takes
    local_error: Column  # standard deviation of what is not in common
    local_pull: Column  # what is left of the errors, over its standard deviation

    def p_value(self) -> float:
        """Probability that f is as large as fitted, or larger; 1 where nothing was fitted."""
        if not self.coefficients.any():
            return 1.0
        spread = np.linalg.solve(self.expected + self.noise, self.coefficients)
        return float(stats.chi2.sf(self.coefficients @ spread, len(self.coefficients)))


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
    y = dec - dec.mean()
    scale = np.sqrt(np.mean(x**2 + y**2)) or 1.0
    return np.stack([np.ones_like(x), x / scale, y / scale], axis=-1)


def prior_share(quantity: Quantity) -> Column:
    """Share of the common part that sources take: what their priors do not hold."""
    return np.clip(1.0 - (quantity.error / quantity.prior_error) ** 2, 0.0, 1.0)


def common_frame(terms: Terms, quantity: Quantity, share: Column, is_stated: bool) -> Frame:
    """Fit what the errors have in common.

    Parameters
    ----------
    terms
        See `place_terms`.
    quantity
        Estimates of all sources.
    share
        See `prior_share`; 1 for sources whose prior was not used.
    is_stated
        Whether the stated errors hold the common part, as the marginal errors of a plate do.
    """
    variance = quantity.error**2
    # A source that knows no more than its prior says nothing of the frame.
    with np.errstate(divide="ignore"):
        information = 1.0 / (quantity.prior_error**2 + variance / share)
    expected = _inverse((terms.T * information) @ terms)
    design = share[:, None] * terms
    common = np.einsum("ni,ij,nj->n", design, expected, design) if is_stated else 0.0
    # The covariance is an approximation: never less than a tenth of the error is the source's own.
    local = np.maximum(variance - common, 0.01 * variance)
    noise = _inverse((design.T / local) @ design)
    coefficients = noise @ (design.T @ (quantity.miss / local))
    leverage = np.einsum("ni,ij,nj->n", design, noise, design) / local
    scale = np.sqrt(local * np.maximum(1.0 - leverage, 1e-6))
    left = quantity.miss - design @ coefficients
    return Frame(coefficients, expected, noise, share, np.sqrt(local), left / scale)


def conditional_frame(terms: Terms, quantity: Quantity, frame: Frame) -> Frame:
    """The same common part for other estimates of the same sources, whose errors leave it out."""
    left = quantity.miss - frame.share * (terms @ frame.coefficients)
    return frame._replace(local_error=quantity.error, local_pull=left / quantity.error)


def judged(terms: Terms, quantity: Quantity, frame: Frame, rows: np.ndarray) -> Verdict:
    """Judge the pulls of some sources.

    Parameters
    ----------
    terms, quantity, frame
        Of all sources of the solution.
    rows
        The sources of the class.
    """
    n = len(rows)
    if n == 0:
        return Verdict(0, *[np.nan] * 8, NOT_JUDGED)
    error = quantity.error[rows]
    pull, local = quantity.miss[rows] / error, frame.local_pull[rows]
    mean_design = (frame.share[rows, None] * terms[rows] / error[:, None]).mean(axis=0)
    own = np.mean((frame.local_error[rows] / error) ** 2) / n
    mean_limit = LIMIT * float(np.sqrt(own + mean_design @ frame.expected @ mean_design))
    width, width_limit = _rms(local), LIMIT / np.sqrt(2.0 * n)
    p_value = float(stats.kstest(local, "norm").pvalue)
    mean = float(pull.mean())
    is_good = abs(mean) <= mean_limit and abs(width - 1.0) <= width_limit and p_value > SMALLEST_P
    return Verdict(
        n,
        _rms(quantity.miss[rows]),
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


def _inverse(normal: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Inverse; of what the sources do not determine, 0."""
    if not normal.any():
        return np.zeros_like(normal)
    return np.linalg.pinv(normal, rcond=1e-9, hermitian=True)
