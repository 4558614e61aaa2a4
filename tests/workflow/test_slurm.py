"""The Slurm profile on a real Slurm: the same bytes as on one machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from test_workflow import BIN, TINY, folder, snakemake  # noqa: F401 - folder is a fixture

from reference import SHARED


@pytest.mark.slurm
@pytest.mark.slow
def test_truth_is_the_same_through_slurm(folder, tmp_path):  # noqa: F811 - the fixture
    """truth.h5 of the tiny run through `--profile slurm`, byte by byte."""
    launcher = SHARED / "slurm/slurm-local"
    if not launcher.exists():
        pytest.skip("no slurm-local beside the project: no Slurm to run on")
    if shutil.which("slurmctld") is None and not (shutil.which("apt-get") and os.geteuid() == 0):
        pytest.skip("Slurm is not installed, and installing it needs root and apt")
    if shutil.which("slurmctld") is None:
        done = subprocess.run([launcher, "install"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Slurm cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    snakemake(folder, "results/tiny/truth.h5", "--configfile", TINY)
    local = (folder / "results/tiny/truth.h5").read_bytes()
    shutil.move(folder / "results/tiny", tmp_path / "local")
    command = [
        launcher,
        "exec",
        "--",
        BIN / "snakemake",
        "results/tiny/truth.h5",
        "--profile",
        "slurm",
        "--configfile",
        TINY,
        "--latency-wait",
        "10",
        "--slurm-init-seconds-before-status-checks",
        "1",
        "--slurm-status-command",
        "squeue",
    ]
    # Munge refuses a socket below a folder that others cannot enter, as pytest's are.
    home = Path(tempfile.mkdtemp(prefix="galcen-slurm-"))
    home.chmod(0o755)
    environment = {**os.environ, "SLURM_LOCAL_DIR": str(home)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert (folder / "results/tiny/truth.h5").read_bytes() == local
