"""Names of users' files that a shell or Snakemake would take for something else."""

import h5py
import numpy as np
import pytest
import yaml
from astropy.coordinates import SkyCoord

from project import make_project, snakemake

NAME = '-n $(touch shell) `touch ticks` it\'s {a brace} <A> "q"; touch semi & touch amp | * ? é ~ %s.csv'
"""One name with all of it: a leading dash, blanks, commands, quotes, fields, patterns."""

N_STAR = 200


def write_table(path):
    """Stars of one cell at (0.5, 0.1)."""
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(0.501, 0.524, N_STAR), rng.uniform(0.101, 0.124, N_STAR)
    places = SkyCoord(lon, lat, unit="deg", frame="galactic").icrs
    hw = rng.uniform(10.0, 14.0, N_STAR)
    columns = {"ra": places.ra.deg, "dec": places.dec.deg, "hw": hw, "mj": hw + 2, "mh": hw, "mks": hw - 1}
    np.savetxt(
        path, np.column_stack(list(columns.values())), delimiter=",", header=",".join(columns), comments=""
    )


def identity(*names):
    """A column map."""
    return {name: name for name in ("ra", "dec", *names)}


@pytest.mark.slow
def test_any_name_of_a_table_is_a_name(tmp_path):
    """Both rules that read a user's table, here and elsewhere; nothing but the products appears."""
    folder = make_project(tmp_path / "it's; my project")
    elsewhere = f"../my data/{NAME}"
    (folder / elsewhere).parent.mkdir()
    for path in (NAME, elsewhere):
        write_table(folder / path)
    values = {
        "run": "evil",
        "footprint": {"l_min": 0.5, "l_max": 0.525, "b_min": 0.1, "b_max": 0.125},
        "catalogue": {
            "source": "files",
            "files": [{"name": "MINE", "path": elsewhere, "columns": identity("mj", "mh", "mks")}],
        },
        "survey": {"enabled": True, "last_stage": "plan"},
        "survey_sources": {
            "table": {"path": NAME, "columns": identity("hw", "mj", "mh")},
            "references": {"choice": "drawn"},
        },
    }
    (folder / "evil.yaml").write_text(yaml.safe_dump(values))
    before = {path.name for path in folder.iterdir()}
    targets = "results/evil/survey/stars.h5", "results/evil/catalogue/survey/MINE/t400_404.h5"
    snakemake(folder, *targets, "--configfile", "evil.yaml")
    with h5py.File(folder / targets[0]) as stars, h5py.File(folder / targets[1]) as tile:
        assert np.sum(stars["survey_stars/is_artificial"][...] == 0) == N_STAR
        assert len(tile["observed/ra"]) == N_STAR
    assert {path.name for path in folder.iterdir()} == {*before, "results", ".snakemake"}


@pytest.mark.parametrize("character", ["\n", "\t", "\x7f"])
def test_names_with_control_characters_are_refused(tmp_path, character):
    """No log and no shell passes them on; the message says so in words."""
    folder = make_project(tmp_path / "project")
    table = {"path": f"stars{character}.csv", "columns": identity("hw")}
    values = {"run": "evil", "survey_sources": {"table": table}, "survey": {"enabled": True}}
    (folder / "evil.yaml").write_text(yaml.safe_dump(values))
    text = snakemake(folder, "-n", "--configfile", "evil.yaml", check=False)
    assert "survey_sources.table.path: expected a path without line breaks" in text


@pytest.mark.parametrize(
    ("section", "name"),
    [("catalogue", "{tile}.csv"), ("survey_sources", "{ x, y}.csv"), ("survey_sources", "<results>.csv")],
)
def test_names_that_snakemake_would_change_are_refused(tmp_path, section, name):
    """Before the first job, in one line, where another file would be read."""
    folder = make_project(tmp_path / "project")
    tables = {
        "catalogue": {
            "source": "files",
            "files": [{"name": "MINE", "path": name, "columns": identity("mks")}],
        },
        "survey_sources": {"table": {"path": name, "columns": identity("hw")}},
    }
    values = {"run": "evil", section: tables[section], "survey": {"enabled": True, "last_stage": "plan"}}
    (folder / "evil.yaml").write_text(yaml.safe_dump(values))
    text = snakemake(folder, "-n", "--configfile", "evil.yaml", check=False)
    assert f"{name}: Snakemake replaces words in {{}} or <>" in text
    assert "Traceback" not in text
