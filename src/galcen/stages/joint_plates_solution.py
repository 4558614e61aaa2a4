"""The solution of plates: what can be solved, a first alignment, the frame, errors, and what contradicts."""

import logging
from typing import NamedTuple

import numpy as np

from galcen.astrometry import plate_start
from galcen.astrometry.epoch_check import epoch_shifts, motion_pattern
from galcen.astrometry.joint_plates import JointSolution, PlateData, SolverOptions, Unknowns, solvable, solve
from galcen.astrometry.plane_map import fit_map
from galcen.astrometry.plate_frame import Frame
from galcen.astrometry.plate_polynomial import n_terms
from galcen.config.joint_plates import JointPlates
from galcen.errors import ConfigError, ConvergenceError, SchemaError
from galcen.io.plates import Plates
from galcen.stages.joint_plates_input import matching_radius, named
from galcen.stages.joint_plates_label import FoundLabel, PlateStars, contradictions, find_label
from galcen.stages.joint_plates_tables import median_magnitude

log = logging.getLogger(__name__)

ROUNDS = 12
"""Times that errors are scaled, and stars of the label left out, at most."""

FACTOR_SETTLED = 5e-3
"""Last change of the factors of errors."""

FEWEST_DOF = 10.0
"""Redundancy of an exposure below which its errors are not scaled."""

LARGE_NOISE = 3.0
"""Excess noise over the stated errors from which on a warning is logged for exposures of one epoch."""


class Solved(NamedTuple):
    """A solution, and which of the plates' stars and rows it is of."""

    solution: JointSolution
    frame: Frame
    data: PlateData  # of the solved stars, numbered among themselves
    star: np.ndarray  # places of the solved stars in the plates
    row: np.ndarray  # places of their rows
    error_factor: np.ndarray  # that the stated errors of each exposure were multiplied by
    label: FoundLabel | None


def solve_plates(plates: Plates, settings: JointPlates) -> Solved:
    """Choose what can be solved, align, solve, and look for motions that the epochs do not explain.

    Raises
    ------
    SchemaError, ConfigError
        Too few stars to solve for, or residuals that look like motions of exposures of one epoch.
    ConvergenceError
        No solution is found; the stars that fit least are named.
    """
    span = float(np.ptp(plates.epoch))
    has_motion = settings.motion == "on" or (settings.motion == "auto" and span >= settings.min_span)
    position = np.column_stack([plates.x, plates.y])
    sigma = np.column_stack([plates.sigma_x, plates.sigma_y])
    whole = PlateData(plates.star, plates.exposure, position, sigma, plates.epoch)
    n_star = len(plates.star_names)
    kept = solvable(whole, n_star, settings.min_exposures, settings.min_span if has_motion else 0.0)
    row, star = np.flatnonzero(kept[plates.star]), np.flatnonzero(kept)
    own = np.cumsum(kept) - 1
    data = PlateData(own[plates.star[row]], plates.exposure[row], position[row], sigma[row], plates.epoch)
    _check_exposures(plates, data, settings)
    count = np.bincount(data.exposure)
    best = int(np.argmax(count))
    at = best if settings.reference is None else named(plates.exposure_names, settings.reference)
    nominal = plate_start.NominalPlate(at, settings.scale, -1.0 if settings.flip_x else 1.0)
    alignment = plate_start.align(data, len(star), nominal, plates.exposure_names)
    found = None
    if settings.label is not None:
        found = find_label(settings, _plate_stars(plates, settings, data, star, alignment, at))
    start = _start(data, alignment, nominal, found, has_motion, settings)
    names = [plates.star_names[place] for place in star]
    try:
        solution, frame, factor, found = _solve(data, alignment, start, found, settings)
    except ConvergenceError as error:
        misfit = _misfit(data, alignment, names, plates.exposure_names)
        raise ConvergenceError(f"{error}; the stars that fit least: {misfit}") from None
    solved = Solved(solution, frame, data, star, row, factor, found)
    _check_epochs(plates, solved, settings, has_motion)
    return solved


