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
from scipy.linalg import LinAlgError

from galcen.astrometry.iterative import kernels
from galcen.astrometry.iterative.arrow import Arrow
from galcen.astrometry.iterative.model import Shared, found, groups, sources_of, unit_of
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Orbit, Problem, State
from galcen.errors import ConvergenceError
from galcen.mapping.source_motion import LIGHT_TIME_YR_PER_AU

N_PAIR = len(kernels.SOURCE_PAIRS)


class OrbitSystem(NamedTuple):
    """What is kept of an orbit."""

    orbit: Orbit
    t: Float[np.ndarray, " n_exp"]
    """Barycentric time of an exposure [Julian year], that of light from the middle of its sources."""
    kept: Float[np.ndarray, " n_kept"]
    """See `kernels`; float32."""
    inverse: Float[np.ndarray, "n_exp 5 5"]
    """Of the exposures' blocks."""
    coupling: Float[np.ndarray, "n_exp 5 n_shared"]
    """Of exposures with their calibration: the unit's unknowns, then the chips'."""
    sides: Float[np.ndarray, "n_exp 5"]


class UnitSystem(NamedTuple):
    """What the rank's orbits say together of a calibration unit and the chips."""

    unit: int
    orbits: tuple[OrbitSystem, ...]
    rows: Int[np.ndarray, " n_seen"]
    """Sources that were measured in them."""
    coupling: Float[np.ndarray, "n_seen 5 n_shared"]
    matrix: Float[np.ndarray, "n_shared n_shared"]
    """Of calibration with itself; without priors."""


