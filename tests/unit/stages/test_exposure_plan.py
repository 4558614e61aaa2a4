"""The plan as a file: tables that agree with each other, stars, the command, refusals."""

import json
import subprocess

import healpy
import numpy as np
import pytest

from galcen.config import load
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import open_product, read_columns, write_table
from galcen.io.stars_schema import SURVEY_STARS
from galcen.io.survey_schema import PLAN, PLAN_COVERAGE, PLAN_EXPOSURES, PLAN_ORBITS, PLAN_STARS
from galcen.stages import exposure_plan
from galcen.survey.nodes import galactic
from project import BIN, ROOT

TABLES = (PLAN_EXPOSURES, PLAN_ORBITS, PLAN_COVERAGE, PLAN_STARS)


def read(path):
    """Every table of a plan, and the nside."""
    with open_product(path, PLAN) as file:
        return *(read_columns(file, table) for table in TABLES), int(file.attrs["healpix_nside"])


def catalogue(path, lon, lat, source_id=None):
    """Stars of the survey of which only identifiers and positions matter."""
    columns = {c.name: np.zeros(len(lon), c.dtype) for c in SURVEY_STARS.columns}
    vectors = galactic(np.asarray(lon), np.asarray(lat))
    columns["ra"], columns["dec"] = healpy.vec2ang(vectors, lonlat=True)
    columns["source_id"] = np.arange(len(lon)) if source_id is None else np.asarray(source_id)
    write_table(path, SURVEY_STARS, columns, {})
    return path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The default plan over 20,000 stars, each there twice, in a folder."""
    folder = tmp_path_factory.mktemp("plan")
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(-0.8, 0.7, 20_000), rng.uniform(-0.8, 0.7, 20_000)
    identifier = rng.permutation(20_000) + 10**12
    twice = [np.concatenate([values, values]) for values in (lon, lat, identifier)]
    catalogue(folder / "stars.h5", *twice)
    exposure_plan.run(folder / "plan.h5", {"seed": 1}, folder / "stars.h5")
    return folder, np.sort(identifier)


def test_the_default_plan_is_six_orbits_of_24_exposures(demo):
    """Over three years, one orbit in each season."""
    exposures, orbits, _, _, _ = read(demo[0] / "plan.h5")
    assert orbits["n_exposure"].tolist() == [24] * 6
    assert orbits["season"].tolist() == list(range(6))
    assert 2030.5 < orbits["t"].min() < orbits["t"].max() < 2033.5
    assert np.ptp(orbits["t"]) > 2
    assert np.unique(exposures["field"]).tolist() == [0, 1, 2, 3]


def test_tables_agree(demo):
    """Rows of orbits and exposures; unit vectors; the boresights lie about the node."""
    exposures, orbits, coverage, stars, _ = read(demo[0] / "plan.h5")
    for k in range(6):
        rows = slice(orbits["first_exposure"][k], orbits["first_exposure"][k] + orbits["n_exposure"][k])
        assert (exposures["orbit"][rows] == k).all()
        assert (exposures["exposure_id"][rows] == 100_000 * k + np.arange(24)).all()
        assert abs(exposures["t"][rows] - orbits["t"][k]).max() < 1e-4
        off = np.hypot(
            (exposures["ra"][rows] - orbits["node_ra"][k]) * np.cos(np.radians(orbits["node_dec"][k])),
            exposures["dec"][rows] - orbits["node_dec"][k],
        )
        np.testing.assert_allclose(off, np.sqrt(2) * 0.1375, atol=0.005)
    # Earth at 30 km/s, the satellite at 7.6 km/s along or against it.
    for name, length, part in (("sun", 1.0, 1e-12), ("beta", 1e-4, 0.3), ("b", 1.0, 0.03)):
        size = np.sqrt(sum(exposures[f"{name}_{axis}"] ** 2 for axis in "xyz"))
        np.testing.assert_allclose(size, length, rtol=part)
    assert (np.diff(coverage["healpix"]) > 0).all()
    assert coverage["n_exposure"].min() > 0
    assert coverage["n_exposure"].max() <= 144
    assert stars["n_exposure"].max() <= 144


def test_stars_are_counted_once_each(demo):
    """Repeated draws of a star count once; stars and pixels see the same survey, to 5 sigma."""
    _, _, coverage, stars, nside = read(demo[0] / "plan.h5")
    np.testing.assert_array_equal(stars["source_id"], demo[1])
    total = coverage["n_exposure"].sum() * healpy.nside2pixarea(nside, degrees=True)
    density = 20_000 / (1.5 * 1.5)
    error = 144 * np.sqrt(20_000 * 0.5)
    assert abs(stars["n_exposure"].sum() - total * density) < 5 * error
    # Four fields of 0.55 deg less the gaps, 36 exposures each: the area of the chips.
    assert total == pytest.approx(144 * 4 * 0.25590**2, rel=0.003)


def test_the_same_run_gives_the_same_bytes(demo, tmp_path):
    """By function and by command; another seed moves the pointings by arcseconds, not the orbits."""
    folder = demo[0]
    command = [BIN / "galcen", "exposure-plan", tmp_path / "plan.h5", "--stars", folder / "stars.h5"]
    subprocess.run([*command, "--options", '{"seed": 1}'], check=True, capture_output=True)
    assert (tmp_path / "plan.h5").read_bytes() == (folder / "plan.h5").read_bytes()
    exposure_plan.run(tmp_path / "other.h5", {"seed": 2})
    one, other = read(folder / "plan.h5"), read(tmp_path / "other.h5")
    np.testing.assert_array_equal(one[0]["t"], other[0]["t"])
    moved = abs(one[0]["dec"] - other[0]["dec"]) * 3600
    assert 1 < moved.max() < 30
    assert len(other[3]["source_id"]) == 0


def test_the_mini_survey_is_the_published_one(tmp_path):
    """100 orbits of 24 exposures in 4 fields about (l, b) = (-0.3, 0.1), at 58.6 deg, in three years."""
    survey = load(ROOT / "config/examples/mini.yaml").survey
    options = {"survey": {name: getattr(survey, name).model_dump() for name in ("telescope", "plan")}}
    exposure_plan.run(tmp_path / "plan.h5", json.loads(json.dumps(options)))
    exposures, orbits, _, _, _ = read(tmp_path / "plan.h5")
    assert orbits["n_exposure"].tolist() == [96] * 100
    ra, dec = healpy.vec2ang(galactic(np.array(-0.3), np.array(0.1)), lonlat=True)
    np.testing.assert_allclose(orbits["node_ra"], ra[0], atol=1e-9)
    np.testing.assert_allclose(orbits["node_dec"], dec[0], atol=1e-9)
    np.testing.assert_allclose(orbits["pa"], 58.6, atol=1e-9)
    assert (np.bincount(exposures["field"]) == 2400).all()
    assert np.ptp(exposures["t"]) > 2.5


def test_stars_outside_every_field_are_refused(tmp_path):
    path = catalogue(tmp_path / "stars.h5", [5.0, 5.1], [1.0, 1.0])
    with pytest.raises(ConfigError, match=r"none of its 2 stars is ever on a chip.*window or centre"):
        exposure_plan.run(tmp_path / "plan.h5", {}, path)
    assert not (tmp_path / "plan.h5").exists()


def test_bad_options_and_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"options of exposure-plan: survey\.plan\.orbits: unknown key"):
        exposure_plan.run(tmp_path / "plan.h5", {"survey": {"plan": {"orbits": 3}}})
    with pytest.raises(SchemaError, match=r"nowhere\.h5: no such file"):
        exposure_plan.run(tmp_path / "plan.h5", {}, tmp_path / "nowhere.h5")
    with pytest.raises(ConfigError, match=r"n_orbits = 90000, but only \d+ revolutions"):
        exposure_plan.run(tmp_path / "plan.h5", {"survey": {"plan": {"n_orbits": 90_000}}})
