"""The mock survey and its plates in the workflow: to the end, what reruns, and independence of the blocks."""

import json
import os
import shutil
import subprocess

import h5py
import numpy as np
import pytest
import yaml

from edited import edited
from project import BIN, make_project, snakemake

ORBITS = 4
TARGET = "astrometry/plate_quality.h5"
SETTINGS = {
    "survey": {
        "enabled": True,
        "orbits_per_job": 2,
        "plan": {"n_orbits": ORBITS, "exposures_per_field": 3, "centre": [0.0, 0.5]},
    },
    "survey_sources": {
        "table": {"path": "stars.csv", "columns": {"ra": "ra", "dec": "dec", "hw": "hw"}},
        "references": {"choice": "drawn", "fraction": 0.5},
        "n_artificial": 50,
    },
}


def configure(folder, name, **changes):
    """A configuration over the settings; returns the name of its file."""
    values = json.loads(json.dumps(SETTINGS)) | {"run": name}
    for section, change in changes.items():
        values[section] = {**values.get(section, {}), **change}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return f"{name}.yaml"


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A folder with a finished survey of 1,500 stars in four orbits."""
    folder = make_project(tmp_path_factory.mktemp("survey") / "main")
    rng = np.random.default_rng(1)
    ra, dec = 265.92 + rng.uniform(-0.55, 0.55, 1500), -28.67 + rng.uniform(-0.5, 0.5, 1500)
    rows = zip(ra, dec, rng.uniform(10.0, 14.4, 1500), strict=True)
    (folder / "stars.csv").write_text("ra,dec,hw\n" + "".join(f"{a},{d},{m}\n" for a, d, m in rows))
    snakemake(folder, f"results/whole/{TARGET}", "--configfile", configure(folder, "whole"))
    return folder


def contents(path):
    """All numbers of a product."""
    found = {}

    def keep(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = node[...]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def same(one, other):
    """Whether two products hold the same numbers, to the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def test_stars_of_a_table_are_observed_and_found_again(survey):
    """Five parameters within their errors: pulls of unit width to four errors, chi2/dof of each orbit 1."""
    found = contents(survey / "results/whole/astrometry/plate_motion.h5")
    true = contents(survey / "results/whole/survey/stars.h5")
    order = np.argsort(true["survey_stars/source_id"])
    true = {name.split("/")[1]: values[order] for name, values in true.items()}
    found = {name.split("/")[1]: values for name, values in found.items()}
    np.testing.assert_array_equal(found["source_id"], true["source_id"])
    seen = (found["n_orbit"] >= 3) & (found["n_obs"] >= 9)
    assert seen.sum() > 500
    for name in ("parallax", "pmra", "pmdec"):
        pull = ((found[name] - true[name]) / found[f"{name}_error"])[seen]
        assert abs(pull.std() - 1) < 4 / np.sqrt(2 * len(pull))
        assert abs(pull.mean()) < 0.3
    for block in ("o00000-00001", "o00002-00003"):
        with h5py.File(survey / f"results/whole/astrometry/plate/{block}.h5") as file:
            for orbit in file.values():
                dof = orbit.attrs["dof"]
                assert abs(orbit.attrs["chi2"] / dof - 1) < 4 * np.sqrt(2 / dof)


def test_blocks_do_not_change_a_number(survey):
    """Orbits one by one give what orbits two by two give, to the last bit."""
    name = configure(survey, "single", survey={**SETTINGS["survey"], "orbits_per_job": 1})
    targets = [f"results/single/astrometry/plate/o{k:05d}-{k:05d}.h5" for k in (0, 3)]
    snakemake(survey, *targets, "--configfile", name)
    for k, block in ((0, "o00000-00001"), (3, "o00002-00003")):
        for product in ("survey/exposures", "survey/injected", "astrometry/plate"):
            whole = contents(survey / f"results/whole/{product}/{block}.h5")
            single = contents(survey / f"results/single/{product}/o{k:05d}-{k:05d}.h5")
            assert single
            assert same(single, {n: v for n, v in whole.items() if n.startswith(f"orbit_{k:05d}")})


def test_one_orbit_is_solved_again(survey, tmp_path):
    """`--only` keeps the other orbits and gives the same numbers; an orbit that is not there is an error."""
    results = survey / "results/whole"
    plate = tmp_path / "plate.h5"
    shutil.copy(results / "astrometry/plate/o00000-00001.h5", plate)
    before = contents(plate)
    with edited(plate) as file:
        file["orbit_00001/plate_sources/a"][...] = 0.0
    command = [BIN / "galcen", "plate", results / "survey/exposures/o00000-00001.h5"]
    command += [results / "survey/input_catalogue.h5", plate, "--only"]
    # As a job of the workflow has it: sums of the linear algebra depend on the number of threads.
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "1"], check=True, capture_output=True, env=alone)
    assert same(contents(plate), before)
    done = subprocess.run([*command, "7"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no orbit 7; the file holds 0, 1" in done.stderr


@pytest.mark.parametrize(
    ("changes", "expected", "kept"),
    [
        ({"plate": {"motion": {"common_mode": True}}}, ("plate_motion",), ("plate", "expose")),
        (
            {"plate": {"robust": {"measurements": False}}},
            ("plate", "plate_motion"),
            ("expose", "exposure_plan"),
        ),
        ({"observation": {"estimate": {"pointing_arcsec": 2.0}}}, ("expose", "plate"), ("exposure_plan",)),
    ],
)
def test_a_changed_option_reruns_what_reads_it(survey, changes, expected, kept):
    """And nothing else."""
    name = configure(survey, "whole", **changes)
    text = snakemake(survey, "-n", f"results/whole/{TARGET}", "--configfile", name)
    configure(survey, "whole")
    lines = text.split("Job stats")[1].split("Reasons")[0].splitlines()
    rules = {line.split()[0] for line in lines if len(line.split()) == 2}
    assert rules >= set(expected)
    assert not rules & set(kept)
