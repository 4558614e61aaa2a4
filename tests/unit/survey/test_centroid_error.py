import numpy as np
import pytest

from galcen.survey.centroid_error import CentroidError

HW = np.array([9.5, 11.5, 12.5, 13.5, 14.5, 15.5])
CALCULATOR = {
    1.0: [2.14, 2.19, 2.29, 2.52, 3.05, 4.24],
    0.5: [1.08, 1.19, 1.36, 1.72, 2.44, 3.82],
    0.0: [0.21, 0.53, 0.84, 1.35, 2.19, 3.67],
}
"""Of the mission's exposure time calculator [mas], by error of the flat field [per cent]."""


@pytest.mark.parametrize("flat_percent", CALCULATOR)
def test_error_by_magnitude_is_that_of_the_calculator(flat_percent):
    """Both parts together equal the calculator's table to its last digit."""
    noise, flat = CentroidError(1.0, 12.5, None, flat_percent).parts(HW)
    np.testing.assert_allclose(np.hypot(noise, flat), CALCULATOR[flat_percent], atol=0.0051)


def test_floor_is_the_smallest_error():
    """The larger of floor and error, exactly, with the flat field's part left as it is."""
    plain, floored = (CentroidError(1.0, 12.5, None, 1.0, floor_mas).parts(HW) for floor_mas in (0.0, 2.4))
    total = np.hypot(*plain)
    np.testing.assert_allclose(np.hypot(*floored), np.maximum(total, 2.4), rtol=1e-14)
    np.testing.assert_array_equal(floored[1], plain[1])


def test_constant_error_knows_no_magnitude():
    """A constant is given in pixels, whatever the scale."""
    noise, flat = CentroidError(0.2, 12.5, 0.01).parts(HW)
    assert (noise == 0.01).all() and (flat == 0).all()
