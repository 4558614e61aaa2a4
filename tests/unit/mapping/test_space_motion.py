"""Epoch propagation and small offsets on the sky, against ERFA and astropy."""

import erfa
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from galcen.errors import SchemaError
from galcen.mapping.catalogue_covariance import (
    CORRELATIONS,
    ERRORS,
    columns_of,
    correlation_matrix,
    covariance_of,
)
from galcen.mapping.space_motion import SpaceMotion, displaced, offsets, propagated

UAS_DEG = 1 / 3.6e9


def sources(n=200, seed=3):
    """Stars all over the sky, with motions as large as Barnard's."""
    rng = np.random.default_rng(seed)
    return SpaceMotion(
        rng.uniform(0, 360, n),
        np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        10 ** rng.uniform(-1, 2.7, n),
        rng.normal(0, 3000, n),
        rng.normal(0, 3000, n),
        rng.normal(0, 100, n),
    )


def test_propagation_is_that_of_astropy():
    """16 years of uniform space motion as `SkyCoord.apply_space_motion`: 0.01 uas and 1e-9 relative.

    ERFA subtracts relativistic light-time terms of the order of v/c, 1e-3, times the change itself; they are
    left out here, so speeds are kept at a few km/s.
    """
    slow = sources()._replace(parallax=np.full(200, 50.0), radial_velocity=np.full(200, 0.0))
    slow = slow._replace(pmra=slow.pmra / 3e4, pmdec=slow.pmdec / 3e4)
    got = propagated(slow, 16.0)
    star = SkyCoord(
        slow.ra * u.deg,
        slow.dec * u.deg,
        distance=1000 / slow.parallax * u.pc,
        pm_ra_cosdec=slow.pmra * u.mas / u.yr,
        pm_dec=slow.pmdec * u.mas / u.yr,
        radial_velocity=slow.radial_velocity * u.km / u.s,
    )
    moved = star.apply_space_motion(dt=16 * u.yr)
    a, d = offsets(got.ra, got.dec, moved.ra.deg, moved.dec.deg)
    np.testing.assert_allclose(np.hypot(a, d), 0, atol=1e-5)
    np.testing.assert_allclose(got.pmra, moved.pm_ra_cosdec.to_value(u.mas / u.yr), atol=1e-6)
    np.testing.assert_allclose(got.pmdec, moved.pm_dec.to_value(u.mas / u.yr), atol=1e-6)


def test_perspective_is_that_of_the_vectors():
    """Barnard's star after 50 years, by adding vectors: 1 uas, for the constants' digits, and 1e-9."""
    star = SpaceMotion(*(np.array([x]) for x in (269.452, 4.693, 546.98, -801.55, 10362.39, -110.47)))
    got = propagated(star, 50.0)
    place = SkyCoord(
        star.ra * u.deg,
        star.dec * u.deg,
        distance=1000 / star.parallax * u.pc,
        pm_ra_cosdec=star.pmra * u.mas / u.yr,
        pm_dec=star.pmdec * u.mas / u.yr,
        radial_velocity=star.radial_velocity * u.km / u.s,
    )
    position = place.cartesian.xyz + place.velocity.d_xyz * 50 * u.yr
    moved = SkyCoord(*position, representation_type="cartesian").spherical
    a, d = offsets(got.ra, got.dec, moved.lon.deg, moved.lat.deg)
    np.testing.assert_allclose(np.hypot(a, d), 0, atol=1e-3)
    np.testing.assert_allclose(got.parallax, 1000 / moved.distance.to_value(u.pc), rtol=1e-9)
    speed = np.sqrt((place.velocity.d_xyz.to_value(u.km / u.s) ** 2).sum())
    across = np.hypot(got.pmra, got.pmdec) / got.parallax * 4.740470463533
    np.testing.assert_allclose(np.hypot(across, got.radial_velocity), speed, rtol=1e-9)


