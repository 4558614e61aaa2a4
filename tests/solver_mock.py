"""A solver that only goes through the motions of one, for tests of what stands around it."""

import numpy as np

from galcen.astrometry.iterative.options import Hooks, Options, Progress, Ranks
from galcen.astrometry.iterative.problem import Problem, start
from galcen.astrometry.iterative.result import Iteration, Result

N_STEP = 3


class Killed(Exception):
    """Stands for the end of a job's time."""


def solve(
    problem: Problem, options: Options, ranks: Ranks, hooks: Hooks, *, killed_after: int = N_STEP + 1
) -> Result:
    """Each step takes from the one before and from all ranks; the n-th is the same wherever it began."""
    n_source, orbits = len(problem.sources.ra), problem.orbits
    progress = hooks.resume or Progress(
        start(problem),
        tuple(np.ones(len(orbit.source)) for orbit in orbits),
        0,
        np.zeros(n_source),
        tuple(np.zeros(orbit.n_exp) for orbit in orbits),
        (),
    )
    for step in range(len(progress.history) + 1, N_STEP + 1):
        if step > killed_after:
            raise Killed
        progress = _step(problem, progress, step, ranks)
        if hooks.report:
            hooks.report(progress.history[-1])
        if hooks.save:
            hooks.save(progress)
    n_obs = ranks.sum(sum((np.bincount(o.source, minlength=n_source) for o in orbits), np.zeros(n_source)))
    return Result(
        state=progress.state,
        in_convention=progress.state,
        history=progress.history,
        covariance=problem.sources.covariance,
        is_marginal=options.n_probe > 0,
        draws=np.zeros((0, n_source, 5)),
        residual=tuple(0.25 * np.ones_like(orbit.pixel) for orbit in orbits),
        weight=progress.weight,
        chi2=progress.history[-1].chi2,
        dof=100.0,
        n_obs=n_obs.astype(np.int64),
        n_bad=np.zeros(n_source, dtype=np.int64),
        is_held_by_prior=np.zeros(n_source, dtype=bool),
        mean_parallax=1.0,
        mean_parallax_error=0.5,
        patterns=None,
        source_noise=progress.source_noise,
        exposure_noise=progress.exposure_noise,
    )


def _step(problem: Problem, progress: Progress, step: int, ranks: Ranks) -> Progress:
    state, orbits = progress.state, problem.orbits
    drawn = [np.random.default_rng((step, orbit.number)) for orbit in orbits]
    # Whole numbers, so that the order of a sum does not matter.
    chi2 = ranks.sum(np.array([sum(float(rng.integers(10**6)) for rng in drawn)]))
    exposure = [values + rng.normal(size=(1, 5)) for values, rng in zip(state.exposure, drawn, strict=True)]
    state = state._replace(source=1.1 * state.source + chi2 / 3, unit=state.unit + 1 / step)
    state = state._replace(exposure=tuple(exposure))
    line = Iteration(step, float(chi2[0]), 54, 1e-4, 1e-5, 20, 1e-9, 0.5, 1 / 3, step == 2)
    weight = tuple(0.9 * values for values in progress.weight)
    return progress._replace(state=state, weight=weight, n_weights=step, history=(*progress.history, line))
