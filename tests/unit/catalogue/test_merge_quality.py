"""Numbers that judge a merge, counted by hand."""

import numpy as np

from galcen.catalogue.merge_quality import quality, sources


def test_what_stars_are_made_of():
    """One detection, two of one star, two of different stars, one of a star and of nothing, of nothing."""
    made_of = sources(
        np.array([10, 20, 30, 40, 50]),
        np.array([1, 2, 3, 4, -1]),
        np.array([10, 20, 20, 30, 30, 40, 40, 50]),
        np.array([1, 2, 2, 3, 9, 4, -1, -1]),
    )
    assert made_of.is_false.tolist() == [False, False, True, True, False]
    assert made_of.is_spurious.tolist() == [False, False, False, False, True]


def test_numbers_by_magnitude():
    """Five model stars: one missing, one found twice; the catalogue has one more that is nothing."""
    edges = np.array([8.0, 9.0, 10.0])
    sky_id, sky_mag = np.array([1, 2, 3, 4, 5]), np.array([8.5, 8.6, 9.5, 9.6, 12.0])
    made_of = sources(
        np.arange(5), np.array([1, 2, 3, 3, -1]), np.array([0, 1, 2, 3, 4, 0]), np.array([1, 2, 3, 3, -1, 2])
    )
    star_bands = np.stack([[8.6, 8.6, 9.4, 9.6, 9.9], np.full(5, np.nan), [8.5, 8.7, 9.5, 9.5, 9.9]])
    got = quality(
        edges,
        sky_id,
        sky_mag,
        np.stack([sky_mag] * 3),
        np.array([1, 1, 2, 0, 0]),
        made_of,
        np.array([8.5, 8.7, 9.5, 9.5, 9.9]),
        star_bands,
    )
    assert got["n_true"].tolist() == [2, 2]
    assert got["n_found"].tolist() == [2, 1]
    assert got["n_duplicate"].tolist() == [0, 1]
    assert got["n_star"].tolist() == [2, 3]
    assert got["n_false"].tolist() == [1, 0]
    assert got["n_spurious"].tolist() == [0, 1]
    assert got["n_mj"].tolist() == [2, 2]
    assert got["n_mh"].tolist() == [0, 0]
    np.testing.assert_allclose(got["sum_mj"], [0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(got["sum2_mks"], [0.01, 0.0], atol=1e-12)


def test_an_empty_catalogue_is_not_complete():
    empty = np.empty(0, dtype=int)
    made_of = sources(empty, empty, empty, empty)
    got = quality(
        np.array([8.0, 9.0]),
        np.array([1]),
        np.array([8.5]),
        np.full((3, 1), 8.5),
        np.array([0]),
        made_of,
        np.empty(0),
        np.empty((3, 0)),
    )
    assert (got["n_true"].tolist(), got["n_found"].tolist(), got["n_mj"].tolist()) == ([1], [0], [0])
