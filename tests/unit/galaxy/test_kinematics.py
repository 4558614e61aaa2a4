"""Velocities against tables of the model, closed forms and astropy."""

import dataclasses

import astropy.units as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from galcen.catalogue import velocity
from galcen.config.galaxy import Extinction
from galcen.config.galaxy import Galaxy as GalaxyOptions
from galcen.galaxy.components import BAR, HALO, NSC, NSD, THICK
from galcen.galaxy.frame import Frame
from galcen.galaxy.kinematics import (
    VelocityTable,
    bar,
    build_kinematics,
    disc,
    draw_jax,
    draw_velocity,
    nuclear_cluster,
)
from galcen.galaxy.observables import galactic_to_icrs, icrs_proper_motion, icrs_to_galactic, observables
from galcen.io.model_tables import read_tables
from galcen.random import keys, stage_key
from galcen.stages.galaxy_model import build_galaxy


@pytest.fixture(scope="module")
def tables():
    return read_tables()[0]


@pytest.fixture(scope="module")
def kinematics(tables):
    return build_kinematics(tables.rotation_curve, tables.nuclear_disc)


# Koshimoto et al. (2021), evaluated independently: R, |Z|, disc, mean and dispersion of v_phi.
AZIMUTHAL = [
    (8160, 0, 0, 238.58, 5.86),
    (8160, 0, 2, 234.54, 16.33),
    (8160, 0, 6, 223.76, 32.39),
    (8160, 0, 7, 188.78, 55.97),
    (5000, 100, 2, 227.31, 25.57),
    (2000, 100, 6, 177.22, 56.08),
    (1000, 0, 2, 153.29, 45.20),
    (1000, 0, 7, 165.48, 65.96),
    (300, 50, 0, 68.41, 15.44),
    (300, 50, 7, 112.04, 44.70),
]


@pytest.mark.parametrize(("r", "z", "which", "mean", "sigma"), AZIMUTHAL)
def test_azimuthal_velocities_of_the_discs(kinematics, r, z, which, mean, sigma):
    """Mean within 0.1 % and dispersion within 0.5 % of direct integration of the Shu distribution."""
    score = np.linspace(-4.5, 4.5, 20001)
    weight = np.exp(-0.5 * score**2) / np.exp(-0.5 * score**2).sum()
    place = (jnp.array([which]), jnp.array([float(r)]), jnp.array([float(z)]))
    v = np.asarray(disc.azimuthal_velocity(kinematics.shu, *place, jnp.asarray(score)[:, None]))[:, 0]
    got = (weight * v).sum()
    assert got == pytest.approx(mean, rel=1e-3)
    assert np.sqrt((weight * (v - got) ** 2).sum()) == pytest.approx(sigma, rel=5e-3)


def test_bar_moments():
    """Mean velocity and dispersions without covariance at three points, to four digits."""
    x = np.array([163.952894, 2162.963039, 10.0])
    y = np.array([147.546860, 112.654008, 0.0])
    z = np.array([-202.361061, -143.883002, 0.0])
    np.testing.assert_allclose(
        bar.mean_velocity("E+E_X", x, y), [[-7.7425, 32.6567, 0.0048], [7.3924, 121.9081, 0.4765]], atol=6e-5
    )
    np.testing.assert_allclose(
        bar.without_covariance(bar.dispersion("E+E_X", x, y, z)),
        [[153.9187, 78.3327, 203.1738], [133.3937, 81.5114, 167.5038], [124.8784, 73.5458, 151.9002]],
        atol=6e-5,
    )


def test_nuclear_disc_moments(kinematics):
    """Five interpolated points, to the printed digits."""
    expected = [
        (34.4750, 91.6443, 92.3273, 100.6186, -0.0018),
        (78.7600, 68.4935, 76.0777, 67.8624, 0.0136),
        (88.8600, 50.6478, 66.2374, 53.3488, 0.0677),
        (65.2680, 31.0388, 53.2780, 26.1985, 0.2634),
        (11.2200, 14.5792, 30.5997, 8.5197, 0.6437),
    ]
    got = kinematics.nuclear_disc(np.array([12.5, 52, 103, 251, 602]), np.array([2.5, 11, 31, 47, 113]))
    np.testing.assert_allclose(np.asarray(got).T, expected, atol=6e-5)


def _draw(kinematics, comp, x, y, z, n=60000):
    place = np.array([np.full(n, x), np.full(n, y), np.full(n, z)])
    table = VelocityTable.build(kinematics)
    return draw_velocity(table, stage_key(1, "test"), np.arange(n), np.full(n, comp), place)


