"""Skies of unknown extinction, stars without magnitudes, runs without stars, tables of directions."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord

from bad_case import Case, galcen, table_test
from galcen import config
from galcen.io.hdf5 import read_table, write_table
from galcen.io.schema import OBSERVED, TRUTH
from galcen.stages import complete, ingest, truth
from galcen.stages.galaxy_model import build_outside, known_sightlines

OFF_MAP = {"l_min": 68.0, "l_max": 70.0, "b_min": 9.0, "b_max": 11.0}
FIELD = {"l_min": 0.0, "l_max": 0.2, "b_min": -6.1, "b_max": -5.9}
TILE, FIELD_TILE = "s09920_3960", "t380_156"
KEPLER = "290.90,36.87,7.50,0.02,1.40,0.03"
GIANTS = "ra,dec,mks,mks_error,parallax,parallax_error\n" + KEPLER + "\n290.91,36.80,8.50,0.02,0.90,0.03\n"
SKY = "sky without extinction"
DARK = "stars without magnitudes"
NOTHING = "runs without stars"
PLACES = "directions of a table"
FOUND = "extinction off the map"


def sections(text: str) -> Callable[[Path], None]:
    """A configuration file of this text, loaded."""

    def run(folder: Path) -> None:
        (folder / "mine.yaml").write_text(text)
        config.load(folder / "mine.yaml")

    return run


def taken_in(
    text: str,
    footprint: dict[str, float] = OFF_MAP,
    extinction: dict[str, Any] | None = None,
    rows: int | None = None,
    others: tuple[dict[str, Any], ...] = (),
    **table: Any,
) -> Callable[[Path], None]:
    """A CSV table of this text, ingested; `rows` of it are kept in one tile."""

    def run(folder: Path) -> None:
        path = folder / "stars.csv"
        path.write_text(text)
        names = text.partition("\n")[0].split(",")
        mine = {
            "name": "S",
            "path": str(path),
            "columns": {name: name for name in names},
            "epoch": 2016.0,
        } | table
        options = {
            "footprint": footprint,
            "tiling": {"cells_per_side": 80},
            "extinction": extinction or {},
            "catalogue": {"source": "files", "files": [mine, *others], "selection": None},
        }
        ingest.run("S", folder / "out" / "S", options)
        stars = [read_table(tile, OBSERVED) for tile in sorted((folder / "out" / "S").iterdir())]
        assert sum(len(tile["ra"]) for tile in stars) == rows

    return run


def outside(text: str, name: str = "dust.csv", **screen: float) -> Callable[[Path], Any]:
    """The model's extinction off the map, from a table of this text."""

    def run(folder: Path) -> Any:
        (folder / "dust.csv").write_text(text)
        values = {"outside": str(folder / name)} | ({"screen": screen} if screen else {})
        return build_outside(config.parse({"extinction": values}).extinction)

    return run


def looked_up(folder: Path) -> None:
    """A direction 5 deg away from the only row of the table."""
    dust = outside("glon,glat,a_ks\n69,10,0.05\n")(folder)
    bulge = SimpleNamespace(
        mean=np.zeros((760, 580)),
        sub_index=np.full((760, 580), -1),
        sub_cells=np.empty((0, 5, 5)),
        lon_first_deg=-9.4875,
        lat_first_deg=-9.9875,
    )
    frame = SimpleNamespace(sun_distance=8160.0)
    galaxy: Any = SimpleNamespace(reddening=bulge, law="WC19", sub_cells=False, outside=dust, frame=frame)
    names = np.array(["source_id 1", "source_id 2"])
    known_sightlines(galaxy, np.array([69.2, 74.0]), np.array([10.0, 10.0]), None, names)


def in_equatorial(folder: Path) -> None:
    """Right ascension and declination are turned into Galactic coordinates."""
    dust = outside("ra,dec,a_ks\n290.9,36.87,0.05\n56.75,24.12,0.04\n")(folder)
    at = SkyCoord([290.9, 56.75], [36.87, 24.12], unit="deg").galactic
    np.testing.assert_allclose(dust.at(at.l.deg, at.b.deg), [0.05, 0.04])
    assert np.isnan(dust.at(np.array([0.0]), np.array([80.0])))[0]


