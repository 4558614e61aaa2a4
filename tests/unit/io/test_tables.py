"""Reading users' tables: every format gives the same numbers, every fault one clear error."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

from galcen.config.survey_tables import SurveyTable
from galcen.errors import SchemaError
from galcen.io.tables import read_survey, refuse_repeated
from reference import reference_file

COLUMNS = {
    "source_id": "id",
    "ra": "RA",
    "dec": "DE",
    "mj": "J",
    "mj_error": "eJ",
    "mks": "K",
    "mks_error": "eK",
    "parallax": "plx",
}
ID = np.array([2**53 - 1, 0, 77], dtype=np.int64)
# Ten digits and more: a reader that goes through single precision or rounds is found out.
RA = np.array([266.41681662, 266.1234567890123, 0.1])
DE = np.array([-29.00782497, -28.987654321, -0.1])
J = np.array([12.345, np.nan, 9.1])
E_J = np.array([0.021, np.nan, 0.3])
K = np.array([10.0, 11.25, np.nan])
E_K = np.array([np.nan, 0.1, np.nan])
PLX = np.array([0.12, -0.3, np.nan])
VALUES = {"id": ID, "RA": RA, "DE": DE, "J": J, "eJ": E_J, "K": K, "eK": E_K, "plx": PLX}
EXPECTED = {name: VALUES[column] for name, column in COLUMNS.items()}


def read_whole(table: SurveyTable, first_id: int = 1) -> dict[str, np.ndarray]:
    """All batches as one; identifiers unique."""
    chunks = list(read_survey(table, first_id))
    whole = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    refuse_repeated(table, whole["source_id"], whole["row"])
    del whole["row"]
    assert whole.pop("ref_epoch").dtype == np.float64
    return whole


def survey(path: Path, **options: object) -> SurveyTable:
    return SurveyTable(**{"name": "S", "path": str(path), "columns": COLUMNS, **options})


def delimited(path: Path, delimiter: str = ",", **changed: object) -> Path:
    """A table as text; NaN becomes an empty cell, numbers are written to their last bit."""
    columns = {**VALUES, "note": ["x", "y", "z"], **changed}
    rows = [
        delimiter.join("" if v != v else (v if isinstance(v, str) else repr(v)) for v in row)
        for row in zip(*(list(np.asarray(c).tolist()) for c in columns.values()), strict=True)
    ]
    path.write_text("\n".join([delimiter.join(columns), *rows]) + "\n")
    return path


def masked() -> Table:
    """The table with masked columns in place of NaN; under the mask stands a harmless number."""
    table = Table({n: MaskedColumn(np.where(v != v, 5, v), mask=v != v) for n, v in VALUES.items()})
    table["RA"].unit = table["DE"].unit = u.deg
    return table


def refuses(table: SurveyTable, *words: str) -> None:
    """One line that names the file and holds all the words."""
    with pytest.raises(SchemaError) as caught:
        read_whole(table)
    message = str(caught.value)
    assert table.path in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def write_csv(path: Path) -> Path:
    return delimited(path.with_suffix(".csv"))


def write_tsv(path: Path) -> Path:
    return delimited(path.with_suffix(".cat"), "\t")


def write_csv_gz(path: Path) -> Path:
    text = delimited(path.with_suffix(".csv")).read_bytes()
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(text))
    return packed


def write(table: Table, path: Path) -> Path:
    """Write by the file's ending, with astropy."""
    forms = {".vot": "votable", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}
    table.write(path, format=forms.get(path.suffix, "fits"))
    return path


def write_astropy(path: Path, ending: str) -> Path:
    return write(masked(), path.with_suffix(ending))


def write_arrow(path: Path) -> Path:
    table = pa.table({name: pa.array(v, from_pandas=True) for name, v in VALUES.items()})
    pa.parquet.write_table(table, path.with_suffix(".parquet"), row_group_size=2)
    return path.with_suffix(".parquet")


