"""The list of a run's tiles."""

import json
from pathlib import Path

import numpy as np
import pytest

from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import write_table
from galcen.io.schema import OBSERVED
from galcen.stages import tiles

CONFIGURATION = """
run: mine
footprint: {l_min: 0.0, l_max: 0.25, b_min: -0.1, b_max: 0.1}
tiling: {cells_per_side: 4}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a configuration of 10 x 8 cells."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIGURATION)
    return tmp_path


def complete(project: Path, name: str, n: int) -> Path:
    """The finished catalogue of one tile."""
    columns = {c.name: np.zeros(n, c.dtype) for c in OBSERVED.columns}
    path = project / f"results/mine/catalogue/complete/{name}.h5"
    write_table(path, OBSERVED, columns, {})
    return path


def test_tiles_cover_the_footprint_once(project):
    """Names are unique, cells add up, and bounds follow from the cell size of 0.025 deg."""
    rows = json.loads(tiles.listing(project / "mine.yaml", "json"))
    assert len({row["tile"] for row in rows}) == len(rows) == 3 * 2
    assert sum(row["cells"] for row in rows) == 10 * 8
    area = sum((row["l_max"] - row["l_min"]) * (row["b_max"] - row["b_min"]) for row in rows)
    assert area == pytest.approx(0.25 * 0.2, rel=1e-9)
    assert (min(row["l_min"] for row in rows), max(row["l_max"] for row in rows)) == (0.0, 0.25)
    assert (min(row["b_min"] for row in rows), max(row["b_max"] for row in rows)) == (-0.1, 0.1)


def test_stars_are_listed_once_known(project):
    """None until the tile's catalogue is complete; an empty tile has 0."""
    first, second, *rest = [row["tile"] for row in json.loads(tiles.listing(project / "mine.yaml", "json"))]
    complete(project, first, 17)
    complete(project, second, 0)
    stars = {row["tile"]: row["stars"] for row in json.loads(tiles.listing(project / "mine.yaml", "json"))}
    assert (stars[first], stars[second]) == (17, 0)
    assert {stars[name] for name in rest} == {None}


def test_the_table_shows_what_the_json_holds(project):
    """One line a tile between head and sum; an unknown number of stars is a dash."""
    complete(project, "t380_396", 17)
    rows = json.loads(tiles.listing(project / "mine.yaml", "json"))
    head, *lines, total = tiles.listing(project / "mine.yaml", "table").splitlines()
    assert head.split() == ["tile", "l_min", "l_max", "b_min", "b_max", "cells", "stars"]
    assert [line.split()[0] for line in lines] == [row["tile"] for row in rows]
    assert [line.split()[-1] for line in lines].count("17") == 1
    assert [line.split()[-1] for line in lines].count("-") == len(rows) - 1
    assert total == "6 tiles, 80 cells"


def test_the_default_run_is_listed_without_a_configuration(project):
    """0.4 x 0.1 deg of 0.025 deg cells: two tiles of 8 x 4."""
    rows = json.loads(tiles.listing(None, "json"))
    assert [row["cells"] for row in rows] == [32] * 2


def test_a_damaged_catalogue_is_named(project):
    path = complete(project, "t380_396", 17)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SchemaError, match=r"t380_396\.h5.*truncated"):
        tiles.listing(project / "mine.yaml", "table")


def test_bad_options_are_named(project):
    with pytest.raises(ConfigError, match="--format xml: expected table or json"):
        tiles.listing(None, "xml")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        tiles.listing(project / "nowhere.yaml", "table")
    (project / "mine.yaml").write_text("footprnt: {l_min: 0.0}\n")
    with pytest.raises(ConfigError, match="footprnt: unknown key"):
        tiles.listing(project / "mine.yaml", "table")
    (project / "mine.yaml").write_text("footprint: {l_min: 0.011, l_max: 0.012}\n")
    with pytest.raises(ConfigError, match=r"no cell .* has its centre inside"):
        tiles.listing(project / "mine.yaml", "table")
