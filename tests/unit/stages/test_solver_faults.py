"""The solver under mpiexec when all is not well: dead ranks, full discs, ranks too many or not alike."""

import json
import os
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from edited import edited
from galcen.io.hdf5 import open_product
from galcen.io.solver_checkpoint import PRODUCT
from iterative_mock import write_survey
from mpi import mpiexec

PATHS = os.pathsep.join(sys.path)

FAULTY = """
import os, resource, signal, sys
from galcen.cli import main
from galcen.io import hdf5
from galcen.parallel.comm import world

rank, call, fault = int(sys.argv.pop(1)), int(sys.argv.pop(1)), sys.argv.pop(1)
calls, sync = iter(range(1, 1000)), os.fsync

def faulty(descriptor):
    number = next(calls)
    if number == call - 1 and fault == "disc":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    if number == call and fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)

if world().rank == rank:
    if fault == "options":
        sys.argv += ["--scheme", "block-gauss-seidel"]
    if fault == "catalogue":
        sys.argv[sys.argv.index("--catalogue") + 1] += ".stale"
    hdf5.os.fsync = faulty
main()
"""
"""The command, with a fault of one rank at one of its calls of fsync.

Each call is a state of the checkpoint: in a step the rank syncs its piece and the folder; rank 0 then syncs
the state and, when that has its name, the folder.
"""

NO_FAULT = ("-1", "0", "none")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Three orbits."""
    return write_survey(tmp_path_factory.mktemp("survey"), n=200)


@pytest.fixture(scope="module")
def start(survey):
    """Starts the solution."""
    inputs = [*survey.exposures, "--catalogue", survey.catalogue]
    options = ["--options", json.dumps(survey.options(robust=False))]

    def run(output, *fault, n_rank=2):
        command = ["-c", FAULTY, *map(str, fault or NO_FAULT), "solve-iterative", *inputs]
        ranks = ["--ranks", str(n_rank)]
        return mpiexec(n_rank, *command, "--output", output, *options, *ranks, PYTHONPATH=PATHS)

    return run


@pytest.fixture(scope="module")
def through(start, tmp_path_factory):
    """The solution without a fault."""
    output = tmp_path_factory.mktemp("through") / "iterative.h5"
    done = start(output)
    assert done.returncode == 0, done.stderr
    return output


def step_of(folder):
    """The step that a checkpoint has; every file that it needs is whole."""
    with open_product(folder / "state.h5", PRODUCT) as file:
        for name in json.loads(file.attrs["files"]):
            with open_product(folder / name, PRODUCT) as piece:
                assert piece.attrs["step"] == file.attrs["step"]
        return int(file.attrs["step"])


def left_of(output):
    """Processes that still work on an output."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(output).encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def assert_same(got, expected):
    """All tables but that of the steps, to 1e-12."""
    with h5py.File(got) as one, h5py.File(expected) as other:
        tables = [name for name in other if name != "iterative_history"]
        assert "iterative_sources" in tables
        for table in tables:
            if isinstance(other[table], h5py.Group):
                for name, values in other[table].items():
                    np.testing.assert_allclose(one[table][name][...], values[...], rtol=1e-12, err_msg=name)
        assert one.attrs["chi2"] == other.attrs["chi2"]


@pytest.mark.parametrize(
    ("rank", "call", "step"),
    [
        pytest.param(1, 3, 1, id="as it writes its piece"),
        pytest.param(0, 8, 2, id="when the state has its name"),
    ],
)
def test_a_killed_rank_costs_one_step_at_most(start, through, tmp_path, rank, call, step):
    """All ranks end, the checkpoint is whole, and the same command ends at the same answer."""
    output = tmp_path / "iterative.h5"
    done = start(output, rank, call, "kill")
    assert done.returncode != 0
    assert "signal 9" in done.stdout + done.stderr
    until = time.monotonic() + 30
    while left_of(output):
        assert time.monotonic() < until, left_of(output)
        time.sleep(0.05)
    assert not output.exists()
    folder = tmp_path / "iterative.h5.checkpoint"
    assert step_of(folder) == step
    done = start(output)
    assert done.returncode == 0, done.stderr
    assert f"going on after {step} steps" in done.stderr
    assert not folder.exists()
    assert_same(output, through)


def test_a_full_disc_of_one_rank_ends_all(start, through, tmp_path):
    """One error that tells who and what; with room the same command ends at the same answer."""
    output = tmp_path / "iterative.h5"
    done = start(output, 1, 3, "disc")
    assert done.returncode != 0
    assert done.stderr.count("galcen: error (rank 1 of 2, ") == 1
    assert "make room and give the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert step_of(tmp_path / "iterative.h5.checkpoint") == 1
    assert start(output).returncode == 0
    assert_same(output, through)


def test_more_ranks_than_orbits_give_the_same_answer(start, through, tmp_path):
    """To 1e-9 of the errors; the ranks too many are told."""
    output = tmp_path / "iterative.h5"
    done = start(output, n_rank=4)
    assert done.returncode == 0, done.stderr
    assert "1 of 4 ranks have no orbit" in done.stderr
    assert "start 3 ranks at most" in done.stderr
    with h5py.File(output) as many, h5py.File(through) as two:
        errors = {"a": "ra_error", "d": "dec_error", "parallax": "parallax_error", "pmra": "pmra_error"}
        for name, error in errors.items():
            one, other = (file["iterative_sources"][name][...] for file in (many, two))
            assert np.abs((one - other) / two["iterative_sources"][error]).max() < 1e-9


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("options", "options, version of galcen or files"),
        ("catalogue", "the catalogue or the list of orbits that they have read"),
    ],
)
def test_ranks_that_are_not_alike_are_refused(survey, start, tmp_path, fault, what):
    """Also where the file of one machine is an old copy, which it alone reads."""
    stale = survey.catalogue.with_name("catalogue.h5.stale")
    stale.write_bytes(survey.catalogue.read_bytes())
    with edited(stale) as file:
        file["input_catalogue/parallax"][3] += 1e-9
    done = start(tmp_path / "iterative.h5", 1, 0, fault)
    assert done.returncode != 0
    assert f"the ranks differ in {what} (rank 0: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