FORMATS = {
    "csv": write_csv,
    "csv.gz": write_csv_gz,
    "tsv": write_tsv,
    "fits": lambda path: write_astropy(path, ".fits"),
    "fits.gz": lambda path: write_astropy(path, ".fits.gz"),
    "votable": lambda path: write_astropy(path, ".vot"),
    "ecsv": lambda path: write_astropy(path, ".ecsv"),
    "parquet": write_arrow,
    "parquet of astropy": lambda path: write_astropy(path, ".parquet"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_numbers(tmp_path, form):
    """To the last bit, identifiers up to 2^53 - 1 included; masked and empty cells are NaN."""
    got = read_whole(survey(FORMATS[form](tmp_path / "stars")))
    assert got.keys() == EXPECTED.keys()
    assert got["source_id"].dtype == np.int64
    for name, values in EXPECTED.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_a_column_that_is_not_there(tmp_path, form):
    """With the names that are like it."""
    wrong = {**COLUMNS, "mks": "k"}
    refuses(survey(FORMATS[form](tmp_path / "stars"), columns=wrong), "no column k", "did you mean", "K")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_refuses_a_file_cut_short(tmp_path, form):
    """Half of a file is refused in every format that can tell; text is cut inside a row."""
    whole = FORMATS[form](tmp_path / "stars")
    content = whole.read_bytes()
    end = content.rindex(b"0.3") if form in ("csv", "tsv", "ecsv") else len(content) // 2
    whole.write_bytes(content[:end])
    refuses(survey(whole))


@pytest.mark.parametrize("lost", [4000, 100])
def test_a_fits_file_cut_near_its_end_is_refused(tmp_path, lost):
    """Astropy itself only warns where all it misses is the padding of the last block."""
    n = 5000
    path = tmp_path / "stars.fits"
    Table({"RA": np.full(n, 266.0), "DE": np.full(n, -29.0), "J": np.full(n, 10.0)}).write(path)
    path.write_bytes(path.read_bytes()[:-lost])
    refuses(survey(path, columns={"ra": "RA", "dec": "DE", "mj": "J"}), "truncated")


@pytest.mark.parametrize("form", ["csv", "tsv", "fits", "votable", "ecsv", "parquet"])
def test_every_format_refuses_a_file_of_another_kind(tmp_path, form):
    """Random bytes are an error of one line, whatever library reads them."""
    path = tmp_path / "stars.dat"
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    refuses(survey(path, format=form))


def test_a_missing_file_and_an_unknown_ending_are_refused(tmp_path):
    refuses(survey(tmp_path / "nowhere.csv"), "does not exist", "relative to the folder")
    refuses(survey(tmp_path), "is a folder")
    (tmp_path / "stars.xlsx").write_text("a")
    refuses(survey(tmp_path / "stars.xlsx"), "`format`", "save it as CSV")
    (tmp_path / "stars.stars").write_text("a")
    refuses(survey(tmp_path / "stars.stars"), "`format`", "parquet")


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n", "id,RA,DE,J,eJ,K,eK,plx\n"])
def test_an_empty_table_is_refused(tmp_path, content):
    path = tmp_path / "stars.csv"
    path.write_text(content)
    refuses(survey(path), "expected", "at least one star")


@pytest.mark.parametrize("form", ["fits", "votable", "ecsv", "parquet"])
def test_a_table_without_rows_is_refused(tmp_path, form):
    path = tmp_path / f"stars.{form}"
    if form == "parquet":
        pa.parquet.write_table(pa.table({name: pa.array(v[:0]) for name, v in VALUES.items()}), path)
    else:
        write(masked()[:0], path.with_suffix(".vot" if form == "votable" else path.suffix)).rename(path)
    refuses(survey(path, format=form), "no rows")


def test_comments_above_the_header_and_a_byte_order_mark_are_skipped(tmp_path):
    path = delimited(tmp_path / "stars.csv")
    path.write_bytes(b"\xef\xbb\xbf# from VizieR\n#\n\n" + path.read_bytes())
    np.testing.assert_array_equal(read_whole(survey(path))["ra"], RA)


@pytest.mark.parametrize("blank", ["", " ", "NaN", "nan", "null", "None", "--", " -- "])
def test_blank_cells_are_missing(tmp_path, blank):
    path = delimited(tmp_path / "stars.csv", K=["10.0", blank, " 12.5 "])
    np.testing.assert_array_equal(read_whole(survey(path))["mks"], [10.0, np.nan, 12.5])


def test_a_cell_that_is_no_number_is_named(tmp_path):
    """By row, column and content; rows are counted from 1, without header and comments."""
    path = delimited(tmp_path / "stars.csv", K=["10.0", "bright", "11.0"])
    path.write_text("# comment\n" + path.read_text())
    refuses(survey(path), "row 2", "column K", "'bright'", "not a number")
    table = Table({**VALUES, "K": ["10.0", "bright", "11.0"]})
    table.write(tmp_path / "stars.fits")
    refuses(survey(tmp_path / "stars.fits"), "row 2", "column K", "'bright'", "not a number")


def test_a_row_with_too_few_cells_is_named(tmp_path):
    path = delimited(tmp_path / "stars.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["# comment", *lines[:3], "77,0.1"]) + "\n")
    refuses(survey(path), "row 3", "2 cells", "expected 9")


def test_a_cell_beyond_the_first_block_is_named_by_its_row(tmp_path, monkeypatch):
    """The row counts over all batches that a long table is read in."""
    monkeypatch.setattr("galcen.io.table_formats.BLOCK_BYTES", 2000)
    n = 500
    cells = ["10.0"] * n
    cells[456] = "x"
    path = tmp_path / "stars.csv"
    path.write_text("RA,DE,J\n" + "".join(f"266.{i:06d},-29,{cell}\n" for i, cell in enumerate(cells)))
    table = survey(path, columns={"ra": "RA", "dec": "DE", "mj": "J"})
    refuses(table, "row 457", "column J", "'x'")
    path.write_text(path.read_text().replace("x", "10.0"))
    np.testing.assert_array_equal(read_whole(table)["ra"], [float(f"266.{i:06d}") for i in range(n)])


def test_a_wrong_delimiter_is_hinted_at(tmp_path):
    path = delimited(tmp_path / "stars.txt", ",")
    refuses(survey(path, format="tsv"), "no column id", "delimiter", "format")


def test_a_column_that_stands_twice_is_refused(tmp_path):
    path = delimited(tmp_path / "stars.csv")
    path.write_text(path.read_text().replace("note", "K"))
    refuses(survey(path), "2 columns K")


def test_columns_of_arrays_and_of_dates_are_refused(tmp_path):
    Table({**VALUES, "K": np.ones((3, 2))}).write(tmp_path / "stars.fits")
    refuses(survey(tmp_path / "stars.fits"), "column K", "arrays")
    dates = pa.array(np.array(["2020-01-01"] * 3, dtype="datetime64[D]"))
    pa.parquet.write_table(pa.table({**VALUES, "K": dates}), tmp_path / "stars.parquet")
    refuses(survey(tmp_path / "stars.parquet"), "column K", "date32", "expected a number")


# Units


@pytest.mark.parametrize("form", [".fits", ".vot", ".ecsv", ".parquet"])
def test_units_of_the_table_are_converted(tmp_path, form):
    """Radians, milli-magnitudes and arcseconds become deg, mag and mas to 2 units in the last place.

    An error without a unit is in that of its quantity.
    """
    table = QTable({"id": ID, "eJ": 1e3 * E_J, "eK": E_K})
    table["RA"], table["DE"] = np.radians(RA) * u.rad, DE * 60 * u.arcmin
    table["J"], table["K"], table["plx"] = J * 1e3 * u.mmag, K * u.mag, PLX / 1e3 * u.arcsec
    got = read_whole(survey(write(table, tmp_path / f"stars{form}")))
    for name in ("ra", "dec", "mj", "mj_error", "mks", "mks_error", "parallax"):
        np.testing.assert_allclose(got[name], EXPECTED[name], rtol=5e-16, err_msg=name)


def test_units_of_the_configuration_are_converted_and_win(tmp_path):
    """Hours of right ascension from a table without units; the map's unit overrides a wrong one."""
    path = delimited(tmp_path / "stars.csv", RA=(RA / 15).tolist())
    np.testing.assert_allclose(read_whole(survey(path, units={"ra": "hourangle"}))["ra"], RA, rtol=5e-16)
    table = masked()
    table["J"].unit = "km"
    table.write(tmp_path / "stars.fits")
    got = read_whole(survey(tmp_path / "stars.fits", units={"mj": "mag"}))
    np.testing.assert_array_equal(got["mj"], J)


@pytest.mark.parametrize(
    ("column", "key", "unit"),
    [("RA", "ra", "km"), ("J", "mj", "mJy"), ("plx", "parallax", "mag"), ("DE", "dec", "furlong")],
)
def test_a_unit_of_another_kind_is_refused(tmp_path, column, key, unit):
    """In the table or in the configuration, known to astropy or not."""
    refuses(
        survey(delimited(tmp_path / "stars.csv"), units={key: unit}), f"column {column}", unit, f"units.{key}"
    )
    if unit != "furlong":
        table = masked()
        table[column].unit = unit
        table.write(tmp_path / "stars.fits")
        refuses(survey(tmp_path / "stars.fits"), f"column {column}", unit, "expected", f"units.{key}")


def test_a_unit_that_parquet_carries_is_checked(tmp_path):
    table = masked()
    table["RA"].unit = "km"
    refuses(survey(write(table, tmp_path / "stars.parquet")), "column RA", "km", "expected deg")


# Values


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("RA", "", ("column RA", "missing", "finite angle")),
        ("RA", "nan", ("column RA", "missing", "finite angle")),
        ("DE", "inf", ("column DE", "inf", "finite angle")),
        ("DE", "-inf", ("column DE", "-inf", "finite angle")),
        ("RA", "1e6", ("column RA", "1000000", "-360 to 360")),
        ("DE", "-90.0001", ("column DE", "-90.0001", "-90 to 90")),
        ("DE", "269.5", ("column DE", "269.5", "swapped")),
        ("J", "inf", ("column J", "inf", "finite")),
        ("J", "-inf", ("column J", "-inf", "finite")),
        ("K", "99.999", ("column K", "99.999", "missing_values")),
        ("K", "-99.999", ("column K", "-99.999", "missing_values")),
        ("K", "-9.999", ("column K", "-9.999", "missing_values")),
        ("eJ", "0", ("column eJ: 0 ", "error from 0.0001 to 8 mag", "missing_values")),
        ("eJ", "-0.02", ("column eJ", "-0.02", "error from 0.0001 to 8 mag")),
        ("eJ", "inf", ("column eJ", "inf", "finite")),
        ("eJ", "99.9", ("column eJ", "99.9", "error from 0.0001 to 8 mag")),
        ("plx", "inf", ("column plx", "inf", "finite")),
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path, column, cell, words):
    """With row, identifier, column, value and what to do."""
    cells = {name: [repr(v) for v in VALUES[name].tolist()] for name in ("RA", "DE", "J", "eJ", "K", "plx")}
    cells[column][2] = cell
    path = delimited(tmp_path / "stars.csv", **{column: cells[column]})
    refuses(survey(path), "row 3 (source_id 77)", "(1 such rows)", *words)


def test_declared_numbers_stand_for_missing_values(tmp_path):
    """In every column but the positions; the error of a missing value is missing, whatever it was."""
    path = delimited(
        tmp_path / "stars.csv",
        RA=[99.999, 266.0, 0.0],
        J=[99.999, 12.0, 0.0],
        eJ=[-1.0, 99.999, 0.0],
        K=[9.0, 10.0, 11.0],
    )
    got = read_whole(survey(path, missing_values=[99.999, 0]))
    np.testing.assert_array_equal(got["ra"], [99.999, 266.0, 0.0])
    np.testing.assert_array_equal(got["mj"], [np.nan, 12.0, np.nan])
    np.testing.assert_array_equal(got["mj_error"], [np.nan, np.nan, np.nan])


def test_a_number_for_missing_values_is_known_in_single_precision(tmp_path):
    """99.999 of a float32 column is 99.99900054931640625."""
    table = masked()
    table["K"] = np.array([10.0, 99.999, -99.999], dtype=np.float32)
    table.write(tmp_path / "stars.fits")
    got = read_whole(survey(tmp_path / "stars.fits", missing_values=[99.999, -99.999]))
    np.testing.assert_array_equal(got["mks"], [10.0, np.nan, np.nan])


def test_the_null_of_fits_integers_is_missing(tmp_path):
    """TNULL is no magnitude; here of a column of integer milli-magnitudes."""
    table = masked()
    table["K"] = MaskedColumn([10000, 11250, 32767], mask=[False, False, True], dtype=np.int16, unit="mmag")
    table.write(tmp_path / "stars.fits")
    got = read_whole(survey(tmp_path / "stars.fits"))
    np.testing.assert_allclose(got["mks"], [10.0, 11.25, np.nan], rtol=5e-16)


# Identifiers


@pytest.mark.parametrize("form", [".csv", ".fits", ".vot", ".ecsv", ".parquet"])
@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, 2, 2**53], ("row 3", str(2**53), "2^53 - 1")),
        ([1, -2, 3], ("row 2", "-2", "from 0")),
        ([5, 6, 5], ("row 3", "5", "row 1", "unique")),
    ],
)
def test_identifiers_out_of_range_or_repeated_are_refused(tmp_path, form, ids, words):
    path = tmp_path / f"stars{form}"
    if form == ".csv":
        delimited(path, id=ids)
    else:
        table = masked()
        table["id"] = np.array(ids, dtype=np.int64)
        write(table, path)
    refuses(survey(path), "column id", *words)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1.5", ("'1.5'", "whole number")),
        ("3.0", ("'3.0'", "whole number")),
        ("9e9", ("whole number",)),
        ("17580435-2800140", ("whole number",)),
        (str(2**64), (str(2**64), "whole number")),
        ("", ("empty", "every star needs an identifier")),
    ],
)
def test_identifiers_that_are_no_integers_are_refused(tmp_path, cell, words):
    path = delimited(tmp_path / "stars.csv", id=["1", cell, "2"])
    refuses(survey(path), "row 2", "column id", *words)


