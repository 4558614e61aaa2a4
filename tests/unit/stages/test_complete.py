"""The surveys of a tile become one catalogue, whatever the tiles; every star left out is counted."""

import json
from pathlib import Path
from typing import Any

import erfa
import h5py
import numpy as np
import pytest

from galcen.catalogue.motion import galactic
from galcen.catalogue.observed import TileGrid, by_tile
from galcen.catalogue.tiling import tiles_of
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import read_columns, read_table, write_table
from galcen.io.schema import MEMBERS, OBSERVED
from galcen.stages import complete

FOOTPRINT = {"l_min": 0.5, "l_max": 0.6, "b_min": 0.1, "b_max": 0.2}
TILE = "t400_404"
COLUMNS = {"ra": "ra", "dec": "dec", "mj": "j", "mh": "h", "mks": "k"}


def stars(ids: list[int], lon: Any = None, lat: Any = None, **columns: Any) -> dict[str, np.ndarray]:
    """Stars of one survey; a minute of arc apart without places, and what is not given is missing."""
    n = len(ids)
    table = {c.name: np.full(n, np.nan if c.dtype == "f8" else -1, c.dtype) for c in OBSERVED.columns}
    lon = 0.51 + 0.02 * (np.array(ids) % 5) if lon is None else np.asarray(lon)
    lat = 0.11 + 0.01 * (np.array(ids) // 5 % 9) if lat is None else np.asarray(lat)
    ra, dec = erfa.g2icrs(np.radians(lon), np.radians(lat)) if n else (np.empty(0), np.empty(0))
    table |= {"source_id": np.array(ids, np.int64), "ra": np.degrees(ra) % 360, "dec": np.degrees(dec)}
    table["glon"], table["glat"] = galactic(table["ra"], table["dec"])
    table["ref_epoch"] = np.full(n, 2010.0)
    return table | {name: np.array(values, dtype=float) for name, values in columns.items()}


def options(selection: dict[str, Any] | None, *names: str, side: int = 8, **galaxy: Any) -> dict[str, Any]:
    """The configuration for surveys of these names, in the order of their priority."""
    tables = [
        {
            "name": name,
            "path": "s.csv",
            "columns": COLUMNS,
            "role": "link" if name == "LINK" else "detections",
        }
        for name in names or ("A",)
    ]
    catalogue = {"source": "files", "files": tables, "selection": selection}
    tiling = {"cells_per_side": side}
    return {"version": 1, "catalogue": catalogue, "galaxy": galaxy, "footprint": FOOTPRINT, "tiling": tiling}


def write(folder: Path, side: int = 8, **surveys: dict[str, np.ndarray]) -> Path:
    """Every survey cut into the tiles of the footprint."""
    tiles = tiles_of(FOOTPRINT, {"cells_per_side": side})
    for name, table in surveys.items():
        place = TileGrid.build(tiles).at(table["glon"], table["glat"])
        for tile, rows in zip(tiles, by_tile(place, table["source_id"], len(tiles)), strict=True):
            path = folder / name / f"{tile.name}.h5"
            write_table(path, OBSERVED, {key: values[rows] for key, values in table.items()}, {})
    return folder


def run(folder: Path, chosen: dict[str, Any], tile: str = TILE) -> dict[str, np.ndarray]:
    output = folder / "complete" / f"{tile}.h5"
    complete.run(tile, folder, output, chosen)
    return read_table(output, OBSERVED)


def counts(folder: Path, tile: str = TILE) -> dict[str, Any]:
    with h5py.File(folder / "complete" / f"{tile}.h5") as file:
        return json.loads(file.attrs["counts"])


def test_surveys_are_joined_and_sorted(tmp_path):
    """By identifier, each star with its own columns; without a selection all are kept."""
    write(tmp_path, A=stars([5, 1, 9], mks=[5.0, np.nan, 9.0]), B=stars([2, 7]))
    got = run(tmp_path, options(None, "A", "B"))
    assert got["source_id"].tolist() == [1, 2, 5, 7, 9]
    np.testing.assert_array_equal(got["mks"], [np.nan, np.nan, 5.0, np.nan, 9.0])
    assert counts(tmp_path) == {
        "surveys": {"A": {"in": 3, "matched": 0, "alone": 3}, "B": {"in": 2, "matched": 0, "alone": 2}},
        **{"merged": 5, "kept": 5, "no_magnitude": 0, "outside_limits": 0},
    }


def test_priorities_and_links_decide_the_order_not_the_list(tmp_path):
    """The place comes from the table of highest priority; a link is matched last and adds no star."""
    one, two = stars([1], [0.51], [0.11]), stars([2], [0.5101], [0.11])
    link = stars([1, 2], [0.51005, 0.55], [0.11, 0.15], pmra_obs=[1.0, 1.0], pmdec_obs=[1.0, 1.0])
    write(tmp_path, A=one, B=two, LINK=link)
    chosen = options(None, "LINK", "A", "B")
    for priorities, winner in (((0, 1), two), ((1, 0), one), ((0, 0), two)):
        for table, priority in zip(chosen["catalogue"]["files"][1:], priorities, strict=True):
            table["priority"] = priority
        got = run(tmp_path, chosen)
        assert got["source_id"].tolist() == winner["source_id"].tolist()
        assert got["surveys"].tolist() == [7]
        assert got["ref_epoch"].tolist() == [2016.0]
    assert counts(tmp_path)["surveys"]["LINK"] == {
        **{"in": 2, "matched": 1, "alone": 0},
        "dropped_without_match": 1,
    }


@pytest.mark.parametrize(("band", "column"), [("J", "mj"), ("H", "mh"), ("Ks", "mks")])
def test_magnitude_limits_include_their_ends(tmp_path, band, column):
    """A missing band is not selected, and counted apart from what lies outside."""
    magnitudes = [7.999999, 8.0, 10.0, 11.0, 11.000001, np.nan]
    write(tmp_path, A=stars([1, 2, 3, 4, 5, 6], **{column: magnitudes}))
    got = run(tmp_path, options({"band": band, "bright": 8.0, "faint": 11.0}))
    assert got["source_id"].tolist() == [2, 3, 4]
    found = counts(tmp_path)
    assert (found["merged"], found["kept"], found["no_magnitude"], found["outside_limits"]) == (6, 3, 1, 2)


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
    """The fourth star, of Hw = 10, is always kept."""
    write(tmp_path, A=stars([1, 2, 3, 4], mj=[12.0, np.nan, 11.0, 10.0], mh=[11.0, 11.0, np.nan, 10.0]))
    got = run(tmp_path, options({"band": "Hw", "bright": 9.0, "faint": faint}, hw=relation))
    assert got["source_id"].tolist() == [*kept, 4]
    assert counts(tmp_path)["no_magnitude"] == 2


def test_an_identifier_in_two_surveys_is_refused(tmp_path):
    """Surveys and identifier are named; an earlier catalogue stays. A link may have any identifiers."""
    write(tmp_path, A=stars([1, 2, 3]), B=stars([7, 8]), C=stars([2, 3, 4]), LINK=stars([1, 2, 3, 7]))
    run(tmp_path, options(None, "A", "B", "LINK"))
    path = tmp_path / "complete" / f"{TILE}.h5"
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"identifier 2 stands twice, in A and C \(and 1 more do\)"):
        run(tmp_path, options(None, "A", "B", "C"))
    assert path.read_bytes() == before


