"""Tables of stars whose values cannot be: numbers for missing values, other units, other systems."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from bad_case import Case, table_test
from galcen.config.survey_sources import SourceTable
from galcen.io.hdf5 import open_product
from galcen.io.plates import read_tables
from galcen.io.source_table import read_source_table
from galcen.stages import ingest, project, survey_sources

N = 40
BANDS = ("mj", "mh", "mks")
AB_MINUS_VEGA = {"mj": 0.91, "mh": 1.39, "mks": 1.85}
FOOTPRINT = {"l_min": 2.1, "l_max": 2.3, "b_min": -2.0, "b_max": -1.8}

Columns = dict[str, np.ndarray]
Change = Callable[[Columns], object]


def stars(n: int = N) -> Columns:
    """Giants of the bulge at l = 2.1 to 2.3, b = -2.0 to -1.8 deg, as a good table has them."""
    rng = np.random.default_rng(12)
    place = SkyCoord(rng.uniform(2.12, 2.28, n), rng.uniform(-1.98, -1.82, n), unit="deg", frame="galactic")
    mks, excess = rng.uniform(10, 13, n), rng.normal(0.7, 0.1, n)
    hk = 0.12 + 0.33 * excess + rng.normal(0, 0.03, n)
    jh = 0.62 + 0.67 * excess + rng.normal(0, 0.03, n)
    parallax_error, motion_error = rng.uniform(0.03, 0.3, n), rng.uniform(0.03, 0.3, n)
    distance = rng.normal(8200.0, 900.0, n)
    # Five of the foreground, whose parallaxes are distances.
    distance[-5:], parallax_error[-5:] = rng.uniform(400, 900, 5), 0.03
    columns = {"ra": place.icrs.ra.deg, "dec": place.icrs.dec.deg, "mks": mks, "mh": mks + hk}
    columns |= {"mj": mks + hk + jh, **{f"{band}_error": rng.uniform(0.02, 0.05, n) for band in BANDS}}
    columns |= {
        "parallax": 1000 / distance + rng.normal(0, parallax_error),
        "parallax_error": parallax_error,
        "pmra": rng.normal(-1.5, 3.0, n),
        "pmra_error": motion_error,
        "pmdec": rng.normal(-5.0, 3.0, n),
        "pmdec_error": motion_error * 0.9,
        "radial_velocity": rng.normal(0, 110.0, n),
        "radial_velocity_error": rng.uniform(0.5, 3.0, n),
        "ruwe": rng.lognormal(0.02, 0.1, n),
        "r_lo_photogeo": distance * 0.9,
        "r_med_photogeo": distance,
        "r_hi_photogeo": distance * 1.1,
    }
    return columns


def options(columns: Columns, **table: object) -> dict:
    """Configuration of the stars' table."""
    mapped = {name: name for name in columns}
    survey = {"name": "X", "path": "stars", "columns": mapped, "epoch": 2016.0, **table}
    return {
        "footprint": FOOTPRINT,
        "tiling": {"cells_per_side": 8},
        "catalogue": {"source": "files", "files": [survey], "selection": None},
    }


def ingested(change: Change, n: int = N, ending: str = "parquet", **table: object):
    """A table of stars, changed, through `galcen ingest`."""

    def run(folder: Path) -> None:
        columns = stars(n)
        change(columns)
        path = folder / f"stars.{ending}"
        Table(columns).write(path)
        chosen = options(columns, **table)
        chosen["catalogue"]["files"][0]["path"] = str(path)
        ingest.run("X", folder / "out", chosen)

    return run


