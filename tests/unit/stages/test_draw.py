"""From a table with Gaia's columns to the truth: which motions and distances come from where."""

import numpy as np
import pytest

from galcen import config
from galcen.io.hdf5 import read_table, write_table
from galcen.io.schema import OBSERVED, TRUTH
from galcen.stages import draw, galaxy_model, posterior

N = 8


def observed():
    """Four stars with a published distance, two of them with a poor proper motion, and four without."""
    columns = {c.name: np.full(N, np.nan if c.dtype[0] == "f" else -1) for c in OBSERVED.columns}
    values = {"glon": 0.5125, "glat": 0.0625, "mj": 12.5, "mh": 11.9, "mks": 11.7, "ruwe": 1.0}
    values |= {"ra": 266.9, "dec": -28.5, "ref_epoch": 2016.0, "parallax_obs": 0.8, "parallax_obs_error": 0.1}
    values |= {"pmra_obs": -2.5, "pmdec_obs": -4.0, "pmra_obs_error": 0.05, "pmdec_obs_error": 0.05}
    columns |= {name: np.full(N, value) for name, value in values.items()}
    columns |= {f"{name}_error": np.full(N, 0.05) for name in ("mj", "mh", "mks")}
    columns["source_id"] = np.arange(N)
    for name, value in (("lo", 1122.0), ("med", 1257.0), ("hi", 1410.0)):
        columns[f"r_{name}_photogeo"][:4] = value
    columns["pmra_obs_error"][2:4] = 0.6
    columns["radial_velocity_obs"][[0, 2]] = 37.0
    columns["radial_velocity_obs_error"][[0, 2]] = 2.0
    return columns


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the model and the table."""
    path = tmp_path_factory.mktemp("draw")
    settings = config.parse({})
    galaxy_model.run(path / "model.h5", settings.tables, settings.galaxy, settings.extinction)
    write_table(path / "stars.h5", OBSERVED, observed(), {})
    return path


def truth(folder, **options):
    """The truth of the table with options of the posterior."""
    choices = {"method": "exact", **options}
    settings = config.parse({"posterior": choices}).model_dump(mode="json")
    posterior.run(folder / "model.h5", folder / "stars.h5", folder / "posterior.h5", settings)
    draw.run(folder / "model.h5", folder / "stars.h5", folder / "posterior.h5", folder / "truth.h5", settings)
    return read_table(folder / "truth.h5", TRUTH)


def test_gaia_stars_keep_what_was_observed(folder):
    """Precise proper motions and radial velocities are the true ones; the rest is drawn."""
    got, stars = truth(folder), observed()
    assert got["dist_source"].tolist() == [2] * 4 + [1] * 4
    for name in ("pmra", "pmdec"):
        np.testing.assert_allclose(got[name][:2], stars[f"{name}_obs"][:2], atol=1e-9)
        assert (np.abs(got[name][2:] - stars[f"{name}_obs"][2:]) > 1e-3).all()
    np.testing.assert_allclose(got["radial_velocity"][[0, 2]], 37.0, atol=1e-9)
    assert abs(got["radial_velocity"][1] - 37.0) > 1e-3
    np.testing.assert_allclose(got["dist_p50"][:4], 1257.0, rtol=1e-4)
    plain = truth(folder, gaia_distances=False)
    assert plain["dist_source"].tolist() == [1] * N
    for name, values in plain.items():
        np.testing.assert_array_equal(values[4:], got[name][4:], err_msg=name)


def test_used_motions_are_met_within_their_errors(folder):
    """With `kinematics` true proper motions scatter about the observed ones by their error, 0.05 mas/yr."""
    got = truth(folder, kinematics=True)
    for name, observed_one in (("pmra", -2.5), ("pmdec", -4.0)):
        assert (np.abs(got[name][4:] - observed_one) < 5 * 0.05).all()
        assert (np.abs(got[name][4:] - observed_one) > 1e-6).all()


def test_a_spread_of_extinction_reaches_the_truth(folder):
    """Stars of one line of sight have the same ratio of extinctions, and different ones."""
    got = truth(folder, extinction_spread=0.1)
    np.testing.assert_allclose(got["a_j"] / got["a_ks"], got["a_j"][0] / got["a_ks"][0], rtol=1e-12)
    plain = truth(folder)
    assert np.std(got["a_ks"] / plain["a_ks"] * plain["dist"] / got["dist"]) > 0.02
