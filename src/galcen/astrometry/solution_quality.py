r"""Are the errors of a solution of all orbits those that it states? All parameters, all sources, patterns.

Errors are those of `galcen.astrometry.plate_quality`: of each source its own, with the covariance L, and what
all have in common, G F with the covariance Q of F. A sum over sources of weights w times errors has the
variance :math:`\sum w^2 L + g^T Q g` with :math:`g = \sum w G`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from galcen.astrometry.plate_quality import (
    FAILS,
    LEAST,
    LIMIT,
    NOT_JUDGED,
    PASSES,
    SMALLEST_P,
    Estimates,
    Frame,
)

DEGREE = 3
"""Highest total degree of the patterns."""

FEWEST_DRAWS = 10
"""Fewer do not tell the power that the errors allow."""

N_PATTERN = (DEGREE + 1) * (DEGREE + 2) // 2
BIN_MAG = 0.5

Rows = Int[np.ndarray, " n"]


class Joint(NamedTuple):
    """All parameters together."""

    n: int
    joint: float
    expected: float
    limit: float
    passes: int


class ZeroPoint(NamedTuple):
    """Mean error of one parameter."""

    n: int
    zero: float
    error: float
    pull: float
    passes: int


class Patterns(NamedTuple):
    """Legendre polynomials of the place, fitted to the errors of one parameter."""

    degrees: Int[np.ndarray, "n_pattern 2"]
    amplitude: Float[np.ndarray, " n_pattern"]
    covariance: Float[np.ndarray, "n_pattern n_pattern"]
    """Of the amplitudes, from the errors of the sources."""
    square: Float[np.ndarray, "n_pattern n_pattern"]
    """Means over the sources of products of the patterns."""
    drawn: Float[np.ndarray, "n_draw n_pattern"]
    """Amplitudes in draws of the posterior, which have the errors' correlations between sources."""


class Power(NamedTuple):
    """Some of the patterns together."""

    n_term: int
    rms: float
    expected: float
    chi2: float
    p: float
    passes: int


def joint_error(frame: Frame, found: Estimates, rows: Rows, is_stated: bool) -> Joint:
    """e^T C^-1 e / n_par of some sources, and how far it may be from what is expected.

    Parameters
    ----------
    frame, found
        Of all sources of the solution.
    rows
        Those that are judged.
    is_stated
        Whether the stated covariances C hold the common part.
    """
    n, n_par = len(rows), found.miss.shape[1]
    if n == 0:
        return Joint(0, *[np.nan] * 3, NOT_JUDGED)
    weight, miss, design = (
        np.linalg.inv(found.covariance[rows]),
        found.miss[rows],
        frame.design[rows].reshape(n, n_par, -1),
    )
    joint = float(np.einsum("ni,nij,nj", miss, weight, miss)) / (n_par * n)
    shared = np.einsum("nia,nij,njb->ab", design, weight, design)
    common = shared @ frame.expected.reshape(shared.shape)
    variance = 2.0 * n_par * n + 4.0 * np.trace(common) + 2.0 * np.trace(common @ common)
    limit = LIMIT * float(np.sqrt(variance)) / (n_par * n)
    expected = 1.0 if is_stated else 1.0 + float(np.trace(common)) / (n_par * n)
    return Joint(n, joint, expected, limit, _verdict(n, abs(joint - expected) <= limit))


def zero_point(frame: Frame, miss: np.ndarray, error: np.ndarray, parameter: int, rows: Rows) -> ZeroPoint:
    """Weighted mean of estimate minus truth of one parameter over some sources; misses as in `judged`."""
    n = len(rows)
    if n == 0:
        return ZeroPoint(0, *[np.nan] * 3, NOT_JUDGED)
    weight = error[rows, parameter] ** -2.0
    weight = weight / weight.sum()
    variance = _covariance(frame, parameter, rows, weight[None])[0, 0]
    zero, sigma = float(weight @ miss[rows, parameter]), float(np.sqrt(variance))
    return ZeroPoint(n, zero, sigma, zero / sigma, _verdict(n, abs(zero) <= LIMIT * sigma))


