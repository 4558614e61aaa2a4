"""Refuse the rows of a table of stars whose values cannot be: one error names the first, and their number."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.bounds import BANDS, BOUNDS, DISTANCES, PLATE_BOUNDS, STAND_INS, Bound, numbers_of_nines
from galcen.errors import SchemaError

POSITIONS = ("ra", "dec")
MAGNITUDES = (*BANDS, "hw")

LINK = "gaia_source_id"

SAME = 2e-7
"""Relative difference of a number and its nearest in single precision, and a little more."""

NEIGHBOUR = 0.1
"""Values this close to a number [its absolute value] speak for it being a value like the others."""

ENOUGH = 3
"""So many equal numbers are no coincidence where few others are as round."""

FAINT = 3.0
"""A single magnitude of exactly 0 is a star's only among stars brighter than this [mag]."""


class Place(NamedTuple):
    """Where the rows come from, for the message of an error."""

    path: str
    names: Mapping[str, str]
    """Galcen's name of a column -> the table's."""
    row: Int[np.ndarray, " n_row"]
    """Of the table, from 1."""
    star: np.ndarray
    """What a star is called."""
    star_name: str = "source_id"
    """What that is."""
    remedy: str = "leave missing values empty, or list {value} under `missing_values`"
    """For a value that stands for a missing one."""
    units: str | None = "units"
    """Key of the configuration that gives the units of columns; None where units are fixed."""

    def refuse(self, name: str, bad: Bool[np.ndarray, " n_row"], found: str, expected: str) -> NoReturn:
        """Raise the error of the rows of a column that are at fault."""
        first = int(np.argmax(bad))
        raise SchemaError(
            f"{self.path}: row {self.row[first]} ({self.star_name} {self.star[first]}), column "
            f"{self.names.get(name, name)}: {found} ({np.count_nonzero(bad)} such rows); expected {expected}"
        )

    def remedy_for(self, name: str, value: float) -> str:
        """What to do about a value that stands for a missing one."""
        if name in POSITIONS:
            return "stars without position must go"
        return self.remedy.format(value=f"{value:.10g}")


def refuse_impossible(
    place: Place, columns: Mapping[str, np.ndarray], raw: Mapping[str, np.ndarray] | None = None
) -> None:
    """Refuse values that no star and no measurement has.

    Parameters
    ----------
    place
        Of the rows.
    columns
        In galcen's units by galcen's names; NaN is a missing value. Names without a bound are left alone.
    raw
        The same before units were converted, for archives' numbers for missing values.

    Raises
    ------
    SchemaError
        One line: the file, the first row at fault, the column, the value, what is expected, how many rows.
    """
    if "ra" in columns:
        _refuse_positions(place, columns)
    for name in (name for name in BOUNDS if name in columns):
        values = columns[name]
        stored = values if raw is None else raw.get(name, values)
        refuse_beyond(place, name, BOUNDS[name], values, stored)
        if name in MAGNITUDES:
            expected = f"a magnitude; {place.remedy_for(name, 0)}"
            _refuse(place, name, values, _zero_magnitudes(values), expected)
    _refuse_disorder(place, columns)
    if LINK in columns:
        _refuse_links(place, columns[LINK])


