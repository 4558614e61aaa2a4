"""A project to run the workflow in, the same after the tiny run, and one with a small survey."""

import fcntl
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from project import BIN, TINY, make_project, snakemake

SMALL = {
    "run": "small",
    "survey": {
        "enabled": True,
        "orbits_per_job": 2,
        "last_stage": "exposures",
        "plan": {"n_orbits": 4, "exposures_per_field": 3, "centre": [0.0, 0.5]},
    },
    "survey_sources": {
        "table": {"path": "stars.csv", "columns": {name: name for name in ("ra", "dec", "hw", "mj", "mh")}},
        "references": {"choice": "drawn", "fraction": 0.5},
    },
    "observation": {"camera": {"chromatic_um": 0.5}},
    "solver": {"enabled": True, "ranks": 2, "calibration": {"chromatic": True}},
}
"""A survey of four orbits whose images shift with colour, solved on two ranks."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A working folder with the workflow in it."""
    return make_project(tmp_path_factory.mktemp("project") / "main")


@pytest.fixture(scope="session")
def finished(folder, tmp_path_factory, worker_id):
    """The folder after the tiny run, which the workers of a test session make once and copy."""
    if worker_id == "master":
        snakemake(folder, "--configfile", TINY)
        return folder
    shared = tmp_path_factory.getbasetemp().parent / "tiny"
    with (shared.parent / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "finished").exists():
            shutil.rmtree(shared, ignore_errors=True)
            snakemake(make_project(shared), "--configfile", TINY)
            (shared / "finished").touch()
    for name in (".snakemake", "results"):
        subprocess.run(["cp", "-a", shared / name, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A project after the small survey, whose configuration is small.yaml."""
    if not (BIN / "mpiexec").exists():
        pytest.skip("no mpiexec in this environment")
    folder = make_project(tmp_path_factory.mktemp("small") / "main")
    rng = np.random.default_rng(1)
    ra, dec = 265.92 + rng.uniform(-0.55, 0.55, 1000), -28.67 + rng.uniform(-0.5, 0.5, 1000)
    hw, colour = rng.uniform(10.0, 14.4, 1000), rng.normal(2.0, 0.7, 1000)
    columns = {"ra": ra, "dec": dec, "hw": hw, "mj": hw + colour, "mh": hw}
    table = np.column_stack(list(columns.values()))
    np.savetxt(folder / "stars.csv", table, fmt="%.17g", delimiter=",", header=",".join(columns), comments="")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    snakemake(folder, "results/small/astrometry/comparison.h5", "--configfile", "small.yaml")
    return folder