@pytest.mark.parametrize("form", [".fits", ".vot", ".ecsv", ".parquet"])
def test_identifiers_stored_as_floats_are_refused(tmp_path, form):
    """They may have lost digits before galcen sees them."""
    table = masked()
    table["id"] = np.array([1.0, 2.0, 3.0])
    refuses(
        survey(write(table, tmp_path / f"stars{form}")), "column id", "whole number", "leave source_id out"
    )


@pytest.mark.parametrize("form", [".fits", ".vot", ".ecsv", ".parquet"])
def test_a_masked_identifier_is_refused(tmp_path, form):
    table = masked()
    table["id"] = MaskedColumn([1, 2, 3], mask=[False, True, False])
    refuses(survey(write(table, tmp_path / f"stars{form}")), "row 2", "column id", "empty")


def test_unsigned_identifiers_beyond_64_bits_do_not_wrap(tmp_path):
    """2^63 + 5 as a signed number would be negative."""
    table = masked()
    table["id"] = np.array([1, 2**63 + 5, 3], dtype=np.uint64)
    table.write(tmp_path / "stars.fits")
    refuses(survey(tmp_path / "stars.fits"), "row 2", "column id", str(2**63 + 5))


def test_rows_without_identifiers_are_numbered(tmp_path):
    columns = {name: column for name, column in COLUMNS.items() if name != "source_id"}
    table = survey(delimited(tmp_path / "stars.csv"), columns=columns)
    np.testing.assert_array_equal(read_whole(table)["source_id"], [1, 2, 3])
    np.testing.assert_array_equal(read_whole(table, first_id=10**12 + 1)["source_id"] - 10**12, [1, 2, 3])


