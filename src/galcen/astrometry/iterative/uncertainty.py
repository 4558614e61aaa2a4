r"""Marginal covariances of the sources without the inverse of the whole matrix.

Draws x of the posterior about its mean are solutions of S x = y, y pure noise of covariance S. Given all
other unknowns, those of source i are normal with the covariance :math:`S_{ii}^{-1}` and the mean
:math:`m_i = x_i - S_{ii}^{-1} y_i`; hence

.. math:: C_{ii} = S_{ii}^{-1} + \langle m_i m_i^T \rangle

where the mean over the draws has to find a few per cent of C alone.

References
----------
Papandreou & Yuille (2010), NIPS 23, 1858 (draws); Siden et al. (2018), JCGS 27, 898 (conditional means).
"""

from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from galcen.astrometry.iterative import accumulation, cg
from galcen.astrometry.iterative.field import places
from galcen.astrometry.iterative.model import Shared, groups, noise_products, sources_of, unit_of
from galcen.astrometry.iterative.operator import by_exposures, inverse5, nothing, summed
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.preconditioner import Preconditioner
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Problem, Sources, State
from galcen.astrometry.iterative.products import OrbitSystem, Unknowns
from galcen.astrometry.iterative.result import Patterns
from galcen.astrometry.iterative.system import Noise, System, exposure_precision, with_drift
from galcen.errors import ConvergenceError

TOLERANCE = 1e-6
"""Of the solutions: more than draws need, which have errors of some per cent, but then they do not tell which
ranks and engine made them; of a product with the right side, a variance, the error is the square."""

MAX_PRODUCT = 600
"""More than the steps of a solution may take: what is cut short here would be an error that looks right."""

PART = 16
"""Draws that are made in one sweep over the measurements."""

BY_PRIOR = 0.5
"""Part of a prior variance that is left where the prior decides."""

UNINFORMED = 1e-9
"""Part of a prior variance by which rounding may seem to make it smaller."""

SAME_PLACE = 1e-12
"""Directions [rad] that do not differ by more are one."""


def conditional_covariance(system: System) -> Float[np.ndarray, "n_src 5 5"]:
    """Covariances with the calibration and the other sources held: too small, by some per cent."""
    return inverse5(system.reduced_source)


def marginal_covariance(
    problem: Problem,
    state: State,
    system: System,
    preconditioner: Preconditioner,
    weight: tuple[Float[np.ndarray, " n_obs"], ...],
    noise: Noise,
    ranks: Ranks,
    key: Key[Array, ""],
    n_probe: int,
) -> tuple[Float[np.ndarray, "n_src 5 5"], Float[np.ndarray, "n_probe n_src 5"]]:
    """Covariances with everything else free, from `n_probe` draws, and the draws, about the solution.

    The part that exceeds the conditional covariance has an error of sqrt(2 / n_probe) of itself.
    """
    blocks = conditional_covariance(system)
    excess, draws = np.zeros_like(blocks), []
    for first in range(0, n_probe, PART):
        part = min(PART, n_probe - first)
        for right in _draws(
            problem, state, system, (weight, noise), ranks, jax.random.fold_in(key, first), part
        ):
            x = _solved(system, ranks, right, preconditioner)
            mean = x.source - np.einsum("sij,sj->si", blocks, right.source)
            excess += mean[:, :, None] * mean[:, None, :]
            draws.append(x.source)
    return blocks + excess / n_probe, np.array(draws)


def variance_of_mean_parallax(system: System, ranks: Ranks, preconditioner: Preconditioner) -> float:
    """Variance of the mean parallax of all sources [mas^2], with all correlations."""
    right = nothing(system)
    right.source[:, 2] = 1.0 / len(right.source)
    return right.dot(_solved(system, ranks, right, preconditioner))


def _solved(system: System, ranks: Ranks, right: Unknowns, preconditioner: Preconditioner) -> Unknowns:
    found = cg.solve(system, ranks, preconditioner, right, TOLERANCE, MAX_PRODUCT)
    if not found.is_settled:
        raise ConvergenceError(
            f"the errors of the sources: their linear system is solved to {found.residual:.1e} only after "
            f"{found.n_product} products, asked {TOLERANCE:g}; look for priors out of scale"
        )
    return found.step


def pattern_rank(system: System, ranks: Ranks, preconditioner: Preconditioner, sources: Sources) -> Patterns:
    """Which low-order patterns over the field are decided by the priors.

    Attitude and focal lengths of each exposure take up a common shift, turn and scale: without references the
    measurements do not determine these. Sources count by the part of their prior variance that their own
    measurements take away. A pattern that is 0 everywhere, as a slope of a single source, has a ratio of 1.

    Parameters
    ----------
    system
        The linear system.
    ranks
        Those that share it.
    preconditioner
        Of its solutions.
    sources
        Their directions.
    """
    covariance = inverse5(system.prior_source)
    before, after = (np.diagonal(c, axis1=1, axis2=2) for c in (covariance, inverse5(system.reduced_source)))
    informed = np.maximum(1.0 - after / before - UNINFORMED, 0.0)
    ratio = np.ones((N_SOURCE, 3))
    for p in range(N_SOURCE):
        for k, pattern in enumerate(_patterns(sources, informed[:, p])):
            variance = float(pattern**2 @ before[:, p])
            if variance > 0:
                right = nothing(system)
                right.source[:, p] = pattern
                ratio[p, k] = right.dot(_solved(system, ranks, right, preconditioner)) / variance
    return Patterns(ratio, int(np.count_nonzero(ratio > BY_PRIOR)))


