"""Plate analysis: all coordinates and the camera of one orbit, with their uncertainties.

A robust fit of each exposure's attitude to the catalogue, then the maximum of the posterior by damped
Gauss-Newton steps on the exact normal equations. Variational inference starts from here, see `variational`.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 5.1 (weights).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError

from galcen.astrometry import plate_normal
from galcen.astrometry.plate_normal import Normal, Solution
from galcen.astrometry.plate_problem import N_ATTITUDE, PlateProblem, State, start
from galcen.astrometry.weights import BAD, is_kept, prior_chi2, prior_weight, two_axis_weight
from galcen.errors import ConvergenceError

MAX_STEPS = 20
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e6
STEP_TOLERANCE = 1e-3
"""Of the largest step of a source coordinate in units of its standard deviation."""

WEIGHT_TOLERANCE = 1e-3
"""Weights that change by less are settled."""

UPHILL = 0.01
"""Fraction by which an undamped step may raise chi2.

All chips may move together against the attitude. Such a step changes chi2 by its second order only and is
taken back in the next one; to forbid it would mean hundreds of small ones.
"""

ATTITUDE_STEPS = 30
FEWEST_STARS = 3


class Robust(NamedTuple):
    """What is done about measurements and priors that are wrong."""

    measurements: bool = True
    """Weigh down measurements by their residual."""
    priors: Literal["keep", "weigh_down", "leave_out"] = "keep"
    """What is done with priors of sources that the measurements contradict."""


PLAIN = Robust(measurements=False)
"""All measurements and priors as they are."""


class Step(NamedTuple):
    """One line of the history."""

    chi2: float
    """Of data and priors, weighted."""
    damping: float
    largest_step: float
    """Of a source coordinate, in units of its conditional standard deviation."""


class Plate(NamedTuple):
    """Maximum of the posterior and what surrounds it."""

    state: State
    source_covariance: Float[np.ndarray, "2 2 n_src"]
    """Marginal [mas^2]."""
    y_sigma: Float[np.ndarray, " n_y"]
    """Marginal, of exposures and calibration."""
    residual: Float[np.ndarray, "n_exp 2 n_obs"]
    """[pixel]; 0 in the padding."""
    residual_before: Float[np.ndarray, "n_exp 2 n_obs"]
    """With the attitudes fitted and everything else at its prior mean."""
    weight: Float[np.ndarray, "n_exp n_obs"]
    prior_weight: Float[np.ndarray, " n_src"]
    chi2: float
    """Of the data without weights, bad measurements left out."""
    dof: float
    """Of chi2: its numbers, less the trace of what maps them to their prediction."""
    history: tuple[Step, ...]
    normal: Normal
    solution: Solution


def solve(
    problem: PlateProblem, robust: Robust = PLAIN, report: Callable[[Step], None] | None = None
) -> Plate:
    """Solve a plate problem.

    Parameters
    ----------
    problem
        Every exposure needs three measurements at least.
    robust
        Weights are set anew between steps.
    report
        Called after each step.

    Raises
    ------
    ConvergenceError
        No step lowers chi2 any more, or the largest one stays above STEP_TOLERANCE; says what was reached.
    """
    state = with_attitude(problem, start(problem))
    weights = (problem.observations.is_real.astype(np.float64), np.ones(len(problem.sources.ra)))
    damping, history = 0.0, []
    normal = plate_normal.assemble(problem, state, *weights)
    before = normal.residual
    for _ in range(MAX_STEPS):
        state, normal, step = _accepted(problem, state, normal, weights, damping)
        damping = step.damping / 100 if step.damping > FIRST_DAMPING else 0.0
        history.append(step)
        if report is not None:
            report(step)
        is_small = step.largest_step < STEP_TOLERANCE and step.damping == 0.0
        if robust != PLAIN and step.largest_step < 1.0:
            found = _weights(problem, state, normal, robust, weights[1])
            if (
                max(np.abs(new - old).max() for new, old in zip(found, weights, strict=True))
                > WEIGHT_TOLERANCE
            ):
                weights, is_small = found, False
                normal = plate_normal.assemble(problem, state, *weights)
        if is_small:
            break
    else:
        raise ConvergenceError(
            f"after {MAX_STEPS} steps the largest step of a source is still {history[-1].largest_step:.2g} "
            f"of its standard deviation, chi2 {history[-1].chi2:.6g}; look for stars matched to the wrong "
            "measurements, or widen plate.priors"
        )
    solution = plate_normal.solve(normal)
    plate = _finished(problem, state, normal, solution, weights, tuple(history))
    return plate._replace(residual_before=before)


def with_attitude(problem: PlateProblem, state: State) -> State:
    """The state with each exposure's attitude fitted to the catalogue, robustly.

    Cauchy weights with the scale of the median residual: up to a half of the stars may be wrong.
    """
    seen, known = problem.observations, plate_normal.sources_of(problem)
    variance = np.trace(problem.sources.covariance, axis1=1, axis2=2) / 2
    exposure = state.exposure.copy()
    for e in range(len(exposure)):
        real = seen.is_real[e]
        arguments = plate_normal.group_arguments(problem, state, known, slice(e, e + 1))
        model = plate_normal.compiled_model(arguments)
        columns = np.stack(
            [np.stack([np.broadcast_to(c[0], real.shape) for c in pair]) for pair in model.exposure]
        )
        design = columns[:N_ATTITUDE, :, real].reshape(N_ATTITUDE, -1)
        miss = (seen.pixel[e] - np.stack([c[0] for c in model.pixel]))[:, real].ravel()
        scale = np.abs(np.asarray(model.source[0][0])).max()
        known_to = np.tile(np.sqrt(variance[seen.source[e, real]]) * scale, 2)
        exposure[e, :N_ATTITUDE] += _cauchy_fit(design, miss, known_to)
    return state._replace(exposure=exposure)


def _cauchy_fit(design: np.ndarray, miss: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Robust least squares; `sigma` is the least error of each equation."""
    unit = np.sqrt((design**2).mean(1))
    scaled, x = design / unit[:, None], np.zeros(len(design))
    for _ in range(ATTITUDE_STEPS):
        left = miss - x @ scaled
        spread = np.hypot(sigma, 1.4826 * np.median(np.abs(left)))
        weight = 1.0 / (spread**2 + left**2)
        step = np.linalg.solve((scaled * weight) @ scaled.T, scaled @ (weight * left))
        x += step
        if np.abs(step).max() < 1e-6 * spread.min():
            break
    return x / unit


