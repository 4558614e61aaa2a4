"""Sums over measurements, and products with what is kept of them, by the compiled loops of a CPU."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative import accumulation, columns, kernels
from galcen.astrometry.iterative.model import found, groups
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Problem
from galcen.astrometry.iterative.products import (
    ColumnsPerOrbit,
    Measured,
    OrbitSystem,
    PerOrbit,
    Point,
    UnitSystem,
    Unknowns,
)


class OnHost:
    """Sums by compiled loops; see `Sums`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._scratch = np.empty(0)

    def begin(self) -> None:
        """See `Sums`."""
        n_src = len(self._problem.sources.ra)
        self._moments, self._side = np.zeros((3, n_src, 12)), np.zeros((n_src, N_SOURCE))

    def begin_unit(self, members: Sequence[int]) -> None:
        """See `Sums`."""
        problem = self._problem
        seen = np.zeros(len(self._side), dtype=bool)
        for k in members:
            seen[problem.orbits[k].source] = True
        self._rows = np.flatnonzero(seen).astype(np.int32)
        self._place = (np.cumsum(seen) - 1).astype(np.int32)
        n_shared = problem.n_unit_unknown + problem.camera.n_chip * problem.calibration.n_chip_unknown
        self._coupling = np.zeros((len(self._rows), N_SOURCE, n_shared))

    def measured(self, k: int, at: Point, reweigh: bool) -> Measured:
        """See `Sums`."""
        problem, orbit = self._problem, self._problem.orbits[k]
        n_obs, n_exp, n_chip = len(orbit.source), orbit.n_exp, problem.camera.n_chip
        n_term, n_own = problem.camera.optics.distortion.n_term, problem.calibration.n_chip_unknown
        n_all = N_EXPOSURE + 2 * n_term + n_chip * n_own
        kept = np.empty(kernels.N_KEPT * n_obs, dtype=np.float32)
        rows = self._rows_of_orbit((n_obs, 10 + n_term + 2 * n_own))
        residual, weights, chi2 = np.empty((2, n_obs)), np.empty((1, n_obs)), 0.0
        matrix, sides = np.zeros((n_exp, n_all, n_all)), np.zeros((n_exp, n_all))
        for inside, group in groups(orbit, n_chip, *at[1:]):
            result = jax.tree.map(np.asarray, found(problem, at.shared, group, reweigh))
            parts, span = result.blocks, (inside.first, inside.last)
            by_source, by_exposure, *others = (
                part.reshape(-1, *group.source.shape) for part in parts.derivatives
            )
            chi2 += float(result.chi2)
            accumulation.unpadded(*span, result.residual, residual)
            accumulation.unpadded(*span, result.weight[None], weights)
            accumulation.keep_group(
                *span, inside.exposure, orbit.offset, by_source, by_exposure, tuple(others), kept, rows
            )
            accumulation.add_sides(*span, orbit.source, parts.source_right, self._side)
            accumulation.add_group(
                inside.exposure, inside.chip, parts.shared, parts.shared_right, n_own, matrix, sides
            )
        self._last = orbit, kept, rows
        return Measured(matrix, sides, residual, weights[0], chi2)

    def eliminated(
        self, root: Float[np.ndarray, "n_exp 5 5"], t: float, drift: np.ndarray
    ) -> Float[np.ndarray, " n_kept"]:
        """See `Sums`."""
        orbit, kept, rows = self._last
        by_position = np.zeros((len(self._side), 12))
        accumulation.add_sources(orbit.source, orbit.offset, kept, root, by_position)
        for power in range(3):
            self._moments[power] += t**power * by_position
        n_term = self._problem.camera.optics.distortion.n_term
        accumulation.add_couplings(
            orbit.source, self._place, orbit.chip, rows, n_term, t, drift, self._coupling
        )
        return kept

    def end_unit(self) -> tuple[Int[np.ndarray, " n_seen"], Float[np.ndarray, "n_seen 5 n_shared"]]:
        """See `Sums`."""
        return self._rows, self._coupling

    def of_sources(self) -> tuple[Float[np.ndarray, "3 n_src 12"], Float[np.ndarray, "n_src 5"]]:
        """See `Sums`."""
        return self._moments, self._side

    def products(self, units: tuple[UnitSystem, ...], n_calibration: int) -> "HostProducts":
        """See `Sums`."""
        return HostProducts(units, len(self._side), n_calibration)

    def _rows_of_orbit(self, shape: tuple[int, int]) -> np.ndarray:
        """Memory that all orbits use in turn: new memory takes as long as filling it."""
        n = shape[0] * shape[1]
        if self._scratch.size < n:
            self._scratch = np.empty(n)
        return self._scratch[:n].reshape(shape)


class HostProducts:
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
