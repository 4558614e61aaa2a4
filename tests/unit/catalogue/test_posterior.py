"""The posterior against independent numbers, its plain twin, and itself in other surroundings."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from galcen import config
from galcen.catalogue.distance_grid import distance_grid
from galcen.catalogue.likelihood import SHORT, Pieces
from galcen.catalogue.piece_sums import PieceTable, ln_likelihood
from galcen.catalogue.posterior import Evaluator, clean
from galcen.catalogue.posterior_numpy import evidence, interval_integral
from galcen.catalogue.posterior_numpy import ln_likelihood as plain_ln_likelihood
from galcen.catalogue.sampling import cumulate, invert
from galcen.galaxy.model import extinction, number_density, sightlines
from galcen.galaxy.photometry import distance_modulus
from galcen.io.model_tables import read_tables
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer, kernel_options, stars_of

NONE = np.nan
# Test stars: l, b [deg], J, H, Ks, their errors, parallax and error [mas].
STARS = np.array(
    [
        (-0.0625, 0.0875, 18.60, 14.45, 12.20, 0.05, 0.05, 0.05, NONE, NONE),
        (-0.0625, 0.0875, 14.20, 12.60, 11.80, 0.03, 0.03, 0.03, NONE, NONE),
        (-0.0625, 0.0875, 12.50, 11.90, 11.70, 0.03, 0.03, 0.03, 0.80, 0.10),
        (-1.0125, 0.2875, 15.00, 12.60, 11.40, 0.05, 0.05, 0.05, NONE, NONE),
        (-1.0125, 0.2875, NONE, 13.40, 12.20, NONE, 0.05, 0.05, NONE, NONE),
        (0.9875, -1.5125, 14.00, 13.20, 12.95, 0.03, 0.03, 0.03, 0.10, 0.08),
        (-0.0625, -0.0625, 17.30, 13.70, 11.80, 0.08, 0.04, 0.03, NONE, NONE),
        (0.5125, 0.1125, 17.90, 15.00, 13.60, 0.10, 0.05, 0.03, NONE, NONE),
    ]
)
# Their class probabilities (thin1 to NSC), distances at 16, 50, 84 % and ln evidence, computed by a
# separate program from the equations on a fine grid; converged to 1e-3.
EXPECTED = np.array(
    [
        (
            0.0096,
            0.0007,
            0.0019,
            0.0010,
            0.0016,
            0.0012,
            0.0021,
            0.0003,
            0.1982,
            0.7176,
            0.0659,
            8156,
            8254,
            8437,
            19.180,
        ),
        (
            0.0092,
            0.0457,
            0.4680,
            0.0526,
            0.1015,
            0.0795,
            0.1825,
            0.0611,
            0.0,
            0.0,
            0.0,
            2760,
            2901,
            3098,
            16.510,
        ),
        (
            0.3748,
            0.4227,
            0.1644,
            0.0349,
            0.0025,
            0.0003,
            0.0003,
            0.0002,
            0.0,
            0.0,
            0.0,
            1122,
            1257,
            1410,
            15.828,
        ),
        (
            0.0368,
            0.0321,
            0.0432,
            0.0333,
            0.0493,
            0.0379,
            0.0671,
            0.0108,
            0.6391,
            0.0504,
            0.0001,
            6864,
            7235,
            7685,
            17.439,
        ),
        (
            0.0016,
            0.0069,
            0.0076,
            0.0054,
            0.0082,
            0.0064,
            0.0113,
            0.0022,
            0.5189,
            0.4292,
            0.0022,
            7924,
            8170,
            8447,
            20.028,
        ),
        (
            0.0,
            0.0187,
            0.0400,
            0.0212,
            0.0331,
            0.0259,
            0.0446,
            0.0088,
            0.8061,
            0.0017,
            0.0,
            6994,
            7357,
            7959,
            23.270,
        ),
        (
            0.0009,
            0.0001,
            0.0001,
            0.0001,
            0.0002,
            0.0001,
            0.0002,
            0.0,
            0.0253,
            0.2208,
            0.7522,
            8148,
            8159,
            8165,
            22.103,
        ),
        (
            0.0007,
            0.2569,
            0.0329,
            0.0271,
            0.0383,
            0.0281,
            0.0474,
            0.0101,
            0.5392,
            0.0193,
            0.0,
            6870,
            7159,
            7448,
            18.542,
        ),
    ]
)


def columns_of(stars, source_id=None):
    """Columns of the observed table for rows like those of `STARS`."""
    names = (
        "glon",
        "glat",
        "mj",
        "mh",
        "mks",
        "mj_error",
        "mh_error",
        "mks_error",
        "parallax_obs",
        "parallax_obs_error",
    )
    columns = dict(zip(names, stars.T, strict=True))
    ids = np.arange(len(stars)) if source_id is None else source_id
    return {**columns, "source_id": ids, "ruwe": np.full(len(stars), np.nan)}


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


@pytest.fixture(scope="module")
def options():
    return config.parse({}).posterior


@pytest.fixture(scope="module")
def result(galaxy, options):
    return infer(galaxy, columns_of(STARS), options, seed=1)


def test_reference_stars(result):
    """Probabilities within 1e-3, distances within 3 pc or 0.05 %; ln evidence within 4e-3.

    The table is of a ten times finer grid, from which the trapezoid of the steep ones differs by 2e-3.
    """
    np.testing.assert_allclose(result["probability"][:11].T, EXPECTED[:, :11], atol=1.0e-3)
    np.testing.assert_allclose(result["quantile"].T, EXPECTED[:, 11:14], rtol=5e-4, atol=3.0)
    np.testing.assert_allclose(result["ln_evidence"], EXPECTED[:, 14], atol=4e-3)


@pytest.mark.parametrize("row", [0, 2, 4, 6])
def test_agrees_with_the_plain_twin(galaxy, options, result, row):
    """Every distance and interval without bounds: probabilities, distances and ln evidence to 1e-5."""
    star = columns_of(STARS[row : row + 1])
    line = sightlines(galaxy, star["glon"], star["glat"])
    evaluator = Evaluator(galaxy, kernel_options(options))
    stars = stars_of(star)
    data, _ = clean(stars, kernel_options(options))
    index = int(evaluator.classes(line, data)[0])
    dist = distance_grid(galaxy.frame, line.lon, line.lat, index, 20000.0).dist
    shift = np.asarray(extinction(line, dist) + distance_modulus(dist))[:, 0]
    seen = np.isfinite(stars.mag[:, 0])
    error = np.where(seen, np.maximum(stars.error[:, 0], 0.1), np.inf)
    target = np.where(seen, stars.mag[:, 0], 0.0)[:, None] - shift
    parallax = np.zeros(dist.shape[1])
    if np.isfinite(stars.parallax[0]):
        s = stars.parallax_error[0]
        parallax = -0.5 * ((stars.parallax[0] - 1000 / dist[0]) / s) ** 2 - np.log(np.sqrt(2 * np.pi) * s)
    with np.errstate(divide="ignore"):
        ln_density = np.log(np.asarray(number_density(galaxy, line, dist))[:, 0])
    likelihood = plain_ln_likelihood(galaxy.intervals, target, error)
    probability, quantile, ln_z = evidence(dist[0], ln_density, likelihood, parallax)
    np.testing.assert_allclose(result["probability"][:, row], probability, atol=1e-5)
    np.testing.assert_allclose(result["quantile"][:, row], quantile, rtol=1e-5)
    assert result["ln_evidence"][row] == pytest.approx(ln_z, abs=1e-5)


def test_a_star_does_not_feel_its_neighbours(galaxy, options, result):
    """Alone, last in line, among many: every bit the same."""
    n = 90
    mixed = np.tile(STARS, (12, 1))[:n]
    ids = np.arange(1000, 1000 + n)
    ids[[70, 3, 89]] = [0, 3, 1]
    mixed[[70, 3, 89]] = STARS[[0, 3, 1]]
    other = infer(galaxy, columns_of(mixed, ids), options, seed=1)
    for name, values in result.items():
        np.testing.assert_array_equal(other[name][..., [70, 3, 89]], values[..., [0, 3, 1]], err_msg=name)


def test_draws_follow_the_posterior(galaxy, result):
    """400 copies with streams of their own: class frequencies and median within 4 standard errors."""
    star = np.repeat(STARS[3:4], 64, axis=0)
    options = config.parse({"posterior": {"n_sample": 100}}).posterior
    many = infer(galaxy, columns_of(star), options, seed=2)
    n = many["comp"].size
    p = result["probability"][:, 3]
    frequency = np.bincount(many["comp"].ravel(), minlength=12) / n
    assert (np.abs(frequency - p) <= 4 * np.sqrt(p * (1 - p) / n) + 1e-9).all()
    low, middle, high = ((many["dist"] < q).mean() for q in result["quantile"][:, 3])
    np.testing.assert_allclose([low, middle, high], [0.16, 0.5, 0.84], atol=4 * 0.5 / np.sqrt(n))


def test_a_star_that_no_model_explains_is_flagged(galaxy, options):
    """Brighter than any model star and of an impossible colour: prior only, finite and normalised."""
    odd = STARS[:1].copy()
    odd[0, 2:5] = (2.0, 9.0, 2.0)
    got = infer(galaxy, columns_of(odd), options, seed=1)
    assert got["flags"][0] & 16
    assert got["probability"].sum() == pytest.approx(1.0, rel=1e-12)
    assert np.isfinite(got["quantile"]).all()


def test_an_unusable_parallax_changes_nothing(galaxy, options, result):
    """A parallax with RUWE above 1.4 gives the posterior without it, and a flag."""
    star = columns_of(STARS[3:4], np.array([3]))
    star |= {"parallax_obs": np.array([5.0]), "parallax_obs_error": np.array([0.01]), "ruwe": np.array([2.0])}
    got = infer(galaxy, star, options, seed=1)
    np.testing.assert_array_equal(got["probability"][:, 0], result["probability"][:, 3])
    assert got["flags"][0] & 4


def test_a_magnitude_without_error_gets_the_default(galaxy, options):
    """The same as an error of 0.2 mag, and a flag."""
    with_error, without = STARS[3:4].copy(), STARS[3:4].copy()
    with_error[0, 5], without[0, 5] = 0.2, np.nan
    a, _ = clean(stars_of(columns_of(with_error)), kernel_options(options))
    b, flags = clean(stars_of(columns_of(without)), kernel_options(options))
    np.testing.assert_array_equal(a.inverse_error, b.inverse_error)
    assert flags[0] & 2


@pytest.mark.parametrize("reach", [1.0, 3.0, 6.0])
def test_mass_integral_of_short_pieces(reach):
    """One piece alone against adaptive quadrature: 1e-5 relative up to `reach` sigma in each band."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        q = rng.uniform(-reach, reach, 3)
        d = rng.normal(size=3)
        d *= np.sqrt(rng.uniform(0, SHORT)) / np.linalg.norm(d)
        exact = quad(
            lambda t, q=q, d=d: np.exp(-0.5 * np.sum((q - t * d) ** 2)), -0.5, 0.5, epsabs=0, epsrel=1e-12
        )[0]
        error, middle = rng.uniform(0.1, 0.3, 3), rng.uniform(-5, 5, 3)
        ln_weight = np.full((1, 8, 16), -np.inf)
        ln_weight[0, 0, 0] = np.log(0.25)
        pieces = Pieces(
            np.zeros(1, dtype=int),
            np.broadcast_to(middle[:, None, None, None], (3, 1, 8, 16)),
            np.broadcast_to((d * error)[:, None, None, None], (3, 1, 8, 16)),
            ln_weight,
            np.ones((2, 1, 8, 16)),
            np.ones((2, 1, 8, 16)),
        )
        target = (middle + q * error)[:, None, None]
        got, chi2 = ln_likelihood(PieceTable.build(pieces), target, 1 / error[:, None], np.zeros((10, 1, 1)))
        assert got[0, 0, 0] == pytest.approx(np.log(0.25 * exact), abs=1e-5)
        assert chi2[0] == pytest.approx(q @ q, rel=1e-12)


