r"""The linear system of one outer step, with what a rank keeps of its measurements.

With x the unknowns of sources and calibration, e those of exposures, and the priors in the diagonal blocks,

.. math::
    \begin{pmatrix} N_{xx} & N_{xe} \\ N_{ex} & N_{ee} \end{pmatrix}
    \begin{pmatrix} x \\ e \end{pmatrix} = \begin{pmatrix} b_x \\ b_e \end{pmatrix}, \quad
    S = N_{xx} - N_{xe} N_{ee}^{-1} N_{ex}, \quad g = b_x - N_{xe} N_{ee}^{-1} b_e.

S is never formed. Of a measurement its derivatives by source and exposure are kept; with the calibration,
exposures and sources are coupled by matrices of their own, summed over the measurements once.

References
----------
Bombrun et al. (2012), A&A 538, A77; Lindegren et al. (2012), A&A 538, A78, sect. 4.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.arrow import Arrow
from galcen.astrometry.iterative.host import OnHost
from galcen.astrometry.iterative.model import Shared, sources_of, unit_of
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Orbit, Problem, State
from galcen.astrometry.iterative.products import (
    Measured,
    OrbitSystem,
    Point,
    Products,
    Sums,
    UnitSystem,
)
from galcen.astrometry.iterative.singular import refuse_singular
from galcen.errors import ConvergenceError
from galcen.mapping.source_motion import LIGHT_TIME_YR_PER_AU

_ELEMENT = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])

SINGULAR = 1e-13
"""Smallest eigenvalue of an exposure's block, scaled to a unit diagonal, that is more than rounding."""


class System(NamedTuple):
    """Linear system at a state, priors included."""

    units: tuple[UnitSystem, ...]
    products: Products
    """Of the rank's own part."""
    source: Float[np.ndarray, "n_src 5 5"]
    """Blocks of the sources, all ranks."""
    reduced_source: Float[np.ndarray, "n_src 5 5"]
    """The same after the elimination of the exposures: diagonal blocks of S."""
    calibration: Arrow
    """The calibration's block, all ranks."""
    reduced_calibration: Arrow
    """The same after the elimination of the exposures."""
    prior_source: Float[np.ndarray, "n_src 5 5"]
    """Inverse covariance."""
    prior_calibration: Float[np.ndarray, " n_calibration"]
    """Inverse variance."""
    prior_exposure: Float[np.ndarray, " 5"]
    side_source: Float[np.ndarray, "n_src 5"]
    """Right side, all ranks."""
    side_calibration: Float[np.ndarray, " n_calibration"]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sources, and of unknowns of the calibration."""
        return len(self.source), len(self.side_calibration)


class Sweep(NamedTuple):
    """A system, and the residuals it was made from."""

    system: System
    residual: tuple[Float[np.ndarray, "2 n_obs"], ...]
    """Observed minus predicted [pixel], by orbit."""
    weight: tuple[Float[np.ndarray, " n_obs"], ...]
    chi2: float
    """Of data and priors, weighted, all ranks."""


class Noise(NamedTuple):
    """Excess noise [pixel]."""

    source: Float[np.ndarray, " n_src"]
    exposure: tuple[Float[np.ndarray, " n_exp"], ...]

    def of(self, orbit: Orbit, k: int) -> Float[np.ndarray, " n_obs"] | None:
        """Of each measurement of the rank's k-th orbit; None where there is none."""
        exposure = self.exposure[k]
        if not (self.source.any() or exposure.any()):
            return None
        return np.hypot(self.source[orbit.source], np.repeat(exposure, np.diff(orbit.offset)))


def no_noise(problem: Problem) -> Noise:
    """Noise as stated."""
    return Noise(np.zeros(len(problem.sources.ra)), tuple(np.zeros(orbit.n_exp) for orbit in problem.orbits))


def linearise(
    problem: Problem,
    state: State,
    weight: tuple[Float[np.ndarray, " n_obs"], ...],
    noise: Noise,
    ranks: Ranks,
    reweigh: bool = False,
    sums: Sums | None = None,
) -> Sweep:
    """The linear system at a state.

    Parameters
    ----------
    problem, state
        What is solved, and where.
    weight
        Of the measurements, by orbit.
    noise
        Excess noise.
    ranks
        Those that share the problem.
    reweigh
        Set the weights anew from the residuals.
    sums
        What sums the measurements; None: `OnHost`. What it summed before is forgotten.

    Raises
    ------
    ConvergenceError
        The unknowns of an exposure are determined neither by its measurements nor by priors.
    """
    total, sums = _Total(problem), sums or OnHost(problem)
    sums.begin()
    residual = [np.empty(0)] * len(problem.orbits)
    weights = [np.empty(0)] * len(problem.orbits)
    units: list[UnitSystem] = []
    gathered = sources_of(problem, state)
    for number in sorted({orbit.unit for orbit in problem.orbits}):
        members = [k for k, orbit in enumerate(problem.orbits) if orbit.unit == number]
        sums.begin_unit(members)
        unit = _Unit.zeros(problem)
        kept: list[OrbitSystem] = []
        for k in members:
            orbit = problem.orbits[k]
            shared = Shared(gathered, unit_of(problem, state, orbit), state.chip)
            at = Point(shared, state.exposure[k], weight[k], noise.of(orbit, k))
            measured = sums.measured(k, at, reweigh)
            residual[k], weights[k] = measured.residual, measured.weight
            total.chi2 += measured.chi2 + float((total.of_exposure * at.exposure**2).sum())
            kept.append(_eliminated(problem, orbit, at.exposure, measured, unit, sums))
        unknowns = total.add_unit(number, unit)
        units.append(UnitSystem(unknowns, tuple(kept), *sums.end_unit(), unit.matrix))
    products = sums.products(tuple(units), total.n_calibration)
    made = total.system(problem, state, tuple(units), products, sums.of_sources(), ranks)
    return Sweep(made, tuple(residual), tuple(weights), total.chi2)


