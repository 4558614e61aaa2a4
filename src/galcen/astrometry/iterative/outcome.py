"""From the last state and its linear system to what the solution says."""

import numpy as np
from jaxtyping import Array, Bool, Float, Key

from galcen.astrometry.iterative.gauge import in_convention
from galcen.astrometry.iterative.options import Options, Progress, Ranks
from galcen.astrometry.iterative.preconditioner import Preconditioner
from galcen.astrometry.iterative.problem import N_EXPOSURE, Problem
from galcen.astrometry.iterative.result import Result
from galcen.astrometry.iterative.system import Noise, Sweep, System
from galcen.astrometry.iterative.uncertainty import (
    conditional_covariance,
    marginal_covariance,
    pattern_rank,
    variance_of_mean_parallax,
)
from galcen.astrometry.weights import BAD

LEAST_INFORMATION = 1e-9
"""Smallest eigenvalue of a source's block, scaled to a unit diagonal, that measurements determine alone."""


def outcome(
    problem: Problem,
    options: Options,
    ranks: Ranks,
    at: Progress,
    sweep: Sweep,
    preconditioner: Preconditioner,
    key: Key[Array, ""] | None,
) -> Result:
    """The result at the last state.

    Parameters
    ----------
    problem, options, ranks
        As in `solve`.
    at
        The last state with its weights and noise.
    sweep
        Linear system and residuals there.
    preconditioner
        Of the system.
    key
        Of the random probes.

    Raises
    ------
    ValueError
        Probes are asked for without a key.
    """
    system, noise = sweep.system, Noise(at.source_noise, at.exposure_noise)
    is_marginal = options.n_probe > 0
    covariance, draws = conditional_covariance(system), np.zeros((0, len(system.source), 5))
    if is_marginal:
        if key is None:
            raise ValueError("n_probe > 0 needs a key for its random probes")
        covariance, draws = marginal_covariance(
            problem, at.state, system, preconditioner, at.weight, noise, ranks, key, options.n_probe
        )
    n_obs, n_bad, sums = _counts(problem, sweep, noise, ranks)
    n_src = len(n_obs)
    held = np.einsum("sij,sji->", covariance, system.prior_source) + sums[2]
    n_unknown = 5 * n_src + sums[3] + len(system.side_calibration)
    return Result(
        at.state,
        in_convention(problem, at.state, system),
        at.history,
        covariance,
        is_marginal,
        draws,
        sweep.residual,
        sweep.weight,
        chi2=float(sums[0]),
        dof=float(2 * sums[1] - n_unknown + held),
        n_obs=n_obs,
        n_bad=n_bad,
        is_held_by_prior=_held(system),
        mean_parallax=float(at.state.source[:, 2].mean()),
        mean_parallax_error=float(np.sqrt(variance_of_mean_parallax(system, ranks, preconditioner))),
        patterns=pattern_rank(system, ranks, preconditioner, problem.sources)
        if options.with_patterns
        else None,
        source_noise=at.source_noise,
        exposure_noise=at.exposure_noise,
    )


def _counts(
    problem: Problem, sweep: Sweep, noise: Noise, ranks: Ranks
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measurements of each source, bad ones, and sums: chi2 and number of the good ones, exposures' share."""
    n_src = len(problem.sources.ra)
    counts, sums = np.zeros((2, n_src)), np.zeros(4)
    for k, orbit in enumerate(problem.orbits):
        bad = sweep.weight[k] < BAD
        counts[0] += np.bincount(orbit.source, minlength=n_src)
        counts[1] += np.bincount(orbit.source[bad], minlength=n_src)
        extra = noise.of(orbit, k)
        variance = orbit.sigma.astype(np.float64) ** 2 + (0.0 if extra is None else extra**2)
        sums[0] += (sweep.residual[k] ** 2 / variance)[:, ~bad].sum()
        sums[1] += np.count_nonzero(~bad)
        sums[3] += N_EXPOSURE * orbit.n_exp
    for unit in sweep.system.units:
        for one in unit.orbits:
            sums[2] += np.einsum("eii,i->", one.inverse, sweep.system.prior_exposure)
    counts, sums = ranks.sum(counts), ranks.sum(sums)
    return counts[0].astype(np.int64), counts[1].astype(np.int64), sums


def _held(system: System) -> Bool[np.ndarray, " n_src"]:
    """Whether the measurements alone leave a source's unknowns free."""
    data: Float[np.ndarray, "n_src 5 5"] = system.reduced_source - system.prior_source
    diagonal = np.diagonal(data, axis1=1, axis2=2)
    seen = (diagonal > 0).all(axis=1)
    scale = np.where(seen[:, None], 1.0 / np.sqrt(np.where(seen[:, None], diagonal, 1.0)), 0.0)
    return ~seen | (
        np.linalg.eigvalsh(data * scale[:, :, None] * scale[:, None, :])[:, 0] < LEAST_INFORMATION
    )
