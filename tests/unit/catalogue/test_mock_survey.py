"""Drawn surveys: errors as stated, blends as described, spurious detections as many as asked."""

import jax
import numpy as np
import pytest
from scipy.stats import kstest

from galcen import config
from galcen.catalogue.forward import NUMBER_BITS
from galcen.catalogue.mock_survey import Sky, Survey, blend, observe, photometric_error
from galcen.catalogue.motion import separation
from galcen.random import stage_key
from galcen.stages.simulate import survey_of

CELL = 1234
ROOT = stage_key(1, "test")


def sky(n: int, seed: int = 1, side: float = 0.025, cell: int = CELL) -> Sky:
    rng = np.random.default_rng(seed)
    mks = rng.uniform(9, 15, n)
    return Sky(
        (np.int64(cell) << NUMBER_BITS) + np.arange(n),
        np.full(n, cell),
        rng.uniform(266.4, 266.4 + side, n),
        rng.uniform(-29.0, -29.0 + side, n),
        *rng.normal(0, 5, (2, n)),
        rng.uniform(0.1, 1, n),
        np.stack([mks + 3, mks + 1, mks]),
    )


def survey(name: str, **changed: object) -> Survey:
    """One of the default surveys."""
    found = next(s for s in config.parse({}).catalogue.model.surveys if s.name == name)
    return survey_of(found)._replace(**changed)


def test_errors_are_as_wide_as_they_say():
    """Pulls of magnitudes, positions, proper motions and parallaxes are standard normal."""
    stars = sky(20000)
    seen = observe(survey("VIRAC", blend_radius_arcsec=0.0, spurious_fraction=0.0), ROOT, stars, -2.0)
    mine = stars.take(seen.star)
    measured = np.isfinite(seen.mag[2])
    assert measured.sum() > 10000
    pulls = [
        # Away from the limits, which cut the noise.
        ((seen.mag - mine.mag) / seen.error)[1][(mine.mag[1] > 12.5) & (mine.mag[1] < 15.5)],
        (seen.pmra - mine.pmra) / seen.proper_motion_error,
        (seen.pmdec - mine.pmdec) / seen.proper_motion_error,
        (seen.parallax - mine.parallax) / seen.parallax_error,
        (seen.dec - (mine.dec - 2.0 * mine.pmdec / 3.6e6)) * 3.6e6 / (10 * seen.parallax_error),
    ]
    for pull in pulls:
        assert kstest(pull[np.isfinite(pull)], "norm").pvalue > 1e-3


def test_a_survey_sees_between_saturation_and_limit():
    """Band by band; a star without any band is not in it, and bands it does not have are missing."""
    stars = sky(5000)
    quiet = survey("VIRAC", blend_radius_arcsec=0.0, spurious_fraction=0.0)
    seen = observe(quiet, ROOT, stars, 0.0)
    for band in range(3):
        mag = seen.mag[band][np.isfinite(seen.mag[band])]
        assert mag.min() >= quiet.saturation[band]
        assert mag.max() <= quiet.limit[band]
    assert np.isfinite(seen.mag).any(axis=0).all()
    optical = observe(survey("Gaia"), ROOT, stars, 0.0)
    assert np.isnan(optical.mag[1:]).all()
    assert 0 < len(optical.star) < (stars.mag[0] < 14).sum()


def test_errors_grow_from_the_floor_to_the_limit():
    virac = survey("VIRAC")
    at_limit = photometric_error(virac, virac.limit[:, None])
    np.testing.assert_allclose(at_limit, virac.error_at_limit, rtol=1e-12)
    np.testing.assert_allclose(photometric_error(virac, np.full((3, 1), 5.0)), virac.error_floor, rtol=1e-4)


def test_stars_far_beyond_the_limit_are_not_seen():
    """Four magnitudes beyond all limits: none of 100,000, however large their noise."""
    stars = sky(100_000)
    faint = stars._replace(mag=np.broadcast_to(survey("VIRAC").limit[:, None] + 4.0, stars.mag.shape))
    assert len(observe(survey("VIRAC", blend_radius_arcsec=0.0), ROOT, faint, 0.0).star) == 0


@pytest.mark.parametrize("seed", range(3))
def test_blends_are_those_of_a_plain_loop(seed):
    """From the brightest down each star left takes up its fainter neighbours; all light is kept."""
    stars = sky(400, seed, side=0.004)
    wide = survey("2MASS", blend_radius_arcsec=1.5)
    mag, lost = blend(wide, stars, stars.ra, stars.dec)
    flux, gone = 10 ** (-0.4 * stars.mag), np.zeros(400, dtype=bool)
    for i in np.argsort(stars.mag[2]):
        if gone[i]:
            continue
        for j in range(400):
            near = separation(stars.ra[i], stars.dec[i], stars.ra[j], stars.dec[j]) <= 1.5
            if near and not gone[j] and stars.mag[2][j] > stars.mag[2][i]:
                gone[j] = True
                flux[:, i] += flux[:, j]
    assert gone.sum() > 20
    np.testing.assert_array_equal(lost, gone)
    np.testing.assert_allclose(mag[:, ~lost], (-2.5 * np.log10(flux))[:, ~gone], rtol=1e-12)
    np.testing.assert_allclose(
        (10 ** (-0.4 * mag[:, ~lost])).sum(axis=1), (10 ** (-0.4 * stars.mag)).sum(axis=1), rtol=1e-12
    )


def test_detections_of_nothing_are_as_many_as_asked():
    """5 per cent with a Poisson error; identifiers of their own, -1 as their star."""
    stars = sky(20000)
    seen = observe(survey("VIRAC", spurious_fraction=0.05, blend_radius_arcsec=0.0), ROOT, stars, 0.0)
    false = seen.star < 0
    expected = 0.05 * np.count_nonzero(~false)
    assert abs(false.sum() - expected) < 4 * np.sqrt(expected)
    assert len(np.unique(seen.source_id)) == len(seen.source_id)
    nearest = separation(seen.ra[false], seen.dec[false], 266.4125, -28.9875)
    assert nearest.max() < 100


def test_what_is_seen_of_a_cell_does_not_depend_on_the_others():
    """Two cells together and each alone: the same detections, to the last bit."""
    one, two = sky(700, 1), sky(900, 2, cell=CELL + 1)
    both = Sky(*(np.concatenate(pair, axis=-1) for pair in zip(one, two, strict=True)))
    virac = survey("VIRAC")
    together = observe(virac, ROOT, both, -2.0)
    for stars in (one, two):
        alone = observe(virac, ROOT, stars, -2.0)
        rows = np.flatnonzero(together.source_id >> NUMBER_BITS == stars.cell[0])
        for name in alone._fields[1:]:
            np.testing.assert_array_equal(
                getattr(together, name)[..., rows], getattr(alone, name), err_msg=name
            )


def test_an_empty_sky_is_seen_empty():
    seen = observe(survey("VIRAC"), ROOT, sky(0), 0.0)
    assert seen.mag.shape == (3, 0)
    assert jax.config.jax_enable_x64
