"""Which names of star lists say who a star is: positions are compared before a name is believed.

Every list is brought into the plane of the reference list: by its names, where most of them fall on like
places under one map, and otherwise by the bright stars alone (`plate_vote`). A name that then stands at
different places in different lists is not believed; nor are the names of a list most of which do.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from galcen.astrometry.plane_map import PlaneMap, fit_map
from galcen.astrometry.plate_polynomial import n_terms
from galcen.astrometry.plate_vote import Map, PointSet, Vote, place, vote
from galcen.errors import SchemaError

FEWEST_NAMES = 3
"""With fewer common names there is nothing to compare them with but the other stars."""

BELIEVED = 0.5
"""Part of a list's common names that must agree with positions for the others to be looked at one by one."""

COARSE = 0.01
"""First tolerance of the places of names [size of the field]."""

N_DRAWN = 400
"""Pairs of names that a first map is drawn from."""

SCATTERS = 6.0
"""A name is at another place from so many robust standard deviations on."""

FARTHEST = 10.0
"""A star whose old place is empty may have moved by this many times the limit."""

ALIKE_MAG = 0.7
"""Difference of magnitude within which another star may be meant."""


class NamedList(NamedTuple):
    """One exposure whose names are to be looked at."""

    points: PointSet
    names: np.ndarray  # empty for a star without a name that could be another list's
    epoch: float  # [yr]


class WrongName(NamedTuple):
    """A name that positions contradict in one list."""

    list: int
    name: str
    distance: float  # from where the star of this name should be [unit of the reference list]


class Numbered(NamedTuple):
    """A list whose names are not those of other lists."""

    list: int
    n_shared: int
    n_agree: int
    example: WrongName


class Identities(NamedTuple):
    """What is known before stars are matched."""

    believed: list[Bool[np.ndarray, " n"]]  # names that other lists have too, at the same place
    placed: list[Float[np.ndarray, "n 2"] | None]  # in the plane of the reference; None where names do it
    offset: list[float]  # of the magnitudes, from those of the reference [mag]
    order: int  # of the maps that positions ask for; 1 without any
    votes: dict[int, Vote]  # of the lists placed by positions
    wrong: list[WrongName]
    numbered: list[Numbered]


class _Way(NamedTuple):
    """How a list came into the plane of the reference."""

    to_reference: Map
    scatter: float
    offset: float
    order: int
    vote: Vote | None


def identify(
    lists: Sequence[NamedList], reference: int, titles: Sequence[str], radius: float, order: int
) -> Identities:
    """Names that can be believed, and where lists without them lie.

    Parameters
    ----------
    lists
        Two at least; a name is in a list once at most.
    reference
        The list whose plane is used.
    titles
        Of the lists, for errors.
    radius
        Distance within which a star is found again [unit of the reference list].
    order
        Largest total degree of the maps.

    Raises
    ------
    SchemaError
        A list has neither names nor positions in common with the others, or several maps fit alike.
    """
    ways = _bring_together(lists, reference, titles, radius, order)
    places = [way.to_reference(part.points.place) for way, part in zip(ways, lists, strict=True)]
    limits = [max(2.0 * radius, SCATTERS * way.scatter) for way in ways]
    believed, wrong = _compare(lists, ways, places, limits)
    numbered: list[Numbered] = []
    shared = _shared(lists)
    for e, part in enumerate(lists):
        has = np.isin(part.names, list(shared))
        agree = int(np.count_nonzero(believed[e]))
        bad = [item for item in wrong if item.list == e]
        if bad and agree < BELIEVED * has.sum():
            numbered.append(Numbered(e, int(has.sum()), agree, bad[0]))
            believed[e][:] = False
    lost = {item.list for item in numbered}
    wrong = [item for item in wrong if item.list not in lost]
    # A name that only lists without belief share with this one is nobody's.
    left = _shared([part._replace(names=part.names[b]) for part, b in zip(lists, believed, strict=True)])
    believed = [b & np.isin(part.names, list(left)) for part, b in zip(lists, believed, strict=True)]
    voted = {e: way.vote for e, way in enumerate(ways) if way.vote is not None}
    by_place = [way.vote is not None or not believed[e].any() for e, way in enumerate(ways)]
    return Identities(
        believed,
        [at if by else None for at, by in zip(places, by_place, strict=True)],
        [way.offset for way in ways],
        max(way.order for way in ways),
        voted,
        wrong,
        numbered,
    )


def _shared(lists: Sequence[NamedList]) -> set[str]:
    """Names in two lists or more."""
    names, count = np.unique(
        np.concatenate([part.names[part.names != ""] for part in lists]), return_counts=True
    )
    return set(names[count > 1].tolist())


