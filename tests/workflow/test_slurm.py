"""The Slurm profile on a real Slurm: the same bytes as on one machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from project import BIN, TINY, make_project
from reference import reference_file

# One machine's Slurm answers at once; without accounting, squeue is who answers.
IMPATIENT = (
    *("--latency-wait", "10"),
    *("--seconds-between-status-checks", "1"),
    *("--slurm-init-seconds-before-status-checks", "1"),
    *("--slurm-status-command", "squeue"),
)


@pytest.fixture
def launcher():
    """The command that starts a private Slurm; installs Slurm where root can."""
    launcher = reference_file("slurm/slurm-local")
    if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if not (shutil.which("apt-get") and os.geteuid() == 0):
            pytest.skip("Slurm is not installed, and installing it needs root and apt")
        done = subprocess.run([launcher, "install"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Slurm cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return launcher


@pytest.fixture
def home():
    """Where Slurm's sockets stand: munge refuses them below a folder that others cannot enter."""
    home = Path(tempfile.mkdtemp(prefix="galcen-slurm-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@pytest.mark.slurm
@pytest.mark.slow
def test_truth_is_the_same_through_slurm(launcher, home, finished, tmp_path):
    """truth.h5 of the tiny run through `--profile slurm`, byte by byte."""
    project = make_project(tmp_path / "main")
    run = [BIN / "snakemake", "results/tiny/truth.h5", "--profile", "slurm", "--configfile", TINY, *IMPATIENT]
    done = subprocess.run(
        [launcher, "exec", "--", *run],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SLURM_LOCAL_DIR": str(home)},
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    paths = [folder / "results/tiny/truth.h5" for folder in (project, finished)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