def behind_a_screen(folder: Path) -> None:
    assert outside("l,b,a_ks\n209,-19.4,0.3\n", distance=400.0)(folder).screen == 400.0


def merged(stars: dict[str, Any], selection: dict[str, Any] | None) -> Callable[[Path], None]:
    """One survey of one tile, completed."""

    def run(folder: Path) -> None:
        n = len(next(iter(stars.values())))
        table = {c.name: np.full(n, np.nan if c.dtype == "f8" else -1, c.dtype) for c in OBSERVED.columns}
        place = SkyCoord(np.full(n, 0.1), -6.0 + 0.01 * np.arange(n), unit="deg", frame="galactic")
        table |= {"source_id": np.arange(n), "ra": place.icrs.ra.deg, "dec": place.icrs.dec.deg}
        table |= {"glon": place.l.deg, "glat": place.b.deg, "ref_epoch": np.full(n, 2016.0)}
        table |= {name: np.array(values, dtype=float) for name, values in stars.items()}
        write_table(folder / "S" / f"{FIELD_TILE}.h5", OBSERVED, table, {})
        mine = {"name": "S", "path": "s.csv", "columns": {"ra": "ra", "dec": "dec", "mks": "k"}}
        options = {
            "footprint": FIELD,
            "tiling": {"cells_per_side": 80},
            "catalogue": {"source": "files", "files": [mine], "selection": selection},
        }
        complete.run(FIELD_TILE, folder, folder / "out" / f"{FIELD_TILE}.h5", options)

    return run


def without_stars(counts: str) -> Callable[[Path], None]:
    """The tiles of a run that has lost all of its stars."""

    def run(folder: Path) -> None:
        empty = {column.name: np.empty(0, column.dtype) for column in TRUTH.columns}
        for name in ("t380_156", "t380_160"):
            write_table(folder / "mock" / f"{name}.h5", TRUTH, empty, {"counts": counts})
        footprint = {"l_min": 0.0, "l_max": 0.1, "b_min": -6.1, "b_max": -5.9}
        mine = {"name": "S", "path": "s.csv", "columns": {"ra": "ra", "dec": "dec", "mks": "k"}}
        options = {
            "footprint": footprint,
            "tiling": {"cells_per_side": 4},
            "catalogue": {"source": "files", "files": [mine], "selection": {"bright": 8.0, "faint": 12.0}},
        }
        truth.run(folder / "mock", folder / "out" / "truth.h5", options)

    return run


def places(text: str, *words: str) -> Callable[[Path], None]:
    """`galcen sightline --table` of a table of this text."""

    def run(folder: Path) -> None:
        (folder / "places.csv").write_text(text)
        galcen("sightline", "--table", folder / "places.csv", *words)

    return run


