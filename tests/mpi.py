"""Programs under mpiexec, for tests."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TIMEOUT = 120


def mpi_launcher() -> Path:
    """The environment's mpiexec, or else the machine's; the test is skipped where there is no MPI."""
    if find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed (the extra mpi)")
    launcher = Path(sys.executable).parent / "mpiexec"
    found = str(launcher) if launcher.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec (the extra mpi)")
    return Path(found)


def mpiexec(
    n_rank: int, *command: str | Path, launcher: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with some arguments on several ranks, started by this mpiexec or by `mpi_launcher`."""
    # Ranks beyond the cores are meant; the names are Open MPI's.
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    allowed |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    return subprocess.run(
        [launcher or mpi_launcher(), "-n", str(n_rank), sys.executable, *map(str, command)],
        env=os.environ | allowed | {"JAX_PLATFORMS": "cpu"} | variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
