"""Compiled products with many vectors at once, sources against exposures, on a CPU.

Measurements are taken block after block of sources, whose rows of all vectors stay in the second cache.
"""

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.accumulation import BLOCK, by_block
from galcen.astrometry.iterative.kernels import N_KEPT
from galcen.compiled import compiled


@compiled
def to_exposures(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    t: Float[np.ndarray, " n_exp"],
    kept: Float[np.ndarray, " n_kept"],
    at: Float[np.ndarray, "n_src 5 n_column"],
    out: Float[np.ndarray, "n_exp 5 n_column"],
) -> None:
    """Product of the rows of an orbit's exposures with vectors of the sources.

    One time stands for all exposures, as in `OrbitSystem.t`.
    """
    n_column = at.shape[2]
    out[:] = 0.0
    order, start = by_block(source, (len(at) - 1) // BLOCK + 1)
    still, y = np.empty((BLOCK, 3, n_column)), np.empty((2, n_column))
    for b in range(len(start) - 1):
        first = b * BLOCK
        for s in range(min(BLOCK, len(at) - first)):
            for c in range(n_column):
                still[s, 0, c] = at[first + s, 0, c] + t[0] * at[first + s, 3, c]
                still[s, 1, c] = at[first + s, 1, c] + t[0] * at[first + s, 4, c]
                still[s, 2, c] = at[first + s, 2, c]
        e = 0
        for q in range(start[b], start[b + 1]):
            k = order[q]
            while offset[e + 1] <= k:
                e += 1
            j = kept[N_KEPT * offset[e] : N_KEPT * offset[e + 1]].reshape((N_KEPT, -1))[:, k - offset[e]]
            v = still[source[k] - first]
            for c in range(n_column):
                y[0, c] = j[0] * v[0, c] + j[2] * v[1, c] + j[4] * v[2, c]
                y[1, c] = j[1] * v[0, c] + j[3] * v[1, c] + j[5] * v[2, c]
            for i in range(5):
                side, x_by, y_by = out[e, i], np.float64(j[6 + 2 * i]), np.float64(j[7 + 2 * i])
                for c in range(n_column):
                    side[c] += x_by * y[0, c] + y_by * y[1, c]


@compiled
def from_exposures(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    t: Float[np.ndarray, " n_exp"],
    kept: Float[np.ndarray, " n_kept"],
    at: Float[np.ndarray, "n_exp 5 n_column"],
    out: Float[np.ndarray, "n_src 5 n_column"],
) -> None:
    """Add the products of the columns of an orbit's exposures with vectors, in the rows of the sources.

    One time stands for all exposures, as in `OrbitSystem.t`.
    """
    n_column = at.shape[2]
    order, start = by_block(source, (len(out) - 1) // BLOCK + 1)
    still, j = np.empty((BLOCK, 3, n_column)), np.empty(N_KEPT)
    for b in range(len(start) - 1):
        first, e = b * BLOCK, 0
        still[:] = 0.0
        for q in range(start[b], start[b + 1]):
            k = order[q]
            while offset[e + 1] <= k:
                e += 1
            columns = kept[N_KEPT * offset[e] : N_KEPT * offset[e + 1]].reshape((N_KEPT, -1))
            for i in range(N_KEPT):
                j[i] = columns[i, k - offset[e]]
            to, side = still[source[k] - first], at[e]
            for c in range(n_column):
                x = y = 0.0
                for i in range(5):
                    x += j[6 + 2 * i] * side[i, c]
                    y += j[7 + 2 * i] * side[i, c]
                for i in range(3):
                    to[i, c] += j[2 * i] * x + j[2 * i + 1] * y
        for s in range(min(BLOCK, len(out) - first)):
            for i in range(5):
                by = t[0] if i >= 3 else 1.0
                for c in range(n_column):
                    out[first + s, i, c] += by * still[s, i % 3, c]
