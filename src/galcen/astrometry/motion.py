r"""Positions of sources in many orbits combined into position, parallax and proper motion.

An orbit k gives offsets from the comparison direction with a 2 x 2 covariance C_k. The model is

.. math:: a_k = a + \mu_a t_k - \varpi (p \cdot b_k), \quad d_k = d + \mu_d t_k - \varpi (q \cdot b_k)

with the time :math:`t_k` from the reference epoch at which the light passes the barycentre and the observer's
place :math:`b_k` [au]. The solution is that of weighted least squares, each source apart, with a normal prior
of its five parameters where there is one. Perspective acceleration and the turn of the local triad along a
source's path are left out: below 1 uas and 5 nas/yr but for stars as near as Barnard's.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 3.1 and 5.1.
"""

from enum import IntFlag
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.common_mode import excess_variance
from galcen.astrometry.orbit_positions import (
    OrbitPositions,
    Orbits,
    Weighted,
    check,
    normal_equations,
    residuals,
    squares,
    summed,
    weighted_positions,
)
from galcen.astrometry.priors import Prior
from galcen.errors import ConvergenceError
from galcen.mapping.catalogue_covariance import columns_of
from galcen.mapping.space_motion import Column, displaced


class Flag(IntFlag):
    """Bits of the column `flags`."""

    TWO_PARAMETERS = 1
    """Too few orbits for parallax and motion: a mean position at the mean epoch, the rest missing."""
    HAS_PRIOR = 2
    """A prior took part."""
    PRIOR_DECIDES = 4
    """Without its prior the source would have had two parameters only, or none."""
    NOT_SEEN = 8
    """No orbit has the source; its prior stands alone, or there is nothing at all."""
    EXCESS_NOISE = 16
    """An orbit whose errors were widened took part."""


class MotionOptions(eqx.Module):
    """How orbits are combined."""

    common_mode: bool = False
    """Widen the errors of orbits whose residuals are too large. To both variances of all positions of an
    orbit one number is added, such that the chi-square of the orbit's residuals is its degrees of freedom."""
    common_mode_limit: float = 4.0
    """Orbits are left as they are whose chi-square is this many standard deviations above, or less."""
    n_iteration: int = 50
    """Solutions at most, until the noise of the orbits changes by less than 0.1 per cent."""
    condition_limit: float = 1e8
    """Condition of the scaled normal matrix beyond which the data do not tell the five parameters apart."""

    def __check_init__(self) -> None:
        if self.n_iteration < 1 or not self.condition_limit > 1 or self.common_mode_limit < 0:
            raise ValueError(
                "n_iteration must be at least 1, condition_limit above 1, common_mode_limit not below 0"
            )


class Motion(NamedTuple):
    """Five parameters of each source."""

    offsets: Float[np.ndarray, "n_star 5"]  # parallax and motion are 0 where they were not solved
    covariance: Float[np.ndarray, "n_star 5 5"]  # NaN for what was not solved
    chi2: Column  # of the residuals, and of the prior where there is one
    dof: Int[np.ndarray, " n_star"]
    n_exposure: Int[np.ndarray, " n_star"]
    n_orbit: Int[np.ndarray, " n_star"]
    condition: Column  # of the scaled normal matrix of the data alone; inf where it is singular
    flags: Int[np.ndarray, " n_star"]
    common_mode: Float[np.ndarray, " n_orbit"]  # added to the errors of an orbit in squares [mas]


def solve_motion(
    data: OrbitPositions,
    ra: Column,
    dec: Column,
    orbits: Orbits,
    prior: Prior | None = None,
    options: MotionOptions | None = None,
) -> Motion:
    """Five parameters of each source from its positions in orbits.

    Parameters
    ----------
    data
        The positions.
    ra, dec
        Comparison directions of the sources [deg].
    orbits
        Times and places; time 0 is the reference epoch of the solution.
    prior
        Of all five parameters, at the reference epoch; sources without one have NaN as mean.
    options
        How orbits are combined.

    Raises
    ------
    ValueError
        A position is no measurement, see `galcen.astrometry.orbit_positions.check`.
    ConvergenceError
        The noise of orbits does not settle.
    """
    options = options or MotionOptions()
    check(data, len(ra), len(orbits.t))
    known = np.zeros((len(ra), 5, 5)), np.zeros((len(ra), 5))
    if prior is not None:
        known = _prior_information(prior)
    variance, widened = np.zeros(len(orbits.t)), np.zeros(len(orbits.t), dtype=bool)
    for _ in range(options.n_iteration):
        weighted = weighted_positions(data, ra, dec, orbits, variance)
        solution = _solution(data, weighted, known, prior, options.condition_limit)
        before = variance
        if options.common_mode:
            variance, widened = excess_variance(
                data, weighted, solution.offsets, solution.covariance, widened, options.common_mode_limit
            )
        if np.allclose(variance, before, rtol=1e-3, atol=0.0):
            break
    else:
        raise ConvergenceError(
            f"the noise of {np.count_nonzero(widened)} orbits has not settled after {options.n_iteration} "
            "solutions; allow more, or look for orbits with few sources or with outliers"
        )
    noisy = np.bincount(data.star[before[data.orbit] > 0], minlength=len(ra)) > 0
    return solution._replace(
        common_mode=np.sqrt(before), flags=solution.flags | np.where(noisy, Flag.EXCESS_NOISE, 0)
    )


