"""The stage and command of joint solutions: files in, a product out, faults named."""

import json

import h5py
import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from galcen.cli import app
from galcen.errors import ConfigError, SchemaError
from galcen.stages import joint_plates
from joint_plates_mock import SCALE, T0, make

COLUMNS = {name: name for name in ("star", "exposure", "x", "y", "sigma_x", "sigma_y", "t")}
OPTIONS = {"columns": COLUMNS, "scale": SCALE, "epoch": T0, "reference": "e4", "excess_noise": False}
# The truth's motions have no polynomial part over all stars: all of them hold the frame.
OPTIONS |= {"frame_fraction": 0.1}


def written(mock, path):
    """A made-up field as a table."""
    data = mock.data
    columns = {
        "star": [f"s{star:03d}" for star in data.star],
        "exposure": [f"e{exposure}" for exposure in data.exposure],
        "x": data.position[:, 0],
        "y": data.position[:, 1],
        "sigma_x": data.sigma[:, 0],
        "sigma_y": data.sigma[:, 1],
        "t": data.epoch[data.exposure],
    }
    Table(columns).write(path, format="ascii.ecsv")
    return path


def column(path, name):
    with h5py.File(path) as file:
        return file[name][...]


def test_command_solves_a_table(tmp_path):
    """Motions against the truth: pulls of width 1 within 15 % (240 numbers: 3 standard errors), rank told."""
    mock = make(3)
    path, output = written(mock, tmp_path / "plates.ecsv"), tmp_path / "solved.h5"
    arguments = ["joint-plates", str(path), "--output", str(output), "--options", json.dumps(OPTIONS)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    pulls = [
        (column(output, f"stars/{name}") - mock.star[:, at]) / column(output, f"stars/{name}_error")
        for at, name in ((2, "pmx"), (3, "pmy"))
    ]
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert column(output, "stars/name")[7] == b"s007"
    with h5py.File(output) as file:
        assert file.attrs["product"] == "joint_plates"
        summary = json.loads(file.attrs["summary"])
    assert summary["n_unknown"] - summary["rank"] == 8
    assert summary["n_constraint"] == 24
    assert summary["chi2"] / summary["dof"] == pytest.approx(1, abs=0.15)


def test_terms_and_residuals_of_the_file_are_those_of_the_model(tmp_path):
    """Observed less residual is the Legendre series of the file's terms at the file's star, to 1e-9 pixel."""
    output = tmp_path / "solved.h5"
    joint_plates.run(
        [written(make(3), tmp_path / "plates.ecsv")], output, OPTIONS | {"full_covariance": True}
    )
    with h5py.File(output) as file:
        read = {
            table: {name: values[...] for name, values in file[table].items()}
            for table in ("stars", "exposures", "terms", "residuals")
        }
        centre, half = json.loads(file.attrs["basis_centre_mas"]), float(file.attrs["basis_half_size_mas"])
        covariance = file["covariance"][...]
    rows = read["residuals"]
    time = read["exposures"]["t"][rows["exposure"]] - T0
    place = [
        (read["stars"][a][rows["star"]] + time * read["stars"][f"pm{a}"][rows["star"]] - c) / half
        for a, c in zip("xy", centre, strict=True)
    ]
    for axis, name in enumerate("xy"):
        computed = np.zeros(len(time))
        for row in np.flatnonzero(read["terms"]["axis"] == axis):
            i, j = read["terms"]["degree_x"][row], read["terms"]["degree_y"][row]
            one = np.polynomial.legendre.legval(place[0], np.eye(3)[i])
            other = np.polynomial.legendre.legval(place[1], np.eye(3)[j])
            on = rows["exposure"] == read["terms"]["exposure"][row]
            computed += on * read["terms"]["value"][row] * one * other
        np.testing.assert_allclose(rows[name] - rows[f"d{name}"], computed, rtol=0, atol=1e-9)
    errors = np.stack([read["stars"][f"{n}_error"] for n in ("x", "y", "pmx", "pmy")], axis=1)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), errors.ravel(), rtol=1e-9)


def test_one_epoch_is_solved_for_positions(tmp_path):
    """Without a span of time there are no motions; e^T C^-1 e of all positions is its rank within 4 sigma."""
    mock, output = make(4, motion=False), tmp_path / "solved.h5"
    joint_plates.run([written(mock, tmp_path / "plates.ecsv")], output, OPTIONS | {"full_covariance": True})
    assert np.isnan(column(output, "stars/pmx")).all()
    shown = mock.data.position[mock.data.exposure == 4]
    # The frame begins in the middle of what the reference exposure shows.
    origin = SCALE * ((shown.min(axis=0) + shown.max(axis=0)) / 2 - 500)
    found = np.stack([column(output, "stars/x"), column(output, "stars/y")], axis=1)
    error = (found + origin - mock.star).ravel()
    covariance = column(output, "covariance")
    scale = 1 / np.sqrt(np.diag(covariance))
    square = error * scale @ np.linalg.solve(covariance * scale * scale[:, None], error * scale)
    assert square / len(error) == pytest.approx(1, abs=4 * np.sqrt(2 / len(error)))


def test_stars_of_few_exposures_are_left_out_and_say_so(tmp_path):
    """A star with two of eight exposures has no position; the others are solved."""
    mock = make(3)
    row = np.flatnonzero(mock.data.star == 5)[2:]
    data = mock.data._replace(
        **{
            name: np.delete(getattr(mock.data, name), row, axis=0)
            for name in ("star", "exposure", "position", "sigma")
        }
    )
    output = tmp_path / "solved.h5"
    joint_plates.run([written(mock._replace(data=data), tmp_path / "plates.ecsv")], output, OPTIONS)
    assert column(output, "stars/is_solved")[5] == 0
    assert column(output, "stars/n_exposure")[5] == 2
    assert np.isnan(column(output, "stars/x")[5])
    assert column(output, "stars/is_solved").sum() == 119


def test_faults_are_named_and_leave_nothing_behind(tmp_path):
    """Unknown key, unknown reference, too high an order, too few stars for the frame."""
    path, output = written(make(3, n_star=20), tmp_path / "plates.ecsv"), tmp_path / "solved.h5"
    for options, kind, words in (
        ({"ordre": 2}, ConfigError, "ordre"),
        ({"reference": "e99"}, ConfigError, "no exposure e99; there are e0"),
        ({"order": 6}, SchemaError, "lower `order`"),
        ({"frame_fraction": 1.0}, ConfigError, "frame_fraction"),
        ({"label": {"path": str(tmp_path / "none.txt")}}, SchemaError, "none.txt: no such file"),
    ):
        with pytest.raises(kind, match=words):
            joint_plates.run([path], output, OPTIONS | options)
    assert [found.name for found in tmp_path.iterdir()] == ["plates.ecsv"]
