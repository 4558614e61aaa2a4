"""Names are believed where positions agree, and only there."""

import numpy as np
import pytest

from galcen.astrometry.plate_identity import NamedList, consensus, identify
from galcen.astrometry.plate_vote import PointSet
from galcen.errors import SchemaError

EPOCHS = (2010.0, 2013.0, 2016.0)
TITLES = [str(epoch) for epoch in EPOCHS]


def field(seed=1, n_star=150, spread=0.3):
    """Three lists of moving stars, turned and shifted, all named by their star; and the stars."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 1000, (n_star, 2)), rng.normal(0, spread, (n_star, 2))
    magnitude = rng.uniform(14, 20, n_star)
    lists, stars = [], []
    for number, epoch in enumerate(EPOCHS):
        star = rng.permutation(n_star)
        z = (place + speed * (epoch - EPOCHS[1]))[star] @ np.array([1, 1j])
        z = z * np.exp(0.3j * number) + 50 * number
        at = np.column_stack([z.real, z.imag])
        lists.append(NamedList(PointSet(at, magnitude[star]), np.array([f"s{one}" for one in star]), epoch))
        stars.append(star)
    return lists, stars


def test_names_of_a_moving_field_are_believed():
    """All names, and no list is placed by positions."""
    known = identify(field()[0], 1, TITLES, 2.0, 2)
    assert all(believed.all() for believed in known.believed)
    assert not known.wrong
    assert not known.numbered
    assert not known.votes


def test_running_numbers_are_not_believed():
    """Numbers of rows: none is believed; the lists are placed within 2 pixels of the reference."""
    lists, stars = field()
    numbered = [part._replace(names=np.array([f"N{row}" for row in range(150)])) for part in lists]
    known = identify(numbered, 1, TITLES, 2.0, 2)
    assert not any(believed.any() for believed in known.believed)
    assert {item.list for item in known.numbered} == {0, 1, 2}
    assert set(known.votes) == {0, 2}
    for e in (0, 2):
        placed = known.placed[e]
        assert placed is not None
        off = placed[np.argsort(stars[e])] - lists[1].points.place[np.argsort(stars[1])]
        assert np.median(np.linalg.norm(off, axis=1)) < 2.0


def test_wrong_names_are_told_by_list():
    """Three names of one list moved on by one row: those three are wrong there, and believed elsewhere."""
    lists, _ = field()
    names = lists[2].names.copy()
    names[[3, 4, 5]] = names[[4, 5, 3]]
    known = identify([*lists[:2], lists[2]._replace(names=names)], 1, TITLES, 2.0, 2)
    assert {(item.list, item.name) for item in known.wrong} == {
        (2, name) for name in names[[3, 4, 5]].tolist()
    }
    assert known.believed[0].all()
    assert known.believed[2].sum() == 147


def test_a_fast_star_keeps_its_name():
    """A star of 20 pixels a year in even motion is believed in three lists; one that jumps is not."""
    lists, stars = field()
    turns = [np.exp(0.3j * number) for number in range(3)]
    for jump, expected in ((0.0, 0), (15.0, 1)):
        moved = []
        for e, part in enumerate(lists):
            at = part.points.place.copy()
            z = turns[e] * (20.0 * (EPOCHS[e] - EPOCHS[1]) + 1j * jump * (e == 0))
            at[stars[e] == 7] += [z.real, z.imag]
            moved.append(part._replace(points=part.points._replace(place=at)))
        known = identify(moved, 1, TITLES, 2.0, 2)
        assert len(known.wrong) >= expected
        assert all(item.name == "s7" for item in known.wrong)
        assert bool(known.wrong) == bool(expected)


def test_a_list_of_numbers_among_named_ones():
    """Two lists with names and one with numbers in the same spelling: the third alone is not believed."""
    lists, _ = field()
    numbered = lists[0]._replace(names=np.array([f"s{row}" for row in range(150)]))
    known = identify([numbered, *lists[1:]], 1, TITLES, 2.0, 2)
    assert {item.list for item in known.numbered} == {0}
    assert known.believed[1].all()
    assert known.believed[2].all()


def test_lists_of_other_fields_are_named():
    """One list of other stars: an error that names it."""
    lists, _ = field()
    other = field(seed=99)[0][2]._replace(names=np.array([f"N{row}" for row in range(150)]))
    with pytest.raises(
        SchemaError, match=r"star list 2016\.0 cannot be matched.*no name in common.*same field"
    ):
        identify([lists[0], lists[1], other], 1, TITLES, 2.0, 2)


def test_consensus_needs_a_majority():
    """Half of 40 pairs at random places: a map. Nine in ten at random: none."""
    rng = np.random.default_rng(2)
    source = rng.uniform(0, 100, (40, 2))
    target = source @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 5.0
    half = np.where((np.arange(40) < 18)[:, None], rng.uniform(0, 200, (40, 2)), target)
    found = consensus(source, half)
    assert found is not None
    np.testing.assert_allclose(found(source), target, atol=1e-3)
    assert (
        consensus(source, np.where((np.arange(40) < 36)[:, None], rng.uniform(0, 200, (40, 2)), target))
        is None
    )
