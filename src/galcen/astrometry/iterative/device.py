"""Products with the linear system on JAX's default device, a GPU as a rule.

What does not fit the device stays in the host's memory, in batches: one is copied while the one before is
used. Vectors come from the host and go back there, since that is where ranks sum them.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.astrometry.iterative.options import Place
from galcen.astrometry.iterative.packing import (
    Batch,
    Coupling,
    batches_of,
    couplings,
    packed,
    size,
)
from galcen.astrometry.iterative.products import (
    ColumnsPerOrbit,
    Engine,
    OnHost,
    PerOrbit,
    UnitSystem,
    Unknowns,
)

BATCH_BYTES = 1 << 28
"""Derivatives of a batch: copied in much more time than a copy takes to begin."""

MEMORY_SHARE = 0.7
"""Of the device's memory: the rest is for what lies between the passes of a product, and for the model."""

Piece = TypeVar("Piece", Batch, Coupling)


def engine(place: Place) -> Engine:
    """What makes the products, where they are wanted: on the device, unless that is the CPU itself."""
    return OnDevice if _is_device(place) else OnHost


def description(place: Place) -> str:
    """The same for the log."""
    if not _is_device(place):
        return "compiled loops on the CPU"
    device, budget = jax.devices()[0], memory_budget()
    room = "memory without a limit" if budget is None else f"{budget / 1e9:.1f} GB"
    return f"JAX on {device.platform} {device.id} ({device.device_kind}), {room} for derivatives"


def memory_budget() -> int | None:
    """Bytes of the device that derivatives may take; None where it does not tell how many it has."""
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    return None if limit is None else int(MEMORY_SHARE * limit)


def _is_device(place: Place) -> bool:
    return place == "device" or (place == "auto" and jax.default_backend() != "cpu")