def test_mass_integral_of_the_twin():
    """The twin's error functions against adaptive quadrature, 1e-8; a gap gives the mean of its ends."""
    rng = np.random.default_rng(4)
    for size in (0.01, 0.3, 3.0, 20.0):
        r, d = rng.normal(0, 2, 3), rng.normal(0, size, 3)
        exact = quad(
            lambda t, r=r, d=d: np.exp(-0.5 * np.sum((r - t * d) ** 2)), 0, 1, epsabs=1e-14, limit=200
        )[0]
        assert interval_integral(r, d, np.array(False)) == pytest.approx(exact, rel=1e-7, abs=1e-13)
        ends = 0.5 * (np.exp(-0.5 * r @ r) + np.exp(-0.5 * (r - d) @ (r - d)))
        assert interval_integral(r, d, np.array(True)) == pytest.approx(ends, rel=1e-12)


def test_pieces_keep_the_stars(galaxy):
    """Cutting loses no star: weights of each isochrone add up to 1 and all pieces are short."""
    pieces = Pieces.build(galaxy.intervals, 0.1)
    total = np.bincount(pieces.isochrone, np.exp(pieces.ln_weight).sum(axis=(1, 2)))
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    assert ((pieces.extent / 0.1) ** 2).sum(axis=0).max() < SHORT


def test_inverse_of_a_piecewise_linear_density():
    """Quantiles of a triangle on [0, 2]: 1 - sqrt(1 - u) stretched (closed form), to 1e-12."""
    x = jnp.array([0.0, 0.5, 2.0])
    density = 2.0 - x
    u = jnp.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(
        invert(x, density, cumulate(x, density), u), 2 * (1 - np.sqrt(1 - u)), rtol=1e-12
    )