def refuse_impossible_plates(
    place: Place, exposure: np.ndarray, columns: Mapping[str, Float[np.ndarray, " n_row"]]
) -> None:
    """Refuse positions on plates that are none, errors and magnitudes that cannot be.

    Parameters
    ----------
    place
        Of the rows.
    exposure
        Of each row.
    columns
        x, y, sigma_x, sigma_y, t, magnitude; NaN is a missing value.

    Raises
    ------
    SchemaError
        As `refuse_impossible`; also where several stars of an exposure are at x = y = 0, or at x = y = -999,
        and where an error is larger than the plate.
    """
    x, y = columns["x"], columns["y"]
    both = x == y
    for value, archive, where in stand_ins(x, both, both):
        expected = f"a position; {place.remedy_for('x', value)}"
        place.refuse("x", where, f"{value:.10g}, like y: it stands for no value in {archive}", expected)
    nought = both & (x == 0)
    in_exposure = np.unique(exposure[nought], return_counts=True)
    several = np.isin(exposure, in_exposure[0][in_exposure[1] > 1])
    _refuse(place, "x", x, nought & several, f"a position (y is 0, too); {place.remedy_for('x', 0)}")
    for name, bound in PLATE_BOUNDS.items():
        if name in columns:
            fewest = ENOUGH if name in ("x", "y") else 1
            refuse_beyond(place, name, bound, columns[name], columns[name], fewest)
    extent = np.hypot(np.ptp(x), np.ptp(y))
    for name in sorted({"sigma_x", "sigma_y"} & columns.keys()):
        expected = (
            f"an error smaller than the {extent:.4g} from the first star to the last; see the column map"
        )
        _refuse(place, name, columns[name], columns[name] > extent, expected)


def stand_ins(
    values: Float[np.ndarray, " n"],
    counts: Bool[np.ndarray, " n"],
    impossible: Bool[np.ndarray, " n"],
    fewest: int = 1,
) -> Iterator[tuple[float, str, Bool[np.ndarray, " n"]]]:
    """Numbers that stand for missing values, who writes them, and where they are.

    A number such as -99 can be a velocity as well. It counts as a stand-in where three or more values equal
    it, and many more than the values nearby that have no more digits than it let expect; one or two count
    where no other is near and the others have more digits. Where no value could be, it always counts.

    Parameters
    ----------
    values
        As in the table.
    counts
        Which of them are not missing.
    impossible
        Which of them are beyond what the quantity can be.
    fewest
        So many equal ones are needed, unless they are impossible.
    """
    place = np.clip(np.searchsorted(_SORTED, values), 1, len(_SORTED) - 1)
    nearer = np.where(np.abs(values - _SORTED[place - 1]) < np.abs(values - _SORTED[place]), place - 1, place)
    with np.errstate(invalid="ignore", over="ignore"):
        hit = counts & (np.abs(values - _SORTED[nearer]) <= SAME * np.abs(_SORTED[nearer]))
    for number in np.unique(nearer[hit]):
        value, archive = float(_SORTED[number]), _ARCHIVES[number]
        equal = hit & (nearer == number)
        others = values[counts & ~equal]
        is_one = equal.sum() >= fewest and _stands_out(value, int(equal.sum()), others)
        if is_one or (impossible & equal).any():
            yield value, archive, equal


def _stands_out(value: float, n_equal: int, others: Float[np.ndarray, " n"]) -> bool:
    """Whether a number that archives write for missing values is one among these others."""
    digit = 10.0 ** -len(f"{abs(value):.7g}".partition(".")[2])
    with np.errstate(invalid="ignore", over="ignore"):
        is_near = np.abs(others - value) <= NEIGHBOUR * abs(value)
        is_round = np.abs(others / digit - np.round(others / digit)) < 1e-3
    # Of so many numbers with as few digits nearby, this one would have its share.
    share = np.count_nonzero(is_near & is_round) * digit / (2 * NEIGHBOUR * abs(value))
    if n_equal >= ENOUGH:
        return n_equal >= ENOUGH + 5 * share
    # One or two are no coincidence alone, and only where others have more digits.
    is_alone = np.count_nonzero(is_near) < n_equal
    return bool(is_alone and len(others) > 0 and is_round.mean() <= 0.1)


def _by_value() -> tuple[np.ndarray, list[str]]:
    known = {round(one.value, 9): one for one in (*numbers_of_nines(), *STAND_INS)}
    ordered = [known[value] for value in sorted(known)]
    return np.array([one.value for one in ordered]), [one.archive for one in ordered]


_SORTED, _ARCHIVES = _by_value()


