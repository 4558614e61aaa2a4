"""A user's table becomes one checked file per tile, whatever the order of its rows."""

import json
from pathlib import Path
from typing import Any

import erfa
import h5py
import numpy as np
import pytest

from galcen import config
from galcen.catalogue.tiling import tiles_of
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import read_table
from galcen.io.schema import OBSERVED
from galcen.stages import ingest
from reference import reference_file

FOOTPRINT = {"l_min": -0.2, "l_max": 0.2, "b_min": -0.1, "b_max": 0.1}
COLUMNS = {
    "source_id": "id",
    "ra": "ra",
    "dec": "dec",
    "mj": "j",
    "mj_error": "e_j",
    "mks": "k",
    "mks_error": "e_k",
    "pmra": "pmra",
    "pmdec": "pmdec",
}


# ERFA has the matrix of the definition (Hipparcos, vol. 1) as we do; astropy's SkyCoord goes through FK5,
# which is turned by 22 mas.
def icrs(lon: np.ndarray | float, lat: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """ICRS position [deg] of Galactic coordinates [deg]."""
    ra, dec = erfa.g2icrs(np.radians(lon), np.radians(lat))
    return np.degrees(ra) % 360.0, np.degrees(dec)


def galactic(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Galactic coordinates [deg], longitude from -180 to 180."""
    lon, lat = erfa.icrs2g(np.radians(ra), np.radians(dec))
    return (np.degrees(lon) + 180.0) % 360.0 - 180.0, np.degrees(lat)


def in_footprint(table: dict[str, np.ndarray]) -> np.ndarray:
    lon, lat = galactic(table["ra"], table["dec"])
    return (abs(lon) < 0.2) & (abs(lat) < 0.1)


def stars(n: int, seed: int = 1, lon: float = 0.3, lat: float = 0.15) -> dict[str, np.ndarray]:
    """Stars about the centre, some of them outside the footprint."""
    rng = np.random.default_rng(seed)
    ra, dec = icrs(rng.uniform(-lon, lon, n), rng.uniform(-lat, lat, n))
    return {
        "id": rng.permutation(10 * n)[:n],
        "ra": ra,
        "dec": dec,
        "j": rng.uniform(8, 18, n),
        "e_j": rng.uniform(0.01, 0.1, n),
        "k": rng.uniform(8, 15, n),
        "e_k": rng.uniform(0.01, 0.1, n),
        "pmra": rng.normal(0, 3, n),
        "pmdec": rng.normal(0, 3, n),
    }


def write(path: Path, table: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> Path:
    columns = [np.asarray(values)[rows].tolist() for values in table.values()]
    lines = [",".join("" if v != v else repr(v) for v in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join(table), *lines]) + "\n")
    return path


def options(path: Path, side: int = 8, footprint: dict[str, float] = FOOTPRINT, **survey: Any) -> dict:
    table = {"name": "S", "path": str(path), "columns": COLUMNS, "epoch": 2000.0, **survey}
    return {
        "version": 1,
        "footprint": footprint,
        "tiling": {"cells_per_side": side},
        "catalogue": {"source": "files", "files": [table]},
    }


def run(folder: Path, chosen: dict) -> dict[str, dict[str, np.ndarray]]:
    """The tables of all tiles, by name."""
    ingest.run("S", folder, chosen)
    return {path.stem: read_table(path, OBSERVED) for path in sorted(folder.iterdir())}


def merged(tiles: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All stars, by identifier."""
    columns = {name: np.concatenate([tile[name] for tile in tiles.values()]) for name in OBSERVED.names}
    order = np.argsort(columns["source_id"])
    return {name: values[order] for name, values in columns.items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """To the last bit."""
    for name in OBSERVED.names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_every_tile_has_a_file_and_every_star_is_in_its_own(tmp_path):
    """Cells belong to the tile that lists them; the stars are sorted by identifier."""
    table = stars(500)
    tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table)))
    expected = tiles_of(FOOTPRINT, {"cells_per_side": 8})
    assert sorted(tiles) == sorted(tile.name for tile in expected)
    for tile in expected:
        l_min, l_max, b_min, b_max = tile.bounds
        got = tiles[tile.name]
        assert len(got["glon"]) > 0
        assert ((got["glon"] >= l_min) & (got["glon"] < l_max)).all()
        assert ((got["glat"] >= b_min) & (got["glat"] < b_max)).all()
        assert (np.diff(got["source_id"]) > 0).all()
    inside = in_footprint(table)
    np.testing.assert_array_equal(merged(tiles)["source_id"], np.sort(table["id"][inside]))


