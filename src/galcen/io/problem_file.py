"""A whole astrometric problem in one HDF5 file, made by anybody: measurements, exposures, sources, priors.

The layout stands in docs/solver_mpi.md. Datasets and attributes that it does not name are left alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.bounds import BOUNDS
from galcen.errors import SchemaError
from galcen.io.hdf5 import open_hdf5, read_array
from galcen.io.hdf5_guard import attribute, find, refuse_odd_dataset
from galcen.io.problem_checks import Seen, check_field, check_observer, check_pixels, check_priors

Share = Callable[[Int[np.ndarray, " n_orbit"]], range]
"""From the measurements of each orbit to the orbits that are wanted."""

FEWEST_STARS = 3
"""Of an exposure: fewer do not give its attitude."""

DOCUMENT = "docs/solver_mpi.md has the layout"


class Rule(NamedTuple):
    """What a dataset must be."""

    tail: tuple[int, ...] = ()
    """Shape of a row."""
    above: float = -np.inf
    """Numbers must be larger."""
    within: float = np.inf
    """Numbers must not be further from 0."""
    is_integer: bool = False
    may_be_infinite: bool = False
    asks: str = ""
    """Question that helps where a number is out of range: the unit that was probably mistaken."""


INDEX = Rule(above=-1, is_integer=True)
NUMBER = Rule()
DEGREES = "degrees are expected: is it in hours, radians or arcsec?"
AU = "au are expected: is it in km or m?"
SIGMA = Rule(above=0.0, within=2.0, asks="pixels are expected: is it in mas?")
WIDTHS = Rule(above=0.0, may_be_infinite=True)

EXPOSURES = {
    "ra_deg": Rule(within=360.0, asks=DEGREES),
    "dec_deg": Rule(within=90.0, asks=DEGREES),
    "pa_deg": Rule(within=360.0, asks=DEGREES),
    "t_yr": Rule(
        within=100.0,
        asks="Julian years since the epoch of the sources are expected: are these days, MJD, or the years "
        "themselves?",
    ),
    "b_au": Rule((3,), within=2.0, asks=f"{AU} (is the observer not near the Earth?)"),
    "beta": Rule((3,), within=1e-3, asks="units of c are expected: is it in km/s, m/s or au/day?"),
    "sun_to_observer": Rule(
        (3,), within=1.0 + 1e-6, asks="a unit vector is expected; its length is sun_dist_au"
    ),
    "sun_dist_au": Rule(above=0.0, within=2.0, asks=AU),
    "orbit": Rule(is_integer=True),
}
SOURCES = {
    "ra_deg": Rule(within=360.0, asks=DEGREES),
    "dec_deg": Rule(within=90.0, asks=DEGREES),
    "rv_km_s": Rule(within=BOUNDS["radial_velocity"].high, asks="km/s are expected: is it in m/s?"),
    "prior_mean": Rule((5,)),
    "prior_sigma": Rule((5,), above=0.0),
}
CHIPS = {
    "chip_rotation_rad": Rule(within=2 * np.pi + 1e-9, asks="radians are expected: is it in degrees?"),
    "chip_centre_um": Rule((2,), within=1e6, asks="um are expected: is it in nm?"),
}
CAMERA = {"attitude_scale_sigma": (5,), "detector_sigma": (5,), "distortion_sigma_um": ()}
LENGTHS = {
    "F_um": (1e5, 1e8, "is it in mm or m?"),
    "pixel_um": (0.5, 200.0, "is it in mm, m or arcsec?"),
    "L_um": (100.0, 1e7, "is it in mm or pixels?"),
}
"""Attributes [um]: smallest and largest value of a telescope, and the question that helps outside."""
ERRORS = (("sigma_pix",), ("sigma_x", "sigma_y"))
"""Datasets that may take the place of the attribute sigma_pix."""


class FileOrbit(NamedTuple):
    """Measurements of one orbit, exposure after exposure."""

    number: int
    exposures: Int[np.ndarray, " n_exp"]
    """Their rows in the file, ascending."""
    offset: Int[np.ndarray, " n_exp+1"]
    rows: Int[np.ndarray, " n_obs"]
    """Of the measurements in the file."""
    source: Int[np.ndarray, " n_obs"]
    chip: Int[np.ndarray, " n_obs"]
    pixel: Float[np.ndarray, "2 n_obs"]
    sigma: Float[np.ndarray, "2 n_obs"]
    """[pixel]."""


class ProblemFile(NamedTuple):
    """A problem, with the measurements of some of its orbits."""

    path: Path
    lengths: dict[str, float]
    """`LENGTHS` [um]."""
    exposures: dict[str, np.ndarray]
    """Columns of `EXPOSURES`, of all orbits."""
    sources: dict[str, np.ndarray]
    chips: dict[str, np.ndarray]
    camera: dict[str, np.ndarray]
    orbits: tuple[FileOrbit, ...]
    """Those asked for, by number."""
    n_obs: int
    """Of all orbits."""
    n_orbit: int
    sparse: Int[np.ndarray, " n_sparse"]
    """Rows of the exposures, of all orbits, with fewer than three stars."""


def whole(n_obs: Int[np.ndarray, " n_orbit"]) -> range:
    """All orbits."""
    return range(len(n_obs))


def read_problem_file(path: Path, share: Share = whole) -> ProblemFile:
    """A problem, checked; of the measurements only those of some orbits are kept.

    Measurements may stand in any order; within an exposure they keep that of the file.

    Raises
    ------
    SchemaError
        The file is missing or truncated; a dataset is missing or has another shape; a number is not finite or
        out of its range; a source, exposure or chip does not exist; a source is twice in an exposure; columns
        contradict one another, as in a wrong unit.
    """
    with open_hdf5(path) as file:
        lengths = {name: _attribute(file, name, *bounds) for name, bounds in LENGTHS.items()}
        exposures, sources = _table(file, "exposures", EXPOSURES), _table(file, "sources", SOURCES)
        _check_unit(exposures["sun_to_observer"], f"{path}: exposures/sun_to_observer")
        chips = _table(file, "priors", CHIPS)
        camera = {name: _dataset(file, f"priors/{name}", WIDTHS, shape) for name, shape in CAMERA.items()}
        n_row = {"exposure": len(exposures["t_yr"]), "source": len(sources["ra_deg"])}
        n_row["chip"] = len(chips["chip_rotation_rad"])
        exposure = _dataset(file, "observations/exposure", INDEX, (None,))
        _check_index(exposure, n_row["exposure"], f"{path}: observations/exposure", "exposures")
        if not len(exposure):
            raise SchemaError(f"{path}: observations has no rows; expected measurements to solve")
        numbers, of_exposure = np.unique(exposures["orbit"], return_inverse=True)
        count = np.bincount(exposure, minlength=n_row["exposure"])
        own = share(np.bincount(of_exposure, weights=count, minlength=len(numbers)).astype(np.int64))
        # Orbit after orbit, in each its exposures as they stand in the file.
        sequence = np.argsort(of_exposure, kind="stable")
        place = np.empty_like(sequence)
        place[sequence] = np.arange(len(sequence))
        orbit = of_exposure[exposure]
        rows = np.flatnonzero((orbit >= own.start) & (orbit < own.stop))
        rows = rows[np.argsort(place[exposure[rows]], kind="stable")]
        columns = _measurements(file, rows, len(exposure), n_row)
    _check_twice(exposure, columns["source"], rows, path)
    check_observer(path, exposures)
    check_priors(path, sources)
    seen = Seen(exposure[rows], columns["source"], columns["chip"], columns["pixel"])
    check_pixels(path, lengths, chips, seen)
    check_field(path, lengths, exposures, sources, chips, seen)
    orbits, begin = [], 0
    for i in own:
        members = np.flatnonzero(of_exposure == i)
        offset = np.concatenate([[0], np.cumsum(count[members])])
        part = slice(begin, begin := begin + int(offset[-1]))
        values = {name: column[..., part] for name, column in columns.items()}
        orbits.append(FileOrbit(int(numbers[i]), members, offset, rows[part], **values))
    sparse = np.flatnonzero(count < FEWEST_STARS)
    sizes = len(exposure), len(numbers)
    return ProblemFile(path, lengths, exposures, sources, chips, camera, tuple(orbits), *sizes, sparse)


def _measurements(
    file: h5py.File, rows: Int[np.ndarray, " n_own"], n_obs: int, n_row: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Columns of some measurements; all are checked, one column at a time is in memory."""

    def column(name: str, rule: Rule) -> np.ndarray:
        return _dataset(file, f"observations/{name}", rule, (n_obs,))

    columns = {}
    for name, table in (("source", "sources"), ("chip", "priors/chip_centre_um")):
        values = column(name, INDEX)
        _check_index(values, n_row[name], f"{file.filename}: observations/{name}", table)
        columns[name] = values[rows].astype(np.int32)
    columns["pixel"] = np.stack([column(name, NUMBER)[rows] for name in ("nx_pix", "ny_pix")])
    for names in ERRORS:
        if all(find(file, f"observations/{name}") is not None for name in names):
            # One name serves both axes.
            columns["sigma"] = np.stack([column(name, SIGMA)[rows] for name in (names * 2)[:2]])
            return columns
    columns["sigma"] = np.full((2, len(rows)), _attribute(file, "sigma_pix", 0.0, SIGMA.within, SIGMA.asks))
    return columns


