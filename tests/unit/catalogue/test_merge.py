"""The best of several surveys: by construction, and for real stars whose pairs are known."""

import numpy as np
import pytest
from astropy.table import Table

from galcen.catalogue.merge import Rules, Survey, merge
from galcen.io.schema import OBSERVED
from reference import reference_file


def table(n: int, **columns: object) -> dict[str, np.ndarray]:
    """Stars with all columns; what is not given is missing, places are far apart."""
    stars = {c.name: np.full(n, np.nan if c.dtype == "f8" else -1, c.dtype) for c in OBSERVED.columns}
    stars |= {"source_id": np.arange(n), "ra": 266.0 + 0.01 * np.arange(n), "dec": np.full(n, -29.0)}
    stars["ref_epoch"] = np.full(n, 2016.0)
    for name, values in columns.items():
        stars[name] = np.broadcast_to(np.asarray(values, dtype=stars[name].dtype), n).copy()
    return stars


def test_every_band_has_its_best_measurement_and_the_place_is_the_last_survey_s():
    """The smaller error wins in each band, the first of equal ones; a value beats none, an error no error."""
    one = table(6, mks=10.0, mks_error=[0.02, 0.02, 0.05, np.nan, np.nan, np.nan], mj=[1, 1, 1, 1, 1, np.nan])
    other = table(
        6, source_id=np.arange(100, 106), mks=10.5, mks_error=[0.03, 0.02, 0.01, 0.5, np.nan, 0.1], mj=2.0
    )
    other["ra"] += 0.5 / 3600
    got = merge([Survey(one, 0, False), Survey(other, 1, False)], Rules()).stars
    assert got["mks"].tolist() == [10.0, 10.0, 10.5, 10.5, 10.0, 10.5]
    np.testing.assert_array_equal(got["mks_error"], [0.02, 0.02, 0.01, 0.5, np.nan, 0.1])
    assert got["mj"].tolist() == [1, 1, 1, 1, 1, 2]
    np.testing.assert_array_equal(got["ra"], other["ra"])
    assert got["source_id"].tolist() == list(range(100, 106))
    assert set(got["surveys"]) == {3}


def test_stars_of_one_survey_alone_are_kept_and_those_of_a_link_are_not():
    """Members tell what is behind each star, with the distance of each match."""
    one, other = table(2), table(3, source_id=[10, 11, 12])
    other["ra"][0] += 0.3 / 3600 / np.cos(np.radians(29.0))
    other["ra"][1:] += 1.0
    link = table(3, source_id=[20, 21, 22], gaia_source_id=[2**62, 21, 22], pmra_obs=5.0, pmdec_obs=0.0)
    link["ra"][1] += 2.0
    merged = merge([Survey(one, 0, False), Survey(other, 1, False), Survey(link, 2, True)], Rules())
    stars = merged.stars
    assert stars["source_id"].tolist() == [10, 1, 11, 12]
    assert stars["surveys"].tolist() == [7, 1, 2, 2]
    assert stars["gaia_source_id"].tolist() == [2**62, -1, -1, -1]
    assert merged.unmatched[2].tolist() == [1, 2]
    members = merged.members
    assert sorted(zip(members.row, members.survey, members.source_id, strict=True)) == [
        (0, 0, 0),
        (0, 1, 10),
        (0, 2, 20),
        (1, 0, 1),
        (2, 1, 11),
        (3, 1, 12),
    ]
    np.testing.assert_allclose(members.separation[(members.survey == 1) & (members.row == 0)], 0.3, atol=1e-9)


def test_proper_motions_go_together_and_bring_the_star_to_the_common_epoch():
    """Both components of the better solution; RUWE goes with the parallax; 10 mas/yr are 0.16 arcsec."""
    one = table(1, ref_epoch=2000.0, mks=9.0)
    two = table(1, source_id=5, pmra_obs=1.0, pmra_obs_error=0.5, pmdec_obs=2.0, pmdec_obs_error=0.1)
    two |= {"parallax_obs": np.array([3.0]), "parallax_obs_error": np.array([1.0]), "ruwe": np.array([9.0])}
    gaia = table(1, source_id=6, pmra_obs=10.0, pmra_obs_error=0.1, pmdec_obs=-1.0, pmdec_obs_error=0.2)
    gaia |= {"parallax_obs": np.array([0.1]), "parallax_obs_error": np.array([0.1]), "ruwe": np.array([1.1])}
    got = merge(
        [Survey(one, 0, False), Survey(gaia, 1, True), Survey(two, 2, True)], Rules(epoch=2016.0)
    ).stars
    assert (got["pmra_obs"][0], got["pmdec_obs"][0]) == (10.0, -1.0)
    assert (got["parallax_obs"][0], got["ruwe"][0]) == (0.1, 1.1)
    assert got["ref_epoch"][0] == 2016.0
    np.testing.assert_allclose((got["dec"][0] + 29.0) * 3.6e6, -16.0, atol=1e-3)
    step = (got["ra"][0] - 266.0) * 3.6e6 * np.cos(np.radians(29.0))
    np.testing.assert_allclose(step, 160.0, atol=1e-3)


def test_stars_unlike_in_magnitude_are_two():
    """Two magnitudes apart in one band, however near."""
    one, other = table(1, mks=10.0, mh=11.0), table(1, source_id=7, mks=12.0, mh=11.0)
    assert len(merge([Survey(one, 0, False), Survey(other, 1, False)], Rules()).stars["ra"]) == 2
    other["mks"][0] = 11.99
    assert len(merge([Survey(one, 0, False), Survey(other, 1, False)], Rules()).stars["ra"]) == 1


