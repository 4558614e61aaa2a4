"""How one list of stars lies on another, from positions alone: a vote over turn, scale, shift and reflection.

Triangles of bright neighbours have the same ratios of sides in both lists. Every pair of like triangles
implies a similarity; those of the same stars agree with one another, all others are scattered at random. The
densest places among the similarities are tried, each is made better with the stars that it brings together,
and the one that brings together far more stars than chance would is taken.

References
----------
Groth (1986), AJ 91, 1244: triangles. Lang et al. (2010), AJ 139, 1782: verification against chance.
"""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from scipy.stats import poisson

from galcen.astrometry.plane_map import MAD_TO_SIGMA, PlaneMap, fit_map
from galcen.astrometry.plate_polynomial import n_terms

BRIGHTEST = (40, 120, 400, 1200)
"""Numbers of the brightest stars tried, one after the other, until a vote is decided."""

NEIGHBOURS = 6
"""Nearest neighbours of a star that make triangles with it."""

SIDE_TOLERANCE = 0.01
"""Largest difference of the ratios of sides of like triangles."""

LEAST_PAIRS, MOST_PAIRS = 4_000, 20_000
"""Pairs of like triangles that vote; of more, some are drawn."""

AGREEMENT = 0.03
"""Largest difference of agreeing similarities: turn [rad], logarithm of scale, shift [half field]."""

N_TRIED = 12
"""Densest places that are tried."""

TOLERANCES = (0.12, 0.04, 0.015)
"""Distances at which stars count as brought together [mean distance of neighbours]."""

CHANCE = 1e-9
"""Largest probability that as many stars come together by chance."""

FEWEST = 6
"""Stars that must come together at least."""

RIVAL = 0.7
"""A second, different map that brings together this part of the best one's stars makes the vote ambiguous."""

STARS_PER_TERM = 8
"""Stars for each term of the polynomial that a placing may have."""

PLACED = (300, 1200)
"""Numbers of the brightest stars that are placed before all."""

MAX_PASSES = 12
"""Times that stars are brought together and the map is fitted anew, at each of these numbers."""

Map = Callable[[Float[np.ndarray, "n 2"]], Float[np.ndarray, "n 2"]]


class PointSet(NamedTuple):
    """Stars in a plane."""

    place: Float[np.ndarray, "n 2"]
    magnitude: Float[np.ndarray, " n"]  # NaN where unknown


class Vote(NamedTuple):
    """An affine map between two lists and the evidence for it."""

    to_other: PlaneMap
    n_together: int  # bright stars that it brings together
    expected: float  # the number of them that chance would bring together
    probability: float  # of so many by chance

    @property
    def scale(self) -> float:
        """Unit of the list over that of the other."""
        return float(np.sqrt(np.abs(np.linalg.det(self._matrix))))

    @property
    def is_mirrored(self) -> bool:
        """Whether one list is a mirror image of the other."""
        return bool(np.linalg.det(self._matrix) < 0)

    @property
    def turn_deg(self) -> float:
        """Angle by which the first axis is turned [deg]."""
        return float(np.degrees(np.arctan2(self._matrix[1, 0], self._matrix[0, 0])))

    @property
    def _matrix(self) -> Float[np.ndarray, "2 2"]:
        return self.to_other.coefficient[1:3].T / self.to_other.half_size


class Result(NamedTuple):
    """What a vote came to: no map, one, or two that differ."""

    best: Vote | None
    rival: Vote | None


def vote(one: PointSet, other: PointSet) -> Result:
    """Map from one list to another.

    Parameters
    ----------
    one, other
        The lists; where magnitudes are unknown all stars take part alike.

    Returns
    -------
    The map that brings together more stars than chance would, and a different one that brings together
    nearly as many: with a rival nothing is decided, as for a regular grid.
    """
    found = Result(None, None)
    tried = (0, 0)
    for number in BRIGHTEST:
        a, b = (points.place[_rows_of_brightest(points, number)] for points in (one, other))
        if (len(a), len(b)) == tried or min(len(a), len(b)) < 3:
            break
        tried = (len(a), len(b))
        found = _vote_of(a, b)
        if found.best is not None:
            break
    return found


