"""Distortion polynomials, against astropy and numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.wcs import Sip
from numpy.polynomial.legendre import legval2d

from galcen.mapping.distortion import (
    Coefficients,
    Distortion,
    basis,
    determinant,
    displaced,
    distorted,
    folded,
    terms,
    undistorted,
)

ORDERS = range(2, 8)
RNG = np.random.default_rng(5)
P, Q = RNG.uniform(-2.2e4, 2.2e4, (2, 50))


def _coefficients(which, size_um=3.0, seed=2):
    values = np.random.default_rng(seed).normal(0.0, size_um, (2, which.n_term))
    if which.kind == "sip":
        values = values / np.array([2.0 ** (i + j) for i, j in terms(which.order)])
    return Coefficients(*map(jnp.asarray, values))


def test_terms_in_the_order_of_the_specification():
    """Orders 2 to 5 written out; 33 terms at order 7."""
    expected = "20 11 02 30 21 12 03 40 31 22 13 04 50 41 32 23 14 05".split()
    assert [f"{i}{j}" for i, j in terms(5)] == expected
    assert [len(terms(order)) for order in ORDERS] == [3, 7, 12, 18, 25, 33]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("vanish", [True, False])
def test_legendre_is_numpys(order, vanish):
    """Coefficients times products of numpy's polynomials, less those at 0; to rounding."""
    which = Distortion(order=order, vanish_at_centre=vanish)
    given = _coefficients(which)
    for shift, axis, values in zip(
        np.array(displaced(which, given, P, Q)) - [P, Q], "pq", (given.a, given.b), strict=True
    ):
        matrix = np.zeros((order + 1, order + 1))
        for (i, j), value in zip(terms(order), values, strict=True):
            matrix[i, j] = value
        expected = legval2d(P / 21000, Q / 21000, matrix) - vanish * legval2d(0.0, 0.0, matrix)
        # Positions of 2e4 um are rounded to 4e-12.
        np.testing.assert_allclose(shift, expected, rtol=0, atol=4e-11, err_msg=axis)


def test_constant_of_order_5_as_in_the_specification():
    """What is subtracted: (A0 + A2)/2 - A9/4 - 3 (A7 + A11)/8, with the sign that makes the centre stay."""
    a = np.random.default_rng(1).normal(size=18)
    kept = Distortion(vanish_at_centre=False)
    shift = float(displaced(kept, Coefficients(a, a), 0.0, 0.0)[0])
    assert abs(shift + (a[0] + a[2]) / 2 - a[9] / 4 - 3 * (a[7] + a[11]) / 8) < 1e-15
    assert displaced(Distortion(), Coefficients(a, a), 0.0, 0.0) == (0.0, 0.0)


@pytest.mark.parametrize("order", ORDERS)
def test_sip_is_astropys(order):
    """Astropy's Sip with its matrices scaled by 10^(-4 (i + j)), to 1e-15 of the position."""
    which = Distortion("sip", order)
    given = _coefficients(which)
    a, b = np.zeros((2, order + 1, order + 1))
    for (i, j), in_x, in_y in zip(terms(order), given.a, given.b, strict=True):
        a[i, j], b[i, j] = (c * 10.0 ** (-4 * (i + j)) for c in (in_x, in_y))
    expected = Sip(a, b, None, None, [0.0, 0.0]).pix2foc(np.stack([P, Q], axis=1), 1)
    np.testing.assert_allclose(displaced(which, given, P, Q), expected.T, rtol=0, atol=4e-11)


KINDS = [Distortion(kind, order) for kind in ("legendre", "sip") for order in (2, 5, 7)]
FEW = [Distortion("legendre", 5), Distortion("sip", 3)]
FEW = [which._replace(direction=d) for which in FEW for d in ("ideal_to_real", "real_to_ideal")]
BOTH = [which._replace(direction=d) for which in KINDS for d in ("ideal_to_real", "real_to_ideal")]


@pytest.mark.parametrize("which", BOTH, ids=str)
def test_there_and_back(which):
    """`undistorted` inverts `distorted` and the other way to 1e-11 um (3 ulp of 2e4 um), both directions."""
    given = _coefficients(which, 10.0)
    back = undistorted(which, given, *distorted(which, given, P, Q))
    forth = distorted(which, given, *undistorted(which, given, P, Q))
    np.testing.assert_allclose(back, (P, Q), rtol=0, atol=1.1e-11)
    np.testing.assert_allclose(forth, (P, Q), rtol=0, atol=1.1e-11)


