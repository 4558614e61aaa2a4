"""The global solution: outer Gauss-Newton steps, each with a linear system solved by one of two schemes.

References
----------
Lindegren et al. (2012), A&A 538, A78; Bombrun et al. (2012), A&A 538, A77.
"""

import time

import numpy as np
from jaxtyping import Float

from galcen.astrometry.iterative import cg, gauss_seidel
from galcen.astrometry.iterative.device import engine
from galcen.astrometry.iterative.excess_noise import excess_noise
from galcen.astrometry.iterative.gauge import calibration_without_gauge, moved
from galcen.astrometry.iterative.operator import inverse5
from galcen.astrometry.iterative.options import Alone, Hooks, Options, Progress, Ranks
from galcen.astrometry.iterative.outcome import outcome
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.problem import Problem, arranged, start
from galcen.astrometry.iterative.products import Sums, Unknowns
from galcen.astrometry.iterative.result import Iteration, Result
from galcen.astrometry.iterative.singular import describe
from galcen.astrometry.iterative.system import Noise, Sweep, System, linearise, no_noise
from galcen.errors import ConvergenceError

LARGEST_STEP, MEDIAN_STEP = 1e-3, 1e-4
"""Of a source's unknown in units of its standard deviation: smaller ones end the outer steps."""

CHI2_CHANGE = 1e-7
"""Relative; larger ones do not end them."""

ROUGH = 1e-5
"""Tolerance of the linear system as long as steps are larger than a standard deviation: a product costs a
hundredth of a linearisation."""

ERROR_LEFT = 1e-6
"""Of a step, in units of the standard deviation: what later systems are solved to."""

MAX_WEIGHTS = 5
"""How often weights and excess noise are set; they then stay, so that what is solved has a maximum."""

WEIGHT_CHANGE = 1e-3

ALONE = Alone()
NO_HOOKS = Hooks()


def solve(problem: Problem, options: Options, ranks: Ranks = ALONE, hooks: Hooks = NO_HOOKS) -> Result:
    """Solve all orbits at once.

    Parameters
    ----------
    problem
        The rank's orbits; sources, priors and camera are the same on all ranks.
    options
        Scheme, weights and limits.
    ranks
        Those that share the problem.
    hooks
        Reports, checkpoints and where to go on.

    Raises
    ------
    ConvergenceError
        Steps or chi2 are still too large after `options.max_outer` of them, a linear system was not solved,
        or an exposure is not determined.
    """
    problem, orders = arranged(problem)
    try:
        result = _solved(problem, options, ranks, hooks)
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(describe(problem, error)) from None
    return result._replace(
        residual=tuple(map(_as_given, result.residual, orders)),
        weight=tuple(map(_as_given, result.weight, orders)),
    )


def _solved(problem: Problem, options: Options, ranks: Ranks, hooks: Hooks) -> Result:
    """`solve`, of measurements in the solver's order."""
    at, sums = hooks.resume or _beginning(problem), engine(options.products)(problem)
    settled, done = _settled_since(at), False
    while not done:
        done, at, settled = _outer(problem, options, ranks, at, settled, sums)
        if hooks.report is not None:
            hooks.report(at.history[-1])
        if hooks.save is not None:
            hooks.save(at)
        if not done and settled >= options.max_outer:
            raise ConvergenceError(_reached(at.history, options))
    noise = Noise(at.source_noise, at.exposure_noise)
    sweep = linearise(problem, at.state, at.weight, noise, ranks, sums=sums)
    # The system at the end is there for the covariances: one more step of it, too small to change a residual,
    # takes away what the way here has left.
    inverse = TwoLevel(sweep.system, ranks, problem.sources)
    last = _solve(problem, sweep.system, options, ranks, at.history[-1].largest_step, inverse).step
    at = at._replace(state=moved(problem, at.state, sweep.system, last))
    return outcome(problem, options, ranks, at, sweep, inverse, hooks.probe_key)


def _as_given(
    values: Float[np.ndarray, "*shape n_obs"], order: np.ndarray
) -> Float[np.ndarray, "*shape n_obs"]:
    """Values of an orbit in the order in which its measurements came."""
    out = np.empty_like(values)
    out[..., order] = values
    return out


def _beginning(problem: Problem) -> Progress:
    noise = no_noise(problem)
    weights = tuple(np.ones(len(orbit.source)) for orbit in problem.orbits)
    return Progress(start(problem), weights, 0, noise.source, noise.exposure, ())


def _settled_since(at: Progress) -> int:
    """Outer steps since the weights were last set."""
    return len(at.history) - max((k for k, line in enumerate(at.history) if line.new_weights), default=0)


