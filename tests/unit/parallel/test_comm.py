"""The communicator: sums, agreement, and an end of all ranks when one fails."""

import os
import subprocess
import sys

import numpy as np
import pytest

from galcen.errors import ConfigError
from galcen.parallel import comm
from galcen.parallel.comm import RANK_VARIABLES, SIZE_VARIABLES, World, aborting, world
from mpi import mpiexec

HEADER = """
import numpy as np
from galcen.errors import SchemaError
from galcen.parallel.comm import aborting, world
ranks = world()
"""


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in (*SIZE_VARIABLES, *RANK_VARIABLES):
        monkeypatch.delenv(name, raising=False)


def test_one_rank_needs_no_mpi():
    """A plain run does not import mpi4py, and works where it is not installed."""
    program = (
        "import sys; sys.modules['mpi4py'] = None\n"
        "from galcen.parallel.comm import world\n"
        "for alone in (world(), world(1)):\n"
        "    assert (alone.rank, alone.size, alone.local_rank) == (0, 1, 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_one_rank_gives_back_what_it_is_given():
    """Sums, gathered and broadcast values; also a scalar and a transposed array."""
    alone = World()
    for values in (np.arange(6.0).reshape(2, 3).T, np.float64(3.0), np.empty((0, 5))):
        total = alone.sum(values)
        assert total.shape == np.shape(values)
        np.testing.assert_array_equal(total, values)
    assert alone.gather("a") == alone.share("a") == ["a"]
    assert alone.broadcast({"a": 1}) == {"a": 1}
    alone.barrier()
    alone.agree("text", "the options")
    assert "one rank" in alone.reduction_path


def test_sums_are_the_same_to_the_last_bit_on_all_ranks():
    """Of numbers whose sum depends on the order; they agree with numpy to rounding."""
    program = """
import galcen.parallel.comm as comm
comm.BLOCK = 1000
draw = [np.random.default_rng(rank).normal(size=(7, 431)) * 10.0 ** (4 * rank) for rank in range(3)]
total = ranks.sum(draw[ranks.rank].T)
assert total.shape == (431, 7) and ranks.size == 3
np.testing.assert_allclose(total, sum(draw).T, rtol=1e-12, atol=1e-6)
bits = ranks.share(total.tobytes())
assert bits[0] == bits[1] == bits[2]
assert ranks.sum(np.array(1)) == 3.0 and ranks.sum(np.array(1)).shape == ()
assert ranks.sum(np.empty((0, 5))).shape == (0, 5)
assert ranks.gather(ranks.rank) == ([0, 1, 2] if ranks.rank == 0 else None)
assert ranks.broadcast(ranks.rank) == 0
assert ranks.local_rank == ranks.rank
assert "through the hosts' memory" in ranks.reduction_path
ranks.barrier()
print("right")
"""
    done = mpiexec(3, "-c", HEADER + program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("right") == 3


def test_ranks_that_disagree_are_named_on_all_ranks():
    """A different option on rank 1 is an error everywhere, not a wrong answer."""
    program = """
from galcen.errors import ConfigError
ranks.agree("same", "the options")
try:
    ranks.agree("ab"[ranks.rank == 1], "the options")
except ConfigError as error:
    print(error)
"""
    done = mpiexec(3, "-c", HEADER + program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the ranks differ in the options (ranks 0, 2: a; rank 1: b)") == 3


@pytest.mark.parametrize(
    ("error", "has_traceback"), [("SchemaError('row 7 is bad')", False), ("ZeroDivisionError('7')", True)]
)
def test_a_failing_rank_ends_all(error, has_traceback):
    """The others, which wait for it, do not hang; a user's error has no traceback."""
    program = f"""
with aborting(ranks):
    if ranks.rank == 1:
        raise {error}
    ranks.barrier()
"""
    done = mpiexec(2, "-c", HEADER + program)
    assert done.returncode != 0
    assert "galcen: error (rank 1 of 2, " in done.stderr
    assert "7" in done.stderr
    assert ("Traceback" in done.stderr) is has_traceback


def test_one_rank_alone_passes_its_errors_on():
    with pytest.raises(ConfigError, match="no"), aborting(World()):
        raise ConfigError("no")


def test_a_communicator_of_another_size_is_refused():
    """Both ways: processes that do not know of each other, and --ranks that differs from -n."""
    done = mpiexec(2, "-c", HEADER.replace("world()", "world(3)"))
    assert done.returncode != 0
    assert "3 ranks were asked for, MPI has 2; give --ranks" in done.stderr
    done = mpiexec(2, "-c", HEADER.replace("world()", "world(1)"))
    assert "1 ranks were asked for, MPI has 2" in done.stderr


def test_a_process_that_does_not_know_of_the_others_is_refused():
    """One of two of a step whose srun had the wrong --mpi; each would write the answer."""
    pytest.importorskip("mpi4py")
    command, variables = [sys.executable, "-c", HEADER], os.environ | {"SLURM_STEP_NUM_TASKS": "2"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode != 0
    assert "2 ranks were asked for, MPI has 1: every process is alone" in done.stderr


def test_ranks_without_mpi4py_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ConfigError, match=r"4 ranks need mpi4py.*galcen\[mpi\]"):
        world(4)


def test_ranks_of_one_machine_open_no_port_to_the_network():
    """What the ranks listen at, as the kernel lists it, but for the launcher's own port, inherited."""
    program = f"""{HEADER}
import os, re
from pathlib import Path
def sockets(process):
    links = [os.readlink(link) for link in Path(f"/proc/{{process}}/fd").iterdir() if link.is_symlink()]
    return {{found.group(1) for link in links if (found := re.fullmatch(r"socket:\\[(\\d+)\\]", link))}}
mine = sockets("self") - sockets(os.getppid())
rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
open_to = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in mine]
print("listens", ranks.rank, sorted(set(open_to)))
assert not set(open_to) - {{"0100007F"}}, open_to
"""
    done = mpiexec(2, "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("listens") == 2


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MPI_LOCALNRANKS": "4", "PMI_SIZE": "4"}, True),
        ({"MPI_LOCALNRANKS": "2", "PMI_SIZE": "4", "SLURM_STEP_NUM_NODES": "1"}, False),
        ({"SLURM_STEP_NUM_NODES": "1", "PMI_SIZE": "4"}, True),
        ({"SLURM_STEP_NUM_NODES": "2", "PMI_SIZE": "4"}, False),
        ({"PMI_SIZE": "4"}, False),
    ],
)
def test_only_ranks_that_are_known_to_share_a_machine_are_kept_to_it(monkeypatch, variables, expected):
    """By the word of MPICH's mpiexec, or of Slurm."""
    for name in ("MPI_LOCALNRANKS", "SLURM_STEP_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert comm._is_on_one_machine() is expected