@pytest.mark.parametrize("which", KINDS, ids=str)
def test_directions_are_inverse_to_each_other(which):
    """Trap T2: the same polynomial read the other way takes a position back; it is not the opposite shift."""
    given = _coefficients(which, 40.0)
    other = which._replace(direction="real_to_ideal")
    there = distorted(which, given, P, Q)
    np.testing.assert_allclose(distorted(other, given, *there), (P, Q), rtol=0, atol=1.1e-11)
    shift, opposite = np.array(there) - [P, Q], [P, Q] - np.array(distorted(other, given, P, Q))
    assert np.abs(shift - opposite).max() > 1e-4 * np.abs(shift).max()


def test_strong_distortion_is_inverted():
    """40 um for each coefficient, as the strongest of the reference."""
    which = Distortion(direction="real_to_ideal")
    given = _coefficients(which, 40.0)
    assert not folded(which, given, 22000.0)
    back = undistorted(which, given, *distorted(which, given, P, Q))
    np.testing.assert_allclose(back, (P, Q), rtol=0, atol=1.1e-11)


@pytest.mark.parametrize("which", FEW, ids=str)
def test_derivatives_are_finite_differences(which):
    """By position and by coefficients, of the polynomial and of its inverse, to 1e-7 relative."""
    given, x, y = _coefficients(which, 10.0), P[:5], Q[:5]

    @jax.jit
    def place(x, y, a, b):
        return jnp.stack(distorted(which, Coefficients(a, b), x, y))

    @jax.jit
    def slope_along(at, tangent):
        return jax.jvp(place, at, tangent)[1]

    at = (jnp.asarray(x), jnp.asarray(y), given.a, given.b)
    for i, h in ((0, 0.1), (1, 0.1), (2, 1e-3), (3, 1e-3)):
        step = RNG.normal(size=at[i].shape)
        up, down = (place(*at[:i], at[i] + sign * h * step, *at[i + 1 :]) for sign in (1, -1))
        tangent = [jnp.zeros_like(part) for part in at]
        tangent[i] = jnp.asarray(step)
        slope = slope_along(at, tuple(tangent))
        scale = float(jnp.abs(slope).max())
        np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=0, atol=1e-7 * scale)


@pytest.mark.parametrize("order", ORDERS)
def test_basis_is_the_derivative_by_coefficients(order):
    """Each term is the shift of a coefficient of 1."""
    which = Distortion(order=order)
    given = _coefficients(which)
    slope = jax.jit(jax.jacfwd(lambda a: displaced(which, Coefficients(a, given.b), P, Q)[0]))(given.a)
    np.testing.assert_allclose(slope.T, np.array(basis(which, jnp.asarray(P), jnp.asarray(Q))), atol=1e-14)


def test_determinant_is_the_area():
    """Area of a small square after the map over that before, to 1e-6."""
    which = Distortion()
    given, h = _coefficients(which, 40.0), 1.0
    corners = [(P + dx, Q + dy) for dx, dy in ((-h, -h), (h, -h), (h, h), (-h, h))]
    x, y = np.array([displaced(which, given, *corner) for corner in corners]).swapaxes(0, 1)
    area = 0.5 * sum(x[k] * y[(k + 1) % 4] - x[(k + 1) % 4] * y[k] for k in range(4))
    np.testing.assert_allclose(determinant(which, given, P, Q), area / (4 * h * h), rtol=1e-6)


@pytest.mark.parametrize(("a", "is_folded"), [(0.0, False), (3400.0, False), (3600.0, True), (np.nan, True)])
def test_folds_where_the_slope_turns(a, is_folded):
    """X = p + A P_2(p/L) has the slope 1 + 3 A p / L^2: it turns within s where A > L^2 / (3 s)."""
    which, half_side = Distortion(order=2), 21000.0**2 / (3 * 3500.0)
    given = Coefficients(jnp.array([a, 0.0, 0.0]), jnp.zeros(3))
    assert bool(folded(which, given, half_side)) is is_folded
