r"""Photometric likelihood of a star, with the integral over stellar mass in closed form.

Along one piece of an isochrone the magnitudes are linear in mass. With q the residual
of the star from the middle of the piece and d the extent of the piece, in errors, both
vectors over the bands, the piece contributes

.. math:: I = \int_{-1/2}^{1/2} e^{-|q - u d|^2/2} \, du
            = e^{-|q|^2/2} \int_{-1/2}^{1/2} e^{u h - u^2 a / 2} \, du ,
   \qquad a = |d|^2 , \; h = q \cdot d .

The last integral is a difference of two error functions. That form cancels where pieces
are short and costs two error functions; isochrones are therefore cut into pieces with
a < 0.3 at the smallest error allowed, for which the power series in h and a is exact to
2e-6 for stars within 10 sigma of the piece.
"""

import math
from typing import Self

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from galcen.galaxy.isochrones import Intervals

SHORT = 0.3
N_ISOCHRONE = 10
PIECES_PER_BLOCK = 16
BLOCKS_PER_GROUP = 8

_N_H, _N_A = 8, 3
# Coefficient of h^(2n) a^m: (-1/2)^m / m! / (2n)! times the integral of u^(2n + 2m).
SERIES = [
    [
        (-0.5) ** m / math.factorial(m) / math.factorial(2 * n) * 0.5 ** (2 * (n + m)) / (2 * (n + m) + 1)
        for m in range(_N_A)
    ]
    for n in range(_N_H)
]


class Pieces(eqx.Module):
    """Isochrones cut into short pieces, in blocks of 16 and groups of 8 blocks with their bounds.

    Axes are (band), group, block, piece; blocks of one isochrone follow each other, and
    padding has no weight. A jump of the isochrone is two pieces of no extent at its ends.
    """

    isochrone: Int[np.ndarray, " n_group"]
    middle: Float[np.ndarray, "3 n_group 8 16"]  # absolute magnitude
    extent: Float[np.ndarray, "3 n_group 8 16"]  # change of magnitude along the piece
    ln_weight: Float[np.ndarray, "n_group 8 16"]  # of the living stars of the isochrone; -inf: padding
    mass_ini: Float[np.ndarray, "2 n_group 8 16"]  # at the two ends [Msun]
    mass: Float[np.ndarray, "2 n_group 8 16"]

    @classmethod
    def build(cls, intervals: Intervals, error_floor: float) -> Self:
        """Cut the isochrones for errors of `error_floor` [mag] or more."""
        columns = _cut(intervals, error_floor)
        group_size = PIECES_PER_BLOCK * BLOCKS_PER_GROUP
        parts, owner = [], []
        for i in range(N_ISOCHRONE):
            mine = columns[1:, columns[0] == i]
            pad = -mine.shape[1] % group_size
            # Padding repeats the last piece, so that it does not widen the bounds of its block.
            parts.append(np.concatenate([mine, np.repeat(mine[:, -1:], pad, axis=1)], axis=1))
            parts[-1][6, mine.shape[1] :] = -np.inf
            owner += [i] * (parts[-1].shape[1] // group_size)
        table = np.concatenate(parts, axis=1).reshape(11, -1, BLOCKS_PER_GROUP, PIECES_PER_BLOCK)
        return cls(np.array(owner), table[0:3], table[3:6], table[6], table[7:9], table[9:11])

    def rows(self) -> Float[np.ndarray, "n_block 7 16"]:
        """Middle, extent and ln weight of each block, side by side in memory."""
        stacked = np.stack([*self.middle, *self.extent, self.ln_weight])
        return np.ascontiguousarray(np.moveaxis(stacked.reshape(7, -1, PIECES_PER_BLOCK), 0, 1))

    def bounds(self, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Faintest and brightest magnitude, and ln of the weight, over the last one or two axes."""
        half = 0.5 * np.abs(self.extent)
        low = (self.middle - half).min(axis=axes)
        high = (self.middle + half).max(axis=axes)
        return low, high, np.log(np.maximum(np.exp(self.ln_weight).sum(axis=axes), 1e-300))


def _cut(intervals: Intervals, error_floor: float) -> np.ndarray:
    """Columns isochrone, middle (3), extent (3), ln weight, mass_ini (2), mass (2) of each piece."""
    first = np.asarray(intervals.comp) < N_ISOCHRONE
    low, high = (np.asarray(m)[:, first] for m in (intervals.mag_low, intervals.mag_high))
    gap = np.asarray(intervals.gap)[first]
    ends = [
        np.stack([np.asarray(getattr(intervals, f"{name}_{end}"))[first] for end in ("low", "high")])
        for name in ("mass", "present")
    ]
    weight = np.asarray(intervals.weight)[first]
    comp = np.asarray(intervals.comp)[first]
    length = np.sqrt(np.sum(((high - low) / error_floor) ** 2, axis=0))
    count = np.where(gap, 2, np.maximum(1, np.ceil(length / math.sqrt(0.98 * SHORT)))).astype(int)
    parent = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    t_low, t_high = number / count[parent], (number + 1) / count[parent]
    # The two pieces of a gap are its ends.
    t_low, t_high = (np.where(gap[parent], number, t) for t in (t_low, t_high))

    def along(start: np.ndarray, stop: np.ndarray, t: np.ndarray) -> np.ndarray:
        return start[..., parent] * (1 - t) + stop[..., parent] * t

    bright, faint = along(low, high, t_low), along(low, high, t_high)
    ln_weight = np.log(np.maximum(weight[parent] / count[parent], 1e-300))
    masses = [along(*pair, t) for pair in ends for t in (t_low, t_high)]
    return np.concatenate([[comp[parent]], 0.5 * (bright + faint), faint - bright, [ln_weight], masses])
