"""Compiled loops of products with the linear system on a CPU; measurements last, exposures in order.

Of a measurement 16 numbers in float32 are kept: derivatives over the standard deviation by a, d, parallax, in
x and y, then by the five unknowns of its exposure, in x and y. All sums are in float64 and in a fixed order.
"""

import numpy as np
from jaxtyping import Float, Int

from galcen.compiled import compiled

N_KEPT = 16


@compiled
def reduced_product(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    t: Float[np.ndarray, " n_exp"],
    kept: Float[np.ndarray, " n_kept"],
    inverse: Float[np.ndarray, "n_exp 5 5"],
    coupling: Float[np.ndarray, "n_exp 5 n_shared"],
    at_source: Float[np.ndarray, "n_src 5"],
    at_shared: Float[np.ndarray, " n_shared"],
    out_source: Float[np.ndarray, "n_src 5"],
    out_shared: Float[np.ndarray, " n_shared"],
) -> None:
    """Add one orbit to the product of the matrix, reduced by its exposures, with a vector.

    Products of sources with calibration and of calibration with itself are left out: see `coupled_product`.
    """
    longest = 0
    for e in range(len(t)):
        longest = max(longest, offset[e + 1] - offset[e])
    v = np.empty((3, longest))
    y = np.empty((2, longest))
    side, step = np.empty(5), np.empty(5)
    n_shared = len(at_shared)
    for e in range(len(t)):
        first, n = offset[e], offset[e + 1] - offset[e]
        j = kept[N_KEPT * first : N_KEPT * (first + n)].reshape((N_KEPT, n))
        rows, when = source[first : first + n], t[e]
        for k in range(n):
            s = rows[k]
            v[0, k] = at_source[s, 0] + when * at_source[s, 3]
            v[1, k] = at_source[s, 1] + when * at_source[s, 4]
            v[2, k] = at_source[s, 2]
        for k in range(n):
            y[0, k] = j[0, k] * v[0, k] + j[2, k] * v[1, k] + j[4, k] * v[2, k]
            y[1, k] = j[1, k] * v[0, k] + j[3, k] * v[1, k] + j[5, k] * v[2, k]
        for i in range(5):
            total = 0.0
            for k in range(n):
                total += j[6 + 2 * i, k] * y[0, k] + j[7 + 2 * i, k] * y[1, k]
            for c in range(n_shared):
                total += coupling[e, i, c] * at_shared[c]
            side[i] = total
        for i in range(5):
            total = 0.0
            for m in range(5):
                total += inverse[e, i, m] * side[m]
            step[i] = total
        for k in range(n):
            x_step = y_step = 0.0
            for i in range(5):
                x_step += j[6 + 2 * i, k] * step[i]
                y_step += j[7 + 2 * i, k] * step[i]
            y[0, k] -= x_step
            y[1, k] -= y_step
        for k in range(n):
            v[0, k] = j[0, k] * y[0, k] + j[1, k] * y[1, k]
            v[1, k] = j[2, k] * y[0, k] + j[3, k] * y[1, k]
            v[2, k] = j[4, k] * y[0, k] + j[5, k] * y[1, k]
        for k in range(n):
            s = rows[k]
            out_source[s, 0] += v[0, k]
            out_source[s, 1] += v[1, k]
            out_source[s, 2] += v[2, k]
            out_source[s, 3] += when * v[0, k]
            out_source[s, 4] += when * v[1, k]
        for i in range(5):
            for c in range(n_shared):
                out_shared[c] -= coupling[e, i, c] * step[i]


@compiled
def to_exposures(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    t: Float[np.ndarray, " n_exp"],
    kept: Float[np.ndarray, " n_kept"],
    coupling: Float[np.ndarray, "n_exp 5 n_shared"],
    at_source: Float[np.ndarray, "n_src 5"],
    at_shared: Float[np.ndarray, " n_shared"],
    out: Float[np.ndarray, "n_exp 5"],
) -> None:
    """Product of the rows of an orbit's exposures with sources and calibration."""
    for e in range(len(t)):
        first, n, when = offset[e], offset[e + 1] - offset[e], t[e]
        j = kept[N_KEPT * first : N_KEPT * (first + n)].reshape((N_KEPT, n))
        for i in range(5):
            total = 0.0
            for c in range(len(at_shared)):
                total += coupling[e, i, c] * at_shared[c]
            out[e, i] = total
        for k in range(n):
            s = source[first + k]
            a = at_source[s, 0] + when * at_source[s, 3]
            d = at_source[s, 1] + when * at_source[s, 4]
            x = j[0, k] * a + j[2, k] * d + j[4, k] * at_source[s, 2]
            y = j[1, k] * a + j[3, k] * d + j[5, k] * at_source[s, 2]
            for i in range(5):
                out[e, i] += j[6 + 2 * i, k] * x + j[7 + 2 * i, k] * y


@compiled
def from_exposures(
    source: Int[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp_1"],
    t: Float[np.ndarray, " n_exp"],
    kept: Float[np.ndarray, " n_kept"],
    coupling: Float[np.ndarray, "n_exp 5 n_shared"],
    at: Float[np.ndarray, "n_exp 5"],
    out_source: Float[np.ndarray, "n_src 5"],
    out_shared: Float[np.ndarray, " n_shared"],
) -> None:
    """Add the product of the columns of an orbit's exposures with a vector: transpose of `to_exposures`."""
    for e in range(len(t)):
        first, n, when = offset[e], offset[e + 1] - offset[e], t[e]
        j = kept[N_KEPT * first : N_KEPT * (first + n)].reshape((N_KEPT, n))
        for i in range(5):
            for c in range(len(out_shared)):
                out_shared[c] += coupling[e, i, c] * at[e, i]
        for k in range(n):
            x = y = 0.0
            for i in range(5):
                x += j[6 + 2 * i, k] * at[e, i]
                y += j[7 + 2 * i, k] * at[e, i]
            s = source[first + k]
            a = j[0, k] * x + j[1, k] * y
            d = j[2, k] * x + j[3, k] * y
            out_source[s, 0] += a
            out_source[s, 1] += d
            out_source[s, 2] += j[4, k] * x + j[5, k] * y
            out_source[s, 3] += when * a
            out_source[s, 4] += when * d


@compiled
def coupled_product(
    rows: Int[np.ndarray, " n_seen"],
    coupling: Float[np.ndarray, "n_seen 5 n_shared"],
    at_source: Float[np.ndarray, "n_src 5"],
    at_shared: Float[np.ndarray, " n_shared"],
    out_source: Float[np.ndarray, "n_src 5"],
    out_shared: Float[np.ndarray, " n_shared"],
) -> None:
    """Add the products of sources with calibration, and of calibration with sources."""
    for k in range(len(rows)):
        s = rows[k]
        for i in range(5):
            row, value, total = coupling[k, i], at_source[s, i], 0.0
            for c in range(len(at_shared)):
                total += row[c] * at_shared[c]
                out_shared[c] += row[c] * value
            out_source[s, i] += total
