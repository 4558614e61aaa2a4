"""Products with the linear system, over all ranks."""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative import kernels
from galcen.astrometry.iterative.arrow import ArrowFactor
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.system import OrbitSystem, System, UnitSystem, unknowns_of


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


def nothing(system: System) -> Unknowns:
    """Zeros."""
    n_src, n_calibration = system.shape
    return Unknowns(np.zeros((n_src, 5)), np.zeros(n_calibration))


def product(system: System, ranks: Ranks, at: Unknowns) -> Unknowns:
    """S times a vector."""
    out = nothing(system)
    for unit in system.units:
        own = unknowns_of_unit(system, unit)
        at_shared = at.calibration[own]
        out_shared = unit.matrix @ at_shared
        for orbit in unit.orbits:
            kernels.reduced_product(
                *_measurements(orbit),
                orbit.inverse,
                orbit.coupling,
                at.source,
                at_shared,
                out.source,
                out_shared,
            )
        kernels.coupled_product(unit.rows, unit.coupling, at.source, at_shared, out.source, out_shared)
        out.calibration[own] += out_shared
    total = summed(ranks, out)
    return Unknowns(
        total.source + np.einsum("sij,sj->si", system.prior_source, at.source),
        total.calibration + system.prior_calibration * at.calibration,
    )


def right_side(system: System, ranks: Ranks) -> Unknowns:
    """g: the right side after the elimination of the exposures."""
    back = [[np.einsum("eij,ej->ei", o.inverse, o.sides) for o in unit.orbits] for unit in system.units]
    return Unknowns(system.side_source, system.side_calibration) - by_exposures(system, ranks, back)


def by_exposures(system: System, ranks: Ranks, at: list[list[np.ndarray]]) -> Unknowns:
    """N_xe times a vector of the exposures, by unit and orbit."""
    out = nothing(system)
    for unit, values in zip(system.units, at, strict=True):
        own = unknowns_of_unit(system, unit)
        out_shared = np.zeros(len(own))
        for orbit, value in zip(unit.orbits, values, strict=True):
            kernels.from_exposures(*_measurements(orbit), orbit.coupling, value, out.source, out_shared)
        out.calibration[own] += out_shared
    return summed(ranks, out)


def exposures_of(
    system: System, at: Unknowns, sides: list[list[np.ndarray]] | None = None
) -> list[list[np.ndarray]]:
    """N_ee^-1 (b_e - N_ex x): the exposures' step that belongs to one of sources and calibration.

    `sides` stands for b_e where it is given.
    """
    out: list[list[np.ndarray]] = []
    for u, unit in enumerate(system.units):
        at_shared = at.calibration[unknowns_of_unit(system, unit)]
        steps: list[np.ndarray] = []
        for k, orbit in enumerate(unit.orbits):
            through = np.empty_like(orbit.sides)
            kernels.to_exposures(*_measurements(orbit), orbit.coupling, at.source, at_shared, through)
            side = orbit.sides if sides is None else sides[u][k]
            steps.append(np.einsum("eij,ej->ei", orbit.inverse, side - through))
        out.append(steps)
    return out


class Preconditioner(Protocol):
    """An approximate inverse."""

    def solve(self, right: Unknowns) -> Unknowns:
        """Its product with a vector."""
        ...


class BlockInverse:
    """Inverse of the diagonal blocks: each source's, and the calibration's as a whole."""

    def __init__(self, source: Float[np.ndarray, "n_src 5 5"], calibration: ArrowFactor) -> None:
        self.source = inverse5(source)
        self._calibration = calibration

    def solve(self, right: Unknowns) -> Unknowns:
        """Its product with a vector."""
        return Unknowns(
            np.einsum("sij,sj->si", self.source, right.source), self._calibration.solve(right.calibration)
        )


def reduced_blocks(system: System) -> BlockInverse:
    """Of S: exposures eliminated before the blocks are taken; its raw blocks converge erratically."""
    return BlockInverse(system.reduced_source, ArrowFactor(system.reduced_calibration))


def inverse5(blocks: Float[np.ndarray, "n_src 5 5"]) -> Float[np.ndarray, "n_src 5 5"]:
    """Inverse of positive matrices, scaled to a unit diagonal before."""
    scale = 1.0 / np.sqrt(np.diagonal(blocks, axis1=1, axis2=2))
    scaled = np.linalg.inv(blocks * scale[:, :, None] * scale[:, None, :])
    scaled = 0.5 * (scaled + scaled.transpose(0, 2, 1))
    return scaled * scale[:, :, None] * scale[:, None, :]


def summed(ranks: Ranks, part: Unknowns) -> Unknowns:
    """Sum over the ranks."""
    n = part.source.size
    total = ranks.sum(np.concatenate([part.source.ravel(), part.calibration]))
    return Unknowns(total[:n].reshape(part.source.shape), total[n:])


def _measurements(orbit: OrbitSystem) -> tuple:
    return orbit.orbit.source, orbit.orbit.offset, orbit.t, orbit.kept


def unknowns_of_unit(system: System, unit: UnitSystem) -> Int[np.ndarray, " n_shared"]:
    """Rows of a unit's unknowns and the chips' in the calibration."""
    return unknowns_of(unit.unit, system.n_unit_unknown, system.shape[1], len(unit.matrix))