class OnDevice:
    """Products by JAX. The derivatives are copied to the device at the first product.

    Parameters
    ----------
    units, n_src, n_calibration
        See `Engine`.
    budget
        Bytes that stay on the device between products, and one batch more that is on its way; None: what
        `memory_budget` tells. With less than two batches those two are there all the same.
    batch_bytes
        Derivatives of a batch. Sums are in the order of the batches: to the last bit the results depend on
        this, and not on the budget.
    """

    def __init__(
        self,
        units: tuple[UnitSystem, ...],
        n_src: int,
        n_calibration: int,
        budget: int | None = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._units, self._n_src, self._n_calibration = units, n_src, n_calibration
        self._budget = memory_budget() if budget is None else budget
        self._members = batches_of(units, batch_bytes)

    def reduced(self, at: Unknowns) -> Unknowns:
        """See `Products`."""
        batches, _ = self._pieces
        step = partial(_reduced, jnp.asarray(at.source), jnp.asarray(at.calibration))
        total, shared = _swept(batches, step, jnp.zeros((self._n_src, 5)))
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
        batches, _ = self._pieces
        nothing = jnp.zeros((self._n_src, 5))
        total, shared = _swept(batches, _from_exposures, nothing, self._padded(at, ()))
        return Unknowns(np.asarray(total), self._calibration(shared))

    def columns_to_exposures(
        self, at: Float[np.ndarray, "n_src 5 n_column"]
    ) -> list[list[Float[np.ndarray, "n_exp 5 n_column"]]]:
        """See `Products`."""
        return self._by_exposure(partial(_columns_to_exposures, jnp.asarray(at)))

    def columns_from_exposures(self, at: ColumnsPerOrbit) -> Float[np.ndarray, "n_src 5 n_column"]:
        """See `Products`."""
        batches, _ = self._pieces
        shape = at[0][0].shape[2:]
        nothing = jnp.zeros((self._n_src, 5, *shape))
        return np.asarray(_swept(batches, _columns_from_exposures, nothing, self._padded(at, shape))[0])

    def _by_exposure(self, step: Callable[..., tuple[Array, Array]]) -> list[list[np.ndarray]]:
        """What a step gives of each batch, by unit and orbit."""
        batches, _ = self._pieces
        _, sides = _swept(batches, step, jnp.zeros(()))
        in_order = (
            values[: one.orbit.n_exp]
            for members, part in zip(self._members, sides, strict=True)
            # Padded orbits come last.
            for (_, one), values in zip(members, np.asarray(part), strict=False)
        )
        return [[next(in_order) for _ in unit.orbits] for unit in self._units]

    def _padded(self, at: ColumnsPerOrbit, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Values of the exposures as the batches hold them."""
        batches, _ = self._pieces
        given = (values for unit in at for values in unit)
        padded = [np.zeros((*batch.inverse.shape[:3], *shape)) for batch in batches]
        for members, values in zip(self._members, padded, strict=True):
            for o, (_, one) in enumerate(members):
                values[o, : one.orbit.n_exp] = next(given)
        return padded

    @cached_property
    def _pieces(self) -> tuple[list[Batch], list[Coupling]]:
        """Batches and couplings: on the device as many as it may hold, the others in the host's memory."""
        batches, units = packed(self._members, self._n_src), couplings(self._units, self._n_src)
        pieces = [*batches, *units]
        sizes = np.array([size(piece) for piece in pieces])
        room = np.inf if self._budget is None else self._budget
        if sizes.sum() > room:
            # One piece is used while another comes.
            room -= 2 * sizes.max()
        held = int(np.searchsorted(np.cumsum(sizes), room, side="right"))
        n = min(held, len(batches))
        return (
            [*map(jax.device_put, batches[:n]), *batches[n:]],
            [*map(jax.device_put, units[: held - n]), *units[held - n :]],
        )

    def _coupled(self, at: Unknowns, total: Array, calibration: np.ndarray) -> Unknowns:
        """With products of calibration with sources, both ways, and with itself."""
        _, units = self._pieces
        step = partial(_coupled, jnp.asarray(at.source), jnp.asarray(at.calibration))
        total, shared = _swept(units, step, total)
        for unit, values in zip(self._units, shared, strict=True):
            calibration[unit.unknowns] += unit.matrix @ at.calibration[unit.unknowns] + np.asarray(values)
        return Unknowns(np.asarray(total), calibration)

    def _calibration(self, shared: Sequence[Array]) -> Float[np.ndarray, " n_calibration"]:
        """Sum over the orbits."""
        out = np.zeros(self._n_calibration)
        for members, part in zip(self._members, shared, strict=True):
            for (unit, _), values in zip(members, np.asarray(part), strict=False):
                out[unit.unknowns] += values
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
    """Add a batch to the product of the matrix reduced by its exposures; with the calibration's by orbit."""
    x, y = _by_source(batch, source)
    sides = _sides(batch, x, y) + _coupled_sides(batch, calibration)
    steps = jnp.einsum("oeij,oej->oei", batch.inverse, sides)
    by_exposure = _by_exposure(batch, steps)
    total = total + _to_sources(batch, x - by_exposure[0], y - by_exposure[1])
    return total, -jnp.einsum("oeic,oei->oc", batch.coupling, steps)


@jax.jit
def _to_exposures(source: Array, calibration: Array, batch: Batch, total: Array) -> tuple[Array, Array]:
    return total, _sides(batch, *_by_source(batch, source)) + _coupled_sides(batch, calibration)


@jax.jit
def _from_exposures(batch: Batch, total: Array, at: Array) -> tuple[Array, Array]:
    total = total + _to_sources(batch, *_by_exposure(batch, at))
    return total, jnp.einsum("oeic,oei->oc", batch.coupling, at)


@jax.jit
def _columns_to_exposures(at: Array, batch: Batch, total: Array) -> tuple[Array, Array]:
    # One column after the other: together, what lies between the passes would fill the device.
    sides = jax.lax.map(lambda column: _sides(batch, *_by_source(batch, column)), jnp.moveaxis(at, 2, 0))
    return total, jnp.moveaxis(sides, 0, -1)


@jax.jit
def _columns_from_exposures(batch: Batch, total: Array, at: Array) -> tuple[Array, Array]:
    columns = jnp.moveaxis(at, 3, 0)
    sums = jax.lax.map(lambda column: _to_sources(batch, *_by_exposure(batch, column)), columns)
    return total + jnp.moveaxis(sums, 0, -1), jnp.zeros(())


@jax.jit
def _coupled(source: Array, calibration: Array, unit: Coupling, total: Array) -> tuple[Array, Array]:
    products = jnp.einsum("sic,c->si", unit.values, calibration[unit.unknowns])
    total = total + jnp.take(products, unit.place, axis=0, mode="fill", fill_value=0.0)
    return total, jnp.einsum("sic,si->c", unit.values, source[unit.rows])


def _by_source(batch: Batch, source: Array) -> tuple[Array, Array]:
    """Derivatives by the sources times their unknowns, in x and y, (n_panel, n_row)."""
    rows, t = source[batch.source], batch.t[batch.exposure][:, None]
    a, d = rows[..., 0] + t * rows[..., 3], rows[..., 1] + t * rows[..., 4]
    j = _derivatives(batch)
    return j(0) * a + j(2) * d + j(4) * rows[..., 2], j(1) * a + j(3) * d + j(5) * rows[..., 2]


def _by_exposure(batch: Batch, steps: Array) -> tuple[Array, Array]:
    """Derivatives by the exposures times their unknowns, in x and y, (n_panel, n_row)."""
    rows, j = steps.reshape(-1, 5)[batch.exposure], _derivatives(batch)
    x = sum((j(6 + 2 * i) * rows[:, i, None] for i in range(1, 5)), start=j(6) * rows[:, 0, None])
    y = sum((j(7 + 2 * i) * rows[:, i, None] for i in range(1, 5)), start=j(7) * rows[:, 0, None])
    return x, y


def _sides(batch: Batch, x: Array, y: Array) -> Float[Array, "n_orbit n_exp 5"]:
    """The transpose: sums over the measurements of each exposure."""
    j = _derivatives(batch)
    panels = jnp.stack([(j(6 + 2 * i) * x + j(7 + 2 * i) * y).sum(1) for i in range(5)], axis=1)
    return _gathered(panels, batch.panels).reshape(batch.inverse.shape[:3])


def _coupled_sides(batch: Batch, calibration: Array) -> Float[Array, "n_orbit n_exp 5"]:
    return jnp.einsum("oeic,oc->oei", batch.coupling, calibration[batch.unknowns])


def _to_sources(batch: Batch, x: Array, y: Array) -> Float[Array, "n_src 5"]:
    """Sums over the measurements of each source."""
    j = _derivatives(batch)
    each = jnp.stack([j(2 * i) * x + j(2 * i + 1) * y for i in range(3)], axis=-1).reshape(-1, 3)
    first, *others = batch.sums
    sums = _gathered(each, first)
    sums = jnp.concatenate([sums, batch.t_sum[:, None] * sums[:, :2]], axis=1)
    for table in others:
        sums = _gathered(sums, table)
    return sums


def _gathered(values: Array, table: Array) -> Array:
    """Sums of the rows of `values` that each row of a table names."""
    return jnp.take(values, table, axis=0, mode="fill", fill_value=0.0).sum(1)


def _derivatives(batch: Batch) -> Callable[[int], Array]:
    return lambda i: batch.kept[:, i].astype(jnp.float64)
