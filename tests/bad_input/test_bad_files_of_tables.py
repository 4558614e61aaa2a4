"""Tables as archives give them, and files that are damaged or made to harm."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits, votable
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from bad_case import Case, table_test
from galcen.io.plates import read_tables
from table_mock import COLUMNS, VALUES, N, file, given, read, table, taken, text, with_cards

ROWS = list(zip(*(VALUES[name].tolist() for name in COLUMNS), strict=True))


def delimited(
    delimiter: str, name: str, *, above: str = "", below: str = "", units: bool = False
) -> Callable:
    """Text, with VizieR's rows of units and dashes where asked for."""
    lines = [delimiter.join(COLUMNS)]
    if units:
        stated = {"ra": "deg", "dec": "deg", "parallax": "uas", "pmra": "mas/yr", "pmdec": "mas/yr"}
        lines.append(delimiter.join(stated.get(column, "mag") for column in COLUMNS))
        lines.append(delimiter.join("-" * 12 for _ in COLUMNS))
    lines += [delimiter.join(repr(value) for value in row) for row in ROWS]
    return text(above + "\n".join(lines) + "\n" + below, name)


def aligned(folder: Path) -> Path:
    """Columns apart by any number of blanks, one of them text in quotation marks."""
    lines = ["  ".join([*(f"{name:>22}" for name in COLUMNS), "note"])]
    lines += ["  ".join([*(f"{value!r:>22}" for value in row), '"a star"']) for row in ROWS]
    (folder / "t.txt").write_text("\n".join(lines) + "\n")
    return folder / "t.txt"


def in_second_table(folder: Path, **names: str) -> Path:
    """A FITS file whose first table holds something else."""
    log = fits.BinTableHDU(Table({"header": ["x", "y"]}), name="LDAC_IMHEAD")
    fits.HDUList([fits.PrimaryHDU(), log, fits.BinTableHDU(table(), name="OBJECTS")]).writeto(
        folder / "t.fits"
    )
    return folder / "t.fits"


def mrt(folder: Path) -> Path:
    """A machine-readable table of a journal."""
    content = table(mj=MaskedColumn(np.round(VALUES["mj"], 6), mask=np.arange(N) < 5))
    content["ra"].unit = content["dec"].unit = "deg"
    content.write(folder / "t.txt", format="ascii.mrt")
    return folder / "t.txt"


def mrt_is_read(folder: Path) -> None:
    got = read(mrt(folder))
    np.testing.assert_array_equal(np.isnan(got["mj"]), np.arange(N) < 5)
    np.testing.assert_allclose(got["ra"], VALUES["ra"], rtol=0, atol=1e-9)


def of_the_ivoa(folder: Path) -> Path:
    """Parquet with the VOTable that describes it, in which the parallax is in uas."""
    about = {name: {"unit": "", "ucd": "", "description": "", "utype": ""} for name in COLUMNS}
    about["parallax"]["unit"] = "uas"
    content = table(parallax=VALUES["parallax"] * 1e3)
    content.write(folder / "t.parquet", format="parquet.votable", metadata=about)
    return folder / "t.parquet"


def of_the_ivoa_is_read(folder: Path) -> None:
    got = read(of_the_ivoa(folder))
    np.testing.assert_allclose(got["parallax"], VALUES["parallax"], rtol=1e-14)


def rows_that_are_not_there(folder: Path) -> Path:
    """A VOTable that declares more rows than fit into any memory."""
    table().write(folder / "t.vot", format="votable")
    content = (folder / "t.vot").read_text()
    (folder / "t.vot").write_text(content.replace("<TABLE", '<TABLE nrows="20000000000"', 1))
    return folder / "t.vot"


def pandas_fixed(folder: Path, values: np.ndarray | None = None) -> Path:
    """A data frame in pandas' fixed format of HDF5, made by hand: PyTables need not be there."""
    names = list(COLUMNS)
    with h5py.File(folder / "t.hdf", "w") as handle:
        group = handle.create_group("key")
        group.attrs["pandas_type"] = np.bytes_("frame")
        group.attrs["nblocks"] = np.int64(1)
        group["axis0"] = group["block0_items"] = np.array(names, dtype="S11")
        group["axis1"] = np.arange(N)
        group["block0_values"] = (
            np.column_stack([VALUES[name] for name in names]) if values is None else values
        )
    return folder / "t.hdf"


