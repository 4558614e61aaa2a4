"""Checkpoints: the same bits back on any number of ranks, and a fault never costs more than a step."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from galcen.errors import ResourceError
from galcen.io import hdf5
from galcen.io.solver_checkpoint import STATE, Saved, load, remove, save
from galcen.parallel.comm import World
from mpi import mpiexec

ALONE = World()

PATHS = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
"""Programs import this file."""


def saved(step: int = 1) -> Saved:
    """Of three orbits, with every kind of number."""
    rng = np.random.default_rng(step)
    odd = np.array([np.nan, -0.0, 5e-324, np.inf, 1 / 3])
    orbits = {
        number: {"exposure": rng.normal(size=(n, 5)), "weight": rng.uniform(size=40 * n), "noise": odd[:n]}
        for number, n in ((3, 2), (8, 0), (21, 4))
    }
    return Saved({"source": rng.normal(size=(50, 5)), "step": np.array([step]), "odd": odd}, orbits)


def assert_same(got, expected):
    """To the last bit."""
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        assert (got[name].dtype, got[name].shape) == (values.dtype, values.shape)
        assert got[name].tobytes() == values.tobytes()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "answer.h5.checkpoint"
    save(folder, "hash", 1, saved(1), ALONE)
    return folder


def test_the_same_bits_come_back(folder):
    """Orbits in the order asked for; files of the step before are gone."""
    save(folder, "hash", 2, saved(2), ALONE)
    assert sorted(path.name for path in folder.iterdir()) == ["exposures-step002-00003.h5", STATE]
    got = load(folder, "hash", [3, 8, 21], ALONE)
    assert_same(got.shared, saved(2).shared)
    assert list(got.orbits) == [3, 8, 21]
    for number, arrays in saved(2).orbits.items():
        assert_same(got.orbits[number], arrays)


def test_without_a_checkpoint_one_starts_from_the_beginning(tmp_path, caplog):
    assert load(tmp_path / "none", "hash", [3], ALONE) is None
    assert caplog.records == []


@pytest.mark.parametrize(
    ("identity", "orbits", "why"),
    [
        ("other", [3, 8, 21], "other options or other data"),
        ("hash", [3, 21], "other orbits"),
        ("hash", [3, 8, 21, 22], "other orbits"),
    ],
)
def test_another_problem_does_not_go_on(folder, caplog, identity, orbits, why):
    """It says so, and its own first step takes the place of the old one."""
    assert load(folder, identity, orbits, ALONE) is None
    assert why in caplog.text
    assert str(folder / STATE) in caplog.text
    save(folder, "other", 1, saved(5), ALONE)
    assert_same(load(folder, "other", [3, 8, 21], ALONE).shared, saved(5).shared)


def test_another_galcen_does_not_go_on(folder, caplog, monkeypatch):
    monkeypatch.setattr("galcen.__version__", "99.0")
    assert load(folder, "hash", [3, 8, 21], ALONE) is None
    assert "this is 99.0" in caplog.text


@pytest.mark.parametrize("name", [STATE, "exposures-step001-00003.h5"])
@pytest.mark.parametrize("part", [None, 0.0, 0.5, 0.99])
def test_a_damaged_checkpoint_is_reported_and_left_alone(folder, caplog, name, part):
    """Truncated anywhere, or a piece that is missing."""
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int((part or 0.0) * len(content))])
    if part is None and name != STATE:
        path.unlink()
    assert load(folder, "hash", [3, 8, 21], ALONE) is None
    assert name in caplog.text


def test_a_piece_of_another_step_is_noticed(folder, caplog):
    """As after a new solution that was killed before its first step was whole."""
    save(folder.parent / "other", "other", 1, saved(7), ALONE)
    (folder.parent / "other" / "exposures-step001-00003.h5").replace(folder / "exposures-step001-00003.h5")
    assert load(folder, "hash", [3, 8, 21], ALONE) is None
    assert "is not of the step" in caplog.text


@pytest.mark.parametrize("call", [1, 2])
def test_an_error_of_the_disc_keeps_the_step_before(folder, monkeypatch, call):
    """At the piece or at the state; nothing half-written stays, and one error names the file."""
    calls = iter(range(1, 100))
    sync = os.fsync

    def full(descriptor):
        # A file, then its folder.
        if next(calls) == 2 * call - 1:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(hdf5.os, "fsync", full)
    with pytest.raises(ResourceError, match=r"checkpoint .*step002|checkpoint .*state\.h5") as caught:
        save(folder, "hash", 2, saved(2), ALONE)
    assert "No space left on device" in str(caught.value)
    assert not list(folder.glob(".*"))
    assert_same(load(folder, "hash", [3, 8, 21], ALONE).shared, saved(1).shared)


FULL_DISC = """
import resource, sys
from pathlib import Path
from galcen.errors import ResourceError
from test_solver_checkpoint import ALONE, saved, save
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
try:
    save(Path(sys.argv[1]), "hash", 2, saved(2), ALONE)
except ResourceError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_full_disc_keeps_the_step_before(folder):
    """A limit on the size of files stands for the disc."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISC, str(folder)],
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
    )
    assert "refused: checkpoint" in done.stderr, done.stderr
    assert done.returncode == 1
    assert_same(load(folder, "hash", [3, 8, 21], ALONE).shared, saved(1).shared)


def test_a_checkpoint_is_removed_without_a_trace(folder):
    """What others have put there stays."""
    (folder / f".{STATE}.killed").touch()
    (folder / "notes.txt").touch()
    remove(folder, ALONE)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    remove(folder, ALONE)
    assert not folder.exists()
    remove(folder, ALONE)


PROGRAM = """
import logging, sys
from pathlib import Path
from galcen.parallel.comm import aborting, world
from galcen.io.solver_checkpoint import Saved, load, save
from test_solver_checkpoint import assert_same, saved
logging.basicConfig()
ranks, folder, step = world(), Path(sys.argv[1]), int(sys.argv[2])
own = [[3], [8, 21], []][ranks.rank] if ranks.size == 3 else [[3, 8], [21]][ranks.rank]
with aborting(ranks):
    if step > 1:
        before = load(folder, "hash", own, ranks)
        assert_same(before.shared, saved(step - 1).shared)
        for number in own:
            assert_same(before.orbits[number], saved(step - 1).orbits[number])
    now = saved(step)
    save(folder, "hash", step, Saved(now.shared, {number: now.orbits[number] for number in own}), ranks)
    if step > 2 and ranks.rank == 0:
        next(folder.glob(f"exposures-step*-{21:05d}.h5")).unlink()
    ranks.barrier()
    if step > 2:
        assert load(folder, "hash", own, ranks) is None
"""


def test_another_number_of_ranks_goes_on(folder):
    """From one to three, one of them without orbits, to two; a fault on one rank stops all."""
    for n_rank, step in ((3, 2), (2, 3)):
        done = mpiexec(n_rank, "-c", PROGRAM, folder, str(step), PYTHONPATH=PATHS)
        assert done.returncode == 0, done.stderr
    assert done.stderr.count("starts from the beginning") == 1
