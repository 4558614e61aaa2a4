"""Outliers, a wrong prior, and noise beyond the stated errors."""

import numpy as np
import pytest

from galcen.astrometry.iterative.options import Options
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.weights import BAD
from global_mock import errors, global_mock, pulls

PLAIN = Options(robust=False)
N_SRC = 300


@pytest.fixture(scope="module")
def mock():
    return global_mock(10, 8, N_SRC)


@pytest.fixture(scope="module")
def clean(mock):
    return solve(mock.problem, PLAIN)


def with_pixels(problem, change):
    """The problem with `change(k, orbit)` [pixel] added to its measurements."""
    orbits = tuple(o._replace(pixel=o.pixel + change(k, o)) for k, o in enumerate(problem.orbits))
    return problem._replace(orbits=orbits)


def test_outliers_do_not_spoil_the_pulls(mock, clean):
    """One measurement in a hundred off by a pixel: pulls within 1.05, and nearly all of them are bad.

    Of the unit width of the pulls their number leaves 1 / sqrt(2 n): here 0.02, allowed twice.
    """
    rng = np.random.default_rng(4)
    hit = [rng.random(len(orbit.source)) < 0.01 for orbit in mock.problem.orbits]
    off = [rng.choice([-1.0, 1.0], size=(2, len(h))) * h for h in hit]
    problem = with_pixels(mock.problem, lambda k, _: off[k])
    robust, plain = solve(problem, Options()), solve(problem, PLAIN)
    n = mock.truth.source.size
    width = pulls(robust, mock.truth).std()
    bad = np.concatenate(robust.weight)[np.concatenate(hit)] < BAD
    assert width < 1.05 + 2 / np.sqrt(2 * n)
    assert pulls(plain, mock.truth).std() > 3
    assert bad.mean() > 0.99
    assert robust.n_bad.sum() == sum((w < BAD).sum() for w in robust.weight)
    assert abs(robust.chi2 / robust.dof - 1) < 0.05


def test_a_clean_survey_loses_little_to_weights(mock, clean):
    """Sources move by a part of their errors, and few measurements are bad."""
    robust = solve(mock.problem, Options())
    moved = (robust.state.source - clean.state.source) / errors(clean)
    assert moved.std() < 0.35
    assert robust.n_bad.sum() < 1e-3 * robust.n_obs.sum()


def test_a_wrong_prior_spoils_its_neighbours(mock, clean):
    """A reference off by ten of its errors drags those within 3 arcmin along by a part of theirs.

    Its own measurements do not undo it: weights are of measurements, not of priors.
    """
    sources = mock.problem.sources
    wrong = np.flatnonzero(mock.is_reference & (clean.n_obs > 40))[0]
    mean = sources.mean.copy()
    mean[wrong, 0] += 10 * np.sqrt(sources.covariance[wrong, 0, 0])
    found = solve(mock.problem._replace(sources=sources._replace(mean=mean)), PLAIN)
    moved = np.abs((found.state.source - clean.state.source) / errors(clean))
    away = np.hypot((sources.ra - sources.ra[wrong]) * np.cos(sources.dec), sources.dec - sources.dec[wrong])
    near = (away < np.radians(3 / 60)) & (away > 0)
    assert near.any()
    assert moved[wrong, 0] > 5
    assert moved[near, 0].max() > 0.02
    # The same again gives the same: nothing of the above is the solver's own.
    again = solve(mock.problem, PLAIN)
    assert np.abs((again.state.source - clean.state.source) / errors(clean)).max() < 1e-6


@pytest.mark.parametrize("of", ["source", "exposure"])
def test_excess_noise_is_found(mock, of):
    """Twice the stated noise: sqrt(3) of it in excess, where it is, and mostly none where it is not.

    A variance from n residuals has a relative error of sqrt(2 / n); that of the excess is 4/3 of it.
    """
    rng = np.random.default_rng(6)
    problem = mock.problem
    rows = {
        "source": [orbit.source for orbit in problem.orbits],
        "exposure": [np.repeat(np.arange(o.n_exp), np.diff(o.offset)) for o in problem.orbits],
    }[of]
    noisy = rng.random((1 if of == "source" else len(rows), N_SRC)) < 0.2
    more = [noisy[0 if of == "source" else k][row] for k, row in enumerate(rows)]
    added = [np.sqrt(3) * 0.01 * m * rng.normal(size=(2, len(m))) for m in more]
    found = solve(with_pixels(problem, lambda k, _: added[k]), Options(robust=False, excess_noise=of))
    if of == "source":
        noise, is_noisy, n = found.source_noise, noisy[0], 2 * found.n_obs - 5
    else:
        noise = np.concatenate(found.exposure_noise)
        is_noisy = np.concatenate([noisy[k, : o.n_exp] for k, o in enumerate(problem.orbits)])
        n = np.concatenate([2 * np.diff(o.offset) - 5 for o in problem.orbits])
    seen = n > 20
    excess = noise**2 / (3 * 0.01**2)
    pull = (excess[seen & is_noisy] - 1) / (4 / 3 * np.sqrt(2 / n[seen & is_noisy]))
    assert len(pull) > 10
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
    assert pull.std() < 1 + 4 / np.sqrt(2 * len(pull))
    quiet = np.mean(noise[seen & ~is_noisy] == 0)
    # Chi-square is below its degrees of freedom a little more often than not.
    assert abs(quiet - 0.5) < 4 * 0.5 / np.sqrt((seen & ~is_noisy).sum()) + 0.05
    assert np.abs(pulls(found, mock.truth)).max() < 6


def test_there_is_no_excess_without_excess(mock):
    """Stated errors that are right, by sources and exposures together: in the median none."""
    found = solve(mock.problem, Options(robust=False, excess_noise="both"))
    assert np.median(found.source_noise) < 1e-3
    assert np.median(np.concatenate(found.exposure_noise)) == 0
    assert abs(found.chi2 / found.dof - 1) < 0.1