def test_the_values_are_those_of_the_table(tmp_path):
    """To the last bit; what the table does not have is missing."""
    table = stars(300)
    got = merged(run(tmp_path / "S", options(write(tmp_path / "s.csv", table), epoch=2014.5)))
    row = {identifier: i for i, identifier in enumerate(table["id"].tolist())}
    rows = [row[identifier] for identifier in got["source_id"].tolist()]
    renamed = {f"{name}_obs" if name in ("pmra", "pmdec") else name: COLUMNS[name] for name in COLUMNS}
    for name, column in renamed.items():
        np.testing.assert_array_equal(got[name], table[column][rows], err_msg=name)
    assert set(got["ref_epoch"]) == {2014.5}
    integers = ("true_comp", "true_id", "gaia_source_id")
    assert all(set(got[name]) == {-1} for name in integers)
    for name in set(OBSERVED.names) - {*renamed, *integers, "glon", "glat", "ref_epoch", "surveys"}:
        assert np.isnan(got[name]).all(), name


def test_each_star_may_have_its_own_epoch(tmp_path):
    """Its tile at the common epoch and its row are those of a table that has this epoch for all stars."""
    table = stars(200, lon=0.19, lat=0.09)
    table["pmra"] *= 1e3
    table["pmdec"] *= 1e3
    table["when"] = np.where(np.arange(200) % 2, 2000.0, 2014.5)
    columns = {**COLUMNS, "ref_epoch": "when"}
    path = write(tmp_path / "s.csv", table)
    mixed = run(tmp_path / "S", options(path, columns=columns, epoch=None, side=4))
    for name, years in (("a", 2000.0), ("b", 2014.5)):
        part = {column: values[table["when"] == years] for column, values in table.items()}
        alone = run(tmp_path / name, options(write(tmp_path / f"{name}.csv", part), epoch=years, side=4))
        for tile, got in mixed.items():
            rows = got["ref_epoch"] == years
            same({column: values[rows] for column, values in got.items()}, alone[tile])


def test_galactic_coordinates_agree_with_erfa(tmp_path):
    """To 1e-8 deg (0.04 mas): our matrix has the ten decimals of the definition, ERFA's more."""
    got = merged(run(tmp_path / "S", options(write(tmp_path / "s.csv", stars(500)))))
    lon, lat = galactic(got["ra"], got["dec"])
    np.testing.assert_allclose(got["glon"], lon, rtol=0, atol=1e-8)
    np.testing.assert_allclose(got["glat"], lat, rtol=0, atol=1e-8)


def test_any_order_of_the_rows_gives_the_same_catalogue(tmp_path):
    table = stars(500)
    first = run(tmp_path / "a", options(write(tmp_path / "a.csv", table)))
    shuffled = np.random.default_rng(5).permutation(500)
    second = run(tmp_path / "b", options(write(tmp_path / "b.csv", table, shuffled)))
    assert first.keys() == second.keys()
    for name in first:
        same(first[name], second[name])


def test_a_star_does_not_depend_on_the_length_of_its_table(tmp_path):
    """Stars alone and in any part of the table have the same bits."""
    table = stars(500, lon=0.19, lat=0.09)
    whole = merged(run(tmp_path / "a", options(write(tmp_path / "a.csv", table))))
    for rows in ([7], [450, 3, 129], range(127, 260), range(1, 500)):
        part = merged(run(tmp_path / "b", options(write(tmp_path / "b.csv", table, np.array(rows)))))
        chosen = np.isin(whole["source_id"], part["source_id"])
        same({name: values[chosen] for name, values in whole.items()}, part)


@pytest.mark.parametrize("side", [1, 3, 80])
def test_the_size_of_a_tile_does_not_matter(tmp_path, side):
    path = write(tmp_path / "s.csv", stars(300))
    same(
        merged(run(tmp_path / "a", options(path))),
        merged(run(tmp_path / "b", options(path, side=side))),
    )


def test_tiles_without_stars_are_valid_empty_tables(tmp_path):
    table = stars(300)
    north = table["dec"] > np.median(table["dec"])
    tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table, north), side=1))
    assert len(tiles) == len(tiles_of(FOOTPRINT, {"cells_per_side": 1}))
    assert any(len(tile["ra"]) == 0 for tile in tiles.values())
    assert all(tile["source_id"].dtype == np.int64 for tile in tiles.values())


