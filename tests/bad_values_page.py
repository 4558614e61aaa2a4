"""Write docs/bad_values.md from the tables of bounds in `galcen.bounds` and the limits of medians.

Run it with the environment's Python after a change of them.
"""

from collections.abc import Mapping
from pathlib import Path

from galcen.bounds import BOUNDS, FEWEST_NINES, MAPPING_BOUNDS, MOST_NINES, PLATE_BOUNDS, STAND_INS, Bound
from galcen.io import plausible_astrometry as astrometry
from galcen.io import plausible_photometry as photometry
from galcen.io.sample import FEW, SOME

PAGE = Path(__file__).resolve().parent.parent / "docs/bad_values.md"

HEAD = """# Values that cannot be

Made by `.venv/bin/python tests/bad_values_page.py` from `src/galcen/bounds.py` and `src/galcen/io`; do not
edit.

Every table of stars that comes in (`catalogue.files`, `survey_sources.table`) is looked through row by row,
after its cuts and after its units were converted. A value beyond these bounds is an error that names the
file, the first such row, the column, the value and the number of such rows: the unit is another than the
table says, or the number stands for a missing value.

"""

TABLE = """| column | lowest | highest | unit | what comes nearest |
| --- | --- | --- | --- | --- |
"""

TAIL = """
Besides, a magnitude of exactly 0 is refused where two stars have it, or where the brightest other one is
fainter than 3 mag; so are ra = dec = 0 among other positions, a limit of a distance on its wrong side, and
a `gaia_source_id` below -1, or of 0 in two rows. Rows of such values are left
out by `cuts`.
"""

PLATES = """
Plates (`galcen joint-plates`), whatever the unit of x; an error must also be smaller than its plate, and one
star of an exposure at most lies at x = y = 0:

"""

MAPPING = """
Parameters and rows of `galcen project`:

"""

STAND_IN_HEAD = """
## Numbers that stand for missing values

A number that archives write where they have no value is refused in every column, as it stands in the table
before its unit is converted, until `missing_values` lists it. Where it could be a value as well (a radial
velocity of -99 km/s), it is refused if it stands in three or more rows, and in many more than the values
within ten per cent of it that are as round let expect; or in one or two rows, if no other is within ten per
cent and nine tenths of the others have more digits. Numbers are compared in single precision.

| number | who writes it |
| --- | --- |
"""

MEDIAN_HEAD = """
## Medians that cannot be

A wrong unit changes every row. Medians are judged of some of the rows of long tables, and where there are
enough stars. "Refused" is an error, "warned" a line in the log of the job.

| found | stars | then | question |
| --- | --- | --- | --- |
"""

COLOURS = f"""
Colours are compared with those of all stars behind any dust. J - H may be {photometry.REDDEST[0]} +
{photometry.MARGIN} + (s + {photometry.MARGIN}) (H - Ks - {photometry.REDDEST[1]}) at most, where s is the
steepest E(J-H) / E(H-Ks) of the laws of extinction that galcen has, in the quadrants of the stars:
{photometry.REDDEST} are the colours of the M giants that lie farthest from the line of reddening. AB
magnitudes of giants behind E(J-Ks) up to 1 and more, by the law, lie beyond it; those of stars behind much
more dust do not. Stars redder than J - Ks = {photometry.REDDEST_JK} + {photometry.MAP_MARGIN} +
{photometry.MAP_FACTOR} E(J-Ks) of the extinction map are a
warning, for they may be variables with dust of their own. The map is asked for in blocks of 0.25 deg
(`resources/reddening_excerpt.csv`), so that no model has to be made before. With one magnitude, or with J and
H of the AB system alone, nothing can be told.
"""


def bound_rows(bounds: Mapping[str, Bound]) -> str:
    """Lines of a table, one for all columns of a bound."""
    rows: dict[tuple, list[str]] = {}
    for name, bound in bounds.items():
        rows.setdefault((bound.low, bound.high, bound.unit, bound.source), []).append(f"`{name}`")
    return "".join(
        f"| {', '.join(names)} | {low:g} | {high:g} | {unit} | {source} |\n"
        for (low, high, unit, source), names in rows.items()
    )


