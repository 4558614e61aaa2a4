"""The solution of all orbits: its problem out of files, its product, with a known answer for a solver's."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from edited import edited
from galcen.astrometry.iterative import solve as solver
from galcen.cli import app
from galcen.config import parse
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import open_product, read_columns
from galcen.io.iterative_schema import ITERATIVE, TABLES, Flag
from galcen.mapping.catalogue_covariance import covariance_of
from galcen.mapping.space_motion import displaced
from galcen.stages import solve_iterative
from galcen.stages.iterative_problem import build, read_survey
from iterative_mock import T0, solved, write_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Three orbits of 600 stars."""
    return write_survey(tmp_path_factory.mktemp("iterative"))


def problem_of(survey, **solver_section):
    """The problem of one rank."""
    options = parse({"solver": solver_section}).solver
    read = read_survey(survey.exposures[::-1], survey.catalogue, options, T0)
    return build(read, options, range(len(read.orbits)))


def solution(survey, monkeypatch, output, fake=None, **section):
    """Tables and attributes of the product."""
    monkeypatch.setattr(solver, "solve", fake or solved(survey))
    solve_iterative.run(survey.exposures, survey.catalogue, output, survey.options(**section))
    with open_product(output, ITERATIVE) as file:
        return {table.name: read_columns(file, table) for table in TABLES}, dict(file.attrs)


