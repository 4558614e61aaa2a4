"""A working folder with the workflow in it, and Snakemake run there."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TINY = "config/test/tiny.yaml"


def make_project(folder):
    """Links to everything that a run reads, in a new folder."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "slurm").symlink_to(ROOT / "profiles/slurm")
    return folder


def share_model(folder, run):
    """Give a run of a folder the model and the likelihood of its tiny run, which do not depend on the sky."""
    (folder / "results" / run).mkdir(parents=True)
    for name in ("model.h5", "likelihood.h5"):
        shutil.copy2(folder / "results/tiny" / name, folder / "results" / run / name)


def snakemake(folder, *arguments, check=True):
    """Run snakemake in a project; returns its output."""
    command = [BIN / "snakemake", "--cores", "2", "--scheduler", "greedy", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, text[-4000:]
    return text