def test_the_2mass_plate_is_read_whole():
    """364 stars; 89 J, 10 H and 91 Ks magnitudes are limits without error (quality U)."""
    name = "data/bulge_2mass_plate/lsc1m005-fl15-20170701-0144-e91_cropped_2mass.cat"
    bands = {"mj": "Jmag", "mh": "Hmag", "mks": "Kmag"}
    errors = {f"{band}_error": f"e_{column}" for band, column in bands.items()}
    columns = {"ra": "RAJ2000", "dec": "DEJ2000", **bands, **errors}
    got = read_whole(survey(reference_file(name), columns=columns))
    assert len(got["ra"]) == 364
    assert [int(np.isnan(got[f"{band}_error"]).sum()) for band in bands] == [89, 10, 91]
    assert not any(np.isnan(got[band]).any() for band in bands)
    assert (got["ra"][0], got["dec"][0], got["mj"][0]) == (269.518162, -28.003912, 13.571)


@pytest.mark.parametrize(
    ("cuts", "kept"),
    [
        (["K < 11"], [0]),
        (["K >= 10", "eK == 0.1"], [1]),
        # A missing value fulfils no comparison but !=.
        (["K != 10"], [1, 2]),
        (["K != 10", "K > 0"], [1]),
        (["note == x"], [0]),
        (["note != 'x'"], [1, 2]),
        (["note in [x, z]"], [0, 2]),
        (["id in [0, 77]"], [1, 2]),
    ],
)
@pytest.mark.parametrize("form", [".csv", ".fits", ".parquet"])
def test_cuts_keep_the_rows_that_fulfil_them_all(tmp_path, form, cuts, kept):
    """Numbers and text, in the table's own names; rows keep their identifiers."""
    table = masked()
    table["note"] = ["x", "y", "z"]
    path = tmp_path / f"stars{form}"
    columns = {name: column for name, column in COLUMNS.items() if name != "source_id"}
    if form == ".csv":
        delimited(path)
    else:
        write(table, path)
    got = read_whole(survey(path, cuts=cuts, columns=columns), first_id=100)
    assert got["source_id"].tolist() == [100 + row for row in kept]
    np.testing.assert_array_equal(got["ra"], RA[kept])


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        (["flag == 0"], ["no column flag", "it has id"]),
        (["RA > 400"], ["'RA > 400' leaves none of the 3 rows"]),
        (["note == w"], ["no row has 'w' in column note; it has x, y, z"]),
        (["note > 3"], ["column note", "'x' is not a number"]),
        (["J == bright"], ["column J", "as the number that mj is"]),
    ],
)
def test_a_cut_that_does_not_fit_the_table_is_refused(tmp_path, cuts, words):
    refuses(survey(delimited(tmp_path / "stars.csv"), cuts=cuts), *words)


