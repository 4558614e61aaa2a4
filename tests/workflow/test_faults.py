"""Runs that are killed, and files that are damaged: found, made again, and the same bytes in the end."""

import os
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
import yaml
from astropy.table import Table, vstack

from galcen.io.hdf5 import read_table
from galcen.io.schema import OBSERVED
from project import BIN, ROOT, TINY, make_project, snakemake

PRODUCTS = ("truth.h5", "merge.h5", "model.h5")


def same_products(one, other):
    """The products of two runs of one configuration are equal, byte by byte."""
    paths = sorted(path.relative_to(one) for path in one.rglob("*.h5"))
    assert {str(path) for path in paths} >= set(PRODUCTS)
    for path in paths:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path


@pytest.mark.slow
def test_a_run_killed_at_any_time_ends_at_the_same_bytes(finished, tmp_path):
    """SIGKILL of Snakemake and all its jobs, three times, at moments drawn anew in each test run."""
    folder = make_project(tmp_path / "killed")
    command = [BIN / "snakemake", "--cores", "2", "--scheduler", "greedy", "--rerun-incomplete"]
    moment = random.SystemRandom()
    for _ in range(3):
        seconds = moment.uniform(4, 25)
        with subprocess.Popen(
            [*command, "--configfile", TINY],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
        for path in folder.glob("results/tiny/**/*.h5"):
            # Whatever has its name is whole.
            if not path.name.startswith("."):
                with h5py.File(path) as file:
                    assert file.attrs["format"] == "galcen", f"killed after {seconds:.1f} s"
        snakemake(folder, "--configfile", TINY, "--unlock")
    snakemake(folder, "--configfile", TINY, "--rerun-incomplete")
    same_products(finished / "results/tiny", folder / "results/tiny")


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_intermediate_file_is_found_and_made_again(finished, tmp_path, damage):
    """The run stops with the file's name and what to do; doing it gives the same bytes."""
    folder = make_project(tmp_path / "damaged")
    subprocess.run(["cp", "-a", finished / "results", finished / ".snakemake", folder], check=True)
    path = next((folder / "results/tiny/catalogue/complete").iterdir())
    content, times = path.read_bytes(), path.stat()
    middle = len(content) // 2
    bad = (
        content[:middle]
        if damage == "truncated"
        else content[:middle] + b"\0" * 4096 + content[middle + 4096 :]
    )
    path.write_bytes(bad)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    posterior = folder / "results/tiny/catalogue/posterior" / path.name
    posterior.unlink()
    target = str(posterior.relative_to(folder))
    text = snakemake(folder, target, "--configfile", TINY, check=False)
    log = (folder / "results/tiny/logs/catalogue/posterior" / f"{path.stem}.log").read_text()
    assert f"complete/{path.name}" in log, text[-2000:]
    assert "delete" in log
    assert "Traceback" not in log
    assert not posterior.exists()
    path.unlink()
    snakemake(folder, target, "--configfile", TINY)
    same_products(finished / "results/tiny", folder / "results/tiny")


@pytest.mark.slow
def test_surveys_given_as_tables_give_the_catalogue_of_the_drawn_ones(finished):
    """FITS, CSV, Parquet and ECSV with cuts and priorities: the same stars, to the last bit."""
    base = yaml.safe_load((ROOT / TINY).read_text())
    surveys = finished / "results/tiny/catalogue/survey"
    photometry = ("mj", "mj_error", "mh", "mh_error", "mks", "mks_error")
    motion = (
        "parallax_obs",
        "parallax_obs_error",
        "pmra_obs",
        "pmra_obs_error",
        "pmdec_obs",
        "pmdec_obs_error",
    )
    columns = {
        "2MASS": photometry,
        "SIRIUS": photometry,
        "VIRAC": photometry + motion,
        "Gaia": (*motion, "gaia_source_id"),
    }
    epochs = {"2MASS": 1999.5, "SIRIUS": 2003.0, "VIRAC": 2014.0, "Gaia": 2016.0}
    endings = {"2MASS": "fits", "SIRIUS": "csv", "VIRAC": "parquet", "Gaia": "ecsv"}
    files = []
    for priority, (name, measured) in enumerate(columns.items()):
        parts = []
        for path in sorted((surveys / name).iterdir()):
            with h5py.File(path) as file:
                group = file["observed"]
                parts.append(Table({key: group[key][...] for key in ("source_id", "ra", "dec", *measured)}))
        table = vstack(parts)
        table["good"] = 1
        junk = table[:5].copy()
        junk["good"], junk["source_id"] = 0, junk["source_id"] + 2**50
        table = vstack([table, junk])[np.random.default_rng(1).permutation(len(table) + 5)]
        path = f"{name}.{endings[name]}"
        table.write(finished / path, overwrite=True)
        files.append(
            {
                "name": name,
                "path": path,
                "priority": priority,
                "role": "link" if name == "Gaia" else "detections",
                "epoch": epochs[name],
                "cuts": ["good == 1"],
                "columns": {key.replace("_obs", ""): key for key in ("source_id", "ra", "dec", *measured)},
            }
        )
    # Any order of the tables: priorities decide.
    catalogue = {**base["catalogue"], "source": "files", "files": files}
    (finished / "tables.yaml").write_text(yaml.safe_dump({**base, "run": "tables", "catalogue": catalogue}))
    tiles = [path.name for path in sorted((finished / "results/tiny/catalogue/complete").iterdir())]
    wanted = [f"results/tables/catalogue/complete/{tile}" for tile in tiles]
    snakemake(finished, *wanted, "--configfile", "tables.yaml")
    for tile, path in zip(tiles, wanted, strict=True):
        drawn, given = (
            read_table(folder, OBSERVED)
            for folder in (finished / "results/tiny/catalogue/complete" / tile, finished / path)
        )
        drawn, given = (inside_by(stars, base["footprint"], 2 / 3600) for stars in (drawn, given))
        assert len(drawn["ra"]) > 50
        for name in OBSERVED.names:
            if not name.startswith("true"):
                np.testing.assert_array_equal(given[name], drawn[name], err_msg=name)


def inside_by(stars, footprint, margin):
    """Stars this far [deg] inside the footprint: at its edge noise takes detections out of a table."""
    inside = np.ones(len(stars["ra"]), dtype=bool)
    for axis, column in (("l", "glon"), ("b", "glat")):
        inside &= stars[column] > footprint[f"{axis}_min"] + margin
        inside &= stars[column] < footprint[f"{axis}_max"] - margin
    return {name: values[inside] for name, values in stars.items()}
