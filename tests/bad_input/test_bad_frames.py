"""Tables that state the frame, the epoch and the units of their coordinates, in whatever way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from astropy import units as u
from astropy.coordinates import (
    FK4,
    FK5,
    BarycentricMeanEcliptic,
    Galactic,
    SkyCoord,
    UnitSphericalCosLatDifferential,
    UnitSphericalRepresentation,
)
from astropy.io import votable
from astropy.io.votable.tree import CooSys, TimeSys
from astropy.table import QTable, Table
from astropy.time import Time

from bad_case import Case, table_test
from galcen.catalogue.motion import at_epoch
from galcen.config.survey_sources import SourceTable
from galcen.config.survey_tables import SurveyTable
from galcen.io.source_table import read_source_table
from table_mock import COLUMNS, NULL, VALUES, N, file, given, read, table, with_cards

STARS = SkyCoord(
    VALUES["ra"] * u.deg,
    VALUES["dec"] * u.deg,
    pm_ra_cosdec=VALUES["pmra"] * u.mas / u.yr,
    pm_dec=VALUES["pmdec"] * u.mas / u.yr,
)
FRAMES = {
    "FK4 B1950": FK4(equinox="B1950", obstime="J2016"),
    "FK4 B1900": FK4(equinox="B1900", obstime="J2016"),
    "FK5 J2000": FK5(equinox="J2000"),
    "FK5 J1975": FK5(equinox="J1975"),
    "galactic": Galactic(),
    "ecliptic": BarycentricMeanEcliptic(equinox="J2000"),
}


def in_frame(name: str, **changed: Any) -> Table:
    """The stars as astropy has them in another frame."""
    there = STARS.transform_to(FRAMES[name])
    data = there.spherical
    motion = there.data.represent_as(
        UnitSphericalRepresentation, UnitSphericalCosLatDifferential
    ).differentials["s"]
    return table(
        ra=data.lon.deg,
        dec=data.lat.deg,
        pmra=motion.d_lon_coslat.to_value(u.mas / u.yr),
        pmdec=motion.d_lat.to_value(u.mas / u.yr),
        **changed,
    )


def is_icrs(got: dict[str, np.ndarray], frame: str = "ICRS") -> None:
    """Positions are those of the stars within 1 micro-arcsecond, motions within 1 nas/yr.

    FK4 turns against ICRS: there the motions are such that a star is 20 years later where astropy says.
    """
    here = SkyCoord(got["ra"] * u.deg, got["dec"] * u.deg)
    if not frame.startswith("FK4"):
        assert here.separation(STARS).to_value(u.uas).max() < 1.0
        for name in ("pmra", "pmdec"):
            np.testing.assert_allclose(got[name], VALUES[name], rtol=0, atol=1e-6)
        return
    assert here.separation(STARS).to_value(u.uas).max() < 20.0  # astropy, there and back
    content = in_frame(frame)
    later = at_epoch(content["ra"], content["dec"], content["pmra"], content["pmdec"], 20.0)
    there = SkyCoord(*later, unit="deg", frame=FK4(equinox=FRAMES[frame].equinox, obstime="J2036")).icrs
    moved = SkyCoord(*at_epoch(got["ra"], got["dec"], got["pmra"], got["pmdec"], 20.0), unit="deg")
    assert moved.separation(there).to_value(u.uas).max() < 2.0


def at(got: dict[str, np.ndarray], epoch: float | np.ndarray, frame: str = "ICRS") -> None:
    """The stars have these epochs."""
    np.testing.assert_allclose(got["ref_epoch"], np.broadcast_to(epoch, N), rtol=0, atol=1e-9)
    is_icrs(got, frame)


def converted(write: Callable[[Path], Path], of: str, **options: Any) -> Callable[[Path], object]:
    return lambda folder: is_icrs(read(write(folder), **options), of)


def dated(
    write: Callable[[Path], Path], epoch: Any, of: str = "ICRS", **options: Any
) -> Callable[[Path], object]:
    return lambda folder: at(read(write(folder), **{"epoch": None, **options}), epoch, of)


def in_votable(
    content: Table, *systems: CooSys, ref: str | None = "sys", time: str | None = None
) -> Callable:
    """A VOTable with these COOSYS, to which its positions and motions refer."""

    def write(folder: Path) -> Path:
        whole = votable.from_table(content)
        whole.version = "1.4"
        whole.resources[0].coordinate_systems.extend(systems)
        for field in whole.get_first_table().fields:
            if field.name in ("ra", "dec", "pmra", "pmdec") and ref:
                field.ref = ref
        if time is not None:
            stated = TimeSys(
                ID="time",
                timescale="TCB",
                refposition="BARYCENTER",
                timeorigin=time,
                config={"version_1_4_or_later": True},
            )
            whole.resources[0].time_systems.append(stated)
            next(f for f in whole.get_first_table().fields if f.name == "ref_epoch").ref = "time"
        whole.to_xml(str(folder / "t.vot"))
        return folder / "t.vot"

    return write


def in_fits(content: Table, **cards: Any) -> Callable[[Path], Path]:
    """A FITS file with these cards in the header of its table."""

    def write(folder: Path) -> Path:
        content.write(folder / "t.fits")
        return with_cards(folder / "t.fits", **cards)

    return write


def with_meta(content: Table, name: str, **meta: Any) -> Callable[[Path], Path]:
    """A file of astropy with these metadata."""
    content.meta.update(meta)
    return file(content, name)


def in_parquet(content: Table, **meta: str) -> Callable[[Path], Path]:
    """Parquet with plain metadata of the file."""

    def write(folder: Path) -> Path:
        plain = pa.table({name: np.asarray(content[name]) for name in content.colnames})
        pa.parquet.write_table(plain.replace_schema_metadata(meta), folder / "t.parquet")
        return folder / "t.parquet"

    return write


def with_coordinates(name: str) -> Callable[[Path], object]:
    """A column of coordinates as astropy writes it, which knows its frame."""

    def run(folder: Path) -> None:
        there = SkyCoord(
            in_frame("FK5 J1975")["ra"], in_frame("FK5 J1975")["dec"], unit="deg", frame=FRAMES["FK5 J1975"]
        )
        content = Table({"place": there, "mks": VALUES["mks"]})
        content.write(folder / name, serialize_method="data_mask") if name.endswith(
            "ecsv"
        ) else content.write(folder / name)
        got = read(folder / name, columns={"ra": "place.ra", "dec": "place.dec", "mks": "mks"})
        assert SkyCoord(got["ra"] * u.deg, got["dec"] * u.deg).separation(STARS).to_value(u.uas).max() < 1.0

    return run


def sources(write: Callable[[Path], Path], **options: Any) -> dict[str, np.ndarray]:
    """What galcen reads of a table of sources."""

    def run(folder: Path) -> dict[str, np.ndarray]:
        columns = {"hw": "mh", **{name: name for name in ("ra", "dec", "pmra", "pmdec")}}
        return read_source_table(SourceTable(**{"path": str(write(folder)), "columns": columns, **options}))

    return run


def turned_covariance(folder: Path) -> None:
    """The covariance of positions and motions is turned as astropy turns motions."""
    names = ("ra", "dec", "parallax", "pmra", "pmdec")
    pairs = [f"{a}_{b}_corr" for i, a in enumerate(names) for b in names[i + 1 :]]
    content = in_frame("galactic")
    rng = np.random.default_rng(1)
    root = rng.normal(size=(N, 5, 5))
    covariance = root @ root.transpose(0, 2, 1)
    error = np.sqrt(np.einsum("nii->ni", covariance))
    for i, name in enumerate(names):
        content[f"{name}_error"] = error[:, i]
    for pair in pairs:
        a, b = (names.index(part) for part in pair.split("_")[:2])
        content[pair] = covariance[:, a, b] / (error[:, a] * error[:, b])
    content.write(folder / "t.fits")
    columns = {"hw": "mh"} | {name: name for name in (*names, *pairs, *(f"{name}_error" for name in names))}
    got = read_source_table(
        SourceTable(path=str(folder / "t.fits"), columns=columns, frame="galactic", epoch=2016.0)
    )
    turned = np.empty((N, 5, 5))
    for a, one in enumerate(names):
        for b, other in enumerate(names):
            pair = f"{one}_{other}_corr" if a < b else f"{other}_{one}_corr"
            turned[:, a, b] = got[f"{one}_error"] * got[f"{other}_error"] * (1.0 if a == b else got[pair])
    # By astropy: how it turns a motion along each axis.
    there = STARS.transform_to(Galactic())
    turn = np.zeros((N, 5, 5))
    turn[:, 2, 2] = 1.0
    for place, motion in enumerate(((1.0, 0.0), (0.0, 1.0))):
        moving = SkyCoord(
            l=there.l,
            b=there.b,
            pm_l_cosb=np.full(N, motion[0]) * u.mas / u.yr,
            pm_b=np.full(N, motion[1]) * u.mas / u.yr,
            frame="galactic",
        ).icrs
        for offset in (0, 3):
            turn[:, offset, offset + place] = moving.pm_ra_cosdec.to_value(u.mas / u.yr)
            turn[:, offset + 1, offset + place] = moving.pm_dec.to_value(u.mas / u.yr)
    np.testing.assert_allclose(turned, turn @ covariance @ turn.transpose(0, 2, 1), rtol=1e-6, atol=1e-6)


def per_star(folder: Path) -> None:
    """Each star's own epoch reaches its row; those without have the table's."""
    years = 2000.0 + np.arange(N)
    path = file(table(t=np.where(NULL, np.nan, years)), "t.csv")(folder)
    got = read(path, columns={**COLUMNS, "ref_epoch": "t"}, epoch=1995.5)
    at(got, np.where(NULL, 1995.5, years))


def without_motion(folder: Path) -> None:
    """Positions in B1950 without motions and without an epoch are those of B1950, as astropy has it."""
    there = SkyCoord(VALUES["ra"], VALUES["dec"], unit="deg", frame=FK4(equinox="B1950"))
    path = file(table(), "t.csv")(folder)
    got = read(path, columns={name: name for name in ("ra", "dec", "mks")}, epoch=None, frame="fk4")
    np.testing.assert_allclose(got["ra"], there.icrs.ra.deg, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got["dec"], there.icrs.dec.deg, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got["ref_epoch"], Time("B1950").jyear)


def errors_like_quantities(folder: Path) -> None:
    """A quantity in uas whose error has no unit."""
    content = QTable(table())
    content["parallax"] = VALUES["parallax"] * 1e3 * u.uas
    content["parallax_error"] = np.full(N, 50.0)
    content["pmra"] = VALUES["pmra"] * 1e3 * u.uas / u.yr
    content["pmra_error"] = np.full(N, 60.0)
    content["mj"] = VALUES["mj"] * 1e3 * u.mmag
    content["mj_error"] = np.full(N, 30.0) * u.mmag
    content.write(folder / "t.fits")
    names = ("parallax_error", "pmra_error", "mj_error")
    got = read(folder / "t.fits", columns={**COLUMNS, **{name: name for name in names}})
    for name, error in zip(names, (0.05, 0.06, 0.03), strict=True):
        np.testing.assert_allclose(got[name], error, rtol=1e-12)
    np.testing.assert_allclose(got["parallax"], VALUES["parallax"], rtol=1e-12)


def coosys(system: str, equinox: str | None = None, epoch: str | None = None, name: str = "sys") -> CooSys:
    return CooSys(ID=name, system=system, equinox=equinox, epoch=epoch)


NAMED = {name: name for name in VALUES}


def named(frame: str, ra: str, dec: str) -> Callable[[Path], Path]:
    """Text whose coordinates have these names."""
    content = table() if frame == "ICRS" else in_frame(frame)
    content.rename_columns(["ra", "dec"], [ra, dec])
    return file(content, "t.csv")


ICRS_2016 = coosys("ICRS", epoch="J2016.0")
DECLARED = [
    *(
        Case(
            "frames in the configuration",
            f"{frame} without a declaration",
            converted(file(in_frame(frame), "t.csv"), frame, frame=key, equinox=equinox),
            (),
            "taken",
        )
        for frame, key, equinox in (
            ("FK4 B1950", "fk4", None),
            ("FK4 B1900", "fk4", "B1900"),
            ("FK5 J2000", "fk5", None),
            ("FK5 J1975", "fk5", "J1975"),
            ("galactic", "galactic", None),
            ("ecliptic", "ecliptic", None),
        )
    ),
    *(
        Case(
            "frames in a VOTable",
            f"COOSYS {one.system} {one.equinox}",
            dated(in_votable(in_frame(frame), one), 2016.0, frame),
            (),
            "taken",
        )
        for frame, one in (
            ("FK4 B1950", coosys("eq_FK4", "B1950", "J2016")),
            ("FK5 J1975", coosys("eq_FK5", "J1975.0", "2016.0")),
            ("galactic", coosys("galactic", None, "J2016")),
            ("ecliptic", coosys("ecl_FK5", "J2000", "J2016")),
        )
    ),
    *(
        Case(
            "frames in FITS",
            " ".join(f"{k} {v}" for k, v in cards.items()),
            converted(in_fits(in_frame(frame), **cards), frame),
            (),
            "taken",
        )
        for frame, cards in (
            ("FK4 B1950", {"RADESYS": "FK4", "EQUINOX": 1950.0}),
            ("FK4 B1950", {"EQUINOX": 1950.0}),
            ("FK5 J2000", {"RADECSYS": "FK5"}),
            ("FK5 J1975", {"RADESYS": "FK5", "EQUINOX": 1975.0}),
            ("galactic", {"RADESYS": "GALACTIC"}),
        )
    ),
    *(
        Case(
            "frames in metadata",
            f"names of columns: {names[0]}",
            converted(
                named(frame, *names), frame, columns=NAMED | dict(zip(("ra", "dec"), names, strict=True))
            ),
            (),
            "taken",
        )
        for frame, names in (
            ("FK4 B1950", ("RAB1950", "DEB1950")),
            ("FK4 B1950", ("ra_1950", "dec_1950")),
            ("FK4 B1900", ("_RAB1900", "_DEB1900")),
            ("ICRS", ("RAJ2000", "DEJ2000")),
        )
    ),
    Case(
        "frames that contradict",
        "RAB1950 and the configuration",
        given(
            named("FK4 B1950", "RAB1950", "DEB1950"),
            columns=NAMED | {"ra": "RAB1950", "dec": "DEB1950"},
            frame="icrs",
        ),
        ("FK4 B1950", "frame ICRS"),
    ),
    Case(
        "frames in metadata",
        "ECSV",
        converted(with_meta(in_frame("FK4 B1950"), "t.ecsv", frame="fk4", equinox="B1950"), "FK4 B1950"),
        (),
        "taken",
    ),
    Case(
        "frames in metadata",
        "Parquet of astropy",
        converted(with_meta(in_frame("galactic"), "t.parquet", RADESYS="galactic"), "galactic"),
        (),
        "taken",
    ),
    Case(
        "frames in metadata",
        "Parquet of others",
        converted(in_parquet(in_frame("FK5 J1975"), frame="FK5", equinox="J1975"), "FK5 J1975"),
        (),
        "taken",
    ),
    *(
        Case("frames in metadata", f"a column of coordinates in {name}", with_coordinates(name), (), "taken")
        for name in ("t.ecsv", "t.fits", "t.parquet")
    ),
    Case("frames in metadata", "errors and correlations turn with the axes", turned_covariance, (), "taken"),
    Case(
        "frames that contradict",
        "file and configuration",
        given(in_fits(table(), RADESYS="FK5"), frame="galactic"),
        ("t.fits", "FK5 J2000", "galactic", "`frame`"),
    ),
    Case(
        "frames that contradict",
        "a frame that nobody can convert",
        given(in_fits(table(), RADESYS="GAPPT")),
        ("t.fits", "GAPPT", "ICRS"),
    ),
    Case(
        "frames that contradict",
        "several COOSYS and no ref",
        given(
            in_votable(table(), coosys("ICRS", name="a"), coosys("eq_FK4", "B1950", name="b"), ref=None),
            epoch=None,
        ),
        ("several COOSYS", "FK4 B1950", "`frame`"),
    ),
    Case(
        "frames that contradict",
        "FK4 of a Julian equinox",
        given(in_votable(table(), coosys("eq_FK4", "J2000"))),
        ("eq_FK4", "J2000", "B1950"),
    ),
    Case(
        "frames that contradict",
        "an error of one axis alone in a turned frame",
        given(
            file(in_frame("galactic", pmra_error=np.full(N, 0.1)), "t.csv"),
            frame="galactic",
            columns={**COLUMNS, "pmra_error": "pmra_error"},
        ),
        ("pmra_error", "other axis"),
    ),
    Case("frames in the configuration", "B1950 without motions", without_motion, (), "taken"),
    Case("epochs", "COOSYS", dated(in_votable(table(), ICRS_2016), 2016.0), (), "taken"),
    Case(
        "epochs",
        "the only COOSYS, without ref",
        dated(in_votable(table(), ICRS_2016, ref=None), 2016.0),
        (),
        "taken",
    ),
    Case(
        "epochs",
        "a column ref_epoch",
        dated(file(table(ref_epoch=np.full(N, 2015.5)), "t.fits"), 2015.5),
        (),
        "taken",
    ),
    Case(
        "epochs",
        "a column REF_EPOCH in CSV",
        dated(file(table(REF_EPOCH=np.full(N, 2015.5)), "t.csv"), 2015.5),
        (),
        "taken",
    ),
    Case("epochs", "a keyword REFEPOCH", dated(in_fits(table(), REFEPOCH=2015.5), 2015.5), (), "taken"),
    Case("epochs", "of each star, some missing", per_star, (), "taken"),
    Case(
        "epochs",
        "in MJD, by the unit of the column",
        dated(
            file(Table({**VALUES, "t": np.full(N, 57388.5) * u.d}), "t.fits"),
            Time(57388.5, format="mjd").jyear,
            columns={**COLUMNS, "ref_epoch": "t"},
        ),
        (),
        "taken",
    ),
    Case(
        "epochs",
        "since the origin of a TIMESYS",
        dated(
            in_votable(
                Table({**VALUES, "ref_epoch": np.full(N, 2191.0) * u.d}), coosys("ICRS"), time="2455197.5"
            ),
            Time(2455197.5 + 2191.0, format="jd").jyear,
        ),
        (),
        "taken",
    ),
    Case(
        "epochs",
        "none for a table with motions",
        given(file(table(), "t.csv"), epoch=None),
        ("t.csv", "proper motion", "`epoch`", "ref_epoch"),
    ),
    Case(
        "epochs",
        "none for sources with motions",
        sources(file(table(), "t.csv")),
        ("t.csv", "proper motion", "`epoch`"),
    ),
    Case(
        "epochs",
        "missing in one row with a motion",
        given(file(table(ref_epoch=np.where(NULL, np.nan, 2016.0)), "t.csv"), epoch=None),
        ("row 1", "ref_epoch"),
    ),
    Case(
        "epochs",
        "MJD without a unit",
        given(file(table(ref_epoch=np.full(N, 57388.5)), "t.csv"), epoch=None),
        ("57388.5", "Julian year", " d"),
    ),
    Case(
        "epochs",
        "0",
        given(file(table(ref_epoch=np.zeros(N)), "t.csv"), epoch=None),
        ("ref_epoch", "Julian year"),
    ),
    Case(
        "epochs that contradict",
        "COOSYS and configuration",
        given(in_votable(table(), ICRS_2016), epoch=2000.0),
        ("2016", "2000", "`epoch`"),
    ),
    Case(
        "epochs that contradict",
        "column and configuration",
        given(file(table(ref_epoch=np.full(N, 2016.0)), "t.fits"), epoch=2000.0),
        ("row 1", "2016", "2000"),
    ),
    Case(
        "epochs that contradict",
        "sources",
        sources(file(table(ref_epoch=np.full(N, 2016.0)), "t.fits"), epoch=2000.0),
        ("row 1", "2016", "2000"),
    ),
    Case("units", "errors without a unit have their quantity's", errors_like_quantities, (), "taken"),
]

CASES = DECLARED
test_frames = table_test(CASES)


def test_a_survey_table_may_state_its_frame():
    """Of the keys of the configuration: an equinox needs its frame."""
    assert SurveyTable(name="X", path="t", columns=COLUMNS, frame="fk4", equinox="B1950").frame == "fk4"
