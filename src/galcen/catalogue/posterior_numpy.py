"""The posterior written out plainly: every distance, every interval, no bounds, no batches.

This is the oracle that the fast kernels are tested against; it takes about a second a star.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import erf, logsumexp

from galcen.catalogue.likelihood import N_ISOCHRONE
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF
from galcen.galaxy.isochrones import Intervals

_ISOCHRONE = [COMPONENTS.index(name) for name in ISOCHRONE_OF]


def interval_integral(
    r: Float[np.ndarray, "n_band ..."], d: Float[np.ndarray, "n_band ..."], gap: Bool[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Integral of exp(-|r - t d|^2 / 2) over t from 0 to 1, by error functions.

    `r` is the residual at the lower end and `d` the extent of each interval, in errors;
    for a gap the mean of the values at its ends is returned.
    """
    a = np.maximum((d * d).sum(axis=0), 1e-12)
    h = (r * d).sum(axis=0)
    c = (r * r).sum(axis=0)
    root = np.sqrt(a / 2)
    closed = (
        np.exp(-(c - h * h / a) / 2) * np.sqrt(np.pi / 2 / a) * (erf((1 - h / a) * root) + erf(h / a * root))
    )
    # Short intervals: the two error functions cancel; the middle is exact to O(a).
    middle = np.exp(-((r - d / 2) ** 2).sum(axis=0) / 2)
    ends = (np.exp(-c / 2) + np.exp(-((r - d) ** 2).sum(axis=0) / 2)) / 2
    return np.where(gap, ends, np.where(a < 1e-9, middle, closed))


def ln_likelihood(
    intervals: Intervals,
    target: Float[np.ndarray, "3 n_dist"],
    error: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "12 n_dist"]:
    """Ln L_i(D) of one star; a band with infinite error is missing.

    `target` holds the absolute magnitudes the star would have at each distance.
    """
    result = np.empty((N_ISOCHRONE, target.shape[1]))
    comp = np.asarray(intervals.comp)
    for i in range(N_ISOCHRONE):
        mine = comp == i
        low, high = (np.asarray(m)[:, mine] for m in (intervals.mag_low, intervals.mag_high))
        r = (target[:, :, None] - low[:, None, :]) / error[:, None, None]
        d = np.broadcast_to(((high - low) / error[:, None])[:, None, :], r.shape)
        with np.errstate(divide="ignore", under="ignore"):
            terms = (
                interval_integral(r, d, np.asarray(intervals.gap)[mine]) @ np.asarray(intervals.weight)[mine]
            )
            result[i] = np.log(np.maximum(terms, 0.0))
    finite = np.isfinite(error)
    return result[_ISOCHRONE] - np.sum(np.log(np.sqrt(2 * np.pi) * error[finite]))


def evidence(
    dist: Float[np.ndarray, " n_dist"],
    ln_density: Float[np.ndarray, "12 n_dist"],
    ln_photometric: Float[np.ndarray, "12 n_dist"],
    ln_parallax: Float[np.ndarray, " n_dist"],
) -> tuple[Float[np.ndarray, " 12"], Float[np.ndarray, " 3"], float]:
    """Class probabilities, distance at 16, 50 and 84 per cent [pc] and ln of the evidence."""
    ln_p = ln_density + 2 * np.log(dist) + ln_photometric + ln_parallax
    top = ln_p.max()
    p = np.exp(ln_p - top)
    weight = np.trapezoid(p, dist, axis=1)
    total = p.sum(axis=0)
    cumulative = np.concatenate([[0.0], np.cumsum(np.diff(dist) * (total[1:] + total[:-1]) / 2)])
    quantiles = np.array([_quantile(dist, total, cumulative, level) for level in (0.16, 0.5, 0.84)])
    return weight / weight.sum(), quantiles, float(top + logsumexp(np.log(weight[weight > 0])))


def _quantile(
    dist: Float[np.ndarray, " n_dist"],
    density: Float[np.ndarray, " n_dist"],
    cumulative: Float[np.ndarray, " n_dist"],
    level: float,
) -> float:
    """Where a piecewise-linear density has `level` of its integral below."""
    rest = level * cumulative[-1]
    k = min(int(np.searchsorted(cumulative, rest, side="right")) - 1, len(dist) - 2)
    rest, step = rest - cumulative[k], dist[k + 1] - dist[k]
    slope = (density[k + 1] - density[k]) / step
    # The root of the quadratic that is exact for no slope, too.
    return float(dist[k] + 2 * rest / (density[k] + np.sqrt(density[k] ** 2 + 2 * slope * rest)))