def observed(change: Change, *, has_run: bool = True, **table: object):
    """The same as a table of `galcen survey-sources`, whose values count as true, or for its reader alone."""

    def run(folder: Path) -> None:
        columns = stars()
        columns["hw"] = 0.8 * columns["mj"] + 0.2 * columns["mh"]
        known = ("ra", "dec", "hw", "mj", "mh", "parallax", "pmra", "pmdec", "radial_velocity", "ruwe")
        errors = ("parallax_error", "pmra_error", "pmdec_error")
        columns = {name: columns[name] for name in (*known, *errors)}
        columns |= {"ra_error": np.full(N, 0.1), "dec_error": np.full(N, 0.1)}
        change(columns)
        path = folder / "sources.parquet"
        Table(columns).write(path)
        described = {"path": str(path), "columns": {name: name for name in columns}, "epoch": 2016.0, **table}
        if has_run:
            (folder / "out").mkdir()
            chosen = {"table": described, "bright": 1.0, "faint": 20.0, "n_artificial": 0}
            products = folder / "out/stars.h5", folder / "out/known.h5"
            survey_sources.run(path, *products, {"survey_sources": chosen})
        else:
            read_source_table(SourceTable.model_validate(described))

    return run


def in_rows(name: str, value: float, *rows: int) -> Change:
    """A value in some rows of a column."""

    def change(columns: Columns) -> None:
        columns[name][list(rows)] = value

    return change


def times(factor: float, *names: str) -> Change:
    """Columns in another unit."""

    def change(columns: Columns) -> None:
        for name in names:
            columns[name] = columns[name] * factor

    return change


def unchanged(columns: Columns) -> None:
    """Leave the table good."""


def in_float32(name: str, value: float, *rows: int) -> Change:
    """A value in some rows of a column in single precision."""

    def change(columns: Columns) -> None:
        columns[name] = columns[name].astype(np.float32)
        columns[name][list(rows)] = value

    return change


def all_bands_ab(columns: Columns) -> None:
    """Magnitudes of the AB system."""
    for band in BANDS:
        columns[band] = columns[band] + AB_MINUS_VEGA[band]


def reddened(excess: float) -> Change:
    """All stars behind more dust, of another E(J-Ks)."""

    def change(columns: Columns) -> None:
        for band, extinction in zip(BANDS, (1.52, 0.83, 0.48), strict=True):
            columns[band] = columns[band] + excess * extinction

    return change


def in_hours(columns: Columns) -> None:
    """Right ascension in hours."""
    columns["ra"] = columns["ra"] / 15.0


def in_radians(columns: Columns) -> None:
    """Both angles in radians."""
    columns["ra"], columns["dec"] = np.radians(columns["ra"]), np.radians(columns["dec"])


def in_galactic(columns: Columns) -> None:
    """Galactic coordinates under the names of equatorial ones."""
    place = SkyCoord(columns["ra"], columns["dec"], unit="deg").galactic
    columns["ra"], columns["dec"] = place.l.deg, place.b.deg


def velocity_in_m_s(columns: Columns) -> None:
    """A velocity in m/s with SDSS's number for none, which would be a fine -10 km/s."""
    columns["radial_velocity"] = columns["radial_velocity"] * 1000.0
    columns["radial_velocity"][[3, 7, 9]] = -9999.0


def blue_cluster(columns: Columns) -> None:
    """Hot stars without reddening."""
    columns["mh"], columns["mj"] = columns["mks"] - 0.04, columns["mks"] - 0.12


def taken(change: Change, **table: object):
    """A good table is taken whole, and gives no warning."""

    def run(folder: Path) -> None:
        ingested(change, **table)(folder)
        with open_product(next((folder / "out").iterdir()), "observed") as file:
            assert len(file["observed/ra"]) == N

    return run


