"""Refuse problems that predict other places than the measured ones, with the question that fits."""

import logging
from collections.abc import Callable, Sequence

import numpy as np

from galcen.astrometry.iterative.first_prediction import (
    FirstPrediction,
    first_prediction,
    sample,
    sample_rows,
)
from galcen.astrometry.iterative.problem import Problem
from galcen.errors import SchemaError
from galcen.io.problem_file import FileOrbit, ProblemFile
from galcen.stages.problem_orbits import problem_of

LARGEST_DEVIATION = 5.0
"""Of the measured places from the predicted ones, in units of what the priors allow: larger ones are
refused."""

NOTABLE_DEVIATION = 2.0
"""Larger ones are warned of."""

NOTABLE_YEARS = 5.0
"""Of all exposures from the epoch of the sources: more are warned of."""

_ORDER = 2
"""Of the distortion in the predictions, where it is none."""

log = logging.getLogger(__name__)

Change = Callable[[ProblemFile], ProblemFile]


def check_predictions(problem: Problem, where: str) -> None:
    """Compare a sample of the measurements with predictions.

    Raises
    ------
    SchemaError
        They differ by far more than the priors allow.
    """
    some = sample(problem)
    if not some.orbits:
        return
    found = first_prediction(some)
    # A mock survey may have pointings that are off by more than a chip.
    if not found.deviation <= LARGEST_DEVIATION:
        raise SchemaError(f"{where}: {_words(found)}; {_GENERAL}")
    names = [f"exposure {k} of orbit {orbit.number}" for orbit, k, _ in sample_rows(problem.orbits)]
    _warn(found, where, names)


def check_file_predictions(file: ProblemFile) -> None:
    """`check_predictions` of a problem file; an error asks what, if it were so, would make them agree."""
    _warn_of_epoch(file)
    small = _sample_of(file)
    if small is None:
        return
    problem = problem_of(small, _ORDER)
    found = first_prediction(problem)
    if not _is_wrong(found, problem):
        rows = [orbit.exposures[k] for orbit, k, _ in sample_rows(file.orbits)]
        _warn(found, str(file.path), [f"row {row}" for row in rows])
        return
    question = next((words for words, change in _READINGS.items() if _agrees(change(small))), _GENERAL)
    raise SchemaError(f"{file.path}: {_words(found)}; {question}")


_GENERAL = (
    "are stars matched to the wrong measurements, pointings or position angles those of other exposures, "
    "chips "
    "numbered or turned otherwise, units or signs mistaken, or priors far too narrow?"
)


def _is_wrong(found: FirstPrediction, problem: Problem) -> bool:
    return not found.deviation <= LARGEST_DEVIATION or found.distance > _chip_side(problem)


def _chip_side(problem: Problem) -> float:
    """What the measurements say of the side of a chip [pixel]."""
    return 2.0 * max(float(np.abs(orbit.pixel).max()) for orbit in problem.orbits if orbit.pixel.size)


def _agrees(file: ProblemFile) -> bool:
    problem = problem_of(file, _ORDER)
    found = first_prediction(problem)
    return found.deviation < NOTABLE_DEVIATION and not _is_wrong(found, problem)


def _words(found: FirstPrediction) -> str:
    return (
        f"measurements are {found.distance:.3g} pixels from where the priors predict them, in the median, "
        f"and "
        f"{found.deviation:.3g} times as far as the priors allow, expected 1 at most"
    )


def _warn(found: FirstPrediction, where: str, names: Sequence[str]) -> None:
    if found.deviation > NOTABLE_DEVIATION:
        log.warning("%s: %s; are priors too narrow, or stars mismatched?", where, _words(found))
        return
    off = np.flatnonzero(~(found.each <= LARGEST_DEVIATION))
    if len(off):
        log.warning(
            "%s: in %d of %d exposures that were looked at, such as %s, measurements are %.3g times as far "
            "from where the priors predict them as these allow, and more; are stars mismatched there, or is "
            "the pointing that of another exposure?",
            where,
            len(off),
            len(found.each),
            names[off[0]],
            found.each[off].min(),
        )


def _warn_of_epoch(file: ProblemFile) -> None:
    """Another epoch than that of the sources goes unseen in the Earth's place if it is whole years off."""
    t = file.exposures["t_yr"]
    if len(t) and np.abs(t).min() > NOTABLE_YEARS:
        log.warning(
            "%s: exposures/t_yr is %.1f to %.1f: all exposures are years from the epoch of the sources; is "
            "it counted from that epoch?",
            file.path,
            t.min(),
            t.max(),
        )


