"""Stars without magnitudes: the Galaxy's prior times the parallax, against integrals of their own."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, norm

from galcen import config
from galcen.catalogue.distance_grid import distance_grid
from galcen.catalogue.draw import draw_values
from galcen.catalogue.flags import Flag
from galcen.catalogue.posterior import ISOCHRONE, clean
from galcen.catalogue.survey_limit import Limit, SurveyLimit
from galcen.galaxy.extinction.outside import Outside
from galcen.galaxy.model import Galaxy, extinction, number_density, sightlines
from galcen.galaxy.photometry import distance_modulus
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer, kernel_options, stars_of

NONE = np.nan
# l, b [deg], parallax and error [mas]: two of the field, precise ones, a negative one, and two
# off the map.
STARS = np.array(
    [
        (0.10, -6.00, 2.50, 0.05),
        (0.11, -6.01, 0.30, 0.20),
        (0.12, -6.02, 5.00, 0.03),
        (0.12, -6.02, 150.0, 0.02),
        (-1.01, 0.29, -0.20, 0.15),
        (69.0, 10.0, 1.40, 0.03),
        (-166.0, -23.5, 7.37, 0.30),
    ]
)
FAINT = {"band": "Ks", "bright": 4.0, "faint": 11.0}


@pytest.fixture(scope="module")
def galaxy() -> Galaxy:
    extinction = {"outside": 0.05}
    settings = config.parse({"extinction": extinction})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


def columns_of(stars: np.ndarray) -> dict[str, np.ndarray]:
    """Observed columns of stars with parallaxes alone."""
    n = len(stars)
    lon, lat, parallax, error = stars.T
    magnitudes = {name + end: np.full(n, NONE) for name in ("mj", "mh", "mks") for end in ("", "_error")}
    place = {"source_id": np.arange(n), "glon": lon, "glat": lat, "ruwe": np.ones(n)}
    return place | magnitudes | {"parallax_obs": parallax, "parallax_obs_error": error}


def options(**posterior: Any) -> Any:
    return config.parse({"posterior": {"method": "exact", "n_sample": 4, **posterior}}).posterior


def by_quadrature(galaxy: Galaxy, star: np.ndarray, limit: dict[str, Any] | None) -> tuple[np.ndarray, ...]:
    """Class probabilities, distances at 16, 50 and 84 per cent, and the evidence, on a fine grid."""
    lon, lat, parallax, error = star
    near = 1000.0 / (parallax + error * np.linspace(8, -8, 4001)) if parallax > 8 * error else []
    dist = np.unique(np.clip(np.concatenate([np.geomspace(1.0, 20000.0, 8001), near]), 1.0, 20000.0))
    line = sightlines(galaxy, np.array([lon]), np.array([lat]))
    density = np.asarray(number_density(galaxy, line, dist[None]))[:, 0]
    if limit is not None:
        shift = np.asarray(extinction(line, dist[None]))[2, 0] + np.asarray(distance_modulus(dist))
        density = density * counted(galaxy, shift, limit["bright"], limit["faint"])[ISOCHRONE]
    joint = density * dist**2 * norm.pdf(parallax, 1000.0 / dist, error)
    steps = 0.5 * (joint[:, 1:] + joint[:, :-1]) * np.diff(dist)
    total = np.concatenate([[0.0], np.cumsum(steps.sum(axis=0))])
    evidence = total[-1]
    return (
        steps.sum(axis=1) / evidence,
        np.interp([0.16, 0.5, 0.84], total / evidence, dist),
        np.log(evidence),
    )


def counted(galaxy: Galaxy, shift: np.ndarray, bright: float, faint: float, n: int = 40) -> np.ndarray:
    """Fraction of stars within limits in Ks, by counting points along the isochrones."""
    one = galaxy.intervals
    t = (np.arange(n) + 0.5) / n
    t = np.where(np.asarray(one.gap)[:, None], np.round(t), t)  # the stars of a jump are at its ends
    mag = (np.asarray(one.mag_low)[2][:, None] * (1 - t) + np.asarray(one.mag_high)[2][:, None] * t).ravel()
    weight = np.repeat(np.asarray(one.weight) / n, n)
    comp = np.repeat(np.asarray(one.comp), n)
    fraction = []
    for i in range(10):
        order = np.argsort(mag[comp == i])
        ordered, sums = mag[comp == i][order], np.cumsum(weight[comp == i][order])
        sums = np.concatenate([[0.0], sums])
        low, high = (sums[np.searchsorted(ordered, m - shift)] for m in (bright, faint))
        fraction.append(high - low)
    return np.array(fraction)


@pytest.fixture(scope="module", params=[None, FAINT], ids=["every star", "within limits"])
def inferred(request: pytest.FixtureRequest, galaxy: Galaxy) -> tuple[Any, dict[str, np.ndarray]]:
    return request.param, infer(galaxy, columns_of(STARS), options(limit=request.param), 1)


@pytest.mark.parametrize("row", range(len(STARS)))
def test_the_posterior_is_the_prior_times_the_parallax(galaxy, inferred, row):
    """Probabilities to 2e-3, distances to a fiftieth of their width, the evidence to 1 per cent."""
    limit, got = inferred
    probability, quantile, ln_evidence = by_quadrature(galaxy, STARS[row], limit)
    np.testing.assert_allclose(got["probability"][:, row], probability, atol=2e-3)
    width = quantile[2] - quantile[0]
    np.testing.assert_allclose(got["quantile"][:, row], quantile, rtol=0, atol=width / 50)
    assert got["ln_evidence"][row] == pytest.approx(ln_evidence, abs=0.01)


def test_the_flags_say_that_there_are_no_magnitudes(inferred):
    """And no model star fits badly what was not measured."""
    flags = inferred[1]["flags"]
    assert (flags & Flag.NO_MAGNITUDE).all() and (flags & Flag.MISSING_BAND).all()
    assert not (flags & (Flag.NO_MODEL_5_SIGMA | Flag.PRIOR_ONLY | Flag.PARALLAX_UNUSED)).any()


@pytest.mark.parametrize("relative", [1e-2, 1e-4, 1e-6])
def test_a_precise_parallax_decides_alone(galaxy, relative):
    """Median 1 / parallax, and 16 and 84 per cent one standard error away, whatever the grid of distances."""
    parallax = np.array([8.0, 40.0, 300.0, 700.0])
    star = np.stack([np.full(4, 3.0), np.full(4, -2.0), parallax, relative * parallax], axis=1)
    got = infer(galaxy, columns_of(star), options(), 1)["quantile"]
    expected = 1000.0 / parallax * (1 + relative * norm.ppf([[0.16], [0.5], [0.84]]))
    # The prior, about D^2, moves the median by 2 relative^2 D and more where the disc ends.
    np.testing.assert_allclose(
        got * parallax / 1000.0, expected * parallax / 1000.0, atol=10 * relative**2 + 0.02 * relative
    )


def test_the_common_distances_are_too_coarse_for_a_precise_parallax(galaxy):
    """What the nodes about it are for: without them there is one distance within 10 standard errors."""
    lon, lat = np.radians([3.0]), np.radians([-2.0])
    parallax = np.array([8.0]), np.array([0.008])
    near = [
        np.abs(distance_grid(galaxy.frame, lon, lat, 3, 2e4, given).dist - 125.0) < 10 * 0.125
        for given in (None, parallax)
    ]
    assert near[0].sum() <= 2 and near[1].sum() > 100


def test_an_unusable_parallax_leaves_the_prior(galaxy):
    """RUWE above the limit: the median distance of all stars of that direction."""
    columns = columns_of(STARS[:1]) | {"ruwe": np.array([2.0])}
    got = infer(galaxy, columns, options(), 1)
    wide = STARS[0].copy()
    wide[2:] = (0.0, 1e6)
    _, quantile, _ = by_quadrature(galaxy, wide, None)
    np.testing.assert_allclose(got["quantile"][:, 0], quantile, rtol=2e-3)
    assert got["flags"][0] & Flag.PARALLAX_UNUSED and got["flags"][0] & Flag.NO_MAGNITUDE


def test_a_star_does_not_depend_on_its_neighbours(galaxy):
    """With magnitudes or without, off the map or on it."""
    together = columns_of(STARS)
    together["mks"][1::2], together["mks_error"][1::2] = 12.0, 0.03
    got = infer(galaxy, together, options(limit=FAINT), 1)
    for row in (1, 2, 5):
        alone = infer(galaxy, {k: v[row : row + 1] for k, v in together.items()}, options(limit=FAINT), 1)
        for name in ("probability", "quantile", "dist", "comp"):
            np.testing.assert_allclose(alone[name][..., 0], got[name][..., row], rtol=1e-12)


@pytest.mark.parametrize("limit", [None, FAINT], ids=["every star", "within limits"])
def test_masses_follow_the_mass_function_within_the_limits(galaxy, limit):
    """Ranks of drawn masses among those of the isochrone that are within the limits are uniform."""
    n, comp, dist = 3000, 5, 700.0
    star = np.tile([(69.0, 10.0, 1000 / dist, 0.01)], (n, 1))
    choices = kernel_options(options(limit=limit))
    stars = stars_of(columns_of(star))
    data, _ = clean(stars, choices)
    drawn = draw_values(
        galaxy, 0.1, stage_key(1, "mass 0"), stars.source_id, data, star[:, 0], star[:, 1], np.full(n, comp),
        np.full(n, dist), None, None, choices.limit,
    )  # fmt: skip
    one, t = galaxy.intervals, (np.arange(200) + 0.5) / 200
    mine = (np.asarray(one.comp) == comp) & ~np.asarray(one.gap)
    mass = (
        np.asarray(one.mass_low)[mine, None] * (1 - t) + np.asarray(one.mass_high)[mine, None] * t
    ).ravel()
    mag = (
        np.asarray(one.mag_low)[2][mine, None] * (1 - t) + np.asarray(one.mag_high)[2][mine, None] * t
    ).ravel()
    weight = np.repeat(np.asarray(one.weight)[mine] / 200, 200)
    if limit is not None:
        shift = drawn.extinction[2, 0] + float(distance_modulus(np.array(dist)))
        weight = weight * ((mag + shift > limit["bright"]) & (mag + shift < limit["faint"]))
        assert (drawn.mag[2] > limit["bright"] - 1e-6).all() and (drawn.mag[2] < limit["faint"] + 1e-6).all()
    order = np.argsort(mass)
    sums = np.cumsum(weight[order]) / weight.sum()
    assert kstest(np.interp(drawn.mass_ini, mass[order], sums), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("band", ["J", "H", "Ks"])
def test_the_fraction_within_limits_is_that_of_the_forward_model(galaxy, band):
    """Against `selected_fraction`, by which catalogues are drawn."""
    from galcen.catalogue.forward import Window, point_gaps, selected_fraction

    shift = np.random.default_rng(1).uniform(5, 18, (3, 40))
    got = SurveyLimit.build(galaxy.intervals, Limit(band, 9.0, 13.0)).fraction(shift)
    expected = selected_fraction(point_gaps(galaxy.intervals), shift, Window(band, 9.0, 13.0), "HwA")
    np.testing.assert_allclose(got, np.asarray(expected)[:10], atol=1e-12)


def test_limits_that_no_star_fulfils_leave_the_prior_with_a_flag(galaxy):
    got = infer(galaxy, columns_of(STARS[:1]), options(limit={"bright": -10.0, "faint": -9.5}), 1)
    plain = infer(galaxy, columns_of(STARS[:1]), options(), 1)
    assert got["flags"][0] & Flag.PRIOR_ONLY
    np.testing.assert_allclose(got["quantile"], plain["quantile"])


def test_a_screen_is_behind_its_distance_only(galaxy):
    """All of the extinction from the screen on, and none before."""
    import equinox as eqx

    behind = eqx.tree_at(lambda g: g.outside, galaxy, Outside.everywhere(0.3, 400.0))
    line = sightlines(behind, np.array([-150.0]), np.array([-15.0]))
    got = np.asarray(extinction(line, np.array([[100.0, 399.0, 401.0, 5000.0]])))[2, 0]
    np.testing.assert_allclose(got, [0.0, 0.0, 0.3, 0.3])


def test_the_extinction_of_a_star_is_its_own_at_every_distance(galaxy):
    """On the map and off it, in the ratios of the law; the neighbour without keeps the map's."""
    lon, lat = np.array([0.1, 0.1, 69.0]), np.array([-6.0, -6.0, 10.0])
    line = sightlines(galaxy, lon, lat, np.array([0.2, NONE, 0.2]))
    dist = np.array([[50.0, 8000.0]] * 3)
    got = np.asarray(extinction(line, dist))
    np.testing.assert_allclose(got[2, [0, 2]], 0.2)
    plain = np.asarray(extinction(sightlines(galaxy, lon[:1], lat[:1]), dist[:1]))
    np.testing.assert_allclose(got[:, 1], plain[:, 0], rtol=1e-12)
    np.testing.assert_allclose(got[0, 0] / got[2, 0], plain[0, 0] / plain[2, 0], rtol=1e-12)


def test_the_layer_off_the_map_ends_with_the_whole_column(galaxy):
    """The part of an exponential layer that is in front of a star, and all of it far away."""
    line = sightlines(galaxy, np.array([69.0]), np.array([10.0]))
    dist = np.array([[300.0, 1000.0, 20000.0]])
    got = np.asarray(extinction(line, dist))[2, 0]
    height = 164.0  # of the layer [pc]
    expected = 0.05 * -np.expm1(-dist[0] * np.sin(np.radians(10.0)) / height)
    np.testing.assert_allclose(got, expected, rtol=5e-3)
    np.testing.assert_allclose(got[2], 0.05, rtol=1e-9)


def test_a_direction_takes_the_nearest_value_of_a_table():
    """Within a degree, across the ends of longitude; NaN beyond."""
    table = Outside(np.array([179.9, 10.0]), np.array([0.0, 80.0]), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(
        table.at(np.array([-179.9, 12.0, 50.0]), np.array([0.0, 80.2, 0.0])), [1, 2, NONE]
    )
