"""Positions at other epochs, neighbours and matches, against astropy and by construction."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.time import Time

from galcen.catalogue.crossmatch import (
    ROUNDS,
    Pairs,
    Positions,
    alike,
    largest_reach,
    mutual_nearest,
    neighbours,
)
from galcen.catalogue.motion import at_epoch, galactic, separation

ARCSEC = 1 / 3600


def field(n: int, seed: int, side: float = 0.02, pm: float = np.nan, epoch: float = 2016.0) -> Positions:
    """Stars of a square on the sky [deg]; proper motions of `pm` mas/yr, NaN for none."""
    rng = np.random.default_rng(seed)
    return Positions(
        np.arange(n),
        rng.uniform(266.4, 266.4 + side, n),
        rng.uniform(-29.0, -29.0 + side, n),
        np.full(n, epoch),
        *(pm * rng.normal(size=n) for _ in range(2)),
    )


@pytest.mark.parametrize("dec", [-89.0, -29.0, 0.0, 60.0])
def test_positions_move_as_astropy_moves_them(dec):
    """Within 0.1 mas over 20 years for 3 arcsec/yr (ERFA adds light-time); without a motion nothing moves."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 50), np.full(50, dec)
    pmra, pmdec = rng.normal(0, 3000, (2, 50))
    stars = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        distance=np.full(50, 10.0) * u.pc,
        pm_ra_cosdec=pmra * u.mas / u.yr,
        pm_dec=pmdec * u.mas / u.yr,
        radial_velocity=np.zeros(50) * u.km / u.s,
        obstime=Time("J1996"),
    )
    moved = stars.apply_space_motion(new_obstime=Time("J2016"))
    got = at_epoch(ra, dec, pmra, pmdec, 20.0)
    assert separation(*got, moved.ra.deg, moved.dec.deg).max() < 1e-4
    assert separation(*got, ra, dec).max() > 60
    still = at_epoch(ra, dec, np.full(50, np.nan), pmdec, 20.0)
    np.testing.assert_array_equal(still, (ra, dec))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 17, 1000])
def test_positions_do_not_depend_on_how_many_there_are(n):
    """Turned and moved alone, in a few or among many: the same bits."""
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 360, 1000), rng.uniform(-89, 89, 1000)
    pm = rng.normal(0, 100, (2, 1000))
    turned, moved = galactic(ra, dec), at_epoch(ra, dec, *pm, 16.0)
    for start in (0, 1, 499):
        some = slice(start, start + n)
        np.testing.assert_array_equal(galactic(ra[some], dec[some]), [x[some] for x in turned])
        got = at_epoch(ra[some], dec[some], pm[0][some], pm[1][some], 16.0)
        np.testing.assert_array_equal(got, [x[some] for x in moved])


def test_separations_are_those_of_astropy():
    """To 1e-9 arcsec, from a micro-arcsecond to degrees."""
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 200), rng.uniform(-80, 80, 200)
    step = 10 ** rng.uniform(-9.5, 0.5, 200)
    other = ra + step, dec - step
    one, two = SkyCoord(ra, dec, unit="deg"), SkyCoord(*other, unit="deg")
    np.testing.assert_allclose(separation(ra, dec, *other), one.separation(two).arcsec, rtol=1e-9, atol=1e-9)


def test_neighbours_are_those_of_astropy():
    """All pairs within a radius, and their separations."""
    one, other = field(2000, 1), field(3000, 2)
    pairs = neighbours(one, other, 2.0, 10.0)
    expected = search_around_sky(
        SkyCoord(one.ra, one.dec, unit="deg"), SkyCoord(other.ra, other.dec, unit="deg"), 2.0 * u.arcsec
    )
    assert len(pairs.one) > 1000
    assert set(zip(pairs.one, pairs.other, strict=True)) == set(
        zip(*map(np.ndarray.tolist, expected[:2]), strict=True)
    )
    order, theirs = np.lexsort((pairs.other, pairs.one)), np.lexsort((expected[1], expected[0]))
    np.testing.assert_allclose(pairs.separation[order], expected[2].arcsec[theirs], rtol=0, atol=1e-7)