def pandas_table(folder: Path) -> Path:
    """A data frame in pandas' format `table`, whose names are pickled."""
    with h5py.File(folder / "t.h5", "w") as handle:
        handle.create_group("key").attrs["pandas_type"] = np.bytes_("frame_table")
    return folder / "t.h5"


def linked(folder: Path) -> Path:
    """HDF5 whose columns are links to another file."""
    with h5py.File(folder / "other.h5", "w") as handle:
        for name in COLUMNS:
            handle[name] = VALUES[name]
    with h5py.File(folder / "t.h5", "w") as handle:
        for name in COLUMNS:
            handle[name] = h5py.ExternalLink("other.h5", name)
    return folder / "t.h5"


def a_dataset_a_column(folder: Path) -> Path:
    """HDF5 with one dataset a column."""
    with h5py.File(folder / "t.h5", "w") as handle:
        for name in COLUMNS:
            handle[f"stars/{name}"] = VALUES[name]
    return folder / "t.h5"


def sexagesimal(folder: Path) -> None:
    """VizieR's text of positions in hours, minutes and seconds, as its rows of units state."""
    lines = ["ra;dec;mks", '"h:m:s";"d:m:s";mag', "-----------;-----------;------"]
    place = SkyCoord(VALUES["ra"], VALUES["dec"], unit="deg")
    hours = place.ra.to_string("hour", sep=" ", precision=9, pad=True)
    degrees = place.dec.to_string("deg", sep=" ", precision=8, alwayssign=True)
    lines += [
        f"{ra};{dec};{mks!r}" for ra, dec, mks in zip(hours, degrees, VALUES["mks"].tolist(), strict=True)
    ]
    got = read(text("\n".join(lines) + "\n", "t.tsv")(folder), columns=POSITIONS)
    np.testing.assert_allclose(got["ra"], VALUES["ra"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(got["dec"], VALUES["dec"], rtol=0, atol=1e-11)


def dated_plates(folder: Path) -> None:
    """Epochs of plates in MJD, as the unit of their column says."""
    n = 5
    columns = {"star": np.tile(np.arange(n), 2), "exposure": np.repeat([1, 2], n), "x": np.arange(2.0 * n)}
    content = Table({**columns, "y": np.arange(2.0 * n), "t": np.repeat([57388.5, 58119.0], n) * u.d})
    content.write(folder / "t.fits")
    names = {name: name for name in content.colnames}
    plates = read_tables([folder / "t.fits"], names, sigma=0.1)
    np.testing.assert_allclose(plates.epoch, Time([57388.5, 58119.0], format="mjd").jyear, rtol=0, atol=1e-9)


POSITIONS = {name: name for name in ("ra", "dec", "mks")}
DAY = {"parallax": (VALUES["parallax"] * u.uas).to_value(u.mas)}
VIZIER = (
    "#\n#RESOURCE=yCat_2246\n#Coosys\tJ2000:\tICRS\n#Table\tII_246_out:\n"
    "#Column\tra\t(F10.6)\tRight ascension\n"
)
STAR = "269.54123,-28.01234,9.5"
READ = [
    Case("downloads of every day", "Parquet of the IVOA", of_the_ivoa_is_read, (), "taken"),
    Case(
        "downloads that are not read",
        "two files of text put together",
        given(text(2 * f"ra,dec,mks\n{STAR}\n", "t.csv"), columns=POSITIONS),
        ("row 2, column ra", "the line of column names is repeated"),
    ),
    Case(
        "downloads that are not read",
        "exponents of Fortran",
        given(text("ra,dec,mks\n2.6954D+02,-28.0,9\n", "t.csv"), columns=POSITIONS),
        ("row 1, column ra", "write exponents with E"),
    ),
    Case(
        "downloads that are not read",
        "text without names",
        given(text("266.41681662 -29.00782497 9.1\n266.2 -29.1 9.2\n", "t.dat")),
        ("t.dat", "names of columns"),
    ),
    Case(
        "downloads of every day",
        "VizieR's TSV, rows of units and dashes",
        taken(delimited("\t", "t.tsv", above=VIZIER, below="\n", units=True), None, DAY),
        (),
        "taken",
    ),
    Case(
        "downloads of every day",
        "VizieR's text with semicolons",
        taken(delimited(";", "t.txt", above=VIZIER, below="#END#\n", units=True), None, DAY),
        (),
        "taken",
    ),
    Case("downloads of every day", "positions in hours, minutes, seconds", sexagesimal, (), "taken"),
    Case("downloads of every day", "epochs of plates in MJD", dated_plates, (), "taken"),
    Case(
        "downloads that are not read",
        "hours, minutes, seconds without a unit",
        given(text("ra,dec,mks\n17:45:40.04,-29:00:28.1,9\n", "t.csv"), columns=POSITIONS),
        ("row 1", "column ra", "h:m:s"),
    ),
    Case("downloads of every day", "CSV with semicolons", taken(delimited(";", "t.csv")), (), "taken"),
    Case("downloads of every day", "bars", taken(delimited("|", "t.txt")), (), "taken"),
    Case(
        "downloads of every day",
        "bars and a footer, as psql writes",
        taken(delimited(" | ", "t.txt", below=f"({N} rows)\n")),
        (),
        "taken",
    ),
    Case(
        "downloads of every day", "tabs under the ending .csv", taken(delimited("\t", "t.csv")), (), "taken"
    ),
    Case("downloads of every day", "blanks, and text in quotation marks", taken(aligned), (), "taken"),
    Case(
        "downloads of every day",
        "names in a comment, as TOPCAT writes",
        taken(delimited(" ", "t.txt", above="# ")),
        (),
        "taken",
    ),
    Case("downloads of every day", "IPAC", taken(file(table(), "t.tbl", format="ascii.ipac")), (), "taken"),
    Case("downloads of every day", "MRT", mrt_is_read, (), "taken"),
    Case(
        "downloads of every day",
        "ECSV under the ending .txt",
        taken(file(table(), "t.txt", format="ascii.ecsv")),
        (),
        "taken",
    ),
    Case("downloads of every day", "the table in HDU 2", taken(in_second_table), (), "taken"),
    Case("downloads of every day", "an HDU by its name", taken(in_second_table, hdu="objects"), (), "taken"),
    Case("downloads of every day", "an HDU by its number", taken(in_second_table, hdu=2), (), "taken"),
    Case(
        "downloads of every day",
        "FITS and gzip under the ending .fits",
        taken(
            lambda folder: text(gzip.compress(file(table(), "u.fits")(folder).read_bytes()), "t.fits")(folder)
        ),
        (),
        "taken",
    ),
    Case("downloads of every day", "HDF5 of pandas, fixed", taken(pandas_fixed), (), "taken"),
    Case(
        "downloads of every day",
        "HDF5 of astropy",
        taken(file(table(), "t.hdf5", path="stars", serialize_meta=True)),
        (),
        "taken",
    ),
    Case("downloads of every day", "HDF5 with a dataset a column", taken(a_dataset_a_column), (), "taken"),
    Case("downloads that are not read", "HDF5 of pandas, table", given(pandas_table), ("t.h5", "to_parquet")),
    Case("downloads that are not read", "Excel", given(text("PK", "t.xlsx")), ("t.xlsx", "CSV")),
    Case(
        "downloads that are not read",
        "a zip under the ending .csv",
        given(text(b"PK\x03\x04" + b"\0" * 99, "t.csv")),
        ("t.csv", "zip", "unpack"),
    ),
    Case(
        "downloads that are not read",
        "bzip2",
        given(text(b"BZh9" + b"\0" * 99, "t.fits")),
        ("t.fits", "bzip2", "unpack"),
    ),
    Case(
        "downloads that are not read",
        "an HDU that is not there",
        given(in_second_table, hdu="STARS"),
        ("no extension STARS", "OBJECTS"),
    ),
    Case(
        "downloads that are not read",
        "an HDU that lacks the columns",
        given(in_second_table, hdu=1),
        ("no column ra", "header"),
    ),
    Case(
        "downloads that are not read",
        "a compressed FITS table",
        given(lambda folder: with_cards(file(table(), "t.fits")(folder), ZTABLE=True)),
        ("funpack",),
    ),
    Case(
        "downloads that are not read",
        "columns of variable length",
        given(lambda folder: _variable(folder)),
        ("column mj", "variable length"),
    ),
]


def _variable(folder: Path) -> Path:
    columns = [fits.Column(name, "D", array=VALUES[name]) for name in COLUMNS if name != "mj"]
    arrays = np.array([np.ones(i % 3) for i in range(N)], dtype=object)
    columns.append(fits.Column("mj", "PD()", array=arrays))
    fits.BinTableHDU.from_columns(columns).writeto(folder / "t.fits")
    return folder / "t.fits"


# Lost digits

SINGLE = {name: VALUES[name].astype(np.float32) for name in ("ra", "dec")}


def cut_lines(folder: Path) -> Path:
    """Text whose lines end at column 40, within the declination."""
    lines = ["mks,ra,dec"]
    for i, (mks, ra, dec) in enumerate(zip(VALUES["mks"], VALUES["ra"], VALUES["dec"], strict=True)):
        lines.append(f"{mks:.3f},{ra:.8f},{dec:.8f}"[: None if i % 2 else 25])
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder / "t.csv"


def cut_file(folder: Path) -> Path:
    """Text that ends within its last number."""
    path = file(Table({name: table()[name] for name in ("mks", "ra", "dec")}), "t.csv")(folder)
    path.write_text(path.read_text().rstrip()[:-9])
    return path


LOST = [
    *(
        Case(
            "digits that are lost",
            f"float32 in {name}",
            given(file(table(**SINGLE), name, **options)),
            ("column ra", "float32", "0.055 arcsec"),
            "warned",
        )
        for name, options in (
            ("t.fits", {}),
            ("t.vot", {"format": "votable"}),
            ("t.parquet", {}),
            ("t.ecsv", {}),
        )
    ),
    Case(
        "digits that are lost",
        "float32 made float64",
        given(file(table(**{k: v.astype(float) for k, v in SINGLE.items()}), "t.parquet")),
        ("column ra", "0.055 arcsec"),
        "warned",
    ),
    Case(
        "digits that are lost",
        "four decimals",
        given(file(table(ra=np.round(VALUES["ra"], 4)), "t.csv")),
        ("column ra", "4 decimals", "0.18 arcsec"),
        "warned",
    ),
    Case(
        "digits that are lost",
        "hours with four decimals",
        given(file(table(ra=np.round(VALUES["ra"] / 15, 4)), "t.csv"), units={"ra": "hourangle"}),
        ("2.7 arcsec",),
        "warned",
    ),
    Case(
        "digits that are lost",
        "lines cut at their end",
        given(cut_lines, columns=POSITIONS),
        ("column dec", "15 of 30", "arcsec"),
        "warned",
    ),
    Case(
        "digits that are lost",
        "a file cut within its last number",
        given(cut_file, columns=POSITIONS),
        ("column dec", "arcsec", "cut"),
        "warned",
    ),
    Case(
        "digits that are lost",
        "all stars at one place",
        given(file(table(ra=np.full(N, 269.123456789), dec=np.full(N, -28.123456789)), "t.fits")),
        ("one place", "0.05 arcsec"),
        "warned",
    ),
    Case(
        "digits that are lost",
        "six decimals are enough",
        taken(file(table(ra=np.round(VALUES["ra"], 6)), "t.csv"), None, {"ra": np.round(VALUES["ra"], 6)}),
        (),
        "taken",
    ),
]

# Files that are damaged or made to harm


def quick(run: Callable[[Path], object]) -> Callable[[Path], object]:
    """Within five seconds, whatever it is."""

    def timed(folder: Path) -> None:
        begin = time.monotonic()
        try:
            run(folder)
        finally:
            assert time.monotonic() - begin < 5.0

    return timed


def header(**cards: Any) -> Callable[[Path], object]:
    """A FITS file with these cards in the header of its table."""
    return quick(given(lambda folder: with_cards(file(table(), "t.fits")(folder), **cards)))


def elsewhere(element: str, head: str = "") -> Callable[[Path], object]:
    """A VOTable whose data would be fetched from a file that is there."""

    def write(folder: Path) -> Path:
        whole = votable.from_table(table())
        whole.get_first_table().format = "binary"
        whole.to_xml(str(folder / "t.vot"))
        lines = (folder / "t.vot").read_text()
        begin, end = lines.index("<BINARY>"), lines.index("</BINARY>")
        (folder / "secret").write_bytes(b"\0" * 9999)
        lines = lines[:begin] + "<BINARY>" + element.format(path=(folder / "secret").as_uri()) + lines[end:]
        (folder / "t.vot").write_text(lines.replace("<VOTABLE", f"{head}<VOTABLE", 1))
        return folder / "t.vot"

    return given(write)


def bomb(name: str) -> Callable[[Path], Path]:
    """A small file that becomes 100 MiB."""

    def write(folder: Path) -> Path:
        with gzip.open(folder / name, "wb", compresslevel=1) as stream:
            stream.write(b"SIMPLE  =                    T".ljust(80) if "fits" in name else b"ra,dec,mks\n")
            for _ in range(100):
                stream.write(b" " * (1 << 20))
        return folder / name

    return write


def parquet_that_lies(folder: Path) -> Path:
    """Parquet whose footer is longer than the file."""
    pa.parquet.write_table(pa.table(VALUES), folder / "t.parquet")
    raw = bytearray((folder / "t.parquet").read_bytes())
    length = int.from_bytes(raw[-8:-4], "little")
    raw[-8:-4] = (length + 10**9).to_bytes(4, "little")
    (folder / "t.parquet").write_bytes(raw)
    return folder / "t.parquet"


HREF = '<STREAM href="{path}"/>'
HARM = [
    Case(
        "sizes that cannot be",
        "VOTable: nrows",
        given(rows_that_are_not_there),
        ("t.vot", "nrows", "damaged"),
    ),
    Case("files that lead elsewhere", "VOTable: STREAM href", elsewhere(HREF), ("t.vot", "STREAM", "href")),
    Case(
        "files that lead elsewhere",
        "VOTable: stream HREF in other letters",
        elsewhere('<stream HREF="{path}"/>'),
        ("t.vot", "href"),
    ),
    Case(
        "files that lead elsewhere",
        "VOTable: STREAM in a namespace",
        elsewhere('<v:STREAM xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3" v:href="{path}"/>'),
        ("t.vot", "href"),
    ),
    Case(
        "files that lead elsewhere",
        "VOTable: an entity for the STREAM",
        elsewhere("&data;", '<!DOCTYPE VOTABLE [<!ENTITY data SYSTEM "file:///etc/hostname">]>'),
        ("t.vot", "DOCTYPE"),
    ),
    Case(
        "files that lead elsewhere",
        "VOTable: a document type elsewhere",
        elsewhere("<STREAM/>", '<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">'),
        ("t.vot", "DOCTYPE"),
    ),
    Case("files that lead elsewhere", "HDF5: links to another file", given(linked), ("t.h5", "other.h5")),
    Case(
        "sizes that cannot be",
        "gzip: CSV",
        quick(given(bomb("t.csv.gz"))),
        ("t.csv.gz", "100 times", "unpack"),
    ),
    Case("sizes that cannot be", "gzip: FITS", quick(given(bomb("t.fits.gz"))), ("t.fits.gz",)),
    Case("sizes that cannot be", "gzip: VOTable", quick(given(bomb("t.vot.gz"))), ("t.vot.gz", "100 times")),
    Case("sizes that cannot be", "gzip: ECSV", quick(given(bomb("t.ecsv.gz"))), ("t.ecsv.gz", "100 times")),
    Case("sizes that cannot be", "FITS: NAXIS2 below 0", header(NAXIS2=-5), ("NAXIS2 = -5", "damaged")),
    Case("sizes that cannot be", "FITS: NAXIS2 of 10^15", header(NAXIS2=10**15), ("truncated",)),
    Case("sizes that cannot be", "FITS: NAXIS of 10^6", header(NAXIS=10**6), ("NAXIS",)),
    Case("sizes that cannot be", "FITS: PCOUNT of 10^12", header(PCOUNT=10**12), ("truncated",)),
    Case("sizes that cannot be", "FITS: PCOUNT below 0", header(PCOUNT=-1), ("PCOUNT = -1",)),
    Case("sizes that cannot be", "FITS: NAXIS1 too small", header(NAXIS1=3), ("NAXIS1", "damaged")),
    Case(
        "sizes that cannot be",
        "FITS: TFORM of 10^12 numbers",
        header(TFORM1="999999999999D"),
        ("NAXIS1", "damaged"),
    ),
    Case("sizes that cannot be", "FITS: TFIELDS of 10^9", header(TFIELDS=10**9), ("TFIELDS",)),
    Case("sizes that cannot be", "FITS: BITPIX of 7", header(BITPIX=7), ("BITPIX",)),
    Case(
        "sizes that cannot be",
        "Parquet: a footer of 1 GB",
        quick(given(parquet_that_lies)),
        ("t.parquet", "damaged"),
    ),
    Case(
        "sizes that cannot be",
        "HDF5: a block shorter than its columns",
        given(lambda folder: pandas_fixed(folder, np.ones((N, 2)))),
        ("t.hdf",),
    ),
]

CASES = [*READ, *LOST, *HARM]
test_files_of_tables = table_test(CASES)