def plates(change: Change):
    """A table of forty stars on three plates, changed, through the reader of `galcen joint-plates`."""

    def run(folder: Path) -> None:
        rng = np.random.default_rng(5)
        columns: Columns = {
            "star": np.tile([f"S{star}" for star in range(N)], 3),
            "exposure": np.repeat(["a", "b", "c"], N),
            "x": np.tile(rng.uniform(0, 1000, N), 3) + rng.normal(0, 0.01, 3 * N),
            "y": np.tile(rng.uniform(0, 1000, N), 3) + rng.normal(0, 0.01, 3 * N),
            "sigma": rng.uniform(0.005, 0.02, 3 * N),
            "magnitude": rng.uniform(-12, -3, 3 * N),
        }
        change(columns)
        Table(columns).write(folder / "plates.fits")
        read_tables([folder / "plates.fits"], {name: name for name in columns})

    return run


def projected(parameter: str = "", row: str = ""):
    """One row through `galcen project`, with another parameter or another row."""

    def run(folder: Path) -> None:
        given = {"ra": 266.1, "dec": -29.1, "pa": 30.0, "Fx": 4.37e6, "Fy": 4.37e6}
        given |= {"det_r": 0.0, "det_o_x": 0.0, "det_o_y": 0.0, "det_p_x": 10.0, "det_p_y": 10.0}
        lines = [f"one,{name},0,{value}" for name, value in given.items() if name != parameter.split(",")[0]]
        changed = [f"one,{parameter.replace(',', ',0,')}"] if parameter else []
        (folder / "params.csv").write_text("\n".join(["case,name,index,value", *lines, *changed, ""]))
        head = "case,projection,distortion,detector,ra_deg,dec_deg\none,gnomonic,none,0,"
        (folder / "rows.csv").write_text(f"{head}{row or '266.2,-29.2'}\n")
        (folder / "out").mkdir()
        project.run(folder / "params.csv", folder / "rows.csv", folder / "out/mapped.csv")

    return run


STAND_IN = "numbers for missing values in astrometry"
BOUND = "values that cannot be"
MEDIAN = "medians that cannot be"
SOURCES = "sources of the survey whose values cannot be"
COLOUR = "magnitudes of another system"
ANGLE = "positions in other units"
PLATE = "positions on plates that cannot be"
PROJECT = "directions and optics that cannot be"
GOOD = "good tables of unusual stars"

