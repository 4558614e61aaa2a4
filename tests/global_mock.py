"""A small survey in several orbits with its truth, for the global solution."""

import threading
from typing import NamedTuple

import jax
import numpy as np

from galcen.astrometry.iterative import model, operator
from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.problem import (
    CameraPrior,
    Orbit,
    Problem,
    Sources,
    State,
    arranged,
    start,
)
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.frames import telescope_axes
from galcen.mapping.linearisation import Exposure
from galcen.mapping.source_motion import Observer
from galcen.mapping.vector import Vector

AT = (266.0, -28.8)
HALF_CHIP = 976.0
PRIOR_REFERENCE = np.array([0.3, 0.3, 0.1, 0.1, 0.1])
PRIOR_OTHER = np.array([100.0, 100.0, 20.0, 50.0, 50.0])

CASES = {
    "constant": (CalibrationModel(), None),
    "orbit": (CalibrationModel(share="orbit"), lambda k: k),
    "season": (CalibrationModel(share="season", drift=True), lambda k: k // 2),
    "chromatic": (CalibrationModel(chromatic=True), None),
}
"""Kinds of calibration, each with the unit of an orbit."""


class GlobalMock(NamedTuple):
    """Problem and truth."""

    problem: Problem
    truth: State
    is_reference: np.ndarray
    is_at_rest: np.ndarray
    """Not references, and without parallax or proper motion."""


def global_mock(
    n_orbit=4,
    n_exp=8,
    n_src=120,
    noise=1.0,
    seed=1,
    calibration=CalibrationModel(),  # noqa: B008 - a tuple
    distortion=Distortion(order=3),  # noqa: B008
    reference=0.5,
    unit=None,
    at_rest=0.0,
    camera_error=1.0,
    chip_error=1.0,
    turn=40.0,
):
    """Exposures of sources around one field, in orbits over three years; `noise` in units of 0.01 pixel.

    `unit` gives the calibration unit of an orbit; by default all are in unit 0. `at_rest` is the part of the
    sources, among those that are no references, that do not move; `camera_error` scales what is off of
    distortion and attitudes, `chip_error` of chips. From orbit to orbit the telescope turns by `turn` [deg].
    """
    rng = np.random.default_rng(seed)
    angles = np.array([0.0, -90.0, 180.0, 90.0])
    side = 11200.0 * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])
    chips = Chip(np.radians(angles), *side, np.full(4, 10.0), np.full(4, 10.0))
    camera = Camera(Optics(distortion=distortion), 4.3704e6, chips)
    units = [unit(k) if unit else 0 for k in range(n_orbit)]
    is_reference = rng.random(n_src) < reference
    sigma = np.where(is_reference[:, None], PRIOR_REFERENCE, PRIOR_OTHER)
    ra = AT[0] + rng.uniform(-0.4, 0.4, n_src) / np.cos(np.radians(AT[1]))
    dec = AT[1] + rng.uniform(-0.4, 0.4, n_src)
    true = rng.normal(size=(n_src, 5)) * np.array([5.0, 5.0, 1.0, 5.0, 5.0])
    is_at_rest = ~is_reference & (np.arange(n_src) < at_rest * n_src)
    true[is_at_rest, 2:] = 0.0
    mean = np.where(is_reference[:, None], true + noise * rng.normal(size=true.shape) * sigma, 0.0)
    sources = Sources(
        np.radians(ra),
        np.radians(dec),
        rng.normal(0.0, 100.0, n_src),
        rng.normal(0.0, 0.5, n_src),
        mean,
        sigma[:, :, None] ** 2 * np.eye(5),
    )
    chip_sigma = np.array([500.0, 20.0, 20.0, 300.0, 300.0, *([0.5, 0.5] if calibration.chromatic else [])])
    prior = CameraPrior(np.array([2000.0, 2000.0, 2e4, 30.0, 30.0]), 3.0, 1.0, chip_sigma)
    shape = (n_exp, n_orbit)
    orbits = tuple(_orbit(k, units[k], shape, turn * k, rng, calibration.drift) for k in range(n_orbit))
    empty = Problem(camera, calibration, max(units) + 1, sources, prior, orbits)
    truth = State(
        true,
        camera_error * rng.normal(0.0, 2.0, (empty.n_unit, empty.n_unit_unknown)),
        chip_error * rng.normal(size=(4, calibration.n_chip_unknown)) * 0.5 * chip_sigma,
        tuple(
            camera_error * rng.normal(size=(n_exp, 5)) * np.array([500.0, 500.0, 3000.0, 10.0, 10.0])
            for _ in orbits
        ),
    )
    return GlobalMock(observed(empty, truth, rng, noise), truth, is_reference, is_at_rest)


def _orbit(number, unit, shape, turn, rng, has_drift):
    n_exp, n_orbit = shape
    each = (n_exp, 1)
    t = -1.5 + 3.0 * (number + 0.5) / n_orbit + np.linspace(0.0, 9e-5, n_exp)[:, None]
    angle = 2 * np.pi * t
    sun = Vector(np.cos(angle), np.sin(angle) * np.cos(0.41), np.sin(angle) * np.sin(0.41))
    beta = Vector(*(1e-4 * np.stack([-np.sin(angle), np.cos(angle) * 0.92, np.cos(angle) * 0.4])))
    observer = Observer(t, sun, beta, sun, np.ones(each))
    step = 0.14 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])[np.arange(n_exp) % 4]
    centre = (AT[0] + step[:, :1], AT[1] + step[:, 1:])
    axes = telescope_axes(*(np.radians(c) for c in centre), np.full(each, np.radians(turn)))
    drift = np.full(n_exp, -1.0 + 2.0 * number / max(1, n_orbit - 1)) if has_drift else np.zeros(n_exp)
    no_rows = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros((2, 0)), np.zeros((2, 0)))
    exposures = Exposure(observer, jax.tree.map(np.asarray, axes))
    return Orbit(number, unit, drift, exposures, np.zeros(n_exp + 1, dtype=np.int64), *no_rows)


