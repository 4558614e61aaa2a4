"""Files of `galcen project`: parameters of the mapping in long form, and tables of directions or pixels.

Parameters are rows `case,name,index,value`; the number of A and B terms gives the order of the distortion.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.bounds import MAPPING_BOUNDS
from galcen.errors import SchemaError
from galcen.io.claims import atomic

ORDERS = range(2, 8)
N_TERM = {(order + 1) * (order + 2) // 2 - 3: order for order in ORDERS}
"""Order of a distortion with so many terms along each axis."""

SCALARS = ("ra", "dec", "pa", "Fx", "Fy")
CHIP = ("det_r", "det_o_x", "det_o_y", "det_p_x", "det_p_y")
NAMES = (*SCALARS, "L", "A", "B", *CHIP)

CHOICES = {"projection": ("gnomonic", "equidistant"), "distortion": ("none", "legendre", "sip")}
SKY, PIXEL = ("ra_deg", "dec_deg"), ("nx_pix", "ny_pix")

SCALE_UM = 21000.0
"""Half side of the Legendre polynomials' square where the parameters do not give L."""


class CaseParameters(NamedTuple):
    """One set of parameters, in the units of the file."""

    ra: float
    dec: float
    pa: float
    focal_x: float
    focal_y: float
    scale: float
    a: Float[np.ndarray, " n_term"]
    b: Float[np.ndarray, " n_term"]
    chips: Float[np.ndarray, "5 n_chip"]
    """Rotation [deg], centre x, y [um], pixel size x, y [um]."""

    @property
    def order(self) -> int:
        """Order of the distortion; 0 where it has no terms."""
        return N_TERM.get(len(self.a), 0)


class Directions(NamedTuple):
    """Rows to be mapped; `text` holds every column of the file as it stood there."""

    path: Path
    text: dict[str, list[str]]
    line: Int[np.ndarray, " n_row"]
    """Line of the file."""
    detector: Int[np.ndarray, " n_row"]
    place: Float[np.ndarray, "2 n_row"]
    """Right ascension, declination [deg], or pixel coordinates."""


def read_parameters(path: Path) -> dict[str, CaseParameters]:
    """Parameter sets by their case.

    Raises
    ------
    SchemaError
        One line: the file, the case or line at fault, what was found and expected.
    """
    columns, lines = _read_columns(path, ("case", "name", "index", "value"))
    values: dict[str, dict[str, dict[int, float]]] = {}
    for line, case, name, index, value in zip(lines, *columns.values(), strict=True):
        if name not in NAMES:
            raise SchemaError(f"{path}: line {line}: unknown name {name!r}; expected {', '.join(NAMES)}")
        own = values.setdefault(case, {}).setdefault(name, {})
        number = _integer(path, line, "index", index)
        if number in own:
            raise SchemaError(f"{path}: line {line}: {name} {number} of case {case} is given twice")
        own[number] = _number(path, line, "value", value)
        _check_bound(path, line, name, own[number])
    return {case: _case(path, case, given) for case, given in values.items()}


def read_directions(path: Path, *, is_inverse: bool) -> Directions:
    """Rows to be mapped: directions on the sky, or pixel coordinates for the way back.

    Raises
    ------
    SchemaError
        As for `read_parameters`.
    """
    wanted = PIXEL if is_inverse else SKY
    text, lines = _read_columns(path, ("case", "projection", "distortion", "detector", *wanted), others=True)
    for name, choices in CHOICES.items():
        for line, value in zip(lines, text[name], strict=True):
            if value not in choices:
                raise SchemaError(
                    f"{path}: line {line}: unknown {name} {value!r}; expected {', '.join(choices)}"
                )
    place = np.array(
        [[_number(path, line, name, v) for line, v in zip(lines, text[name], strict=True)] for name in wanted]
    ).reshape(2, -1)
    for name, values in zip(wanted, place, strict=True):
        for line, value in zip(lines, values.tolist(), strict=True):
            _check_bound(path, line, name, value)
    detector = [_integer(path, line, "detector", v) for line, v in zip(lines, text["detector"], strict=True)]
    return Directions(path, text, np.array(lines, dtype=int), np.array(detector, dtype=int), place)


