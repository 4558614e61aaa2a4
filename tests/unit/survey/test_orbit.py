"""The satellite's orbit against Kepler, the published inclination and the Sun of astropy."""

import astropy.units as u
import numpy as np
import pytest
from astropy import constants
from astropy.coordinates import get_sun
from astropy.time import Time

from galcen.errors import ConfigError
from galcen.survey.orbit import JULIAN_YEAR_S, Orbit, inclination, latitude_argument, period, state

STEP = 2.0**-21  # years, 15 s: such times are exact in binary
ORBIT = Orbit()


def test_period_and_inclination_are_the_published_ones():
    """96.7 min and 97.8 deg at 600 km; 95.6 min at 550 km."""
    assert period(ORBIT) / 60 == pytest.approx(96.7, abs=0.05)
    assert period(Orbit(altitude_km=550.0)) / 60 == pytest.approx(95.6, abs=0.1)
    assert np.degrees(inclination(ORBIT)) == pytest.approx(97.8, abs=0.05)


def test_period_is_keplers():
    """Third law with astropy's GM of the Earth, to 1e-6."""
    axis = 6978.137 * u.km
    expected = 2 * np.pi * np.sqrt(axis**3 / constants.GM_earth)
    assert period(ORBIT) == pytest.approx(expected.to_value(u.s), rel=1e-6)


def test_the_satellite_is_on_its_circle():
    """Distance to 1 um, speed 7.558 km/s within the drift of the node (1.4 m/s)."""
    at = state(ORBIT, 2030.5 + np.linspace(0, 3, 1000))
    np.testing.assert_allclose(np.linalg.norm(at.position, axis=1), 6978.137, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(at.velocity, axis=1), 7.558, rtol=0, atol=2e-3)


def test_velocity_is_the_derivative_of_position():
    """Central differences of fourth order over 15 s: 0.1 mm/s, 3,000 times below what aberration needs."""
    t = np.floor(np.linspace(2030.5, 2033.5, 200) / STEP) * STEP
    at = {k: state(ORBIT, t + k * STEP).position for k in (-2, -1, 1, 2)}
    slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * STEP * JULIAN_YEAR_S)
    np.testing.assert_allclose(state(ORBIT, t).velocity, slope, rtol=0, atol=1e-7)


def test_the_node_follows_the_mean_sun():
    """Over a year the Sun (apparent, of date) is 90 deg ahead of the node in the mean, to 0.1 deg."""
    days = np.arange(366)
    t = 2031.0 + days / 366
    passage = ORBIT.epoch + np.round((t - ORBIT.epoch) * JULIAN_YEAR_S / period(ORBIT)) * (
        period(ORBIT) / JULIAN_YEAR_S
    )
    at = state(ORBIT, passage)
    np.testing.assert_allclose(np.sin(latitude_argument(ORBIT, passage)), 0, atol=1e-6)
    node = np.degrees(np.arctan2(at.position[:, 1], at.position[:, 0]))
    sun = get_sun(Time(passage, format="jyear", scale="tcb").tdb).ra.deg
    ahead = (sun - node) % 360
    assert ahead.mean() == pytest.approx(90, abs=0.1)
    # The equation of time and the tilt of the ecliptic: 16.5 min.
    assert abs(ahead - 90).max() < 4.3


def test_the_plane_faces_the_sun():
    """The normal points away from the Sun within 23.4 + 7.8 deg and the equation of time."""
    t = 2031.0 + np.linspace(0, 1, 100)
    at = state(ORBIT, t)
    normal = np.cross(at.position, at.velocity)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    sun = get_sun(Time(t, format="jyear", scale="tcb").tdb).cartesian.xyz.to_value(u.au).T
    sun /= np.linalg.norm(sun, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(-(normal * sun).sum(axis=1)))
    assert angle.max() < 23.44 + 7.79 + 0.5
    assert angle.min() < 16.5


def test_a_node_at_18_h_is_the_opposite_one():
    """The same plane, passed the other way round: the node is 180 deg off."""
    t = np.array([2032.0])
    one, other = (state(Orbit(ltan_h=h), t).position for h in (6.0, 18.0))
    np.testing.assert_allclose(one, -other, atol=1e-6)


def test_no_high_orbit_is_sun_synchronous():
    with pytest.raises(ConfigError, match=r"7000\.0 km altitude is sun-synchronous; try 600"):
        inclination(Orbit(altitude_km=7000.0))