def test_empty_tiles_give_a_valid_empty_tile(tmp_path):
    """One tile of several may be empty; a run of one tile stops where nothing is left of it."""
    limits = {"band": "Ks", "bright": 8.0, "faint": 11.0}
    write(tmp_path, side=2, A=stars([]), B=stars([]))
    got = run(tmp_path, options(limits, "A", "B", side=2))
    assert len(got["source_id"]) == 0
    assert counts(tmp_path)["merged"] == 0
    write(tmp_path / "one", A=stars([1, 2], mks=[12.0, np.nan]))
    with pytest.raises(SchemaError, match="1 have no Ks magnitude and 1 lie outside 8 < Ks < 11"):
        run(tmp_path / "one", options(limits))
    assert not (tmp_path / "one/complete").exists()


def test_a_damaged_survey_and_a_bad_option_are_refused(tmp_path):
    write(tmp_path, A=stars([1, 2, 3]))
    with pytest.raises(ConfigError, match=r"bright = 11\.0 must be below faint = 8\.0"):
        run(tmp_path, options({"band": "Ks", "bright": 11.0, "faint": 8.0}))
    wide = options(None, *(f"S{i}" for i in range(9)))
    wide["catalogue"]["merge"] = {"radius_arcsec": 3.0}
    with pytest.raises(ConfigError, match=r"radius_arcsec = 3\.0 with 9 surveys.*enough up to 2\.00"):
        run(tmp_path, wide)
    path = tmp_path / "A" / f"{TILE}.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SchemaError, match=r"A/t400_404\.h5.*truncated"):
        run(tmp_path, options(None))
    with pytest.raises(SchemaError, match=r"B/t400_404\.h5: no such file"):
        run(tmp_path, options(None, "B"))
    assert not (tmp_path / "complete").exists()


