"""Positions of sources in orbits, as observations of their five parameters.

Each is an offset (a, d) from the source's comparison direction with a 2 x 2 covariance; what it tells of the
five parameters is in `galcen.astrometry.motion`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.mapping.source_motion import LIGHT_TIME_YR_PER_AU
from galcen.mapping.space_motion import Column, triads

PerObservation = Float[np.ndarray, " n_obs"]

_UPPER = tuple((i, j) for i in range(5) for j in range(i, 5))


class OrbitPositions(NamedTuple):
    """Positions of sources in orbits, in any order."""

    star: Int[np.ndarray, " n_obs"]  # row of the source
    orbit: Int[np.ndarray, " n_obs"]  # row of the orbit
    a: PerObservation  # offset from the comparison direction [mas]
    d: PerObservation
    a_error: PerObservation  # marginal [mas]
    d_error: PerObservation
    ad_corr: PerObservation
    n_exposure: Int[np.ndarray, " n_obs"]  # exposures that went into the position


class Orbits(NamedTuple):
    """When and from where the orbits looked."""

    t: Float[np.ndarray, " n_orbit"]  # from the reference epoch [Julian year, TCB]
    b: Float[np.ndarray, "n_orbit 3"]  # barycentric position of the observer [au]


class Weighted(NamedTuple):
    """Inverse covariances of positions, and how the five parameters act on them."""

    w_aa: PerObservation
    w_ad: PerObservation
    w_dd: PerObservation
    a_parallax: PerObservation  # derivative of a by the parallax
    d_parallax: PerObservation
    t: PerObservation


class MeanPositions(NamedTuple):
    """Weighted means of the positions of each source over the orbits, as if it stood still."""

    offsets: Float[np.ndarray, "n_star 2"]  # NaN where no orbit has the source
    covariance: Float[np.ndarray, "n_star 2 2"]
    chi2: Column
    dof: Int[np.ndarray, " n_star"]


def check(data: OrbitPositions, n_star: int, n_orbit: int) -> None:
    """Refuse positions that are no measurements.

    Raises
    ------
    ValueError
        A value is not finite, an error not above 0, a correlation not between -1 and 1; a source has two
        positions in an orbit, or is none of those given.
    """
    outside = (data.star >= n_star) | (data.orbit >= n_orbit)
    if (outside | (data.star < 0) | (data.orbit < 0)).any():
        raise ValueError("a position belongs to no source or orbit of those given")
    for name in ("a", "d", "a_error", "d_error", "ad_corr"):
        values = getattr(data, name)
        bad = ~np.isfinite(values)
        if name.endswith("_error"):
            bad |= ~(values > 0)
        if name == "ad_corr":
            bad |= ~(np.abs(values) < 1)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(
                f"source {data.star[first]} in orbit {data.orbit[first]}: {name} = {values[first]} "
                f"({np.count_nonzero(bad)} such positions); leave such positions out"
            )
    pair = data.star.astype(np.int64) * n_orbit + data.orbit
    if len(np.unique(pair)) < len(pair):
        raise ValueError("a source has two positions in one orbit; combine the fields of an orbit first")


def inverse(
    data: OrbitPositions, variance: PerObservation
) -> tuple[PerObservation, PerObservation, PerObservation]:
    """Elements of the inverse covariances of positions."""
    aa, dd = data.a_error**2 + variance, data.d_error**2 + variance
    ad = data.ad_corr * data.a_error * data.d_error
    determinant = aa * dd - ad**2
    return dd / determinant, -ad / determinant, aa / determinant


def weighted_positions(
    data: OrbitPositions, ra: Column, dec: Column, orbits: Orbits, variance: Float[np.ndarray, " n_orbit"]
) -> Weighted:
    """The positions with `variance` [mas^2] added to both axes of each orbit's."""
    at, b = triads(ra, dec), orbits.b[data.orbit].T
    east, north, radial = ((axis[:, data.star] * b).sum(axis=0) for axis in at)
    t = orbits.t[data.orbit] + LIGHT_TIME_YR_PER_AU * radial
    return Weighted(*inverse(data, variance[data.orbit]), -east, -north, t)


