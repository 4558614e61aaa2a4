"""Pointing and projections, against astropy's WCS."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from galcen.mapping.frames import Attitude, along, composed, telescope_axes, turned
from galcen.mapping.projection import (
    from_equidistant,
    gnomonic,
    to_direction,
    to_equidistant,
    turned_plane,
    unturned_plane,
)
from galcen.mapping.source_motion import RAD_PER_MAS
from galcen.mapping.vector import Vector, direction, normalised, sky_angles
from mapping_cases import UAS

POINTING = {"ra": st.floats(0.0, 360.0), "dec": st.floats(-85.0, 85.0), "angle": st.floats(-180.0, 180.0)}
OFFSET = st.tuples(*[st.floats(-0.5, 0.5)] * 2)


def _wcs_plane(code, ra, dec, angle, star):
    """X and Y [rad] by astropy: standard coordinates turned by the position angle."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{code}", f"DEC--{code}"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [0.0, 0.0]
    wcs.wcs.cdelt = [1.0, 1.0]
    xi, eta = np.deg2rad(wcs.wcs_world2pix([star], 0)[0] + 1)
    sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    return -xi * cos + eta * sin, xi * sin + eta * cos


def _star(ra, dec, offset):
    return ra + offset[0] / np.cos(np.deg2rad(dec)), dec + offset[1]


@jax.jit
def _plane(ra, dec, angle, star):
    axes = telescope_axes(*map(jnp.deg2rad, (ra, dec, angle)))
    return gnomonic(along(axes, direction(*map(jnp.deg2rad, star))))


@given(**POINTING, offset=OFFSET)
def test_agrees_with_wcs_tan(ra, dec, angle, offset):
    """Astropy's TAN to 1 uas, at any position angle."""
    star = _star(ra, dec, offset)
    expected = _wcs_plane("TAN", ra, dec, angle, star)
    np.testing.assert_allclose(_plane(ra, dec, angle, star), expected, rtol=0, atol=UAS)


@given(**POINTING, offset=st.tuples(*[st.floats(-4.0, 4.0)] * 2))
def test_agrees_with_wcs_arc(ra, dec, angle, offset):
    """Astropy's ARC to 1 uas, from the boresight to beyond the switch between series and arctangent."""
    star = _star(ra, dec, (offset[0] * np.cos(np.deg2rad(dec)), offset[1]))
    expected = _wcs_plane("ARC", ra, dec, angle, star)
    found = to_equidistant(*_plane(ra, dec, angle, star))
    np.testing.assert_allclose(found, expected, rtol=0, atol=UAS)


@pytest.mark.parametrize("radius", [0.0, 1e-9, 1e-3, 0.0999, 0.1, 0.1001, 1.0])
def test_equidistant_there_and_back(radius):
    """The inverse to 1e-15, and a derivative along the radius of 1 / (1 + r^2), at the centre too."""
    x, y = radius * np.cos(2.0), radius * np.sin(2.0)
    np.testing.assert_allclose(from_equidistant(*to_equidistant(x, y)), (x, y), rtol=1e-14, atol=1e-16)
    slope = jax.jvp(lambda r: to_equidistant(r, 0.0 * r)[0], (radius,), (1.0,))[1]
    assert abs(float(slope) - 1 / (1 + radius**2)) < 1e-14


@given(**POINTING)
def test_axes_are_orthonormal_and_left_handed(ra, dec, angle):
    """Unit vectors at right angles, X cross Y = -Z (trap T1)."""
    axes = np.array(telescope_axes(*map(jnp.deg2rad, (ra, dec, angle))))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=3e-15)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), -axes[2], atol=3e-15)


