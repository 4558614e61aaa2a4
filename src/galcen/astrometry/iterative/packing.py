"""What is kept of orbits, laid out for a device: padded panels, and gathers in place of scattered sums.

Measurements of an exposure are cut into panels of one length, padded with derivatives 0. A sum over those of
a source adds gathered rows of `WIDTH` numbers, then rows of such sums, until each source has one: the order
is that of a table, whatever the device does in parallel, where a scattered sum takes them as threads come.
Batches depend on the problem alone, not on where they are kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from galcen.astrometry.iterative.kernels import N_KEPT
from galcen.astrometry.iterative.products import OrbitSystem, UnitSystem

LENGTHS = (256, 128, 64, 32)
"""Of panels: the first that leaves less than `LARGEST_FILL` empty."""

LARGEST_FILL = 0.1

WIDTH = 8
"""Numbers that are added at once: half a row of a source is empty, and each level is a pass over memory."""

NOWHERE = np.iinfo(np.int32).max
"""Row of a gather that is 0."""


class Batch(NamedTuple):
    """Some orbits of a rank, all padded to the longest; arrays of numpy, or on the device."""

    kept: Float32[Array | np.ndarray, "n_panel 16 n_row"]
    source: Int32[Array | np.ndarray, "n_panel n_row"]
    exposure: Int32[Array | np.ndarray, " n_panel"]
    """Of the orbits' `n_orbit * n_exp`."""
    panels: Int32[Array | np.ndarray, "n_orbit_exp n_most"]
    """Of each exposure."""
    t: Float[Array | np.ndarray, " n_orbit_exp"]
    inverse: Float[Array | np.ndarray, "n_orbit n_exp 5 5"]
    coupling: Float[Array | np.ndarray, "n_orbit n_exp 5 n_shared"]
    unknowns: Int32[Array | np.ndarray, "n_orbit n_shared"]
    """Places of the calibration of each orbit."""
    sums: tuple[Int32[Array | np.ndarray, "n_sum 8"], ...]
    """Measurements of a source in an orbit; sums of a source; ...; all sums of each source."""
    t_sum: Float[Array | np.ndarray, " n_sum"]
    """Time of the first sums."""


class Coupling(NamedTuple):
    """Sources with one calibration unit and the chips."""

    rows: Int32[Array | np.ndarray, " n_seen"]
    values: Float[Array | np.ndarray, "n_seen 5 n_shared"]
    place: Int32[Array | np.ndarray, " n_src"]
    """Row of each source in `values`."""
    unknowns: Int32[Array | np.ndarray, " n_shared"]