def test_every_star_is_counted(tmp_path):
    """Read = kept + outside the footprint + without any magnitude; the counts stand in each file."""
    table = stars(400)
    table["j"][::2] = np.nan
    table["k"][::4] = np.nan
    tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table)))
    inside = in_footprint(table)
    dark = np.isnan(table["j"]) & np.isnan(table["k"]) & inside
    for name in tiles:
        with h5py.File(tmp_path / "S" / f"{name}.h5") as file:
            assert json.loads(file.attrs["counts"]) == {
                "read": 400,
                "cuts": {},
                "outside_own_footprint": 0,
                "outside_footprint": int((~inside).sum()),
                "no_measurement": int(dark.sum()),
            }
    assert len(merged(tiles)["ra"]) == int((inside & ~dark).sum())


def test_a_table_outside_the_footprint_is_refused(tmp_path, caplog):
    """Of detections nothing must not be left; a table that only adds to others may add nothing here."""
    path = write(tmp_path / "s.csv", stars(20))
    away = {"l_min": 3.0, "l_max": 3.1, "b_min": 1.0, "b_max": 1.1}
    with pytest.raises(SchemaError, match="no star is left: of 20 stars 20 lie outside the footprint"):
        run(tmp_path / "S", options(path, footprint=away))
    assert [one.name for one in tmp_path.iterdir()] == ["s.csv"]
    chosen = options(path, footprint=away, role="link")
    link = chosen["catalogue"]["files"][0]
    chosen["catalogue"]["files"].append({**link, "name": "T", "role": "detections"})
    tiles = run(tmp_path / "S", chosen)
    assert [len(tile["ra"]) for tile in tiles.values()] == [0]
    assert "adds nothing to this run" in caplog.text


def test_the_rows_that_each_cut_leaves_out_are_counted(tmp_path, caplog):
    """In the product and in the log; a later cut counts what the cuts before it left."""
    table = stars(200, lon=0.19, lat=0.09)
    cuts = ["k < 12", "j > 10"]
    with caplog.at_level("INFO", "galcen"):
        tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table), cuts=cuts))
    faint = ~(table["k"] < 12)
    bright = ~faint & ~(table["j"] > 10)
    with h5py.File(tmp_path / "S" / f"{next(iter(tiles))}.h5") as file:
        counts = json.loads(file.attrs["counts"])
    assert counts["read"] == 200
    assert counts["cuts"] == {"k < 12": int(faint.sum()), "j > 10": int(bright.sum())}
    assert len(merged(tiles)["ra"]) == 200 - faint.sum() - bright.sum()
    assert f"cut 'k < 12' leaves out {faint.sum()} of 200 rows" in caplog.text
    assert f"cut 'j > 10' leaves out {bright.sum()} of {200 - faint.sum()} rows" in caplog.text


def test_limits_are_dropped_band_by_band_when_asked(tmp_path):
    """A magnitude without error goes, the star stays with its other band; by default both stay."""
    table = stars(100, lon=0.19, lat=0.09)
    table["e_j"][:30] = np.nan
    path = write(tmp_path / "s.csv", table)
    kept = merged(run(tmp_path / "a", options(path)))
    assert not np.isnan(kept["mj"]).any()
    got = merged(run(tmp_path / "b", options(path, drop_without_error=True)))
    assert len(got["mj"]) == 100
    np.testing.assert_array_equal(np.isnan(got["mj"]), np.isin(got["source_id"], table["id"][:30]))
    np.testing.assert_array_equal(got["mks"], kept["mks"])


def test_stars_without_identifiers_are_numbered_apart_in_each_table(tmp_path):
    """Row number plus 10^12 times the place of the table."""
    table = stars(50, lon=0.19, lat=0.09)
    path = write(tmp_path / "s.csv", table)
    chosen = options(path, columns={k: v for k, v in COLUMNS.items() if k != "source_id"})
    first = chosen["catalogue"]["files"][0]
    chosen["catalogue"]["files"] = [first, {**first, "name": "T"}]
    got = merged(run(tmp_path / "S", chosen))
    np.testing.assert_array_equal(got["source_id"], np.arange(1, 51))
    np.testing.assert_array_equal(got["ra"], table["ra"])
    ingest.run("T", tmp_path / "T", chosen)
    second = merged({path.stem: read_table(path, OBSERVED) for path in (tmp_path / "T").iterdir()})
    np.testing.assert_array_equal(second["source_id"], 10**12 + np.arange(1, 51))


