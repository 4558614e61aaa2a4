"""What a rank keeps of its measurements, and the products with it; here by the compiled loops of a CPU.

Whoever solves the system knows `Products` alone: `OnHost` and `device.OnDevice` give the same numbers but
for rounding. Products leave out priors and sums over ranks: see `operator`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative import columns, kernels
from galcen.astrometry.iterative.problem import Orbit

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
    kept: Float[np.ndarray, " n_kept"]
    """See `kernels`; float32."""
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
    """Sources that were measured in them."""
    coupling: Float[np.ndarray, "n_seen 5 n_shared"]
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


class Engine(Protocol):
    """Makes `Products` of what the rank keeps."""

    def __call__(self, units: tuple[UnitSystem, ...], n_src: int, n_calibration: int) -> Products:
        """The products with vectors of so many sources, and unknowns of the calibration."""
        ...


class OnHost:
    """Products by compiled loops."""

    def __init__(self, units: tuple[UnitSystem, ...], n_src: int, n_calibration: int) -> None:
        self._units, self._shape = units, (n_src, n_calibration)

    def reduced(self, at: Unknowns) -> Unknowns:
        """See `Products`."""
        out = self._nothing()
        for unit in self._units:
            at_shared, out_shared = _coupled(unit, at, out)
            for one in unit.orbits:
                blocks = (one.inverse, one.coupling)
                kernels.reduced_product(
                    *_measurements(one), *blocks, at.source, at_shared, out.source, out_shared
                )
            out.calibration[unit.unknowns] += out_shared
        return out

    def coupled(self, at: Unknowns) -> Unknowns:
        """See `Products`."""
        out = self._nothing()
        for unit in self._units:
            _, out_shared = _coupled(unit, at, out)
            out.calibration[unit.unknowns] += out_shared
        return out

    def to_exposures(self, at: Unknowns) -> list[list[Float[np.ndarray, "n_exp 5"]]]:
        """See `Products`."""
        return [
            [_to_exposures(one, at.source, at.calibration[unit.unknowns]) for one in unit.orbits]
            for unit in self._units
        ]

    def from_exposures(self, at: PerOrbit) -> Unknowns:
        """See `Products`."""
        out = self._nothing()
        for unit, values in zip(self._units, at, strict=True):
            out_shared = np.zeros(len(unit.unknowns))
            for one, value in zip(unit.orbits, values, strict=True):
                kernels.from_exposures(*_measurements(one), one.coupling, value, out.source, out_shared)
            out.calibration[unit.unknowns] += out_shared
        return out

    def columns_to_exposures(
        self, at: Float[np.ndarray, "n_src 5 n_column"]
    ) -> list[list[Float[np.ndarray, "n_exp 5 n_column"]]]:
        """See `Products`."""
        out = [[np.empty((*one.sides.shape, at.shape[2])) for one in unit.orbits] for unit in self._units]
        for unit, parts in zip(self._units, out, strict=True):
            for one, part in zip(unit.orbits, parts, strict=True):
                columns.to_exposures(*_measurements(one), at, part)
        return out

    def columns_from_exposures(self, at: ColumnsPerOrbit) -> Float[np.ndarray, "n_src 5 n_column"]:
        """See `Products`."""
        out = np.zeros((self._shape[0], 5, at[0][0].shape[2]))
        for unit, values in zip(self._units, at, strict=True):
            for one, value in zip(unit.orbits, values, strict=True):
                columns.from_exposures(*_measurements(one), value, out)
        return out

    def _nothing(self) -> Unknowns:
        n_src, n_calibration = self._shape
        return Unknowns(np.zeros((n_src, 5)), np.zeros(n_calibration))


def _coupled(unit: UnitSystem, at: Unknowns, out: Unknowns) -> tuple[np.ndarray, np.ndarray]:
    """Add a unit to the sources; returns its unknowns, and the product that belongs to them."""
    at_shared = at.calibration[unit.unknowns]
    out_shared = unit.matrix @ at_shared
    kernels.coupled_product(unit.rows, unit.coupling, at.source, at_shared, out.source, out_shared)
    return at_shared, out_shared


def _to_exposures(one: OrbitSystem, source: np.ndarray, at_shared: np.ndarray) -> np.ndarray:
    out = np.empty_like(one.sides)
    kernels.to_exposures(*_measurements(one), one.coupling, source, at_shared, out)
    return out


def _measurements(one: OrbitSystem) -> tuple:
    return one.orbit.source, one.orbit.offset, one.t, one.kept
