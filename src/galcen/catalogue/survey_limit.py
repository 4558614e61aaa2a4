r"""Stars without magnitudes: what is known of them is that their survey sees stars within its limits.

The likelihood of the photometry is then the fraction of the living stars of an isochrone that are within the
limits, seen at a distance and behind its extinction,

.. math:: F_i(D) = \int_{b - \mu(D)}^{f - \mu(D)} \phi_i(M) \, dM , \qquad \mu = A(D) + 5 \log_{10}(D / 10 pc)

with the luminosity function phi of the isochrone. Magnitudes are linear along an interval of an isochrone, so
that the cumulative luminosity function is linear between the ends of intervals: the fraction is exact.
"""

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.catalogue.forward import BANDS, point_gaps
from galcen.catalogue.likelihood import N_ISOCHRONE
from galcen.galaxy.isochrones import Intervals

POINT_MAG = 1e-9
"""Stars that all have one magnitude are spread over this much of it to both sides [mag]."""

CHUNK = 256


class Limit(NamedTuple):
    """Apparent magnitudes within which a survey has its stars."""

    band: str
    bright: float
    faint: float


class SurveyLimit(NamedTuple):
    """The luminosity functions of the isochrones with a survey's limits."""

    band: int
    bright: float
    faint: float
    intervals: Intervals  # with `point_gaps`
    mag: list[Float[np.ndarray, " n"]]  # absolute, ends of the intervals of each isochrone
    brighter: list[Float[np.ndarray, " n"]]  # fraction of its living stars that are brighter

    @classmethod
    def build(cls, intervals: Intervals, limit: Limit) -> Self:
        """Sum the luminosity functions up."""
        band, points = BANDS.index(limit.band), point_gaps(intervals)
        mags, cumulatives = [], []
        for i in range(N_ISOCHRONE):
            low, high, weight = _ends(points, band, i)
            mag = np.unique(np.concatenate([low, high]))
            part = np.clip((mag[:, None] - low) / (high - low), 0.0, 1.0)
            mags.append(mag)
            cumulatives.append(part @ weight)
        return cls(band, limit.bright, limit.faint, points, mags, cumulatives)

    def fraction(self, shift: Float[np.ndarray, "3 ..."]) -> Float[np.ndarray, "10 ..."]:
        """Fraction of the living stars of each isochrone within the limits.

        `shift` is the apparent minus the absolute magnitude in J, H, Ks.
        """
        mine = shift[self.band]
        bright, faint = self.bright - mine, self.faint - mine
        return np.stack(
            [
                np.interp(faint, mag, brighter) - np.interp(bright, mag, brighter)
                for mag, brighter in zip(self.mag, self.brighter, strict=True)
            ]
        )

    def draw(
        self,
        uniform: Float[np.ndarray, "n_star 2"],
        isochrone: Int[np.ndarray, " n_star"],
        shift: Float[np.ndarray, "3 n_star"],
    ) -> tuple[Float[np.ndarray, " n_star"], Float[np.ndarray, " n_star"], Float[np.ndarray, "3 n_star"]]:
        """Initial and present mass [Msun] and absolute magnitudes of stars within the limits.

        Where no star of an isochrone is, all of its stars count.
        """
        mass, present, absolute = (np.empty((n, len(isochrone))) for n in (1, 1, 3))
        for i in np.unique(isochrone):
            members = np.flatnonzero(isochrone == i)
            for start in range(0, len(members), CHUNK):
                rows = members[start : start + CHUNK]
                row, t = self._place(uniform[rows], int(i), shift[self.band, rows])
                one = self.intervals
                mass[0, rows] = _along(one.mass_low, one.mass_high, row, t)
                present[0, rows] = _along(one.present_low, one.present_high, row, t)
                absolute[:, rows] = _along(one.mag_low, one.mag_high, row, t)
        return mass[0], present[0], absolute

    def _place(
        self, uniform: Float[np.ndarray, "n 2"], isochrone: int, shift: Float[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Interval of each star, and the place in it from 0 to 1."""
        first, end = self.intervals.start[isochrone : isochrone + 2]
        low, high = (
            np.asarray(mag)[self.band, first:end] for mag in (self.intervals.mag_low, self.intervals.mag_high)
        )
        extent = np.where(low == high, POINT_MAG, high - low)
        edges = [(limit - shift[:, None] - low) / extent for limit in (self.bright, self.faint)]
        begin, stop = (np.clip(pick(*edges), 0.0, 1.0) for pick in (np.minimum, np.maximum))
        weight = np.asarray(self.intervals.weight)[first:end]
        steps = np.cumsum((stop - begin) * weight, axis=1)
        empty = steps[:, -1] <= 0
        begin[empty], stop[empty], steps[empty] = 0.0, 1.0, np.cumsum(weight)
        # The first interval whose sum is above what is drawn: none of those without stars.
        chosen = (steps <= uniform[:, :1] * steps[:, -1:]).sum(axis=1)
        chosen = np.minimum(chosen, end - first - 1)
        star = np.arange(len(chosen))
        return first + chosen, begin[star, chosen] + uniform[:, 1] * (stop - begin)[star, chosen]


def without_magnitude(inverse_error: Float[np.ndarray, "3 n_star"]) -> Bool[np.ndarray, " n_star"]:
    """Which stars have no magnitude, by 1 / error in each band."""
    return ~(np.asarray(inverse_error) > 0).any(axis=0)


def _ends(points: Intervals, band: int, isochrone: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brighter and fainter end of each interval of an isochrone, and its weight."""
    mine = np.asarray(points.comp) == isochrone
    ends = np.stack([np.asarray(mag)[band, mine] for mag in (points.mag_low, points.mag_high)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    is_point = high - low < 2 * POINT_MAG
    low, high = np.where(is_point, low - POINT_MAG, low), np.where(is_point, high + POINT_MAG, high)
    return low, high, np.asarray(points.weight)[mine]


def _along(low: np.ndarray, high: np.ndarray, row: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(low)[..., row] * (1 - t) + np.asarray(high)[..., row] * t
