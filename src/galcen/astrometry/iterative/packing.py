"""What is kept of orbits on a device: padded panels, and gathers in place of scattered sums.

Panels are those of the model, all of one length. A sum over the measurements of a source adds gathered rows
of `WIDTH` numbers, then rows of such sums, until each source has one: the order is that of a table, whatever
the device does in parallel, where a scattered sum takes them as threads come. All orbits of a rank have
arrays of one shape: what uses them is compiled once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from galcen.astrometry.iterative.kernels import N_KEPT
from galcen.astrometry.iterative.model import best_length, counts, panels
from galcen.astrometry.iterative.problem import Orbit
from galcen.astrometry.iterative.products import OrbitSystem, UnitSystem

WIDTH = 8
"""Numbers that are added at once: half a row of a source is empty, and each level is a pass over memory."""

NOWHERE = np.iinfo(np.int32).max
"""Row of a gather that is 0."""


class Tables(NamedTuple):
    """Which measurements of an orbit are added up; arrays of numpy, or on the device."""

    exposure: Int32[Array | np.ndarray, " n_panel"]
    chip: Int32[Array | np.ndarray, " n_panel"]
    cells: Int32[Array | np.ndarray, "n_exp n_chip n_most"]
    """Panels of each exposure on each chip."""
    sums: tuple[Int32[Array | np.ndarray, "n_sum 8"], ...]
    """Measurements of a source, by panel and row; sums of a source; ...; all sums of each source."""


class Layout(NamedTuple):
    """How an orbit lies in its padded arrays."""

    tables: Tables
    place: Int32[np.ndarray, " n_obs"]
    """Of each measurement among the rows of the panels."""


class Batch(NamedTuple):
    """An orbit of the system; arrays of numpy, or on the device."""

    kept: Float32[Array | np.ndarray, "16 n_panel n_row"]
    """Derivatives in the order of `kernels`; 0 in the padding."""
    source: Int32[Array | np.ndarray, "n_panel n_row"]
    tables: Tables
    t: Float[Array | np.ndarray, ""]
    inverse: Float[Array | np.ndarray, "n_exp 5 5"]
    coupling: Float[Array | np.ndarray, "n_exp 5 n_shared"]
    unknowns: Int32[Array | np.ndarray, " n_shared"]
    """Places of the calibration that the orbit sees."""


class Coupling(NamedTuple):
    """Sources with one calibration unit and the chips."""

    values: Float[Array | np.ndarray, "n_seen 5 n_shared"]
    rows: Int32[Array | np.ndarray, " n_seen"]
    place: Int32[Array | np.ndarray, " n_src"]
    """Row of each source in `values`."""
    unknowns: Int32[Array | np.ndarray, " n_shared"]


def layouts(orbits: Sequence[Orbit], n_chip: int, n_src: int) -> tuple[list[Layout], tuple[int, int]]:
    """Of all orbits, and the number and length of the panels of each."""
    rows = [counts(orbit, n_chip) for orbit in orbits]
    length = best_length(np.concatenate([*rows, np.zeros(0, dtype=int)]))
    cut = [panels(n, n_chip, length) for n in rows]
    n_panel = max((len(one.first) for one in cut), default=0)
    n_exp = max((orbit.n_exp for orbit in orbits), default=0)
    n_most = max((-(-int(n.max(initial=0)) // length) for n in rows), default=0)
    most = max((int(np.bincount(orbit.source).max(initial=0)) for orbit in orbits), default=0)
    found = []
    for orbit, one in zip(orbits, cut, strict=True):
        n = one.last - one.first
        begin = length * np.arange(len(n)) - one.first
        place = np.arange(len(orbit.source)) + np.repeat(begin, n)
        cell = one.exposure * n_chip + one.chip
        cells = np.full((n_exp * n_chip, n_most), NOWHERE, dtype=np.int32)
        cells[cell, np.arange(len(cell)) - np.searchsorted(cell, cell)] = np.arange(len(cell))
        whose = (extended(part.astype(np.int32), n_panel, 0) for part in (one.exposure, one.chip))
        sums = _sums(orbit.source, place, most, n_src)
        tables = Tables(*whose, cells.reshape(n_exp, n_chip, n_most), sums)
        found.append(Layout(tables, place.astype(np.int32)))
    n_sums = [max(map(len, level)) for level in zip(*(one.tables.sums for one in found), strict=True)]
    return [_padded(one, n_sums) for one in found], (n_panel, length)


def batch(unit: UnitSystem, one: OrbitSystem, layout: Layout, shape: tuple[int, int]) -> Batch:
    """An orbit; on the device what is kept of it is there."""
    n_exp = len(layout.tables.cells)
    source = np.zeros(shape, dtype=np.int32)
    source.reshape(-1)[layout.place] = one.orbit.source
    blocks = (extended(part, n_exp, 0.0) for part in (one.inverse, one.coupling))
    t = np.float64(one.t[0] if len(one.t) else 0.0)
    parts = (source, layout.tables, t, *blocks, unit.unknowns.astype(np.int32))
    return Batch(one.kept, *(jax.device_put(parts) if isinstance(one.kept, jax.Array) else parts))


def coupling(unit: UnitSystem, n_src: int) -> Coupling:
    """A unit; on the device where its values are."""
    place = np.full(n_src + 1, NOWHERE, dtype=np.int32)
    place[unit.rows] = np.arange(len(unit.rows))
    parts = (unit.rows, place[:n_src], unit.unknowns.astype(np.int32))
    values = unit.coupling
    return Coupling(values, *(jax.device_put(parts) if isinstance(values, jax.Array) else parts))


def batch_bytes(layout: Layout, shape: tuple[int, int], n_shared: int) -> int:
    """Of an orbit."""
    n_exp, (n_panel, length) = len(layout.tables.cells), shape
    tables = sum(leaf.nbytes for leaf in jax.tree.leaves(layout.tables))
    return tables + 4 * (N_KEPT + 1) * n_panel * length + 8 * n_exp * 5 * (5 + n_shared)


def coupling_bytes(shape: tuple[int, int, int], n_src: int) -> int:
    """Of a unit."""
    return 8 * int(np.prod(shape)) + 4 * (shape[0] + n_src)


def extended(values: np.ndarray, n: int, with_value: float) -> np.ndarray:
    """With rows of one value at the end, up to n."""
    if len(values) == n:
        return values
    rest = np.full((n - len(values), *values.shape[1:]), with_value, dtype=values.dtype)
    return np.concatenate([values, rest])


def gathered(values: Array, table: Array) -> Array:
    """Sums of the rows of `values` that each row of a table names."""
    return jnp.take(values, table, axis=0, mode="fill", fill_value=0).sum(1)


def _sums(source: np.ndarray, place: np.ndarray, most: int, n_src: int) -> tuple[np.ndarray, ...]:
    """Rows of measurements, rows of rows, until each source has one; a source has `most` at most."""
    item = np.argsort(source, kind="stable")
    source, item, tables = source[item], place[item], []
    while most > WIDTH:
        table, source = _rows(source, item)
        tables.append(table)
        item, most = np.arange(len(source)), -(-most // WIDTH)
    table, found = _rows(source, item)
    last = np.full((n_src, WIDTH), NOWHERE, dtype=np.int32)
    last[found] = table
    return (*tables, last)


def _rows(group: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Items of each group in rows of `WIDTH`, and the group of each row; groups are in order."""
    is_first = np.ones(len(group), dtype=bool)
    is_first[1:] = group[1:] != group[:-1]
    first = np.flatnonzero(is_first)
    count = np.diff(first, append=len(group))
    n_row = -(-count // WIDTH)
    within = np.arange(len(group)) - np.repeat(first, count)
    row = np.repeat(np.cumsum(n_row) - n_row, count) + within // WIDTH
    table = np.full((int(n_row.sum()), WIDTH), NOWHERE, dtype=np.int32)
    table[row, within % WIDTH] = item
    return table, np.repeat(group[first], n_row)


def _padded(layout: Layout, n_sums: list[int]) -> Layout:
    sums = (extended(table, n, NOWHERE) for table, n in zip(layout.tables.sums, n_sums, strict=True))
    return layout._replace(tables=layout.tables._replace(sums=tuple(sums)))