def _plate_stars(
    plates: Plates,
    settings: JointPlates,
    data: PlateData,
    star: np.ndarray,
    alignment: plate_start.Alignment,
    reference: int,
) -> PlateStars:
    """What is known of the stars before they are solved."""
    rows = plates.exposure == reference
    shown = np.column_stack([plates.x, plates.y])[rows]
    radius = settings.scale * matching_radius(settings, shown, plates.exposure_names[reference], plates.unit)
    names = [plates.star_names[place] for place in star]
    epoch = float(plates.epoch[data.exposure].mean())
    return PlateStars(names, alignment.place, median_magnitude(plates)[star], epoch, radius)


def _start(
    data: PlateData,
    alignment: plate_start.Alignment,
    nominal: plate_start.NominalPlate,
    found: FoundLabel | None,
    has_motion: bool,
    settings: JointPlates,
) -> tuple[Frame, Unknowns]:
    """The frame, and where the solution starts."""
    t0 = settings.epoch or float(data.epoch[data.exposure].mean())
    if found is not None:
        return plate_start.on_label(data, alignment, found.catalogue, t0, has_motion, settings.order)
    often = np.flatnonzero(np.bincount(data.star) >= settings.frame_fraction * len(data.epoch))
    if has_motion and len(often) < 2 * n_terms(settings.order):
        raise ConfigError(
            f"frame_fraction: {len(often)} stars are on {settings.frame_fraction:g} of the exposures or "
            f"more, expected {2 * n_terms(settings.order)} to hold the motions; make it smaller"
        )
    held = often if has_motion else None
    return plate_start.on_reference(data, alignment, nominal, t0, held, settings.order)


def _solve(
    data: PlateData,
    alignment: plate_start.Alignment,
    start: tuple[Frame, Unknowns],
    found: FoundLabel | None,
    settings: JointPlates,
) -> tuple[JointSolution, Frame, np.ndarray, FoundLabel | None]:
    """The solution; again with other errors, or without stars of the label, where the options say so."""
    method = SolverOptions(
        settings.order, settings.robust, settings.excess_noise, settings.tolerance, settings.max_outer
    )
    frame, unknowns = start
    factor = np.ones(len(data.epoch))
    for step in range(ROUNDS):
        scaled = data._replace(sigma=data.sigma * factor[data.exposure, None])
        solution = solve(scaled, unknowns, frame, method)
        unknowns = solution.unknowns
        following = _factors(solution, factor, settings)
        settled = bool((np.abs(following / factor - 1.0) < FACTOR_SETTLED).all())
        if found is not None and found.by_errors:
            bad = contradictions(found, solution, frame)
            if step == 0 or bad.any():
                settled = False
                found = _without(found, bad, solution, settings)
                has_motion = unknowns.star.shape[1] == 4
                held = plate_start.on_label(
                    data, alignment, found.catalogue, frame.t0, has_motion, settings.order
                )[0]
                frame = held._replace(centre=frame.centre, half_size=frame.half_size)
        if settled:
            break
        factor = following
    return solution, frame, factor, found


def _without(
    found: FoundLabel, bad: np.ndarray, solution: JointSolution, settings: JointPlates
) -> FoundLabel:
    """The label without stars that contradict the others."""
    if bad.any():
        log.info("label: %d of %d stars contradict the others and are left out", bad.sum(), len(bad))
    left = found.kept(~bad, solution)
    if len(left.row) < 2 * n_terms(settings.order):
        raise SchemaError(
            f"{found.table.path}: {len(left.row)} of its stars agree with the solution, expected "
            f"{2 * n_terms(settings.order)} to hold the frame; are its epochs and motions right?"
        )
    return left