@pytest.mark.parametrize("who_moves", ["one", "other", "both", "none"])
def test_moving_stars_are_found_where_they_were(who_moves):
    """The same stars 16 years apart: found if either table knows how they move, up to the reach."""
    true = field(1000, 3, side=0.5, pm=100.0)
    ra, dec = at_epoch(true.ra, true.dec, true.pmra, true.pmdec, -16.0)
    blind = np.full(1000, np.nan)
    now = true if who_moves in ("one", "both") else true._replace(pmra=blind, pmdec=blind)
    then = true._replace(ra=ra, dec=dec, epoch=np.full(1000, 2000.0))
    if who_moves not in ("other", "both"):
        then = then._replace(pmra=blind, pmdec=blind)
    pairs = neighbours(now, then, 0.01, 4.0)
    shift = np.hypot(true.pmra, true.pmdec) * 16 / 1000
    found = np.zeros(1000, dtype=bool)
    found[pairs.one[pairs.one == pairs.other]] = True
    if who_moves == "none":
        assert not found[shift > 0.02].any()
    else:
        np.testing.assert_array_equal(found, shift < 4.0)


def test_matches_are_mutual_nearest_then_the_rest():
    """A star between two takes the nearer; the one left over takes its own second."""
    one = field(3, 1)
    other = field(3, 2)
    # 0-0 at 0.1, 1-0 at 0.2, 1-1 at 0.5, 2-1 at 0.6: the first round takes 0-0, the second 1-1.
    pairs = Pairs(np.array([2, 1, 1, 0]), np.array([1, 1, 0, 0]), np.array([0.6, 0.5, 0.2, 0.1]))
    got = mutual_nearest(pairs, one, other)
    assert set(zip(got.one.tolist(), got.other.tolist(), strict=True)) == {(0, 0), (1, 1)}


def test_equal_distances_are_decided_by_identifier():
    one, other = field(2, 1), field(2, 2)
    pairs = Pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.ones(4))
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        got = mutual_nearest(pairs.take(np.array(order)), one, other)
        assert set(zip(got.one.tolist(), got.other.tolist(), strict=True)) == {(0, 0), (1, 1)}


def test_magnitudes_must_agree_in_every_band_that_both_have():
    one = np.array([[10.0, 10.0, np.nan], [9.0, 9.0, 9.0], [8.0, 8.0, 8.0]])
    other = np.array([[11.9, 12.0, 3.0], [9.0, 9.0, 9.0], [np.nan, 8.0, 8.0]])
    pairs = Pairs(np.arange(3), np.arange(3), np.zeros(3))
    assert alike(pairs, one, other, 2.0).tolist() == [True, False, True]


def test_no_stars_no_pairs():
    some, none = field(3, 1), field(0, 1)
    for pair in ((some, none), (none, some), (none, none)):
        assert len(neighbours(*pair, 1.0, 4.0).one) == 0
        assert len(mutual_nearest(neighbours(*pair, 1.0, 4.0), *pair).one) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_match_hangs_on_its_surroundings_alone(seed):
    """Stars farther than two reaches for each round do not matter, in a field ten times too crowded."""
    one, other = field(1500, seed), field(1500, seed + 50)
    radius = reach = 4.0

    def matched(one: Positions, other: Positions) -> set[tuple[int, int]]:
        pairs = mutual_nearest(neighbours(one, other, radius, reach), one, other)
        return set(zip(one.source_id[pairs.one].tolist(), other.source_id[pairs.other].tolist(), strict=True))

    def near(stars: Positions, margin: float) -> np.ndarray:
        return np.flatnonzero(separation(stars.ra, stars.dec, 266.41, -28.99) < 15.0 + margin)

    whole = matched(one, other)
    margin = 2 * ROUNDS * reach
    parts = [Positions(*(column[near(stars, margin)] for column in stars)) for stars in (one, other)]
    inside = set(near(one, 0.0).tolist())
    expected = {pair for pair in whole if pair[0] in inside}
    assert len(expected) > 20
    assert {pair for pair in matched(*parts) if pair[0] in inside} == expected


def test_the_reach_leaves_the_margin_of_a_tile():
    """Three matches in turn, each out to five reaches, stay within 80 arcsec."""
    assert largest_reach(3) * 3 * (2 * ROUNDS + 1) == pytest.approx(80.0)
    assert largest_reach(0) > 10