def summed(
    row: Int[np.ndarray, " n_obs"], n_row: int
) -> Callable[[PerObservation], Float[np.ndarray, " n_row"]]:
    """What adds up values of observations by source or orbit, always in the same order."""
    return lambda values: np.bincount(row, values, minlength=n_row)


def design(
    weighted: Weighted,
) -> tuple[tuple[PerObservation | float, ...], tuple[PerObservation | float, ...]]:
    """Derivatives of a and d by the five parameters."""
    return (1.0, 0.0, weighted.a_parallax, weighted.t, 0.0), (0.0, 1.0, weighted.d_parallax, 0.0, weighted.t)


def normal_equations(
    data: OrbitPositions, weighted: Weighted, n_star: int
) -> tuple[Float[np.ndarray, "n_star 5 5"], Float[np.ndarray, "n_star 5"]]:
    """Normal matrix of the five parameters of each source, and its right-hand side."""
    sums = summed(data.star, n_star)
    along_a, along_d = design(weighted)
    on_a = [weighted.w_aa * x + weighted.w_ad * y for x, y in zip(along_a, along_d, strict=True)]
    on_d = [weighted.w_ad * x + weighted.w_dd * y for x, y in zip(along_a, along_d, strict=True)]
    normal, right = np.empty((n_star, 5, 5)), np.empty((n_star, 5))
    for i, j in _UPPER:
        normal[:, i, j] = normal[:, j, i] = sums(on_a[i] * along_a[j] + on_d[i] * along_d[j])
    for i in range(5):
        right[:, i] = sums(on_a[i] * data.a + on_d[i] * data.d)
    return normal, right


def residuals(
    data: OrbitPositions, weighted: Weighted, offsets: Float[np.ndarray, "n_star 5"]
) -> tuple[PerObservation, PerObservation]:
    """Residuals of a and d [mas]."""
    s = offsets[data.star].T
    return (
        data.a - s[0] - weighted.a_parallax * s[2] - weighted.t * s[3],
        data.d - s[1] - weighted.d_parallax * s[2] - weighted.t * s[4],
    )


def squares(weighted: Weighted, r_a: PerObservation, r_d: PerObservation) -> PerObservation:
    """Chi-square of each position."""
    return weighted.w_aa * r_a**2 + 2 * weighted.w_ad * r_a * r_d + weighted.w_dd * r_d**2


def mean_positions(data: OrbitPositions, n_star: int) -> MeanPositions:
    """Weighted mean of the positions of each source over the orbits."""
    w_aa, w_ad, w_dd = inverse(data, np.zeros_like(data.a))
    normal = np.empty((n_star, 2, 2))
    right = np.empty((n_star, 2))
    sums = summed(data.star, n_star)
    normal[:, 0, 0], normal[:, 1, 1] = sums(w_aa), sums(w_dd)
    normal[:, 0, 1] = normal[:, 1, 0] = sums(w_ad)
    right[:, 0], right[:, 1] = sums(w_aa * data.a + w_ad * data.d), sums(w_ad * data.a + w_dd * data.d)
    n_orbit = np.bincount(data.star, minlength=n_star)
    mean, covariance = np.full((n_star, 2), np.nan), np.full((n_star, 2, 2), np.nan)
    seen = n_orbit > 0
    covariance[seen] = np.linalg.inv(normal[seen])
    mean[seen] = np.einsum("nij,nj->ni", covariance[seen], right[seen])
    r_a, r_d = data.a - mean[data.star, 0], data.d - mean[data.star, 1]
    chi2 = sums(w_aa * r_a**2 + 2 * w_ad * r_a * r_d + w_dd * r_d**2)
    return MeanPositions(mean, covariance, chi2, np.maximum(2 * n_orbit - 2, 0))
