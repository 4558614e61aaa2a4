"""Parts of a truth catalogue against the whole of it, and its exports read back by astropy."""

import json

import h5py
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits, votable
from astropy.table import QTable
from mocpy import MOC

from edited import edited
from galcen.catalogue.tiling import tiles_of
from galcen.constants import HEALPIX_NSIDE
from galcen.errors import ConfigError, SchemaError
from galcen.galaxy.components import COMPONENTS
from galcen.io.hdf5 import write_table
from galcen.io.schema import TRUTH
from galcen.io.truth import Cone, Magnitudes, read_truth, take
from galcen.stages import export, truth

OPTIONS = {
    "footprint": {"l_min": -0.2, "l_max": 0.2, "b_min": -0.1, "b_max": 0.1},
    "tiling": {"cells_per_side": 8},
    "seed": 1,
}
N_STAR = 60000  # several chunks


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """A catalogue of random stars in two tiles."""
    folder, rng = tmp_path_factory.mktemp("mock"), np.random.default_rng(1)
    tiles = tiles_of(OPTIONS["footprint"], OPTIONS["tiling"])
    for number, tile in enumerate(tiles):
        west, east, south, north = tile.bounds
        n = N_STAR // len(tiles)
        sky = SkyCoord(rng.uniform(west, east, n), rng.uniform(south, north, n), unit="deg", frame="galactic")
        columns = {
            column.name: rng.normal(size=n) if column.dtype == "f8" else np.zeros(n, column.dtype)
            for column in TRUTH.columns
        }
        pixel = truth.healpy.ang2pix(HEALPIX_NSIDE, sky.icrs.ra.deg, sky.icrs.dec.deg, nest=True, lonlat=True)
        columns |= {
            "source_id": number * n + rng.permutation(n),
            "ra": sky.icrs.ra.deg,
            "dec": sky.icrs.dec.deg,
            "healpix": pixel,
            "comp": rng.integers(0, 11, n).astype("i1"),
            "mks": np.where(rng.random(n) < 0.1, np.nan, rng.uniform(8, 13, n)),
        }
        write_table(folder / f"{tile.name}.h5", TRUTH, columns, {})
    path = folder / "truth.h5"
    truth.run(folder, path, OPTIONS)
    return path


@pytest.fixture(scope="module")
def whole(catalogue):
    return read_truth(catalogue)


def test_the_whole_table(catalogue, whole):
    """Every star once, with the units, descriptions and UCDs that are declared."""
    assert len(whole) == N_STAR
    assert len(np.unique(whole["source_id"])) == N_STAR
    for column in TRUTH.columns:
        assert whole[column.name].info.description == column.description
        assert whole[column.name].info.meta == {"ucd": column.ucd}
        if column.unit:
            assert whole[column.name].unit == column.unit
    assert whole.meta["seed"] == "1"
    counts = json.loads(whole.meta["count_by_component"])
    assert sum(counts.values()) == N_STAR
    assert counts["NSD"] == (whole["comp"] == 9).sum()


@pytest.mark.parametrize("radius", [0.0005, 0.01, 0.08, 3.0])
@pytest.mark.parametrize("offset", [0.0, 0.11])
def test_a_cone_holds_what_astropy_finds(catalogue, whole, radius, offset):
    """The same stars as the separations of all of them."""
    ra, dec = 266.4168 + offset, -29.0078
    found = read_truth(catalogue, cone=(ra, dec, radius), columns=["source_id"])
    centre = SkyCoord(ra, dec, unit="deg")
    inside = SkyCoord(whole["ra"], whole["dec"]).separation(centre).deg <= radius
    np.testing.assert_array_equal(found["source_id"], whole["source_id"][inside])


