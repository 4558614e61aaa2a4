"""Residuals that look like motions are told from noise and from distortion; wrong epochs are found."""

import numpy as np
import pytest

from galcen.astrometry.epoch_check import epoch_shifts, motion_pattern
from galcen.astrometry.joint_plates import SolverOptions, solve
from joint_plates_mock import HALF, T0, frame, make, start


def with_one_epoch(mock, noise=(1.0,)):
    """The field solved without motions, for exposures with own factors of their noise."""
    rng = np.random.default_rng(0)
    factor = np.resize(noise, len(mock.data.epoch))[mock.data.exposure, None]
    position = mock.data.position + mock.data.sigma * np.sqrt(factor**2 - 1) * rng.normal(size=factor.shape)
    data = mock.data._replace(epoch=np.full(len(mock.data.epoch), T0), position=position)
    still = mock._replace(star=mock.star[:, :2])
    held = frame(still)
    return data, solve(data, start(still), held, SolverOptions()), held


def test_motions_at_equal_epochs_are_seen():
    """Eight exposures over five years taken for one epoch: a pattern whose course is that of the epochs."""
    mock = make(3)
    data, solution, held = with_one_epoch(mock)
    found = motion_pattern(data, solution, held, 2)
    assert found is not None
    epochs = mock.data.epoch[found.exposures]
    course = (epochs - epochs[0]) / (epochs[-1] - epochs[0])
    straight = found.course if found.course[0] < found.course[-1] else 1 - found.course
    np.testing.assert_allclose(straight, course, atol=0.05)


@pytest.mark.parametrize("noise", [(1.0,), (1.0, 1.0, 6.0), (1.0, 3.0, 5.0)])
def test_noise_is_no_motion(noise):
    """Stars at rest: no pattern, also where exposures are noisier than they say."""
    data, solution, held = with_one_epoch(make(4, motion=False), noise)
    assert motion_pattern(data, solution, held, 2) is None


def test_distortion_is_no_motion():
    """A bend of third degree that grows from exposure to exposure is left by plates of second: no pattern."""
    mock = make(5, motion=False)
    x = mock.star[mock.data.star, 0] / HALF
    bend = 0.05 * mock.data.exposure * (5 * x**3 - 3 * x) / 2
    data = mock.data._replace(position=mock.data.position + np.column_stack([bend, 0 * bend]))
    shifted, solution, held = with_one_epoch(mock._replace(data=data))
    assert motion_pattern(shifted, solution, held, 2) is None


def test_a_wrong_epoch_is_found():
    """Exposure 2 dated 1.5 years early: it comes first, with the shift to 20 %; right epochs give none."""
    mock = make(6)
    held = frame(mock)
    right = solve(mock.data, start(mock), held, SolverOptions())
    assert not epoch_shifts(mock.data, right, held)
    epoch = mock.data.epoch.copy()
    epoch[2] -= 1.5
    data = mock.data._replace(epoch=epoch)
    solution = solve(data, start(mock), held, SolverOptions())
    first = epoch_shifts(data, solution, held)[0]
    assert first.exposure == 2
    assert first.shift == pytest.approx(1.5, rel=0.2)
