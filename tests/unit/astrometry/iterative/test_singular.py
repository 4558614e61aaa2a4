"""Singular blocks of the global system name their unknowns, and the likely cause."""

import numpy as np
import pytest

from galcen.astrometry.iterative.arrow import Arrow, ArrowFactor
from galcen.astrometry.iterative.operator import inverse5
from galcen.astrometry.iterative.singular import SingularBlock, describe
from global_mock import global_mock


@pytest.fixture(scope="module")
def problem():
    """Small: its numbers of unknowns are what counts."""
    return global_mock(1, 2, 3).problem


def positive(n, seed=0):
    """A positive matrix."""
    root = np.random.default_rng(seed).normal(size=(n, n))
    return root @ root.T + n * np.eye(n)


def without(matrix, direction):
    """The matrix without any information along a unit vector."""
    project = np.eye(len(matrix)) - np.outer(direction, direction)
    return project @ matrix @ project


def refusal(problem, unit=None, chips=None):
    """What is said of an arrow matrix of which one block is singular."""
    n = 2 * problem.camera.optics.distortion.n_term
    unit, chips = positive(n) if unit is None else unit, positive(20) if chips is None else chips
    with pytest.raises(SingularBlock) as caught:
        ArrowFactor(Arrow(unit[None], np.zeros((1, n, 20)), chips))
    return caught.value, describe(problem, caught.value)


def test_a_source_without_information_is_named(problem):
    """The row, the unknown, and how often it is measured."""
    blocks = np.stack([positive(5, k) for k in range(3)])
    blocks[1, 2, :] = blocks[1, :, 2] = 0.0
    with pytest.raises(SingularBlock) as caught:
        inverse5(blocks)
    assert (caught.value.block, caught.value.row, caught.value.unknowns) == ("source", 1, [2])
    text = describe(problem, caught.value)
    assert "parallax of the source in row 1 (ra " in text
    assert f"{sum((orbit.source == 1).sum() for orbit in problem.orbits)} measurements" in text


def test_a_number_that_is_none_is_blamed_on_its_source():
    """NaN would go through the inverse unseen."""
    blocks = np.stack([positive(5, k) for k in range(3)])
    blocks[2, 3, 3] = np.nan
    with pytest.raises(SingularBlock) as caught:
        inverse5(blocks)
    assert (caught.value.row, caught.value.unknowns) == (2, [3])


def test_coefficients_that_nothing_determines_are_named(problem):
    """One by itself, and two of which only the sum is known."""
    n_term = problem.camera.optics.distortion.n_term
    n = 2 * n_term
    matrix = positive(n)
    matrix[3, :] = matrix[:, 3] = 0.0
    error, text = refusal(problem, unit=matrix)
    assert error.unknowns == [3]
    assert "coefficients A3 of the distortion of calibration unit 0" in text
    both = np.zeros(n)
    both[[0, n_term + 1]] = np.sqrt(0.5), -np.sqrt(0.5)
    error, text = refusal(problem, unit=without(np.eye(n), both))
    assert sorted(error.unknowns) == [0, n_term + 1]
    assert "A0" in text and "B1" in text


def test_chips_that_move_together_are_named(problem):
    """All four chips by the same shift in x: the pointing does the same."""
    direction = np.zeros(20)
    direction[1::5] = 0.5
    orbits = tuple(orbit._replace(chip=np.arange(len(orbit.chip)) % 4) for orbit in problem.orbits)
    error, text = refusal(problem._replace(orbits=orbits), chips=without(np.eye(20), direction))
    assert sorted(error.unknowns) == [1, 6, 11, 16]
    assert all(f"x of chip {chip}" in text for chip in range(4))
    assert "a turn of the telescope" in text


def test_a_chip_without_measurements_is_told_so(problem):
    """Its unknowns have no information at all."""
    chips = positive(20)
    chips[15:] = chips[:, 15:] = 0.0
    orbits = tuple(orbit._replace(chip=np.minimum(orbit.chip, 2)) for orbit in problem.orbits)
    error, text = refusal(problem._replace(orbits=orbits), chips=chips)
    assert error.unknowns == [15, 16, 17, 18, 19]
    assert "chip 3 has no measurements" in text
