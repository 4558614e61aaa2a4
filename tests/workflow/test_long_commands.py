"""Commands that are too long for one argument of bash, 128 KiB on Linux, travel by file."""

import re

import h5py
import numpy as np
import pytest
import yaml
from astropy.coordinates import SkyCoord

from project import make_project, snakemake

LONGEST = 131072 - 1000
"""Bytes of a command, with some left for what Snakemake puts before it."""


def planned_commands(text):
    """Commands of galcen in the output of a dry run with `-p`."""
    return [line.removeprefix("Shell command: ").strip() for line in text.splitlines() if "galcen " in line]


def test_hundreds_of_exposures_travel_by_file(tmp_path):
    """Every file is in the list, in its order; the list's name follows its content."""
    folder = make_project(tmp_path / "project")
    run = "a-long-name-" * 7 + "of-a-run"
    survey = {"enabled": True, "last_stage": "exposures", "orbits_per_job": 1, "plan": {"n_orbits": 600}}
    values = {"run": run, "survey": survey, "solver": {"enabled": True, "ranks": 2}}
    (folder / "long.yaml").write_text(yaml.safe_dump(values))
    text = snakemake(
        folder, f"results/{run}/astrometry/comparison.h5", "-n", "-p", "--configfile", "long.yaml"
    )
    commands = planned_commands(text)
    assert max(len(command.encode()) for command in commands) < LONGEST
    (command,) = (command for command in commands if "solve-iterative" in command)
    listing = re.search(r" -- @(\S+) > ", command).group(1)
    paths = (folder / listing).read_text().splitlines()
    assert paths == [f"results/{run}/survey/exposures/o{n:05d}-{n:05d}.h5" for n in range(600)]
    again = snakemake(
        folder, f"results/{run}/astrometry/iterative.h5", "-n", "-p", "--configfile", "long.yaml"
    )
    assert listing in again


@pytest.mark.slow
def test_hundreds_of_tables_are_ingested(tmp_path):
    """Options of 348 tables, one of which is read."""
    folder = make_project(tmp_path / "project")
    columns = {"ra": "right_ascension_of_the_star", "dec": "declination_of_the_star"}
    columns |= {name: f"magnitude_of_the_star_in_the_band_{name}" for name in ("mj", "mh", "mks")}
    tables = [{"name": f"S{n}", "path": f"it's/table {n}.csv", "columns": columns} for n in range(348)]
    places = SkyCoord([0.505, 0.51, 0.515], [0.11] * 3, unit="deg", frame="galactic").icrs
    rows = np.column_stack([places.ra.deg, places.dec.deg, [14.0] * 3, [12.0] * 3, [11.0] * 3])
    (folder / "it's").mkdir()
    header = ",".join(columns.values())
    np.savetxt(folder / tables[7]["path"], rows, delimiter=",", header=header, comments="")
    sky = {"l_min": 0.5, "l_max": 0.525, "b_min": 0.1, "b_max": 0.125}
    values = {"run": "many", "footprint": sky, "catalogue": {"source": "files", "files": tables}}
    (folder / "many.yaml").write_text(yaml.safe_dump(values))
    target = "results/many/catalogue/survey/S7/t400_404.h5"
    snakemake(folder, target, "--configfile", "many.yaml")
    with h5py.File(folder / target) as file:
        assert len(file.attrs["configuration"]) > 100_000
    assert len(list((folder / "results/many/.arguments").glob("*.json"))) > 0