def test_negative_right_ascensions_are_those_of_the_same_place(tmp_path):
    """-93.6 is 266.4 deg; the remainder of a tiny negative one is 0, not 360."""
    table = stars(50, lon=0.19, lat=0.09)
    west = {**table, "ra": table["ra"] - 360.0}
    got = merged(run(tmp_path / "a", options(write(tmp_path / "a.csv", west))))
    expected = merged(run(tmp_path / "b", options(write(tmp_path / "b.csv", table))))
    np.testing.assert_allclose(got["ra"], expected["ra"], rtol=0, atol=1e-12)
    assert ingest._wrapped(np.array([-1e-20, -1e-13, 0.0, 360.0, 359.9])).tolist()[::2] == [0.0, 0.0, 359.9]


@pytest.mark.parametrize(
    ("lon", "lat"), [(9.501, 0.0), (-9.501, 0.0), (0.0, 4.501), (0.0, -10.001), (170.0, 0.1), (120.0, 50.0)]
)
def test_a_star_off_the_map_is_named(tmp_path, lon, lat):
    """Row, identifier and coordinates; nothing is written."""
    table = stars(20)
    table["ra"][12], table["dec"][12] = icrs(lon, lat)
    path = write(tmp_path / "s.csv", table)
    with pytest.raises(SchemaError) as caught:
        ingest.run("S", tmp_path / "out" / "S", options(path))
    message = str(caught.value)
    for word in (
        str(path),
        "row 13",
        f"source_id {table['id'][12]}",
        f"ra = {table['ra'][12]:.5f}",
        "(1 such",
    ):
        assert word in message, message
    assert f"l = {lon:.4f}, b = {lat:.4f}" in message.replace("-0.0000", "0.0000")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("lon", "lat"), [(9.4999, 0.0), (-9.4999, -9.9999), (0.0, 4.4999)])
def test_the_edges_of_the_map_are_on_it(tmp_path, lon, lat):
    table = {name: values[:1] for name, values in stars(2).items()}
    table["ra"], table["dec"] = (np.array([angle]) for angle in icrs(lon, lat))
    corner = {"l_min": -9.5, "l_max": 9.5, "b_min": -10.0, "b_max": 4.5}
    tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table), side=80, footprint=corner))
    assert len(merged(tiles)["ra"]) == 1


