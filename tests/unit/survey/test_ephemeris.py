"""Observer and Sun against astropy and ERFA."""

import erfa
import numpy as np
from astropy.coordinates import get_body_barycentric, get_body_barycentric_posvel
from astropy.time import Time

from galcen.survey.ephemeris import AU_KM, LIGHT_KM_S, earth, observer, sun_direction, tdb_days
from galcen.survey.orbit import JULIAN_YEAR_S, Orbit, state

T = np.random.default_rng(3).uniform(2029.0, 2036.0, 400)
TIMES = Time(T, format="jyear", scale="tcb")


def test_times_are_tcb():
    """TDB of the same instant by astropy, to 10 us."""
    expected = (TIMES.tdb.jd1 - 2451545.0) + TIMES.tdb.jd2
    np.testing.assert_allclose(tdb_days(T), expected, rtol=0, atol=1e-10)
    behind = 365.25 * (T - 2000.0) - tdb_days(T)
    assert (abs(behind * 86400 - 27) < 2.5).all()


def test_the_earth_is_astropys():
    """Position to 1 m and velocity to 0.1 mm/s of the same theory, table and cubics included."""
    position, velocity = get_body_barycentric_posvel("earth", TIMES, ephemeris="builtin")
    got = earth(T).barycentric
    np.testing.assert_allclose(got.position, position.xyz.to_value("au").T, rtol=0, atol=1 / 1.496e11)
    np.testing.assert_allclose(
        got.velocity * AU_KM / 86400, velocity.xyz.to_value("km/s").T, rtol=0, atol=1e-7
    )


def test_the_earth_is_where_another_theory_has_it():
    """Simon et al. (1994) for the barycentre with the Moon, Meeus for the Moon: 8 arcsec."""
    tdb = TIMES.tdb
    barycentre = erfa.plan94(tdb.jd1, tdb.jd2, 3)["p"]
    expected = barycentre - erfa.moon98(tdb.jd1, tdb.jd2)["p"] / (1 + 81.30057)
    np.testing.assert_allclose(earth(T).heliocentric, expected, rtol=0, atol=4e-5)


def test_earth_and_satellite_add_up():
    """The observer is 6,978 km from the Earth and moves with it."""
    orbit = Orbit()
    place, centre, satellite = observer(orbit, T), earth(T), state(orbit, T)
    offset = (place.position - centre.barycentric.position) * AU_KM
    np.testing.assert_allclose(offset, satellite.position, rtol=0, atol=1e-4)
    speed = place.beta * LIGHT_KM_S - centre.barycentric.velocity * AU_KM / 86400
    np.testing.assert_allclose(speed, satellite.velocity, rtol=0, atol=1e-10)


def test_beta_is_the_derivative_of_the_position():
    """Differences of fourth order over 15 s: 2 mm/s, of which 0.5 are the rate of TDB to TCB."""
    step = 2.0**-21
    t = np.floor(T / step) * step
    at = {k: observer(Orbit(), t + k * step).position for k in (-2, -1, 1, 2)}
    slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) * AU_KM / (12 * step * JULIAN_YEAR_S)
    np.testing.assert_allclose(observer(Orbit(), t).beta * LIGHT_KM_S, slope, rtol=0, atol=2e-6)


def test_the_sun_is_astropys():
    """Direction to 1e-9 rad and distance to 100 m, from the satellite; from the Earth to the parallax."""
    place = observer(Orbit(), T)
    sun = get_body_barycentric("sun", TIMES, ephemeris="builtin").xyz.to_value("au").T
    offset = place.position - sun
    np.testing.assert_allclose(place.sun * place.sun_dist[:, None], offset, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(place.sun, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(sun_direction(T), -place.sun, rtol=0, atol=7000 / AU_KM * 1.05)


def test_an_instant_does_not_know_the_others():
    """One by one as together, to the last bit."""
    together = observer(Orbit(), T[:20])
    for k in range(20):
        alone = observer(Orbit(), T[k : k + 1])
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[k])
