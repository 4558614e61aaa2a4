"""Products with the linear system on JAX's default device, a GPU as a rule.

What does not fit the device stays in the host's memory: one orbit is copied while the one before is used.
Vectors come from the host and go back there, since that is where ranks sum them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.astrometry.iterative.packing import Batch, Coupling, gathered
from galcen.astrometry.iterative.products import ColumnsPerOrbit, PerOrbit, UnitSystem, Unknowns

Piece = TypeVar("Piece", Batch, Coupling)


class DeviceProducts:
    """Products by JAX.

    Parameters
    ----------
    units, n_src, n_calibration
        The system, and the numbers of sources and of the calibration's unknowns.
    batches, couplings
        Its orbits and its units, in order.
    """

    def __init__(
        self,
        units: tuple[UnitSystem, ...],
        n_src: int,
        n_calibration: int,
        batches: Sequence[Batch],
        couplings: Sequence[Coupling],
    ) -> None:
        self._units, self._n_src, self._n_calibration = units, n_src, n_calibration
        self.batches, self.couplings = batches, couplings

    def reduced(self, at: Unknowns) -> Unknowns:
        """See `Products`."""
        step = partial(_reduced, jnp.asarray(at.source), jnp.asarray(at.calibration))
        total, shared = _swept(self.batches, step, jnp.zeros((self._n_src, 5)))
        return self._coupled(at, total, self._calibration(shared))

    def coupled(self, at: Unknowns) -> Unknowns:
        """See `Products`."""
        return self._coupled(at, jnp.zeros((self._n_src, 5)), np.zeros(self._n_calibration))

    def to_exposures(self, at: Unknowns) -> list[list[Float[np.ndarray, "n_exp 5"]]]:
        """See `Products`."""
        step = partial(_to_exposures, jnp.asarray(at.source), jnp.asarray(at.calibration))
        return self._by_exposure(step)

    def from_exposures(self, at: PerOrbit) -> Unknowns:
        """See `Products`."""
        nothing = jnp.zeros((self._n_src, 5))
        total, shared = _swept(self.batches, _from_exposures, nothing, self._padded(at, ()))
        return Unknowns(np.asarray(total), self._calibration(shared))

    def columns_to_exposures(
        self, at: Float[np.ndarray, "n_src 5 n_column"]
    ) -> list[list[Float[np.ndarray, "n_exp 5 n_column"]]]:
        """See `Products`."""
        return self._by_exposure(partial(_columns_to_exposures, jnp.asarray(at)))

    def columns_from_exposures(self, at: ColumnsPerOrbit) -> Float[np.ndarray, "n_src 5 n_column"]:
        """See `Products`."""
        shape = at[0][0].shape[2:]
        nothing = jnp.zeros((self._n_src, 5, *shape))
        return np.asarray(_swept(self.batches, _columns_from_exposures, nothing, self._padded(at, shape))[0])

    def _by_exposure(self, step: Callable[..., tuple[Array, Array]]) -> list[list[np.ndarray]]:
        """What a step gives of each orbit, by unit and orbit."""
        sides = iter(_swept(self.batches, step, jnp.zeros(()))[1])
        return [[np.asarray(next(sides))[: one.orbit.n_exp] for one in unit.orbits] for unit in self._units]

    def _padded(self, at: ColumnsPerOrbit, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Values of the exposures as the batches hold them."""
        padded = [np.zeros((*batch.inverse.shape[:2], *shape)) for batch in self.batches]
        for values, given in zip(padded, (values for unit in at for values in unit), strict=True):
            values[: len(given)] = given
        return padded

    def _coupled(self, at: Unknowns, total: Array, calibration: np.ndarray) -> Unknowns:
        """With products of calibration with sources, both ways, and with itself."""
        step = partial(_coupled, jnp.asarray(at.source), jnp.asarray(at.calibration))
        total, shared = _swept(self.couplings, step, total)
        for unit, values in zip(self._units, shared, strict=True):
            calibration[unit.unknowns] += unit.matrix @ at.calibration[unit.unknowns] + np.asarray(values)
        return Unknowns(np.asarray(total), calibration)

    def _calibration(self, shared: Sequence[Array]) -> Float[np.ndarray, " n_calibration"]:
        """Sum over the orbits."""
        out, values = np.zeros(self._n_calibration), iter(shared)
        for unit in self._units:
            for _ in unit.orbits:
                out[unit.unknowns] += np.asarray(next(values))
        return out


def _swept(
    pieces: Sequence[Piece],
    step: Callable[..., tuple[Array, Array]],
    total: Array,
    given: Sequence[np.ndarray] | None = None,
) -> tuple[Array, list[Array]]:
    """Pieces in turn: the total that is handed from each to the next, and what each gives besides."""
    results: list[Array] = []
    coming = jax.device_put(pieces[0]) if pieces else None
    for k in range(len(pieces)):
        here = coming
        total, result = step(here, total, *(() if given is None else (given[k],)))
        results.append(result)
        if k + 1 < len(pieces):
            if isinstance(pieces[k + 1][0], np.ndarray):
                # The step runs on, or waits for its piece, while the next is copied; but copies must not run
                # ahead of the steps and fill the device.
                jax.block_until_ready(results[k - 1 : k])
            coming = jax.device_put(pieces[k + 1])
    return total, results