def test_the_problem_holds_every_measurement(survey):
    """Orbits ascending whatever the order of the files; times from the epoch; rows by identifier."""
    problem, tables = problem_of(survey)
    assert [orbit.number for orbit in problem.orbits] == [0, 1, 2]
    order = np.argsort(survey.known["source_id"])
    source_id = survey.known["source_id"][order]
    np.testing.assert_array_equal(problem.sources.ra, np.radians(survey.known["ra"][order]))
    for orbit in problem.orbits:
        measured = survey.observed[orbit.number][0]
        np.testing.assert_array_equal(source_id[orbit.source], measured.source_id)
        np.testing.assert_array_equal(orbit.pixel, [measured.nx, measured.ny])
        np.testing.assert_array_equal(orbit.sigma, [measured.sigma_x, measured.sigma_y])
        assert orbit.sigma.dtype == np.float64
        t = tables[orbit.number]["t"]
        np.testing.assert_allclose(orbit.exposures.observer.t, (t - T0)[:, None], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(orbit.drift, 0.0)


def test_priors_are_the_catalogue_at_the_epoch_and_the_nominal_camera(survey):
    """Extra noise widens positions alone; a flat prior is infinite; drift and colour have their own."""
    priors = {"extra_noise_mas": 0.5, "focal_length": None, "drift_um": 0.3, "chromatic_um": 2.0}
    problem, _ = problem_of(survey, priors=priors, calibration={"drift": True})
    plain, _ = problem_of(survey)
    order = np.argsort(survey.known["source_id"])
    known = {name: values[order] for name, values in survey.known.items()}
    np.testing.assert_allclose(plain.sources.covariance, covariance_of(known, known["source_id"]))
    extra = problem.sources.covariance - plain.sources.covariance
    np.testing.assert_allclose(
        extra, np.broadcast_to(np.diag([0.25, 0.25, 0, 0, 0]), extra.shape), atol=1e-11
    )
    np.testing.assert_array_equal(plain.sources.mean[:, 2], known["parallax"])
    assert problem.prior.drift_um == 0.3
    assert np.isinf(problem.prior.exposure[3:]).all()
    assert plain.prior.distortion_um == 30.0
    np.testing.assert_allclose(plain.prior.exposure[:2], 3.6e6)
    assert len(plain.prior.chip) == 5


@pytest.mark.parametrize(
    ("share", "units"), [("constant", [0, 0, 0]), ("orbit", [0, 1, 2]), ("season", [0, 1, 2])]
)
def test_units_follow_from_the_share(survey, share, units):
    """Orbits half a year apart are seasons; a drift runs from -1 to 1 within a unit."""
    calibration = {"share": share, "drift": True}
    problem, tables = problem_of(survey, calibration=calibration)
    assert [orbit.unit for orbit in problem.orbits] == units
    assert problem.n_unit == max(units) + 1
    assert problem.n_unit_unknown == 4 * 18
    drift = np.concatenate([orbit.drift for orbit in problem.orbits])
    assert drift.min() == -1.0
    assert drift.max() == 1.0
    if share == "constant":
        t = np.concatenate([tables[k]["t"] for k in range(3)])
        middle, half = 0.5 * (t.min() + t.max()), 0.5 * np.ptp(t)
        np.testing.assert_allclose(drift, (t - middle) / half, atol=1e-9)


def test_colours_come_less_their_mean(survey, tmp_path):
    """A source without colour has the mean; where none has one it is an error of the configuration."""
    problem, _ = problem_of(survey, calibration={"chromatic": True})
    colour = survey.known["colour"][np.argsort(survey.known["source_id"])]
    assert 0 < np.isnan(colour).sum() < len(colour)
    np.testing.assert_allclose(problem.sources.colour, np.nan_to_num(colour - np.nanmean(colour), nan=0.0))
    assert len(problem.prior.chip) == 7
    assert problem.calibration.n_chip_unknown == 7
    grey = tmp_path / "catalogue.h5"
    grey.write_bytes(survey.catalogue.read_bytes())
    with edited(grey) as file:
        file["input_catalogue/colour"][...] = np.nan
    grey = survey._replace(catalogue=grey)
    with pytest.raises(
        ConfigError, match=r"chromatic: no source of .*catalogue\.h5 has a colour; map mj and"
    ):
        problem_of(grey, calibration={"chromatic": True})
    problem, _ = problem_of(grey)
    assert (problem.sources.colour == 0).all()


def ripple(p, q):
    """A term of one's own."""
    return p * q * 1e-8


def test_terms_of_ones_own_are_found_by_name(survey):
    """They come after the polynomial; what is no function is refused by name."""
    declared = {"term_modules": [__name__, "nowhere"]}
    problem, _ = problem_of(survey, calibration={"extra_terms": [f"{__name__}:ripple"], **declared})
    assert problem.camera.optics.distortion.extra[0].__name__ == "ripple"
    assert problem.n_unit_unknown == 2 * 19
    with pytest.raises(ConfigError, match="extra_terms: nowhere:f: No module named 'nowhere'"):
        problem_of(survey, calibration={"extra_terms": ["nowhere:f"], **declared})
    with pytest.raises(ConfigError, match="has no function nothing"):
        problem_of(survey, calibration={"extra_terms": [f"{__name__}:nothing"], **declared})


def test_the_product_holds_the_solution(survey, monkeypatch, tmp_path):
    """Sources by identifier with Gaia's columns, flags, exposures, calibration, history and residuals."""
    tables, attributes = solution(survey, monkeypatch, tmp_path / "iterative.h5")
    sources = tables["iterative_sources"]
    order = np.argsort(survey.known["source_id"])
    np.testing.assert_array_equal(sources["source_id"], survey.known["source_id"][order])
    moved = displaced(survey.known["ra"][order], survey.known["dec"][order], sources["a"], sources["d"])
    np.testing.assert_array_equal([sources["ra"], sources["dec"]], moved)
    count = sum(
        np.isin(survey.observed[k][0].source_id, [identifier]).sum()
        for k in range(3)
        for identifier in sources["source_id"][:1]
    )
    assert sources["n_obs"][0] == count
    assert (sources["ref_epoch"] == T0).all()
    for flag, name in ((Flag.REFERENCE, "is_reference"), (Flag.ARTIFICIAL, "is_artificial")):
        np.testing.assert_array_equal(sources["flags"] & flag > 0, survey.known[name][order] > 0)
    np.testing.assert_array_equal(sources["flags"] & Flag.NOT_MEASURED > 0, sources["n_obs"] == 0)
    np.testing.assert_array_equal(sources["flags"] & Flag.HELD_BY_PRIOR > 0, sources["n_obs"] < 3)
    exposures = tables["iterative_exposures"]
    expected = np.concatenate([survey.observed[k][0].exposures["exposure_id"] for k in range(3)])
    np.testing.assert_array_equal(exposures["exposure_id"], expected)
    # With the attitude's unknowns at 0 the boresight is the estimate.
    estimate = np.concatenate([survey.observed[k][0].exposures["ra"] for k in range(3)])
    np.testing.assert_allclose(exposures["ra"], estimate, rtol=0, atol=1e-11)
    pa = np.concatenate([survey.observed[k][0].exposures["pa"] for k in range(3)])
    np.testing.assert_allclose((exposures["pa"] - pa + 180) % 360, 180, atol=1e-9)
    units = tables["iterative_units"]
    assert units["orbit"].tolist() == [0, 1, 2]
    assert units["n_obs"].sum() == exposures["n_obs"].sum() == tables["iterative_map"]["n_obs"].sum()
    assert tables["iterative_history"]["number"].tolist() == [0, 1]
    assert float(attributes["t0"]) == T0
    assert attributes["scheme"] == "cg"
    assert attributes["is_marginal"] == "False"
    assert json.loads(attributes["calibration"])["share"] == "constant"
    assert float(attributes["dof"]) > 0


@pytest.mark.slow
def test_the_same_solution_has_the_same_bytes(survey, tmp_path):
    """On another day, in another folder, and whatever the environment says of threads."""
    options = json.dumps(survey.options(robust=False, n_probe=8))
    found = []
    for threads in ("1", "2"):
        output = tmp_path / threads / "iterative.h5"
        command = [sys.executable, "-c", "from galcen.cli import main; main()", "solve-iterative"]
        command += ["--catalogue", survey.catalogue, "--output", output, "--options", options]
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([*command, *survey.exposures], env=environment, check=True, capture_output=True)
        found.append(output.read_bytes())
    assert found[0] == found[1]


def test_calibration_is_told_by_unit_term_and_chip(survey, monkeypatch, tmp_path):
    """A, B, then the drifts of each unit, then the chips, each value where the state has it."""
    plain = solved(survey)

    def numbered(*arguments):
        result = plain(*arguments)
        unit = np.arange(result.state.unit.size, dtype=float).reshape(result.state.unit.shape)
        return result._replace(in_convention=result.state._replace(unit=unit))

    section = {"calibration": {"share": "orbit", "drift": True}, "distortion_order": 2}
    plain = _of_order(plain, 3)
    tables, _ = solution(survey, monkeypatch, tmp_path / "iterative.h5", numbered, **section)
    found = tables["iterative_calibration"]
    assert len(found["value"]) == 3 * 4 * 3 + 20
    for unit in range(3):
        for place, parameter in enumerate((0, 1, 3, 4)):
            mine = (found["unit"] == unit) & (found["parameter"] == parameter)
            np.testing.assert_array_equal(found["value"][mine], unit * 12 + place * 3 + np.arange(3))
            assert found["number"][mine].tolist() == [0, 1, 2]
    chips = found["unit"] == -1
    assert (found["parameter"][chips] == 2).all()
    assert found["element"][chips].tolist() == list(range(5)) * 4


def _of_order(solve, n_term):
    """The same solver, for a distortion of fewer terms than the truth."""

    def fewer(problem, options, ranks, hooks):
        wide = problem._replace(
            camera=problem.camera._replace(
                optics=problem.camera.optics._replace(
                    distortion=problem.camera.optics.distortion._replace(order=5)
                )
            )
        )
        result = solve(wide, options, ranks, hooks)
        unit = np.zeros((problem.n_unit, problem.n_unit_unknown))
        return result._replace(state=result.state._replace(unit=unit))

    return fewer


def test_an_exposure_without_stars_is_left_out(survey, tmp_path, caplog):
    """Counted in the log; an orbit with no other exposure is an error."""
    path = tmp_path / "exposures.h5"
    path.write_bytes(survey.exposures[1].read_bytes())
    n_exp = len(survey.observed[2][0].offset) - 1
    _keep_stars(path, [2] + [5] * (n_exp - 1))
    caplog.set_level(logging.WARNING)
    problem, tables = problem_of(survey._replace(exposures=[survey.exposures[0], path]))
    assert problem.orbits[2].n_exp == n_exp - 1
    assert len(tables[2]["t"]) == n_exp - 1
    assert "orbit 2: 1 of 6 exposures left out, fewer than 3 stars" in caplog.text
    _keep_stars(path, [2] * n_exp)
    with pytest.raises(SchemaError, match="orbit 2: no exposure has 3 stars or more"):
        problem_of(survey._replace(exposures=[survey.exposures[0], path]))


def _keep_stars(path, counts):
    """Cut each exposure of the file to its first stars."""
    with edited(path) as file:
        group = file["orbit_00002"]
        offset = group["offset"][...]
        rows = np.concatenate([begin + np.arange(n) for begin, n in zip(offset[:-1], counts, strict=True)])
        for name in ("source_id", "chip", "nx", "ny", "sigma_x", "sigma_y", "flags"):
            values = group[name][...][rows]
            del group[name]
            group[name] = values
        group["offset"][...] = np.concatenate([[0], np.cumsum(counts)])


def _truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _missing(path):
    path.unlink()


def _no_orbit(path):
    with edited(path) as file:
        del file["orbit_00002"]


def _unknown_star(path):
    with edited(path) as file:
        file["orbit_00002/source_id"][5] = 3


def _same_orbit(path):
    with edited(path) as file:
        file.move("orbit_00002", "orbit_00001")
        file.attrs["orbits"] = "[1]"


def _other_camera(path):
    with edited(path) as file:
        camera = json.loads(file.attrs["camera"])
        file.attrs["camera"] = json.dumps(camera | {"focal_length_um": 4e6})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncated, "no HDF5 file, or a truncated one"),
        (_missing, "no such file; run the stage that makes it"),
        (_no_orbit, "groups missing or not announced: orbit_00002"),
        (_unknown_star, r"orbit 2: source_id 3 is not in the input catalogue \(1 such stars\)"),
        (_same_orbit, "orbit 1 is in .*o00000-00001.h5 too; leave one of them out"),
        (_other_camera, "has another camera than .*make the exposures in one run"),
    ],
)
def test_files_that_do_not_fit_are_refused(survey, tmp_path, damage, message):
    """File, orbit and star are named."""
    path = tmp_path / "exposures.h5"
    path.write_bytes(survey.exposures[1].read_bytes())
    damage(path)
    with pytest.raises(SchemaError, match=message):
        solve_iterative.run(
            [survey.exposures[0], path], survey.catalogue, tmp_path / "iterative.h5", survey.options()
        )
    assert not (tmp_path / "iterative.h5").exists()


def test_a_source_twice_in_the_catalogue_is_refused(survey, tmp_path):
    """Named."""
    path = tmp_path / "catalogue.h5"
    path.write_bytes(survey.catalogue.read_bytes())
    with edited(path) as file:
        file["input_catalogue/source_id"][1] = file["input_catalogue/source_id"][0]
    with pytest.raises(SchemaError, match="is there twice"):
        problem_of(survey._replace(catalogue=path))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["exposures.h5"],
        ["--catalogue", "catalogue.h5"],
        ["exposures.h5", "--catalogue", "catalogue.h5", "--problem", "problem.h5"],
    ],
)
def test_the_command_takes_exposures_or_a_problem(arguments):
    """Not both, and exposures with their catalogue."""
    command = ["solve-iterative", *arguments, "--output", "out.h5"]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, ConfigError)
    assert "give either files of exposures with --catalogue, or --problem alone" in str(found.exception)