def _sample_of(file: ProblemFile) -> ProblemFile | None:
    """A part of the measurements as one orbit, with no more sources and exposures than they have."""
    some = sample_rows(file.orbits)
    if not some:
        return None
    exposures = np.array([orbit.exposures[k] for orbit, k, _ in some])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(orbit, name)[..., rows] for orbit, _, rows in some], axis=-1)

    listed, source = np.unique(joined("source"), return_inverse=True)
    offset = np.concatenate([[0], np.cumsum([len(rows) for _, _, rows in some])])
    columns = (joined(name) for name in ("chip", "pixel", "sigma"))
    orbit = FileOrbit(0, np.arange(len(some)), offset, joined("rows"), source, *columns)
    return file._replace(
        exposures={name: values[exposures] for name, values in file.exposures.items()},
        sources={name: values[listed] for name, values in file.sources.items()},
        orbits=(orbit,),
    )


def _in(table: str, read: Callable[[np.ndarray], np.ndarray], *names: str) -> Change:
    """A problem with columns of a table read otherwise."""

    def change(file: ProblemFile) -> ProblemFile:
        columns = dict(getattr(file, table))
        columns |= {name: read(columns[name]) for name in names}
        return file._replace(**{table: columns})

    return change


def _both(first: Change, second: Change) -> Change:
    return lambda file: second(first(file))


def _pixels(read: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A problem with pixel coordinates (2, n) read otherwise."""
    return lambda file: file._replace(
        orbits=tuple(orbit._replace(pixel=read(orbit.pixel)) for orbit in file.orbits)
    )


def _from_corner(pixel: np.ndarray) -> np.ndarray:
    """Pixels from the centre, if they were from a corner; the chip is as large as the measurements say."""
    return pixel - 0.5 * (pixel.min(axis=1, keepdims=True) + pixel.max(axis=1, keepdims=True))


def _signs(x: float, y: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixel: pixel * np.array([[x], [y]])


def _lengths(unit_um: float) -> Change:
    """A problem with pixel coordinates that were lengths, in a unit of so many um."""
    return lambda file: _pixels(lambda pixel: pixel * unit_um / file.lengths["pixel_um"])(file)


def _chips(order: Callable[[int], np.ndarray]) -> Change:
    """A problem with chips numbered otherwise."""
    return lambda file: file._replace(
        chips={name: values[order(len(values))] for name, values in file.chips.items()}
    )


_PLACES = "ra_deg", "dec_deg"
_READINGS: dict[str, Change] = {
    "are ra_deg and dec_deg in radians?": _both(
        _in("sources", np.degrees, *_PLACES), _in("exposures", np.degrees, *_PLACES)
    ),
    "is exposures/pa_deg in radians?": _in("exposures", np.degrees, "pa_deg"),
    "is exposures/pa_deg counted from north through west? It is through east": _in(
        "exposures", np.negative, "pa_deg"
    ),
    "is exposures/pa_deg that of the axis +X? It is that of +Y": _in(
        "exposures", lambda pa: pa + 90.0, "pa_deg"
    ),
    "is exposures/pa_deg that of the axis -X? It is that of +Y": _in(
        "exposures", lambda pa: pa - 90.0, "pa_deg"
    ),
    "is exposures/pa_deg that of the axis -Y? It is that of +Y": _in(
        "exposures", lambda pa: pa + 180.0, "pa_deg"
    ),
    "are nx_pix and ny_pix exchanged?": _pixels(lambda pixel: pixel[::-1]),
    "is the sign of nx_pix reversed?": _pixels(_signs(-1.0, 1.0)),
    "is the sign of ny_pix reversed?": _pixels(_signs(1.0, -1.0)),
    "are the signs of nx_pix and ny_pix reversed?": _pixels(_signs(-1.0, -1.0)),
    "are pixels counted from a corner of the chip? They are from its centre": _pixels(_from_corner),
    "are nx_pix and ny_pix in mm?": _lengths(1e3),
    "are nx_pix and ny_pix in um?": _lengths(1.0),
    "is the sign of priors/chip_rotation_rad reversed?": _in("chips", np.negative, "chip_rotation_rad"),
    "is priors/chip_centre_um with x and y exchanged?": _in(
        "chips", lambda at: at[:, ::-1], "chip_centre_um"
    ),
    "are chips numbered in the other direction?": _chips(lambda n: np.arange(n)[::-1]),
    "do chips in observations/chip begin with another one?": _chips(lambda n: np.roll(np.arange(n), -1)),
    "do chips in observations/chip begin with another one, such as that of number 3?": _chips(
        lambda n: np.roll(np.arange(n), 1)
    ),
    "is sources/prior_mean in micro-arcseconds?": _in("sources", lambda mean: 1e-3 * mean, "prior_mean"),
}
"""Questions, each with what a problem is if the answer is yes."""
