"""Star lists of reduction programs: one file per exposure, one line per star.

The names of the columns are those of flystar unless they are mapped.
Reference: Lu et al., https://github.com/MovingUniverseLab/flystar
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from galcen.errors import ConfigError, SchemaError
from galcen.io.list_text import TextList, read_text
from galcen.io.plates import Rows, check_rows, usable_rows

COLUMNS = {
    "star": "name",
    "magnitude": "m",
    "t": "t",
    "x": "x",
    "y": "y",
    "sigma_x": "xe",
    "sigma_y": "ye",
}
"""Our name of a column -> name in the lists of flystar."""

ENDINGS = (".lis", ".calib", ".starlist", ".dat", ".xym", ".xyme")
"""Of files that are taken for star lists."""

SAME_EPOCH = 0.01
"""Difference between the epochs of a list and of the options up to which they are the same [yr]."""

NUMBERED = re.compile(r"\d*star_\d+")
"""Names that are mere numbers of a list by flystar's convention: the same one is another star elsewhere."""


class ListColumns(NamedTuple):
    """How star lists are read."""

    given: Mapping[str, str | None] = {}
    """Our name of a column -> name or number in the lists; None for a column that shall not be read."""
    sigma: float | None = None
    """Error of every position where there is none [unit of x]."""
    epochs: Mapping[str, float] = {}
    """Epoch of exposures by name [Julian year]."""
    leave_out: bool = False
    """Do without rows that cannot be used, with a warning, instead of refusing them."""

    @property
    def wanted(self) -> dict[str, str]:
        """All columns that are looked for."""
        default = dict(COLUMNS)
        if "sigma" in self.given:
            del default["sigma_x"], default["sigma_y"]
        return {ours: theirs for ours, theirs in {**default, **self.given}.items() if theirs is not None}


def is_numbered(names: np.ndarray) -> np.ndarray:
    """Which names say nothing of who the star is, by flystar's convention."""
    return np.array([NUMBERED.fullmatch(name) is not None for name in names.tolist()], dtype=bool)


def exposure_names(paths: Sequence[Path]) -> list[str]:
    """Names of exposures: those of the files without their endings.

    Raises
    ------
    SchemaError
        Two files have the same name.
    """
    names = [_stem(path) for path in paths]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"{again}: two star lists have this name; exposures are named by their files")
    return names


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    for ending in (*ENDINGS, ".txt", ".csv", ".cat", ".tsv"):
        name = name.removesuffix(ending)
    return name


def read_star_lists(paths: Sequence[Path], columns: ListColumns | None = None) -> list[Rows]:
    """Star lists, each an exposure by the name of its file; stars have the names of the lists.

    Stars of a list without names are numbered as `star_1`, `star_2`, which are no names.

    Raises
    ------
    SchemaError
        A file has no names of columns, lacks a column, or a row has fewer cells than columns or one that is
        no number; a star is in a list twice; two files have the same name.
    """
    columns = columns or ListColumns()
    names = exposure_names(paths)
    unknown = sorted(set(columns.epochs) - set(names))
    if unknown:
        raise ConfigError(f"epochs: no star list {unknown[0]}; there are {', '.join(names[:20])}")
    return [_read_list(path, name, columns) for path, name in zip(paths, names, strict=True)]


def _read_list(path: Path, exposure: str, columns: ListColumns) -> Rows:
    wanted = columns.wanted
    table = read_text(path, list(wanted.values()))
    n_row = len(table.cells)
    _check_columns(table, wanted, columns, exposure)
    numbers: dict[str, np.ndarray] = {}
    for ours in ("x", "y", "magnitude", "t", "sigma", "sigma_x", "sigma_y"):
        theirs = wanted.get(ours)
        if theirs is not None and table.has(theirs):
            numbers[ours] = table.numbers(theirs)
    _add_errors(table, numbers, columns)
    _add_epoch(table, numbers, exposure, columns)
    own = wanted.get("star")
    if own is not None and table.has(own):
        stars = table.text(own)
        _check_names(path, stars)
    else:
        stars = np.array([f"star_{row}" for row in range(1, n_row + 1)])
    unit = _unit(
        table, [wanted[ours] for ours in ("x", "y", "sigma", "sigma_x", "sigma_y") if ours in wanted]
    )
    rows = Rows(path, np.arange(1, n_row + 1), stars, np.full(n_row, exposure), numbers, unit)
    if columns.leave_out:
        rows = usable_rows(rows)
    check_rows(rows)
    return rows