def _bring_together(
    lists: Sequence[NamedList], reference: int, titles: Sequence[str], radius: float, order: int
) -> list[_Way]:
    """Every list in the plane of the reference; by distance in time, each by those placed so far."""
    away = [abs(part.epoch - lists[reference].epoch) for part in lists]
    waiting = sorted(range(len(lists)), key=lambda e: (e != reference, away[e], titles[e]))[1:]
    ways = {reference: _Way(_same, 0.0, 0.0, 1, None)}
    while waiting:
        reasons: dict[int, str] = {}
        for e in waiting:
            found = _way(lists, e, ways, radius, order)
            if isinstance(found, _Way):
                ways[e] = found
                break
            reasons[e] = found
        else:
            e = waiting[0]
            raise SchemaError(f"star list {titles[e]} cannot be matched with the others: {reasons[e]}")
        waiting.remove(e)
    return [ways[e] for e in range(len(lists))]


def _same(place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    return place


def _way(lists: Sequence[NamedList], e: int, ways: dict[int, _Way], radius: float, order: int) -> _Way | str:
    """How a list comes into the plane of the reference, or why it does not."""
    part = lists[e]
    common = {a: _common(part.names, lists[a].names) for a in ways}
    by_names = max(ways, key=lambda a: len(common[a][0]))
    row, there = common[by_names]
    if len(row) >= FEWEST_NAMES:
        found = consensus(part.points.place[row], lists[by_names].points.place[there])
        if found is not None:
            offset = _median_difference(part.points.magnitude[row], lists[by_names].points.magnitude[there])
            return _through(ways[by_names], found, found.scatter, offset, found.order, None)
    reason = "no map of turn, scale and shift brings more of its bright stars together than chance would"
    for a in ways:
        got = vote(part.points, lists[a].points)
        if got.rival is not None:
            reason = "several maps fit alike, as for a regular grid of stars"
        if got.best is None or got.rival is not None:
            continue
        unit = radius * _local_scale(ways[a].to_reference, lists[a].points.place)
        placing = place(part.points, lists[a].points, got.best.to_other, unit, order)
        if placing is not None:
            scatter = placing.to_other.scatter
            return _through(
                ways[a], placing.to_other, scatter, placing.magnitude_offset, placing.needed_order, got.best
            )
    if 0 < len(row) < FEWEST_NAMES:
        # Too few stars for a vote: the names are all there is.
        start = similarity_map(part.points.place[row], lists[by_names].points.place[there])
        return _through(ways[by_names], start, 0.0, 0.0, 1, None)
    names = f"{len(row)} names in common" if len(row) else "no name in common"
    agree = ", which stand at places that no one map explains" if len(row) else ""
    return (
        f"{names}{agree}, and {reason}; do the lists show the same field? Give ten of its stars the names "
        "that they have elsewhere, or leave the list out"
    )


def _median_difference(one: Float[np.ndarray, " k"], other: Float[np.ndarray, " k"]) -> float:
    difference = one - other
    return float(np.nanmedian(difference)) if np.isfinite(difference).any() else 0.0


def _local_scale(to_reference: Map, where: Float[np.ndarray, "n 2"]) -> float:
    """Unit of the reference list in that of another."""
    low, high = where.min(axis=0), where.max(axis=0)
    ends = to_reference(np.array([low, high]))
    length = float(np.linalg.norm(ends[1] - ends[0]))
    return float(np.linalg.norm(high - low)) / length if length > 0 else 1.0


def _through(way: _Way, to_other: Map, scatter: float, offset: float, order: int, won: Vote | None) -> _Way:
    """A list that lies on another one which lies on the reference."""

    def mapped(place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        return way.to_reference(to_other(place))

    # The scatter is measured in the unit of the list between.
    unit = 1.0
    if way.to_reference is not _same and isinstance(to_other, PlaneMap):
        unit = 1.0 / _local_scale(way.to_reference, to_other(to_other.centre + to_other.half_size * _CORNERS))
    return _Way(
        mapped, float(np.hypot(scatter * unit, way.scatter)), offset + way.offset, max(order, way.order), won
    )


_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])


