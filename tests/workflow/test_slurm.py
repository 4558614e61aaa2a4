"""The Slurm profile on a real Slurm: the same results as on one machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

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


@pytest.fixture
def through_slurm(launcher, home):
    """Runs snakemake in a project through `--profile slurm`; returns the nodes of its last job."""

    def run(project, target, configuration, *cluster, **variables):
        command = ["snakemake", target, "--profile", "slurm", "--configfile", configuration, *IMPATIENT]
        nodes = ["bash", "-c", '"$@" >&2 && squeue --noheader --states all --format %N', "bash"]
        done = subprocess.run(
            [launcher, "exec", *cluster, "--", *nodes, BIN / command[0], *command[1:]],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SLURM_LOCAL_DIR": str(home), **variables},
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout.split()[-1]

    return run


@pytest.mark.slurm
@pytest.mark.slow
def test_truth_is_the_same_through_slurm(through_slurm, finished, tmp_path):
    """truth.h5 of the tiny run, byte by byte."""
    project = make_project(tmp_path / "main")
    through_slurm(project, "results/tiny/truth.h5", TINY)
    paths = [folder / "results/tiny/truth.h5" for folder in (project, finished)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.slurm
@pytest.mark.slow
def test_the_solution_is_the_same_on_two_nodes(through_slurm, small, tmp_path):
    """Two ranks, each on a node of its own with a GPU to itself: sources to 1e-10 of their errors."""
    project, solution = make_project(tmp_path / "main"), "results/small/astrometry/iterative.h5"
    shutil.copytree(small / "results", project / "results")
    for path in (project / "results/small/astrometry").iterdir():
        path.unlink()
    values = yaml.safe_load((small / "small.yaml").read_text())
    values["solver"]["gpus"] = 2
    (project / "small.yaml").write_text(yaml.safe_dump(values))
    cluster = ("--nodes", "2", "--cpus", "2", "--mem", "40000", "--gpus", "1")
    nodes = through_slurm(project, solution, "small.yaml", *cluster, JAX_PLATFORMS="cpu")
    assert nodes == "node[1-2]"
    assert "2 rank(s)" in (project / "results/small/logs/astrometry/solve_iterative.log").read_text()
    with h5py.File(project / solution) as one, h5py.File(small / solution) as other:
        found, expected = one["iterative_sources"], other["iterative_sources"]
        assert set(found) == set(expected)
        np.testing.assert_array_equal(found["source_id"], expected["source_id"])
        errors = {"a": "ra_error", "d": "dec_error"}
        for name in ("a", "d", "parallax", "pmra", "pmdec"):
            sigma = expected[errors.get(name, f"{name}_error")][...]
            assert np.abs((found[name] - expected[name][...]) / sigma).max() < 1e-10