def _add_errors(table: TextList, numbers: dict[str, np.ndarray], columns: ListColumns) -> None:
    """Errors of both coordinates: of the list, or the one that is given for all."""
    one = numbers.pop("sigma", None)
    if one is None and columns.sigma is not None and not {"sigma_x", "sigma_y"} <= set(numbers):
        one = np.full(len(table.cells), columns.sigma)
    if one is not None:
        numbers |= {"sigma_x": one, "sigma_y": one}


def _check_columns(table: TextList, wanted: Mapping[str, str], columns: ListColumns, exposure: str) -> None:
    """Every column that is needed is there."""
    has = f"the list has {', '.join(table.names)}"
    for ours in ("x", "y", *columns.given):
        theirs = wanted.get(ours)
        if theirs is None and ours in "xy":
            raise SchemaError(f"{table.path}: {ours} is mapped to no column; {has}")
        if theirs is not None and not table.has(theirs):
            raise SchemaError(f"{table.path}: no column {theirs} ({ours}); {has}; map it with `columns`")
    for ours in ("sigma",) if "sigma" in wanted else ("sigma_x", "sigma_y"):
        theirs = wanted.get(ours, ours)
        if columns.sigma is None and not table.has(theirs):
            raise SchemaError(
                f"{table.path}: no column {theirs} of errors; {has}; map sigma_x and sigma_y, or sigma, to "
                "its columns, or give one error for all with `sigma`"
            )
    theirs = wanted.get("t", "t")
    if exposure not in columns.epochs and not ("t" in wanted and table.has(theirs)):
        raise SchemaError(
            f"{table.path}: no column {theirs} of the epoch; {has}; map t to its column, or give the epoch "
            f'with {{"epochs": {{"{exposure}": 2015.5}}}}'
        )


def _add_epoch(table: TextList, numbers: dict[str, np.ndarray], exposure: str, columns: ListColumns) -> None:
    """Epoch of the exposure: of the list, or the one that is given by its name."""
    if exposure in columns.epochs:
        given = columns.epochs[exposure]
        other = np.flatnonzero(np.abs(numbers.get("t", np.full(1, given)) - given) > SAME_EPOCH)
        if len(other):
            raise SchemaError(
                f"{table.path}: row {other[0] + 1}: t is {numbers['t'][other[0]]}, but `epochs` gives "
                f"{given:.6g}; "
                'if the list is wrong, leave its t unread with {"columns": {"t": null}}'
            )
        numbers["t"] = np.full(len(table.cells), given)


def _check_names(path: Path, stars: np.ndarray) -> None:
    """A name is in a list once."""
    unique, first, place = np.unique(stars, return_index=True, return_inverse=True)
    if len(unique) < len(stars):
        again = int(np.flatnonzero(first[place] != np.arange(len(stars)))[0])
        raise SchemaError(
            f"{path}: row {again + 1}: star {stars[again]} is in the list already, in row "
            f"{first[place[again]] + 1} ({len(stars) - len(unique)} such rows); a star has one position on "
            f"an "
            'exposure: leave one out, or leave the names unread with {"columns": {"star": null}}'
        )


def _unit(table: TextList, columns: Sequence[str]) -> str:
    """Unit of the positions; pixels where the list says nothing of it."""
    found = {name: table.units[name] for name in columns if name in table.units}
    if len(set(found.values())) > 1:
        one, two = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        unit, other = found[one], found[two]
        raise SchemaError(f"{table.path}: {one} is in {unit}, {two} in {other}; expected the same unit")
    return next(iter(found.values()), "pix")


def read_columns(path: Path, wanted: Sequence[str], text: Sequence[str] = ("name",)) -> dict[str, np.ndarray]:
    """Some columns of a list: those called `text` as text, all others as numbers."""
    table = read_text(path, wanted)
    return {name: table.text(name) if name in text else table.numbers(name) for name in wanted}
