"""When a direction can be observed: Sun neither too near nor opposite, and above the Earth's limb.

The Earth is a sphere of its equatorial radius and the Sun a point; Moon and planets are left out, and so is
the radiation belt over the South Atlantic.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.survey.ephemeris import sun_direction
from galcen.survey.orbit import (
    EARTH_RADIUS,
    JULIAN_YEAR_S,
    Orbit,
    latitude_argument,
    mean_motion,
    period,
    plane,
    radius,
)

DRIFT_DEG = 0.02
"""How far orbit and Sun turn while a field is visible."""


class Limits(NamedTuple):
    """What the telescope may look at."""

    earth_deg: float = 25.7  # from the limb
    sun_min_deg: float = 45.0
    sun_max_deg: float = 135.0
    duty: float = 0.5  # largest part of a revolution at the fields


class Revolutions(NamedTuple):
    """Revolutions of the satellite."""

    t: Float[np.ndarray, " n"]  # when the direction is highest above the Earth, Julian year TCB
    season: Int[np.ndarray, " n"]  # -1 while the Sun is not in its place


def revolutions(
    orbit: Orbit,
    span: tuple[float, float],
    direction: Float[np.ndarray, " 3"],
    limits: Limits,
    margin_deg: float,
) -> Revolutions:
    """Every revolution of a survey.

    Parameters
    ----------
    orbit
        The satellite.
    span
        First and last time [Julian year TCB].
    direction
        Unit vector towards the middle of the fields.
    limits
        What the telescope may look at.
    margin_deg
        Fields may be this far from the middle [deg].
    """
    start, stop = span
    # The highest point goes round the orbit once a year at most: some revolutions more on either side.
    spare = int(np.ceil(stop - start)) + 2
    step = period(orbit) / JULIAN_YEAR_S
    t = start + step * np.arange(-spare, int((stop - start) / step) + spare)
    first = latitude_argument(orbit, t[:1]) % (2 * np.pi)
    lag = np.unwrap(_highest(orbit, t, direction)) - first
    t = culmination(orbit, t + lag / (2 * np.pi) * step, direction)
    t = t[(t >= start) & (t <= stop)]
    allowed = sun_allows(t, direction, limits, margin_deg)
    season = np.cumsum(allowed & ~np.concatenate([[False], allowed[:-1]])) - 1
    return Revolutions(t, np.where(allowed, season, -1))


def culmination(
    orbit: Orbit, t: Float[np.ndarray, " n"], direction: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " n"]:
    """The time nearest to `t` at which a direction is highest above the Earth, to 0.1 s."""
    for _ in range(2):
        lag = _highest(orbit, t, direction) - latitude_argument(orbit, t)
        lag = (lag + np.pi) % (2 * np.pi) - np.pi
        t = t + lag / (mean_motion(orbit) * JULIAN_YEAR_S)
    return t


def half_arc(
    orbit: Orbit,
    t: Float[np.ndarray, " n"],
    direction: Float[np.ndarray, " 3"],
    limits: Limits,
    margin_deg: float,
) -> Float[np.ndarray, " n"]:
    """How long before and after its culmination at `t` a direction may be observed [s]; 0 where not at all.

    Every direction within `margin_deg` of it is above the limit as long.
    """
    towards, ahead = plane(orbit, t)
    in_plane = np.hypot(towards @ direction, ahead @ direction)
    limb = np.arcsin(EARTH_RADIUS / radius(orbit))  # angle of the limb from the nadir
    lowest = np.pi - limb - np.radians(limits.earth_deg + margin_deg + DRIFT_DEG)  # from the zenith
    cosine = np.cos(max(lowest, 0.0)) / np.maximum(in_plane, 1e-12)
    arc = np.arccos(np.clip(cosine, -1.0, 1.0)) / mean_motion(orbit)
    return np.minimum(arc, 0.5 * limits.duty * period(orbit))


def sun_allows(
    t: Float[np.ndarray, " n"], direction: Float[np.ndarray, " 3"], limits: Limits, margin_deg: float
) -> Bool[np.ndarray, " n"]:
    """Whether the Sun is in its place all revolution for every direction within `margin_deg` of one."""
    angle = np.degrees(np.arccos(np.clip(sun_direction(t) @ direction, -1.0, 1.0)))
    margin = margin_deg + DRIFT_DEG
    return (angle >= limits.sun_min_deg + margin) & (angle <= limits.sun_max_deg - margin)


def _highest(
    orbit: Orbit, t: Float[np.ndarray, " n"], direction: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " n"]:
    """Argument of latitude above which a direction stands highest [rad]."""
    towards, ahead = plane(orbit, t)
    return np.arctan2(ahead @ direction, towards @ direction)
