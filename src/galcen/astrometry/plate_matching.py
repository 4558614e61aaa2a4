"""Which stars of several star lists are the same, from the positions of all and a few common names, if any.

The lists are brought into the plane of one of them by the stars whose names they share, or as
`plate_identity` has placed them by positions alone, matched by position and magnitude, and brought there
again
by all matched stars, until the matches stay: with motions where a star has been seen often enough, since the
stars of a crowded field move by a good part of their distances.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from galcen.astrometry.plane_map import fit_map
from galcen.astrometry.plate_identity import similarity_map
from galcen.astrometry.plate_polynomial import n_terms
from galcen.errors import ConvergenceError, SchemaError

FIRST_RADIUS = 2.0
"""Radius of the first pass, over that of the others: nothing is known of the motions yet."""

FEW_NAMES = 5
"""With fewer common names a list is only turned, scaled and shifted first."""

STARS_PER_TERM = 3
"""Matched stars for each term of a polynomial; with fewer its order is lowered."""

SHORTEST_SPAN = 0.5
"""Years over which a motion can be told from an error."""


class StarList(NamedTuple):
    """One exposure."""

    position: Float[np.ndarray, "n 2"]  # [pixel]
    magnitude: Float[np.ndarray, " n"]  # NaN where unknown
    common: Int[np.ndarray, " n"]  # number of the name in all lists; -1 for a name of this list alone
    epoch: float  # [yr]
    placed: Float[np.ndarray, "n 2"] | None = None  # in the plane of the reference, where that is known


class MatchOptions(NamedTuple):
    """How stars are matched."""

    radius: float = 2.0  # largest distance to where a star is expected [pixel of the reference list]
    magnitude: float = 0.7  # largest difference of magnitude; with both, an ellipsoid
    order: int = 2  # of the maps between lists
    max_steps: int = 30


def match(
    lists: Sequence[StarList], reference: int, names: Sequence[str], options: MatchOptions
) -> list[Int[np.ndarray, " n"]]:
    """Number of the star of every row of every list; a star nobody else has seen has a number of its own.

    Parameters
    ----------
    lists
        At least two; a common name stands once in a list at most.
    reference
        The list whose plane is used.
    names
        Of the lists, for errors.
    options
        Options of the method.

    Raises
    ------
    SchemaError
        A list has no common name with those nearer in time to the reference, and is not placed.
    ConvergenceError
        The matches still change after `max_steps`.
    """
    faint = _aligned_magnitudes(lists, reference)
    ids, mapped = _first_pass(lists, reference, names, faint, options)
    seen = {_canonical(ids)}
    for _ in range(options.max_steps):
        ids, mapped = _next_pass(lists, reference, ids, mapped, faint, options)
        state = _canonical(ids)
        if state in seen:
            # Either the same as before, or a round of a few doubtful stars that comes back to itself.
            return _numbered(ids)
        seen.add(state)
    raise ConvergenceError(
        f"matching of star lists: the matches still change after {options.max_steps} steps; make the radius "
        f"({options.radius:g} pixel) or the magnitude range ({options.magnitude:g} mag) smaller"
    )


def _first_pass(
    lists: Sequence[StarList],
    reference: int,
    names: Sequence[str],
    faint: list[Float[np.ndarray, " n"]],
    options: MatchOptions,
) -> tuple[list[Int[np.ndarray, " n"]], list[Float[np.ndarray, "n 2"]]]:
    """Stars and places of all rows; by distance in time, each list with the stars found so far."""
    n_common = max(int(part.common.max(initial=-1)) for part in lists) + 1
    fresh = n_common
    ids, mapped = [part.common.copy() for part in lists], [part.position for part in lists]
    place, count, brightness = np.zeros((fresh, 2)), np.zeros(fresh, int), np.zeros(fresh)
    away = [abs(part.epoch - lists[reference].epoch) for part in lists]
    order = sorted(range(len(lists)), key=lambda e: (e != reference, away[e], names[e]))
    for e in order:
        part = lists[e]
        here, named = part.position, np.zeros(0, int)
        if e != reference:
            named = np.flatnonzero(part.common >= 0)
            named = named[count[part.common[named]] > 0]
            if part.placed is None and not len(named):
                raise SchemaError(
                    f"star list {names[e]} has no name in common with the lists before it in time; expected "
                    "one at least, better ten: give some of its stars the names they have elsewhere"
                )
            if part.placed is None:
                here = _first_map(here[named], place[part.common[named]])(here)
            else:
                here = part.placed
        loose = np.flatnonzero(ids[e] < 0)
        taken = np.zeros(len(count), bool)
        taken[part.common[part.common >= 0]] = True
        free = np.flatnonzero((count > 0) & ~taken)
        radius = FIRST_RADIUS * options.radius
        for last in (False, False, True):
            row, star = _pairs(
                _point(here[loose], faint[e][loose], radius, options),
                _point(place[free], brightness[free], radius, options),
            )
            known = np.concatenate([named, loose[row]])
            few = len(known) < STARS_PER_TERM * n_terms(1)
            if last or few or e == reference or part.placed is not None:
                break
            # A few names turn and stretch a list by more than the stars they lead to.
            target = np.concatenate([place[part.common[named]], place[free[star]]])
            here = fit_map(part.position[known], target, 1)(part.position)
        ids[e][loose[row]] = free[star]
        new = np.flatnonzero(ids[e] < 0)
        ids[e][new] = fresh + np.arange(len(new))
        fresh += len(new)
        place, brightness = (_extended(values, fresh) for values in (place, brightness))
        count = _extended(count, fresh)
        # The position of the list nearest in time: a mean would lag behind the motion.
        place[ids[e]], brightness[ids[e]] = here, faint[e]
        mapped[e] = here
        count[ids[e]] += 1
    return ids, mapped


def _first_map(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]
) -> Callable[[Float[np.ndarray, "m 2"]], Float[np.ndarray, "m 2"]]:
    """Map by common names alone: affine, for a few names a turn with scale and shift, for one a shift."""
    if len(source) >= FEW_NAMES:
        return fit_map(source, target, 1)
    return similarity_map(source, target)


def _next_pass(
    lists: Sequence[StarList],
    reference: int,
    ids: list[Int[np.ndarray, " n"]],
    mapped: list[Float[np.ndarray, "n 2"]],
    faint: list[Float[np.ndarray, " n"]],
    options: MatchOptions,
) -> tuple[list[Int[np.ndarray, " n"]], list[Float[np.ndarray, "n 2"]]]:
    """Every list against where all stars should have been at its epoch."""
    n_star = max(int(part.max(initial=-1)) for part in ids) + 1
    own = lists[reference]
    mapped = list(mapped)
    at_reference = np.zeros(n_star, bool)
    at_reference[ids[reference]] = True
    target = np.zeros((n_star, 2))
    target[ids[reference]] = own.position
    mean, speed, middle, brightness, count = _motions(lists, ids, mapped, faint, n_star)
    # First by the stars of the reference, whose plane this is, then by all that are in two lists.
    for known in (at_reference, count > 1):
        for e, part in enumerate(lists):
            if e != reference:
                rows = np.flatnonzero(known[ids[e]])
                if len(rows) < STARS_PER_TERM * n_terms(1):
                    continue
                goal = target if known is at_reference else mean + speed * (part.epoch - middle)[:, None]
                order = options.order
                while len(rows) < STARS_PER_TERM * n_terms(order):
                    order -= 1
                mapped[e] = fit_map(part.position[rows], goal[ids[e][rows]], order)(part.position)
        mean, speed, middle, brightness, count = _motions(lists, ids, mapped, faint, n_star)
    out = []
    fresh = n_star
    for e, part in enumerate(lists):
        found = part.common.copy()
        loose = np.flatnonzero(found < 0)
        # A star that only this list has seen is no partner of its own row: it would never join another.
        free = count - np.bincount(ids[e], minlength=n_star) > 0
        free[found[found >= 0]] = False
        star = np.flatnonzero(free)
        expected = mean[star] + speed[star] * (part.epoch - middle[star])[:, None]
        row, partner = _pairs(
            _point(mapped[e][loose], faint[e][loose], options.radius, options),
            _point(expected, brightness[star], options.radius, options),
        )
        found[loose[row]] = star[partner]
        new = np.flatnonzero(found < 0)
        found[new] = fresh + np.arange(len(new))
        fresh += len(new)
        out.append(found)
    return out, mapped


def _motions(
    lists: Sequence[StarList],
    ids: list[Int[np.ndarray, " n"]],
    mapped: list[Float[np.ndarray, "n 2"]],
    faint: list[Float[np.ndarray, " n"]],
    n_star: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean place, motion a year, mean epoch, magnitude and number of rows of each star."""
    star = np.concatenate(ids)
    place, magnitude = np.concatenate(mapped), np.concatenate(faint)
    time = np.repeat([part.epoch for part in lists], [len(part.position) for part in lists])
    count = np.bincount(star, minlength=n_star)
    some = np.maximum(count, 1)
    middle = np.bincount(star, time, n_star) / some
    mean = np.stack([np.bincount(star, place[:, a], n_star) / some for a in (0, 1)], axis=1)
    after = time - middle[star]
    spread = np.bincount(star, after**2, n_star)
    first, last = np.full(n_star, np.inf), np.full(n_star, -np.inf)
    np.minimum.at(first, star, time)
    np.maximum.at(last, star, time)
    moves = (count >= 3) & (last - first >= SHORTEST_SPAN)
    product = [np.bincount(star, after * place[:, a], n_star) for a in (0, 1)]
    speed = np.where(moves[:, None], np.stack(product, axis=1) / np.where(moves, spread, 1.0)[:, None], 0.0)
    return mean, speed, middle, np.bincount(star, magnitude, n_star) / some, count


