"""Exposures of directions, counted one by one with formulas of angles."""

import numpy as np
import pytest
from astropy.wcs import WCS

from galcen.survey.coverage import exposures_of, pointing, square_camera, triad, unit

CAMERA = square_camera(4.3704e6, 19520.0, 22400.0, (0.0, -90.0, 180.0, 90.0))
TURNED = square_camera(4.3704e6, 19520.0, 23500.0, (2.0, -91.0, 183.0, 85.0))


def on_chip(camera, ra, dec, pa, ra_star, dec_star):
    """Standard coordinates, focal plane, nearest chip and its pixels, as the mapping defines them."""
    a, d, theta = np.radians(ra_star - ra), np.radians(dec_star), np.radians(pa)
    d0 = np.radians(dec)
    cos_r = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
    xi = np.cos(d) * np.sin(a) / cos_r
    eta = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / cos_r
    x = camera.focal_length_um * (-xi * np.cos(theta) + eta * np.sin(theta))
    y = camera.focal_length_um * (xi * np.sin(theta) + eta * np.cos(theta))
    dx, dy = x[:, None] - camera.centre_um[:, 0], y[:, None] - camera.centre_um[:, 1]
    chip = np.argmin(np.hypot(dx, dy), axis=1)
    dx, dy = dx[np.arange(len(x)), chip], dy[np.arange(len(x)), chip]
    turn = np.radians(camera.rotation_deg[chip])
    nx, ny = np.cos(turn) * dx - np.sin(turn) * dy, np.sin(turn) * dx + np.cos(turn) * dy
    return (cos_r > 0) & (abs(nx) <= camera.half_um) & (abs(ny) <= camera.half_um), chip


@pytest.mark.parametrize("camera", [CAMERA, TURNED])
@pytest.mark.parametrize(("scatter_arcsec", "twist_deg"), [(0.0, 0.0), (3.0, 0.005), (120.0, 2.0)])
@pytest.mark.parametrize("dec", [-29.0, 0.0, 89.9])
def test_counts_are_those_of_one_by_one(camera, scatter_arcsec, twist_deg, dec):
    """12 fields of 5 exposures and 3,000 stars, none of them differs, whatever the scatter and the pole."""
    rng = np.random.default_rng(5)
    stretch = np.cos(np.radians(dec))
    field = np.stack([266 + rng.normal(0, 0.3, 12) / stretch, dec + rng.normal(0, 0.1, 12)])
    field[1] = np.minimum(field[1], 89.99)
    angle = rng.uniform(-180, 180, 12)
    around = rng.normal(0, scatter_arcsec / 3600, (2, 60))
    ra = np.repeat(field[0], 5) + around[0] / np.cos(np.radians(np.repeat(field[1], 5)))
    nominal = triad(unit(*field), angle)
    shot = np.stack(
        [
            ra,
            np.minimum(np.repeat(field[1], 5) + around[1], 90),
            np.repeat(angle, 5) + rng.normal(0, twist_deg, 60),
        ]
    )
    # At the pole position angles turn with the right ascension; the twist is what is left.
    shot[2] += (ra - np.repeat(field[0], 5)) * np.sin(np.radians(shot[1]))
    axes = triad(unit(shot[0], shot[1]), shot[2])
    star = np.stack(
        [266 + rng.uniform(-1, 1, 3000) / stretch, np.minimum(dec + rng.uniform(-0.8, 0.8, 3000), 90)]
    )
    got = exposures_of(unit(*star), nominal, axes, np.arange(13) * 5, camera)
    expected = sum(on_chip(camera, *shot[:, e], *star)[0].astype(int) for e in range(60))
    np.testing.assert_array_equal(got, expected)
    assert expected.max() > 5


def test_nothing_is_seen_behind_the_telescope():
    axes = triad(unit(np.array([266.0]), np.array([-29.0])), np.array([20.0]))
    behind = unit(np.array([86.0]), np.array([29.0]))
    assert exposures_of(behind, axes, axes, np.array([0, 1]), CAMERA).tolist() == [0]


def test_gaps_between_chips_are_empty():
    """The axis falls between the chips; 0.147 deg off along both axes lies the middle of one."""
    axes = triad(unit(np.array([266.0]), np.array([-29.0])), np.array([20.0]))
    step = np.tan(np.radians(0.147))
    target = axes[0, 2] + np.array([[0.0], [step]]) * (axes[0, 0] + axes[0, 1])
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    assert exposures_of(target, axes, axes, np.array([0, 1]), CAMERA).tolist() == [0, 1]


def test_focal_axes_are_those_of_a_tangential_wcs():
    """The xi and eta by astropy's TAN; X west and Y north at angle 0, Y towards east at 90: 1e-12 rad."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [266.4, -29.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [0, 0], [1, 1]
    ra, dec = np.array([266.7, 266.1, 266.3]), np.array([-28.8, -29.3, -28.9])
    xi, eta = np.radians(wcs.all_world2pix(ra, dec, 0))
    xi, eta = xi + np.radians(1), eta + np.radians(1)
    for angle, x, y in ((0.0, -xi, eta), (90.0, eta, xi), (180.0, xi, -eta)):
        axes = triad(unit(np.array([266.4]), np.array([-29.0])), np.array([angle]))[0]
        w = axes @ unit(ra, dec).T
        np.testing.assert_allclose(w[0] / w[2], x, atol=1e-12)
        np.testing.assert_allclose(w[1] / w[2], y, atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(-1)


def test_a_triad_gives_its_pointing_back():
    """1e-10 deg, near the pole too."""
    ra, dec, pa = np.array([0.1, 266.0, 359.9]), np.array([-89.9, -29.0, 60.0]), np.array([-170.0, 58.6, 3.0])
    np.testing.assert_allclose(pointing(triad(unit(ra, dec), pa)), (ra, dec, pa), rtol=0, atol=1e-10)
