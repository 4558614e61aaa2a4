"""The workflow: dry runs, refusals, and a tiny run to the end with what reruns after a change."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TINY = "config/test/tiny.yaml"


def snakemake(folder, *arguments, check=True):
    """Run snakemake in a copy of the workflow; returns its output."""
    command = [BIN / "snakemake", "--cores", "2", "--scheduler", "greedy", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, text[-4000:]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with the workflow in it."""
    folder = tmp_path_factory.mktemp("project") / "main"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "slurm").symlink_to(ROOT / "profiles/slurm")
    return folder


@pytest.fixture(scope="module")
def finished(folder):
    """The folder after the tiny run."""
    snakemake(folder, "--configfile", TINY)
    return folder


def truth_columns(path):
    """Every column of a truth catalogue."""
    with h5py.File(path) as file:
        return {name: data[...] for name, data in file["truth"].items()}


def overlay(folder, name, **values):
    """A configuration over the tiny one."""
    path = folder / f"{name}.yaml"
    base = yaml.safe_load((ROOT / TINY).read_text())
    path.write_text(yaml.safe_dump({**base, "run": name, **values}))
    return path.name


@pytest.mark.parametrize("name", ["config.yaml", "examples/gcs.yaml", "examples/wide.yaml", "test/tiny.yaml"])
def test_every_configuration_can_be_planned(folder, name):
    """A dry run of each; the tables of real surveys are not needed."""
    assert "truth" in snakemake(folder, "-n", "--configfile", f"config/{name}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"galaxy": {"bra": "E"}}, "galaxy.bra: unknown key"),
        ({"footprint": {"l_min": 2.0, "l_max": 1.0}}, "l_min = 2.0 must be below l_max = 1.0"),
        ({"catalogue": {"source": "files"}}, "needs at least one table"),
        ({"draw": {"realisation": 99}}, "must be below"),
    ],
)
def test_a_bad_configuration_stops_before_the_first_job(folder, values, expected):
    """One clear message and no traceback."""
    path = overlay(folder, "bad", **values)
    text = snakemake(folder, "--configfile", path, check=False)
    assert expected in text
    assert "Traceback" not in text
    assert not (folder / "results/bad").exists()


@pytest.mark.slow
def test_the_tiny_run_makes_catalogue_and_report(finished):
    """Sorted by HEALPix, identifiers unique, probabilities of 1, and a report with figures."""
    stars = truth_columns(finished / "results/tiny/truth.h5")
    assert len(stars["source_id"]) > 100
    assert (np.diff(stars["healpix"]) >= 0).all()
    assert len(np.unique(stars["source_id"])) == len(stars["source_id"])
    np.testing.assert_allclose(sum(stars[f"p_comp_{i}"] for i in range(12)), 1.0, rtol=1e-12)
    np.testing.assert_allclose(stars["parallax"], 1000 / stars["dist"])
    page = (finished / "results/tiny/report.html").read_text()
    assert page.count("data:image/png") == 5
    assert not list((finished / "results").rglob(".*.part"))