def _common(one: np.ndarray, other: np.ndarray) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Rows of the same name."""
    _, first, second = np.intersect1d(one, other, return_indices=True)
    named = one[first] != ""
    return first[named], second[named]


def similarity_map(source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]) -> Map:
    """Turn, scale and shift that bring points onto their partners; for one point a shift."""
    here, there = (p[:, 0] + 1j * p[:, 1] for p in (source, target))
    middle, goal = here.mean(), there.mean()
    spread = (np.abs(here - middle) ** 2).sum()
    turn = (np.conj(here - middle) * (there - goal)).sum() / spread if spread > 0 else 1.0

    def similarity(place: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
        mapped = goal + turn * (place[:, 0] + 1j * place[:, 1] - middle)
        return np.column_stack([mapped.real, mapped.imag])

    return similarity


def consensus(source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]) -> PlaneMap | None:
    """The map under which most of the given partners fall together, or None where there is none.

    Similarities, of both senses, are drawn from pairs of points; the one with most agreement is fitted.
    """
    n = len(source)
    rng = np.random.default_rng(0)
    if n * (n - 1) // 2 <= N_DRAWN:
        drawn = np.array(list(combinations(range(n), 2)))
    else:
        first, further = rng.integers(0, n, N_DRAWN), rng.integers(1, n, N_DRAWN)
        drawn = np.column_stack([first, (first + further) % n])
    here, there = (p[:, 0] + 1j * p[:, 1] for p in (source, target))
    tolerance = COARSE * float(np.ptp(target, axis=0).max())
    best, inside = 0, np.zeros(n, bool)
    for z in (here, np.conj(here)):
        base = z[drawn[:, 1]] - z[drawn[:, 0]]
        turn = np.divide(
            there[drawn[:, 1]] - there[drawn[:, 0]], base, out=np.zeros(len(drawn), complex), where=base != 0
        )
        image = there[drawn[:, :1]] + turn[:, None] * (z[None] - z[drawn[:, :1]])
        # A map that shrinks all to a point agrees with any target that is one.
        close = (np.abs(image - there) < tolerance) & (np.abs(turn) > 0)[:, None]
        count = close.sum(axis=1)
        if count.max(initial=0) > best:
            best, inside = int(count.max()), close[np.argmax(count)]
    if best < max(FEWEST_NAMES, BELIEVED * n):
        return None
    order = 2 if best >= 5 * n_terms(2) else 1
    found = fit_map(source[inside], target[inside], order)
    # Stars that moved, and distortion, may be beyond the first tolerance of a similarity.
    near = np.linalg.norm(found(source) - target, axis=1) < tolerance
    return fit_map(source[near], target[near], order) if near.sum() >= best else found


def _compare(
    lists: Sequence[NamedList],
    ways: list[_Way],
    places: list[Float[np.ndarray, "n 2"]],
    limits: list[float],
) -> tuple[list[Bool[np.ndarray, " n"]], list[WrongName]]:
    """Names that are at one place, or move evenly, in all lists that have them; and those that are not."""
    believed = [np.zeros(len(part.names), bool) for part in lists]
    wrong: list[WrongName] = []
    shared = np.array(sorted(_shared(lists)))
    where: list[list[tuple[int, int]]] = [[] for _ in shared]
    for e, part in enumerate(lists):
        for row in np.flatnonzero(np.isin(part.names, shared)).tolist():
            where[int(np.searchsorted(shared, part.names[row]))].append((e, row))
    trees = [cKDTree(at) for at in places]
    brightness = [part.points.magnitude - way.offset for part, way in zip(lists, ways, strict=True)]
    for name, seen in zip(shared.tolist(), where, strict=True):
        at = np.array([places[e][row] for e, row in seen])
        limit = np.array([limits[e] for e, _ in seen])
        time = np.array([lists[e].epoch for e, _ in seen])
        fits, distance = _together(at, time, limit)
        if not fits.all() and len(seen) == 2 and _has_moved(brightness, seen, at, limit, trees):
            fits[:] = True
        for (e, row), good, off in zip(seen, fits.tolist(), distance.tolist(), strict=True):
            if good:
                believed[e][row] = True
            else:
                wrong.append(WrongName(e, name, off))
    return believed, wrong


def _together(
    at: Float[np.ndarray, "k 2"], time: Float[np.ndarray, " k"], limit: Float[np.ndarray, " k"]
) -> tuple[Bool[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Places that most agree on, at rest or in even motion, and the distances from there.

    Of two that differ none is known to be right.
    """
    distance = np.linalg.norm(at - np.median(at, axis=0), axis=1)
    if len(at) == 2:
        apart = float(np.linalg.norm(at[1] - at[0]))
        return np.full(2, apart <= limit.max()), np.full(2, apart)
    best = distance <= limit
    if best.all():
        return best, distance
    pairs = list(combinations(range(len(at)), 2))
    for one, two in pairs if len(pairs) <= 200 else pairs[:200]:
        for moves in (False, True):
            years = time[two] - time[one]
            if moves and years == 0:
                continue
            speed = (at[two] - at[one]) / years if moves else np.zeros(2)
            start = at[one] if moves else (at[one] + at[two]) / 2.0
            off = np.linalg.norm(at - start - speed * (time - time[one])[:, None], axis=1)
            fits = off <= limit
            # Two places always lie on a line.
            enough = fits.sum() >= 3 if moves else fits.sum() >= 2
            if enough and fits.sum() > best.sum():
                best, distance = fits, off
    if best.sum() < 2:
        best = np.zeros(len(at), bool)
    return best, distance


def _has_moved(
    brightness: list[Float[np.ndarray, " n"]],
    seen: list[tuple[int, int]],
    at: Float[np.ndarray, "2 2"],
    limit: Float[np.ndarray, " 2"],
    trees: list[cKDTree],
) -> bool:
    """Whether a star of two sightings may have moved: as bright, not too far, and its old place empty."""
    one, two = (float(brightness[e][row]) for e, row in seen)
    # An unknown magnitude says nothing for it.
    alike = abs(one - two) <= ALIKE_MAG
    near = np.linalg.norm(at[1] - at[0]) <= FARTHEST * limit.max()
    empty = all(
        trees[e].query(other, distance_upper_bound=limit.max())[0] == np.inf
        for (e, _), other in zip(seen, at[::-1], strict=True)
    )
    return bool(alike and near and empty)
