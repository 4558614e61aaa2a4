"""Offsets and the spread of the extinction: against the same done by hand."""

import equinox as eqx
import numpy as np
import pytest

from galcen import config
from galcen.catalogue.draw import draw_values
from galcen.catalogue.extinction_spread import extinctions, log_normal
from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.catalogue.posterior import clean
from galcen.catalogue.posterior_numpy import ln_likelihood
from galcen.errors import ConfigError
from galcen.galaxy.extinction.map import cell_of
from galcen.galaxy.model import extinction, sightlines
from galcen.galaxy.photometry import distance_modulus
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer, kernel_options, stars_of


def columns_of(n, lon=0.5125, lat=0.1125):
    """A red star with a parallax, `n` times."""
    values = dict(glon=lon, glat=lat, mj=15.1, mh=12.9, mks=11.9, parallax_obs=0.1, parallax_obs_error=0.1)
    stars = {name: np.full(n, value) for name, value in values.items()}
    errors = {f"{name}_error": np.full(n, 0.05) for name in ("mj", "mh", "mks")}
    return {"source_id": np.arange(n), **stars, **errors, "ruwe": np.full(n, np.nan)}


def options(**values):
    return config.parse({"posterior": values}).posterior


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


def test_offsets_are_subtracted(galaxy):
    """A zero point of -0.03 mas and offsets are as if the observed numbers were others; bits are the same.

    The observed columns stay as they are.
    """
    given, shifted = columns_of(1), columns_of(1)
    shifted["parallax_obs"] = shifted["parallax_obs"] - (-0.03)
    for name, offset in (("mj", 0.05), ("mks", -0.02)):
        shifted[name] = shifted[name] - offset
    on = options(parallax_zero_point=-0.03, photometric_offset={"J": 0.05, "Ks": -0.02})
    before = {name: values.copy() for name, values in given.items()}
    got, expected = infer(galaxy, given, on, 1), infer(galaxy, shifted, options(), 1)
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)
    for name, values in before.items():
        np.testing.assert_array_equal(given[name], values)
    assert not np.array_equal(got["probability"], infer(galaxy, given, options(), 1)["probability"])


def test_offsets_reach_the_draw_of_the_mass():
    """What the draws start from has them subtracted as well."""
    on = options(photometric_offset={"J": 0.05, "H": 0.0, "Ks": -0.02})
    plain, _ = clean(stars_of(columns_of(2)), kernel_options(options()))
    data, _ = clean(stars_of(columns_of(2)), kernel_options(on))
    np.testing.assert_allclose(plain.mag - data.mag, np.array([[0.05], [0.0], [-0.02]]) * [1, 1], atol=1e-14)


def test_log_normal_values():
    """Mean 1 to 1e-12, and the spread in ln to 1e-3."""
    for sigma in (0.05, 0.1, 0.3):
        value, weight = log_normal(sigma)
        assert weight.sum() == pytest.approx(1.0, rel=1e-12)
        assert weight @ value == pytest.approx(1.0, rel=1e-12)
        mean = weight @ np.log(value)
        assert np.sqrt(weight @ (np.log(value) - mean) ** 2) == pytest.approx(sigma, rel=1e-3)


def scaled(galaxy, factor):
    """The Galaxy with another amount of dust."""
    reddening = galaxy.reddening
    return eqx.tree_at(lambda g: g.reddening.mean, galaxy, np.asarray(reddening.mean) * factor)


def by_hand(galaxy, values, weight, columns):
    """Probabilities of an average over galaxies with other dust: by their evidences."""
    parts = [infer(scaled(galaxy, value), columns, options(), 1) for value in values]
    ln_z = np.array([part["ln_evidence"][0] for part in parts]) + np.log(weight)
    z = np.exp(ln_z - ln_z.max())
    p = np.array([part["probability"][:, 0] for part in parts])
    return z @ p / z.sum(), np.log(z.sum()) + ln_z.max()


def test_spread_is_an_average_over_dust(galaxy):
    """Class probabilities and evidence of a log-normal E, within 1e-4 of an average over 17 galaxies."""
    columns = columns_of(1)
    expected, ln_z = by_hand(galaxy, *log_normal(0.04), columns)
    got = infer(galaxy, columns, options(extinction_spread=0.04), 1)
    np.testing.assert_allclose(got["probability"][:, 0], expected, atol=1e-4)
    assert got["ln_evidence"][0] == pytest.approx(ln_z, abs=1e-3)
    plain = infer(galaxy, columns, options(), 1)
    assert np.abs(got["probability"] - plain["probability"]).max() > 5e-3


def test_number_of_extinctions_suffices(galaxy):
    """For a spread of 0.1: class probabilities within 2e-3 of those with three times as many."""
    columns = columns_of(1)
    value, weight = log_normal(0.1, 99)
    expected, _ = by_hand(galaxy, value, weight, columns)
    got = infer(galaxy, columns, options(extinction_spread=0.1), 1)
    np.testing.assert_allclose(got["probability"][:, 0], expected, atol=2e-3)


