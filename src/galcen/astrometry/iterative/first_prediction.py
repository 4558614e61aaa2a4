"""How far the measurements are from what is predicted before anything is solved, and how far they may be.

A problem whose columns have wrong units, signs, orders or conventions predicts other places than the measured
ones. The priors say how far off these may be: attitude and scale of an exposure move all of its measurements
together, everything else is taken as independent noise of each. The prediction leaves out what is smaller
than `NEGLECTED_MAS`: compiling the whole model would take longer than the check.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import jax
import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.problem import Orbit, Problem
from galcen.mapping.detector import Chip
from galcen.mapping.source_motion import RAD_PER_MAS

MOST_EXPOSURES = 256
"""Of a sample."""

MOST_MEASUREMENTS = 32
"""Of an exposure in a sample."""

NEGLECTED_MAS = 50.0
"""Light bending, aberration of second order, and what is not gnomonic of a projection."""

WIDEST_ATTITUDE = np.array([5.4e6, 5.4e6, 3.6e7, 3e4, 3e4])
"""What is believed of the widths of the priors of attitudes and scales [mas, 1e-6]: 1.5 deg for a pointing,
10 deg for a position angle, 3 per cent."""

WIDEST_CHIP = np.array([5e4, 2000.0, 2000.0, 5e4, 5e4])
"""The same for chips [1e-6 rad, um, 1e-6]."""

WIDEST_DISTORTION_UM = 300.0
"""The same for a coefficient of the distortion."""

N_TERM = 20
"""Of a distortion: what its coefficients come to at one place is, at most, one of them times the root of
this."""


class FirstPrediction(NamedTuple):
    """Medians over the exposures of a sample, and each of them."""

    deviation: float
    """Root mean square of the measured places about the predicted ones, in units of what the priors allow."""
    distance: float
    """Of the measured places from the predicted ones [pixel]."""
    each: Float[np.ndarray, " n_exp"]
    """Deviation of each exposure."""


class Measured(Protocol):
    """An orbit, of a problem or of a file."""

    @property
    def offset(self) -> Int[np.ndarray, " n_exp+1"]:
        """Where the measurements of each exposure begin."""
        ...


AnyOrbit = TypeVar("AnyOrbit", bound=Measured)


def sample_rows(orbits: Sequence[AnyOrbit]) -> list[tuple[AnyOrbit, int, Int[np.ndarray, " n_some"]]]:
    """Some exposures of all orbits, evenly: orbit, exposure, and the rows of some of its measurements."""
    places = [(orbit, k) for orbit in orbits for k in np.flatnonzero(np.diff(orbit.offset)).tolist()]
    some = [places[i] for i in _spread(len(places), MOST_EXPOSURES)]
    return [
        (orbit, k, orbit.offset[k] + _spread(int(orbit.offset[k + 1] - orbit.offset[k]), MOST_MEASUREMENTS))
        for orbit, k in some
    ]


def sample(problem: Problem) -> Problem:
    """A part of the measurements of all orbits, as one orbit; without any, no orbit."""
    some = sample_rows(problem.orbits)
    if not some:
        return problem._replace(orbits=())

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(orbit, name)[..., rows] for orbit, _, rows in some], axis=-1)

    def stacked(*leaves: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(leaf)[k] for leaf, (_, k, _) in zip(leaves, some, strict=True)])

    exposures = jax.tree.map(stacked, *(orbit.exposures for orbit, _, _ in some))
    offset = np.concatenate([[0], np.cumsum([len(rows) for _, _, rows in some])])
    columns = (joined(name) for name in ("source", "chip", "pixel", "sigma"))
    orbit = Orbit(0, 0, np.zeros(len(some)), exposures, offset, *columns)
    return problem._replace(orbits=(orbit,))


def first_prediction(problem: Problem) -> FirstPrediction:
    """Compare a `sample` with what is predicted with everything at its prior mean."""
    (orbit,) = problem.orbits
    exposure = np.repeat(np.arange(orbit.n_exp), np.diff(orbit.offset))
    chips = Chip(*(np.asarray(values)[orbit.chip] for values in problem.camera.chips))
    size = np.stack([chips.pixel_x, chips.pixel_y])
    expected = problem.camera.focal_length_um * _predicted_plane(problem, orbit, exposure)
    difference = _on_focal_plane(chips, orbit.pixel * size) - expected
    variance = _variance(problem, orbit, exposure, size)
    width = np.minimum(problem.prior.exposure, WIDEST_ATTITUDE)
    parts = [slice(begin, end) for begin, end in pairwise(orbit.offset)]
    deviations = [
        _deviation(difference[:, part], expected[:, part], variance[:, part], width, problem)
        for part in parts
    ]
    distances = [np.median(np.linalg.norm(difference[:, part] / size[:, part], axis=0)) for part in parts]
    return FirstPrediction(_median(deviations), _median(distances), np.array(deviations))


def _predicted_plane(
    problem: Problem, orbit: Orbit, exposure: Int[np.ndarray, " n_obs"]
) -> Float[np.ndarray, "2 n_obs"]:
    """Gnomonic coordinates: motion and parallax, aberration to first order; NaN behind the telescope."""
    known = problem.sources
    ra, dec = known.ra[orbit.source], known.dec[orbit.source]
    a, d, parallax, pma, pmd = known.mean[orbit.source].T * RAD_PER_MAS
    observer, axes = orbit.exposures
    t, *_ = _rows([observer.t], exposure)
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    direction += (a + t * pma) * east + (d + t * pmd) * north - parallax * _rows(observer.b, exposure)
    direction = direction / np.linalg.norm(direction, axis=0) + _rows(observer.beta, exposure)
    x, y, depth = ((_rows(axis, exposure) * direction).sum(axis=0) for axis in axes)
    return np.stack([x, y]) / np.where(depth > 0, depth, np.nan)


def _rows(
    leaves: Sequence[np.ndarray], exposure: Int[np.ndarray, " n_obs"]
) -> Float[np.ndarray, "n_leaf n_obs"]:
    """Values of the exposures (n_exp, 1), for each measurement."""
    return np.stack(
        [np.broadcast_to(np.asarray(leaf), (exposure.max() + 1, 1))[exposure, 0] for leaf in leaves]
    )


def _on_focal_plane(chips: Chip, place: Float[np.ndarray, "2 n_obs"]) -> Float[np.ndarray, "2 n_obs"]:
    """Places on the focal plane [um] of places from the centre of a chip, along its axes [um]."""
    sin, cos = np.sin(chips.rotation), np.cos(chips.rotation)
    return np.stack([cos * place[0] + sin * place[1] + chips.x, cos * place[1] - sin * place[0] + chips.y])


def _median(values: list[float]) -> float:
    # A source behind the telescope has no prediction.
    return float(np.median(np.nan_to_num(values, nan=np.inf)))


def _spread(n: int, most: int) -> Int[np.ndarray, " n_some"]:
    """At most so many of n places, evenly."""
    return np.arange(n) if n <= most else (np.arange(most) * n) // most


def _variance(
    problem: Problem,
    orbit: Orbit,
    exposure: Int[np.ndarray, " n_obs"],
    size: Float[np.ndarray, "2 n_obs"],
) -> Float[np.ndarray, "2 n_obs"]:
    """What errors, sources, chips and distortion come to on the focal plane, in each axis [um^2]."""
    (t,) = _rows([orbit.exposures.observer.t], exposure)
    known = np.diagonal(problem.sources.covariance, axis1=1, axis2=2)[orbit.source]
    mas2 = known[:, :2].max(axis=1) + known[:, 2] + t**2 * known[:, 3:].max(axis=1) + NEGLECTED_MAS**2
    source = (problem.camera.focal_length_um * RAD_PER_MAS) ** 2 * mas2
    half = np.abs(orbit.pixel).max() * size.max()
    chip = np.minimum(problem.prior.chip[:5], WIDEST_CHIP)
    turn_and_scale = (1e-6 * half) ** 2 * (chip[0] ** 2 + chip[3:].max() ** 2)
    distortion = N_TERM * min(problem.prior.distortion_um, WIDEST_DISTORTION_UM) ** 2
    return (orbit.sigma * size) ** 2 + source + chip[1:3].max() ** 2 + turn_and_scale + distortion


def _deviation(
    difference: Float[np.ndarray, "2 n"],
    place: Float[np.ndarray, "2 n"],
    variance: Float[np.ndarray, "2 n"],
    width: Float[np.ndarray, " 5"],
    problem: Problem,
) -> float:
    """Root of chi^2 per measured coordinate of one exposure, its attitude and scale at their best."""
    x, y = place
    zero, shift = np.zeros_like(x), np.full_like(x, problem.camera.focal_length_um * RAD_PER_MAS)
    by_x = np.stack([shift, zero, -y * RAD_PER_MAS, 1e-6 * x, zero])
    by_y = np.stack([zero, shift, x * RAD_PER_MAS, zero, 1e-6 * y])
    root = 1.0 / np.sqrt(variance)
    design = width[:, None] * np.concatenate([by_x * root[0], by_y * root[1]], axis=1)
    scaled = (difference * root).ravel()
    if not np.isfinite(scaled).all():
        return np.nan
    right = design @ scaled
    best = np.linalg.solve(design @ design.T + np.eye(5), right)
    return float(np.sqrt(max(scaled @ scaled - right @ best, 0.0) / len(scaled)))
