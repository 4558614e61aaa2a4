"""Positions of stars on plates, of whatever origin, in one structure, with every fault named.

`star_lists` and `challenge_plates` read other forms than the plain tables read here.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.bounds import PLATE_BOUNDS
from galcen.errors import SchemaError
from galcen.io.frames import julian_years
from galcen.io.row_checks import Place, refuse_impossible_plates, stand_ins
from galcen.io.table_columns import Kind
from galcen.io.table_formats import read_batches

log = logging.getLogger(__name__)

FEWEST_STARS = 3
"""An exposure of fewer stars tells no more than where it points and how it is turned."""

REQUIRED = ("star", "exposure", "x", "y")
LENGTHS = ("x", "y", "sigma", "sigma_x", "sigma_y")
LEAVE_OUT = "set `unusable_rows` to leave_out to do without such rows"
"""What errors of rows say, as lists of reducers have rows without a measurement."""
KNOWN = (*REQUIRED, "sigma", "sigma_x", "sigma_y", "t", "magnitude")


class Plates(NamedTuple):
    """Observed positions; sorted by exposure and star, both by name."""

    star_names: tuple[str, ...]
    exposure_names: tuple[str, ...]
    star: Int[np.ndarray, " n_obs"]  # place in star_names
    exposure: Int[np.ndarray, " n_obs"]  # place in exposure_names
    x: Float[np.ndarray, " n_obs"]  # [unit]
    y: Float[np.ndarray, " n_obs"]
    sigma_x: Float[np.ndarray, " n_obs"]
    sigma_y: Float[np.ndarray, " n_obs"]
    magnitude: Float[np.ndarray, " n_obs"]  # NaN where not given
    epoch: Float[np.ndarray, " n_exp"]  # [yr]
    unit: str  # of x, y and sigma


class Rows(NamedTuple):
    """Rows of one file before they are put together."""

    path: Path
    row: Int[np.ndarray, " n"]
    star: np.ndarray  # names
    exposure: np.ndarray  # names
    columns: dict[str, Float[np.ndarray, " n"]]  # x, y, sigma_x, sigma_y, t, magnitude
    unit: str


def read_tables(
    paths: Sequence[Path],
    columns: Mapping[str, str],
    sigma: float | None = None,
    form: str = "auto",
    leave_out: bool = False,
) -> Plates:
    """Plates from tables with one row per observation, in any format of `table_formats`.

    Parameters
    ----------
    paths
        The tables; an exposure may be spread over several.
    columns
        Name here -> name in the tables: star, exposure, x, y, and sigma or sigma_x and sigma_y, and where
        there are any t [Julian year] and magnitude.
    sigma
        Error of every position [unit of x]; for tables without one.
    form
        Format of the tables.
    leave_out
        Do without rows that cannot be used, with a warning (see `usable_rows`), instead of refusing them.

    Raises
    ------
    SchemaError
        A column is missing, or a row at fault (see `assemble`).
    """
    origin = f"{paths[0]}: column map"
    unknown = sorted(set(columns) - set(KNOWN))
    missing = [name for name in REQUIRED if name not in columns]
    if unknown or missing:
        what = f"unknown name {unknown[0]}" if unknown else f"{missing[0]} is not mapped"
        raise SchemaError(f"{origin}: {what}; known are {', '.join(KNOWN)}")
    has_two = "sigma_x" in columns and "sigma_y" in columns
    if sigma is None and not has_two and "sigma" not in columns:
        raise SchemaError(
            f"{origin}: no errors; map sigma, or sigma_x and sigma_y, or give one error with `sigma`"
        )
    parts = [_read_table(path, columns, sigma, form) for path in paths]
    return assemble([usable_rows(part) for part in parts] if leave_out else parts)


def _read_table(path: Path, columns: Mapping[str, str], sigma: float | None, form: str) -> Rows:
    kinds: dict[str, Kind] = {
        column: "text" if name in ("star", "exposure") else "number" for name, column in columns.items()
    }
    batches = list(read_batches(path, form, kinds))
    if not batches:
        raise SchemaError(f"{path}: the table has no rows; expected at least one observation")
    found = {
        name: np.concatenate([batch.columns[column].values for batch in batches])
        for name, column in columns.items()
    }
    unit = _unit(
        path, {columns[name]: batches[0].columns[columns[name]].unit for name in columns if name in LENGTHS}
    )
    rows = np.arange(1, len(found["x"]) + 1)
    if "t" in found:
        unit_of_t = batches[0].columns[columns["t"]].unit
        found["t"] = julian_years(found["t"], unit_of_t, path, columns["t"], rows)
    numbers = {name: values for name, values in found.items() if name not in ("star", "exposure")}
    one = numbers.pop("sigma", None)
    if one is None and sigma is not None:
        one = np.full(len(found["x"]), sigma)
    if one is not None:
        numbers = {"sigma_x": one, "sigma_y": one, **numbers}
    return Rows(path, rows, found["star"], found["exposure"], numbers, unit)


def _unit(path: Path, units: Mapping[str, str | None]) -> str:
    """The one unit of positions and errors; columns without one have that of the others."""
    given = {column: unit for column, unit in units.items() if unit}
    if len(set(given.values())) > 1:
        (one, unit), (two, other) = sorted(given.items(), key=lambda item: item[1])[:: len(given) - 1]
        raise SchemaError(f"{path}: {one} is in {unit}, {two} in {other}; expected the same unit")
    return next(iter(given.values()), "")


def assemble(parts: Sequence[Rows]) -> Plates:
    """One set of plates from the rows of all files.

    Raises
    ------
    SchemaError
        A name is empty, a position is no number, an error is not above nought, a star stands twice in an
        exposure, an exposure has two epochs or fewer than three stars, the files differ in unit.
    """
    for part in parts:
        check_rows(part)
        if part.unit != parts[0].unit:
            raise SchemaError(
                f"{part.path}: x is in {part.unit or 'no unit'}, in {parts[0].path} in "
                f"{parts[0].unit or 'no unit'}; expected the same unit in all files"
            )
    star_names, star = np.unique(np.concatenate([part.star for part in parts]), return_inverse=True)
    names, exposure = np.unique(np.concatenate([part.exposure for part in parts]), return_inverse=True)
    file = np.repeat(np.arange(len(parts)), [len(part.star) for part in parts])
    row = np.concatenate([part.row for part in parts])
    order = np.lexsort((row, file, star, exposure))
    star, exposure, file, row = star[order], exposure[order], file[order], row[order]

    def column(name: str) -> np.ndarray:
        missing = [np.full(len(part.star), np.nan) for part in parts]
        values = [part.columns.get(name, empty) for part, empty in zip(parts, missing, strict=True)]
        return np.concatenate(values)[order]

    def place(at: int) -> str:
        return f"{parts[file[at]].path}: row {row[at]}"

    again = np.flatnonzero((star[1:] == star[:-1]) & (exposure[1:] == exposure[:-1]))
    if len(again):
        first = int(again[0])
        raise SchemaError(
            f"{place(first + 1)}: star {star_names[star[first]]} is in exposure "
            f"{names[exposure[first]]} already, in {place(first)} ({len(again)} such rows); a star has one "
            "position on an exposure: leave one out, or name the exposures apart"
        )
    count = np.bincount(exposure)
    if count.min() < FEWEST_STARS:
        least = int(np.argmin(count))
        raise SchemaError(
            f"{place(int(np.searchsorted(exposure, least)))}: exposure {names[least]} has {count[least]} "
            f"stars, expected {FEWEST_STARS} at least; leave it out"
        )
    epoch = _epochs(column("t"), exposure, names, place)
    numbers = [column(name) for name in ("x", "y", "sigma_x", "sigma_y", "magnitude")]
    return Plates(
        tuple(star_names.tolist()), tuple(names.tolist()), star, exposure, *numbers, epoch, parts[0].unit
    )


def usable_rows(part: Rows) -> Rows:
    """The rows that have a position and an error, with a warning of how many were left out and why.

    Magnitudes that no star has, such as 99.999, are taken as missing: a position counts without one.

    Raises
    ------
    SchemaError
        No row is left.
    """
    columns = dict(part.columns)
    x, y = columns["x"], columns["y"]
    nowhere = ~np.isfinite(x) | ~np.isfinite(y) | ((x == 0) & (y == 0))
    for _, _, where in stand_ins(x, x == y, x == y):
        nowhere |= where
    if nowhere.all():
        raise SchemaError(f"{part.path}: no row has a position; see the column map")
    extent = np.hypot(np.ptp(x[~nowhere]), np.ptp(y[~nowhere]))
    wrong = np.zeros(len(x), dtype=bool)
    for name in ("sigma_x", "sigma_y"):
        values = columns[name]
        wrong |= ~((values > 0) & (values <= extent))
        for _, _, where in stand_ins(values, np.isfinite(values), wrong):
            wrong |= where
    dark = _dark(columns)
    if dark.any():
        columns["magnitude"] = np.where(dark, np.nan, columns["magnitude"])
    bad = nowhere | wrong
    if bad.all():
        raise SchemaError(f"{part.path}: no row has a position and an error above 0; see the column map")
    for which, what in (
        (nowhere, "left out: without a position"),
        (wrong & ~nowhere, "left out: without an error above 0 that can be"),
        (dark & ~bad, "used without their magnitudes, which stand for none"),
    ):
        if which.any():
            first = int(np.argmax(which))
            count = f"{np.count_nonzero(which)} of {len(which)} rows"
            example = f"the first is row {part.row[first]}, star {part.star[first]}"
            log.warning("%s: %s are %s (%s)", part.path, count, what, example)
    kept = {name: values[~bad] for name, values in columns.items()}
    return Rows(part.path, part.row[~bad], part.star[~bad], part.exposure[~bad], kept, part.unit)


def _dark(columns: Mapping[str, Float[np.ndarray, " n"]]) -> Bool[np.ndarray, " n"]:
    """Which magnitudes stand for none."""
    values, bound = columns.get("magnitude", np.full(len(columns["x"]), np.nan)), PLATE_BOUNDS["magnitude"]
    dark = (values < bound.low) | (values > bound.high)
    for _, _, where in stand_ins(values, np.isfinite(values), dark):
        dark |= where
    return dark


def check_rows(part: Rows) -> None:
    """Refuse values that cannot be; the first row at fault is named."""

    def refuse(bad: np.ndarray, what: str, values: np.ndarray, expected: str) -> None:
        if bad.any():
            first = int(np.argmax(bad))
            raise SchemaError(
                f"{part.path}: row {part.row[first]} (star {part.star[first]}): {what} is {values[first]}, "
                f"expected {expected} ({np.count_nonzero(bad)} such rows)"
            )

    for name, values in (("the star's name", part.star), ("the exposure's name", part.exposure)):
        refuse(values == "", name, np.where(values == "", "empty", values), "a name")
    for name in ("x", "y"):
        values = part.columns[name]
        refuse(~np.isfinite(values), name, values, f"a finite number; {LEAVE_OUT}")
    for name in ("sigma_x", "sigma_y"):
        values = part.columns[name]
        refuse(
            ~(np.isfinite(values) & (values > 0)),
            name,
            values,
            f"an error above 0, in the unit of x; {LEAVE_OUT}",
        )
    if "t" in part.columns:
        values = part.columns["t"]
        strange = ~((values > 1800) & (values < 2200))
        refuse(strange, "t", values, "a Julian year from 1800 to 2200")
    place = Place(str(part.path), {}, part.row, part.star, "star", LEAVE_OUT, None)
    refuse_impossible_plates(place, part.exposure, part.columns)


def _epochs(
    t: Float[np.ndarray, " n_obs"],
    exposure: Int[np.ndarray, " n_obs"],
    names: np.ndarray,
    place: Callable[[int], str],
) -> Float[np.ndarray, " n_exp"]:
    """Epoch of each exposure; J2000 for all where none is given."""
    if np.isnan(t).all():
        return np.full(len(names), 2000.0)
    first = np.searchsorted(exposure, np.arange(len(names)))
    other = np.flatnonzero(t != t[first][exposure])
    if len(other):
        at = int(other[0])
        raise SchemaError(
            f"{place(at)}: t = {t[at]} in exposure {names[exposure[at]]}, other rows of it have "
            f"{t[first[exposure[at]]]}; expected one epoch for each exposure"
        )
    return t[first]