def _refuse(
    place: Place, name: str, values: np.ndarray, bad: Bool[np.ndarray, " n_row"], expected: str
) -> None:
    if bad.any():
        value = values[np.argmax(bad)]
        place.refuse(name, bad, "missing" if np.isnan(value) else f"{value:.10g}", expected)


def refuse_beyond(
    place: Place, name: str, bound: Bound, values: np.ndarray, stored: np.ndarray, fewest: int = 1
) -> None:
    """Refuse numbers for missing values, as they are stored in the table, and values beyond a bound.

    Parameters
    ----------
    place
        Of the rows.
    name
        Galcen's name of the column.
    bound
        Of its values.
    values
        In the bound's unit; NaN is a missing value.
    stored
        The same before units were converted.
    fewest
        So many equal numbers for missing values are needed where they could be values.

    Raises
    ------
    SchemaError
        As `refuse_impossible`.
    """
    impossible = (values < bound.low) | (values > bound.high)
    for value, archive, where in stand_ins(stored, np.isfinite(values), impossible, fewest):
        expected = f"{bound.expected}; {place.remedy_for(name, value)}"
        place.refuse(name, where, f"{value:.10g}, which stands for a missing value in {archive}", expected)
    _refuse(place, name, values, np.isinf(values), f"a finite number; {place.remedy_for(name, np.inf)}")
    if impossible.any():
        value = values[np.argmax(impossible)]
        has_unit = bound.unit and value and place.units
        unit = f"if it has another unit, set {place.units}.{name}; else " if has_unit else ""
        _refuse(place, name, values, impossible, f"{bound.expected}; {unit}{place.remedy_for(name, value)}")


def _refuse_positions(place: Place, columns: Mapping[str, np.ndarray]) -> None:
    ra, dec = columns["ra"], columns["dec"]
    for name in POSITIONS:
        bad = ~np.isfinite(columns[name])
        _refuse(place, name, columns[name], bad, "a finite angle; stars without position must go")
    low, high = BOUNDS["ra"].low, BOUNDS["ra"].high
    expected = f"a right ascension from {low:g} to {high:g} deg; see `units`"
    _refuse(place, "ra", ra, (ra < low) | (ra > high), expected)
    low, high = BOUNDS["dec"].low, BOUNDS["dec"].high
    expected = f"a declination from {low:g} to {high:g} deg; are ra and dec swapped?"
    _refuse(place, "dec", dec, (dec < low) | (dec > high), expected)
    nought = (ra == 0) & (dec == 0)
    if not nought.all():
        _refuse(place, "ra", ra, nought, "a position (dec is 0, too); stars without position must go")


def _zero_magnitudes(values: np.ndarray) -> Bool[np.ndarray, " n_row"]:
    """Magnitudes of exactly 0 that are no star's: Vega may have one, two stars will not."""
    zero = values == 0
    if not zero.any():
        return zero
    others = values[np.isfinite(values) & ~zero]
    alone = zero.sum() == 1 and (len(others) == 0 or others.min() < FAINT)
    return np.zeros_like(zero) if alone else zero


def _refuse_links(place: Place, ids: Int[np.ndarray, " n_row"]) -> None:
    """Numbers in the place of an identifier of another catalogue, where -1 is none."""
    zero = ids == 0
    bad = (ids < -1) | (zero & (zero.sum() > 1))
    if bad.any():
        value = int(ids[np.argmax(bad)])
        expected = f"an identifier, or none; {place.remedy_for(LINK, value)}"
        place.refuse(LINK, bad, f"{value}, which is no star's", expected)


def _refuse_disorder(place: Place, columns: Mapping[str, np.ndarray]) -> None:
    """Limits of a distance on the wrong side of it."""
    if all(name in columns for name in DISTANCES):
        low, middle, high = (columns[name] for name in DISTANCES)
        _refuse(place, DISTANCES[0], low, low > middle, "the lower limit of the distance, not above it")
        _refuse(place, DISTANCES[2], high, high < middle, "the upper limit of the distance, not below it")
