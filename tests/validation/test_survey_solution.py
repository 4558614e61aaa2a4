"""A small survey through the real solver: what it says of its errors is true, and ranks do not matter."""

import json
import os
import subprocess

import h5py
import numpy as np
import pytest

from galcen.io.comparison_schema import COMPARISON, TABLES
from galcen.io.hdf5 import open_product, read_columns
from iterative_mock import compared, write_survey
from project import BIN


def solve(survey, output, options, *launcher, ranks=1):
    """Run the command; returns its log."""
    command = [
        *launcher,
        BIN / "galcen",
        "solve-iterative",
        *survey.exposures,
        "--catalogue",
        survey.catalogue,
    ]
    command += ["--output", output, "--options", json.dumps(options), "--ranks", str(ranks)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


@pytest.mark.slow
def test_a_survey_is_solved_within_its_errors(tmp_path):
    """Every verdict of the comparison passes with marginal errors; the camera to 30 nm."""
    survey = write_survey(tmp_path, n=1500, seed=5)
    log = solve(survey, tmp_path / "iterative.h5", survey.options(n_probe=30, robust=False))
    assert "1500 sources, 750 of them references; 3 orbits" in log
    assert not (tmp_path / "iterative.h5.checkpoint").exists()
    path = compared(survey, tmp_path / "iterative.h5", tmp_path / "comparison.h5")
    with open_product(path, COMPARISON) as file:
        tables = {table.name: read_columns(file, table) for table in TABLES}
        assert file.attrs["chi2_passes"] == file.attrs["mean_parallax_passes"] == "1"
    for name in ("quality_motion", "compared_joint", "compared_zero", "compared_power"):
        verdict = tables[name]["passes"]
        assert (verdict != 0).all(), name
        assert (verdict == 1).any(), name
    assert tables["compared_camera"]["camera_um"].max() < 0.03


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(tmp_path):
    """Sources to 1e-6 mas, the tolerance of the linear system; the same rows everywhere."""
    mpiexec = BIN / "mpiexec"
    pytest.importorskip("mpi4py")
    if not mpiexec.exists():
        pytest.skip("no mpiexec in this environment")
    survey = write_survey(tmp_path, n=800, seed=6)
    options = survey.options(robust=False, calibration={"share": "orbit"})
    solve(survey, tmp_path / "one.h5", options)
    solve(survey, tmp_path / "two.h5", options, mpiexec, "-n", "2", ranks=2)
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "two.h5") as two:
        for name, values in one["iterative_sources"].items():
            np.testing.assert_allclose(two["iterative_sources"][name][...], values[...], rtol=0, atol=1e-6)
        for table in ("iterative_exposures", "iterative_calibration", "iterative_map", "iterative_units"):
            for name, values in one[table].items():
                np.testing.assert_allclose(two[table][name][...], values[...], rtol=1e-6, atol=1e-3)
