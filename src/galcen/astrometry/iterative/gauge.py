"""The convention of the calibration: what moves chips and telescope together is the telescope's.

All chips shifted, turned or scaled together do as pointing, position angle and focal lengths do. Priors alone
decide between the two, which moves sources to second order only (shifts times distortion) and slows no
conjugate gradients down; but the numbers mean nothing. In the convention the means over the chips of shift,
rotation and scale along both focal axes are nominal, and attitude and focal lengths hold the rest.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError

from galcen.astrometry.iterative.arrow import Arrow, ArrowFactor
from galcen.astrometry.iterative.operator import exposures_of, nothing
from galcen.astrometry.iterative.problem import Problem, State
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.system import System

STIFFNESS = 1e6
"""Weight of the convention, in units of what the measurements say of the chips."""


def convention_rows(problem: Problem) -> Float[np.ndarray, "5 n_chips"]:
    """What is nominal in the convention: means of rotation, x, y, and the scales along X and Y."""
    chips, n_own = problem.camera.chips, problem.calibration.n_chip_unknown
    n_chip = problem.camera.n_chip
    rows = np.zeros((5, n_chip, n_own))
    rows[[0, 1, 2], :, [0, 1, 2]] = 1.0
    # The sizes of pixels are along the chip's own axes.
    across = np.sin(np.asarray(chips.rotation)) ** 2
    rows[3, :, 3], rows[3, :, 4] = 1.0 - across, across
    rows[4, :, 3], rows[4, :, 4] = across, 1.0 - across
    return rows.reshape(5, -1) / n_chip


def in_convention(problem: Problem, state: State, system: System) -> State:
    """The state with its calibration in the convention; sources are what they were.

    Of all moves that get there, the one that changes the residuals least: not at all but for priors of
    exposures of few stars, for shifts times the slope of the distortion, and for shifts times the square of
    the field. That makes the result a report, not a state to go on from.

    Raises
    ------
    numpy.linalg.LinAlgError
        The calibration is determined by nothing.
    """
    stiff = _stiff(problem, system)
    right = nothing(system).calibration
    right[-stiff.shape[0] :] = -stiff @ state.chip.ravel()
    step = ArrowFactor(_stiffened(system, stiff)).solve(right)
    if not np.isfinite(step).all():
        raise LinAlgError("the calibration's block is singular")
    return moved(problem, state, system, nothing(system)._replace(calibration=step), homogeneous=True)


def calibration_without_gauge(problem: Problem, system: System) -> Arrow:
    """The calibration's reduced block, in which chips are not moved against the telescope.

    Along such moves the matrix is 1e-10 of what it is elsewhere. While right sides are large, their rounding
    alone would send chips and attitudes so far that the next linearisation suffers from it.
    """
    return _stiffened(system, _stiff(problem, system))


def _stiff(problem: Problem, system: System) -> Float[np.ndarray, "n_chips n_chips"]:
    rows = convention_rows(problem)
    data = np.diag(system.reduced_calibration.chips)
    weight = STIFFNESS * (rows**2 * data).sum(1) / (rows**2).sum(1) ** 2
    return (rows.T * weight) @ rows


def _stiffened(system: System, stiff: Float[np.ndarray, "n_chips n_chips"]) -> Arrow:
    matrix = system.reduced_calibration
    return matrix._replace(chips=matrix.chips + stiff)


def moved(problem: Problem, state: State, system: System, step: Unknowns, homogeneous: bool = False) -> State:
    """The state after a step of sources and calibration, and that of the exposures that belongs to it.

    `homogeneous` leaves the exposures' own right sides out: what remains answers the step alone.
    """
    unit, chip = np.split(step.calibration, [state.unit.size])
    none = [[np.zeros_like(orbit.sides) for orbit in u.orbits] for u in system.units]
    steps = exposures_of(system, step, none if homogeneous else None)
    numbers = [orbit.orbit.number for u in system.units for orbit in u.orbits]
    by_number = dict(zip(numbers, [values for part in steps for values in part], strict=True))
    return State(
        state.source + step.source,
        state.unit + unit.reshape(state.unit.shape),
        state.chip + chip.reshape(state.chip.shape),
        tuple(
            values + by_number[orbit.number]
            for values, orbit in zip(state.exposure, problem.orbits, strict=True)
        ),
    )
