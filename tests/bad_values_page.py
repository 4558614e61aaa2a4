"""Write docs/bad_values.md from the table of bounds in `galcen.bounds`.

Run it with the environment's Python after a change of that table.
"""

from pathlib import Path

from galcen.bounds import BOUNDS, FEWEST_NINES, MOST_NINES, STAND_INS

PAGE = Path(__file__).resolve().parent.parent / "docs/bad_values.md"

HEAD = """# Values that cannot be

Made by `.venv/bin/python tests/bad_values_page.py` from `src/galcen/bounds.py`; do not edit.

Every table of stars that comes in (`catalogue.files`, `survey_sources.table`) is looked through row by row,
after its cuts and after its units were converted. A value beyond these bounds is an error that names the
file, the first such row, the column, the value and the number of such rows: the unit is another than the
table says, or the number stands for a missing value.

| column | lowest | highest | unit | what comes nearest |
| --- | --- | --- | --- | --- |
"""

TAIL = """
Besides, a magnitude of exactly 0 is refused where two stars have it, or where the brightest other one is
fainter than 3 mag; so are ra = dec = 0 among other positions, and a limit of a distance on its wrong side.
"""

STAND_IN_HEAD = """
## Numbers that stand for missing values

A number that archives write where they have no value is refused in every column, as it stands in the table
before its unit is converted, until `missing_values` lists it. Where it could be a value as well (a radial
velocity of -99 km/s), it is refused if it stands alone: more rows have exactly this number than have another
within ten per cent of it, and there are three or more of them, or nine tenths of the other values have more
digits. Numbers are compared in single precision.

| number | who writes it |
| --- | --- |
"""


def page() -> str:
    """The text of the page."""
    rows: dict[tuple, list[str]] = {}
    for name, bound in BOUNDS.items():
        rows.setdefault((bound.low, bound.high, bound.unit, bound.source), []).append(f"`{name}`")
    lines = [
        f"| {', '.join(names)} | {low:g} | {high:g} | {unit} | {source} |"
        for (low, high, unit, source), names in rows.items()
    ]
    known = [f"| {one.value:.10g} | {one.archive} |" for one in STAND_INS]
    nines = (
        f"| 99, 999 and so on to {MOST_NINES} nines, and {FEWEST_NINES} to {MOST_NINES} nines with decimals "
        "(9.99, 99.9), of either sign | many archives |"
    )
    return HEAD + "\n".join(lines) + "\n" + TAIL + STAND_IN_HEAD + "\n".join([*known, nines]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
