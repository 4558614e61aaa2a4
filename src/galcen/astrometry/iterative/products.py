"""What a rank keeps of its measurements, and who sums and multiplies them.

Whoever makes the system knows `Sums` alone, whoever solves it `Products`: `host.OnHost` and `device.OnDevice`
give the same numbers but for rounding. Both leave out priors and sums over ranks: see `system`, `operator`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Float, Int

from galcen.astrometry.iterative.model import Shared
from galcen.astrometry.iterative.problem import Orbit, Problem

Kept = np.ndarray | Array
"""Of numpy, or on the device."""

PerOrbit = Sequence[Sequence[Float[np.ndarray, "n_exp 5"]]]
"""Values of the exposures, by unit and orbit as in the system."""

ColumnsPerOrbit = Sequence[Sequence[Float[np.ndarray, "n_exp 5 n_column"]]]
"""The same of many vectors."""


class Unknowns(NamedTuple):
    """A vector of all that is left when the exposures are eliminated."""

    source: Float[np.ndarray, "n_src 5"]
    calibration: Float[np.ndarray, " n_calibration"]
    """The units' unknowns, then the chips'."""

    def __add__(self, other: "Unknowns") -> "Unknowns":  # type: ignore[override]
        return Unknowns(self.source + other.source, self.calibration + other.calibration)

    def __sub__(self, other: "Unknowns") -> "Unknowns":
        return Unknowns(self.source - other.source, self.calibration - other.calibration)

    def times(self, factor: float) -> "Unknowns":
        """Multiplied by a number."""
        return Unknowns(factor * self.source, factor * self.calibration)

    def dot(self, other: "Unknowns") -> float:
        """Scalar product."""
        return float(np.vdot(self.source, other.source) + np.vdot(self.calibration, other.calibration))


class OrbitSystem(NamedTuple):
    """What is kept of an orbit."""

    orbit: Orbit
    t: Float[np.ndarray, " n_exp"]
    """Time by which the derivatives by a, d are those by motions [Julian year]; one for all exposures."""
    kept: Kept
    """Derivatives in float32, as the engine keeps them: see `kernels` and `packing`."""
    inverse: Float[np.ndarray, "n_exp 5 5"]
    """Of the exposures' blocks."""
    coupling: Float[np.ndarray, "n_exp 5 n_shared"]
    """Of exposures with their calibration: the unit's unknowns, then the chips'."""
    sides: Float[np.ndarray, "n_exp 5"]


class UnitSystem(NamedTuple):
    """What the rank's orbits say together of a calibration unit and the chips."""

    unknowns: Int[np.ndarray, " n_shared"]
    """Places of the unit's unknowns, then the chips', in the calibration."""
    orbits: tuple[OrbitSystem, ...]
    rows: Int[np.ndarray, " n_seen"]
    """Sources that were measured in them; at the end there may be rows of no source, with couplings 0."""
    coupling: Kept
    """(n_seen, 5, n_shared)."""
    matrix: Float[np.ndarray, "n_shared n_shared"]
    """Of calibration with itself; without priors."""


class Products(Protocol):
    """Products of a rank's part of the system with vectors."""

    def reduced(self, at: Unknowns) -> Unknowns:
        """Of the matrix that is reduced by the exposures."""
        ...

    def coupled(self, at: Unknowns) -> Unknowns:
        """Of calibration with sources, sources with calibration, and calibration with itself."""
        ...

    def to_exposures(self, at: Unknowns) -> list[list[Float[np.ndarray, "n_exp 5"]]]:
        """Of the rows of the exposures with sources and calibration."""
        ...

    def from_exposures(self, at: PerOrbit) -> Unknowns:
        """Of the columns of the exposures: the transpose."""
        ...

    def columns_to_exposures(
        self, at: Float[np.ndarray, "n_src 5 n_column"]
    ) -> list[list[Float[np.ndarray, "n_exp 5 n_column"]]]:
        """Of the rows of the exposures with the sources alone, for many vectors."""
        ...

    def columns_from_exposures(self, at: ColumnsPerOrbit) -> Float[np.ndarray, "n_src 5 n_column"]:
        """Of the columns of the exposures in the rows of the sources, for many vectors."""
        ...


class Point(NamedTuple):
    """Where the measurements of an orbit are linearised."""

    shared: Shared
    exposure: Float[np.ndarray, "n_exp 5"]
    weight: Float[np.ndarray, " n_obs"]
    noise: Float[np.ndarray, " n_obs"] | None
    """Excess noise [pixel]."""


class Measured(NamedTuple):
    """What the measurements of an orbit say of its exposures and of the calibration; without priors."""

    matrix: Float[np.ndarray, "n_exp n_all n_all"]
    """Of the exposure's unknowns, the coefficients, and all chips'."""
    sides: Float[np.ndarray, "n_exp n_all"]
    residual: Float[np.ndarray, "2 n_obs"]
    """Observed minus predicted [pixel]."""
    weight: Float[np.ndarray, " n_obs"]
    chi2: float


class Sums(Protocol):
    """Sums over a rank's measurements, unit by unit and there orbit by orbit."""

    def begin(self) -> None:
        """Nothing is summed."""
        ...

    def begin_unit(self, members: Sequence[int]) -> None:
        """The next orbits are these, by their place in the problem."""
        ...

    def measured(self, k: int, at: Point, reweigh: bool) -> Measured:
        """Linearise the k-th orbit."""
        ...

    def eliminated(self, root: Float[np.ndarray, "n_exp 5 5"], t: float, drift: np.ndarray) -> Kept:
        """Add the orbit that was measured last to its sources and their couplings; returns what is kept.

        `root` are inverses of the lower Cholesky factors of the exposures' blocks; `drift` is 1 and, where
        the distortion drifts, the orbit's place in time.
        """
        ...

    def end_unit(self) -> tuple[Int[np.ndarray, " n_seen"], Kept]:
        """Sources of the unit's orbits, and their couplings (n_seen, 5, n_shared) with the calibration."""
        ...

    def of_sources(self) -> tuple[Float[np.ndarray, "3 n_src 12"], Float[np.ndarray, "n_src 5"]]:
        """Of all orbits, and the right sides.

        Blocks by a, d, parallax, six elements of each before and six after the elimination of the exposures,
        times the powers 0, 1, 2 of the orbits' times.
        """
        ...

    def products(self, units: tuple[UnitSystem, ...], n_calibration: int) -> Products:
        """With the system that the units make, and so many unknowns of the calibration."""
        ...


class Engine(Protocol):
    """Where measurements are summed and multiplied."""

    def __call__(self, problem: Problem) -> Sums:
        """What sums the measurements of a problem, for as many linearisations as are wanted."""
        ...
