"""The merged catalogue against one that is sorted in memory."""

import h5py
import numpy as np
import pytest

from edited import edited
from galcen.catalogue.tiling import tiles_of
from galcen.errors import SchemaError
from galcen.galaxy.components import COMPONENTS
from galcen.io import truth as catalogue
from galcen.io.hdf5 import read_table, write_table
from galcen.io.schema import TRUTH
from galcen.stages import truth

OPTIONS = {
    "footprint": {"l_min": -0.4, "l_max": 0.4, "b_min": -0.2, "b_max": 0.2},
    "tiling": {"cells_per_side": 8},
    "seed": 1,
}
NAMES = [tile.name for tile in tiles_of(OPTIONS["footprint"], OPTIONS["tiling"])]
SIZES = (3000, 0, 1, 5000, 20000, 700, 0, 2500)


def write_tiles(folder, sizes=SIZES):
    """Tiles of random stars, some of the same pixel, in ranges of pixels that overlap."""
    rng = np.random.default_rng(1)
    source_id = rng.permutation(2**40 + np.arange(sum(sizes)))
    stops = np.cumsum(sizes)
    for number, (name, n, stop) in enumerate(zip(NAMES, sizes, stops, strict=True)):
        columns = {
            column.name: rng.normal(size=n) if column.dtype == "f8" else rng.integers(-1, 100, n)
            for column in TRUTH.columns
        }
        columns = {column.name: columns[column.name].astype(column.dtype) for column in TRUTH.columns}
        columns |= {
            "source_id": source_id[stop - n : stop],
            "healpix": 10**9 + 500 * number + rng.integers(0, 1200, n),
            "comp": rng.integers(0, 11, n).astype("i1"),
        }
        write_table(folder / f"{name}.h5", TRUTH, columns, {})


@pytest.mark.parametrize("block", [4000, 10**6])
def test_the_merged_rows_are_those_sorted_in_memory(tmp_path, monkeypatch, block):
    """Every dataset, its type, chunks and attributes, whatever the block; a block ends amid a pixel."""
    monkeypatch.setattr(truth, "BLOCK_ROWS", block)
    monkeypatch.setattr(catalogue, "LISTING_BLOCK", 7000)
    write_tiles(tmp_path)
    truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)
    tables = [read_table(tmp_path / f"{name}.h5", TRUTH) for name in NAMES]
    whole = {name: np.concatenate([table[name] for table in tables]) for name in TRUTH.names}
    order = np.lexsort((whole["source_id"], whole["healpix"]))
    tile = np.repeat(np.arange(len(NAMES)), SIZES)[order]
    with h5py.File(tmp_path / "truth.h5") as file:
        group, index = file["truth"], file["index"]
        assert group.attrs["n_row"] == sum(SIZES)
        assert list(group) == sorted(TRUTH.names)
        for column in TRUTH.columns:
            dataset = group[column.name]
            assert (dataset.dtype, dataset.chunks) == (np.dtype(column.dtype), (16384,))
            assert (dataset.compression, dataset.compression_opts, dataset.shuffle) == ("gzip", 4, True)
            assert dict(dataset.attrs) == {
                "unit": column.unit,
                "ucd": column.ucd,
                "description": column.description,
            }
            np.testing.assert_array_equal(dataset[...], whole[column.name][order])
        np.testing.assert_array_equal(index["healpix_of_chunk"][...], whole["healpix"][order][::16384])
        assert index.attrs["chunk"] == 16384
        for name, values, n in (("comp", whole["comp"][order], len(COMPONENTS)), ("tile", tile, len(NAMES))):
            np.testing.assert_array_equal(index[f"{name}_row"][...], np.argsort(values, kind="stable"))
            assert index[f"{name}_row"].dtype == np.int64
            first = np.searchsorted(np.sort(values), np.arange(n + 1))
            np.testing.assert_array_equal(index[f"{name}_first"][...], first)
        assert [name.decode() for name in index["tile_name"]] == NAMES


def test_several_draws_of_a_star_stand_together(tmp_path):
    """By pixel, star and realisation; a star in two tiles is still found."""
    n_draw, options = 3, {**OPTIONS, "draw": {"n_draw": 3}}
    write_tiles(tmp_path)
    for name in NAMES:
        table = read_table(tmp_path / f"{name}.h5", TRUTH)
        n = len(table["ra"])
        many = {key: np.tile(values, n_draw) for key, values in table.items()}
        many["realisation"] = np.repeat(np.arange(n_draw, dtype=np.int16), n)
        write_table(tmp_path / f"{name}.h5", TRUTH, many, {})
    truth.run(tmp_path, tmp_path / "truth.h5", options)
    got = catalogue.read_truth(tmp_path / "truth.h5", columns=["source_id", "realisation"])
    assert len(got) == n_draw * sum(SIZES)
    np.testing.assert_array_equal(got["realisation"], np.tile(np.arange(n_draw), sum(SIZES)))
    assert (np.asarray(got["source_id"]).reshape(-1, n_draw).std(axis=1) == 0).all()
    with pytest.raises(SchemaError, match=f"{sum(SIZES)} identifiers stand in more than one tile"):
        truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)


def test_a_catalogue_without_stars_is_refused(tmp_path):
    """Nothing is written; some of the tiles may be empty."""
    write_tiles(tmp_path, (0,) * len(NAMES))
    with pytest.raises(SchemaError, match=f"no star is left in any of {len(NAMES)} tiles"):
        truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)
    assert not (tmp_path / "truth.h5").exists()
    write_tiles(tmp_path, (3, *(0,) * (len(NAMES) - 1)))
    truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)
    assert len(catalogue.read_truth(tmp_path / "truth.h5")) == 3
    assert len(catalogue.read_truth(tmp_path / "truth.h5", tile=NAMES[-1])) == 0


def test_a_star_in_two_tiles_is_refused(tmp_path):
    """The error counts the identifiers and names the first; nothing is left of the output."""
    write_tiles(tmp_path)
    first, last = (read_table(tmp_path / f"{NAMES[k]}.h5", TRUTH) for k in (0, 7))
    last["source_id"][:2] = np.sort(first["source_id"])[:2]
    write_table(tmp_path / f"{NAMES[7]}.h5", TRUTH, last, {})
    with pytest.raises(SchemaError, match=f"2 identifiers stand .* first is {last['source_id'][0]};"):
        truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)
    assert not list(tmp_path.glob("*truth*"))


def test_a_tile_without_a_column_is_named(tmp_path):
    """As when one is read; nothing is left of the output."""
    write_tiles(tmp_path)
    with edited(tmp_path / f"{NAMES[3]}.h5") as file:
        del file["truth/dist"]
    with pytest.raises(SchemaError, match=rf"{NAMES[3]}\.h5: table truth has no column dist"):
        truth.run(tmp_path, tmp_path / "truth.h5", OPTIONS)
    assert not list(tmp_path.glob("*truth*"))
