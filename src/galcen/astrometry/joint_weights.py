"""Weights and excess noise of the observations of plates, found anew between solutions.

Stars here have few observations, and residuals much smaller than the errors behind them: every residual is
judged by its own standard deviation, what the solution has absorbed being taken off.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.robust_weights import BAD, as_one_axis, loss, normal_errors, weight

LEAST_WEIGHT = 1e-8
"""Keeps the block of a star regular whose observations are all bad."""

NO_REDUNDANCY = 0.02
"""Observations with a smaller part of their variance left in the residual cannot be judged."""

SHORTEN, LENGTHEN = 0.5, 1.3
"""Factors of the step of a weight that turns back, or goes on; never above plain reweighting."""

MAX_NOISE_STEPS = 100

MEDIAN_CHI2 = 0.454936
"""Median of chi-square with one degree of freedom."""


class Observed(NamedTuple):
    """What the weights rest on."""

    star: Int[np.ndarray, " n_obs"]
    exposure: Int[np.ndarray, " n_obs"]
    sigma: Float[np.ndarray, "n_obs 2"]  # stated
    residual: Float[np.ndarray, "n_obs 2"]
    by_star: Float[np.ndarray, "n_obs 2 n_par"]  # derivatives
    n_star: int
    n_exposure: int

    def variance(self, noise: Float[np.ndarray, " n_exp"]) -> Float[np.ndarray, "n_obs 2"]:
        """Of each coordinate, the noise of its exposure included."""
        return self.sigma**2 + noise[self.exposure, None] ** 2


def redundancy(
    leverage: Float[np.ndarray, "n_obs 2"], w: Float[np.ndarray, " n_obs"]
) -> Float[np.ndarray, "n_obs 2"]:
    """Variance of a residual over that of its observation.

    `leverage` is the variance of the computed over that of the observed coordinate. 1 - leverage for a
    weight of one, 1 + leverage for a weight of nought (the solution does not know it); between them what
    follows where no other weight differs from one.
    """
    w = w[:, None]
    return np.maximum(1.0 - (2.0 * w - 1.0) * leverage - w * (1.0 - w) * leverage**2, 0.0)


def normalised(
    residual: Float[np.ndarray, "n_obs 2"],
    variance: Float[np.ndarray, "n_obs 2"],
    part: Float[np.ndarray, "n_obs 2"],
) -> Float[np.ndarray, " n_obs"]:
    """|z| of each observation, of both axes together; nought where an axis has nothing to judge it by.

    Parameters
    ----------
    residual, variance
        Of each coordinate.
    part
        Its redundancy.
    """
    judged = part > NO_REDUNDANCY
    square = np.where(judged, residual**2 / (variance * np.where(judged, part, 1.0)), 0.0)
    return as_one_axis(square.sum(axis=1))


def without_each_exposure(seen: Observed, noise: Float[np.ndarray, " n_exp"]) -> Float[np.ndarray, " n_obs"]:
    """Weights that one gross error in a star cannot keep from showing it.

    Where a star has few observations, one of them may hold the solution alone, and reweighting throws out the
    good ones. Each star is solved anew on the present plates without each of its exposures in turn, and with
    all of them; the weights are those of the solution with the least loss, all observations counted.
    """
    inverse = 1.0 / seen.variance(noise)
    n_par = seen.by_star.shape[2]
    matrix = np.einsum("oa,oai,oaj->oij", inverse, seen.by_star, seen.by_star)
    right = np.einsum("oa,oai,oa->oi", inverse, seen.by_star, seen.residual)
    whole, whole_right = (np.zeros((seen.n_star, *part.shape[1:])) for part in (matrix, right))
    np.add.at(whole, seen.star, matrix)
    np.add.at(whole_right, seen.star, right)
    scale = 1.0 / np.sqrt(np.einsum("nii->ni", whole))
    outer = scale[:, :, None] * scale[:, None, :]
    least, best = np.full(seen.n_star, np.inf), np.zeros(len(seen.star))
    for left_out in range(-1, seen.n_exposure):
        rows = seen.exposure == left_out
        rest, rest_right = whole.copy(), whole_right.copy()
        np.subtract.at(rest, seen.star[rows], matrix[rows])
        np.subtract.at(rest_right, seen.star[rows], right[rows])
        rest *= outer
        # Without the exposure the star's motion may be unknown.
        known = np.linalg.eigvalsh(rest)[:, 0] > 1e-6
        rest[~known] = np.eye(n_par)
        change = np.linalg.solve(rest, (rest_right * scale)[:, :, None])[:, :, 0] * scale
        left = seen.residual - np.einsum("oai,oi->oa", seen.by_star, change[seen.star])
        z = as_one_axis((left**2 * inverse).sum(axis=1))
        total = np.bincount(seen.star, loss(z), seen.n_star)
        better = known & (total < least)
        least = np.where(better, total, least)
        best = np.where(better[seen.star], z, best)
    return np.maximum(weight(best), LEAST_WEIGHT)


class WeightStep(NamedTuple):
    """Last steps of the logarithms of the weights, and their lengths over those of plain reweighting."""

    last: Float[np.ndarray, " n_obs"]
    gain: Float[np.ndarray, " n_obs"]


def approached(
    w: Float[np.ndarray, " n_obs"], z: Float[np.ndarray, " n_obs"], step: WeightStep
) -> tuple[Float[np.ndarray, " n_obs"], WeightStep]:
    """Weights on their way to those of new residuals.

    Plain reweighting flips back and forth where a star has few observations and a bad one: the steps of such
    weights are shortened, each by itself.
    """
    plain = np.log(np.maximum(weight(z), LEAST_WEIGHT) / w)
    turned = plain * step.last < 0
    gain = np.where(turned, SHORTEN * step.gain, np.minimum(LENGTHEN * step.gain, 1.0))
    return np.clip(w * np.exp(gain * plain), LEAST_WEIGHT, 1.0), WeightStep(plain, gain)


def excess_variance(
    seen: Observed, part: Float[np.ndarray, "n_obs 2"], w: Float[np.ndarray, " n_obs"]
) -> Float[np.ndarray, " n_exp"]:
    """Variance to add in each exposure, so that its chi-square is its redundancy.

    Solves sum w r^2 / (sigma^2 + v) = c sum part for v, c being the mean of w z^2 under normal errors, over
    all observations that are not bad; nought where the residuals are smaller than the stated errors already.
    Newton's steps rise monotonically to the solution, as the left side is convex and falls.
    """
    n_exp = seen.n_exposure
    factor = normal_errors().chi2 if (w < 1).any() else 1.0
    # Bad observations have no part in the sum, and must have none in what it is to be.
    kept = w >= BAD
    wanted = factor * np.bincount(seen.exposure, kept * part.sum(axis=1), n_exp)
    top = (kept * w)[:, None] * seen.residual**2
    found = np.zeros(n_exp)
    for _ in range(MAX_NOISE_STEPS):
        below = seen.sigma**2 + found[seen.exposure, None]
        value = np.bincount(seen.exposure, (top / below).sum(axis=1), n_exp) - wanted
        slope = np.bincount(seen.exposure, (top / below**2).sum(axis=1), n_exp)
        step = np.divide(value, slope, out=np.zeros(n_exp), where=slope > 0)
        step = np.maximum(step, -found)
        found = found + step
        if (np.abs(step) <= 1e-12 * found).all():
            break
    return found


def median_variance(seen: Observed, part: Float[np.ndarray, "n_obs 2"]) -> Float[np.ndarray, " n_exp"]:
    """The same by the median of the squared residuals of each exposure, which does not see outliers."""
    judged = part > NO_REDUNDANCY
    excess = seen.residual**2 / np.maximum(part, NO_REDUNDANCY) / MEDIAN_CHI2 - seen.sigma**2
    out = np.zeros(seen.n_exposure)
    for exposure in range(len(out)):
        rows = seen.exposure == exposure
        some = excess[rows][judged[rows]]
        out[exposure] = max(0.0, float(np.median(some))) if len(some) else 0.0
    return out


def extrapolated(
    trail: list[Float[np.ndarray, " n_exp"]],
) -> tuple[Float[np.ndarray, " n_exp"], list[Float[np.ndarray, " n_exp"]]]:
    """Excess noise to go on with, and the variances to go on from.

    The variances approach their end by a nearly constant factor a step, often close to one where the plates
    absorb much of the noise: every third step goes to where that leads (Aitken).
    """
    if len(trail) == 3:
        first, second = trail[1] - trail[0], trail[2] - trail[1]
        factor = float(first @ second) / max(float(first @ first), np.finfo(float).tiny)
        if 0.2 < factor < 0.98:
            return np.sqrt(np.maximum(trail[2] + second * factor / (1.0 - factor), trail[2] / 4.0)), []
    return np.sqrt(trail[-1]), trail
