"""The surveys of a tile become one catalogue; every star left out is counted."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import read_table, write_table
from galcen.io.schema import OBSERVED
from galcen.stages import complete


def survey(path: Path, ids: list[int], **columns: list[float]) -> Path:
    """A survey's tile; what is not given is missing."""
    missing = {
        c.name: np.full(len(ids), np.nan if c.dtype == "f8" else -1, c.dtype) for c in OBSERVED.columns
    }
    given = {name: np.array(values, dtype=float) for name, values in columns.items()}
    write_table(path, OBSERVED, {**missing, **given, "source_id": np.array(ids, np.int64)}, {})
    return path


def options(selection: dict[str, Any] | None, **galaxy: Any) -> dict[str, Any]:
    table = {"name": "S", "path": "s.csv", "columns": {"ra": "ra", "dec": "dec", "mks": "k"}}
    catalogue = {"source": "files", "files": [table], "selection": selection}
    return {"version": 1, "catalogue": catalogue, "galaxy": galaxy}


def counts(path: Path) -> dict[str, int]:
    with h5py.File(path) as file:
        return json.loads(file.attrs["counts"])


def test_surveys_are_joined_and_sorted(tmp_path):
    """By identifier, each star with its own columns; without a selection all are kept."""
    one = survey(tmp_path / "a.h5", [5, 1, 9], ra=[50.0, 10.0, 90.0], mks=[5.0, np.nan, 9.0])
    two = survey(tmp_path / "b.h5", [2, 7], ra=[20.0, 70.0])
    complete.run(tmp_path / "c.h5", [one, two], options(None))
    got = read_table(tmp_path / "c.h5", OBSERVED)
    assert got["source_id"].tolist() == [1, 2, 5, 7, 9]
    assert got["ra"].tolist() == [10.0, 20.0, 50.0, 70.0, 90.0]
    np.testing.assert_array_equal(got["mks"], [np.nan, np.nan, 5.0, np.nan, 9.0])
    assert counts(tmp_path / "c.h5") == {"in": 5, "kept": 5, "no_magnitude": 0, "outside_limits": 0}


def test_the_order_of_the_surveys_does_not_matter(tmp_path):
    one = survey(tmp_path / "a.h5", [5, 1, 9], ra=[50.0, 10.0, 90.0], mks=[9.0, 8.0, 9.0])
    two = survey(tmp_path / "b.h5", [2, 7], ra=[20.0, 70.0], mks=[9.0, 30.0])
    chosen = options({"band": "Ks", "bright": 8.0, "faint": 11.0})
    complete.run(tmp_path / "c.h5", [one, two], chosen)
    complete.run(tmp_path / "d.h5", [two, one], chosen)
    forth, back = (read_table(tmp_path / name, OBSERVED) for name in ("c.h5", "d.h5"))
    for name in OBSERVED.names:
        np.testing.assert_array_equal(forth[name], back[name])


@pytest.mark.parametrize(("band", "column"), [("J", "mj"), ("H", "mh"), ("Ks", "mks")])
def test_magnitude_limits_include_their_ends(tmp_path, band, column):
    """A missing band is not selected, and counted apart from what lies outside."""
    magnitudes = [7.999999, 8.0, 10.0, 11.0, 11.000001, np.nan]
    path = survey(tmp_path / "a.h5", [1, 2, 3, 4, 5, 6], **{column: magnitudes})
    complete.run(tmp_path / "c.h5", [path], options({"band": band, "bright": 8.0, "faint": 11.0}))
    assert read_table(tmp_path / "c.h5", OBSERVED)["source_id"].tolist() == [2, 3, 4]
    assert counts(tmp_path / "c.h5") == {"in": 6, "kept": 3, "no_magnitude": 1, "outside_limits": 2}


@pytest.mark.parametrize(
    ("relation", "faint", "kept"),
    [
        # J = 12, H = 11: 0.9 J + 0.1 H - 0.06 (J - H)^2 = 11.84.
        ("HwA", 11.83, []),
        ("HwA", 11.85, [1]),
        # 0.7829 J + 0.2171 H - 0.0323 (J - H)^2 = 11.7506.
        ("HwB", 11.75, []),
        ("HwB", 11.76, [1]),
    ],
)
def test_hw_follows_the_relation_and_needs_both_bands(tmp_path, relation, faint, kept):
    path = survey(tmp_path / "a.h5", [1, 2, 3], mj=[12.0, np.nan, 11.0], mh=[11.0, 11.0, np.nan])
    selection = {"band": "Hw", "bright": 9.0, "faint": faint}
    complete.run(tmp_path / "c.h5", [path], options(selection, hw=relation))
    assert read_table(tmp_path / "c.h5", OBSERVED)["source_id"].tolist() == kept
    assert counts(tmp_path / "c.h5")["no_magnitude"] == 2


def test_an_identifier_in_two_surveys_is_refused(tmp_path):
    """Files and identifier are named; nothing is written, an earlier catalogue stays."""
    one, two = survey(tmp_path / "a.h5", [1, 2, 3]), survey(tmp_path / "b.h5", [7, 8])
    complete.run(tmp_path / "c.h5", [one, two], options(None))
    before = (tmp_path / "c.h5").read_bytes()
    three = survey(tmp_path / "three.h5", [2, 3, 4])
    with pytest.raises(SchemaError, match=r"identifier 2 stands twice.* 1 more") as caught:
        complete.run(tmp_path / "c.h5", [one, two, three], options(None))
    assert "a.h5" in str(caught.value)
    assert "three.h5" in str(caught.value)
    assert "b.h5" not in str(caught.value)
    assert (tmp_path / "c.h5").read_bytes() == before


def test_empty_tiles_give_a_valid_empty_tile(tmp_path):
    paths = [survey(tmp_path / name, []) for name in ("a.h5", "b.h5")]
    complete.run(tmp_path / "c.h5", paths, options({"band": "Ks", "bright": 8.0, "faint": 11.0}))
    assert len(read_table(tmp_path / "c.h5", OBSERVED)["source_id"]) == 0
    assert counts(tmp_path / "c.h5") == {"in": 0, "kept": 0, "no_magnitude": 0, "outside_limits": 0}


def test_a_damaged_survey_and_a_bad_option_are_refused(tmp_path):
    path = survey(tmp_path / "a.h5", [1, 2, 3])
    bad = options({"band": "Ks", "bright": 11.0, "faint": 8.0})
    with pytest.raises(ConfigError, match=r"bright = 11\.0 must be below faint = 8\.0"):
        complete.run(tmp_path / "c.h5", [path], bad)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SchemaError, match=r"a\.h5.*truncated"):
        complete.run(tmp_path / "c.h5", [path], options(None))
    assert not (tmp_path / "c.h5").exists()
