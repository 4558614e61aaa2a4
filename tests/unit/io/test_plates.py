"""Reading plates: every form gives the same structure, every fault one clear error."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from galcen.errors import SchemaError
from galcen.io.challenge_plates import read_challenge
from galcen.io.plates import read_tables
from galcen.io.star_lists import is_numbered, read_columns, read_star_lists
from reference import reference_file

COLUMNS = {"star": "id", "exposure": "frame", "x": "X", "y": "Y", "sigma": "err", "t": "year"}


def table() -> Table:
    """Three stars on two exposures, rows in no order."""
    return Table(
        {
            "id": ["b", "a", "c", "c", "b", "a"],
            "frame": [7, 7, 7, 10, 10, 10],
            "X": [1.25, 2.5, 3.123456789012, 4.0, 5.0, 6.0] * u.um,
            "Y": [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0] * u.um,
            "err": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] * u.um,
            "year": [2015.5] * 3 + [2016.5] * 3,
        }
    )


def write(content: Table, path: Path) -> Path:
    """Write by the file's ending."""
    forms = {".vot": "votable", ".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".parquet": "parquet"}
    content.write(path, format=forms.get(path.suffix, "fits"))
    return path


def refuses(words: list[str], call: object, *arguments: object, **options: object) -> None:
    """One line with all the words."""
    with pytest.raises(SchemaError) as caught:
        assert callable(call)
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits", "vot", "parquet"])
def test_every_format_gives_the_same_plates(tmp_path, ending):
    """Numbers to the last bit, sorted by exposure and star; the unit where the format has one."""
    got = read_tables([write(table(), tmp_path / f"plates.{ending}")], COLUMNS)
    assert got.star_names == ("a", "b", "c")
    assert got.exposure_names == ("10", "7")
    assert got.exposure.tolist() == [0, 0, 0, 1, 1, 1]
    assert got.star.tolist() == [0, 1, 2, 0, 1, 2]
    assert got.x.tolist() == [6.0, 5.0, 4.0, 2.5, 1.25, 3.123456789012]
    assert got.sigma_y.tolist() == got.sigma_x.tolist() == [0.6, 0.5, 0.4, 0.2, 0.1, 0.3]
    assert got.epoch.tolist() == [2016.5, 2015.5]
    assert np.isnan(got.magnitude).all()
    assert got.unit == ("" if ending == "csv" else "um")


def test_two_errors_one_error_and_several_files(tmp_path):
    """sigma_x and sigma_y; one sigma for all; exposures spread over files."""
    both = table()
    both["ex"], both["ey"] = both["err"], 2 * both["err"]
    columns = {k: v for k, v in COLUMNS.items() if k != "sigma"}
    one = read_tables([write(both, tmp_path / "a.ecsv")], columns | {"sigma_x": "ex", "sigma_y": "ey"})
    np.testing.assert_array_equal(one.sigma_y, 2 * one.sigma_x)
    parts = [
        write(table()[rows], tmp_path / f"{name}.ecsv")
        for name, rows in zip("bc", ([0, 3], [1, 2, 4, 5]), strict=True)
    ]
    two = read_tables(parts, columns, sigma=0.25)
    assert set(two.sigma_x.tolist()) == {0.25}
    np.testing.assert_array_equal(two.x, one.x)


FAULTS = {
    "duplicate": (
        {"id": ["b", "a", "c", "c", "b", "b"]},
        ["row 6", "star b", "exposure 10", "row 5", "one position"],
    ),
    "nan": ({"Y": [-1.0, np.nan, -3.0, -4.0, -5.0, -6.0]}, ["row 2 (star a)", "y is nan", "finite"]),
    "infinite": ({"X": [1, 2, 3, np.inf, 5, 6.0]}, ["row 4 (star c)", "x is inf"]),
    "zero sigma": ({"err": [0.1, 0.2, 0.0, 0.4, 0.5, 0.6]}, ["row 3 (star c)", "sigma_x is 0.0", "above 0"]),
    "negative sigma": ({"err": [0.1, 0.2, -1, 0.4, 0.5, 0.6]}, ["row 3", "sigma_x is -1.0"]),
    "missing sigma": ({"err": [0.1, np.nan, 1, 0.4, 0.5, 0.6]}, ["row 2", "sigma_x is nan"]),
    "few stars": (
        {"frame": [7, 7, 7, 10, 10, 11]},
        ["exposure 11 has 1 stars", "expected 3", "leave it out"],
    ),
    "two epochs": ({"year": [2015.5] * 3 + [2016.5, 2016.5, 2016.6]}, ["row 5", "t = 2016.5", "one epoch"]),
    "strange epoch": ({"year": [57000.0] * 6}, ["row 1", "column year", "57000", "Julian year"]),
    "no name": ({"id": ["b", "", "c", "c", "b", "a"]}, ["row 2", "name"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_rows_are_named(tmp_path, fault):
    """File, row and star, what was found and expected, in one line."""
    changed, words = FAULTS[fault]
    content = table()
    for name, values in changed.items():
        content[name] = values
    path = write(content, tmp_path / "plates.fits")
    refuses([str(path), *words], read_tables, [path], COLUMNS)


def test_faults_of_columns_and_files_are_named(tmp_path):
    """A column that is not there, not mapped or unknown; no errors; no rows; units that differ; cut short."""
    path = write(table(), tmp_path / "plates.ecsv")
    refuses([str(path), "no column XX", "X"], read_tables, [path], COLUMNS | {"x": "XX"})
    bare = {k: v for k, v in COLUMNS.items() if k != "y"}
    refuses(["y is not mapped"], read_tables, [path], bare)
    refuses(["unknown name z"], read_tables, [path], COLUMNS | {"z": "X"})
    bare = {k: v for k, v in COLUMNS.items() if k != "sigma"}
    refuses(["no errors", "`sigma`"], read_tables, [path], bare)
    refuses(["no rows"], read_tables, [write(table()[:0], tmp_path / "empty.fits")], COLUMNS)
    other = table()
    other["X"].unit = other["Y"].unit = "mm"
    refuses(["in mm", "in um", "same unit"], read_tables, [path, write(other, tmp_path / "mm.ecsv")], COLUMNS)
    other["Y"].unit = "um"
    refuses(["X is in mm", "same unit"], read_tables, [write(other, tmp_path / "both.ecsv")], COLUMNS)
    short = tmp_path / "short.csv"
    write(table(), tmp_path / "whole.csv")
    short.write_text((tmp_path / "whole.csv").read_text()[:-18])
    refuses([str(short), "row 6"], read_tables, [short], COLUMNS)


LIST = """# name m t x y xe ye snr
S1 12.5 2015.5 10.25 20.5 0.01 0.02 5
star_7 13.5 2015.5 30.5 40.5 0.03 0.04 5
2star_1 14.5 2015.5 50.5 60.5 0.05 0.06 5
"""


def test_star_lists_are_read(tmp_path):
    """All columns; exposures by the name of the file; which names are mere numbers."""
    (tmp_path / "one.lis").write_text(LIST)
    (got,) = read_star_lists([tmp_path / "one.lis"])
    assert set(got.exposure.tolist()) == {"one"}
    assert got.columns["x"].tolist() == [10.25, 30.5, 50.5]
    assert got.columns["sigma_y"].tolist() == [0.02, 0.04, 0.06]
    assert got.columns["magnitude"].tolist() == [12.5, 13.5, 14.5]
    assert is_numbered(got.star).tolist() == [False, True, True]


def test_faults_of_star_lists_are_named(tmp_path):
    """No header, a missing column, a short row, a cell that is no number, a name twice, nothing at all."""
    path = tmp_path / "one.lis"
    refuses(["no such file"], read_star_lists, [path])
    for content, words in (
        ("\n".join(LIST.splitlines()[1:]), ["no line of column names", "numbers"]),
        (LIST.replace(" xe ", " "), ["no column xe", "snr"]),
        (LIST[:-4], ["row 3", "7 cells", "expected 8"]),
        (LIST.replace("30.5", "3O.5"), ["row 2", "column x", "'3O.5'"]),
        (LIST.replace("star_7", "S1"), ["row 2", "S1", "row 1"]),
        ("", ["no line of column names"]),
        (LIST.splitlines()[0], ["no stars"]),
    ):
        path.write_text(content)
        refuses([str(path), *words], read_star_lists, [path])
    path.write_bytes(b"\xff\xfe\x00\x89")
    refuses([str(path), "cannot be read as text"], read_columns, path, ["name"])
    (tmp_path / "two").mkdir()
    for folder in (tmp_path, tmp_path / "two"):
        (folder / "one.lis").write_text(LIST)
    refuses(["one", "two star lists"], read_star_lists, [path, tmp_path / "two" / "one.lis"])


def test_challenge_is_read():
    """11,611 positions of 1,483 stars on 16 plates, the answer in the plates' own order (1e-4 um)."""
    folder = reference_file("data/plates_jasmine_challenge")
    got = read_challenge(folder / "source_table.txt", folder / "pointing.txt", 1.0)
    plates = got.plates
    assert (len(plates.star), len(plates.star_names), len(plates.epoch)) == (11611, 1483, 16)
    assert plates.unit == "um"
    # The answer of every row from the star's and the plate's own numbers: nothing is out of order.
    ra, dec = np.radians(got.ra[plates.star]), np.radians(got.dec[plates.star])
    ra_0, dec_0, pa = (
        np.radians(values[plates.exposure])
        for values in (got.pointing_ra, got.pointing_dec, got.position_angle)
    )
    depth = np.sin(dec) * np.sin(dec_0) + np.cos(dec) * np.cos(dec_0) * np.cos(ra - ra_0)
    east = np.cos(dec) * np.sin(ra - ra_0) / depth
    north = (np.sin(dec) * np.cos(dec_0) - np.cos(dec) * np.sin(dec_0) * np.cos(ra - ra_0)) / depth
    distance = 7.3e6 * np.hypot(east, north)
    np.testing.assert_allclose(np.hypot(got.x_orig, got.y_orig), distance, rtol=0, atol=1e-4)
    assert np.ptp(pa) > 0


def test_faults_of_the_challenge_are_named(tmp_path):
    """A table cut short, another kind of file, a plate without pointing, a column that is not there."""
    folder = reference_file("data/plates_jasmine_challenge")
    source, pointing = folder / "source_table.txt", folder / "pointing.txt"
    short = tmp_path / "pointing.txt"
    short.write_text("".join(pointing.read_text().splitlines(keepends=True)[:-1]))
    refuses([str(short), "no pointing of plate 15"], read_challenge, source, short, 1.0)
    other = tmp_path / "source_table.txt"
    other.write_text("not a table")
    refuses([str(other), "IPAC"], read_challenge, other, pointing, 1.0)
    other.write_text(
        "".join(source.read_text().splitlines(keepends=True)[:100]).replace("plate_id", "plate_no")
    )
    refuses([str(other), "no column plate_id"], read_challenge, other, pointing, 1.0)
    lines = source.read_text().splitlines(keepends=True)[:200]
    other.write_text("".join(lines)[:-150])
    refuses([str(other)], read_challenge, other, pointing, 1.0)
    refuses(["no such file"], read_challenge, tmp_path / "nothing", pointing, 1.0)
