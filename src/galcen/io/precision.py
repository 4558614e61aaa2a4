"""Digits that coordinates have lost before galcen sees them, computed from the numbers themselves."""

import logging
from typing import NamedTuple

import numpy as np
from astropy import units as u

from galcen.io.table_columns import RawColumn

log = logging.getLogger(__name__)

WORTH_SAYING = 0.05
"""Loss below which nothing is said [arcsec]; half of it is what 2MASS measures a bright star to."""

MOST_DECIMALS = 6
FEW_DECIMALS = 4
"""Half of the fourth decimal of a degree is 0.18 arcsec, of the fifth 0.018 arcsec."""


class _Axis(NamedTuple):
    """What was seen of one coordinate so far."""

    n_row: int = 0
    is_single: bool = True  # every number is one of single precision
    multiples: tuple[int, ...] = (0,) * (MOST_DECIMALS + 1)  # rows with so many decimals at most
    low: float = np.inf
    high: float = -np.inf
    arcsec: float = 3600.0  # one unit of the table

    def with_rows(self, values: np.ndarray, unit: str | None) -> "_Axis":
        """The same with further rows."""
        try:
            arcsec = float(u.Unit(unit or "deg").to(u.arcsec))
        except (ValueError, u.UnitConversionError, TypeError):
            return self
        known = values[np.isfinite(values)]
        if not len(known):
            return self
        with np.errstate(over="ignore"):
            is_single = bool((known.astype(np.float32) == known).all())
        counts = []
        for decimals in range(MOST_DECIMALS + 1):
            scaled = known * 10.0**decimals
            room = 1e-9 + 4.0 * np.finfo(float).eps * np.abs(scaled)
            counts.append(int(np.count_nonzero(np.abs(scaled - np.round(scaled)) <= room)))
        return _Axis(
            self.n_row + len(known),
            self.is_single and is_single,
            tuple(a + b for a, b in zip(self.multiples, counts, strict=True)),
            min(self.low, float(known.min())),
            max(self.high, float(known.max())),
            arcsec,
        )


class PrecisionCheck:
    """Looks at the coordinates of a table as they stand in it, and warns of digits that are not there."""

    def __init__(self, path: str, columns: dict[str, str]) -> None:
        self._path = path
        self._names = {name: columns[name] for name in ("ra", "dec")}
        self._axes = {name: _Axis() for name in self._names}

    def look_at(self, raw: dict[str, RawColumn], units: dict[str, str]) -> None:
        """Take note of a batch of rows."""
        for name in self._axes:
            self._axes[name] = self._axes[name].with_rows(raw[name].values, units.get(name) or raw[name].unit)

    def finish(self) -> None:
        """Warn of what was lost."""
        for name, axis in self._axes.items():
            loss, why = _loss(axis)
            if loss >= WORTH_SAYING:
                log.warning(
                    "%s: column %s has lost digits: %s, so that positions are wrong by up to %.2g "
                    "arcsec; take the "
                    "coordinates from where they have all their digits",
                    *(self._path, self._names[name], why, loss),
                )
        axes = self._axes.values()
        is_point = all((axis.high - axis.low) * axis.arcsec < WORTH_SAYING for axis in axes)
        if is_point and min(axis.n_row for axis in axes) > 1:
            log.warning(
                "%s: all %d stars are at one place within %g arcsec (%s = %.8g, %s = %.8g); are these "
                "the columns meant?",
                *(self._path, self._axes["ra"].n_row, WORTH_SAYING),
                *(self._names["ra"], self._axes["ra"].low, self._names["dec"], self._axes["dec"].low),
            )


def _loss(axis: _Axis) -> tuple[float, str]:
    """How far a coordinate may be off [arcsec], and why; 0 where nothing is to be seen."""
    if not axis.n_row:
        return 0.0, ""
    few = axis.multiples[FEW_DECIMALS]
    if axis.n_row > 2 and few == axis.n_row:
        decimals = next(d for d, count in enumerate(axis.multiples) if count == axis.n_row)
        return 0.5 * 10.0**-decimals * axis.arcsec, f"no number has more than {decimals} decimals"
    # Of numbers with all their digits, a tenth as many have four decimals as have five.
    if axis.n_row > 2 and few > 2 and few > axis.multiples[FEW_DECIMALS + 1] / 2:
        decimals = next(d for d, count in enumerate(axis.multiples) if count)
        return (
            10.0**-decimals * axis.arcsec,
            f"{few} of {axis.n_row} numbers have {FEW_DECIMALS} decimals or fewer, as where lines are "
            "cut at their end",
        )
    if axis.is_single and few < axis.n_row:
        largest = np.float32(max(abs(axis.low), abs(axis.high)))
        return 0.5 * float(np.spacing(largest)) * axis.arcsec, "its numbers are in single precision (float32)"
    return 0.0, ""
