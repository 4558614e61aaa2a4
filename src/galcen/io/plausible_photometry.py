"""Median magnitudes, errors and colours that no table of stars has."""

from collections.abc import Iterator

import numpy as np

from galcen.bounds import BANDS
from galcen.galaxy.extinction.law import QUADRANTS, law
from galcen.io.coarse_reddening import most_excess
from galcen.io.sample import SOME, Finding, Sample

BLUEST = -0.25
"""The bluest stars have J - H = -0.2 and H - Ks = -0.1; a field's median is above 0.1 and 0.0 [mag]."""

REDDENED = 0.3
STEEPEST = 0.5
"""Reddened stars have (J - H) / (H - Ks) = 1.2 to 2.2 in every law of extinction."""

REDDEST = (0.82, 0.165)
"""J - H and H - Ks of the stars farthest above the line of reddening, early M giants [mag]."""

MARGIN = 0.1
"""For the differences of photometric systems [mag]; for the slope of the law, a number."""

REDDEST_JK = 1.25
"""The median J - Ks of M giants without reddening; single variables reach 4 [mag]."""

MAP_FACTOR, MAP_MARGIN = 1.3, 0.2
"""How much redder than the map a field may be: dust behind the bulge, small clouds, errors of the map."""

BRIGHTEST_MEDIAN = 0.0
"""Some fifty stars of the sky are brighter in Ks [mag]."""

WORST_MEDIAN_ERROR = 1.0
"""Beyond it half of the stars were not detected [mag]."""


def judge_magnitudes(sample: Sample) -> Iterator[Finding]:
    """Absolute magnitudes, fluxes, and errors in per cent."""
    for band in BANDS:
        (magnitude,) = sample.together(band)
        if len(magnitude) >= SOME and np.median(magnitude) < BRIGHTEST_MEDIAN:
            yield Finding(
                f"column {sample.names[band]}: the median is {np.median(magnitude):.2f} mag, expected above "
                f"{BRIGHTEST_MEDIAN:g}; are they absolute magnitudes, or fluxes?"
            )
        (error,) = sample.together(f"{band}_error")
        if len(error) >= SOME and np.median(error) > WORST_MEDIAN_ERROR:
            yield Finding(
                f"column {sample.names[f'{band}_error']}: the median error is {np.median(error):.3g} mag, "
                f"expected below {WORST_MEDIAN_ERROR:g}; are the errors in per cent of the flux (divide by "
                f"108.6), or in mmag (set units: {{{band}_error: mmag}})?"
            )


def judge_colours(sample: Sample) -> Iterator[Finding]:
    """A band in another's column, magnitudes of the AB system, stars redder than their field."""
    names = [name for name in ("glon", "glat") if name in sample.columns]
    j, h, ks, *place = sample.together(*BANDS, *names)
    if len(j) < SOME:
        return
    jh, hk = float(np.median(j - h)), float(np.median(h - ks))
    found = f"the median colours are J - H = {jh:.2f}, H - Ks = {hk:.2f} mag"
    mapped = f"the column map has {sample.mapped(*BANDS)}"
    if jh < BLUEST or hk < BLUEST or (hk > REDDENED and jh < STEEPEST * hk):
        yield Finding(
            f"{found}, which no field of stars has; expected both above {BLUEST} and J - H above {STEEPEST} "
            f"(H - Ks); is a band in another's column, or are they AB magnitudes? {mapped}"
        )
        return
    if not place:
        return
    highest = REDDEST[0] + MARGIN + (_steepest_slope(*place) + MARGIN) * (hk - REDDEST[1])
    excess = most_excess(*place)
    if jh > highest:
        yield Finding(
            f"{found}, which no field of stars has behind any extinction; expected J - H below {highest:.2f} "
            f"for this H - Ks; are they AB magnitudes (AB - Vega = 0.91, 1.39, 1.85 in J, H, Ks)? {mapped}"
        )
    elif np.isfinite(excess).any():
        limit = REDDEST_JK + MAP_MARGIN + MAP_FACTOR * float(np.nanmedian(excess))
        if jh + hk > limit:
            yield Finding(
                f"{found}: redder than the extinction map has the field, expected J - Ks below {limit:.2f}; "
                f"are they magnitudes of another system (AB)? {mapped}",
                is_impossible=False,
            )


def _steepest_slope(lon_deg: np.ndarray, lat_deg: np.ndarray) -> float:
    """Largest mean E(J-H) / E(H-Ks) of the laws of extinction over some directions."""
    slopes = []
    for name in (*QUADRANTS, "WC19"):
        a_j, a_h, a_ks = law(name, lon_deg, lat_deg)
        slopes.append(float(np.mean((a_j - a_h) / (a_h - a_ks))))
    return max(slopes)


def judge_one_colour(sample: Sample) -> Iterator[Finding]:
    """A band in another's column, or of the AB system, in tables of two bands."""
    mapped = [band for band in BANDS if band in sample.columns]
    if len(mapped) != 2:
        return
    blue, red = sample.together(*mapped)
    if len(blue) < SOME:
        return
    colour, name = float(np.median(blue - red)), " - ".join(_LETTER[band] for band in mapped)
    if colour < BLUEST:
        yield Finding(
            f"the median {name} is {colour:.2f} mag, expected above {BLUEST}; is a band in another's column, "
            f"or are they AB magnitudes? the column map has {sample.mapped(*mapped)}"
        )
    names = [name for name in ("glon", "glat") if name in sample.columns]
    if mapped == ["mj", "mks"] and names:
        blue, red, *place = sample.together(*mapped, *names)
        excess = float(np.median(np.nan_to_num(most_excess(*place))))
        if BLUEST <= colour < BLUE_FIELD and excess > REDDENED:
            yield Finding(
                f"the median J - Ks is {colour:.2f} mag, expected above {BLUE_FIELD} where the extinction "
                f"map has E(J-Ks) = {excess:.2f}; are they AB magnitudes? the column map has "
                f"{sample.mapped(*mapped)}",
                is_impossible=False,
            )


def judge_hw(sample: Sample) -> Iterator[Finding]:
    """Hw lies between J and H, near J."""
    hw, j, h = sample.together("hw", "mj", "mh")
    if len(hw) >= SOME:
        offset = float(np.median(hw - (0.8 * j + 0.2 * h)))
        if abs(offset) > HW_OFFSET:
            yield Finding(
                f"Hw lies {offset:+.2f} mag from 0.8 J + 0.2 H (median), expected within {HW_OFFSET}; are "
                f"the bands of one system? the column map has {sample.mapped('hw', 'mj', 'mh')}",
                is_impossible=False,
            )


BLUE_FIELD = 0.3
"""Stars of a field behind some dust have a redder J - Ks, but for a cluster of hot stars before it [mag]."""

_LETTER = {"mj": "J", "mh": "H", "mks": "Ks"}

HW_OFFSET = 0.4
"""Relations of Hw and J, H differ by less than this for any star that is seen [mag]."""

JUDGES = (judge_magnitudes, judge_colours, judge_one_colour, judge_hw)
