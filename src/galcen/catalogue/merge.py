"""One catalogue out of several surveys: the best measurement of every quantity of a star.

Surveys come in order of their priority, lowest first; each is matched with what the earlier ones have made.
A star's position is that of the last survey that saw it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from galcen.catalogue.crossmatch import Pairs, Positions, alike, largest_reach, mutual_nearest, neighbours
from galcen.catalogue.motion import at_epoch

Table = Mapping[str, np.ndarray]

_MAGNITUDES = ("mj", "mh", "mks")
_BEST = (
    *((name, f"{name}_error") for name in _MAGNITUDES),
    ("pmra_obs", "pmra_obs_error", "pmdec_obs", "pmdec_obs_error"),
    # The quality of an astrometric solution goes with its parallax.
    ("parallax_obs", "parallax_obs_error", "ruwe"),
    ("radial_velocity_obs", "radial_velocity_obs_error"),
)
"""Quantities that are taken together, by the error that stands second."""

_GIVEN = (("r_med_photogeo", "r_lo_photogeo", "r_hi_photogeo"), ("a_ks_obs",))
"""Quantities without errors that are taken together, from the last survey that has the first of them."""

_PLACE = ("source_id", "ra", "dec", "ref_epoch", "glon", "glat")
_INJECTED = ("true_comp", "true_id", "true_dist", "true_mass_ini", "true_pml", "true_pmb", "true_rv")


class Rules(NamedTuple):
    """How detections are matched."""

    radius_arcsec: float = 1.0
    magnitude_difference: float = 2.0
    epoch: float = 2016.0  # stars with a proper motion end up there [Julian year]


class Survey(NamedTuple):
    """What one survey saw."""

    stars: Table  # columns of the schema `observed`
    bit: int  # its place in the bit field `surveys`
    is_link: bool  # adds to stars of the others only


class Members(NamedTuple):
    """The detections behind the stars of a catalogue."""

    row: np.ndarray  # of the merged star
    survey: np.ndarray  # bit of the survey
    source_id: np.ndarray  # in the survey
    separation: np.ndarray  # from the star as merged before [arcsec]; 0 for its first detection
    true_id: np.ndarray


class Merged(NamedTuple):
    """A catalogue, and where its stars come from."""

    stars: dict[str, np.ndarray]
    members: Members
    unmatched: dict[int, np.ndarray]  # rows of each link that no star has, by its bit


def merge(surveys: list[Survey], rules: Rules) -> Merged:
    """Match the surveys in turn and put the best of each star together.

    Parameters
    ----------
    surveys
        In the order in which they are matched; the first must not be a link.
    rules
        Radius, magnitudes and common epoch.

    Returns
    -------
    Stars in no particular order; those with a proper motion are at the common epoch, but for `glon` and
    `glat`, which the caller has to renew.
    """
    reach = largest_reach(len(surveys) - 1)
    stars: dict[str, np.ndarray] = {name: values.copy() for name, values in surveys[0].stars.items()}
    n_first = len(stars["source_id"])
    stars["surveys"] = np.full(n_first, 1 << surveys[0].bit, dtype=np.int32)
    members = [_members(np.arange(n_first), surveys[0], np.arange(n_first), np.zeros(n_first))]
    unmatched = {}
    for survey in surveys[1:]:
        one, other = _positions(stars), _positions(survey.stars)
        pairs = neighbours(one, other, rules.radius_arcsec, reach)
        magnitudes = (np.stack([table[name] for name in _MAGNITUDES]) for table in (stars, survey.stars))
        pairs = pairs.take(alike(pairs, *magnitudes, rules.magnitude_difference))
        pairs = mutual_nearest(pairs, one, other)
        _add_matched(stars, survey, pairs)
        members.append(_members(pairs.one, survey, pairs.other, pairs.separation))
        rest = np.setdiff1d(np.arange(len(other.ra)), pairs.other)
        if survey.is_link:
            unmatched[survey.bit] = rest
            continue
        rows = np.arange(len(one.ra), len(one.ra) + len(rest))
        members.append(_members(rows, survey, rest, np.zeros(len(rest))))
        new = {name: values[rest] for name, values in survey.stars.items()}
        new["surveys"] = np.full(len(rest), 1 << survey.bit, dtype=np.int32)
        stars = {name: np.concatenate([values, new[name]]) for name, values in stars.items()}
    _move(stars, rules.epoch)
    return Merged(stars, Members(*(np.concatenate(c) for c in zip(*members, strict=True))), unmatched)


def _positions(stars: Table) -> Positions:
    return Positions(*(stars[n] for n in ("source_id", "ra", "dec", "ref_epoch", "pmra_obs", "pmdec_obs")))


def _members(row: np.ndarray, survey: Survey, detection: np.ndarray, separation: np.ndarray) -> Members:
    ids, true_ids = (survey.stars[name][detection] for name in ("source_id", "true_id"))
    return Members(row, np.full(len(row), survey.bit, dtype=np.int8), ids, separation, true_ids)


def _add_matched(stars: dict[str, np.ndarray], survey: Survey, pairs: Pairs) -> None:
    """Give stars what a survey knows better."""
    rows, new = pairs.one, {name: values[pairs.other] for name, values in survey.stars.items()}
    stars["surveys"][rows] |= 1 << survey.bit
    if not survey.is_link:
        for name in (*_PLACE, *_INJECTED):
            stars[name][rows] = new[name]
    for group in _BEST:
        better = _cost(new, group) < _cost({name: stars[name][rows] for name in group}, group)
        for name in group:
            stars[name][rows[better]] = new[name][better]
    known = new["gaia_source_id"] >= 0
    stars["gaia_source_id"][rows[known]] = new["gaia_source_id"][known]
    for group in _GIVEN:
        known = np.isfinite(new[group[0]])
        for name in group:
            stars[name][rows[known]] = new[name][known]


def _cost(stars: Table, group: tuple[str, ...]) -> np.ndarray:
    """What a smaller one of is better: the error; a value without error, then none, are worst."""
    value, error = stars[group[0]], stars[group[1]]
    return np.where(np.isfinite(value), np.where(np.isfinite(error), error, 1e300), np.inf)


def _move(stars: dict[str, np.ndarray], epoch: float) -> None:
    """Bring the stars whose proper motion is known to the common epoch."""
    moves = np.isfinite(stars["pmra_obs"]) & np.isfinite(stars["pmdec_obs"])
    columns = (stars[name] for name in ("ra", "dec", "pmra_obs", "pmdec_obs"))
    stars["ra"], stars["dec"] = at_epoch(*columns, epoch - stars["ref_epoch"])
    stars["ref_epoch"] = np.where(moves, epoch, stars["ref_epoch"])
