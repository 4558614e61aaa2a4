"""The stars of a label catalogue among those of the plates, by name or by position."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.astrometry.joint_plates import JointSolution
from galcen.astrometry.plane_map import MAD_TO_SIGMA
from galcen.astrometry.plate_frame import Frame
from galcen.astrometry.plate_identity import consensus
from galcen.astrometry.plate_polynomial import n_terms
from galcen.astrometry.plate_start import LabelCatalogue
from galcen.astrometry.plate_vote import PointSet, place, vote
from galcen.config.joint_plates import JointPlates
from galcen.errors import ConfigError, SchemaError
from galcen.io.label_catalogue import LabelTable, read_label

log = logging.getLogger(__name__)

BELIEVED = 0.5
"""Part of the common names that must agree with positions for names to be used."""

LARGEST_ORDER = 5
"""Of the map between catalogue and plates."""

SCALE_SAID = 0.1
"""Difference of the scale of the label and `scale` from which on a warning is logged."""

CONTRADICTS = 5.0
"""Differences between catalogue and solution that take a star out of the frame [sigma]."""

SCATTERS = 6.0
"""A name is at another place from so many robust standard deviations on."""


class PlateStars(NamedTuple):
    """Solved stars as they are known before the solution."""

    names: Sequence[str]
    place: Float[np.ndarray, "n 2"]  # [mas], at the mean epoch
    magnitude: Float[np.ndarray, " n"]
    epoch: float  # [Julian year]
    radius: float  # within which a star is found [mas]


class FoundLabel(NamedTuple):
    """A label catalogue and which of its stars are which of the plates."""

    catalogue: LabelCatalogue
    table: LabelTable
    row: Int[np.ndarray, " k"]  # in the table, of the stars of the catalogue
    by_errors: bool  # stars count by their errors, and may be left out

    def kept(self, chosen: Bool[np.ndarray, " k"], solution: JointSolution) -> "FoundLabel":
        """The same with some of the stars, weighted by the errors of catalogue and solution."""
        whole, row = self.catalogue, self.row[chosen]
        star = whole.star[chosen]
        own = np.einsum("nii->ni", solution.covariance[star])
        return FoundLabel(
            LabelCatalogue(
                star,
                whole.position[chosen],
                whole.motion[chosen],
                whole.epoch[chosen],
                _weight(self.table.position_error[row], own[:, :2].mean(axis=1)),
                _weight(self.table.motion_error[row], own[:, 2:].mean(axis=1) if own.shape[1] == 4 else 0.0),
            ),
            self.table,
            row,
            self.by_errors,
        )


def find_label(settings: JointPlates, stars: PlateStars) -> FoundLabel:
    """Stars of the label that are solved.

    Raises
    ------
    SchemaError
        The label cannot be read, or too few of its stars are found.
    """
    label = settings.label
    if label is None:
        raise ConfigError("label: none is given")
    table = read_label(Path(label.path), label.columns, label.unit_mas, label.epoch)
    expected = 2 * n_terms(settings.order)
    now = table.position + table.motion * (stars.epoch - table.epoch)[:, None]
    found, reason = None, ""
    if label.match != "positions":
        found, reason = _by_name(table, now, stars, expected, must=label.match == "names")
    by_position = found is None
    if found is None:
        if label.match == "names":
            raise SchemaError(f"{table.path}: {reason}; set label.match to positions to do without names")
        found = _by_position(table, now, stars, expected, reason)
    star, row = found
    by_errors = label.weights == "errors" or (label.weights == "auto" and by_position)
    weights = (None, None)
    if by_errors:
        weights = (_weight(table.position_error[row]), _weight(table.motion_error[row]))
    catalogue = LabelCatalogue(star, table.position[row], table.motion[row], table.epoch[row], *weights)
    return FoundLabel(catalogue, table, row, by_errors)


def _weight(
    error: Float[np.ndarray, " n"], own_variance: Float[np.ndarray, " n"] | float | None = None
) -> Float[np.ndarray, " n"] | None:
    """Weights by errors; None, which is alike, where errors are unknown.

    Before there is a solution, no star counts much more than a typical one; then by its variance, too.
    """
    if not np.isfinite(error).all() or not (error >= 0).all():
        return None
    variance = error**2 + (np.median(error) ** 2 if own_variance is None else own_variance)
    return 1.0 / variance if (variance > 0).all() else None


def _by_name(
    table: LabelTable, now: Float[np.ndarray, "n 2"], stars: PlateStars, expected: int, must: bool
) -> tuple[tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]] | None, str]:
    """Stars of the same name at the same place, or why there are too few."""
    names, count = np.unique(table.names[table.names != ""], return_counts=True)
    if must and (count > 1).any():
        again = names[np.argmax(count > 1)]
        raise SchemaError(f"{table.path}: the name {again} stands twice; expected each star once")
    known = {name: row for row, name in enumerate(table.names.tolist()) if name}
    pairs = [(star, known[name]) for star, name in enumerate(stars.names) if name in known]
    if len(pairs) < expected:
        return None, (
            f"{len(pairs)} of its stars have names of solved ones and a motion, expected {expected} to hold "
            f"the "
            "frame"
        )
    star, row = np.array(pairs).T
    to_label = consensus(stars.place[star], now[row])
    if to_label is None:
        return None, f"{len(pairs)} names are those of stars at other places, such as {stars.names[star[0]]}"
    off = np.linalg.norm(to_label(stars.place[star]) - now[row], axis=1)
    scale = float(
        np.linalg.norm(np.ptp(now[row], axis=0)) / np.linalg.norm(np.ptp(stars.place[star], axis=0))
    )
    good = off <= max(2.0 * stars.radius * scale, SCATTERS * to_label.scatter)
    if good.sum() < max(expected, BELIEVED * len(good)):
        return None, f"{np.count_nonzero(~good)} of {len(good)} names are those of stars at other places"
    if not good.all():
        worst = int(np.argmax(off))
        log.warning(
            "%s: %d names are at other places than on the plates, such as %s by %.4g mas: these stars do not "
            "hold the frame",
            *(table.path, np.count_nonzero(~good), stars.names[star[worst]], off[worst]),
        )
    return (star[good], row[good]), ""


def _by_position(
    table: LabelTable, now: Float[np.ndarray, "n 2"], stars: PlateStars, expected: int, reason: str
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Stars at the same place as seen by bright stars."""
    names = f"{reason}; by position " if reason else ""
    one, other = PointSet(now, table.magnitude), PointSet(stars.place, stars.magnitude)
    got = vote(one, other)
    if got.best is None or got.rival is not None:
        what = "several maps fit alike" if got.rival is not None else "none of turn, scale and shift is found"
        raise SchemaError(
            f"{table.path}: {names}{what} between its {len(now)} stars and the plates'; does it cover the "
            f"field, "
            "in the right unit, and is label.columns right (magnitude, too)?"
        )
    placing = place(one, other, got.best.to_other, stars.radius, LARGEST_ORDER)
    if placing is None or len(placing.row) < expected:
        n_found = 0 if placing is None else len(placing.row)
        raise SchemaError(
            f"{table.path}: {names}{n_found} of its stars are found on the plates, expected {expected} to "
            f"hold the "
            "frame; is matching.radius too small, or `order` too high?"
        )
    log.info(
        "label: %d of %d stars found by position: turned by %.2f deg, %.6g mas for a mas of the plates%s",
        *(len(placing.row), len(now), got.best.turn_deg, 1.0 / got.best.scale),
        ", mirrored" if got.best.is_mirrored else "",
    )
    if abs(np.log(got.best.scale)) > SCALE_SAID:
        log.warning(
            "label: `scale` makes a unit of x %.4g times what it is by the label, which is taken: is `scale` "
            "right?",
            got.best.scale,
        )
    return placing.partner, placing.row