def _patterns(sources: Sources, by: Float[np.ndarray, " n_src"]) -> Float[np.ndarray, "3 n_src"]:
    """1, and the places to the east and north of the mean direction, times the sources' shares."""
    total = by.sum()
    if not total > 0:
        return np.zeros((3, len(by)))
    place = places(sources, by)
    centred = place - (place @ by / total)[:, None]
    centred = np.where(np.abs(centred) > SAME_PLACE, centred, 0.0)
    return np.concatenate([np.ones((1, len(by))), centred]) * by


def _draws(
    problem: Problem, state: State, system: System, errors: tuple, ranks: Ranks, key: Array, n: int
) -> list[Unknowns]:
    """Pure noise of covariance S."""
    weight, noise = errors
    out = [nothing(system) for _ in range(n)]
    through = [[[np.empty(0)] * len(unit.orbits) for unit in system.units] for _ in range(n)]
    gathered = sources_of(problem, state)
    number = {orbit.number: k for k, orbit in enumerate(problem.orbits)}
    for u, unit in enumerate(system.units):
        shared_sides = np.zeros((n, len(unit.matrix)))
        for place, one in enumerate(unit.orbits):
            k = number[one.orbit.number]
            shared = Shared(gathered, unit_of(problem, state, one.orbit), state.chip)
            at = (shared, state.exposure[k], weight[k], noise.of(one.orbit, k))
            sides = _orbit(problem, one, at, jax.random.fold_in(key, one.orbit.number), (out, shared_sides))
            for draw in range(n):
                through[draw][u][place] = np.einsum("eij,ej->ei", one.inverse, sides[draw])
        for draw in range(n):
            out[draw].calibration[unit.unknowns] += shared_sides[draw]
    return [
        summed(ranks, part) - by_exposures(system, ranks, through[draw]) + prior
        for draw, (part, prior) in enumerate(zip(out, _prior_noise(system, key, n), strict=True))
    ]


def _orbit(
    problem: Problem, one: OrbitSystem, at: tuple, key: Array, sums: tuple[list[Unknowns], np.ndarray]
) -> Float[np.ndarray, "n_probe n_exp 5"]:
    """Add the noise of an orbit to sources and calibration; returns that of its exposures, with priors."""
    (shared, exposure, weight, noise), (out, shared_sides) = at, sums
    orbit, n = one.orbit, len(out)
    own_key, key = jax.random.split(key)
    wide = jax.random.normal(own_key, (n, orbit.n_exp, N_EXPOSURE))
    sides = np.asarray(wide) * np.sqrt(exposure_precision(problem))
    n_own, n_term = problem.calibration.n_chip_unknown, problem.camera.optics.distortion.n_term
    shared_side = np.zeros((n, 2 * n_term + problem.camera.n_chip * n_own))
    for inside, group in groups(orbit, problem.camera.n_chip, exposure, weight, noise):
        # The first measurement of a panel tells it from all others of the orbit.
        first_rows = np.resize(inside.first, len(group.drift))
        keys = jax.vmap(partial(jax.random.fold_in, key))(first_rows)
        parts = noise_products(problem, shared, group, keys, n)
        of_sources, of_shared = (np.asarray(part) for part in parts)
        for k, (e, chip) in enumerate(zip(inside.exposure, inside.chip, strict=True)):
            sides[:, e] += of_shared[:, k, :N_EXPOSURE]
            shared_side[:, : 2 * n_term] += of_shared[:, k, N_EXPOSURE:-n_own]
            begin = 2 * n_term + n_own * chip
            shared_side[:, begin : begin + n_own] += of_shared[:, k, -n_own:]
        for right, total in zip(of_sources, out, strict=True):
            accumulation.add_sides(inside.first, inside.last, orbit.source, right, total.source)
    before = np.zeros((n, N_EXPOSURE))
    expanded = with_drift(problem, np.concatenate([before, shared_side], axis=1), orbit.drift.mean())
    shared_sides += expanded[:, N_EXPOSURE:]
    return sides


def _prior_noise(system: System, key: Array, n: int) -> list[Unknowns]:
    """Noise of the priors' covariance, the same on all ranks."""
    n_src, n_calibration = system.shape
    root = np.linalg.cholesky(system.prior_source)
    noise = []
    for draw in range(n):
        of_source, of_calibration = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, draw), 2**31))
        wide = np.asarray(jax.random.normal(of_source, (n_src, N_SOURCE)))
        narrow = np.asarray(jax.random.normal(of_calibration, (n_calibration,)))
        noise.append(
            Unknowns(np.einsum("sij,sj->si", root, wide), np.sqrt(system.prior_calibration) * narrow)
        )
    return noise