def observed(empty, truth, rng, noise):
    """The problem with its measurements: every source on every chip on which it falls."""
    orbits = []
    for k, orbit in enumerate(empty.orbits):
        rows = {name: [] for name in ("source", "chip", "pixel")}
        offset = [0]
        for e in range(orbit.n_exp):
            for chip in range(4):
                source = np.arange(len(empty.sources.ra), dtype=np.int32)
                pixel = predicted(empty, truth, k, e, chip, source)
                on = (np.abs(pixel) < HALF_CHIP).all(axis=0)
                rows["source"].append(source[on])
                rows["chip"].append(np.full(on.sum(), chip, dtype=np.int32))
                rows["pixel"].append(pixel[:, on])
            offset.append(sum(map(len, rows["source"])))
        pixel = np.concatenate(rows["pixel"], axis=1)
        pixel = pixel + 0.01 * noise * rng.normal(size=pixel.shape)
        orbits.append(
            orbit._replace(
                offset=np.array(offset),
                source=np.concatenate(rows["source"]),
                chip=np.concatenate(rows["chip"]),
                pixel=pixel,
                sigma=np.full(pixel.shape, 0.01),
            )
        )
    return empty._replace(orbits=tuple(orbits))


def predicted(problem, state, k, e, chip, source):
    """Pixels of sources in exposure `e` of the k-th orbit on a chip, whether they fall on it or not."""
    orbit, n = problem.orbits[k], len(source)
    shared = model.Shared(model.sources_of(problem, state), model.unit_of(problem, state, orbit), state.chip)
    group = model.Group(
        jax.tree.map(lambda leaf: leaf[[e]], orbit.exposures),
        state.exposure[k][[e]],
        orbit.drift[[e], None],
        np.array([chip], dtype=np.int32),
        source[None].astype(np.int32),
        np.zeros((2, 1, n)),
        np.ones((2, 1, n)),
        np.ones((1, n)),
    )
    return -np.asarray(model.residuals(problem, shared, group))[:, 0]


def zero(problem):
    """Nothing known to be off: the state at which solutions start, measurements arranged."""
    problem, _ = arranged(problem)
    return problem, start(problem), tuple(np.ones(len(orbit.source)) for orbit in problem.orbits)


def errors(result):
    """Standard deviations of the sources' unknowns."""
    return np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2))


def pulls(result, truth):
    """Errors over standard deviations of the sources' unknowns."""
    return (result.state.source - truth.source) / errors(result)


def reduced_matrix(system, ranks):
    """S, sources first, from its products with unit vectors, scaled to steps of the returned sizes."""
    n_src, n_calibration = system.shape
    n = 5 * n_src + n_calibration
    size = np.concatenate(
        [np.diagonal(system.reduced_source, axis1=1, axis2=2).ravel(), _diagonal(system.reduced_calibration)]
    )
    size = 1.0 / np.sqrt(size)
    matrix = np.empty((n, n))
    for k in range(n):
        column = np.zeros(n)
        column[k] = size[k]
        at = operator.Unknowns(column[: 5 * n_src].reshape(-1, 5), column[5 * n_src :])
        out = operator.product(system, ranks, at)
        matrix[:, k] = size * np.concatenate([out.source.ravel(), out.calibration])
    return matrix, size


def source_covariances(matrix, size, n_src):
    """Marginal 5 x 5 blocks of the sources, from `reduced_matrix`."""
    inverse = np.linalg.inv(matrix) * size * size[:, None]
    own = np.arange(5 * n_src).reshape(-1, 5)
    return inverse[own[:, :, None], own[:, None, :]]


def _diagonal(arrow):
    return np.concatenate([np.diagonal(arrow.unit, axis1=1, axis2=2).ravel(), np.diag(arrow.chips)])


class Team:
    """Ranks as threads: a sum waits for all, and adds in their order."""

    def __init__(self, n_rank):
        self.n_rank = n_rank
        self._barrier = threading.Barrier(n_rank)
        self._parts = [None] * n_rank

    def run(self, work):
        """`work(rank, ranks)` on each rank; the results, or the error of the first that failed by itself."""
        results, faults = [None] * self.n_rank, []

        def one(rank):
            try:
                results[rank] = work(rank, _Rank(self, rank))
            except threading.BrokenBarrierError:
                pass
            except Exception as fault:
                faults.append(fault)
                self._barrier.abort()

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.n_rank)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]
        return results

    def sum(self, rank, values):
        """Of all ranks' values."""
        self._parts[rank] = values
        self._barrier.wait(timeout=60)
        total = sum(self._parts[1:], start=np.array(self._parts[0]))
        # Nobody leaves before all have read.
        self._barrier.wait(timeout=60)
        return total


class _Rank:
    def __init__(self, team, rank):
        self._team, self._rank = team, rank

    def sum(self, values):
        return self._team.sum(self._rank, values)
