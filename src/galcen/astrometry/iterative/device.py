"""Sums over measurements on JAX's default device, a GPU as a rule.

An orbit is linearised at once. Its derivatives stay on the device as long as there is room; to the host come
the residuals, and sums of the size of exposures and sources. No sum is scattered: see `packing`.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from galcen.astrometry.iterative.blocks import Blocks, Derivatives
from galcen.astrometry.iterative.device_products import DeviceProducts
from galcen.astrometry.iterative.host import OnHost
from galcen.astrometry.iterative.kernels import N_KEPT
from galcen.astrometry.iterative.model import found, groups
from galcen.astrometry.iterative.options import Place
from galcen.astrometry.iterative.packing import (
    Tables,
    batch,
    batch_bytes,
    coupling,
    coupling_bytes,
    extended,
    gathered,
    layouts,
)
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Problem
from galcen.astrometry.iterative.products import Engine, Kept, Measured, Point, UnitSystem

MEMORY_SHARE = 0.7
"""Of the device's memory: the rest is for the model of an orbit, and between the passes of a product."""


def engine(place: Place) -> Engine:
    """What sums and multiplies, where it is wanted: the device, unless that is the CPU itself."""
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
    """Sums by JAX; see `Sums`.

    Parameters
    ----------
    problem
        The rank's orbits.
    budget
        Bytes of derivatives and couplings on the device; what is more than that stays with the host, and
        two pieces of it come and go. None: what `memory_budget` tells. To the last bit the results do not
        depend on it.
    """

    def __init__(self, problem: Problem, budget: int | None = None) -> None:
        self._problem, self._n_src = problem, len(problem.sources.ra)
        self._layouts, self._shape = layouts(problem.orbits, problem.camera.n_chip, self._n_src)
        self._seen = {unit: _seen(problem, unit) for unit in {orbit.unit for orbit in problem.orbits}}
        n_shared = problem.n_unit_unknown + problem.camera.n_chip * problem.calibration.n_chip_unknown
        self._coupling_shape = (max(map(len, self._seen.values()), default=0), N_SOURCE, n_shared)
        self._budget = memory_budget() if budget is None else budget

    def begin(self) -> None:
        """See `Sums`."""
        self._moments, self._side = jnp.zeros((3, self._n_src, 12)), jnp.zeros((self._n_src, N_SOURCE))
        sizes = [batch_bytes(one, self._shape, self._coupling_shape[2]) for one in self._layouts]
        sizes += [coupling_bytes(self._coupling_shape, self._n_src)] * len(self._seen)
        self._room = np.inf if self._budget is None else float(self._budget)
        if sum(sizes) > self._room:
            # One piece is used while another comes.
            self._room -= 2 * max(sizes)

    def begin_unit(self, members: Sequence[int]) -> None:
        """See `Sums`."""
        # Units have arrays of one shape; the last rows are those of no source.
        rows = self._seen[self._problem.orbits[members[0]].unit]
        self._rows = extended(rows, self._coupling_shape[0], self._n_src)
        self._coupling = jnp.zeros(self._coupling_shape)

    def measured(self, k: int, at: Point, reweigh: bool) -> Measured:
        """See `Sums`."""
        problem, orbit, layout = self._problem, self._problem.orbits[k], self._layouts[k]
        n_own, n_chip = problem.calibration.n_chip_unknown, problem.camera.n_chip
        self._last = k, None
        if len(orbit.source) == 0:
            n = N_EXPOSURE + 2 * problem.camera.optics.distortion.n_term + n_chip * n_own
            nothing = np.zeros((orbit.n_exp, n, n))
            return Measured(nothing, nothing[:, 0], np.zeros((2, 0)), np.zeros(0), 0.0)
        tables = jax.device_put(layout.tables)
        ((_, group),) = groups(orbit, n_chip, *at[1:], shape=self._shape)
        result = found(problem, at.shared, group, reweigh)
        self._side = self._side + _of_sources(jnp.moveaxis(result.blocks.source_right, 0, -1), tables)
        matrix, sides = _of_exposures(result.blocks, tables, n_own)
        self._last = k, (result.blocks.derivatives, tables)
        return Measured(
            np.asarray(matrix)[: orbit.n_exp],
            np.asarray(sides)[: orbit.n_exp],
            np.asarray(result.residual).reshape(2, -1)[:, layout.place],
            np.asarray(result.weight).reshape(-1)[layout.place] if reweigh else at.weight,
            float(result.chi2),
        )

    def eliminated(self, root: Float[np.ndarray, "n_exp 5 5"], t: float, drift: np.ndarray) -> Kept:
        """See `Sums`."""
        k, last = self._last
        if last is None:
            kept = jnp.zeros((N_KEPT, *self._shape), dtype=jnp.float32)
        else:
            padded = extended(root, len(self._layouts[k].tables.cells), 0.0)
            self._moments = _with_blocks(*last, padded, t, self._moments)
            self._coupling = _with_couplings(*last, self._rows, t, drift, self._coupling)
            kept = _kept(last[0])
        self._last = k, None
        n_shared = self._coupling_shape[2]
        return self._placed(kept, batch_bytes(self._layouts[k], self._shape, n_shared))

    def end_unit(self) -> tuple[Int[np.ndarray, " n_seen"], Kept]:
        """See `Sums`."""
        size = coupling_bytes(self._coupling_shape, self._n_src)
        return self._rows, self._placed(self._coupling, size)

    def of_sources(self) -> tuple[Float[np.ndarray, "3 n_src 12"], Float[np.ndarray, "n_src 5"]]:
        """See `Sums`."""
        return np.asarray(self._moments), np.asarray(self._side)

    def products(self, units: tuple[UnitSystem, ...], n_calibration: int) -> DeviceProducts:
        """See `Sums`."""
        layout = {orbit.number: one for orbit, one in zip(self._problem.orbits, self._layouts, strict=True)}
        batches = [
            batch(unit, one, layout[one.orbit.number], self._shape) for unit in units for one in unit.orbits
        ]
        couplings = [coupling(unit, self._n_src) for unit in units]
        return DeviceProducts(units, self._n_src, n_calibration, batches, couplings)

    def _placed(self, values: Array, size: int) -> Kept:
        """Where the piece that they belong to, of so many bytes, has its place."""
        if size > self._room:
            return np.asarray(values)
        self._room -= size
        return values


