"""Whether the epochs of exposures explain what the stars did: residuals that look like motions.

Where all exposures are taken for one epoch and the stars moved between them, every star's residuals go the
same way in time: over stars and exposures they are the product of a motion and one series of times, one
pattern with random amplitudes. Noise has no such pattern.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.joint_plates import JointSolution, PlateData
from galcen.astrometry.plane_map import MAD_TO_SIGMA
from galcen.astrometry.plate_frame import Frame
from galcen.astrometry.plate_polynomial import basis, n_terms

FEWEST_STARS = 15
"""Stars on the same exposures that a pattern is looked for in."""

STRENGTH = 2.5
"""Variance along the pattern over the mean of the other directions, from which on it counts."""

CHANCE = 8.0
"""The same for few stars: so many standard deviations of such a ratio above 1."""

SMOOTH = 0.5
"""Part of the amplitudes that a polynomial over the field may explain: then it is distortion."""

SIGNIFICANT = 6.0
"""Standard deviations from which on the epoch of an exposure is called wrong."""

LEAST_SHIFT = 0.05
"""Shift of an epoch below which nothing is said [span of all epochs]."""


class MotionPattern(NamedTuple):
    """A pattern in the residuals of a solution without motions."""

    strength: float  # variance along it over that of the other directions
    n_star: int
    exposures: Int[np.ndarray, " n"]
    course: Float[np.ndarray, " n"]  # over these exposures, from 0 to 1; its sense is free
    path_mas: float  # median range of the stars' residuals


class EpochShift(NamedTuple):
    """An exposure whose residuals are along the stars' motions."""

    exposure: int
    shift: float  # what the epoch would have to be later by [yr]
    error: float


def motion_pattern(
    data: PlateData, solution: JointSolution, frame: Frame, order: int
) -> MotionPattern | None:
    """The pattern of motions in the residuals of a solution without motions, or None.

    Parameters
    ----------
    data, solution, frame
        The solution.
    order
        Of the plates.
    """
    used, star, table, error = _table(data, solution, frame)
    n_exp = len(used)
    if len(star) < FEWEST_STARS or n_exp < 3:
        return None
    scaled = table / error[:, :, None]
    rows = np.concatenate([scaled[:, :, 0], scaled[:, :, 1]])
    size = np.linalg.norm(rows, axis=1)
    clipped = rows * np.minimum(1.0, 3.0 * np.median(size) / np.maximum(size, 1e-300))[:, None]
    values, vectors = np.linalg.eigh(clipped.T @ clipped / len(clipped))
    # The positions take one direction; errors of any size for each exposure leave the others alike.
    strength = float(values[-1]) / max(float(values[1:-1].mean()), 1e-300)
    if strength < max(STRENGTH, 1.0 + CHANCE * np.sqrt(2.0 / len(rows))):
        return None
    terms = basis(order + 2, (solution.unknowns.star[star, :2] - frame.centre) / frame.half_size)
    amplitude = np.einsum("nea,e->na", scaled, vectors[:, -1])
    if len(star) > 2 * n_terms(order + 2) and _smooth_part(terms, amplitude) > SMOOTH:
        return None
    course = vectors[:, -1] * np.sqrt((error**2).mean(axis=0))
    path = np.linalg.norm(table.max(axis=1) - table.min(axis=1), axis=1)
    course = (course - course.min()) / max(float(np.ptp(course)), 1e-300)
    return MotionPattern(strength, len(star), used, course, float(np.median(path)))


def _table(
    data: PlateData, solution: JointSolution, frame: Frame
) -> tuple[
    Int[np.ndarray, " e"], Int[np.ndarray, " n"], Float[np.ndarray, "n e 2"], Float[np.ndarray, "n e"]
]:
    """Residuals on the sky [mas] of the stars that are on the same exposures, and their errors."""
    n_star, n_exp = len(solution.unknowns.star), len(data.epoch)
    shown = np.zeros((n_star, n_exp), bool)
    shown[data.star, data.exposure] = True
    used = np.arange(n_exp)
    # Exposures of few stars would leave none that is on all.
    while len(used) > 3 and shown[:, used].all(axis=1).sum() < 0.3 * n_star:
        used = np.delete(used, np.argmin(shown[:, used].sum(axis=0)))
    star = np.flatnonzero(shown[:, used].all(axis=1))
    row = np.full((n_star, n_exp), -1)
    row[data.star, data.exposure] = np.arange(len(data.star))
    rows = row[np.ix_(star, used)]
    per_mas = np.sqrt(np.abs(np.linalg.det(solution.unknowns.plate[:, :, 1:3]))) / frame.half_size
    variance = (data.sigma**2).mean(axis=1) + solution.excess_noise[data.exposure] ** 2
    error = np.sqrt(variance) / per_mas[data.exposure]
    return used, star, solution.residual_sky[rows], error[rows]


def _smooth_part(terms: Float[np.ndarray, "n k"], values: Float[np.ndarray, "n 2"]) -> float:
    """Part of the variance that the terms explain, corrected for their number."""
    limit = 3.0 * np.median(np.abs(values))
    values = np.clip(values, -limit, limit)
    left = values - terms @ np.linalg.lstsq(terms, values, rcond=None)[0]
    n, k = terms.shape
    return 1.0 - float((left**2).sum() / (n - k)) / max(float((values**2).sum() / n), 1e-300)


def epoch_shifts(data: PlateData, solution: JointSolution, frame: Frame) -> list[EpochShift]:
    """Exposures whose residuals lie along the stars' motions, the most significant first.

    The stars take a part of every residual, so that a shift is divided by the part that is left.
    """
    motion = solution.unknowns.star[:, 2:]
    if motion.shape[1] == 0:
        return []
    motion = motion - np.median(motion, axis=0)
    span = float(np.ptp(data.epoch))
    out = []
    for e in range(len(data.epoch)):
        rows = np.flatnonzero((data.exposure == e) & ~solution.is_bad)
        along = motion[data.star[rows]]
        left = solution.residual_sky[rows]
        part = solution.redundancy[rows]
        judged = part > 0.02
        if judged.sum() < 2 * FEWEST_STARS:
            continue
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(left[judged])))
        total = float((along**2 * part)[judged].sum())
        if total == 0.0 or scatter == 0.0:
            continue
        shift = float((along * left)[judged].sum()) / total
        error = scatter * float(np.sqrt((along[judged] ** 2).sum())) / total
        if abs(shift) > SIGNIFICANT * error and abs(shift) > LEAST_SHIFT * span:
            out.append(EpochShift(e, shift, error))
    return sorted(out, key=lambda item: -abs(item.shift) / item.error)