@pytest.mark.parametrize("n", [0, 3])
def test_an_empty_survey_changes_nothing(n):
    one, none = table(n, mks=10.0), table(0)
    for surveys in ([one, none], [none, one]):
        got = merge([Survey(stars, bit, False) for bit, stars in enumerate(surveys)], Rules()).stars
        np.testing.assert_array_equal(got["source_id"], np.arange(n))


def members_of_m67() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """2MASS and Gaia DR2 of M67 as two tables of their own order, and the row of Gaia of each 2MASS star."""
    stars = Table.read(reference_file("data/clusters/NGC_2682.fits"))
    # Two close Gaia stars share one 2MASS entry: which of them it is cannot be known.
    _, place, count = np.unique(
        np.asarray(stars["tmass.twomass_id"]), return_inverse=True, return_counts=True
    )
    seen = np.flatnonzero((np.asarray(stars["tmass.ra"]) > 0) & (count[place] == 1))
    assert len(seen) == 1566
    magnitudes = {
        f"{name}{suffix}": np.asarray(stars[f"tmass.{band}_m{form}"], dtype=float)[seen]
        for name, band in (("mj", "j"), ("mh", "h"), ("mks", "k"))
        for suffix, form in (("", ""), ("_error", "sigcom"))
    }
    magnitudes["mj_error"], magnitudes["mh_error"], magnitudes["mks_error"] = (
        np.asarray(stars[f"tmass.{band}_msigcom"], dtype=float)[seen] for band in "jhk"
    )
    place = {name: np.asarray(stars[f"tmass.{name}"])[seen] for name in ("ra", "dec")}
    tmass = table(len(seen), **magnitudes, **place, ref_epoch=2000.0)
    order = np.random.default_rng(1).permutation(len(stars))
    column = {
        name: np.asarray(stars[f"gaia_dr2_source.{name}"])[order] for name in ("ra", "dec", "pmra", "pmdec")
    }
    gaia = table(len(stars), ra=column["ra"], dec=column["dec"], ref_epoch=2015.5)
    gaia |= {f"{name}_obs": column[name].astype(float) for name in ("pmra", "pmdec")}
    gaia["source_id"] = 10**6 + np.arange(len(stars))
    gaia["gaia_source_id"] = np.asarray(stars["gaia_dr2_source.source_id"])[order].astype(np.int64)
    return tmass, gaia, np.argsort(order)[seen]


@pytest.mark.parametrize("radius", [1.0, 0.5])
def test_m67_comes_together_again(radius):
    """Of 1,566 2MASS stars 99.5 % find their own Gaia star within 1 arcsec, and none another's.

    The proper motion of the cluster is 11 mas/yr, 0.17 arcsec between the surveys; the file's own matches are
    within 1.5 arcsec at the observed epochs.
    """
    tmass, gaia, partner = members_of_m67()
    merged = merge([Survey(tmass, 0, False), Survey(gaia, 1, True)], Rules(radius))
    members = merged.members
    row, found = (column[members.survey == 1] for column in (members.row, members.source_id))
    right = found == 10**6 + partner[row]
    assert len(row) > (0.995 if radius == 1.0 else 0.98) * len(partner)
    assert np.count_nonzero(~right) == 0
    np.testing.assert_array_equal(merged.stars["gaia_source_id"][row], gaia["gaia_source_id"][partner[row]])


def test_proper_motions_make_m67_s_matches_closer():
    """The scatter falls where Gaia's stars are taken back to the epoch of 2MASS."""
    tmass, gaia, _ = members_of_m67()
    blind = {**gaia, "pmra_obs": np.full(len(gaia["ra"]), np.nan)}
    median = []
    for stars in (gaia, blind):
        members = merge([Survey(tmass, 0, False), Survey(stars, 1, True)], Rules(1.0)).members
        median.append(np.median(members.separation[members.survey == 1]))
    assert median[0] < 0.09
    assert median[1] > 1.5 * median[0]


def test_bright_gaia_stars_of_the_survey_field_are_in_the_pilot_catalogue():
    """235 of the 243 in its area lie within 1 arcsec of one of its stars, without proper motions.

    That count was made with another program; with Gaia's proper motions, of 0.1 arcsec/yr for some, the stars
    are taken back to the mean epoch of the near-infrared surveys and no fewer are found.
    """
    pilot = Table.read(reference_file("data/jasmine_field/cat.parquet"))
    bright = Table.read(reference_file("data/jasmine_field/gaia_dr3_bright_window.csv"))
    area = (bright["l"] > -2.5) & (bright["l"] < 1.2) & (abs(bright["b"]) < 1.2)
    bright = bright[area]
    assert len(bright) == 243
    stars = table(len(pilot), ra=np.asarray(pilot["ra"]), dec=np.asarray(pilot["dec"]), ref_epoch=2000.0)
    found = []
    for with_motions in (False, True):
        gaia = table(
            len(bright), ra=np.asarray(bright["ra"]), dec=np.asarray(bright["dec"]), ref_epoch=2016.0
        )
        gaia["source_id"] = 10**9 + np.arange(len(bright))
        if with_motions:
            known = np.asarray(bright["pmra"]) != 0
            for name in ("pmra", "pmdec"):
                gaia[f"{name}_obs"] = np.where(known, np.asarray(bright[name]), np.nan)
        merged = merge([Survey(stars, 0, False), Survey(gaia, 1, True)], Rules(1.0))
        found.append(len(bright) - len(merged.unmatched[1]))
    assert found[0] == 235
    assert found[1] >= 230