def _seen(problem: Problem, unit: int) -> Int[np.ndarray, " n_seen"]:
    """Sources that the orbits of a calibration unit measure."""
    seen = np.zeros(len(problem.sources.ra), dtype=bool)
    for orbit in problem.orbits:
        if orbit.unit == unit:
            seen[orbit.source] = True
    return np.flatnonzero(seen).astype(np.int32)


@jax.jit
def _kept(derivatives: Derivatives) -> Float32[Array, "16 n_panel n_row"]:
    source, exposure = derivatives.source, derivatives.exposure
    return jnp.concatenate([source.reshape(-1, *source.shape[2:]), exposure.reshape(-1, *source.shape[2:])])


@jax.jit
def _of_sources(values: Float[Array, "n_panel n_row n"], tables: Tables) -> Float[Array, "n_src n"]:
    """Sums over the measurements of each source."""
    sums = values.reshape(-1, values.shape[-1])
    for table in tables.sums:
        sums = gathered(sums, table)
    return sums


@partial(jax.jit, static_argnames="n_own")
def _of_exposures(
    blocks: Blocks, tables: Tables, n_own: int
) -> tuple[Float[Array, "n_exp n_all n_all"], Float[Array, "n_exp n_all"]]:
    """Matrices and right sides of the exposures, with the unknowns of all chips."""
    n_exp, n_chip, _ = tables.cells.shape
    panels = jnp.concatenate([blocks.shared, blocks.shared_right[:, :, None]], axis=2)
    n_first = panels.shape[1] - n_own
    flat = gathered(panels.reshape(len(panels), -1), tables.cells.reshape(n_exp * n_chip, -1))
    cells = flat.reshape(n_exp, n_chip, *panels.shape[1:])
    first, own, last = slice(n_first), slice(n_first, n_first + n_own), -1
    common, mixed, chips = cells[:, :, first, first].sum(1), cells[:, :, own, first], cells[:, :, own, own]
    mixed = mixed.reshape(n_exp, n_chip * n_own, n_first)
    # Chips have no unknown in common.
    chips = jnp.einsum("ecij,cd->ecidj", chips, jnp.eye(n_chip)).reshape(n_exp, n_chip * n_own, -1)
    rows = [jnp.concatenate([common, mixed.swapaxes(1, 2)], 2), jnp.concatenate([mixed, chips], 2)]
    sides = [cells[:, :, first, last].sum(1), cells[:, :, own, last].reshape(n_exp, -1)]
    return jnp.concatenate(rows, 1), jnp.concatenate(sides, 1)


@jax.jit
def _with_blocks(
    derivatives: Derivatives, tables: Tables, root: Array, t: float, moments: Float[Array, "3 n_src 12"]
) -> Float[Array, "3 n_src 12"]:
    """With the blocks of an orbit's sources."""
    source, exposure = (part.astype(jnp.float64) for part in derivatives[:2])
    through = (source[:, None] * exposure[None]).sum(2)
    along = jnp.einsum("pqr,irpl->iqpl", root[tables.exposure], through)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    whole = jnp.stack([(source[i] * source[j]).sum(0) for i, j in pairs], axis=-1)
    less = jnp.stack([(along[i] * along[j]).sum(0) for i, j in pairs], axis=-1)
    blocks = _of_sources(jnp.concatenate([whole, whole - less], axis=-1), tables)
    return moments + t ** jnp.arange(3.0)[:, None, None] * blocks


@jax.jit
def _with_couplings(
    derivatives: Derivatives, tables: Tables, rows: Array, t: float, drift: Array, coupling: Array
) -> Float[Array, "n_seen 5 n_shared"]:
    """With the couplings of an orbit's sources with its calibration."""
    n_row = derivatives.basis.shape[2]
    first, *others = tables.sums

    def near(part: Array) -> Array:
        """The measurements of each row of the first table."""
        values = jnp.moveaxis(part, (-2, -1), (0, 1)).reshape(-1, *part.shape[:-2])
        return jnp.take(values, first, axis=0, mode="fill", fill_value=0).astype(jnp.float64)

    source, _, shift, basis, own = map(near, derivatives)
    chip = jnp.take(tables.chip, first // n_row, mode="clip")[..., None] == jnp.arange(tables.cells.shape[1])
    along = jnp.einsum("swja,swia->swji", source, shift)
    distortion = jnp.einsum("swji,swm->sjim", along, basis).reshape(*first.shape[:1], 3, -1)
    own = jnp.einsum("swja,swoa->swjo", source, own)
    chips = jnp.einsum("swjo,swc->sjco", own, chip.astype(jnp.float64)).reshape(*first.shape[:1], 3, -1)
    parts = [*(part * distortion for part in drift), chips]
    sums = jnp.concatenate(parts, axis=2)
    n_shared = sums.shape[2]
    sums = sums.reshape(-1, 3 * n_shared)
    for table in others:
        sums = gathered(sums, table)
    sums = jnp.take(sums, rows, axis=0, mode="fill", fill_value=0).reshape(-1, 3, n_shared)
    return coupling + jnp.concatenate([sums, t * sums[:, :2]], axis=1)