class _Unit(NamedTuple):
    """Sums over the orbits of one calibration unit."""

    matrix: Float[np.ndarray, "n_shared n_shared"]
    reduced: Float[np.ndarray, "n_shared n_shared"]
    side: Float[np.ndarray, " n_shared"]

    @classmethod
    def zeros(cls, problem: Problem) -> "_Unit":
        n = problem.n_unit_unknown + problem.camera.n_chip * problem.calibration.n_chip_unknown
        return cls(np.zeros((n, n)), np.zeros((n, n)), np.zeros(n))


class _Total:
    """Sums of a rank that are no engine's: to be summed over ranks."""

    def __init__(self, problem: Problem) -> None:
        n_chip = problem.camera.n_chip * problem.calibration.n_chip_unknown
        self.n_unit_unknown = problem.n_unit_unknown
        self.n_calibration = problem.n_unit * problem.n_unit_unknown + n_chip
        self.of_exposure = exposure_precision(problem)
        self.calibration = Arrow.zeros(problem.n_unit, problem.n_unit_unknown, n_chip)
        self.reduced_calibration = Arrow.zeros(problem.n_unit, problem.n_unit_unknown, n_chip)
        self.side_calibration = np.zeros(self.n_calibration)
        self.chi2 = 0.0

    def add_unit(self, number: int, unit: _Unit) -> Int[np.ndarray, " n_shared"]:
        """Returns the places of its unknowns."""
        own = _unknowns(number, self.n_unit_unknown, self.n_calibration, len(unit.side))
        self.calibration.add(number, unit.matrix)
        self.reduced_calibration.add(number, unit.reduced)
        self.side_calibration[own] += unit.side
        return own

    def system(
        self,
        problem: Problem,
        state: State,
        units: tuple[UnitSystem, ...],
        products: Products,
        of_sources: tuple[np.ndarray, np.ndarray],
        ranks: Ranks,
    ) -> System:
        parts = (
            *of_sources,
            *self.calibration,
            *self.reduced_calibration,
            self.side_calibration,
            np.array([self.chi2]),
        )
        total = ranks.sum(np.concatenate([part.ravel() for part in parts]))
        cuts = np.cumsum([part.size for part in parts])[:-1]
        moments, side, *matrices, right, chi2 = (
            values.reshape(part.shape) for values, part in zip(np.split(total, cuts), parts, strict=True)
        )
        precision = _precision(problem.sources.covariance)
        miss = problem.sources.mean - state.source
        prior = calibration_precision(problem)
        value = np.concatenate([state.unit.ravel(), state.chip.ravel()])
        pull = np.einsum("sij,sj->si", precision, miss)
        self.chi2 = float(chi2[0] + (miss * pull).sum() + (prior * value**2).sum())
        return System(
            units,
            products,
            _with_motions(moments[:, :, :6]) + precision,
            _with_motions(moments[:, :, 6:]) + precision,
            *(Arrow(*three).with_diagonal(prior) for three in (matrices[:3], matrices[3:])),
            precision,
            prior,
            self.of_exposure,
            side + pull,
            right - prior * value,
        )


def calibration_precision(problem: Problem) -> Float[np.ndarray, " n_calibration"]:
    """Inverse variances of the priors of units and chips."""
    prior, n_term = problem.prior, problem.camera.optics.distortion.n_term
    unit = np.full(2 * n_term, prior.distortion_um)
    if problem.calibration.drift:
        unit = np.concatenate([unit, np.full(2 * n_term, prior.drift_um)])
    sigma = np.concatenate([np.tile(unit, problem.n_unit), np.tile(prior.chip, problem.camera.n_chip)])
    return sigma**-2.0


def exposure_precision(problem: Problem) -> Float[np.ndarray, " 5"]:
    """Inverse variances of the priors of an exposure."""
    return problem.prior.exposure**-2.0