def test_a_cone_is_read_without_the_rest(catalogue, monkeypatch):
    """A small cone takes one or two of the chunks of a column."""
    sizes = []
    original = h5py.Dataset.__getitem__

    def counting(self, key, **rest):
        values = original(self, key, **rest)
        if self.name.startswith("/truth/"):
            sizes.append(np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    read_truth(catalogue, cone=(266.4168, -29.0078, 0.002), columns=["dist"])
    assert sizes and max(sizes) < N_STAR / 1.5


def test_conditions_are_joined(catalogue, whole):
    """Component, tile, magnitude and cone together."""
    tiles = [tile.name for tile in tiles_of(OPTIONS["footprint"], OPTIONS["tiling"])]
    found = read_truth(
        catalogue,
        cone=Cone(266.4168, -29.0078, 0.1),
        components=["bar", "NSC"],
        tile=tiles[0],
        magnitudes=Magnitudes("Ks", 9.0, 11.0),
    )
    centre = SkyCoord(266.4168, -29.0078, unit="deg")
    expected = (
        (SkyCoord(whole["ra"], whole["dec"]).separation(centre).deg <= 0.1)
        & np.isin(whole["comp"], [COMPONENTS.index("bar"), COMPONENTS.index("NSC")])
        & (whole["source_id"] < N_STAR // len(tiles))
        & (whole["mks"].value >= 9.0)
        & (whole["mks"].value <= 11.0)
    )
    assert expected.sum() > 100
    np.testing.assert_array_equal(found["source_id"], whole["source_id"][expected])


def test_rows_of_any_pattern_are_taken(catalogue):
    """`take` is indexing."""
    rng = np.random.default_rng(3)
    with h5py.File(catalogue) as file:
        dataset = file["truth/dist"]
        values = dataset[...]
        for rows in ([], [0], [N_STAR - 1], np.arange(N_STAR), np.flatnonzero(rng.random(N_STAR) < 1e-3)):
            np.testing.assert_array_equal(take(dataset, np.array(rows, dtype=int)), values[rows])


def test_the_footprint_is_a_moc(catalogue, whole):
    """Its area is that of the footprint to 2 %, and it holds the stars."""
    moc = MOC.from_string(whole.meta["moc"], format="json")
    area = 0.4 * 0.2 / (4 * np.pi * np.degrees(1) ** 2)
    assert moc.sky_fraction == pytest.approx(area, rel=0.02)
    assert moc.contains_lonlat(whole["ra"], whole["dec"]).mean() > 0.98


@pytest.mark.parametrize("ending", ["fits", "vot", "parquet"])
def test_exports_are_read_by_astropy(catalogue, whole, tmp_path, ending):
    """Values, units, UCDs and descriptions; a VOTable without violations."""
    path = tmp_path / f"stars.{ending}"
    export.run(catalogue, path, components=["NSD"])
    got, expected = QTable.read(path), whole[whole["comp"] == 9]
    assert len(got) == len(expected)
    for column in TRUTH.columns:
        np.testing.assert_array_equal(np.asarray(got[column.name]), np.asarray(expected[column.name]))
        assert got[column.name].info.description == column.description
        assert got[column.name].info.meta["ucd"] == column.ucd
        if column.unit:
            assert got[column.name].unit == column.unit
    if ending == "vot":
        assert "found no violations" in votable.validate(path, output=None)
    if ending == "fits":
        header = fits.getheader(path, 1)
        names = [header[f"TTYPE{n}"] for n in range(1, header["TFIELDS"] + 1)]
        assert header[f"TUCD{names.index('dist') + 1}"] == "pos.distance"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"columns": ["dits"]}, "no column dits"),
        ({"components": ["nsd"]}, "no component nsd; there are thin1"),
        ({"tile": "t000_000"}, "no tile t000_000"),
        ({"magnitudes": ("K", 8, 9)}, "no band K; there are J, H, Ks, Hw"),
        ({"cone": (266.4, -29.0, 0.0)}, "a radius between 0 and 180"),
        ({"cone": (266.4, 129.0, 0.1)}, "declination within 90"),
        ({"cone": (float("nan"), -29.0, 0.1)}, "expected right ascension"),
    ],
)
def test_unknown_names_are_refused(catalogue, choice, words):
    """With those that there are."""
    with pytest.raises(SchemaError, match=words):
        read_truth(catalogue, **choice)


@pytest.mark.parametrize("part", ["index", "truth/dist"])
def test_a_catalogue_without_a_part_is_refused(catalogue, tmp_path, part):
    """One made by an older version, or damaged: what is missing is named."""
    path = tmp_path / "truth.h5"
    path.write_bytes(catalogue.read_bytes())
    with edited(path) as file:
        del file[part]
    with pytest.raises(SchemaError, match=f"{part} is missing"):
        read_truth(path)


def test_an_unknown_ending_is_refused(catalogue, tmp_path):
    """Before anything is written."""
    with pytest.raises(ConfigError, match="unknown ending"):
        export.run(catalogue, tmp_path / "stars.txt")
    assert not list(tmp_path.iterdir())