def fit_patterns(
    frame: Frame,
    miss: np.ndarray,
    error: np.ndarray,
    parameter: int,
    place: Float[np.ndarray, "2 n_src"],
    draws: Float[np.ndarray, "n_draw n_src"] | None = None,
) -> Patterns | None:
    """Patterns in the errors of one parameter over the field; None for too few sources.

    Parameters
    ----------
    frame, miss, error
        As in `judged`.
    parameter
        Which one.
    place
        Places of the sources from the middle of the field, in units of which the field reaches from -1 to 1.
    draws
        Of the parameter, about the solution.
    """
    n = place.shape[1]
    if n < 2 * N_PATTERN:
        return None
    degrees = np.array([(k - j, j) for k in range(DEGREE + 1) for j in range(k + 1)])
    x, y = (np.polynomial.legendre.legvander(one, DEGREE) for one in place)
    terms = x[:, degrees[:, 0]] * y[:, degrees[:, 1]]
    root = 1.0 / error[:, parameter]
    inverse = np.linalg.pinv(terms * root[:, None])
    estimator = inverse * root
    covariance = _covariance(frame, parameter, np.arange(n), estimator)
    drawn = np.zeros((0, len(degrees))) if draws is None else draws @ estimator.T
    return Patterns(degrees, estimator @ miss[:, parameter], covariance, terms.T @ terms / n, drawn)


def power(found: Patterns, degree: int | None = None) -> Power:
    """Power of the patterns of one total degree, or of all, against what the errors allow.

    With FEWEST_DRAWS draws, against the power in these: errors that neighbours share by the distortion are in
    them, and in no error of a single source.
    """
    total = found.degrees.sum(axis=1)
    mine = np.arange(len(total)) if degree is None else np.flatnonzero(total == degree)
    amplitude, block = found.amplitude[mine], np.ix_(mine, mine)
    square = float(amplitude @ found.square[block] @ amplitude)
    if len(found.drawn) >= FEWEST_DRAWS:
        expected, chi2, p = _against_draws(square, found.drawn[:, mine], found.square[block])
    else:
        expected = float(np.trace(found.square[block] @ found.covariance[block]))
        chi2 = float(amplitude @ np.linalg.pinv(found.covariance[block], hermitian=True) @ amplitude)
        p = float(stats.chi2.sf(chi2, len(mine)))
    verdict = PASSES if p > SMALLEST_P else FAILS
    return Power(len(mine), float(np.sqrt(square)), float(np.sqrt(expected)), chi2, p, verdict)


def _against_draws(
    power: float,
    drawn: Float[np.ndarray, "n_draw n_pattern"],
    square: Float[np.ndarray, "n_pattern n_pattern"],
) -> tuple[float, float, float]:
    """Mean power of draws, the power as a chi2 of as many degrees of freedom as patterns, its probability.

    A sum of squares of unequal variances is taken for a scaled chi2 of fewer degrees of freedom
    (Satterthwaite 1946), and its ratio to the mean of the draws, which has an error, for one of F.
    """
    n_draw, n_pattern = drawn.shape
    covariance = drawn.T @ drawn / n_draw
    spread = square @ covariance
    mean = float(np.trace(spread))
    # The square of a covariance from few draws is too large: fewer degrees, a milder test.
    freedom = mean**2 / float(np.trace(spread @ spread))
    ratio = power / mean
    return mean, n_pattern * ratio, float(stats.f.sf(ratio, freedom, n_draw * freedom))


def by_magnitude(hw: np.ndarray, miss: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    """Number, median stated error and rms error of one parameter in bins of Hw."""
    place, row = np.unique(np.floor(hw / BIN_MAG), return_inverse=True)
    number = np.bincount(row, minlength=len(place))
    median = [float(np.median(error[row == k])) for k in range(len(place))]
    return {
        "hw_low": place * BIN_MAG,
        "hw_high": (place + 1) * BIN_MAG,
        "n": number,
        "error": np.array(median),
        "rms": np.sqrt(np.bincount(row, miss**2, minlength=len(place)) / np.maximum(number, 1)),
    }


def _covariance(
    frame: Frame, parameter: int, rows: Rows, weights: Float[np.ndarray, "n_sum n"]
) -> Float[np.ndarray, "n_sum n_sum"]:
    """Covariance of sums over sources of weights times the errors of one parameter."""
    own = (weights * frame.local_error[rows, parameter] ** 2) @ weights.T
    design = weights @ frame.design[rows, parameter].reshape(len(rows), -1)
    return own + design @ frame.expected.reshape(2 * design.shape[1:]) @ design.T


def _verdict(n: int, is_good: bool) -> int:
    return (PASSES if is_good else FAILS) if n >= LEAST else NOT_JUDGED
