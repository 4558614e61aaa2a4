"""Matching of star lists: made-up fields of known identities, and named stars whose names are hidden."""

from pathlib import Path

import numpy as np
import pytest

from galcen.astrometry.plate_matching import MatchOptions, StarList, match
from galcen.errors import SchemaError
from galcen.io.star_lists import is_numbered, read_star_lists
from reference import reference_file

EPOCHS = (2015.4, 2016.4, 2017.5, 2019.3)


def field(seed, n_star=400, named=40):
    """Lists of a moving field, shifted, turned and cut, in shuffled rows; and the truth of every row."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 1000, (n_star, 2)), rng.normal(0, 0.3, (n_star, 2))
    magnitude = rng.uniform(14, 20, n_star)
    lists, truth = [], []
    for number, epoch in enumerate(EPOCHS):
        star = rng.permutation(np.flatnonzero(rng.random(n_star) < 0.8))
        angle = 0.02 * rng.normal()
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        at = (place + speed * (epoch - 2016.4))[star] @ turn + rng.uniform(-60, 60, 2)
        at += 2e-6 * (at - 500) ** 2 + rng.normal(0, 0.05, at.shape)
        seen = magnitude[star] + 0.2 * number + rng.normal(0, 0.1, len(star))
        lists.append(StarList(at, seen, np.where(star < named, star, -1), epoch))
        truth.append(star)
    return lists, truth


NAMES = [str(epoch) for epoch in EPOCHS]


@pytest.mark.parametrize("named", [40, 8])
def test_stars_are_found_again(named):
    """Of 400 stars in 1000 x 1000 pixels with 8 or 40 names: all but 1 % of the rows, for three fields.

    Two rows are together where they are one star, and apart where they are not: counted over the rows of
    each star that are with most of its rows, and over those of a group that are its main star.
    """
    for seed in range(3):
        lists, truth = field(seed, named=named)
        ids, star = np.concatenate(match(lists, 1, NAMES, MatchOptions())), np.concatenate(truth)
        whole = sum(np.bincount(ids[star == one]).max() for one in np.unique(star))
        pure = sum(np.bincount(star[ids == one]).max() for one in np.unique(ids))
        assert whole > 0.99 * len(star)
        assert pure > 0.99 * len(star)


def test_order_of_rows_does_not_matter():
    """The groups are the same for shuffled rows."""
    lists, _ = field(5)
    rng = np.random.default_rng(1)
    order = [rng.permutation(len(part.position)) for part in lists]
    shuffled = [
        StarList(part.position[o], part.magnitude[o], part.common[o], part.epoch)
        for part, o in zip(lists, order, strict=True)
    ]
    one, two = match(lists, 1, NAMES, MatchOptions()), match(shuffled, 1, NAMES, MatchOptions())
    flat = np.concatenate([part[o] for part, o in zip(one, order, strict=True)])
    pairs = set(zip(flat.tolist(), np.concatenate(two).tolist(), strict=True))
    assert len(pairs) == len(set(flat.tolist())) == len(np.unique(np.concatenate(two)))


def test_common_names_are_kept_and_bright_is_not_faint():
    """One name is one star wherever it is; a star 3 mag fainter at the same place is another."""
    place = np.random.default_rng(2).uniform(0, 100, (8, 2))
    common = np.array([0, 1, 2, 3, 4, 5, 6, -1])
    one = StarList(place, np.full(8, 15.0), common, 2015.0)
    other = one._replace(magnitude=np.array([15.0] * 7 + [18.0]), epoch=2016.0)
    ids = match([one, other], 0, ["a", "b"], MatchOptions())
    assert (ids[0][:7] == ids[1][:7]).all()
    assert ids[0][7] != ids[1][7]
    same = match([one, one._replace(epoch=2016.0)], 0, ["a", "b"], MatchOptions())
    assert same[0][7] == same[1][7]


def test_list_without_a_common_name_is_refused():
    """It is named."""
    part = StarList(np.eye(2), np.ones(2), np.array([0, 1]), 2015.0)
    with pytest.raises(SchemaError, match="star list b has no name in common"):
        match([part, part._replace(common=np.array([-1, -1]))], 0, ["a", "b"], MatchOptions())


def test_hidden_names_of_real_stars_are_found_again():
    """Keck epochs with 85 % of the names hidden: 750 rows are put together as their names say."""
    folder: Path = reference_file("data/plates_ob150029_keck")
    parts = read_star_lists(sorted(folder.glob("*.lis")))
    known = sorted({name for part in parts for name in part.star[~is_numbered(part.star)].tolist()})
    shown = np.random.default_rng(1).random(len(known)) < 0.15
    number = {name: place for place, name in enumerate(known)}
    truth = [np.array([number.get(name, -1) for name in part.star.tolist()]) for part in parts]
    lists = [
        StarList(
            np.column_stack([part.columns["x"], part.columns["y"]]),
            part.columns["magnitude"],
            np.where((name >= 0) & shown[name], name, -1),
            float(part.columns["t"][0]),
        )
        for part, name in zip(parts, truth, strict=True)
    ]
    ids = np.concatenate(match(lists, 3, [str(k) for k in range(9)], MatchOptions()))
    star = np.concatenate(truth)
    hidden = np.flatnonzero(~shown)
    assert np.isin(star, hidden).sum() > 700
    for one in hidden:
        group = np.unique(ids[star == one])
        assert len(group) == 1
        assert set(star[ids == group[0]].tolist()) <= {one, -1}