def motion_columns(
    source_id: Int[np.ndarray, " n_star"], ra: Column, dec: Column, motion: Motion, epoch: float
) -> dict[str, np.ndarray]:
    """The solution in columns as in the Gaia archive; what was not solved is missing.

    Parameters
    ----------
    source_id
        Identifiers of the sources.
    ra, dec
        Their comparison directions [deg].
    motion
        The solution.
    epoch
        Its reference epoch [Julian year].
    """
    errors = np.diagonal(motion.covariance, axis1=1, axis2=2)[:, 2:]
    motions = np.where(np.isnan(errors), np.nan, motion.offsets[:, 2:])
    moved = displaced(ra, dec, motion.offsets[:, 0], motion.offsets[:, 1])
    return {
        "source_id": source_id,
        "ra": moved[0],
        "dec": moved[1],
        "ref_epoch": np.full(len(ra), epoch),
        **dict(zip(("parallax", "pmra", "pmdec"), motions.T, strict=True)),
        **columns_of(motion.covariance),
        "chi2": motion.chi2,
        "dof": motion.dof,
        "n_obs": motion.n_exposure,
        "n_orbit": motion.n_orbit,
        "condition": motion.condition,
        "flags": motion.flags,
    }


def _prior_information(prior: Prior) -> tuple[Float[np.ndarray, "n_star 5 5"], Float[np.ndarray, "n_star 5"]]:
    """Inverse covariance, and that times the mean; 0 for sources without prior."""
    has = np.isfinite(prior.mean).all(axis=1)
    information = np.zeros_like(prior.covariance)
    information[has] = np.linalg.inv(prior.covariance[has])
    right = np.einsum("nij,nj->ni", information, np.where(has[:, None], prior.mean, 0.0))
    return information, right


def _solution(
    data: OrbitPositions,
    weighted: Weighted,
    known: tuple[np.ndarray, np.ndarray],
    prior: Prior | None,
    condition_limit: float,
) -> Motion:
    """The solution with given errors."""
    n_star = len(known[0])
    normal, right = normal_equations(data, weighted, n_star)
    condition = _condition(normal)
    n_orbit = np.bincount(data.star, minlength=n_star)
    is_full = condition < condition_limit
    has_prior = np.diagonal(known[0], axis1=1, axis2=2).all(axis=1)
    offsets, covariance = np.zeros((n_star, 5)), np.full((n_star, 5, 5), np.nan)
    five = is_full | has_prior
    total = (normal + known[0])[five]
    covariance[five] = _inverted(total)
    offsets[five] = np.einsum("nij,nj->ni", covariance[five], (right + known[1])[five])
    two = ~five & (n_orbit > 0)
    covariance[two, :2, :2] = np.linalg.inv(normal[two, :2, :2])
    offsets[two, :2] = np.einsum("nij,nj->ni", covariance[two, :2, :2], right[two, :2])
    nothing = ~five & ~two
    offsets[nothing] = np.nan
    flags = (
        np.where(two, Flag.TWO_PARAMETERS, 0)
        | np.where(has_prior, Flag.HAS_PRIOR, 0)
        | np.where(has_prior & ~is_full, Flag.PRIOR_DECIDES, 0)
        | np.where(n_orbit == 0, Flag.NOT_SEEN, 0)
    )
    r_a, r_d = residuals(data, weighted, offsets)
    chi2 = summed(data.star, n_star)(squares(weighted, r_a, r_d))
    if prior is not None:
        shift = np.where(has_prior[:, None], offsets - prior.mean, 0.0)
        chi2 += np.einsum("ni,nij,nj->n", shift, known[0], shift)
    free = np.where(has_prior, 0, np.where(five, 5, 2))
    return Motion(
        offsets,
        covariance,
        chi2,
        np.maximum(2 * n_orbit - free, 0),
        np.bincount(data.star, data.n_exposure, minlength=n_star).astype(np.int64),
        n_orbit,
        condition,
        flags,
        np.zeros(0),  # of the orbits, filled in once it is known
    )


def _condition(normal: Float[np.ndarray, "n_star 5 5"]) -> Column:
    """Ratio of the eigenvalues of the normal matrices scaled to ones on the diagonal."""
    scale = np.sqrt(np.diagonal(normal, axis1=1, axis2=2))
    has = (scale > 0).all(axis=1)
    condition = np.full(len(normal), np.inf)
    scaled = normal[has] / (scale[has, :, None] * scale[has, None, :])
    values = np.linalg.eigvalsh(scaled)
    with np.errstate(divide="ignore"):
        condition[has] = values[:, -1] / np.maximum(values[:, 0], 0.0)
    return condition


def _inverted(normal: Float[np.ndarray, "n 5 5"]) -> Float[np.ndarray, "n 5 5"]:
    """Inverse of positive definite matrices of unlike units."""
    scale = 1.0 / np.sqrt(np.diagonal(normal, axis1=1, axis2=2))
    both = scale[:, :, None] * scale[:, None, :]
    lower = np.linalg.cholesky(normal * both)
    half = np.linalg.solve(lower, np.broadcast_to(np.eye(5), normal.shape))
    return half.transpose(0, 2, 1) @ half * both
