"""A polynomial map of one plane onto another, fitted to common points some of which are wrong."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from galcen.astrometry.plate_polynomial import basis, n_terms
from galcen.astrometry.robust_weights import as_one_axis, weight

N_REWEIGHT = 30
LEAST_WEIGHT = 1e-6

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over the median of absolute deviations."""


class PlaneMap(NamedTuple):
    """A polynomial in coordinates scaled to the points it was fitted to."""

    order: int
    centre: Float[np.ndarray, " 2"]
    half_size: float
    coefficient: Float[np.ndarray, "k 2"]
    scatter: float  # robust, of one axis, in the target's unit

    def __call__(self, place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Where the places are in the target plane."""
        return basis(self.order, (place - self.centre) / self.half_size) @ self.coefficient


def fit_map(source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"], order: int) -> PlaneMap:
    """Robust fit of a map, by reweighting with the weights of `robust_weights`.

    Parameters
    ----------
    source, target
        The same points in both planes; as many as the polynomial has terms at least.
    order
        Largest total degree; 1 is an affine map.

    Raises
    ------
    ValueError
        Fewer points than terms.
    """
    if len(source) < n_terms(order):
        raise ValueError(f"{len(source)} points for {n_terms(order)} terms")
    centre = (source.min(axis=0) + source.max(axis=0)) / 2.0
    half_size = float(np.abs(source - centre).max()) or 1.0
    terms = basis(order, (source - centre) / half_size)
    w = _start_weights(source, target)
    coefficient, scatter = np.zeros((terms.shape[1], 2)), 0.0
    for _ in range(N_REWEIGHT):
        root = np.sqrt(w)[:, None]
        coefficient = np.linalg.lstsq(terms * root, target * root, rcond=None)[0]
        residual = target - terms @ coefficient
        # Points that the fit goes through exactly say nothing of the scatter.
        share = max(len(source) - terms.shape[1], 0) / len(source)
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(residual))) / max(np.sqrt(share), 0.1)
        if scatter == 0.0:
            break
        found = np.maximum(weight(as_one_axis((residual**2).sum(axis=1) / scatter**2)), LEAST_WEIGHT)
        settled = np.abs(found - w).max() < 1e-6
        w = found
        if settled:
            break
    return PlaneMap(order, centre, half_size, coefficient, scatter)


def _start_weights(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Weights that do not rest on a least-squares fit, which one gross error may lead astray.

    Distances between points are the same in both planes but for one scale: a point whose distances to the
    others disagree with most is left out of the first fit.
    """
    if not 5 <= len(source) <= 1000:
        return np.ones(len(source))
    here, there = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (source, target))
    apart = here > 0
    scale = np.median(there[apart] / here[apart])
    misfit = np.median(np.where(apart, np.abs(there - scale * here), 0.0), axis=1)
    limit = 5.0 * np.median(misfit)
    return np.where(misfit <= limit, 1.0, LEAST_WEIGHT)
