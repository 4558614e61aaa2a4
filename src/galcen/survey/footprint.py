"""Which stars may fall on which chip of an exposure, before they are put there exactly.

Directions without aberration are taken as those of the whole orbit; the velocity of the exposure is added to
first order. What is left out (distortion, terms of second order) is smaller than a margin about the chips.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from galcen.compiled import compiled

SECOND_ORDER = 3e-8
"""Of aberration, and the bending of light [rad]: at most 6 mas."""


class Frames(NamedTuple):
    """What places a star on the focal plane of each exposure."""

    axes: Float[np.ndarray, "n_exp 3 3"]  # rows: X, Y, boresight
    beta: Float[np.ndarray, "n_exp 3"]
    scale: Float[np.ndarray, "n_exp 2"]  # focal lengths along X and Y [um]


class Chips(NamedTuple):
    """True chips, and how far from their centres a star is looked at."""

    affine: Float[np.ndarray, "n_chip 6"]  # see `galcen.mapping.detector.Affine`
    reach: float  # [pixel]
    radius: float  # of a circle on the sky about the boresight that holds all chips [rad]


class Candidates(NamedTuple):
    """Stars and chips of some exposures, by exposure, star and chip."""

    star: list[Int[np.ndarray, " n"]]
    chip: list[Int[np.ndarray, " n"]]


def candidates(
    direction: Float[np.ndarray, "n_star 3"],
    visible: Bool[np.ndarray, " n_star"],
    tree: KDTree,
    field: Int[np.ndarray, " n_exp"],
    frames: Frames,
    chips: Chips,
    moved: float,
) -> Candidates:
    """Stars near the chips of each exposure.

    Parameters
    ----------
    direction
        Coordinate directions of the stars in the orbit.
    visible
        The stars to be looked at.
    tree
        Of their directions at the reference epoch.
    field
        Numbers of the exposures' fields: exposures of one field share the search of the tree.
    frames, chips
        Geometry of the exposures and of the camera.
    moved
        How far a direction may be from that at the reference epoch [rad].
    """
    found = Candidates([np.empty(0, np.int32)] * len(field), [np.empty(0, np.uint8)] * len(field))
    for number in np.unique(field):
        rows = np.flatnonzero(field == number)
        # Where a boresight points, stars are seen that are the velocity further back.
        centres = frames.axes[rows, 2] - frames.beta[rows]
        middle = centres.mean(axis=0)
        spread = np.linalg.norm(centres - middle, axis=1).max()
        # The chord is shorter than the angle, and the middle a little inside the unit sphere.
        around = chips.radius + spread + moved + SECOND_ORDER
        near = np.sort(np.asarray(tree.query_ball_point(middle, around * 1.001), dtype=np.int32))
        near = near[visible[near]]
        # Few stars are near a chip in one exposure of a field and in another not.
        wider = chips.reach + _jitter_pixel(frames, rows, chips)
        n_chip = len(chips.affine)
        star, _ = _Stars.of(direction, near, n_chip).near(frames, rows[0], chips, wider)
        stars = _Stars.of(direction, np.unique(star), n_chip)
        for row in rows:
            found.star[row], found.chip[row] = stars.near(frames, row, chips, chips.reach)
    return found


def _jitter_pixel(frames: Frames, rows: Int[np.ndarray, " n"], chips: Chips) -> float:
    """How far stars on the chips get from where they are in the first of some exposures, at most [pixel]."""
    axes, beta, scale = (column[rows] - column[rows[0]] for column in frames)
    steps = [np.linalg.norm(part, axis=-1) for part in (axes[:, 2], beta, axes[:, 0], axes[:, 1])]
    angle = steps[0] + steps[1] + np.tan(chips.radius) * (steps[2] + steps[3])
    moved_um = angle * frames.scale[rows].max() + np.tan(chips.radius) * np.abs(scale).max(axis=1)
    # To first order in small angles, on a plane that is stretched by 1 + r^2 at most.
    stretch = 1.02 * (1 + np.tan(chips.radius) ** 2)
    return float(stretch * moved_um.max() * np.sqrt(2) * np.abs(chips.affine[:, :4]).max())


class _Stars(NamedTuple):
    """Some stars, and room for what is found of them."""

    number: Int[np.ndarray, " n"]
    direction: Float[np.ndarray, "3 n"]
    work: Float[np.ndarray, "3 n"]
    kept: Int[np.ndarray, " n+1"]
    star: Int[np.ndarray, " space"]
    chip: Int[np.ndarray, " space"]

    @classmethod
    def of(
        cls, direction: Float[np.ndarray, "n_star 3"], number: Int[np.ndarray, " n"], n_chip: int
    ) -> "_Stars":
        n, space = len(number), n_chip * len(number) + 1
        inside = np.ascontiguousarray(direction[number].T)
        work, kept = np.empty((3, n)), np.empty(n + 1, np.int32)
        return cls(number, inside, work, kept, np.empty(space, np.int32), np.empty(space, np.uint8))

    def near(
        self, frames: Frames, row: int, chips: Chips, reach: float
    ) -> tuple[Int[np.ndarray, " n_near"], Int[np.ndarray, " n_near"]]:
        """The stars near a chip in one exposure, and the chips."""
        n = _near_chips(
            self.direction,
            self.number,
            *(column[row] for column in frames),
            chips.affine,
            reach,
            *self.work,
            self.kept,
            self.star,
            self.chip,
        )
        return self.star[:n].copy(), self.chip[:n].copy()


@compiled
def _near_chips(
    direction: Float[np.ndarray, "3 n"],
    number: Int[np.ndarray, " n"],
    axes: Float[np.ndarray, "3 3"],
    beta: Float[np.ndarray, " 3"],
    scale: Float[np.ndarray, " 2"],
    chips: Float[np.ndarray, "n_chip 6"],
    reach: float,
    plane_x: Float[np.ndarray, " n"],
    plane_y: Float[np.ndarray, " n"],
    outside: Float[np.ndarray, " n"],
    kept: Int[np.ndarray, " n+1"],
    star: Int[np.ndarray, " space"],
    chip: Int[np.ndarray, " space"],
) -> int:
    # Loops without branches, over arrays of one axis and numbers taken out of theirs: they run for many stars
    # at once.
    for i in range(len(number)):
        plane_x[i] = 0.0
        plane_y[i] = 0.0
        outside[i] = 0.0
    for k in range(3):
        along, v = direction[k], beta[k]
        x, y, z = axes[0, k], axes[1, k], axes[2, k]
        for i in range(len(number)):
            component = along[i] + v
            plane_x[i] += x * component
            plane_y[i] += y * component
            outside[i] += z * component
    # The tree has left no star behind the telescope.
    scale_x, scale_y = scale[0], scale[1]
    for i in range(len(number)):
        per_depth = 1.0 / outside[i]
        plane_x[i] *= scale_x * per_depth
        plane_y[i] *= scale_y * per_depth
        outside[i] = 1e30
    for c in range(len(chips)):
        xx, xy, yx, yy = chips[c, 0], chips[c, 1], chips[c, 2], chips[c, 3]
        x, y = chips[c, 4], chips[c, 5]
        for i in range(len(number)):
            dx, dy = plane_x[i] - x, plane_y[i] - y
            outside[i] = min(outside[i], max(abs(xx * dx + xy * dy), abs(yx * dx + yy * dy)))
    # Without branches too: whether a star is near a chip is as good as random. What is written beyond the
    # count is written over, so that the lists are one longer than they need be.
    n_near = 0
    for i in range(len(number)):
        kept[n_near] = i
        n_near += outside[i] <= reach
    n = 0
    for k in range(n_near):
        i = kept[k]
        for c in range(len(chips)):
            star[n], chip[n] = number[i], c
            n += _from_centre(chips, c, plane_x[i], plane_y[i]) <= reach
    return n


@compiled
def _from_centre(chips: Float[np.ndarray, "n_chip 6"], c: int, x: float, y: float) -> float:
    """The larger pixel coordinate on one chip, without sign."""
    dx, dy = x - chips[c, 4], y - chips[c, 5]
    return max(abs(chips[c, 0] * dx + chips[c, 1] * dy), abs(chips[c, 2] * dx + chips[c, 3] * dy))
