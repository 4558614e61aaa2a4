"""Star lists of flystar and its kin: one file per exposure, columns apart by blanks, named in a # line.

Reference: Lu et al., https://github.com/MovingUniverseLab/flystar
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from galcen.errors import SchemaError
from galcen.io.plates import Rows

COLUMNS = {"x": "x", "y": "y", "sigma_x": "xe", "sigma_y": "ye", "t": "t", "magnitude": "m"}

NUMBERED = re.compile(r"\d*star_\d+")
"""Names that are mere numbers of a list: the same one is another star in another list."""


def is_numbered(names: np.ndarray) -> np.ndarray:
    """Which names say nothing of who the star is."""
    return np.array([NUMBERED.fullmatch(name) is not None for name in names.tolist()], dtype=bool)


def read_star_lists(paths: Sequence[Path]) -> list[Rows]:
    """Star lists, each an exposure by the name of its file; stars have the names of the lists.

    Raises
    ------
    SchemaError
        A file has no header line, lacks a column, or a row has fewer cells than the header or one that is
        no number; a star stands twice; two files have the same name.
    """
    names = [path.name.removesuffix(".lis") for path in paths]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"{again}: two star lists have this name; exposures are named by their files")
    out = []
    for path, name in zip(paths, names, strict=True):
        found = read_columns(path, ["name", *COLUMNS.values()])
        n_row = len(found["name"])
        unique, first, place = np.unique(found["name"], return_index=True, return_inverse=True)
        if len(unique) < n_row:
            again = int(np.flatnonzero(first[place] != np.arange(n_row))[0])
            raise SchemaError(
                f"{path}: row {again + 1}: star {found['name'][again]} is in the list already, in row "
                f"{first[place[again]] + 1}; a star has one position on an exposure: leave one out"
            )
        numbers = {ours: found[theirs].astype(np.float64) for ours, theirs in COLUMNS.items()}
        rows = np.arange(1, n_row + 1)
        out.append(Rows(path, rows, found["name"], np.full(n_row, name), numbers, "pix"))
    return out


def read_columns(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Some columns of a list; `name` as text, all others as numbers."""
    if not path.is_file():
        raise SchemaError(f"{path}: no such file; give star lists with their paths")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: cannot be read as text: {error}; is it a star list?") from None
    lines = [line for line in lines if line]
    if not lines or not lines[0].startswith("#"):
        raise SchemaError(
            f"{path}: no line of column names; expected a first line such as # name m t x y xe ye"
        )
    header = lines[0].lstrip("#").split()
    for name in wanted:
        if name not in header:
            raise SchemaError(f"{path}: no column {name}; the list has {', '.join(header)}")
    cells = [line.split() for line in lines[1:] if not line.startswith("#")]
    if not cells:
        raise SchemaError(f"{path}: the list has no stars; expected one a line")
    for row, found in enumerate(cells, 1):
        if len(found) != len(header):
            raise SchemaError(
                f"{path}: row {row}: {len(found)} cells, expected {len(header)} as in the line of column "
                "names; the file is cut short, or a name has a blank in it"
            )
    out: dict[str, np.ndarray] = {}
    for name in wanted:
        text = [found[header.index(name)] for found in cells]
        out[name] = np.array(text) if name == "name" else _numbers(path, name, text)
    return out


def _numbers(path: Path, name: str, text: list[str]) -> np.ndarray:
    values = np.empty(len(text))
    for row, cell in enumerate(text, 1):
        try:
            values[row - 1] = float(cell)
        except ValueError:
            raise SchemaError(f"{path}: row {row}, column {name}: {cell!r} is not a number") from None
    return values