def test_a_bad_table_leaves_the_earlier_tiles_alone(tmp_path):
    table = stars(50)
    folder = tmp_path / "S"
    run(folder, options(write(tmp_path / "s.csv", table)))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    table["id"][3] = table["id"][7]
    with pytest.raises(SchemaError, match="unique"):
        ingest.run("S", folder, options(write(tmp_path / "s.csv", table)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["S", "s.csv"]


def test_no_tile_appears_when_writing_fails_half_way(tmp_path, monkeypatch):
    written = []

    def failing(path: Path, *content: Any) -> None:
        written.append(path)
        if len(written) == 3:
            raise SchemaError(f"{path}: cannot be written: no space left")
        path.write_bytes(b"")

    monkeypatch.setattr(ingest, "write_table", failing)
    with pytest.raises(SchemaError, match="no space left"):
        ingest.run("S", tmp_path / "S", options(write(tmp_path / "s.csv", stars(50)), side=2))
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_the_same_table_gives_the_same_bytes(tmp_path):
    chosen = options(write(tmp_path / "s.csv", stars(100)))
    run(tmp_path / "a", chosen)
    run(tmp_path / "b", chosen)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_unknown_survey_or_option_is_named(tmp_path):
    chosen = options(write(tmp_path / "s.csv", stars(20)))
    with pytest.raises(ConfigError, match=r"no survey VVV .* there are: S"):
        ingest.run("VVV", tmp_path / "S", chosen)
    chosen["catalogue"]["files"][0]["column_map"] = {}
    with pytest.raises(ConfigError, match=r"catalogue\.files\.0\.column_map: unknown key"):
        ingest.run("S", tmp_path / "S", chosen)
    assert not (tmp_path / "S").exists()


def test_the_2mass_plate_goes_into_one_tile(tmp_path):
    """All 364 stars, at l = 2.19, b = -1.90 deg within 3 arcmin; 275 J, 354 H and 273 Ks remain."""
    root = Path(__file__).resolve().parents[3]
    settings = config.load(root / "config/test/bulge_2mass.yaml")
    survey = settings.catalogue.files[0].model_dump(mode="json")
    survey["path"] = str(reference_file(survey["path"].removeprefix("../shared/")))
    chosen = json.loads(config.section_json(settings, "footprint", "tiling", "catalogue"))
    chosen["catalogue"]["files"] = [survey]
    ingest.run(survey["name"], tmp_path / "S", chosen)
    tiles = {path.stem: read_table(path, OBSERVED) for path in (tmp_path / "S").iterdir()}
    got = merged(tiles)
    assert len(got["ra"]) == 364
    assert [int((~np.isnan(got[band])).sum()) for band in ("mj", "mh", "mks")] == [275, 354, 273]
    assert np.hypot(got["glon"] - 2.19, got["glat"] + 1.90).max() < 0.05
    assert settings.catalogue.selection is None


def test_angles_in_radians_are_recognised(tmp_path):
    """The message tells what to set, and setting it reads the table."""
    table = stars(50, lon=0.19, lat=0.09)
    radians = {**table, "ra": np.radians(table["ra"]), "dec": np.radians(table["dec"])}
    path = write(tmp_path / "s.csv", radians)
    with pytest.raises(SchemaError, match=r"look like radians: set units: \{ra: rad, dec: rad\}"):
        ingest.run("S", tmp_path / "S", options(path))
    got = merged(run(tmp_path / "S", options(path, units={"ra": "rad", "dec": "rad"})))
    np.testing.assert_allclose(np.sort(got["ra"]), np.sort(table["ra"]), rtol=0, atol=1e-9)


def test_magnitudes_in_the_wrong_columns_are_refused(tmp_path):
    """J in the column of H and H in that of J, of stars that have J - H = 1."""
    table = stars(100)
    table["h"] = table["k"] + 0.5
    table["j"] = table["h"] + 1.0
    path = write(tmp_path / "s.csv", table)
    columns = {**COLUMNS, "mj": "h", "mh": "j", "mj_error": "e_j"}
    with pytest.raises(SchemaError, match=r"median colours are J - H = -1\.00"):
        ingest.run("S", tmp_path / "S", options(path, columns=columns))
    assert not (tmp_path / "S").exists()


def test_a_table_is_used_inside_its_footprint_only(tmp_path):
    table = stars(400, lon=0.19, lat=0.09)
    path = write(tmp_path / "s.csv", table)
    part = {"l_min": -0.1, "l_max": 0.05, "b_min": -0.05, "b_max": 0.1}
    got = merged(run(tmp_path / "S", options(path, footprint=FOOTPRINT)))
    chosen = options(path)
    chosen["catalogue"]["files"][0]["footprint"] = part
    some = merged(run(tmp_path / "T", chosen))
    expected = (got["glon"] >= -0.1) & (got["glon"] <= 0.05) & (got["glat"] >= -0.05)
    np.testing.assert_array_equal(some["source_id"], got["source_id"][expected])
    assert 0 < len(some["ra"]) < len(got["ra"])


def test_stars_go_to_the_tile_they_have_moved_to(tmp_path):
    """The position in the file is the observed one; the tile is that of the common epoch."""
    table = stars(2, lon=0.19, lat=0.09)
    table["ra"], table["dec"] = icrs(np.array([-0.00001, -0.00001]), np.array([0.05, 0.05]))
    # 0.1 arcsec/yr towards larger longitudes: 1.6 arcsec in 16 years, 0.00044 deg.
    table["pmra"], table["pmdec"] = np.array([52.0, 0.0]), np.array([86.0, 0.0])
    tiles = run(tmp_path / "S", options(write(tmp_path / "s.csv", table), epoch=2000.0, side=1))
    where = {identifier: name for name, tile in tiles.items() for identifier in tile["source_id"].tolist()}
    assert where[table["id"][0]] != where[table["id"][1]]
    assert int(where[table["id"][0]][1:4]) == int(where[table["id"][1]][1:4]) + 1
    np.testing.assert_array_equal(np.sort(merged(tiles)["ra"]), np.sort(table["ra"]))


def test_rows_that_cannot_be_put_aside_are_one_error(tmp_path, monkeypatch):
    """A full disc while the table is read: no tiles, nothing left behind."""
    path = write(tmp_path / "s.csv", stars(50))
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if mode == "ab":
            raise OSError(28, "No space left on device")
        return real(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SchemaError, match=r"s\.csv: its rows cannot be put aside.*No space left"):
        ingest.run("S", tmp_path / "S", options(path))
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