def test_bar_draws_keep_the_covariance(kinematics):
    """Covariance (s_x^2 - s_y^2) sin cos of the bar's angle, within 4 standard errors; none when off."""
    at = (800.0, -300.0, 50.0)
    s_x, s_y, _ = np.asarray(bar.dispersion("E+E_X", *map(np.array, at)))
    angle = np.radians(27.0)
    expected = (s_x**2 - s_y**2) * np.sin(angle) * np.cos(angle)
    error = 4 * s_x * s_y / np.sqrt(60000)
    v = _draw(kinematics, BAR, *at)
    assert abs(np.cov(v[:2])[0, 1] - expected) < error
    assert expected > 3 * error
    plain = dataclasses.replace(kinematics, bar_covariance=False)
    assert abs(np.cov(_draw(plain, BAR, *at)[:2])[0, 1]) < error


def test_correlation_of_the_nuclear_disc_changes_sign(kinematics):
    """At (R, Z) = (251, +-47) pc the correlation of v_R and v_z is +-0.2634, within 4 standard errors."""
    for sign in (1, -1):
        v = _draw(kinematics, NSD, 251.0, 0.0, 47.0 * sign)
        assert np.corrcoef(v[0], v[2])[0, 1] == pytest.approx(0.2634 * sign, abs=4 / np.sqrt(60000))
        assert v[1].mean() == pytest.approx(65.268, abs=4 * 31.04 / np.sqrt(60000))


def test_cluster_rotates_with_half_its_dispersion(kinematics):
    """At R = 10 pc in the plane: sigma 62.4 km/s, rotation 31.2 km/s, within 4 standard errors."""
    v = _draw(kinematics, NSC, 10.0, 0.0, 0.0)
    error = 4 * 62.4 / np.sqrt(60000)
    assert v[1].mean() == pytest.approx(31.2, abs=error)
    np.testing.assert_allclose(v.std(axis=1), 62.4, atol=error)


def test_no_star_escapes(kinematics):
    """Nothing beyond 600 km/s at the centre of the bar, where one draw in thirty is."""
    assert np.linalg.norm(_draw(kinematics, BAR, 1.0, 0.0, 0.0), axis=0).max() < 600.0


@pytest.mark.parametrize(
    ("sun", "expected"),
    [
        ((8160.0, (10.0, 243.0, 7.0)), (-6.282, -0.181)),
        ((8178.0, (12.9, 245.6, 7.78)), (-6.335, -0.201)),
    ],
)
def test_an_object_at_rest_moves_with_the_sun(sun, expected):
    """Proper motion of Sgr A* at rest for published solar motions, to the printed digits."""
    frame = Frame(sun[0], 25.0, sun[1])
    lon, lat = np.radians([-0.056]), np.radians([-0.046])
    pml, pmb, _ = observables(frame, lon, lat, np.array([sun[0]]), np.zeros((3, 1)))
    np.testing.assert_allclose([pml[0], pmb[0]], expected, atol=6e-4)


def test_galactic_axes_agree_with_astropy():
    """Positions to 30 mas: astropy ties the axes to FK5, 23 mas from ICRS.

    That turns proper motions of 20 mas/yr by 1.1e-7 rad, up to 6 times more near the pole: 1.3e-5 mas/yr.
    """
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(-3, 3, 200), rng.uniform(-1.4, 1.4, 200)
    pml, pmb = rng.normal(0, 5, (2, 200))
    sky = SkyCoord(
        l=lon * u.rad, b=lat * u.rad, pm_l_cosb=pml * u.mas / u.yr, pm_b=pmb * u.mas / u.yr, frame="galactic"
    ).icrs
    ra, dec = galactic_to_icrs(lon, lat)
    here = SkyCoord(ra=np.asarray(ra) * u.rad, dec=np.asarray(dec) * u.rad)
    assert here.separation(sky).to_value(u.mas).max() < 30.0
    pmra, pmdec = icrs_proper_motion(lon, lat, pml, pmb)
    np.testing.assert_allclose(pmra, sky.pm_ra_cosdec.value, atol=1.3e-5)
    np.testing.assert_allclose(pmdec, sky.pm_dec.value, atol=1.3e-5)
    back = icrs_to_galactic(ra, dec)
    np.testing.assert_allclose(np.angle(np.exp(1j * (np.asarray(back[0]) - lon))), 0, atol=1e-9)