def _attribute(file: h5py.File, name: str, low: float, high: float, asks: str) -> float:
    found = attribute(file, name)
    if found is None:
        raise SchemaError(f"{file.filename}: no attribute {name}; {DOCUMENT}")
    try:
        value = float(found)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise SchemaError(
            f"{file.filename}: attribute {name} is {found}, expected a number above 0; correct it"
        )
    if not low <= value <= high:
        raise SchemaError(
            f"{file.filename}: attribute {name} is {value:g}, expected {low:g} to {high:g}: {asks}"
        )
    return value


def _table(file: h5py.File, group: str, rules: Mapping[str, Rule]) -> dict[str, np.ndarray]:
    """Datasets with one row each for the same things."""
    columns: dict[str, np.ndarray] = {}
    for name, rule in rules.items():
        n_row = len(next(iter(columns.values()))) if columns else None
        columns[name] = _dataset(file, f"{group}/{name}", rule, (n_row, *rule.tail))
    return columns


def _dataset(file: h5py.File, name: str, rule: Rule, shape: tuple[int | None, ...]) -> np.ndarray:
    """One dataset, checked; None in a shape is any number."""
    where, wanted = f"{file.filename}: {name}", str(shape).replace("None", "n")
    dataset = find(file, name)
    if not isinstance(dataset, h5py.Dataset):
        raise SchemaError(f"{file.filename}: no dataset {name}, expected one of shape {wanted}; {DOCUMENT}")
    refuse_odd_dataset(dataset, where)
    found, kind = dataset.shape, dataset.dtype
    # One number serves as well written as an array of one.
    fits = found == (1,) if shape == () else len(found) == len(shape)
    fits &= all(wish in (None, size) for wish, size in zip(shape, found, strict=False))
    if not (fits or found == shape):
        raise SchemaError(f"{where}: shape {found}, expected {wanted}; {DOCUMENT}")
    if kind.kind not in ("iu" if rule.is_integer else "iuf"):
        raise SchemaError(
            f"{where}: type {kind}, expected {'integers' if rule.is_integer else 'numbers'}; {DOCUMENT}"
        )
    values = read_array(file, name).reshape([size for size in found if shape != ()])
    values = values.astype(np.int64 if rule.is_integer else np.float64)
    _check_range(values, rule, where)
    return values


