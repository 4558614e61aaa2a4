"""Chips."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from galcen.mapping.detector import Chip, ChipOffsets, affine, from_pixel, moved, to_pixel

LENGTH = st.floats(-2e4, 2e4)
CHIP = st.tuples(st.floats(-7.0, 7.0), LENGTH, LENGTH, st.floats(1.0, 30.0), st.floats(1.0, 30.0))


@given(values=CHIP, place=st.tuples(LENGTH, LENGTH))
def test_pixels_are_the_rotated_offset_over_the_size(values, place):
    """R(theta) (X - X_d) / s, written with numpy's matrices, to 1e-11 pixel."""
    angle, *centre, size_x, size_y = values
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = rotation @ (np.array(place) - centre) / [size_x, size_y]
    np.testing.assert_allclose(to_pixel(affine(Chip(*values)), *place), expected, rtol=0, atol=1e-10)


@given(values=CHIP, place=st.tuples(LENGTH, LENGTH))
def test_there_and_back(values, place):
    """The way back returns to 1e-10 um."""
    chip = affine(Chip(*values))
    np.testing.assert_allclose(from_pixel(chip, *to_pixel(chip, *place)), place, rtol=0, atol=1e-10)


def test_division_after_the_rotation():
    """Trap T3: on a chip turned by 90 deg, X runs along ny, so s_y divides it."""
    nx, ny = to_pixel(affine(Chip(np.pi / 2, 0.0, 0.0, 10.0, 20.0)), 100.0, 0.0)
    np.testing.assert_allclose((nx, ny), (0.0, 5.0), atol=1e-14)


def test_unknowns_are_about_the_nominal_chip():
    """1e-6 rad, um and relative 1e-6."""
    nominal = Chip(0.5, 100.0, -200.0, 10.0, 20.0)
    found = moved(nominal, ChipOffsets(3.0, 0.5, -0.25, 7.0, -9.0))
    np.testing.assert_allclose(
        found, (0.5 + 3e-6, 100.5, -200.25, 10.0 * (1 + 7e-6), 20.0 * (1 - 9e-6)), rtol=1e-15
    )


def test_jacobian_of_a_shift_is_minus_that_of_the_place():
    """Moving the chip is moving the star the other way."""
    chip = Chip(0.3, 10.0, 20.0, 9.0, 11.0)
    by_centre = jax.jacfwd(
        lambda d: jnp.stack(to_pixel(affine(moved(chip, ChipOffsets(0.0, d[0], d[1], 0.0, 0.0))), 5.0, 6.0))
    )(jnp.zeros(2))
    by_place = jax.jacfwd(lambda xy: jnp.stack(to_pixel(affine(chip), *xy)))(jnp.array([5.0, 6.0]))
    np.testing.assert_allclose(by_centre, -by_place, rtol=1e-14)