def _factors(solution: JointSolution, factor: np.ndarray, settings: JointPlates) -> np.ndarray:
    """Factors of the stated errors that bring the chi-square of each exposure to its redundancy."""
    if not settings.errors.scale:
        return factor
    known = solution.dof > FEWEST_DOF
    ratio = np.sqrt(np.where(known, solution.chi2, 1.0) / np.where(known, solution.dof, 1.0))
    # Residuals above the errors are the excess noise's matter where there is one.
    return np.minimum(factor * ratio, 1.0) if settings.excess_noise else factor * ratio


def _misfit(
    data: PlateData, alignment: plate_start.Alignment, names: list[str], exposures: tuple[str, ...]
) -> str:
    """The stars that are farthest from where the first alignment has them."""
    off = np.zeros(len(data.star))
    for exposure in range(len(data.epoch)):
        rows = np.flatnonzero(data.exposure == exposure)
        goal = alignment.place[data.star[rows]]
        off[rows] = np.linalg.norm(fit_map(data.position[rows], goal, 1)(data.position[rows]) - goal, axis=1)
    worst = np.argsort(-off, kind="stable")[:3]
    shown = [f"{names[data.star[o]]} on {exposures[data.exposure[o]]} by {off[o]:.4g} mas" for o in worst]
    return f"{', '.join(shown)}; the median is {np.median(off):.3g} mas"


def _check_epochs(plates: Plates, solved: Solved, settings: JointPlates, has_motion: bool) -> None:
    """Refuse, or warn of, residuals that look like motions of which the epochs know nothing."""
    names, solution = plates.exposure_names, solved.solution
    if has_motion:
        for item in epoch_shifts(solved.data, solution, solved.frame)[:1]:
            log.warning(
                "exposure %s: its residuals lie along the motions of its stars: the epoch %.2f would have "
                "to be "
                "%.2f +- %.2f yr %s; are the epochs of the exposures right?",
                *(names[item.exposure], plates.epoch[item.exposure], abs(item.shift), item.error),
                "later" if item.shift > 0 else "earlier",
            )
        return
    found = motion_pattern(solved.data, solution, solved.frame, settings.order)
    if found is not None:
        times = ", ".join(f"{names[e]} {c:.2f}" for e, c in zip(found.exposures, found.course, strict=True))
        low, high = plates.epoch.min(), plates.epoch.max()
        span = f"all {low:.2f}" if high == low else f"{low:.2f} to {high:.2f}"
        text = (
            f"the residuals of {found.n_star} stars look like motions, of {found.path_mas:.3g} mas at the "
            f"median, "
            f"of which the epochs of the exposures ({span}) know nothing; in the course of the motions they "
            f"are "
            f"at {times}"
        )
        if settings.motion != "off":
            raise SchemaError(
                f"{text}: give the right epochs with `epochs`, or set motion to off if the exposures are of "
                "one epoch"
            )
        log.warning("%s", text)
    stated = np.array([np.median(solved.data.sigma[solved.data.exposure == e]) for e in range(len(names))])
    ratio = solution.excess_noise / stated
    if ratio.max() > LARGE_NOISE:
        worst = int(np.argmax(ratio))
        log.warning(
            "exposure %s: the positions scatter by %.3g times their stated errors; if stars moved between "
            "the "
            "exposures, give their epochs",
            *(names[worst], ratio[worst]),
        )


def _check_exposures(plates: Plates, data: PlateData, settings: JointPlates) -> None:
    """Every exposure needs more stars that can be solved than its polynomial has terms."""
    count = np.bincount(data.exposure, minlength=len(plates.epoch))
    needed = n_terms(settings.order) + 1
    if count.min() < needed:
        least = int(np.argmin(count))
        raise SchemaError(
            f"exposure {plates.exposure_names[least]} shows {count[least]} stars that are on "
            f"{settings.min_exposures} exposures or more, expected {needed} for a polynomial of order "
            f"{settings.order}; lower `order` or `min_exposures`, or leave the exposure out"
        )
