"""One global problem: all orbits of a survey, their sources, and what is known before.

Each rank holds whole orbits; sources and calibration are known to all ranks.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.mapping.camera import Camera
from galcen.mapping.linearisation import Exposure

N_SOURCE = 5
"""Unknowns of a source: a, d, parallax [mas], and the two proper motions [mas/yr]."""

N_EXPOSURE = 5
"""Unknowns of an exposure: a_X, a_Y, psi [mas], f_X, f_Y [1e-6]."""


class Orbit(NamedTuple):
    """Measurements of one orbit, exposure after exposure."""

    number: int
    """As in the plan; unique."""
    unit: int
    """Row of its calibration unit."""
    drift: Float[np.ndarray, " n_exp"]
    """Time of each exposure within its unit, from -1 at the beginning to 1 at the end; 0 without drift."""
    exposures: Exposure
    """Arrays (n_exp, 1); times in Julian years from the epoch of the solution."""
    offset: Int[np.ndarray, " n_exp+1"]
    """Where the measurements of each exposure begin."""
    source: Int[np.ndarray, " n_obs"]
    """Row of the source; a source is once in an exposure."""
    chip: Int[np.ndarray, " n_obs"]
    pixel: Float[np.ndarray, "2 n_obs"]
    """From the centre of the chip [pixel]."""
    sigma: Float[np.ndarray, "2 n_obs"]
    """[pixel]."""

    @property
    def n_exp(self) -> int:
        """Number of exposures."""
        return len(self.offset) - 1


class Sources(NamedTuple):
    """All sources of the survey and what is known of them before."""

    ra: Float[np.ndarray, " n_src"]
    """Comparison direction [rad]; it stays where it is."""
    dec: Float[np.ndarray, " n_src"]
    radial_velocity: Float[np.ndarray, " n_src"]
    """Barycentric [km/s]."""
    colour: Float[np.ndarray, " n_src"]
    """Less the mean colour [mag]; used by the chromatic terms alone."""
    mean: Float[np.ndarray, "n_src 5"]
    """Prior mean of (a, d, parallax, pma, pmd), at the epoch of the solution."""
    covariance: Float[np.ndarray, "n_src 5 5"]
    """Of the prior."""


class CameraPrior(NamedTuple):
    """Standard deviations of everything else about its nominal value; inf is flat."""

    exposure: Float[np.ndarray, " 5"]
    """Of a_X, a_Y, psi [mas], f_X, f_Y [1e-6]."""
    distortion_um: float
    """Of each coefficient."""
    drift_um: float
    """Of each coefficient's drift."""
    chip: Float[np.ndarray, " n_chip_unknown"]
    """Of rotation [1e-6 rad], x, y [um], pixel_x, pixel_y [1e-6], and the chromatic shifts [um/mag]."""


class Problem(NamedTuple):
    """All that a rank starts from."""

    camera: Camera
    calibration: CalibrationModel
    n_unit: int
    sources: Sources
    prior: CameraPrior
    orbits: tuple[Orbit, ...]
    """Those of this rank, ascending."""

    @property
    def n_unit_unknown(self) -> int:
        """Unknowns of a calibration unit."""
        return self.calibration.n_unit_unknown(self.camera.optics.distortion.n_term)


class State(NamedTuple):
    """Values of all unknowns."""

    source: Float[np.ndarray, "n_src 5"]
    unit: Float[np.ndarray, "n_unit n_unit_unknown"]
    """A, B [um] of each calibration unit, then their drifts."""
    chip: Float[np.ndarray, "n_chip n_chip_unknown"]
    exposure: tuple[Float[np.ndarray, "n_exp 5"], ...]
    """Of each of the rank's orbits."""


def start(problem: Problem) -> State:
    """Everything at its prior mean."""
    return State(
        problem.sources.mean.copy(),
        np.zeros((problem.n_unit, problem.n_unit_unknown)),
        np.zeros((problem.camera.n_chip, problem.calibration.n_chip_unknown)),
        tuple(np.zeros((orbit.n_exp, N_EXPOSURE)) for orbit in problem.orbits),
    )


def arranged(problem: Problem) -> tuple[Problem, tuple[Int[np.ndarray, " n_obs"], ...]]:
    """The problem with measurements sorted by exposure, chip and source, and where each was before."""
    orbits, orders = [], []
    for orbit in problem.orbits:
        exposure = np.repeat(np.arange(orbit.n_exp), np.diff(orbit.offset))
        order = np.lexsort((orbit.source, orbit.chip, exposure))
        rows = (orbit.source[order].astype(np.int32), orbit.chip[order].astype(np.int32))
        pixel, sigma = (np.ascontiguousarray(values[:, order]) for values in (orbit.pixel, orbit.sigma))
        orbits.append(
            orbit._replace(
                offset=np.asarray(orbit.offset, dtype=np.int64),
                source=rows[0],
                chip=rows[1],
                pixel=pixel,
                sigma=sigma,
            )
        )
        orders.append(order)
    return problem._replace(orbits=tuple(orbits)), tuple(orders)
