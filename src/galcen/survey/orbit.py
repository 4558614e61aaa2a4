"""The satellite about the Earth: a circular orbit whose node follows the mean Sun.

Left out: the short-period terms of J2 (some km along the track), drag, and the precession of the equator
during an exposure (0.05 mm/s). The orbit's clock is TCB, the time scale of the exposures, so that phase and
exposure belong together to the last digit.

References
----------
Vallado (2013), Fundamentals of Astrodynamics and Applications, 4th ed., sect. 9.6 (node drift by J2) and
11.4 (sun-synchronous orbits).
"""

from typing import NamedTuple

import erfa
import numpy as np
from jaxtyping import Float

from galcen.errors import ConfigError

GM_EARTH = 398600.4418
"""[km^3/s^2], IERS Conventions (2010), table 1.1."""

EARTH_RADIUS = 6378.137
"""Equatorial [km], GRS80."""

J2 = 1.0826359e-3
"""Dynamical form factor, IERS Conventions (2010), table 1.1."""

JULIAN_YEAR_S = 365.25 * 86400.0

# Mean longitude of the Sun, mean equinox of date [deg], by powers of Julian centuries from 2000.0: Simon et
# al. (1994), A&A 282, 663, as in Meeus (1998), eq. 25.2. The right ascension of the mean Sun equals it.
_MEAN_SUN = (280.46646, 36000.76983, 0.0003032)


class Orbit(NamedTuple):
    """A circular sun-synchronous orbit."""

    altitude_km: float = 600.0
    ltan_h: float = 6.0  # local mean solar time of the ascending node
    epoch: float = 2032.0  # of a passage through the ascending node, Julian year TCB


class State(NamedTuple):
    """Geocentric position [km] and velocity [km/s], GCRS axes."""

    position: Float[np.ndarray, "n 3"]
    velocity: Float[np.ndarray, "n 3"]


def mean_motion(orbit: Orbit) -> float:
    """Angular speed along the orbit [rad/s]."""
    return (GM_EARTH / radius(orbit) ** 3) ** 0.5


def period(orbit: Orbit) -> float:
    """Time from ascending node to ascending node [s]."""
    return 2 * np.pi / mean_motion(orbit)


def radius(orbit: Orbit) -> float:
    """Distance from the Earth's centre [km]."""
    return EARTH_RADIUS + orbit.altitude_km


def inclination(orbit: Orbit) -> float:
    """Inclination [rad] at which the oblate Earth turns the node once a year.

    `cos i = -2 node_rate (a / R)^2 / (3 J2 n)`.

    Raises
    ------
    ConfigError
        No inclination does, above 5,970 km.
    """
    node_rate = np.radians(_MEAN_SUN[1]) / (100 * JULIAN_YEAR_S)
    cosine = -2 * node_rate * (radius(orbit) / EARTH_RADIUS) ** 2 / (3 * J2 * mean_motion(orbit))
    if cosine < -1:
        raise ConfigError(f"no orbit of {orbit.altitude_km} km altitude is sun-synchronous; try 600 km")
    return float(np.arccos(cosine))


def latitude_argument(orbit: Orbit, t: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Angle from the ascending node along the orbit [rad], not wrapped, at Julian years `t` (TCB)."""
    return mean_motion(orbit) * JULIAN_YEAR_S * (t - orbit.epoch)


def plane(
    orbit: Orbit, t: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Unit vectors towards the ascending node and 90 deg ahead of it, GCRS."""
    century = (t - 2000.0) / 100.0
    sun = _MEAN_SUN[0] + century * (_MEAN_SUN[1] + century * _MEAN_SUN[2])
    node = np.radians(sun + 15.0 * (orbit.ltan_h - 12.0))
    cos_i, sin_i = np.cos(inclination(orbit)), np.sin(inclination(orbit))
    towards = np.stack([np.cos(node), np.sin(node), np.zeros_like(node)], axis=-1)
    ahead = np.stack([-np.sin(node) * cos_i, np.cos(node) * cos_i, np.full_like(node, sin_i)], axis=-1)
    of_date = _equator_of_date(t)
    return np.einsum("nij,ni->nj", of_date, towards), np.einsum("nij,ni->nj", of_date, ahead)


def state(orbit: Orbit, t: Float[np.ndarray, " n"]) -> State:
    """Where the satellite is and how it moves at Julian years `t` (TCB).

    The drift of the node is part of the velocity: 1.4 m/s, more than aberration may be wrong by.
    """
    towards, ahead = plane(orbit, t)
    u = latitude_argument(orbit, t)[:, None]
    position = radius(orbit) * (np.cos(u) * towards + np.sin(u) * ahead)
    along = radius(orbit) * mean_motion(orbit) * (np.cos(u) * ahead - np.sin(u) * towards)
    century = (t - 2000.0) / 100.0
    rate = np.radians(_MEAN_SUN[1] + 2 * century * _MEAN_SUN[2]) / (100 * JULIAN_YEAR_S)
    pole = _equator_of_date(t)[:, 2]
    return State(position, along + rate[:, None] * np.cross(pole, position))


def _equator_of_date(t: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3 3"]:
    """Rows: axes of the mean equator and equinox of date, GCRS (IAU 2006)."""
    # Terrestrial time serves as well as TCB: the axes turn by 50 arcsec a year.
    return erfa.pmat06(2451545.0, 365.25 * (t - 2000.0))