def test_propagation_there_and_back():
    """Back at the first epoch: 0.001 uas, all parameters to 1e-9."""
    stars = sources()
    back = propagated(propagated(stars, 16.0), -16.0)
    a, d = offsets(back.ra, back.dec, stars.ra, stars.dec)
    np.testing.assert_allclose(np.hypot(a, d), 0, atol=1e-6)
    for name in ("parallax", "pmra", "pmdec", "radial_velocity"):
        np.testing.assert_allclose(getattr(back, name), getattr(stars, name), rtol=1e-9, atol=1e-7)


def test_a_source_at_rest_stays():
    """To the last bit, with parallax 0 as well."""
    stars = sources()
    for parallax in (0.0, 5.0):
        rest = stars._replace(
            parallax=np.full(200, parallax),
            pmra=np.zeros(200),
            pmdec=np.zeros(200),
            radial_velocity=np.zeros(200),
        )
        for got, expected in zip(propagated(rest, 16.0)[:3], rest[:3], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_offsets_are_standard_coordinates():
    """ERFA's tangent-plane projection to 1e-3 uas, and back to what they were to 0.3 nas."""
    stars, rng = sources(), np.random.default_rng(5)
    a, d = rng.normal(0, 2000, 200), rng.normal(0, 2000, 200)
    ra, dec = displaced(stars.ra, stars.dec, a, d)
    expected = erfa.tpxes(*np.radians([ra, dec, stars.ra, stars.dec]))
    got = offsets(ra, dec, stars.ra, stars.dec)
    for one, other, given in zip(got, expected[:2], (a, d), strict=True):
        np.testing.assert_allclose(one, np.degrees(other) * 3.6e6, atol=1e-6)
        np.testing.assert_allclose(one, given, atol=3e-7)
    assert (ra >= 0).all()
    assert (ra < 360).all()


def test_columns_and_matrices_are_the_same():
    """Errors and correlations survive to rounding; the order of the ten is Gaia's."""
    assert CORRELATIONS[0] == "ra_dec_corr"
    assert CORRELATIONS[-1] == "pmra_pmdec_corr"
    matrix = np.cov(np.random.default_rng(1).normal(size=(5, 20)))[None]
    columns = columns_of(matrix)
    np.testing.assert_allclose(columns["dec_error"], np.sqrt(matrix[:, 1, 1]))
    correlation = matrix[0, 1, 3] / np.sqrt(matrix[0, 1, 1] * matrix[0, 3, 3])
    np.testing.assert_allclose(columns["dec_pmra_corr"], correlation)
    np.testing.assert_allclose(covariance_of(columns, np.array([7])), matrix, rtol=1e-12)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ra_error", 0.0, "source 12: ra_error is not a finite number above 0; a prior of no width"),
        ("parallax_error", -0.1, "source 12: parallax_error is not a finite"),
        ("pmra_error", np.nan, "source 12: pmra_error is not a finite"),
        ("ra_dec_corr", 1.0, "source 12: ra_dec_corr does not lie between"),
        ("ra_pmra_corr", np.nan, "source 12: ra_pmra_corr does not lie between"),
        ("parallax_pmra_corr", 0.9, "source 12: its ten correlations make no positive definite matrix"),
    ],
)
def test_impossible_covariances_are_named(column, value, message):
    """The first source at fault and how many there are."""
    columns = {name: np.full(3, 0.1) for name in ERRORS} | {name: np.zeros(3) for name in CORRELATIONS}
    columns["ra_parallax_corr"][:] = 0.9
    columns[column] = np.array([columns[column][0], value, value])
    with pytest.raises(SchemaError, match=message + r".*\(2 such sources\)"):
        covariance_of(columns, np.array([11, 12, 13]))


def test_a_missing_column_is_named():
    """The ten correlations are needed."""
    with pytest.raises(SchemaError, match="no column ra_dec_corr"):
        covariance_of({name: np.ones(1) for name in ERRORS}, np.array([1]))


def test_correlation_matrix_is_symmetric():
    """Each number stands twice."""
    matrix = correlation_matrix(np.arange(10)[None] / 20)
    np.testing.assert_array_equal(matrix, matrix.transpose(0, 2, 1))