def median_rows() -> str:
    """Lines of the table of medians."""
    hours = "hours, radians, exchanged or Galactic?"
    rows = [
        (
            "nine tenths of the stars lie where they are expected once ra is read otherwise",
            1,
            "refused",
            hours,
        ),
        (f"parallax below {astrometry.SMALLEST_PARALLAX} mas", FEW, "refused", "in arcsec?"),
        (f"parallax above {astrometry.LARGEST_PARALLAX:g} mas", SOME, "warned", "in uas?"),
        (
            f"proper motion below {astrometry.SMALLEST_MOTION} mas/yr",
            FEW,
            "refused",
            "in arcsec/yr or deg/yr?",
        ),
        (f"proper motion above {astrometry.LARGEST_MOTION:g} mas/yr", SOME, "warned", "in uas/yr?"),
        (f"radial velocity below {astrometry.SMALLEST_VELOCITY} km/s", SOME, "refused", "redshifts?"),
        (
            f"distances not within a factor {astrometry.AGREEMENT:g} of those of parallaxes of "
            f"{astrometry.SIGNIFICANT:g} errors or more",
            FEW,
            "refused",
            "in kpc?",
        ),
        (
            f"distance below {astrometry.NEAREST_MEDIAN:g} pc, without such parallaxes",
            FEW,
            "refused",
            "in kpc?",
        ),
        (
            f"errors of parallax, motion or velocity above {astrometry.TOO_WIDE:g} times the scatter of "
            "the values",
            SOME,
            "warned",
            "in per cent?",
        ),
        (
            f"a tenth of the parallaxes below -{astrometry.TOO_NARROW:g} errors",
            SOME,
            "warned",
            "errors in arcsec?",
        ),
        ("RUWE not from 0.5 to 5", SOME, "warned", "another statistic?"),
        (f"magnitude below {photometry.BRIGHTEST_MEDIAN:g}", SOME, "refused", "absolute magnitudes, fluxes?"),
        (f"error above {photometry.WORST_MEDIAN_ERROR:g} mag", SOME, "refused", "in per cent, in mmag?"),
        (
            f"J - H, H - Ks or J - Ks below {photometry.BLUEST}; J - H below {photometry.STEEPEST} (H - Ks); "
            "J - H above that of any star behind any dust",
            SOME,
            "refused",
            "another band, AB magnitudes?",
        ),
        ("J - Ks redder than the extinction map allows", SOME, "warned", "AB magnitudes?"),
        (
            f"J - Ks below {photometry.BLUE_FIELD} behind E(J-Ks) above {photometry.REDDENED}, without H",
            SOME,
            "warned",
            "AB magnitudes?",
        ),
        (f"Hw not within {photometry.HW_OFFSET} mag of 0.8 J + 0.2 H", SOME, "warned", "of one system?"),
        (
            "one number in three rows or more, and in five times as many as any other",
            3,
            "warned",
            "a missing value?",
        ),
    ]
    return "".join(f"| {found} | {n} | {then} | {question} |\n" for found, n, then, question in rows)


def page() -> str:
    """The text of the page."""
    known = "".join(f"| {one.value:.10g} | {one.archive} |\n" for one in STAND_INS)
    nines = (
        f"| 99, 999 and so on to {MOST_NINES} nines, and {FEWEST_NINES} to {MOST_NINES} nines with decimals "
        "(9.99, 99.9), of either sign | many archives |\n"
    )
    parts = [HEAD, TABLE, bound_rows(BOUNDS), TAIL, PLATES, TABLE, bound_rows(PLATE_BOUNDS)]
    parts += [MAPPING, TABLE, bound_rows(MAPPING_BOUNDS), STAND_IN_HEAD, known, nines]
    return "".join([*parts, MEDIAN_HEAD, median_rows(), COLOURS])


if __name__ == "__main__":
    PAGE.write_text(page())