@jax.jit
def _reduced(source: Array, calibration: Array, batch: Batch, total: Array) -> tuple[Array, Array]:
    """Add an orbit to the product of the matrix reduced by its exposures; with the calibration's."""
    x, y = _by_source(batch, source)
    sides = _sides(batch, x, y) + _coupled_sides(batch, calibration)
    steps = jnp.einsum("eij,ej->ei", batch.inverse, sides)
    by_exposure = _by_exposure(batch, steps)
    total = total + _to_sources(batch, x - by_exposure[0], y - by_exposure[1])
    return total, -jnp.einsum("eic,ei->c", batch.coupling, steps)


@jax.jit
def _to_exposures(source: Array, calibration: Array, batch: Batch, total: Array) -> tuple[Array, Array]:
    return total, _sides(batch, *_by_source(batch, source)) + _coupled_sides(batch, calibration)


@jax.jit
def _from_exposures(batch: Batch, total: Array, at: Array) -> tuple[Array, Array]:
    total = total + _to_sources(batch, *_by_exposure(batch, at))
    return total, jnp.einsum("eic,ei->c", batch.coupling, at)


@jax.jit
def _columns_to_exposures(at: Array, batch: Batch, total: Array) -> tuple[Array, Array]:
    # One column after the other: together, what lies between the passes would fill the device.
    sides = jax.lax.map(lambda column: _sides(batch, *_by_source(batch, column)), jnp.moveaxis(at, 2, 0))
    return total, jnp.moveaxis(sides, 0, -1)


@jax.jit
def _columns_from_exposures(batch: Batch, total: Array, at: Array) -> tuple[Array, Array]:
    columns = jnp.moveaxis(at, 2, 0)
    sums = jax.lax.map(lambda column: _to_sources(batch, *_by_exposure(batch, column)), columns)
    return total + jnp.moveaxis(sums, 0, -1), jnp.zeros(())


@jax.jit
def _coupled(source: Array, calibration: Array, unit: Coupling, total: Array) -> tuple[Array, Array]:
    products = jnp.einsum("sic,c->si", unit.values, calibration[unit.unknowns])
    total = total + jnp.take(products, unit.place, axis=0, mode="fill", fill_value=0.0)
    return total, jnp.einsum("sic,si->c", unit.values, source[unit.rows])


def _by_source(batch: Batch, source: Array) -> tuple[Array, Array]:
    """Derivatives by the sources times their unknowns, in x and y, (n_panel, n_row)."""
    rows, j = source[batch.source], _derivatives(batch)
    a, d = rows[..., 0] + batch.t * rows[..., 3], rows[..., 1] + batch.t * rows[..., 4]
    return j(0) * a + j(2) * d + j(4) * rows[..., 2], j(1) * a + j(3) * d + j(5) * rows[..., 2]


def _by_exposure(batch: Batch, steps: Array) -> tuple[Array, Array]:
    """Derivatives by the exposures times their unknowns, in x and y, (n_panel, n_row)."""
    rows, j = steps[batch.tables.exposure], _derivatives(batch)
    x = sum((j(6 + 2 * i) * rows[:, i, None] for i in range(1, 5)), start=j(6) * rows[:, 0, None])
    y = sum((j(7 + 2 * i) * rows[:, i, None] for i in range(1, 5)), start=j(7) * rows[:, 0, None])
    return x, y


def _sides(batch: Batch, x: Array, y: Array) -> Float[Array, "n_exp 5"]:
    """The transpose: sums over the measurements of each exposure."""
    j, cells = _derivatives(batch), batch.tables.cells
    panels = jnp.stack([(j(6 + 2 * i) * x + j(7 + 2 * i) * y).sum(1) for i in range(5)], axis=1)
    return gathered(panels, cells.reshape(len(cells), -1))


def _coupled_sides(batch: Batch, calibration: Array) -> Float[Array, "n_exp 5"]:
    return jnp.einsum("eic,c->ei", batch.coupling, calibration[batch.unknowns])


def _to_sources(batch: Batch, x: Array, y: Array) -> Float[Array, "n_src 5"]:
    """Sums over the measurements of each source."""
    j = _derivatives(batch)
    sums = jnp.stack([j(2 * i) * x + j(2 * i + 1) * y for i in range(3)], axis=-1).reshape(-1, 3)
    for table in batch.tables.sums:
        sums = gathered(sums, table)
    return jnp.concatenate([sums, batch.t * sums[:, :2]], axis=1)


def _derivatives(batch: Batch) -> Callable[[int], Array]:
    return lambda i: batch.kept[i].astype(jnp.float64)