def _accepted(
    problem: PlateProblem,
    state: State,
    normal: Normal,
    weights: tuple[np.ndarray, np.ndarray],
    damping: float,
) -> tuple[State, Normal, Step]:
    """One step that does not raise chi2, with as much damping as it takes."""
    before = normal.chi2_data + normal.chi2_prior
    while damping <= LARGEST_DAMPING:
        try:
            solution = plate_normal.solve(normal, damping)
        except LinAlgError:
            damping = max(10 * damping, FIRST_DAMPING)
            continue
        trial = plate_normal.moved(state, solution.source, solution.y)
        found = plate_normal.assemble(problem, trial, *weights)
        after = found.chi2_data + found.chi2_prior
        largest = float(np.abs(solution.source * np.sqrt(normal.ss[(0, 1), (0, 1)])).max())
        if after <= before * (1 + (UPHILL if damping == 0.0 else 0.0)):
            return trial, found, Step(after, damping, largest)
        damping = max(10 * damping, FIRST_DAMPING)
    raise ConvergenceError(
        f"no step lowers chi2 below {before:.6g}; the pointing may be wrong by more than the robust fit "
        "finds, or most stars are matched to the wrong measurements"
    )


def _weights(
    problem: PlateProblem, state: State, normal: Normal, robust: Robust, of_prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of measurements and priors at a state."""
    seen = problem.observations
    weight = seen.is_real.astype(np.float64)
    if robust.measurements:
        z = normal.residual / seen.sigma
        weight *= two_axis_weight(z[:, 0], z[:, 1])
    if robust.priors != "keep":
        posterior = plate_normal.source_covariance(plate_normal.solve(normal)).transpose(2, 0, 1)
        shift = state.source.T - problem.sources.mean
        chi2 = prior_chi2(shift, problem.sources.covariance, posterior, of_prior)
        kept = is_kept(chi2, 2) if robust.priors == "leave_out" else prior_weight(chi2, 2)
        of_prior = np.asarray(kept, dtype=np.float64)
    return weight, of_prior


def _finished(
    problem: PlateProblem,
    state: State,
    normal: Normal,
    solution: Solution,
    weights: tuple[np.ndarray, np.ndarray],
    history: tuple[Step, ...],
) -> Plate:
    covariance = plate_normal.source_covariance(solution)
    y_variance = np.diag(plate_normal.y_covariance(solution))
    # Unknowns that their priors decide take no degree of freedom: n - trace(N^-1 (N - P)).
    precision = weights[1] * plate_normal.inverse2(problem.sources.covariance.transpose(1, 2, 0))
    held = (covariance * precision).sum() + (y_variance / plate_normal.y_sigma(problem) ** 2).sum()
    n_unknown = state.source.size + len(y_variance)
    good = weights[0] >= BAD
    z = normal.residual / problem.observations.sigma
    return Plate(
        state,
        covariance,
        np.sqrt(y_variance),
        normal.residual,
        normal.residual,
        *weights,
        chi2=float((z**2).sum(1)[good].sum()),
        dof=2 * np.count_nonzero(good) - n_unknown + float(held),
        history=history,
        normal=normal,
        solution=solution,
    )