CASES = [
    Case(
        STAND_IN,
        "-9999 in the proper motions",
        ingested(lambda c: [in_rows(n, -9999.0, 0, 4, 5)(c) for n in ("pmra", "pmdec")]),
        ("stars.parquet", "row 1 ", "column pmra: -9999", "SDSS", "3 such rows", "`missing_values`"),
    ),
    *(
        Case(
            STAND_IN,
            f"{value:.10g} in {name}",
            ingested(in_rows(name, value, *rows)),
            ("row 3 ", f"column {name}: {value:.10g}", f"{len(rows)} such rows", *words),
        )
        for name, value, rows, words in (
            ("parallax", -999.0, (2, 3, 4), ("Pan-STARRS",)),
            ("parallax", -0.9999995e9, (2,), ("VISTA and WFCAM",)),
            ("parallax", 99.999, (2, 3), ("OGLE", "missing value")),
            ("parallax_error", 999.0, (2, 3, 4), ("missing value",)),
            ("parallax_error", 9.99, (2, 5, 6), ("missing value",)),
            ("pmra", 99.99, (2,), ("DAOPHOT",)),
            ("pmdec", -99999999.0, (2, 9), ("VISTA and WFCAM",)),
            ("pmra_error", -9999.0, (2, 3), ("an error from 0.001",)),
            ("radial_velocity", -9999.0, (2, 30), ("APOGEE",)),
            ("radial_velocity", -999.0, (2, 3, 4), ("Pan-STARRS",)),
            ("radial_velocity", 1e20, (2,), ("missing value",)),
            ("radial_velocity_error", 99.0, (2, 3, 4), ("missing value",)),
            ("ruwe", -1.0, (2,), ("a RUWE from",)),
            ("ruwe", 99.9, (2, 3, 4), ("missing value",)),
            ("mks", 0.0, (2, 3, 4), ("a magnitude",)),
            ("mj", 0.0, (2,), ("a magnitude",)),
            ("mks_error", 9.999, (2, 3), ("2MASS",)),
            ("mks_error", 8.888, (2,), ("2MASS",)),
            ("r_med_photogeo", -999.0, (2, 3), ("a distance from 1",)),
            ("r_hi_photogeo", 99999.0, (2, 3, 4), ("missing value",)),
        )
    ),
    Case(
        STAND_IN,
        "-9999 as 32-bit floats in FITS",
        ingested(in_float32("parallax", -9999.0, 2, 3, 4), ending="fits"),
        ("stars.fits", "row 3 ", "column parallax: -9999"),
    ),
    Case(
        STAND_IN,
        "-99999999 as 32-bit floats, which do not hold it",
        ingested(in_float32("pmra", -99999999.0, 2), ending="fits"),
        ("column pmra: -99999999", "VISTA and WFCAM"),
    ),
    Case(
        STAND_IN,
        "-9999 m/s among velocities in m/s",
        ingested(velocity_in_m_s, units={"radial_velocity": "m/s", "radial_velocity_error": "km/s"}),
        ("row 4 ", "column radial_velocity: -9999", "3 such rows"),
    ),
    Case(
        STAND_IN,
        "ra and dec of 0",
        ingested(lambda c: [in_rows(n, 0.0, 2)(c) for n in ("ra", "dec")]),
        ("row 3 ", "column ra: 0", "stars without position must go"),
    ),
    Case(
        STAND_IN,
        "listed numbers are missing values",
        taken(in_rows("radial_velocity", -9999.0, 0, 1), missing_values=[-9999]),
        outcome="taken",
    ),
    *(
        Case(
            BOUND,
            f"{name} = {value:g}",
            ingested(in_rows(name, value, 2)),
            ("stars.parquet", "row 3 (source_id 3)", f"column {name}: {value:.10g}", "1 such rows", expected),
        )
        for name, value, expected in (
            ("pmra", 20500.0, "a proper motion from -20000 to 20000 mas/yr"),
            ("parallax", -101.0, "a parallax from -100 to 1000 mas"),
            ("parallax", 1001.5, "set units.parallax"),
            ("radial_velocity", 5200.0, "a radial velocity from -5000 to 5000 km/s"),
            ("ruwe", 0.0, "a RUWE from 0.01 to 900"),
            ("parallax_error", 5e-5, "an error from 0.001 to 100 mas"),
            ("pmdec_error", 9e-4, "an error from 0.001 to 500 mas/yr"),
            ("radial_velocity_error", 0.0, "an error from 0.0001 to 500 km/s"),
            ("mh_error", 1e-5, "an error from 0.0001 to 8 mag"),
            ("r_lo_photogeo", 0.3, "a distance from 1 to 1e+06 pc"),
        )
    ),
    Case(
        STAND_IN,
        "0 for stars that Gaia does not have",
        ingested(lambda c: c.update(gaia_source_id=np.arange(N) // 2)),
        ("row 1 ", "column gaia_source_id: 0", "2 such rows"),
    ),
    Case(
        BOUND,
        "limits of a distance exchanged",
        ingested(lambda c: c.update(r_lo_photogeo=c["r_hi_photogeo"], r_hi_photogeo=c["r_lo_photogeo"])),
        ("column r_lo_photogeo", "lower limit of the distance"),
    ),
    Case(
        MEDIAN,
        "parallaxes in arcsec, without errors",
        ingested(lambda c: (times(1e-3, "parallax")(c), c.pop("parallax_error"))),
        ("column parallax", "in arcsec? set units: {parallax: arcsec}"),
    ),
    Case(
        MEDIAN,
        "parallaxes and errors in arcsec",
        ingested(times(1e-3, "parallax", "parallax_error")),
        ("column parallax_error", "an error from 0.001 to 100 mas", "set units.parallax_error"),
    ),
    Case(
        MEDIAN,
        "proper motions in arcsec a year",
        ingested(times(1e-3, "pmra", "pmdec")),
        ("columns pmra and pmdec", "in arcsec/yr?"),
    ),
    Case(
        MEDIAN,
        "proper motions in degrees a year",
        ingested(times(1 / 3.6e6, "pmra", "pmdec")),
        ("columns pmra and pmdec", "in deg/yr?"),
    ),
    Case(
        MEDIAN,
        "distances in kpc beside the parallaxes",
        ingested(
            lambda c: (
                times(1e-3, "r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo")(c),
                [in_rows(n, 1.5, *range(35, 40))(c) for n in c if n.startswith("r_")],
            )
        ),
        ("column r_med_photogeo", "in kpc? set units: {r_lo_photogeo: kpc"),
    ),
    Case(
        MEDIAN,
        "distances in light years beside the parallaxes",
        ingested(times(3.2616, "r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo")),
        ("column r_med_photogeo", "3.2", "those of the parallaxes"),
    ),
    Case(
        MEDIAN,
        "errors of magnitudes in per cent",
        ingested(times(100.0, *(f"{band}_error" for band in BANDS))),
        ("column mj_error", "in per cent of the flux"),
    ),
    Case(
        MEDIAN,
        "errors of the parallaxes in uas beside parallaxes in mas",
        ingested(lambda c: c.update(parallax_error=np.full(N, 30.0))),
        ("column parallax_error", "scatters by", "in per cent"),
        "warned",
    ),
    Case(
        MEDIAN,
        "absolute magnitudes",
        ingested(lambda c: c.update({band: c[band] - 14.5 for band in BANDS})),
        ("column mj", "absolute magnitudes"),
    ),
    Case(
        MEDIAN,
        "redshifts for velocities",
        ingested(times(1 / 299792.458, "radial_velocity")),
        ("column radial_velocity", "redshifts"),
    ),
    Case(
        MEDIAN,
        "a fit's reduced chi-square for RUWE",
        ingested(times(30.0, "ruwe")),
        ("column ruwe", "another statistic"),
        "warned",
    ),
    Case(COLOUR, "AB magnitudes of giants", ingested(all_bands_ab), ("colours are", "AB magnitudes")),
    Case(
        COLOUR,
        "stars behind far more dust than the map has",
        ingested(reddened(3.0)),
        ("redder than the extinction map has the field", "AB"),
        "warned",
    ),
    Case(
        COLOUR,
        "AB magnitudes in J and Ks alone",
        ingested(lambda c: (all_bands_ab(c), reddened(-0.3)(c), c.pop("mh"), c.pop("mh_error"))),
        ("the median J - Ks is", "are they AB magnitudes?"),
        "warned",
    ),
    Case(
        COLOUR,
        "J and Ks exchanged",
        ingested(lambda c: c.update(mj=c["mks"], mks=c["mj"])),
        ("colours are", "in another's column"),
    ),
    *(
        Case(ANGLE, f"{words[0]}, through ingest", ingested(change), words[1:])
        for change, words in (
            (in_hours, ("hours", "stars.parquet", "ra looks like hours: set units: {ra: hourangle}")),
            (in_radians, ("radians", "stars.parquet", "look like radians: set units: {ra: rad, dec: rad}")),
            (in_galactic, ("Galactic coordinates", "stars.parquet", "the angles look Galactic")),
        )
    ),
    Case(
        ANGLE,
        "hours that are declared are taken",
        taken(in_hours, units={"ra": "hourangle"}),
        outcome="taken",
    ),
    Case(
        ANGLE,
        "hours, through survey-sources",
        observed(in_hours),
        ("sources.parquet", "ra looks like hours"),
    ),
    *(
        Case(
            SOURCES,
            f"{value:.10g} in {name}",
            observed(in_rows(name, value, 2, 3, 4)),
            ("sources.parquet", "row 3 ", f"column {name}: {value:.10g}", "3 such rows", "`missing_values`"),
        )
        for name, value in (
            ("hw", -99.0),
            ("parallax", -9999.0),
            ("pmra", -0.9999995e9),
            ("radial_velocity", -9999.0),
            ("ruwe", 0.0),
            ("ra_error", 99999.0),
            ("parallax_error", -999.0),
            ("mj", 0.0),
        )
    ),
    Case(
        SOURCES,
        "motions in arcsec a year",
        observed(times(1e-3, "pmra", "pmdec")),
        ("columns pmra and pmdec", "in arcsec/yr?"),
    ),
    Case(
        SOURCES,
        "Hw of another system than J and H",
        observed(lambda c: c.update(hw=c["hw"] + 1.0), has_run=False),
        ("Hw lies +1.00 mag from",),
        "warned",
    ),
    Case(
        SOURCES,
        "stars at rest and far away",
        observed(times(0.0, "parallax", "pmra", "pmdec"), has_run=False),
        (),
        "taken",
    ),
    *(
        Case(PLATE, example, plates(change), ("plates.fits", *words))
        for example, change, words in (
            (
                "-999 in x and y",
                lambda c: [in_rows(n, -999.0, 1)(c) for n in "xy"],
                ("row 2 (star S1), column x: -999, like y",),
            ),
            (
                "two stars of a plate at 0, 0",
                lambda c: [in_rows(n, 0.0, 41, 42)(c) for n in "xy"],
                ("row 42 (star S1), column x: 0", "2 such rows"),
            ),
            ("99.99 for magnitudes", in_rows("magnitude", 99.99, 3, 4), ("row 4 ", "DAOPHOT", "2 such rows")),
            ("9.999 for errors", in_rows("sigma", 9.999, 3, 4), ("row 4 ", "column sigma_x: 9.999")),
            (
                "an error larger than the plate",
                in_rows("sigma", 2345.0, 3),
                ("row 4 ", "an error smaller than"),
            ),
            ("1e300 for x", in_rows("x", 1e300, 7), ("row 8 ", "column x: 1e+300", "a position")),
        )
    ),
    Case(
        PLATE,
        "one star of each plate at 0, 0",
        plates(lambda c: [in_rows(n, 0.0, 1, 41, 81)(c) for n in "xy"]),
        (),
        "taken",
    ),
    *(
        Case(PROJECT, f"{parameter or row}", projected(parameter, row), words)
        for parameter, row, words in (
            (
                "Fx,4.37",
                "",
                ("params.csv: line 11: Fx is 4.37", "a focal length from 10000", "another unit?"),
            ),
            ("det_p_x,1e-5", "", ("det_p_x is 1e-05", "a pixel size from 0.1 to 1000 um", "another unit?")),
            ("L,21.0", "", ("L is 21", "half the side of a square from 100")),
            ("pa,9999", "", ("pa is 9999", "an angle from -360 to 360 deg")),
            ("", "-9999,-29", ("rows.csv: line 2: ra_deg is -9999", "a right ascension")),
            ("", "266.2,-99", ("rows.csv: line 2: dec_deg is -99", "a declination")),
            ("", "17.74,-29.2", ("rows.csv: line 2", "is ra_deg in hours")),
        )
    ),
    Case(GOOD, "giants of the bulge", taken(unchanged), (), "taken"),
    Case(GOOD, "a cluster of hot stars", taken(blue_cluster), (), "taken"),
    Case(GOOD, "giants behind twice the map's extinction", taken(reddened(0.6)), (), "taken"),
    Case(
        GOOD,
        "a velocity of -99 km/s among others in whole km/s",
        taken(lambda c: c.update(radial_velocity=np.append(np.round(c["radial_velocity"][1:]), -99.0))),
        (),
        "taken",
    ),
]

test_values = table_test(CASES)
