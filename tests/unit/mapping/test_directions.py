"""From catalogue to proper direction, against ERFA."""

import erfa
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from galcen.mapping.aberration import proper_direction
from galcen.mapping.deflection import bent
from galcen.mapping.source_motion import (
    RAD_PER_MAS,
    Observer,
    Offsets,
    barycentric_time,
    coordinate_direction,
    path,
    position,
    seen_from,
    triad,
)
from galcen.mapping.vector import Vector, added, direction, sky_angles
from mapping_cases import UAS

RA, DEC = st.floats(0.0, 6.28), st.floats(-1.5, 1.5)
AU = st.floats(-1.1, 1.1)
ZERO3 = Vector(*[jnp.zeros(())] * 3)


def _observer(t=0.0, b=ZERO3, beta=ZERO3, sun=ZERO3, distance=1.0):
    vectors = (Vector(*map(jnp.asarray, map(float, v))) for v in (b, beta, sun))
    return Observer(jnp.asarray(t), *vectors, jnp.asarray(distance))


def _miss(found, expected):
    return float(np.linalg.norm(np.array(found) - np.array(expected)))


@settings(max_examples=200)
@given(
    ra=RA,
    dec=DEC,
    pm=st.tuples(*[st.floats(-3000, 3000)] * 2),
    parallax=st.floats(0.01, 700),
    rv=st.floats(-300, 300),
    t=st.floats(-20, 20),
    b=st.tuples(AU, AU, AU),
)
def test_coordinate_direction_is_that_of_pmpx(ra, dec, pm, parallax, rv, t, b):
    """Motion, perspective, Roemer delay and parallax: ERFA's pmpx to 0.01 uas."""
    expected = erfa.pmpx(
        ra, dec, pm[0] * RAD_PER_MAS / np.cos(dec), pm[1] * RAD_PER_MAS, parallax / 1e3, rv, t, np.array(b)
    )
    found = coordinate_direction(
        Offsets(0.0, 0.0, parallax, *pm), triad(jnp.asarray(ra), jnp.asarray(dec)), rv, _observer(t, b)
    )
    assert _miss(found, expected) < 0.01 * UAS


@settings(max_examples=200)
@given(ra=RA, dec=DEC, sun=st.tuples(RA, DEC), distance=st.floats(0.98, 1.0))
def test_bending_is_that_of_ldsun(ra, dec, sun, distance):
    """ERFA's ldsun to 0.01 uas, behind the Sun's disc too, where both stop it from diverging."""
    p, e = np.array(direction(ra, dec)), np.array(direction(*sun))
    found = bent(Vector(*map(jnp.asarray, p)), _observer(sun=e, distance=distance))
    assert _miss(found, erfa.ldsun(p, e, distance)) < 0.01 * UAS


@settings(max_examples=200)
@given(ra=RA, dec=DEC, beta=st.tuples(*[st.floats(-2e-4, 2e-4)] * 3), distance=st.floats(0.9, 1.1))
def test_aberration_is_that_of_ab(ra, dec, beta, distance):
    """Aberration: ERFA's ab to 0.01 uas, and of unit length."""
    n = np.array(direction(ra, dec))
    expected = erfa.ab(n, np.array(beta), distance, np.sqrt(1 - np.dot(beta, beta)))
    found = proper_direction(Vector(*map(jnp.asarray, n)), _observer(beta=beta, distance=distance))
    assert _miss(found, expected) < 0.01 * UAS


@given(ra=RA, dec=DEC, offset=st.tuples(*[st.floats(-1e6, 1e6)] * 2))
def test_position_of_offsets_is_exact(ra, dec, offset):
    """Angles of the vector r + a p + d q, to 0.01 uas at 1000 arcsec."""
    at = triad(jnp.asarray(ra), jnp.asarray(dec))
    found = direction(*position(ra, dec, *offset))
    axes = ((1.0, at.radial), (RAD_PER_MAS * offset[0], at.east), (RAD_PER_MAS * offset[1], at.north))
    vector = sum(k * np.array(axis) for k, axis in axes)
    assert _miss(found, vector / np.linalg.norm(vector)) < 0.01 * UAS


@given(ra=RA, dec=DEC)
def test_triad_is_east_north_radial(ra, dec):
    """Derivatives of the direction by right ascension over cos dec, and by declination."""
    at = triad(jnp.asarray(ra), jnp.asarray(dec))
    h = 1e-6
    east = (np.array(direction(ra + h, dec)) - np.array(direction(ra - h, dec))) / (2 * h * np.cos(dec))
    north = (np.array(direction(ra, dec + h)) - np.array(direction(ra, dec - h))) / (2 * h)
    np.testing.assert_allclose(at.east, east, atol=1e-8)
    np.testing.assert_allclose(at.north, north, atol=1e-8)
    np.testing.assert_allclose(np.cross(at.east, at.north), np.array(at.radial), atol=1e-15)
    np.testing.assert_allclose(sky_angles(at.radial), (ra % (2 * np.pi), dec), atol=1e-14)


def test_light_takes_499_seconds_per_au():
    """A star seen from 1 au towards it is seen 499.004784 s ahead of the barycentre."""
    at = triad(jnp.asarray(1.0), jnp.asarray(0.5))
    t = barycentric_time(at.radial, _observer(t=2.0, b=at.radial))
    assert abs((float(t) - 2.0) * 365.25 * 86400 - 499.004784) < 1e-5


def test_a_path_is_the_source_without_its_unknowns():
    """What is seen from the barycentre at the epoch is the comparison direction and the offset from there."""
    at = triad(jnp.asarray(1.0), jnp.asarray(0.5))
    way = path(Offsets(3.0, -4.0, 10.0, 100.0, 200.0), at, 20.0)
    np.testing.assert_array_equal(seen_from(way, _observer()), added(way.at, way.offset))
    np.testing.assert_allclose(np.linalg.norm(way.offset), RAD_PER_MAS * 5.0, rtol=1e-12)