def test_rows_that_a_cut_leaves_out_are_not_checked(tmp_path):
    """That is what quality cuts are for; without the cut the row is named."""
    path = delimited(tmp_path / "stars.csv", K=["10.0", "99.9", "11.0"])
    refuses(survey(path), "row 2", "99.9")
    assert len(read_whole(survey(path, cuts=["K < 90"]))["ra"]) == 2


@pytest.mark.parametrize("form", ["fits", "parquet", "csv"])
def test_tables_are_read_in_batches(tmp_path, monkeypatch, form):
    """No batch is longer than asked, rows go on counting, and faults name the row of the table."""
    monkeypatch.setattr("galcen.io.table_formats.BATCH_ROWS", 100)
    monkeypatch.setattr("galcen.io.table_formats.BLOCK_BYTES", 4000)
    rng = np.random.default_rng(1)
    table = Table(
        {"RA": rng.uniform(266, 267, 1050), "DE": rng.uniform(-30, -29, 1050), "K": np.full(1050, 9.0)}
    )
    path = tmp_path / f"stars.{form}"
    table.write(path, **({"format": "ascii.csv"} if form == "csv" else {}))
    chosen = {"columns": {"ra": "RA", "dec": "DE", "mks": "K"}}
    chunks = list(read_survey(survey(path, **chosen)))
    assert len(chunks) > 5
    assert max(len(chunk["row"]) for chunk in chunks) <= 100
    assert np.concatenate([chunk["row"] for chunk in chunks]).tolist() == list(range(1, 1051))
    np.testing.assert_array_equal(np.concatenate([chunk["ra"] for chunk in chunks]), table["RA"])
    table["K"][1000] = 77.0
    table.write(path, overwrite=True, **({"format": "ascii.csv"} if form == "csv" else {}))
    refuses(survey(path, **chosen), "row 1001", "77")


@pytest.mark.parametrize("form", [".fits", ".vot", ".ecsv", ".parquet"])
def test_gaia_identifiers_are_whole_to_the_last_bit(tmp_path, form):
    """They need 63 bits; a star without one has -1."""
    gaia = np.array([4059020012345678901, 2**62 + 1, 5], dtype=np.int64)
    table = masked()
    table["gaia"] = MaskedColumn(gaia, mask=[False, False, True])
    path = write(table, tmp_path / f"stars{form}")
    got = read_whole(survey(path, columns={**COLUMNS, "gaia_source_id": "gaia"}))
    assert got["gaia_source_id"].tolist() == [4059020012345678901, 2**62 + 1, -1]


def test_big_endian_masked_fits_columns_are_read_as_numbers(tmp_path):
    """What another machine wrote, with missing values under a mask."""
    table = masked()
    for name in ("RA", "DE"):
        table[name] = table[name].astype(">f8")
    table["J"] = MaskedColumn(J.astype(">f4"), mask=np.isnan(J))
    got = read_whole(survey(write(table, tmp_path / "stars.fits")))
    assert got["ra"].dtype.isnative
    np.testing.assert_array_equal(got["ra"], RA)
    np.testing.assert_allclose(got["mj"], J, rtol=1e-7)
