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
"""With the same weights."""

MAX_WEIGHTS = 15
"""How often weights are set. A star with few measurements may drift between two of them for long; its weights
then stay where they are, so that what is solved has a maximum."""

FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e6
STEP_TOLERANCE = 1e-3
"""Of the largest step of a source coordinate in units of its standard deviation."""

ROUNDING = 1e-9
"""Relative, of chi2."""

WEIGHT_TOLERANCE = 1e-3
"""Weights that change by less are settled."""

PATIENCE = 2
"""Steps in a row that may raise chi2 before it is gone back to the best state and damped.

Chips may turn and move together against the attitude, and where the fields do not join them all, in groups.
Such moves are almost free, hence large, and their second order may raise chi2 until the next step follows the
valley.
"""

ATTITUDE_STEPS = 30


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
        After MAX_STEPS with the same weights the largest step is still above STEP_TOLERANCE, or the system is
        singular; says what was reached.
    """
    state = with_attitude(problem, start(problem))
    weights = (problem.observations.is_real.astype(np.float64), np.ones(len(problem.sources.ra)))
    here = _At(state, plate_normal.assemble(problem, state, *weights))
    best, before = here, here.normal.residual
    damping, uphill, history = 0.0, 0, []
    n_weights, n_step = 0, 0
    while n_step < MAX_STEPS:
        n_step += 1
        here, step = _step(problem, here, weights, damping)
        history.append(step)
        if report is not None:
            report(step)
        if step.chi2 <= best.chi2 * (1 + ROUNDING):
            best, uphill, damping = here, 0, damping / 100 if damping > FIRST_DAMPING else 0.0
        else:
            uphill += 1
        if uphill > PATIENCE or not np.isfinite(step.chi2):
            here, uphill, damping = best, 0, max(10 * damping, FIRST_DAMPING)
            continue
        is_small = step.largest_step < STEP_TOLERANCE and step.damping == 0.0
        if robust != PLAIN and step.largest_step < 1.0 and n_weights < MAX_WEIGHTS:
            found = _weights(problem, here, robust, weights[1])
            change = [np.abs(new - old).max() for new, old in zip(found, weights, strict=True)]
            if max(change) > WEIGHT_TOLERANCE:
                weights, is_small, n_step, n_weights = found, False, 0, n_weights + 1
                here = best = _At(here.state, plate_normal.assemble(problem, here.state, *weights))
        if is_small:
            break
    else:
        raise ConvergenceError(
            f"after {len(history)} steps the largest step of a source is still "
            f"{history[-1].largest_step:.2g} of its standard deviation, chi2 {history[-1].chi2:.6g}; the "
            "pointing may be wrong by more than the robust fit finds, stars matched to the wrong "
            "measurements, or plate.priors too narrow"
        )
    state, normal = here
    solution = plate_normal.solve(normal)
    return _finished(problem, (before, state, normal), solution, weights, tuple(history))


def with_attitude(problem: PlateProblem, state: State) -> State:
    """The state with each exposure's attitude fitted to the catalogue, robustly.

    Cauchy weights with the scale of the median residual: up to a half of the stars may be wrong.
    """
    seen, known = problem.observations, plate_normal.sources_of(problem)
    sigma = np.sqrt(np.trace(problem.sources.covariance, axis1=1, axis2=2) / 2)
    exposure = state.exposure.copy()
    for part in plate_normal.groups(len(exposure)):
        model = plate_normal.compiled_model(plate_normal.group_arguments(problem, state, known, part))
        columns = np.stack([np.stack(pair) for pair in model.exposure[:N_ATTITUDE]])
        predicted = np.stack(model.pixel, axis=1)
        scale = np.hypot(*map(np.asarray, model.source[0])).max()
        for k, e in enumerate(range(part.start, part.stop)):
            real = seen.is_real[e]
            design = columns[:, :, k, real].reshape(N_ATTITUDE, -1)
            miss = (seen.pixel[e] - predicted[k])[:, real].ravel()
            known_to = np.tile(sigma[seen.source[e, real]] * scale, 2)
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


class _At(NamedTuple):
    """A state and its normal equations."""

    state: State
    normal: Normal

    @property
    def chi2(self) -> float:
        """Of data and priors, weighted."""
        return self.normal.chi2_data + self.normal.chi2_prior


def _step(
    problem: PlateProblem, here: _At, weights: tuple[np.ndarray, np.ndarray], damping: float
) -> tuple[_At, Step]:
    """One step, damped as much as asked, and further where the system is singular to rounding."""
    while True:
        try:
            solution = plate_normal.solve(here.normal, damping)
            break
        except LinAlgError:
            damping = max(10 * damping, FIRST_DAMPING)
        if damping > LARGEST_DAMPING:
            raise ConvergenceError(
                "the normal equations are singular; look for sigmas or priors out of scale"
            )
    moved = plate_normal.moved(here.state, solution.source, solution.y)
    there = _At(moved, plate_normal.assemble(problem, moved, *weights))
    largest = np.abs(solution.source * np.sqrt(here.normal.ss[(0, 1), (0, 1)])).max()
    return there, Step(there.chi2, damping, float(largest))


def _weights(
    problem: PlateProblem, here: _At, robust: Robust, of_prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of measurements and priors at a state."""
    seen, (state, normal) = problem.observations, here
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
    found: tuple[np.ndarray, State, Normal],
    solution: Solution,
    weights: tuple[np.ndarray, np.ndarray],
    history: tuple[Step, ...],
) -> Plate:
    """The solution with its covariances; `found` begins with the residuals before it."""
    before, state, normal = found
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
        before,
        *weights,
        chi2=float((z**2).sum(1)[good].sum()),
        dof=2 * np.count_nonzero(good) - n_unknown + float(held),
        history=history,
        normal=normal,
        solution=solution,
    )