def _point(
    place: Float[np.ndarray, "n 2"], magnitude: Float[np.ndarray, " n"], radius: float, options: MatchOptions
) -> Float[np.ndarray, "n 3"]:
    """Place and magnitude in units of what they may differ by."""
    return np.column_stack([place / radius, magnitude / options.magnitude])


def _pairs(
    here: Float[np.ndarray, "n 3"], there: Float[np.ndarray, "m 3"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Points that are each other's nearest, at a distance of one at most."""
    if not len(here) or not len(there):
        return np.zeros(0, int), np.zeros(0, int)
    distance, partner = cKDTree(there).query(here, distance_upper_bound=1.0)
    back = cKDTree(here).query(there)[1]
    row = np.flatnonzero(np.isfinite(distance))
    row = row[back[partner[row]] == row]
    return row, partner[row]


def _aligned_magnitudes(lists: Sequence[StarList], reference: int) -> list[Float[np.ndarray, " n"]]:
    """Magnitudes with the zero point of the reference list; nought for all if some are unknown."""
    if any(np.isnan(part.magnitude).any() for part in lists):
        return [np.zeros(len(part.magnitude)) for part in lists]
    base = {int(c): m for c, m in zip(lists[reference].common, lists[reference].magnitude, strict=True)}
    out = []
    for part in lists:
        both = [
            m - base[int(c)] for c, m in zip(part.common, part.magnitude, strict=True) if c >= 0 and c in base
        ]
        out.append(part.magnitude - (float(np.median(both)) if both else 0.0))
    return out


def _extended(values: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]), values.dtype)])


def _numbered(ids: list[Int[np.ndarray, " n"]]) -> list[Int[np.ndarray, " n"]]:
    """The same stars, numbered without gaps in the order in which the lists show them."""
    whole = np.concatenate(ids)
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.split(rank[inverse], np.cumsum([len(part) for part in ids])[:-1])


def _canonical(ids: list[Int[np.ndarray, " n"]]) -> bytes:
    """What distinguishes two matchings."""
    return np.concatenate(_numbered(ids)).tobytes()