def _outer(
    problem: Problem, options: Options, ranks: Ranks, at: Progress, settled: int, sums: Sums
) -> tuple[bool, Progress, int]:
    """One outer step: whether it was the last, where it leads, and steps since the weights were set."""
    begin = time.perf_counter()
    before = at.history[-1].largest_step if at.history else np.inf
    is_set = before < 1.0 and at.n_weights < MAX_WEIGHTS
    noise = Noise(at.source_noise, at.exposure_noise)
    sweep = linearise(problem, at.state, at.weight, noise, ranks, is_set and options.robust, sums)
    is_new = False
    if is_set:
        found = noise
        if options.excess_noise != "none":
            found = excess_noise(problem, sweep, options.excess_noise, ranks)
        is_new = _has_changed(ranks, at, sweep, found)
        if found is not noise and is_new:
            # Errors have changed after the derivatives were divided by them.
            noise, weight = found, sweep.weight
            # Two systems may be more than the memory holds.
            del sweep
            sweep = linearise(problem, at.state, weight, noise, ranks, sums=sums)
    linearised = time.perf_counter()
    solved = _solve(problem, sweep.system, options, ranks, before)
    largest, median = _sizes(sweep.system, solved.step)
    line = Iteration(
        len(at.history),
        sweep.chi2,
        int(ranks.sum(np.array([float(sum(len(orbit.source) for orbit in problem.orbits))]))[0]),
        largest,
        median,
        solved.n_product,
        solved.residual,
        linearised - begin,
        time.perf_counter() - linearised,
        is_new,
    )
    if not (np.isfinite(largest) and np.isfinite(sweep.chi2)):
        raise ConvergenceError(_reached((*at.history, line), options))
    # Exact data have a chi2 of rounding, whose changes are as large as itself.
    same = bool(at.history) and abs(at.history[-1].chi2 - line.chi2) <= CHI2_CHANGE * max(
        line.chi2, line.n_obs
    )
    weights_stay = is_set or at.n_weights == MAX_WEIGHTS or not _weighs(options)
    is_last = (
        largest < LARGEST_STEP
        and median < MEDIAN_STEP
        and same
        and solved.residual * largest < LARGEST_STEP
        and weights_stay
        and not is_new
    )
    progress = Progress(
        moved(problem, at.state, sweep.system, solved.step),
        sweep.weight,
        at.n_weights + is_new,
        noise.source,
        noise.exposure,
        (*at.history, line),
    )
    return is_last, progress, 1 if is_new else settled + 1


def _weighs(options: Options) -> bool:
    return options.robust or options.excess_noise != "none"


def _solve(
    problem: Problem,
    system: System,
    options: Options,
    ranks: Ranks,
    before: float,
    inverse: TwoLevel | None = None,
) -> cg.Solved:
    """Step of the linear system, as exact as it pays after a step of the size `before`."""
    if options.scheme == "block-gauss-seidel":
        return gauss_seidel.solve(system, ranks, options.richardson, max_cycle=10 * options.max_inner)
    if inverse is None:
        # The first right side is so large that its rounding alone moves what the measurements leave free.
        block = None if np.isfinite(before) else calibration_without_gauge(problem, system)
        inverse = TwoLevel(system, ranks, problem.sources, block)
    tolerance = ROUGH if before >= 1.0 else max(cg.TOLERANCE, min(ROUGH, ERROR_LEFT / before))
    return cg.solve(system, ranks, inverse, None, tolerance, options.max_inner)


def _sizes(system: System, step: Unknowns) -> tuple[float, float]:
    """Largest and median step of the unknowns of measured sources, in units of their standard deviations."""
    sigma = np.sqrt(np.diagonal(inverse5(system.reduced_source), axis1=1, axis2=2))
    seen = (system.source != system.prior_source).any(axis=(1, 2))
    if not seen.any():
        return 0.0, 0.0
    size = (np.abs(step.source) / sigma)[seen]
    return float(size.max()), float(np.median(size))


def _has_changed(ranks: Ranks, at: Progress, sweep: Sweep, noise: Noise) -> bool:
    """Whether any weight, or noise relative to the stated error, is not what it was."""
    changed = sum(
        float(np.count_nonzero(np.abs(new - old) > WEIGHT_CHANGE))
        for new, old in zip(
            (*sweep.weight, noise.source, *noise.exposure),
            (*at.weight, at.source_noise, *at.exposure_noise),
            strict=True,
        )
    )
    return bool(ranks.sum(np.array([changed]))[0] > 0)


def _reached(history: tuple[Iteration, ...], options: Options) -> str:
    last = history[-1]
    return (
        f"after {len(history)} outer steps the largest step of a source is {last.largest_step:.2g} of its "
        f"standard deviation (asked {LARGEST_STEP:g}), the median {last.median_step:.2g} (asked "
        f"{MEDIAN_STEP:g}), chi2 {last.chi2:.8g}, and the linear system is solved to {last.residual:.1e} "
        f"after {last.n_product} products or cycles; raise solver.max_inner ({options.max_inner}) where that "
        f"is not enough, or solver.max_outer ({options.max_outer}); pointings may be wrong by more than "
        "arcseconds, stars matched to the wrong measurements, or priors out of scale"
    )
