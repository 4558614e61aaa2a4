"""Where the observer is, and how fast: the Earth of `erfa.epv00` plus the satellite.

The Earth is good to 13 km and 5 mm/s (1900 to 2100, against JPL DE405). Times are Julian years of TCB; the
ephemeris is looked up at the TDB of the same instant, 26 s behind in 2030, while the satellite is tabulated
in TCB itself. That lengths and speeds of TDB and TCB differ by 1.55e-8 is left out (0.5 mm/s, 2 km).

References
----------
Moisson & Bretagnon (2001), Celes. Mech. 80, 205 (VSOP2000, simplified in SOFA's EPV00).
"""

from typing import NamedTuple

import erfa
import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline

from galcen.survey.orbit import Orbit, State, state

J2000 = 2451545.0
AU_KM = erfa.DAU / 1e3
LIGHT_KM_S = erfa.CMPS / 1e3
GRID_DAYS = 1 / 32
"""Step of the table of the Earth between whose rows cubics lie: wrong by less than 1 mm and 1 um/s."""


class Earth(NamedTuple):
    """The Earth's centre, ICRS axes."""

    barycentric: State  # [au], [au/day]
    heliocentric: Float[np.ndarray, "n 3"]  # [au]


class Observer(NamedTuple):
    """What aberration, parallax and light bending need of an exposure, ICRS axes."""

    position: Float[np.ndarray, "n 3"]  # from the barycentre [au]
    beta: Float[np.ndarray, "n 3"]  # barycentric velocity / c
    sun: Float[np.ndarray, "n 3"]  # unit vector from the Sun to the observer
    sun_dist: Float[np.ndarray, " n"]  # [au]


def tdb_days(t: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Days of TDB since J2000.0 of Julian years of TCB."""
    whole, part = erfa.tcbtdb(J2000, 365.25 * (t - 2000.0))
    return (whole - J2000) + part


def earth(t: Float[np.ndarray, " n"]) -> Earth:
    """The Earth at Julian years `t` (TCB)."""
    days = tdb_days(t)
    # The series takes 55 us, and an orbit's exposures share few rows of the table.
    row = np.floor(days / GRID_DAYS).astype(np.int64)
    rows = np.unique(np.concatenate([row, row + 1]))
    table = rows * GRID_DAYS
    helio, bary = erfa.epv00(J2000, table)
    curves = [CubicHermiteSpline(table, pv["p"], pv["v"]) for pv in (bary, helio)]
    return Earth(State(curves[0](days), curves[0](days, 1)), curves[1](days))


def sun_direction(t: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    """Unit vectors from the Earth to the Sun, as they are at `t`: light time (20 arcsec) is left out."""
    towards = -earth(t).heliocentric
    return towards / np.linalg.norm(towards, axis=-1, keepdims=True)


def observer(orbit: Orbit, t: Float[np.ndarray, " n"]) -> Observer:
    """The satellite in the solar system at Julian years `t` (TCB)."""
    centre, satellite = earth(t), state(orbit, t)
    offset = satellite.position / AU_KM
    from_sun = centre.heliocentric + offset
    distance = np.linalg.norm(from_sun, axis=-1)
    velocity = centre.barycentric.velocity * (AU_KM / 86400.0) + satellite.velocity
    return Observer(
        centre.barycentric.position + offset,
        velocity / LIGHT_KM_S,
        from_sun / distance[:, None],
        distance,
    )