def resolved_place(galaxy):
    """Centre of a cell with sub-cells [deg]."""
    i, j = np.argwhere(np.asarray(galaxy.reddening.sub_index) >= 0)[2000]
    reddening = galaxy.reddening
    return reddening.lon_first_deg + 0.025 * i, reddening.lat_first_deg + 0.025 * j


def test_sub_cells_are_averaged(galaxy):
    """The 25 values of a resolved cell, by hand to 1e-4; another cell is as without the option."""
    lon, lat = resolved_place(galaxy)
    columns = columns_of(1, lon, lat)
    i, j = cell_of(columns["glon"], columns["glat"], galaxy.reddening)
    row = np.asarray(galaxy.reddening.sub_index)[i, j][0]
    values = np.asarray(galaxy.reddening.sub_cells)[row].ravel() / np.asarray(galaxy.reddening.mean)[i, j][0]
    expected, _ = by_hand(galaxy, values, np.full(25, 1 / 25), columns)
    i, j = np.argwhere(np.asarray(galaxy.reddening.sub_index)[350:420, 380:420] < 0)[0] + [350, 380]
    other = galaxy.reddening.lon_first_deg + 0.025 * i, galaxy.reddening.lat_first_deg + 0.025 * j
    both = {name: np.concatenate([columns[name], more]) for name, more in columns_of(1, *other).items()}
    both["source_id"] = np.arange(2)
    got = infer(galaxy, both, options(extinction_spread="sub_cells"), 1)
    np.testing.assert_allclose(got["probability"][:, 0], expected, atol=1e-4)
    i, j = cell_of(both["glon"], both["glat"], galaxy.reddening)
    assert (np.asarray(galaxy.reddening.sub_index)[i, j] >= 0).tolist() == [True, False]
    plain = infer(galaxy, both, options(), 1)
    np.testing.assert_allclose(got["probability"][:, 1], plain["probability"][:, 1], atol=1e-12)


def test_the_draw_takes_one_extinction_of_the_spread(galaxy):
    """Mean and spread of E drawn at a class and distance are weight times the twin's likelihood, 5 sigma."""
    n, sigma, comp, dist = 4000, 0.1, 9, 8150.0
    columns = columns_of(n)
    data, _ = clean(stars_of(columns), kernel_options(options()))
    values = draw_values(
        galaxy,
        0.1,
        stage_key(1, "test"),
        columns["source_id"],
        data,
        columns["glon"],
        columns["glat"],
        np.full(n, comp),
        np.full(n, dist),
        sigma,
    )
    line = sightlines(galaxy, columns["glon"][:1], columns["glat"][:1])
    nodes = extinctions(galaxy, line, sigma, False)
    mean = np.asarray(extinction(line, np.full((1, 1), dist)))[:, 0, 0]
    factor = nodes.reddening[:, 2, 0] / np.asarray(line.reddening)[2, 0]
    target = data.mag[:, :1] - mean[:, None] * factor - np.asarray(distance_modulus(np.array([dist])))
    weight = nodes.weight * np.exp(ln_likelihood(galaxy.intervals, target, np.full(3, 0.1))[comp])
    weight /= weight.sum()
    drawn = values.extinction[2] / mean[2]
    expected = weight @ factor
    spread = np.sqrt(weight @ (factor - expected) ** 2)
    assert drawn.mean() == pytest.approx(expected, abs=5 * spread / np.sqrt(n))
    assert drawn.std() == pytest.approx(spread, rel=0.1)
    np.testing.assert_allclose(values.extinction[0] / mean[0], drawn, rtol=1e-12)


def test_options_decide_who_goes_the_fast_way(galaxy):
    """With a lattice: all stars by default, none with a spread, those without motions with kinematics."""
    columns = columns_of(2)
    columns["parallax_obs"] = np.full(2, np.nan)
    columns["mj"] = np.array([15.1, 15.1])
    motions = {"pmra_obs": -3.0, "pmdec_obs": -5.0, "pmra_obs_error": 0.5, "pmdec_obs_error": 0.5}
    columns |= {name: np.array([value, np.nan]) for name, value in motions.items()}
    lattice = MagnitudeLattice.build(Pieces.build(galaxy.intervals, 0.1), 0.1)
    assert infer(galaxy, columns, options(), 1, lattice)["is_fast"].tolist() == [True, True]
    spread = infer(galaxy, columns, options(extinction_spread=0.02), 1, lattice)
    assert not spread["is_fast"].any()
    moving = infer(galaxy, columns, options(kinematics=True), 1, lattice)
    assert moving["is_fast"].tolist() == [False, True]


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5, float("nan"), "cells"])
def test_spreads_without_meaning_are_refused(value):
    with pytest.raises(ConfigError, match="extinction_spread"):
        config.parse({"posterior": {"extinction_spread": value}})