def test_west_and_north_at_position_angle_zero():
    """Trap T1: X grows to the west, Y to the north; at 90 deg +Y is east and +X north."""
    ra, dec, h = 266.0, -29.0, 0.1
    x, y = _plane(ra, dec, 0.0, (ra - h, dec))
    assert x > 1e-3 and abs(y) < 1e-5
    x, y = _plane(ra, dec, 0.0, (ra, dec + h))
    assert y > 1e-3 and abs(x) < 1e-15
    x, y = _plane(ra, dec, 90.0, (ra + h, dec))
    assert y > 1e-3 and abs(x) < 1e-5
    x, y = _plane(ra, dec, 90.0, (ra, dec + h))
    assert x > 1e-3 and abs(y) < 1e-15


@pytest.mark.parametrize("angle", [90.1, 120.0, 180.0])
def test_behind_the_telescope_is_nan(angle):
    """No antipode: NaN from 90 deg on."""
    assert np.isnan(_plane(266.0, 0.0, 30.0, (266.0 + angle, 0.0))).all()
    assert np.isfinite(_plane(266.0, 0.0, 30.0, (266.0 + 89.9, 0.0))).all()


ATTITUDE = st.tuples(*[st.floats(-1e6, 1e6)] * 3)


@given(attitude=ATTITUDE)
def test_attitude_is_gram_schmidt_then_a_turn(attitude):
    """The boresight moves on the tangent plane, X and Y are made orthogonal to it, both turn by psi."""
    a_x, a_y, psi = (RAD_PER_MAS * angle for angle in attitude)
    z = np.array([a_x, a_y, 1.0]) / np.sqrt(1 + a_x**2 + a_y**2)
    x = np.array([1.0, 0, 0]) - z[0] * z
    x /= np.linalg.norm(x)
    # Along the nominal axes, in whose components the three are right-handed.
    y = np.cross(z, x)
    expected = [np.cos(psi) * x + np.sin(psi) * y, np.cos(psi) * y - np.sin(psi) * x, z]
    np.testing.assert_allclose(np.array(turned(Attitude(*map(jnp.asarray, attitude)))), expected, atol=1e-15)


@given(**POINTING, psi=st.floats(-1e6, 1e6))
def test_psi_grows_with_the_position_angle(ra, dec, angle, psi):
    """A turn by psi is a pointing of greater position angle, to rounding."""
    nominal = telescope_axes(*map(jnp.deg2rad, (ra, dec, angle)))
    zero = jnp.zeros(())
    found = composed(nominal, turned(Attitude(zero, zero, jnp.asarray(psi))))
    expected = telescope_axes(jnp.deg2rad(ra), jnp.deg2rad(dec), jnp.deg2rad(angle) + RAD_PER_MAS * psi)
    np.testing.assert_allclose(np.array(found), np.array(expected), atol=3e-15)


@given(**POINTING, attitude=ATTITUDE, offset=OFFSET)
def test_turned_plane_is_the_plane_of_turned_axes(ra, dec, angle, attitude, offset):
    """The map of the plane and the axes themselves agree, and the way back returns, to rounding."""
    nominal = telescope_axes(*map(jnp.deg2rad, (ra, dec, angle)))
    turn = turned(Attitude(*map(jnp.asarray, attitude)))
    star = direction(*map(jnp.deg2rad, _star(ra, dec, offset)))
    plane = gnomonic(along(nominal, star))
    found = turned_plane(*plane, turn)
    np.testing.assert_allclose(found, gnomonic(along(composed(nominal, turn), star)), rtol=0, atol=1e-15)
    back = unturned_plane(*found, turn)
    np.testing.assert_allclose(back, plane, rtol=0, atol=1e-15)
    np.testing.assert_allclose(normalised(to_direction(*back, nominal)), star, rtol=0, atol=1e-14)


def test_right_ascension_stays_below_a_full_turn():
    """A right ascension of -1e-17 rad is 0, not 2 pi."""
    assert float(sky_angles(Vector(1.0, -1e-17, 0.0))[0]) == 0.0
    assert abs(float(sky_angles(Vector(1.0, -1e-3, 0.0))[0]) - (2 * np.pi - 1e-3)) < 1e-9
