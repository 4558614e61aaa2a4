"""Noise of whole orbits: what to add to the errors of their positions.

A shift that all positions of an orbit have in common, such as that of a frame tied to few references, is seen
in each star's residuals as noise beyond its error. One variance for each orbit is added to both axes of all
its positions, such that the chi-square of the residuals of the orbit is its degrees of freedom. That the
noise is the same for neighbouring stars is left out: errors of single stars are right, those of means over
stars too small.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 5.1.2 (excess noise of an attitude interval).
"""

import numpy as np
from jaxtyping import Bool, Float

from galcen.astrometry.orbit_positions import (
    OrbitPositions,
    PerObservation,
    Weighted,
    design,
    inverse,
    residuals,
    summed,
)

N_NEWTON = 50


def excess_variance(
    data: OrbitPositions,
    weighted: Weighted,
    offsets: Float[np.ndarray, "n_star 5"],
    covariance: Float[np.ndarray, "n_star 5 5"],
    widened: Bool[np.ndarray, " n_orbit"],
    limit: float,
) -> tuple[Float[np.ndarray, " n_orbit"], Bool[np.ndarray, " n_orbit"]]:
    """Variance [mas^2] that each orbit needs on top of its errors, and which orbits need one.

    Parameters
    ----------
    data
        The positions, with their errors as measured.
    weighted
        The same as they went into the solution.
    offsets, covariance
        The solution; NaN in the covariance stands for what was not solved.
    widened
        Orbits already known to need it; they stay among those that do, so that the set settles.
    limit
        Further orbits need it whose chi-square is above its expectation by more standard deviations than
        this.
    """
    n_orbit = len(widened)
    per_orbit = summed(data.orbit, n_orbit)
    r_a, r_d = residuals(data, weighted, offsets)
    freedom = np.maximum(per_orbit(2.0 - _leverage(data, weighted, covariance)), 0.0)

    def chi2_and_slope(added: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w_aa, w_ad, w_dd = inverse(data, added[data.orbit])
        u, v = w_aa * r_a + w_ad * r_d, w_ad * r_a + w_dd * r_d
        return per_orbit(u * r_a + v * r_d), -per_orbit(u**2 + v**2)

    added = np.zeros(n_orbit)
    chi2, slope = chi2_and_slope(added)
    excess = np.where(widened, 0.0, (chi2 - freedom) / np.sqrt(2.0 * np.maximum(freedom, 1.0)))
    # The worst first: they spoil the solution, and so the residuals of orbits that have nothing to them.
    widened = widened | (excess > max(limit, 0.5 * excess.max(initial=0.0)))
    # The chi-square falls and is convex in the variance: Newton from 0 never goes too far.
    for _ in range(N_NEWTON):
        step = np.maximum((freedom - chi2) / np.where(slope < 0, slope, -1.0), 0.0) * widened
        added = added + step
        if (step <= 1e-6 * added).all():
            break
        chi2, slope = chi2_and_slope(added)
    return added, widened


def _leverage(
    data: OrbitPositions, weighted: Weighted, covariance: Float[np.ndarray, "n_star 5 5"]
) -> PerObservation:
    """How many degrees of freedom of each position, of its two, went into the solution."""
    shape = (len(data.a),)
    rows = [np.stack([np.broadcast_to(x, shape) for x in row], axis=-1) for row in design(weighted)]
    known = np.nan_to_num(covariance)[data.star]
    aa, ad, dd = (
        np.einsum("nj,njk,nk->n", one, known, other)
        for one, other in ((rows[0], rows[0]), (rows[0], rows[1]), (rows[1], rows[1]))
    )
    return weighted.w_aa * aa + 2 * weighted.w_ad * ad + weighted.w_dd * dd