def _check_range(values: np.ndarray, rule: Rule, where: str) -> None:
    wanted = ["an integer" if rule.is_integer else "a finite number"]
    bad = np.isnan(values) if rule.may_be_infinite else ~np.isfinite(values)
    if np.isfinite(rule.above):
        bad |= ~(values > rule.above)
        wanted.append(f"above {rule.above:g}")
    if np.isfinite(rule.within):
        bad |= ~(np.abs(values) <= rule.within)
        within = f"from {-rule.within:g} to {rule.within:g}"
        wanted.append(f"and at most {rule.within:g}" if np.isfinite(rule.above) else within)
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), values.shape)
        place = f", row {at[0]}" if at else ""
        place += f", column {at[1]}" if len(at) > 1 else ""
        remedy = rule.asks if np.isfinite(values[at]) else ""
        raise SchemaError(
            f"{where}{place}: {values[at]}, expected {' '.join(wanted)} "
            f"({np.count_nonzero(bad)} such); {remedy or 'correct it, or leave the row out'}"
        )


def _check_index(values: Int[np.ndarray, " n_obs"], n_row: int, where: str, table: str) -> None:
    bad = values >= n_row
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{where}, row {row}: {values[row]}, but {table} has rows 0 to {n_row - 1} "
            f"({np.count_nonzero(bad)} such); rows are counted from 0"
        )


def _check_unit(vectors: Float[np.ndarray, "n_exp 3"], where: str) -> None:
    length = np.linalg.norm(vectors, axis=1)
    bad: Bool[np.ndarray, " n_exp"] = np.abs(length - 1.0) > 1e-6
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{where}, row {row}: length {length[row]:.9g}, expected a unit vector "
            f"({np.count_nonzero(bad)} such); divide it by its length, which belongs in sun_dist_au"
        )


def _check_twice(
    exposure: Int[np.ndarray, " n_obs"],
    source: Int[np.ndarray, " n_own"],
    rows: Int[np.ndarray, " n_own"],
    path: Path,
) -> None:
    own = exposure[rows]
    order = np.lexsort((rows, source, own))
    same = (np.diff(own[order]) == 0) & (np.diff(source[order]) == 0)
    if same.any():
        first, second = order[np.argmax(same) + np.arange(2)]
        raise SchemaError(
            f"{path}: observations, rows {rows[first]} and {rows[second]}: source {source[second]} is "
            f"twice in exposure {own[second]} ({np.count_nonzero(same)} such); keep one of the two"
        )