class System(NamedTuple):
    """Linear system at a state, priors included."""

    units: tuple[UnitSystem, ...]
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
    n_unit_unknown: int

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

    Raises
    ------
    ConvergenceError
        The unknowns of an exposure are determined neither by its measurements nor by priors.
    """
    n_src = len(problem.sources.ra)
    sums = _Sums(problem, n_src)
    residual: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    units: list[UnitSystem] = []
    gathered = sources_of(problem, state)
    for number in sorted({orbit.unit for orbit in problem.orbits}):
        members = [k for k, orbit in enumerate(problem.orbits) if orbit.unit == number]
        unit = _Unit(problem, [problem.orbits[k] for k in members], n_src)
        kept: list[OrbitSystem] = []
        for k in members:
            orbit = problem.orbits[k]
            shared = Shared(gathered, unit_of(problem, state, orbit), state.chip)
            at = (shared, state.exposure[k], weight[k], noise.of(orbit, k))
            one, left, found_weight = _orbit(problem, orbit, at, unit, sums, reweigh)
            kept.append(one)
            residual.append(left)
            weights.append(found_weight)
        sums.add_unit(number, unit)
        units.append(UnitSystem(number, tuple(kept), unit.rows, unit.coupling, unit.matrix))
    return Sweep(sums.system(problem, state, tuple(units), ranks), tuple(residual), tuple(weights), sums.chi2)


class _Unit:
    """Sums over the orbits of one calibration unit."""

    def __init__(self, problem: Problem, orbits: list[Orbit], n_src: int) -> None:
        n_shared = problem.n_unit_unknown + problem.camera.n_chip * problem.calibration.n_chip_unknown
        seen = np.zeros(n_src, dtype=bool)
        for orbit in orbits:
            seen[orbit.source] = True
        self.rows = np.flatnonzero(seen).astype(np.int32)
        self.place = (np.cumsum(seen) - 1).astype(np.int32)
        self.coupling = np.zeros((len(self.rows), N_SOURCE, n_shared))
        self.matrix = np.zeros((n_shared, n_shared))
        self.reduced = np.zeros((n_shared, n_shared))
        self.side = np.zeros(n_shared)


class _Sums:
    """Sums over a rank's measurements, to be summed over ranks."""

    def __init__(self, problem: Problem, n_src: int) -> None:
        n_chip = problem.camera.n_chip * problem.calibration.n_chip_unknown
        self.n_unit_unknown = problem.n_unit_unknown
        self.n_calibration = problem.n_unit * problem.n_unit_unknown + n_chip
        self.full = np.zeros((n_src, N_PAIR))
        self.reduced = np.zeros((n_src, N_PAIR))
        self.side = np.zeros((n_src, N_SOURCE))
        self.calibration = Arrow.zeros(problem.n_unit, problem.n_unit_unknown, n_chip)
        self.reduced_calibration = Arrow.zeros(problem.n_unit, problem.n_unit_unknown, n_chip)
        self.side_calibration = np.zeros(self.n_calibration)
        self.chi2 = 0.0

    def add_unit(self, number: int, unit: _Unit) -> None:
        own = unknowns_of(number, self.n_unit_unknown, self.n_calibration, len(unit.side))
        self.calibration.add(number, unit.matrix)
        self.reduced_calibration.add(number, unit.reduced)
        self.side_calibration[own] += unit.side

    def system(self, problem: Problem, state: State, units: tuple[UnitSystem, ...], ranks: Ranks) -> System:
        parts = (
            self.full,
            self.reduced,
            self.side,
            *self.calibration,
            *self.reduced_calibration,
            self.side_calibration,
            np.array([self.chi2]),
        )
        total = ranks.sum(np.concatenate([part.ravel() for part in parts]))
        cuts = np.cumsum([part.size for part in parts])[:-1]
        full, reduced, side, *matrices, right, chi2 = (
            values.reshape(part.shape) for values, part in zip(np.split(total, cuts), parts, strict=True)
        )
        precision = np.linalg.inv(problem.sources.covariance)
        miss = problem.sources.mean - state.source
        prior = calibration_precision(problem)
        value = np.concatenate([state.unit.ravel(), state.chip.ravel()])
        pull = np.einsum("sij,sj->si", precision, miss)
        self.chi2 = float(chi2[0] + (miss * pull).sum() + (prior * value**2).sum())
        return System(
            units,
            _square(full) + precision,
            _square(reduced) + precision,
            *(Arrow(*three).with_diagonal(prior) for three in (matrices[:3], matrices[3:])),
            precision,
            prior,
            exposure_precision(problem),
            side + pull,
            right - prior * value,
            self.n_unit_unknown,
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


def unknowns_of(
    unit: int, n_unit_unknown: int, n_calibration: int, n_shared: int
) -> Int[np.ndarray, " n_shared"]:
    """Rows of a unit's unknowns, then the chips', among those of the calibration."""
    first = unit * n_unit_unknown
    n_chip = n_shared - n_unit_unknown
    return np.concatenate(
        [np.arange(first, first + n_unit_unknown), np.arange(n_calibration - n_chip, n_calibration)]
    )


def _square(elements: Float[np.ndarray, "n_src 15"]) -> Float[np.ndarray, "n_src 5 5"]:
    out = np.empty((len(elements), N_SOURCE, N_SOURCE))
    for p, (i, j) in enumerate(kernels.SOURCE_PAIRS):
        out[:, i, j] = out[:, j, i] = elements[:, p]
    return out


def _orbit(
    problem: Problem, orbit: Orbit, at: tuple, unit: _Unit, sums: _Sums, reweigh: bool
) -> tuple[OrbitSystem, np.ndarray, np.ndarray]:
    """Add one orbit to the sums; returns what is kept, the residuals and the weights."""
    shared, exposure, weight, noise = at
    n_obs, n_exp, n_shared = len(orbit.source), orbit.n_exp, len(unit.side)
    kept = np.empty(kernels.N_KEPT * n_obs, dtype=np.float32)
    residual, weights = np.empty((2, n_obs)), np.empty(n_obs)
    inverse = np.empty((n_exp, N_EXPOSURE, N_EXPOSURE))
    coupling, sides = np.empty((n_exp, N_EXPOSURE, n_shared)), np.empty((n_exp, N_EXPOSURE))
    precision = exposure_precision(problem)
    times = _times(orbit, shared)
    for inside, group in groups(orbit, exposure, weight, noise):
        result = found(problem, shared, group, reweigh)
        parts = type(result.blocks)(*map(np.asarray, result.blocks))
        left, weighed = np.asarray(result.residual), np.asarray(result.weight)
        sums.chi2 += float((weighed * ((left * group.root) ** 2).sum(0)).sum())
        for k, e in enumerate(inside):
            first, last = orbit.offset[e], orbit.offset[e + 1]
            n, rows = last - first, orbit.source[first:last]
            residual[:, first:last], weights[first:last] = left[:, k, :n], weighed[k, :n]
            own = kept[kernels.N_KEPT * first : kernels.N_KEPT * last].reshape(kernels.N_KEPT, n)
            own[:6] = parts.source[:, :, k, :n].reshape(6, n)
            own[6:] = parts.exposure[:, :, k, :n].reshape(10, n)
            drift = np.array([1.0, orbit.drift[e]]) if problem.calibration.drift else np.ones(1)
            matrix = with_drift(
                problem, with_drift(problem, parts.shared[k], orbit.drift[e]).T, orbit.drift[e]
            )
            side = with_drift(problem, parts.shared_right[k], orbit.drift[e])
            here = slice(None, N_EXPOSURE)
            coupling[e], sides[e] = matrix[here, N_EXPOSURE:], side[here] - precision * exposure[e]
            root = _inverse_root(matrix[here, here] + np.diag(precision), orbit, e, n)
            inverse[e] = root.T @ root
            sums.chi2 += float((precision * exposure[e] ** 2).sum())
            half = root @ coupling[e]
            unit.matrix += matrix[N_EXPOSURE:, N_EXPOSURE:]
            unit.reduced += matrix[N_EXPOSURE:, N_EXPOSURE:] - half.T @ half
            unit.side += side[N_EXPOSURE:]
            kernels.add_sources(
                rows,
                times[e],
                own,
                np.ascontiguousarray(parts.source_right[:, k, :n]),
                root,
                sums.full,
                sums.reduced,
                sums.side,
            )
            kernels.add_couplings(
                unit.place[rows],
                orbit.chip[first:last],
                times[e],
                drift,
                np.ascontiguousarray(parts.source_shift[:, :, k, :n]),
                np.ascontiguousarray(parts.basis[:, k, :n]),
                np.ascontiguousarray(parts.source_chip[:, :, k, :n]),
                unit.coupling,
            )
    return OrbitSystem(orbit, times, kept, inverse, coupling, sides), residual, weights


def _times(orbit: Orbit, shared: Shared) -> Float[np.ndarray, " n_exp"]:
    """Barycentric times of the exposures.

    For all sources of an exposure the same: those at its edges are off by 1e-7 yr, which no derivative minds.
    """
    observer, boresight = orbit.exposures.observer, orbit.exposures.axes.z
    delay = sum(np.asarray(b) * np.asarray(z) for b, z in zip(observer.b, boresight, strict=True))
    return (np.asarray(observer.t) + LIGHT_TIME_YR_PER_AU * delay)[:, 0]


def with_drift(
    problem: Problem, columns: Float[np.ndarray, "*shape n_shared"], at: float
) -> Float[np.ndarray, "*shape n"]:
    """With the drift's unknowns: derivatives by them are those by the coefficients times the time `at`."""
    if not problem.calibration.drift:
        return columns
    n_unit = 2 * problem.camera.optics.distortion.n_term
    before, unit, chips = np.split(columns, [N_EXPOSURE, N_EXPOSURE + n_unit], axis=-1)
    return np.concatenate([before, unit, at * unit, chips], axis=-1)


def _inverse_root(block: np.ndarray, orbit: Orbit, e: int, n_obs: int) -> np.ndarray:
    """Inverse of the lower Cholesky factor of an exposure's block."""
    scale = 1.0 / np.sqrt(np.diag(block))
    try:
        factor = np.linalg.cholesky(block * scale[:, None] * scale)
    except LinAlgError:
        factor = np.zeros((N_EXPOSURE, N_EXPOSURE))
    if not (np.diag(factor) > 1e-6).all():
        raise ConvergenceError(
            f"orbit {orbit.number}, exposure {e} of the orbit, with {n_obs} measurements: its attitude and "
            "focal lengths are not determined; leave the exposure out, or give them priors"
        )
    return np.linalg.solve(factor, np.eye(N_EXPOSURE)) * scale
