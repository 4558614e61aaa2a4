"""Tables of stars that say what their columns are, and files that are not what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
from astropy.io import fits, votable
from astropy.table import MaskedColumn

from bad_case import Case, table_test
from galcen import config
from galcen.stages import ingest
from table_mock import (
    COLUMNS,
    FLAG,
    FOOTPRINT,
    NULL,
    VALUES,
    N,
    equal,
    file,
    given,
    read,
    table,
    taken,
    with_cards,
)

# Nulls

SCALED = np.round(VALUES["pmra"] * 1e3).astype(np.int16)


def stored_integers(
    form: str, values: np.ndarray, null: int | None, scale: float, zero: float
) -> Callable[[Path], Path]:
    """A FITS file whose column pmra has these stored numbers."""

    def write(folder: Path) -> Path:
        columns = [fits.Column(name, "D", array=VALUES[name]) for name in VALUES if name != "pmra"]
        columns.append(fits.Column("pmra", form, array=values))
        fits.BinTableHDU.from_columns(columns).writeto(folder / "t.fits")
        n = len(columns)
        return with_cards(folder / "t.fits", **{f"TSCAL{n}": scale, f"TZERO{n}": zero, f"TNULL{n}": null})

    return write


def with_nulls(values: np.ndarray, null: int) -> np.ndarray:
    """Integers, the first five of them the null."""
    return np.where(NULL, null, values).astype(values.dtype)


def null_case(
    form: str, values: np.ndarray, null: int, scale: float, zero: float
) -> Callable[[Path], object]:
    """Scaled integers are read as FITS defines them, the nulls are missing."""
    stored = with_nulls(values, null)
    return taken(
        stored_integers(form, stored, null, scale, zero),
        {"pmra": NULL},
        {"pmra": stored.astype(float) * scale + zero},
    )


def votable_with_null(datatype: str, values: np.ndarray, null: str, tabledata: str) -> Callable[[Path], Path]:
    """A VOTable whose column declares its null in VALUES."""

    def write(folder: Path) -> Path:
        whole = votable.from_table(table(pmra=values))
        field = next(f for f in whole.get_first_table().fields if f.name == "pmra")
        field.datatype = datatype
        field.values.null = None
        whole.get_first_table().format = tabledata
        whole.to_xml(str(folder / "t.vot"))
        if tabledata == "tabledata":
            lines = (folder / "t.vot").read_text()
            old = next(line for line in lines.splitlines() if 'name="pmra"' in line)
            new = old.replace("/>", f'><VALUES null="{null}"/></FIELD>')
            assert new != old
            (folder / "t.vot").write_text(lines.replace(old, new))
        return folder / "t.vot"

    return write


def in_words(word: str) -> Callable[[Path], Path]:
    """Text with a word where there is no proper motion."""
    return file(table(pmra=np.where(NULL, word, VALUES["pmra"].astype(str))), "t.csv")


def masked_pair(is_serialized: bool) -> Callable[[Path], object]:
    """A logical column `mj.mask` beside `mj` in Parquet: astropy's mask, or a column of the user's own."""

    def run(folder: Path) -> None:
        if is_serialized:
            content = table(mj=MaskedColumn(VALUES["mj"], mask=NULL))
            content.write(folder / "t.parquet")
            assert "mj.mask" in pa.parquet.read_schema(folder / "t.parquet").names
        else:
            pa.parquet.write_table(pa.table({**VALUES, "mj.mask": NULL}), folder / "t.parquet")
        equal(read(folder / "t.parquet"), {"mj": NULL} if is_serialized else None)

    return run


def text_table_of_fits(folder: Path) -> None:
    """TNULL of a table written in characters is text."""
    values = {**VALUES, "mks": np.where(NULL, -9.0, VALUES["mks"])}
    columns = [fits.Column(n, "F20.15", array=values[n], ascii=True) for n in ("ra", "dec", "mks")]
    fits.TableHDU.from_columns(columns).writeto(folder / "t.fits")
    path = with_cards(folder / "t.fits", TNULL3=f"{-9.0:.15f}")
    got = read(path, columns={name: name for name in ("ra", "dec", "mks")})
    np.testing.assert_array_equal(np.isnan(got["mks"]), NULL)
    np.testing.assert_allclose(got["mks"][~NULL], VALUES["mks"][~NULL], rtol=1e-14)


NULLS = [
    Case(
        "declared nulls", "scaled int16, TNULL -32768", null_case("I", SCALED, -32768, 1e-3, 0.0), (), "taken"
    ),
    Case("declared nulls", "scaled int16 with TZERO", null_case("I", SCALED, 32767, 1e-3, -4.0), (), "taken"),
    Case(
        "declared nulls",
        "scaled uint8, TNULL 255",
        null_case("B", (np.arange(N) + 100).astype(np.uint8), 255, 0.01, -2.0),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "uint16 by TZERO 32768, stored TNULL -32768",
        null_case("I", (np.arange(N) - 32760).astype(np.int16), -32768, 1.0, 32768.0),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "uint32 by TZERO 2^31",
        null_case("J", (np.arange(N) - 2**31 + 9).astype(np.int32), -(2**31), 1.0, 2.0**31),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "int64 scaled",
        null_case("K", (VALUES["pmra"] * 1e6).astype(np.int64), -(2**63), 1e-6, 0.0),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "floats with TNULL -999",
        taken(
            stored_integers("E", np.where(NULL, -999, SCALED).astype(np.float32), -999, 1.0, 0.0),
            {"pmra": NULL},
            {"pmra": SCALED.astype(float)},
        ),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "masked uint16 as astropy writes it",
        taken(
            file(table(pmra=MaskedColumn(np.arange(N).astype(np.uint16), mask=NULL)), "t.fits"),
            {"pmra": NULL},
            {"pmra": np.arange(N)},
        ),
        (),
        "taken",
    ),
    Case("declared nulls", "TNULL of a FITS table in characters", text_table_of_fits, (), "taken"),
    Case(
        "declared nulls",
        "VOTable: VALUES null of integers",
        taken(
            votable_with_null("int", with_nulls(SCALED.astype(np.int32) // 1000, -99), "-99", "tabledata"),
            {"pmra": NULL},
            {"pmra": SCALED // 1000},
        ),
        (),
        "taken",
    ),
    Case(
        "declared nulls",
        "VOTable: VALUES null of floats",
        taken(
            votable_with_null("double", np.where(NULL, -99.0, VALUES["pmra"]), "-99", "tabledata"),
            {"pmra": NULL},
        ),
        (),
        "taken",
    ),
    *(
        Case(
            "declared nulls",
            f"masked values in {name}",
            taken(file(table(mj=MaskedColumn(VALUES["mj"], mask=NULL)), name, **options), {"mj": NULL}),
            (),
            "taken",
        )
        for name, options in (
            ("t.fits", {}),
            ("t.vot", {"format": "votable"}),
            ("t.ecsv", {}),
            ("t.parquet", {}),
            ("t.fits.gz", {}),
        )
    ),
    *(
        Case("declared nulls", f"{word} in text", taken(in_words(word), {"pmra": NULL}), (), "taken")
        for word in ("NA", "<NA>", "\\N", "n/a", "--")
    ),
    Case(
        "declared nulls",
        "another word in text",
        given(in_words("undef")),
        ("row 1, column pmra: 'undef'", "leave the cell empty or write nan"),
    ),
    Case("declared nulls", "Parquet: astropy's mask", masked_pair(True), (), "taken"),
    Case(
        "declared nulls",
        "Parquet: a column of one's own that is called mj.mask",
        masked_pair(False),
        (),
        "taken",
    ),
]

# Logical columns and cuts

SPELLINGS = {
    "True and False": FLAG.astype(str),
    "true and false": np.char.lower(FLAG.astype(str)),
    "T and F": np.where(FLAG, "T", "F"),
    "yes and no": np.where(FLAG, "yes", "no"),
    "1 and 0": FLAG.astype(int),
}


def cut_case(write: Callable[[Path], Path], cut: str, kept: np.ndarray) -> Callable[[Path], object]:
    """The rows that a cut keeps."""

    def run(folder: Path) -> None:
        got = read(write(folder), cuts=[cut])
        assert (got["row"] - 1).tolist() == np.flatnonzero(kept).tolist()

    return run


def logical_with_null(folder: Path) -> Path:
    """A logical column of FITS with nulls in its first five rows."""
    fits.BinTableHDU(table(flag=FLAG)).writeto(folder / "t.fits")
    raw = bytearray((folder / "t.fits").read_bytes())
    width = 8 * len(VALUES) + 1
    start = len(raw) - 2880 * -(-N * width // 2880)
    for row in range(5):
        raw[start + (row + 1) * width - 1] = 0
    (folder / "t.fits").write_bytes(raw)
    return folder / "t.fits"


def counted(folder: Path) -> None:
    """Each cut's rows are in the product."""
    path = file(table(flag=FLAG), "t.fits")(folder)
    survey = {"name": "X", "path": str(path), "columns": COLUMNS, "epoch": 2016.0, "cuts": ["flag == 0"]}
    options = {"footprint": FOOTPRINT, "catalogue": {"source": "files", "files": [survey], "selection": None}}
    ingest.run("X", folder / "out", options)
    with h5py.File(next((folder / "out").iterdir())) as product:
        assert f'"flag == 0": {FLAG.sum()}' in product.attrs["counts"]