def _unknowns(
    unit: int, n_unit_unknown: int, n_calibration: int, n_shared: int
) -> Int[np.ndarray, " n_shared"]:
    """Rows of a unit's unknowns, then the chips', among those of the calibration."""
    first = unit * n_unit_unknown
    n_chip = n_shared - n_unit_unknown
    return np.concatenate(
        [np.arange(first, first + n_unit_unknown), np.arange(n_calibration - n_chip, n_calibration)]
    )


def _with_motions(moments: Float[np.ndarray, "3 n_src 6"]) -> Float[np.ndarray, "n_src 5 5"]:
    """Blocks by all unknowns of sources; derivatives by proper motions are those by a, d times the time."""
    out = np.empty((moments.shape[1], N_SOURCE, N_SOURCE))
    for i in range(N_SOURCE):
        for j in range(N_SOURCE):
            out[:, i, j] = moments[i // 3 + j // 3, :, _ELEMENT[i % 3, j % 3]]
    return out


def _eliminated(
    problem: Problem, orbit: Orbit, exposure: np.ndarray, measured: Measured, unit: _Unit, sums: Sums
) -> OrbitSystem:
    """Eliminate the exposures of an orbit, and add it to the sums; returns what is kept."""
    matrix, sides = measured.matrix, measured.sides
    # Derivatives by motion and drift take the time of the orbit for that of its exposures: 1e-4 yr of a year.
    t, drift = _time(orbit), np.ones(1)
    if problem.calibration.drift:
        drift = np.array([1.0, orbit.drift.mean()])
        sides = with_drift(problem, sides, orbit.drift[:, None])
        matrix = with_drift(problem, matrix, drift[1])
        matrix = with_drift(problem, matrix.swapaxes(1, 2), drift[1]).swapaxes(1, 2)
    precision = exposure_precision(problem)
    own, rest = slice(None, N_EXPOSURE), slice(N_EXPOSURE, None)
    root = _inverse_roots(matrix[:, own, own] + np.diag(precision), orbit)
    coupling = np.ascontiguousarray(matrix[:, own, rest])
    half = (root @ coupling).reshape(-1, coupling.shape[2])
    whole = matrix[:, rest, rest].sum(0)
    unit.matrix[:] += whole
    unit.reduced[:] += whole - half.T @ half
    unit.side[:] += sides[:, rest].sum(0)
    kept = sums.eliminated(root, t, drift)
    inverse = root.swapaxes(1, 2) @ root
    own_sides = sides[:, own] - precision * exposure
    return OrbitSystem(orbit, np.full(orbit.n_exp, t), kept, inverse, coupling, own_sides)


def _precision(covariance: Float[np.ndarray, "n_src 5 5"]) -> Float[np.ndarray, "n_src 5 5"]:
    """Inverses of the prior covariances."""
    try:
        return np.linalg.inv(covariance)
    except np.linalg.LinAlgError:
        refuse_singular("prior", covariance)
        raise


def _time(orbit: Orbit) -> float:
    """Barycentric time of an orbit [Julian year], that of light from the boresight."""
    observer, boresight = orbit.exposures.observer, orbit.exposures.axes.z
    delay = sum(np.asarray(b) * np.asarray(z) for b, z in zip(observer.b, boresight, strict=True))
    return float((np.asarray(observer.t) + LIGHT_TIME_YR_PER_AU * delay).mean())


def with_drift(
    problem: Problem, columns: Float[np.ndarray, "*shape n_shared"], at: float | np.ndarray
) -> Float[np.ndarray, "*shape n"]:
    """With the drift's unknowns: derivatives by them are those by the coefficients times the time `at`."""
    if not problem.calibration.drift:
        return columns
    n_unit = 2 * problem.camera.optics.distortion.n_term
    before, unit, chips = np.split(columns, [N_EXPOSURE, N_EXPOSURE + n_unit], axis=-1)
    return np.concatenate([before, unit, at * unit, chips], axis=-1)


def _inverse_roots(block: Float[np.ndarray, "n_exp 5 5"], orbit: Orbit) -> Float[np.ndarray, "n_exp 5 5"]:
    """Inverses of the lower Cholesky factors of the exposures' blocks."""
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(block, axis1=1, axis2=2), np.finfo(float).tiny))
    scaled = block * scale[:, :, None] * scale[:, None, :]
    free = np.linalg.eigvalsh(scaled)[:, 0] < SINGULAR
    if free.any():
        e = int(np.argmax(free))
        raise ConvergenceError(
            f"orbit {orbit.number}, exposure {e} of the orbit, with {np.diff(orbit.offset)[e]} measurements: "
            "its attitude and focal lengths are not determined; leave the exposure out, or give them priors"
        )
    identity = np.broadcast_to(np.eye(N_EXPOSURE), block.shape)
    return np.linalg.solve(np.linalg.cholesky(scaled), identity) * scale[:, None, :]