def tiles(text: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        (folder / "mine.yaml").write_text(text)
        galcen("tiles", "--config", folder / "mine.yaml")

    return run


KEPLER_YAML = "footprint: {l_min: 68.0, l_max: 70.0, b_min: 9.0, b_max: 11.0}\n"
PARALLAXES = "ra,dec,parallax,parallax_error\n272.55,-31.76,2.50,0.05\n272.56,-31.77,0.30,0.20\n"
TABLE = "files: [{name: S, path: s.csv, epoch: 2016.0, columns: {ra: ra, dec: dec, "

CASES = [
    Case(SKY, "a footprint off the map", sections(KEPLER_YAML), ("footprint", "set extinction.outside")),
    Case(
        SKY,
        "a footprint half off the map",
        sections("footprint: {l_min: 9.0, l_max: 10.0}\n"),
        ("reaches off the extinction map", "extinction.outside"),
    ),
    Case(SKY, "a longitude of 291 deg", sections("footprint: {l_min: 290.0, l_max: 292.0}\n"), ("l_max",)),
    Case(
        SKY,
        "the whole sphere in small tiles",
        tiles("extinction: {outside: 0.1}\nfootprint: {l_min: -180, l_max: 180, b_min: -90, b_max: 90}\n"),
        ("1,620,000 tiles", "cells_per_side"),
    ),
    Case(
        SKY, "a star off the map", taken_in(GIANTS), ("row 1", "off the extinction map", "extinction.outside")
    ),
    Case(
        SKY,
        "an extinction for all of them",
        taken_in(GIANTS, extinction={"outside": 0.05}, rows=2),
        (),
        "taken",
    ),
    Case(
        SKY,
        "a screen for all of them",
        taken_in(GIANTS, extinction={"screen": {"distance": 300.0, "a_ks": 0.05}}, rows=2),
        (),
        "taken",
    ),
    Case(
        SKY,
        "each star's own extinction",
        taken_in(f"ra,dec,mks,mks_error,parallax,parallax_error,a_ks\n{KEPLER},0.04\n", rows=1),
        (),
        "taken",
    ),
    Case(
        SKY,
        "one star without its own",
        taken_in(f"ra,dec,mks,mks_error,parallax,parallax_error,a_ks\n{KEPLER},0.04\n{KEPLER},\n"),
        ("row 2", "extinction.outside", "a_ks"),
    ),
    Case(
        SKY,
        "another table has the extinctions",
        taken_in(
            GIANTS,
            rows=2,
            others=(
                {
                    "name": "D",
                    "path": "d.csv",
                    "columns": {"ra": "ra", "dec": "dec", "mks": "k", "a_ks": "a"},
                },
            ),
        ),
        (),
        "taken",
    ),
    Case(
        SKY,
        "a negative extinction of a star",
        taken_in(f"ra,dec,mks,mks_error,parallax,parallax_error,a_ks\n{KEPLER},-0.04\n"),
        ("row 1", "a_ks", "an extinction in Ks"),
    ),
    Case(SKY, "a negative number", sections("extinction: {outside: -0.1}\n"), ("extinction.outside",)),
    Case(SKY, "yes for a number", sections("extinction: {outside: true}\n"), ("extinction.outside",)),
    Case(SKY, "30 mag", sections("extinction: {outside: 30}\n"), ("extinction.outside",)),
    Case(
        SKY,
        "a screen without extinction",
        sections("extinction: {screen: {distance: 400}}\n"),
        ("screen.a_ks", "outside"),
    ),
    Case(
        SKY,
        "two extinctions",
        sections("extinction: {outside: 0.1, screen: {distance: 400, a_ks: 0.1}}\n"),
        ("both given",),
    ),
    Case(
        SKY,
        "a screen at 0 pc",
        sections("extinction: {screen: {distance: 0, a_ks: 0.1}}\n"),
        ("extinction.screen.distance",),
    ),
    Case(FOUND, "no such table", outside("", "nowhere.csv"), ("nowhere.csv", "does not exist")),
    Case(FOUND, "no column a_ks", outside("glon,glat,a_v\n69,10,0.5\n"), ("dust.csv", "a_ks")),
    Case(FOUND, "no directions", outside("x,y,a_ks\n69,10,0.5\n"), ("dust.csv", "glon and glat")),
    Case(FOUND, "no rows", outside("glon,glat,a_ks\n"), ("dust.csv", "at least one row")),
    Case(
        FOUND,
        "an empty cell",
        outside("glon,glat,a_ks\n69,10,0.5\n69,11,\n"),
        ("row 2, column a_ks: missing",),
    ),
    Case(
        FOUND, "a latitude of 100 deg", outside("glon,glat,a_ks\n69,100,0.5\n"), ("row 1, column glat: 100",)
    ),
    Case(FOUND, "a sentinel", outside("glon,glat,a_ks\n69,10,-999\n"), ("row 1, column a_ks: -999",)),
    Case(FOUND, "a star 5 deg from the table", looked_up, ("source_id 2", "more than 1 deg", "1 of 2")),
    Case(FOUND, "a table of ra and dec", in_equatorial, (), "taken"),
    Case(FOUND, "a table behind a screen", behind_a_screen, (), "taken"),
    Case(
        DARK,
        "parallaxes without errors",
        sections(f"catalogue: {{source: files, selection: null, {TABLE} parallax: p}}}}]}}\n"),
        ("parallax with parallax_error",),
    ),
    Case(
        DARK,
        "parallaxes alone and limits in Ks",
        sections(f"catalogue: {{source: files, {TABLE} parallax: p, parallax_error: e}}}}]}}\n"),
        ("selection.band = Ks", "selection: null"),
    ),
    Case(DARK, "parallaxes alone", taken_in(PARALLAXES, FIELD, rows=2), (), "taken"),
    Case(
        DARK,
        "parallaxes and empty magnitudes",
        taken_in(
            "ra,dec,parallax,parallax_error,mks,mks_error\n272.55,-31.76,2.50,0.05,,\n272.56,-31.77,0.3,0.2,,\n",
            FIELD,
            rows=2,
        ),
        (),
        "taken",
    ),
    Case(
        DARK,
        "some with neither",
        taken_in("ra,dec,parallax,parallax_error\n272.55,-31.76,2.50,0.05\n272.56,-31.77,,\n", FIELD, rows=1),
        (),
        "taken",
    ),
    Case(
        DARK,
        "left out by a selection",
        merged({"mks": [10.0, np.nan], "parallax_obs": [np.nan, 2.5]}, {"bright": 8.0, "faint": 12.0}),
        ("1 stars have a parallax and no magnitude", "selection: null"),
        "warned",
    ),
    Case(
        DARK,
        "a limit in Hw",
        sections("posterior: {limit: {band: Hw, faint: 16}}\n"),
        ("posterior.limit.band",),
    ),
    Case(
        DARK,
        "a limit that is turned round",
        sections("posterior: {limit: {bright: 16, faint: 8}}\n"),
        ("bright = 16", "faint = 8"),
    ),
    Case(
        NOTHING,
        "neither magnitudes nor parallaxes",
        taken_in("ra,dec,parallax,parallax_error\n272.55,-31.76,,\n", FIELD),
        ("1 have neither magnitude nor parallax",),
    ),
    Case(
        NOTHING,
        "all outside the selection",
        merged({"mks": [14.0, 15.0, np.nan]}, {"bright": 8.0, "faint": 12.0}),
        ("no star is left", "1 have no Ks magnitude and 2 lie outside 8 < Ks < 12", "catalogue.selection"),
    ),
    Case(
        NOTHING,
        "no star in any tile",
        without_stars('{"merged": 7, "no_magnitude": 3, "outside_limits": 4}'),
        ("any of 2 tiles", "6 have no Ks", "8 lie outside 8 < Ks < 12"),
    ),
    Case(NOTHING, "no star in any survey", without_stars('{"merged": 0}'), ("have none in the footprint",)),
    Case(
        PLACES, "no directions", places("x,y\n1,2\n"), ("places.csv", "glon and glat, l and b, or ra and dec")
    ),
    Case(PLACES, "a row without latitude", places("l,b\n1,-2\n2,\n"), ("row 2, column b: missing",)),
    Case(PLACES, "a latitude of 95 deg", places("l,b\n1,95\n"), ("row 1, column b: 95",)),
    Case(PLACES, "text for a number", places("l,b\n1,north\n"), ("places.csv", "b", "north")),
    Case(PLACES, "no rows", places("l,b\n"), ("places.csv", "at least one row")),
    Case(
        PLACES,
        "a table and a direction",
        places("l,b\n1,2\n", "--l", "1", "--b", "2"),
        ("--l and --b, or --table",),
    ),
    Case(PLACES, "neither", lambda folder: galcen("sightline"), ("--l and --b, or --table",)),
    Case(PLACES, "an unknown format", places("l,b\n1,2\n", "--format", "xml"), ("--format xml",)),
]

test_sky = table_test(CASES)