def contradictions(found: FoundLabel, solution: JointSolution, frame: Frame) -> Bool[np.ndarray, " k"]:
    """Stars whose positions or motions in the catalogue contradict the solution."""
    label, table = found.catalogue, found.table
    star, covariance = solution.unknowns.star[label.star], solution.covariance[label.star]
    has_motion = star.shape[1] == 4
    time = label.epoch - frame.t0
    place_error = np.nan_to_num(table.position_error[found.row])
    differs, variance = label.position - star[:, :2], np.einsum("nii->ni", covariance[:, :2, :2])
    if has_motion:
        differs = differs - star[:, 2:] * time[:, None]
        cross = np.stack([covariance[:, 0, 2], covariance[:, 1, 3]], axis=1)
        square = np.stack([covariance[:, 2, 2], covariance[:, 3, 3]], axis=1)
        variance = variance + 2.0 * time[:, None] * cross + time[:, None] ** 2 * square
    z = [differs / np.sqrt(variance + place_error[:, None] ** 2)]
    if has_motion:
        error = np.nan_to_num(table.motion_error[found.row])
        own = np.stack([covariance[:, 2, 2], covariance[:, 3, 3]], axis=1)
        z.append((label.motion - star[:, 2:]) / np.sqrt(own + error[:, None] ** 2))
    bad = np.zeros(len(label.star), bool)
    for part in z:
        width = max(1.0, MAD_TO_SIGMA * float(np.median(np.abs(part))))
        bad |= (np.abs(part) > CONTRADICTS * width).any(axis=1)
    return bad