def batches_of(units: Sequence[UnitSystem], n_bytes: int) -> list[list[tuple[UnitSystem, OrbitSystem]]]:
    """Orbits, of about equally many measurements in each batch, with `n_bytes` of derivatives at most.

    An orbit is never cut.
    """
    orbits = [(unit, one) for unit in units for one in unit.orbits]
    if not orbits:
        return []
    ends = np.cumsum([one.kept.nbytes for _, one in orbits])
    n_batch = min(len(orbits), max(1, -(-int(ends[-1]) // n_bytes)))
    # By the middle of each orbit: batches are in order, and some may be left empty.
    middle = ends - 0.5 * np.diff(ends, prepend=0)
    number = np.minimum((middle * n_batch / max(1, ends[-1])).astype(int), n_batch - 1)
    return [[orbits[i] for i in np.flatnonzero(number == b)] for b in np.unique(number)]


def packed(batches: Sequence[Sequence[tuple[UnitSystem, OrbitSystem]]], n_src: int) -> list[Batch]:
    """Arrays of the batches, all of one shape: products are compiled once."""
    orbits = [one for batch in batches for _, one in batch]
    counts = np.concatenate([np.diff(one.orbit.offset) for one in orbits] or [np.zeros(0, dtype=int)])
    n_row = _length(counts)
    n_exp = max((one.orbit.n_exp for one in orbits), default=0)
    n_most = max(1, -(-int(counts.max(initial=0)) // n_row))
    found = [_batch(batch, n_row, n_exp, n_most) for batch in batches]
    firsts = [_first_sums(orbits, place, n_src) for orbits, (_, place) in zip(batches, found, strict=True)]
    most = max((int(np.bincount(rows).max(initial=0)) for _, rows, _ in firsts), default=0)
    out = []
    for (batch, _), (first, rows, t_sum) in zip(found, firsts, strict=True):
        out.append(batch._replace(sums=(first, *_further_sums(rows, most, n_src)), t_sum=t_sum))
    return _alike(out)


def couplings(units: Sequence[UnitSystem], n_src: int) -> list[Coupling]:
    """The units' couplings with sources, all of one shape."""
    n_seen = max((len(unit.rows) for unit in units), default=0)
    out = []
    for unit in units:
        n = len(unit.rows)
        place = np.full(n_src, NOWHERE, dtype=np.int32)
        place[unit.rows] = np.arange(n)
        values = _extended(unit.coupling, n_seen, 0.0)
        rows = _extended(unit.rows.astype(np.int32), n_seen, 0)
        out.append(Coupling(rows, values, place, unit.unknowns.astype(np.int32)))
    return out


def size(piece: Batch | Coupling) -> int:
    """Bytes of its arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(piece))


def _length(counts: np.ndarray) -> int:
    """Of panels, for exposures of so many measurements."""
    for length in LENGTHS:
        filled = (-(-counts // length) * length).sum()
        if counts.sum() >= (1 - LARGEST_FILL) * filled:
            return length
    return LENGTHS[-1]


def _batch(
    orbits: Sequence[tuple[UnitSystem, OrbitSystem]], n_row: int, n_exp: int, n_most: int
) -> tuple[Batch, list[np.ndarray]]:
    """A batch without its sums, and the places of its orbits' measurements among all of its panels."""
    n_orbit, n_shared = len(orbits), len(orbits[0][0].unknowns)
    t, inverse = np.zeros((n_orbit, n_exp)), np.zeros((n_orbit, n_exp, 5, 5))
    coupling = np.zeros((n_orbit, n_exp, 5, n_shared))
    panels = np.full((n_orbit * n_exp, n_most), NOWHERE, dtype=np.int32)
    kept, source, exposure, places, begin = [], [], [], [], 0
    for o, (_, one) in enumerate(orbits):
        inside, place, n_panel = _panels(one, n_row)
        rows = np.zeros(inside.shape[::2], dtype=np.int32)
        rows.reshape(-1)[place] = one.orbit.source
        first = np.cumsum(n_panel) - n_panel
        for e, n in enumerate(n_panel):
            panels[o * n_exp + e, :n] = begin + first[e] + np.arange(n)
        kept.append(inside)
        source.append(rows)
        exposure.append(o * n_exp + np.repeat(np.arange(len(n_panel)), n_panel))
        places.append(begin * n_row + place)
        t[o, : len(one.t)], inverse[o, : len(one.t)], coupling[o, : len(one.t)] = (
            one.t,
            one.inverse,
            one.coupling,
        )
        begin += len(inside)
    unknowns = np.stack([unit.unknowns for unit, _ in orbits]).astype(np.int32)
    parts = (np.concatenate(kept), np.concatenate(source), np.concatenate(exposure).astype(np.int32))
    return Batch(*parts, panels, t.reshape(-1), inverse, coupling, unknowns, (), np.zeros(0)), places


def _panels(one: OrbitSystem, n_row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives by panel, the places of the measurements in them, and the number of each exposure's."""
    offset = one.orbit.offset
    n = np.diff(offset)
    n_panel = -(-n // n_row)
    ends = np.cumsum(n_panel)
    kept = np.zeros((int(n_panel.sum()), N_KEPT, n_row), dtype=np.float32)
    for e in range(len(n)):
        whole = np.zeros((N_KEPT, n_panel[e] * n_row), dtype=np.float32)
        whole[:, : n[e]] = one.kept[N_KEPT * offset[e] : N_KEPT * offset[e + 1]].reshape(N_KEPT, n[e])
        kept[ends[e] - n_panel[e] : ends[e]] = whole.reshape(N_KEPT, n_panel[e], n_row).swapaxes(0, 1)
    place = np.arange(offset[-1]) + np.repeat((ends - n_panel) * n_row - offset[:-1], n)
    return kept, place, n_panel


def _first_sums(
    orbits: Sequence[tuple[UnitSystem, OrbitSystem]], places: list[np.ndarray], n_src: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of measurements that one orbit has of one source; the source and the time of each row."""
    whose = np.concatenate(
        [o * n_src + one.orbit.source.astype(np.int64) for o, (_, one) in enumerate(orbits)]
    )
    order = np.argsort(whose, kind="stable")
    table, whose = _rows(whose[order], np.concatenate(places)[order])
    times = np.array([one.t[0] for _, one in orbits])
    return table, whose % n_src, times[whose // n_src]


def _further_sums(source: np.ndarray, most: int, n_src: int) -> list[np.ndarray]:
    """Rows of rows, until each source has one; of a source there are `most` rows at most."""
    tables = []
    item = np.argsort(source, kind="stable")
    source = source[item]
    while most > WIDTH:
        table, source = _rows(source, item)
        tables.append(table)
        item, most = np.arange(len(source)), -(-most // WIDTH)
    table, found = _rows(source, item)
    last = np.full((n_src, WIDTH), NOWHERE, dtype=np.int32)
    last[found] = table
    return [*tables, last]


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


def _alike(batches: list[Batch]) -> list[Batch]:
    """Padded to the longest: with derivatives, blocks and sums of nothing."""

    def extended(*leaves: np.ndarray) -> list[np.ndarray]:
        longest = max(len(leaf) for leaf in leaves)
        return [_extended(leaf, longest, 0) for leaf in leaves]

    if not batches:
        return []
    columns = [extended(*column) for column in zip(*(batch[:3] for batch in batches), strict=True)]
    n_orbit = max(len(batch.inverse) for batch in batches)
    out = []
    for k, batch in enumerate(batches):
        n_exp = batch.inverse.shape[1]
        n_sums = [max(len(other.sums[level]) for other in batches) for level in range(len(batch.sums))]
        out.append(
            Batch(
                *(column[k] for column in columns),
                _extended(batch.panels, n_orbit * n_exp, NOWHERE),
                _extended(batch.t, n_orbit * n_exp, 0.0),
                _extended(batch.inverse, n_orbit, 0.0),
                _extended(batch.coupling, n_orbit, 0.0),
                _extended(batch.unknowns, n_orbit, 0),
                tuple(_extended(table, n, NOWHERE) for table, n in zip(batch.sums, n_sums, strict=True)),
                _extended(batch.t_sum, n_sums[0], 0.0),
            )
        )
    return out


def _extended(values: np.ndarray, n: int, with_value: float) -> np.ndarray:
    """With rows of one value at the end, up to n."""
    if len(values) == n:
        return values
    rest = np.full((n - len(values), *values.shape[1:]), with_value, dtype=values.dtype)
    return np.concatenate([values, rest])
