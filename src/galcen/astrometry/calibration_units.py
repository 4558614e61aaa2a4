"""Which orbits share a calibration, and where an exposure lies in the time of its unit."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

SEASON_GAP_YR = 60.0 / 365.25
"""A longer gap between two orbits begins a new season; the field rests for three months twice a year."""

Column = Float[np.ndarray, " n_orbit"]


class Units(NamedTuple):
    """Units of the calibration."""

    unit: Int[np.ndarray, " n_orbit"]
    """Of each orbit, counted in the order of time."""
    begin: Column
    """Of the unit of each orbit [Julian year]."""
    end: Column

    @property
    def n_unit(self) -> int:
        """Number of units."""
        return int(self.unit.max(initial=-1)) + 1

    def place(self, row: int, t: Float[np.ndarray, " n_exp"]) -> Float[np.ndarray, " n_exp"]:
        """Times within the unit of one orbit, from -1 at its beginning to 1 at its end; 0 in a moment's."""
        begin, end = self.begin[row], self.end[row]
        if not end > begin:
            return np.zeros_like(t)
        return np.clip((2.0 * t - begin - end) / (end - begin), -1.0, 1.0)


def calibration_units(share: Literal["constant", "orbit", "season"], begin: Column, end: Column) -> Units:
    """Units of orbits that last from `begin` to `end` [Julian year], in any order."""
    order = np.argsort(begin, kind="stable")
    if share == "constant":
        in_order = np.zeros(len(begin), dtype=np.int64)
    elif share == "orbit":
        in_order = np.arange(len(begin))
    else:
        rest = begin[order][1:] - np.maximum.accumulate(end[order])[:-1]
        in_order = np.concatenate([[0], np.cumsum(rest > SEASON_GAP_YR)])[: len(begin)]
    unit = np.empty(len(begin), dtype=np.int64)
    unit[order] = in_order
    n_unit = int(unit.max(initial=-1)) + 1
    first, last = np.full(n_unit, np.inf), np.full(n_unit, -np.inf)
    np.minimum.at(first, unit, begin)
    np.maximum.at(last, unit, end)
    return Units(unit, first[unit], last[unit])