N_TWIN = 36000


def _anywhere(seed):
    """Stars of all components from 0.1 pc to 10 kpc, some on the axes, and large identifiers."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(3, N_TWIN)) * np.exp(rng.uniform(-2.0, 9.0, N_TWIN))
    place[:, :12] = 0.0
    place[2, 12:240] = 0.0
    return rng.integers(0, 2**53, N_TWIN), np.arange(N_TWIN) % 12, place


@pytest.mark.parametrize(("form", "switches"), [("E+E_X", True), ("E", True), ("G", False), ("G+G_X", False)])
def test_draws_are_those_of_the_twin(kinematics, form, switches):
    """Star by star within 1e-8 km/s: the same scores, candidates and formulas, in another order of sums."""
    kinematics = dataclasses.replace(
        kinematics, bar_form=form, bar_covariance=switches, nuclear_disc_correlation_sign=switches
    )
    root = stage_key(1, "test")
    source_id, comp, place = _anywhere(1)
    got = draw_velocity(VelocityTable.build(kinematics), root, source_id, comp, place)
    expected = draw_jax.draw_velocity(kinematics, keys(root, source_id), comp, *place)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8)


def test_scores_beyond_the_escape_speed_are_drawn_again(kinematics):
    """Only the halo, stars bound to the black hole and the far bar may be faster."""
    source_id, comp, place = _anywhere(2)
    v = draw_velocity(VelocityTable.build(kinematics), stage_key(1, "test"), source_id, comp, place)
    speed = np.linalg.norm(v, axis=0)
    a = np.asarray(nuclear_cluster.moments(np.hypot(*place[:2]), place[2])[2])
    deep = (comp == NSC) & (a < nuclear_cluster.NO_ESCAPE_WITHIN)
    # Beyond 5 kpc the solid rotation of the bar alone comes near the escape speed.
    free = deep | (comp == HALO) | (np.hypot(*place[:2]) > 5000.0)
    assert speed[comp <= THICK].max() < 550.0
    assert speed[~free].max() < 600.0
    assert speed[deep].max() > 600.0


def test_no_other_score_is_drawn_again(kinematics):
    """At the centre of the bar, where one first draw in eighty is too fast, the others are kept."""
    streams = keys(stage_key(1, "test"), np.arange(60000))
    score = np.asarray(jax.vmap(lambda key: jax.random.normal(key, (3, 4))[:, 0])(streams))
    u, v, v_z = np.asarray(bar.dispersion("E+E_X", *np.array([[1.0], [0.0], [0.0]]))) * score.T
    v_x, v_y = bar.rotate(u, v)
    mean_x, mean_y = bar.mean_velocity("E+E_X", np.ones(1), np.zeros(1))
    first = np.array([mean_x + v_x, mean_y + v_y, v_z])
    fast = np.linalg.norm(first, axis=0) > 600.0
    same = np.isclose(_draw(kinematics, BAR, 1.0, 0.0, 0.0), first, rtol=0, atol=1e-8).all(axis=0)
    np.testing.assert_array_equal(same, ~fast)
    assert 0.01 < fast.mean() < 0.02


def test_phase_space_of_a_star_is_its_own(tables, monkeypatch):
    """Neither order nor batch nor a neighbour without a distance changes a bit."""
    galaxy = build_galaxy(GalaxyOptions(), Extinction(), tables)
    rng, n = np.random.default_rng(3), 1000
    columns = (
        rng.integers(0, 2**53, n),
        rng.integers(0, 12, n).astype(np.int8),
        rng.uniform(-0.05, 0.05, n),
        rng.uniform(-0.03, 0.03, n),
        rng.uniform(100.0, 15000.0, n),
    )
    root = stage_key(1, "test")
    whole = velocity.phase_space(galaxy, root, *columns)
    assert all(np.isfinite(part).all() for part in whole)
    order = rng.permutation(n)
    monkeypatch.setattr(velocity, "BATCH", 128)
    shuffled = velocity.phase_space(galaxy, root, *(column[order] for column in columns))
    for a, b in zip(whole, shuffled, strict=True):
        np.testing.assert_array_equal(a[..., order], b)
    assert velocity.phase_space(galaxy, root, *(column[:0] for column in columns)).position.shape == (3, 0)
    columns[-1][7] = np.nan
    broken = velocity.phase_space(galaxy, root, *columns)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(broken.velocity).all(axis=0)), [7])
    np.testing.assert_array_equal(broken.pmra[8:], whole.pmra[8:])
