"""The one place that knows MPI.

A plain run never starts MPI and does not need mpi4py: it is a world of one rank.
"""

import os
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float

from galcen.errors import ConfigError, users_fault

SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where launchers tell how many processes they start: MPICH and Intel MPI, Open MPI, MVAPICH, srun.

SLURM_NTASKS is not among them: a batch script has it too, and is one process.
"""

RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "PALS_RANKID")
"""Set by launchers that may tell no size."""

LOOPBACK = {"UCX_NET_DEVICES": "lo", "FI_TCP_IFACE": "lo", "FI_SOCKETS_IFACE": "lo"}
"""Variables by which the libraries below MPICH (UCX or libfabric) open no port to the network.

Ranks of one machine talk through its memory; the ports are opened all the same.
"""

BLOCK = 1 << 28
"""Elements of one message: an MPI before version 4 counts them in 32 bits."""

PATIENCE = 0.5
"""Seconds that an error has to reach the terminal before all ranks end.

Ranks other than 0 wait twice as long before they tell of theirs: most often rank 0 has the same.
"""


class World:
    """The ranks that work on one problem; without a communicator, one."""

    def __init__(self, communicator: Any = None) -> None:  # noqa: ANN401
        self._comm = communicator
        self.rank: int = communicator.Get_rank() if communicator else 0
        self.size: int = communicator.Get_size() if communicator else 1
        self.local_rank = 0
        """Rank among those of the same machine."""
        if communicator:
            from mpi4py import MPI  # deferred: importing it starts MPI

            node = communicator.Split_type(MPI.COMM_TYPE_SHARED)
            self.local_rank = node.Get_rank()
            node.Free()

    def sum(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Sum over the ranks, the same to the last bit on each.

        Summed on rank 0 and sent back: an all-reduce may add in another order on each rank.
        """
        own = np.ascontiguousarray(values, np.float64)
        if not self._comm:
            return own.reshape(np.shape(values))
        total = np.empty_like(own)
        source, target = own.reshape(-1), total.reshape(-1)
        for begin in range(0, source.size, BLOCK):
            block = slice(begin, begin + BLOCK)
            self._comm.Reduce(source[block], target[block], root=0)
            self._comm.Bcast(target[block], root=0)
        return total.reshape(np.shape(values))

    def gather(self, value: Any) -> list[Any] | None:  # noqa: ANN401
        """The values of all ranks, on rank 0; None on the others."""
        return self._comm.gather(value, root=0) if self._comm else [value]

    def broadcast(self, value: Any) -> Any:  # noqa: ANN401
        """The value of rank 0."""
        return self._comm.bcast(value, root=0) if self._comm else value

    def share(self, value: Any) -> list[Any]:  # noqa: ANN401
        """The values of all ranks, on all ranks."""
        return self.broadcast(self.gather(value))

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self._comm:
            self._comm.Barrier()

    def agree(self, text: str, what: str) -> None:
        """Make sure that all ranks have the same text, say a hash of their configuration.

        Raises
        ------
        ConfigError
            They have not; on all ranks alike, naming them.
        """
        texts = self.share(text)
        if len(set(texts)) > 1:
            ranks = {one: [r for r, other in enumerate(texts) if other == one] for one in texts}
            found = "; ".join(f"{_named(who)}: {one[:16]}" for one, who in ranks.items())
            raise ConfigError(
                f"the ranks differ in {what} ({found}); start all with the same command, the same galcen and "
                "the same files"
            )

    def abort(self) -> NoReturn:
        """End all ranks."""
        if self._comm:
            self._comm.Abort(1)
        # Abort may return before the process is ended, and Python would go on meanwhile.
        os._exit(1)

    @property
    def reduction_path(self) -> str:
        """How sums travel, for the log."""
        if not self._comm:
            return "one rank, nothing to sum over"
        return (
            f"sums over {self.size} ranks in float64 through the hosts' memory (MPI Reduce and Bcast); "
            "arrays on a GPU are copied to the host first, also where the MPI could take them from the GPU"
        )


def world(n_rank: int | None = None) -> World:
    """All ranks that were started together.

    Parameters
    ----------
    n_rank
        How many there must be; None: as many as the launcher started.

    Raises
    ------
    ConfigError
        There are more or fewer, or mpi4py is missing or finds no MPI.
    """
    announced = _announced()
    expected = announced if n_rank is None else n_rank
    if announced in (None, 1) and expected in (None, 1):
        return World()
    found = World(_communicator(expected))
    if expected and found.size != expected:
        raise ConfigError(_wrong_size(found.size, expected))
    return found if found.size > 1 else World()


def _announced() -> int | None:
    """Number of processes by the launcher's word; 0: several, or not told; None: no launcher."""
    for name in SIZE_VARIABLES:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0 if any(name in os.environ for name in RANK_VARIABLES) else None


def _is_on_one_machine() -> bool:
    """Whether the launcher says that all ranks are on this machine."""
    mine = os.environ.get("MPI_LOCALNRANKS")
    if mine is not None:
        return mine == os.environ.get("PMI_SIZE")
    return os.environ.get("SLURM_STEP_NUM_NODES") == "1"


def _communicator(expected: int | None) -> Any:  # noqa: ANN401
    if _is_on_one_machine():
        for name, value in LOOPBACK.items():
            os.environ.setdefault(name, value)
    try:
        from mpi4py import MPI  # deferred: importing it starts MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py is there, but no MPI
        raise ConfigError(
            f"{expected or 'several'} ranks need mpi4py and an MPI ({error}); install them with "
            "`pip install 'galcen[mpi]'`, or on a cluster mpi4py with the site's MPI"
        ) from None
    return MPI.COMM_WORLD


def _wrong_size(size: int, expected: int) -> str:
    text = f"{expected} ranks were asked for, MPI has {size}"
    if size == 1:
        return (
            f"{text}: every process is alone. Start it as `mpiexec -n {expected} galcen ...` or "
            f"`srun --mpi=pmi2 -n {expected} galcen ...`; a wrong `--mpi=` (MPICH: pmi2, Open MPI: pmix), or "
            "an mpiexec of another MPI than mpi4py's, starts processes that do not know of each other"
        )
    return f"{text}; give --ranks and the launcher's -n the same number"


def _named(ranks: list[int]) -> str:
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}"


@contextmanager
def aborting(world: World) -> Iterator[None]:
    """End all ranks when one fails, instead of leaving the others to wait for it for ever.

    Prints the error with rank and machine, without a traceback if it is the user's; one rank alone passes the
    error on.
    """
    if world.size == 1:
        yield
        return
    try:
        yield
    except BaseException as error:
        if world.rank:
            time.sleep(2 * PATIENCE)
        fault = users_fault(error)
        is_known = fault is not None or isinstance(error, SystemExit | KeyboardInterrupt)
        if not is_known or os.environ.get("GALCEN_DEBUG"):
            traceback.print_exc()
        text = str(fault) if fault is not None else f"{type(error).__name__}: {error}".removesuffix(": ")
        where = f"rank {world.rank} of {world.size}, {socket.gethostname()}"
        sys.stderr.write(f"galcen: error ({where}): {text}\n")
        sys.stderr.flush()
        # MPICH's mpiexec loses what it has not yet passed on when a rank aborts.
        time.sleep(PATIENCE)
        world.abort()