def _rows_of_brightest(points: PointSet, number: int) -> Int[np.ndarray, " n"]:
    """Places of the brightest stars in their list; all where no magnitude is known."""
    known = np.isfinite(points.magnitude)
    if not known.any() or number >= len(points.place):
        return np.arange(len(points.place))
    order = np.argsort(np.where(known, points.magnitude, np.inf), kind="stable")
    return np.sort(order[: min(number, int(known.sum()))])


def _vote_of(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> Result:
    """The vote among some stars of both lists."""
    accepted: list[Vote] = []
    for start in _similarities(a, b):
        got = _improve(start, a, b)
        if got is not None and got.n_together >= FEWEST and got.probability < CHANCE:
            accepted.append(got)
    if not accepted:
        return Result(None, None)
    accepted.sort(key=lambda item: -item.n_together)
    best = accepted[0]
    apart = 2.0 * TOLERANCES[0] * spacing(b)
    for item in accepted[1:]:
        differs = np.linalg.norm(item.to_other(a) - best.to_other(a), axis=1)
        if np.median(differs) > apart and item.n_together >= RIVAL * best.n_together:
            return Result(best, item)
    return Result(best, None)


def spacing(place: Float[np.ndarray, "n 2"]) -> float:
    """About the distance of neighbours: the square root of the area that each star has."""
    size = np.ptp(place, axis=0)
    return float(np.sqrt(max(size[0] * size[1], np.finfo(float).tiny) / len(place)))


class _Triangles(NamedTuple):
    """Triangles of neighbours; corners in the order of the opposite sides."""

    ratios: Float[np.ndarray, "n 2"]  # shortest and middle side over the longest
    corner: Int[np.ndarray, "n 3"]
    is_left: Bool[np.ndarray, " n"]  # sense in which the corners are passed


def _triangles(place: Float[np.ndarray, "n 2"]) -> _Triangles:
    k = min(NEIGHBOURS + 1, len(place))
    near = cKDTree(place).query(place, k=k)[1]
    sets = np.concatenate([near[:, [0, i, j]] for i, j in combinations(range(1, k), 2)])
    sets = np.unique(np.sort(sets, axis=1), axis=0)
    sets = sets[(np.diff(sets, axis=1) > 0).all(axis=1)]
    corners = place[sets]
    opposite = np.stack(
        [np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in ((1, 2), (0, 2), (0, 1))], axis=1
    )
    order = np.argsort(opposite, axis=1)
    sides = np.take_along_axis(opposite, order, axis=1)
    # Needles, and corners at one place, say nothing.
    useful = (sides[:, 0] > 0.1 * sides[:, 2]) & (sides[:, 2] > 0)
    sides, corner = sides[useful], np.take_along_axis(sets, order, axis=1)[useful]
    first, second = place[corner[:, 1]] - place[corner[:, 0]], place[corner[:, 2]] - place[corner[:, 0]]
    left = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0
    return _Triangles(sides[:, :2] / sides[:, 2:], corner, left)


def _similarities(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> list[Map]:
    """The similarities that most pairs of like triangles agree on."""
    here, there = _triangles(a), _triangles(b)
    if not len(here.ratios) or not len(there.ratios):
        return []
    pairs = cKDTree(here.ratios).sparse_distance_matrix(
        cKDTree(there.ratios), SIDE_TOLERANCE, output_type="ndarray"
    )
    # In a regular grid all triangles are alike: a part of their pairs says as much.
    usual = 4.0 * np.pi * SIDE_TOLERANCE**2 * len(here.ratios) * len(there.ratios)
    most = int(min(MOST_PAIRS, max(LEAST_PAIRS, 4.0 * usual)))
    if len(pairs) > most:
        pairs = np.random.default_rng(0).choice(pairs, most, replace=False)
    first, second = pairs["i"], pairs["j"]
    mirrored = here.is_left[first] != there.is_left[second]
    p, q = _complex(a), _complex(b)
    centre, goal = _middle(p), _middle(q)
    half = float(np.abs(q - goal).max()) or 1.0
    corners = (p - centre)[here.corner[first]]
    corners = np.where(mirrored[:, None], np.conj(corners), corners)
    images = (q - goal)[there.corner[second]]
    mean, image = corners.mean(axis=1), images.mean(axis=1)
    spread = (np.abs(corners - mean[:, None]) ** 2).sum(axis=1)
    turn = (np.conj(corners - mean[:, None]) * (images - image[:, None])).sum(axis=1) / spread
    shift = image - turn * mean
    usable = np.abs(turn) > 0
    turn, shift, mirrored = turn[usable], shift[usable], mirrored[usable]
    unit, size = turn / np.abs(turn), np.log(np.abs(turn))
    # Reflected similarities are far from the others.
    coordinates = np.column_stack(
        [unit.real, unit.imag, size, shift.real / half, shift.imag / half, 10.0 * mirrored]
    )
    tree = cKDTree(coordinates)
    density = tree.query_ball_point(coordinates, AGREEMENT, return_length=True)
    out: list[Map] = []
    taken = np.zeros(len(turn), bool)
    for place in np.argsort(-density, kind="stable"):
        if len(out) == N_TRIED or density[place] < 2:
            break
        if taken[place]:
            continue
        taken[tree.query_ball_point(coordinates[place], 2 * AGREEMENT)] = True
        members = tree.query_ball_point(coordinates[place], AGREEMENT)
        mean_turn = np.median(turn[members].real) + 1j * np.median(turn[members].imag)
        mean_shift = np.median(shift[members].real) + 1j * np.median(shift[members].imag)
        out.append(_similarity(centre, goal, mean_turn, mean_shift, bool(mirrored[place])))
    return out


def _complex(place: Float[np.ndarray, "n 2"]) -> np.ndarray:
    return place[:, 0] + 1j * place[:, 1]


def _middle(points: np.ndarray) -> complex:
    return (points.real.min() + points.real.max() + 1j * (points.imag.min() + points.imag.max())) / 2.0


def _similarity(centre: complex, goal: complex, turn: complex, shift: complex, is_mirrored: bool) -> Map:
    def mapped(place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        z = _complex(place) - centre
        image = goal + turn * (np.conj(z) if is_mirrored else z) + shift
        return np.column_stack([image.real, image.imag])

    return mapped


def _improve(start: Map, a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> Vote | None:
    """An affine map of the stars that the similarity brings together, and what chance would do."""
    apart = spacing(b)
    tree, current, best = cKDTree(b), start, None
    for tolerance in TOLERANCES:
        for _ in range(4):
            row, partner = mutual(current(a), b, tolerance * apart, tree)
            if len(row) < FEWEST:
                return best
            current = fit_map(a[row], b[partner], 1)
        row, partner = mutual(current(a), b, tolerance * apart, tree)
        low, high = b.min(axis=0) - apart, b.max(axis=0) + apart
        image = current(a)
        inside = int(np.count_nonzero(((image > low) & (image < high)).all(axis=1)))
        expected = inside * (1.0 - np.exp(-np.pi * tolerance**2))
        # Three stars fit any affine map.
        probability = float(poisson.sf(len(row) - 4, max(expected, 1e-300)))
        # A map that squeezes a list onto a few stars brings together what it likes.
        fitted = isinstance(current, PlaneMap) and _keeps_shape(current)
        if fitted and (best is None or probability < best.probability):
            best = Vote(current, len(row), expected, probability)
    return best


def _keeps_shape(affine: PlaneMap) -> bool:
    """Whether an affine map shears and stretches by little."""
    sizes = np.linalg.svd(affine.coefficient[1:3], compute_uv=False)
    return bool(sizes[1] > 0.8 * sizes[0])


def mutual(
    here: Float[np.ndarray, "n 2"],
    there: Float[np.ndarray, "m 2"],
    radius: float,
    tree: cKDTree | None = None,
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Places that are each other's nearest, within a radius."""
    if not len(here) or not len(there):
        return np.zeros(0, int), np.zeros(0, int)
    distance, partner = (tree or cKDTree(there)).query(here, distance_upper_bound=radius)
    back = cKDTree(here).query(there)[1]
    row = np.flatnonzero(np.isfinite(distance))
    row = row[back[partner[row]] == row]
    return row, partner[row]


class Placing(NamedTuple):
    """How a list lies in the plane of another, distortion included."""

    to_other: PlaneMap
    row: Int[np.ndarray, " k"]  # stars of the list that are found in the other
    partner: Int[np.ndarray, " k"]  # the same stars there
    magnitude_offset: float  # median of magnitude less that of the other; 0 where unknown
    needed_order: int  # smallest total degree that fits about as well


def place(one: PointSet, other: PointSet, start: Map, radius: float, order: int) -> Placing | None:
    """Polynomial map from one list to another, from a first map that is right to a part of the distances.

    Bright stars come first: they are far apart, and found where the first map is wrong by more.

    Parameters
    ----------
    one, other
        All stars of the lists.
    start
        First map, such as that of `vote`.
    radius
        Distance within which stars are found at last [unit of the other list].
    order
        Largest total degree of the polynomial.

    Returns
    -------
    The map, or None where the stars that it brings together do not suffice for an affine one.
    """
    current, offset = start, 0.0
    row, partner = np.zeros(0, int), np.zeros(0, int)
    for number in (*PLACED, len(one.place) + len(other.place)):
        here, there = (_rows_of_brightest(points, number) for points in (one, other))
        tree = cKDTree(other.place[there])
        tolerance, before = max(TOLERANCES[0] * spacing(other.place[there]), radius), -1
        for _ in range(MAX_PASSES):
            row, partner = mutual(current(one.place[here]), other.place[there], tolerance, tree)
            row, partner = here[row], there[partner]
            like, offset = _alike(one.magnitude[row], other.magnitude[partner])
            row, partner = row[like], partner[like]
            if len(row) < 2 * n_terms(1):
                return None
            degree = _highest(order, len(row))
            current = fit_map(one.place[row], other.place[partner], degree)
            closer = max(radius, min(tolerance, 5.0 * current.scatter))
            if len(row) <= 1.01 * before and closer > 0.9 * tolerance:
                break
            before, tolerance = len(row), closer
        if max(len(here), len(there)) <= number and len(here) == len(one.place):
            break
    scatter = [
        fit_map(one.place[row], other.place[partner], degree).scatter
        for degree in range(1, _highest(order, len(row)) + 1)
    ]
    needed = next(at for at, value in enumerate(scatter, 1) if value <= 1.1 * scatter[-1])
    final = fit_map(one.place[row], other.place[partner], needed)
    return Placing(final, row, partner, offset, needed)


def _highest(order: int, number: int) -> int:
    """Largest degree up to `order` that a number of stars determines well."""
    return max(
        1, *(degree for degree in range(1, order + 1) if number >= STARS_PER_TERM * n_terms(degree)), 1
    )


def _alike(
    one: Float[np.ndarray, " k"], other: Float[np.ndarray, " k"]
) -> tuple[Bool[np.ndarray, " k"], float]:
    """Which pairs have magnitudes that differ by about the same, and by how much."""
    difference = one - other
    if not np.isfinite(difference).any():
        return np.ones(len(one), bool), 0.0
    offset = float(np.nanmedian(difference))
    width = MAD_TO_SIGMA * float(np.nanmedian(np.abs(difference - offset)))
    return ~(np.abs(difference - offset) > max(5.0 * width, 0.5)), offset
