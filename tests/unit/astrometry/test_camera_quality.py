"""Cameras compared: what pointing and scale take up does not count, all else does."""

import numpy as np
import pytest

from galcen.astrometry.camera_quality import (
    Found,
    Places,
    camera_columns,
    combined_map,
    ideal_place,
    miss,
    on_focal_plane,
    without_chips,
    without_pointing,
)
from galcen.mapping.detector import ChipOffsets
from galcen.mapping.distortion import Coefficients
from plate_mock import CAMERA

LINE = np.linspace(-976, 976, 9)
CHIP, NX, NY = (values.ravel() for values in np.meshgrid(np.arange(4), LINE, LINE))
GRID = {"chip": CHIP, "nx": NX, "ny": NY, "n_obs": np.ones(len(CHIP), dtype=np.int64)}
PLACES = Places(CHIP, np.stack([NX, NY]))
EVEN = np.ones(len(CHIP))
N_TERM = CAMERA.optics.distortion.n_term


def found(seed=None, n_term=N_TERM, **chips):
    """Distortion and chips; drawn with a seed, nominal without."""
    rng = np.random.default_rng(seed)
    size = 0.0 if seed is None else 1.0
    a, b = size * rng.normal(size=(2, n_term)) * 0.5
    offsets = size * rng.normal(size=(5, 4)) * np.array([100.0, 20.0, 20.0, 1000.0, 1000.0])[:, None]
    values = ChipOffsets(*offsets)._asdict()
    return Found(Coefficients(a, b), ChipOffsets(**{k: values[k] + chips.get(k, 0.0) for k in values}))


def compared(one, other):
    """Rms [um]."""
    return miss(camera_columns(CAMERA, GRID, (CAMERA, one), (CAMERA, other)))[0]


def test_the_same_camera_has_no_miss():
    """To 1e-6 um; a camera of a higher order whose further terms are 0 is the same."""
    true = found(1)
    assert compared(true, true) < 1e-6
    optics = CAMERA.optics._replace(distortion=CAMERA.optics.distortion._replace(order=6))
    wider = Coefficients(*(np.append(c, np.zeros(7)) for c in true.distortion))
    columns = camera_columns(
        CAMERA, GRID, (CAMERA._replace(optics=optics), Found(wider, true.chips)), (CAMERA, true)
    )
    assert miss(columns)[0] < 1e-6


def test_a_shift_of_all_chips_is_no_miss():
    """The attitude takes it up: chips moved by 20 um, 0.5 nm left by the distortion's slope."""
    true = found(2)
    moved = true._replace(chips=true.chips._replace(x=true.chips.x + 20.0, y=true.chips.y - 20.0))
    assert compared(moved, true) < 0.05


@pytest.mark.parametrize(
    "pattern",
    [(1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 1), (0, 0, 0, -1, 1, 0)],
)
def test_pointing_and_scale_are_taken_off(pattern):
    """Shift, stretch along an axis, rotation: nothing of them is left, to 1e-9 um."""
    place = ideal_place(CAMERA, found(), PLACES)
    x0, y0, xx, xy, yx, yy = pattern
    shift = np.stack(
        [x0 + 1e-4 * (xx * place[0] + xy * place[1]), y0 + 1e-4 * (yx * place[0] + yy * place[1])]
    )
    assert np.abs(without_pointing(shift, place, EVEN)).max() < 1e-9


def test_shear_of_the_field_and_single_chips_stay():
    """A shear stays whole; of a chip moved by 1 um against the others three quarters."""
    place = ideal_place(CAMERA, found(), PLACES)
    shear = 1e-4 * place[::-1]
    np.testing.assert_allclose(without_pointing(shear, place, EVEN), shear, rtol=1e-9)
    true = found(3)
    moved = true._replace(chips=true.chips._replace(x=true.chips.x + np.array([1.0, 0, 0, 0])))
    assert 0.25 < compared(moved, true) < 0.5


def test_pixels_without_measurements_do_not_count():
    """A camera that is wrong on one chip, seen by a thousandth of the measurements: a thousandth of chi2."""
    true = found(4)
    wrong = true._replace(chips=true.chips._replace(x=true.chips.x + np.array([300.0, 0, 0, 0])))
    few = GRID | {"n_obs": np.where(GRID["chip"] == 0, 1, 333)}
    columns = camera_columns(CAMERA, few, (CAMERA, wrong), (CAMERA, true))
    whole, within = miss(columns)
    assert whole == pytest.approx(300 * np.sqrt(1e-3), rel=0.1)
    assert within < 0.02 * whole


def test_a_linear_function_of_a_chip_is_no_miss_within_chips():
    """Shift, turn, stretch and shear, of each chip another: nothing is left; a quadratic one stays."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(2, 3, 4))[:, :, PLACES.chip]
    linear = factor[:, 0] + 1e-3 * (factor[:, 1] * PLACES.pixel[0] + factor[:, 2] * PLACES.pixel[1])
    assert np.abs(without_chips(linear, PLACES, EVEN)).max() < 1e-9
    curved = np.stack([1e-6 * PLACES.pixel[0] * PLACES.pixel[1], np.zeros(len(EVEN))])
    np.testing.assert_allclose(without_chips(linear + curved, PLACES, EVEN), curved, atol=1e-9)


def test_maps_are_weighted_by_measurements():
    """Bins of several orbits: the mean of all measurements; a bin of one orbit alone keeps its own."""
    bins = {"chip": np.array([0, 1]), "nx": np.array([5.0, 5.0]), "ny": np.array([0.0, 0.0])}
    residual = dict.fromkeys(("dx_before", "dy_before", "dx_after", "dy_after"))
    first = bins | {name: np.array([1.0, 3.0]) for name in residual} | {"n_obs": np.array([1, 10])}
    second = {name: values[:1] for name, values in first.items()}
    second |= {name: np.array([4.0]) for name in residual} | {"n_obs": np.array([2])}
    together = combined_map([first, second])
    np.testing.assert_allclose(together["dx_after"], [3.0, 3.0])
    np.testing.assert_array_equal(together["n_obs"], [3, 10])


def test_residuals_turn_with_their_chip():
    """A residual along a chip's own x lies on the focal axes as the chip's rotation says; 10 um a pixel."""
    zero, one = np.zeros(4), np.full(4, 0.1)
    columns = {"chip": np.arange(4), "nx": zero, "ny": zero, "n_obs": np.ones(4)}
    columns |= {"dx_before": one, "dy_before": zero, "dx_after": zero, "dy_after": zero}
    plane = on_focal_plane(CAMERA, columns)
    np.testing.assert_allclose(plane["x"], CAMERA.chips.x)
    # Rotations of 0, -90, 180 and 90 deg are minus the position angles of the chips.
    np.testing.assert_allclose(plane["dx_before"], [1.0, 0.0, -1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(plane["dy_before"], [0.0, 1.0, 0.0, -1.0], atol=1e-9)
    np.testing.assert_allclose(np.hypot(plane["dx_after"], plane["dy_after"]), 0.0, atol=1e-12)
