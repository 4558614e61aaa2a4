"""Compiled loops that add an orbit's measurements up to the linear system, on a CPU.

All sums are in float64 and in a fixed order.
"""

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.kernels import N_KEPT
from galcen.compiled import compiled

_CHUNK = 64
"""Measurements whose blocks are made together, or that are copied together: they stay in the first cache."""

BLOCK = 256
"""Sources whose couplings with an orbit, or vectors, are taken together: they stay in the second cache."""


@compiled
def by_block(source: Int[np.ndarray, " n_obs"], n_block: int) -> tuple[np.ndarray, np.ndarray]:
    """Measurements block after block of sources, in order in each, and where those of each block begin."""
    start = np.zeros(n_block + 1, dtype=np.int64)
    for k in range(len(source)):
        start[source[k] // BLOCK + 1] += 1
    for b in range(n_block):
        start[b + 1] += start[b]
    order, place = np.empty(len(source), dtype=np.int32), start[:-1].copy()
    for k in range(len(source)):
        b = source[k] // BLOCK
        order[place[b]] = k
        place[b] += 1
    return order, start


@compiled
def add_group(
    exposure: Int[np.ndarray, " n_panel"],
    chip: Int[np.ndarray, " n_panel"],
    part: Float[np.ndarray, "n_padded n_part n_part"],
    side: Float[np.ndarray, "n_padded n_part"],
    n_own: int,
    matrix: Float[np.ndarray, "n_exp n_all n_all"],
    sides: Float[np.ndarray, "n_exp n_all"],
) -> None:
    """Add panels' matrices, the last `n_own` unknowns those of their chip, to those of the exposures."""
    n_part = part.shape[1]
    n_first = n_part - n_own
    for p in range(len(exposure)):
        skip = n_own * chip[p]
        to, to_side = matrix[exposure[p]], sides[exposure[p]]
        for i in range(n_part):
            row = i if i < n_first else i + skip
            to_side[row] += side[p, i]
            for j in range(n_first):
                to[row, j] += part[p, i, j]
            for j in range(n_first, n_part):
                to[row, j + skip] += part[p, i, j]


@compiled
def add_sides(
    first: Int[np.ndarray, " n_panel"],
    last: Int[np.ndarray, " n_panel"],
    source: Int[np.ndarray, " n_obs"],
    right: Float[np.ndarray, "5 n_padded n_row"],
    sides: Float[np.ndarray, "n_src 5"],
) -> None:
    """Add the panels of a group to the right sides of the sources."""
    for p in range(len(first)):
        for k in range(last[p] - first[p]):
            s = source[first[p] + k]
            for i in range(5):
                sides[s, i] += right[i, p, k]


@compiled
def unpadded(
    first: Int[np.ndarray, " n_panel"],
    last: Int[np.ndarray, " n_panel"],
    values: Float[np.ndarray, "n_column n_padded n_row"],
    out: Float[np.ndarray, "n_column n_obs"],
) -> None:
    """Copy the panels of a group to where their measurements are in the orbit."""
    for p in range(len(first)):
        for c in range(len(values)):
            out[c, first[p] : last[p]] = values[c, p, : last[p] - first[p]]


@compiled
def keep_group(
    first: Int[np.ndarray, " n_panel"],
    last: Int[np.ndarray, " n_panel"],
    exposure: Int[np.ndarray, " n_panel"],
    offset: Int[np.ndarray, " n_exp_1"],
    of_source: Float[np.ndarray, "6 n_padded n_row"],
    of_exposure: Float[np.ndarray, "10 n_padded n_row"],
    of_calibration: tuple[Float[np.ndarray, "_ n_padded n_row"], ...],
    kept: Float[np.ndarray, " n_kept"],
    rows: Float[np.ndarray, "n_obs n_column"],
) -> None:
    """Copy the derivatives of a group's measurements: for products, and one measurement after the other.

    A row of `rows` holds those by the source, then those of the calibration.
    """
    for p in range(len(first)):
        begin, end = offset[exposure[p]], offset[exposure[p] + 1]
        columns = kept[N_KEPT * begin : N_KEPT * end].reshape((N_KEPT, end - begin))
        for k in range(first[p], last[p], _CHUNK):
            n = min(_CHUNK, last[p] - k)
            at, to = slice(k - first[p], k - first[p] + n), slice(k - begin, k - begin + n)
            for c in range(6):
                columns[c, to] = of_source[c, p, at]
            for c in range(10):
                columns[6 + c, to] = of_exposure[c, p, at]
            for c in range(6):
                rows[k : k + n, c] = of_source[c, p, at]
            column = 6
            for part in of_calibration:
                for c in range(len(part)):
                    rows[k : k + n, column + c] = part[c, p, at]
                column += len(part)


@compiled
def add_sources(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    kept: Float[np.ndarray, " n_kept"],
    root: Float[np.ndarray, "n_exp 5 5"],
    blocks: Float[np.ndarray, "n_src 12"],
) -> None:
    """Add the measurements of an orbit to the blocks of sources by a, d, parallax.

    `root` is the inverse of the lower Cholesky factor of each exposure's block. Of `blocks` the first six
    elements are those of the block, the last six the same after the elimination of the exposures.
    """
    through = np.empty((5, _CHUNK))
    along = np.empty((3, 5, _CHUNK))
    each = np.empty((12, _CHUNK))
    for e in range(len(root)):
        n = offset[e + 1] - offset[e]
        j = kept[N_KEPT * offset[e] : N_KEPT * offset[e + 1]].reshape((N_KEPT, n))
        for begin in range(0, n, _CHUNK):
            m = min(_CHUNK, n - begin)
            for i in range(3):
                x, y = j[2 * i, begin : begin + m], j[2 * i + 1, begin : begin + m]
                for q in range(5):
                    a, b = j[6 + 2 * q, begin : begin + m], j[7 + 2 * q, begin : begin + m]
                    for k in range(m):
                        through[q, k] = x[k] * np.float64(a[k]) + y[k] * np.float64(b[k])
                for q in range(5):
                    for k in range(m):
                        along[i, q, k] = root[e, q, 0] * through[0, k]
                    for r in range(1, q + 1):
                        for k in range(m):
                            along[i, q, k] += root[e, q, r] * through[r, k]
            c = 0
            for i in range(3):
                for r in range(i, 3):
                    x, y = j[2 * i, begin : begin + m], j[2 * i + 1, begin : begin + m]
                    a, b = j[2 * r, begin : begin + m], j[2 * r + 1, begin : begin + m]
                    for k in range(m):
                        whole = x[k] * np.float64(a[k]) + y[k] * np.float64(b[k])
                        each[c, k] = whole
                        each[6 + c, k] = (
                            whole
                            - along[i, 0, k] * along[r, 0, k]
                            - along[i, 1, k] * along[r, 1, k]
                            - along[i, 2, k] * along[r, 2, k]
                            - along[i, 3, k] * along[r, 3, k]
                            - along[i, 4, k] * along[r, 4, k]
                        )
                    c += 1
            for k in range(m):
                s = source[offset[e] + begin + k]
                for c in range(12):
                    blocks[s, c] += each[c, k]


@compiled
def add_couplings(
    source: Int[np.ndarray, " n_obs"],
    place: Int[np.ndarray, " n_src"],
    chip: Int[np.ndarray, " n_obs"],
    rows: Float[np.ndarray, "n_obs n_column"],
    n_term: int,
    t: float,
    drift: Float[np.ndarray, " n_part"],
    coupling: Float[np.ndarray, "n_row 5 n_shared"],
) -> None:
    """Add an orbit to the couplings of sources with calibration.

    `place` is the row of each source in `coupling`, `rows` those of `keep_group`. `drift` holds 1, and the
    orbit's place in time where the distortion drifts.
    """
    n_own = (rows.shape[1] - 10 - n_term) // 2
    n_chips = coupling.shape[2] - 2 * n_term * len(drift)
    n_src = len(place)
    order, start = by_block(source, (n_src - 1) // BLOCK + 1)
    sums = np.empty((BLOCK, 3, 2 * n_term + n_chips))
    seen = np.empty(BLOCK, dtype=np.bool_)
    for b in range(len(start) - 1):
        first = b * BLOCK
        sums[:] = 0.0
        seen[:] = False
        for q in range(start[b], start[b + 1]):
            k = order[q]
            row, s, own = rows[k], source[k] - first, 2 * n_term + n_own * chip[k]
            seen[s] = True
            for i in range(3):
                to, x, y = sums[s, i], np.float64(row[2 * i]), np.float64(row[2 * i + 1])
                f, g = x * row[6] + y * row[7], x * row[8] + y * row[9]
                for m in range(n_term):
                    to[m] += f * row[10 + m]
                    to[n_term + m] += g * row[10 + m]
                for m in range(n_own):
                    to[own + m] += x * row[10 + n_term + 2 * m] + y * row[11 + n_term + 2 * m]
        for s in range(min(BLOCK, n_src - first)):
            if not seen[s]:
                continue
            for i in range(5):
                to, j, by = coupling[place[first + s], i], i % 3, t if i >= 3 else 1.0
                for part in range(len(drift)):
                    for m in range(2 * n_term):
                        to[2 * n_term * part + m] += by * drift[part] * sums[s, j, m]
                for m in range(n_chips):
                    to[2 * n_term * len(drift) + m] += by * sums[s, j, 2 * n_term + m]
