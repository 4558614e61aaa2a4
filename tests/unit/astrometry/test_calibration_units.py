"""Which orbits share a calibration."""

import numpy as np
import pytest

from galcen.astrometry.calibration_units import SEASON_GAP_YR, calibration_units

SPRING, AUTUMN = 2031.2 + np.arange(4) * 0.01, 2031.7 + np.arange(3) * 0.01
LENGTH = 1e-4


def test_a_long_gap_begins_a_season():
    """Whatever the order of the orbits; a gap of just 60 days begins none."""
    begin = np.concatenate([AUTUMN, SPRING])
    units = calibration_units("season", begin, begin + LENGTH)
    assert units.unit.tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert units.n_unit == 2
    np.testing.assert_allclose(units.begin, np.where(units.unit == 1, AUTUMN[0], SPRING[0]))
    np.testing.assert_allclose(units.end, np.where(units.unit == 1, AUTUMN[-1], SPRING[-1]) + LENGTH)
    near = np.array([2031.0, 2031.0 + LENGTH + 0.999 * SEASON_GAP_YR])
    assert calibration_units("season", near, near + LENGTH).n_unit == 1
    far = np.array([2031.0, 2031.0 + LENGTH + 1.001 * SEASON_GAP_YR])
    assert calibration_units("season", far, far + LENGTH).n_unit == 2


def test_a_long_orbit_bridges_a_gap():
    """What counts is the rest since the last exposure of any orbit before."""
    begin, end = np.array([2031.0, 2031.01, 2031.3]), np.array([2031.29, 2031.02, 2031.31])
    assert calibration_units("season", begin, end).n_unit == 1


def test_orbits_and_the_whole_survey_are_units():
    """Counted in the order of time; all in one."""
    begin = np.array([2031.7, 2031.2, 2031.4])
    units = calibration_units("orbit", begin, begin + LENGTH)
    assert units.unit.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(units.begin, begin)
    whole = calibration_units("constant", begin, begin + LENGTH)
    assert whole.unit.tolist() == [0, 0, 0]
    assert whole.n_unit == 1


@pytest.mark.parametrize("share", ["constant", "orbit", "season"])
def test_times_within_a_unit_run_from_minus_one_to_one(share):
    """0 in the middle, and everywhere in a unit of one moment."""
    begin = np.concatenate([SPRING, AUTUMN])
    units = calibration_units(share, begin, begin + LENGTH)
    for row in range(len(begin)):
        first, last = units.begin[row], units.end[row]
        t = np.array([first, 0.5 * (first + last), last])
        np.testing.assert_allclose(units.place(row, t), [-1.0, 0.0, 1.0], atol=1e-8)  # times have 13 digits
    moment = calibration_units(share, np.array([2031.0]), np.array([2031.0]))
    assert moment.place(0, np.full(2, 2031.0)).tolist() == [0.0, 0.0]
