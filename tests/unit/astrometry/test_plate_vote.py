"""The vote over turn, scale, shift and reflection: known maps are found, and nothing where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galcen.astrometry.plate_polynomial import basis
from galcen.astrometry.plate_vote import PointSet, place, vote

SIZE = 1000.0
SCALES = st.sampled_from([0.05, 0.97, 1.0, 1.04, 37.0])


def two_lists(seed, n_star, turn, scale, shift, is_mirrored, bend=0.0):
    """Two lists of a field with own gaps, depths and noise, rows shuffled; and the star of each row.

    The second is turned, scaled, shifted by a part of the field, perhaps mirrored, and bent by terms up to
    third degree of `bend` pixels.
    """
    rng = np.random.default_rng(seed)
    at = rng.uniform(-SIZE, 2 * SIZE, (9 * n_star, 2))
    magnitude = 22.0 - rng.exponential(1.5, len(at))
    z = (at - SIZE / 2) @ np.array([1, 1j])
    z = (np.conj(z) if is_mirrored else z) * np.exp(1j * turn) + SIZE * shift
    other = np.column_stack([z.real, z.imag])
    terms = rng.normal(0, bend, (10, 2))
    terms[:3] = 0.0
    other = other + basis(3, other / (SIZE / 2)) @ terms + rng.normal(0, 0.3, other.shape)
    other[rng.random(len(at)) < 0.01] += rng.normal(0, 30, 2)
    in_one = ((at > 0) & (at < SIZE)).all(axis=1) & (rng.random(len(at)) < 0.9)
    in_other = (np.abs(other) < SIZE / 2).all(axis=1) & (rng.random(len(at)) < 0.9) & (magnitude < 21.8)
    one, two = (rng.permutation(np.flatnonzero(shown)) for shown in (in_one, in_other))
    seen = magnitude + rng.normal(0, 0.1, len(at))
    return PointSet(at[one], magnitude[one]), PointSet(scale * other[two], seen[two] - 3.0), one, two


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_star=st.sampled_from([80, 300, 700]),
    turn=st.floats(-np.pi, np.pi),
    scale=SCALES,
    reach=st.floats(0, 0.45),
    towards=st.floats(-np.pi, np.pi),
    is_mirrored=st.booleans(),
)
def test_any_similarity_is_found(seed, n_star, turn, scale, reach, towards, is_mirrored):
    """Turned by any angle, mirrored or not, shifted by up to 0.45 fields, in other units: the right map.

    At least 85 % of the stars that both lists have are found, none of them wrong but 1 %; the scale to 2 %.
    """
    shift = reach * np.exp(1j * towards)
    one, other, first, second = two_lists(seed, n_star, turn, scale, shift, is_mirrored)
    got = vote(one, other)
    assert got.best is not None
    assert got.rival is None
    assert got.best.is_mirrored == is_mirrored
    assert got.best.scale == pytest.approx(scale, rel=0.02)
    found = place(one, other, got.best.to_other, 2.0 * scale, 3)
    assert found is not None
    right = first[found.row] == second[found.partner]
    assert right.mean() > 0.99
    assert right.sum() > 0.85 * len(np.intersect1d(first, second))
    assert found.magnitude_offset == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("shift", [0.1, 0.5j])
def test_distortion_is_followed(shift):
    """Third-degree terms of 8 pixels, 4 times the radius: nine in ten of 2,000 stars are found."""
    one, other, first, second = two_lists(5, 2000, 2.0, 1.02, shift, False, bend=8.0)
    got = vote(one, other)
    assert got.best is not None
    found = place(one, other, got.best.to_other, 2.0, 5)
    assert found is not None
    right = first[found.row] == second[found.partner]
    assert right.mean() > 0.99
    assert right.sum() > 0.9 * len(np.intersect1d(first, second))
    assert found.needed_order == 3


@pytest.mark.parametrize("n_star", [4, 6, 10, 30, 120])
def test_other_fields_have_no_map(n_star):
    """Lists of unrelated stars: no map in 8 trials each."""
    rng = np.random.default_rng(n_star)
    for _ in range(8):
        one, other = (
            PointSet(rng.uniform(0, SIZE, (n_star, 2)), rng.uniform(10, 20, n_star)) for _ in range(2)
        )
        assert vote(one, other).best is None


def test_a_grid_has_rivals():
    """Stars on the corners of squares fit in many ways."""
    grid = 100.0 * np.stack(np.divmod(np.arange(40), 7), axis=1) + np.random.default_rng(0).normal(
        0, 0.01, (40, 2)
    )
    one = PointSet(grid, np.full(40, np.nan))
    assert vote(one, one._replace(place=grid[::-1] + 3.0)).rival is not None


def test_magnitudes_are_not_needed():
    """200 stars of unknown magnitude, turned by 100 deg."""
    one, other, first, second = two_lists(8, 200, 1.75, 1.0, 0.1, False)
    one, other = (part._replace(magnitude=np.full(len(part.place), np.nan)) for part in (one, other))
    got = vote(one, other)
    assert got.best is not None
    found = place(one, other, got.best.to_other, 2.0, 2)
    assert found is not None
    assert (first[found.row] == second[found.partner]).mean() > 0.99


def test_few_stars_suffice():
    """Seven stars at the same places, nothing else: found, as chance would not do that."""
    at = np.random.default_rng(4).uniform(0, SIZE, (7, 2))
    one = PointSet(at, np.arange(7.0))
    got = vote(one, PointSet(at[::-1] @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 40.0, np.arange(7.0)[::-1]))
    assert got.best is not None
    assert not got.best.is_mirrored