def crowded(n: int = 20000) -> dict[str, dict[str, np.ndarray]]:
    """Three surveys of one field, 0.15 stars per square arcsecond, with errors, losses and motions."""
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(0.5, 0.6, n), rng.uniform(0.1, 0.2, n)
    mks = rng.uniform(8, 15, n)
    motion = rng.normal(0, 30, (2, n))
    surveys = {}
    for place, (name, error, seen) in enumerate((("A", 0.2, 0.7), ("B", 0.1, 0.8), ("LINK", 0.01, 0.3))):
        rows = rng.permutation(np.flatnonzero(rng.random(n) < seen))
        shift = rng.normal(0, error / 3600, (2, len(rows)))
        table = stars(
            (rows + 10**6 * (place + 1)).tolist(),
            lon[rows] + shift[0],
            lat[rows] + shift[1],
            mks=mks[rows] + rng.normal(0, 0.3, len(rows)),
            mks_error=rng.uniform(0.01, 0.3, len(rows)),
        )
        table["true_id"] = rows.astype(np.int64)
        if name == "LINK":
            table |= {f"{pm}_obs": values[rows] for pm, values in zip(("pmra", "pmdec"), motion, strict=True)}
        inside = (abs(table["glon"] - 0.55) < 0.05) & (abs(table["glat"] - 0.15) < 0.05)
        surveys[name] = {key: values[inside] for key, values in table.items()}
    return surveys


def test_tiles_do_not_matter(tmp_path):
    """Stars, members and counts are the same for tiles of 1, 2 and 4 cells, in a crowded field."""
    surveys = crowded()
    wholes = []
    for side in (1, 2, 4):
        folder = write(tmp_path / str(side), side, **surveys)
        parts, members, sums = [], [], {}
        for tile in tiles_of(FOOTPRINT, {"cells_per_side": side}):
            parts.append(run(folder, options(None, "A", "B", "LINK", side=side), tile.name))
            with h5py.File(folder / "complete" / f"{tile.name}.h5") as file:
                members.append(read_columns(file, MEMBERS))
            for survey, found in counts(folder, tile.name)["surveys"].items():
                for what, number in found.items():
                    sums[survey, what] = sums.get((survey, what), 0) + number
        columns = {name: np.concatenate([part[name] for part in parts]) for name in OBSERVED.names}
        order = np.argsort(columns["source_id"])
        behind = {name: np.concatenate([part[name] for part in members]) for name in MEMBERS.names}
        by_member = np.lexsort((behind["member_id"], behind["survey"]))
        wholes.append(
            (
                {name: values[order] for name, values in columns.items()},
                {name: values[by_member] for name, values in behind.items()},
                sums,
            )
        )
    for stars_, behind, sums in wholes[1:]:
        for name, values in wholes[0][0].items():
            np.testing.assert_array_equal(stars_[name], values, err_msg=name)
        for name, values in wholes[0][1].items():
            np.testing.assert_array_equal(behind[name], values, err_msg=name)
        assert sums == wholes[0][2]
    whole, behind, sums = wholes[0]
    assert len(np.unique(whole["source_id"])) == len(whole["source_id"])
    # A few stars are moved over the edge of the footprint by their proper motion.
    for name, survey in surveys.items():
        assert 0 <= len(survey["ra"]) - sums[name, "in"] < 20
    assert sums["A", "matched"] > 0.7 * sums["A", "in"]