def ingested(write: Callable[[Path], Path], **options: Any) -> Callable[[Path], object]:
    """A file handed to the stage."""

    def run(folder: Path) -> None:
        survey = {"name": "X", "path": str(write(folder)), "columns": COLUMNS, "epoch": 2016.0, **options}
        other = {**survey, "name": "Y", "role": "detections"}
        chosen = {"source": "files", "files": [survey, other], "selection": None}
        ingest.run("X", folder / "out" / "X", {"footprint": FOOTPRINT, "catalogue": chosen})

    return run


WORDS = table(quality=np.where(FLAG, "AAA", "U"), flag=FLAG)
CUTS = [
    *(
        Case(
            "logical columns",
            f"{form} with {name}, cut {cut!r}",
            cut_case(file(table(flag=values), form), cut, kept),
            (),
            "taken",
        )
        for name, values, form, cut, kept in (
            ("True and False", SPELLINGS["True and False"], "t.csv", "flag != True", ~FLAG),
            ("true and false", SPELLINGS["true and false"], "t.csv", "flag == 0", ~FLAG),
            ("T and F", SPELLINGS["T and F"], "t.csv", "flag == true", FLAG),
            ("yes and no", SPELLINGS["yes and no"], "t.csv", "flag in [True]", FLAG),
            ("1 and 0", SPELLINGS["1 and 0"], "t.csv", "flag != True", ~FLAG),
            ("logical values", FLAG, "t.fits", "flag != t", ~FLAG),
            ("logical values", FLAG, "t.fits", "flag == 1", FLAG),
            ("logical values", FLAG, "t.parquet", "flag == False", ~FLAG),
            ("T and F in characters", SPELLINGS["T and F"], "t.fits", "flag == True", FLAG),
        )
    ),
    Case(
        "logical columns",
        "VOTable, cut 'flag != 1'",
        cut_case(file(table(flag=FLAG), "t.vot", format="votable"), "flag != 1", ~FLAG),
        (),
        "taken",
    ),
    Case(
        "logical columns",
        "FITS logical with nulls",
        cut_case(logical_with_null, "flag == False", ~FLAG & ~NULL),
        (),
        "taken",
    ),
    Case(
        "cuts that cannot be meant",
        "a word that no row has",
        given(file(WORDS, "t.csv"), cuts=["quality != UUU"]),
        ("t.csv", "UUU", "quality", "AAA"),
    ),
    Case(
        "cuts that cannot be meant",
        "a word in a logical column",
        given(file(WORDS, "t.fits"), cuts=["flag != maybe"]),
        ("t.fits", "maybe", "true"),
    ),
    Case(
        "cuts that cannot be meant",
        "True in a column of numbers",
        given(file(WORDS, "t.fits"), cuts=["mj == True"]),
        ("column mj", "number"),
    ),
    Case(
        "cuts that cannot be meant",
        "one word of a list that no row has",
        given(file(WORDS, "t.csv"), cuts=["quality in [AAA, AAB]"]),
        ("AAB", "quality"),
        "warned",
    ),
    Case(
        "cuts that cannot be meant",
        "nan",
        lambda folder: config.parse(
            {
                "catalogue": {
                    "source": "files",
                    "files": [{"name": "X", "path": "t.csv", "columns": COLUMNS, "cuts": ["mj != nan"]}],
                }
            }
        ),
        ("nan", "cuts"),
    ),
    Case(
        "nothing left",
        "a cut that no row fulfils",
        ingested(file(WORDS, "t.csv"), cuts=["mj > 100"]),
        ("mj > 100", "none of the 30 rows"),
    ),
    Case(
        "nothing left",
        "a footprint of the table without stars",
        ingested(file(WORDS, "t.csv"), footprint={"l_min": 5.0, "l_max": 5.1, "b_min": -1.0, "b_max": 0.0}),
        ("t.csv", "footprint"),
    ),
    Case(
        "nothing left",
        "a link table after its cuts",
        ingested(file(WORDS, "t.csv"), role="link", cuts=["mj < 0"]),
        ("mj < 0",),
    ),
    Case("logical columns", "each cut's rows are counted in the product", counted, (), "taken"),
]

CASES = [*NULLS, *CUTS]
test_tables = table_test(CASES)