def write_mapped(path: Path, rows: Directions, results: dict[str, Float[np.ndarray, " n_row"]]) -> None:
    """The rows, with results in columns at the end to full precision, as a file that appears whole."""
    kept = {name: values for name, values in rows.text.items() if name not in results}
    columns = [*kept.values(), *(map(repr, values.tolist()) for values in results.values())]
    lines = [",".join(map(_quoted, row)) for row in zip(*columns, strict=True)]
    with atomic(path) as temporary:
        temporary.write_text(
            "\n".join([",".join([*map(_quoted, kept), *results]), *lines, ""]), encoding="utf-8"
        )


def _case(path: Path, case: str, given: dict[str, dict[int, float]]) -> CaseParameters:
    def fault(text: str) -> SchemaError:
        return SchemaError(f"{path}: case {case}: {text}")

    def values(name: str) -> np.ndarray:
        own = given.get(name, {})
        if sorted(own) != list(range(len(own))):
            raise fault(f"the indices of {name} are {sorted(own)}, expected 0 to {len(own) - 1}")
        return np.array([own[index] for index in range(len(own))])

    missing = [name for name in (*SCALARS, *CHIP) if name not in given]
    if missing:
        raise fault(f"missing parameter {', '.join(missing)}; expected {', '.join((*SCALARS, *CHIP))}")
    for name in (*SCALARS, "L"):
        if len(given.get(name, {})) > 1 or 0 not in given.get(name, {0: 0.0}):
            raise fault(f"{name} has the indices {sorted(given[name])}, expected the index 0 only")
    a, b = values("A"), values("B")
    if len(a) != len(b):
        raise fault(f"{len(a)} A and {len(b)} B terms; expected as many of each")
    if len(a) and len(a) not in N_TERM:
        expected = ", ".join(f"{n} (order {order})" for n, order in N_TERM.items())
        raise fault(f"{len(a)} A and B terms are no full order; expected {expected}")
    chips = [values(name) for name in CHIP]
    counts = {name: len(column) for name, column in zip(CHIP, chips, strict=True)}
    if len(set(counts.values())) > 1:
        raise fault(f"unequal numbers of chips, {counts}; expected one value for each chip")
    scalars = [given[name][0] for name in SCALARS]
    return CaseParameters(*scalars, given.get("L", {0: SCALE_UM})[0], a, b, np.array(chips))


def _read_columns(
    path: Path, names: tuple[str, ...], *, others: bool = False
) -> tuple[dict[str, list[str]], list[int]]:
    """Columns of a CSV file as text, in the file's order or that of `names`, and the line of each row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if row]
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SchemaError(f"{path}: not a text file of comma-separated values ({error})") from None
    missing = [name for name in names if name not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise SchemaError(
            f"{path}: no column {', '.join(missing)}; expected {', '.join(names)}, found {found}"
        )
    if len(set(header)) < len(header):
        raise SchemaError(f"{path}: a column is there twice: {', '.join(header)}")
    for line, row in rows:
        if len(row) != len(header):
            raise SchemaError(
                f"{path}: line {line} has {len(row)} fields, expected {len(header)}: is the file truncated?"
            )
    if not rows:
        raise SchemaError(f"{path}: no rows under the header")
    wanted = header if others else names
    return {name: [row[header.index(name)] for _, row in rows] for name in wanted}, [line for line, _ in rows]


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SchemaError(f"{path}: line {line}: {name} is {text!r}, expected a finite number")
    return value


def _check_bound(path: Path, line: int, name: str, value: float) -> None:
    """Refuse a value beyond what it can be."""
    bound = MAPPING_BOUNDS.get(name)
    if bound is not None and not bound.low <= value <= bound.high:
        swapped = "; are ra_deg and dec_deg swapped?" if name == "dec_deg" else ""
        unit = "; in another unit?" if bound.unit == "um" and value > 0 else ""
        raise SchemaError(
            f"{path}: line {line}: {name} is {value:.10g}, expected {bound.expected}{swapped}{unit}"
        )


def _integer(path: Path, line: int, name: str, text: str) -> int:
    if not text.isdecimal():
        raise SchemaError(f"{path}: line {line}: {name} is {text!r}, expected a whole number from 0")
    return int(text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n\r') else text
