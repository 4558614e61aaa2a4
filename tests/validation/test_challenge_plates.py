"""The public plates of the astrometry challenge, simulated by others, solved from a tenth of their stars."""

from typing import NamedTuple

import numpy as np
import pytest

from galcen.astrometry import plate
from galcen.astrometry.plate_problem import CameraPrior, PlateProblem, SourcePrior, exposures_at, padded
from galcen.io.challenge_plates import read_challenge
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip
from galcen.mapping.forward import Optics
from galcen.mapping.source_motion import Observer, position
from galcen.mapping.vector import Vector
from reference import reference_file

FOCAL_LENGTH_UM = 7.3e6
SIGMA_UM = 1e-5
FOLDER = "data/plates_jasmine_challenge"
FIXED = 1e-9
UAS_PER_DEG = 3.6e9


class Known(NamedTuple):
    """What the solution may know, and the rest."""

    problem: PlateProblem
    is_reference: np.ndarray
    offset: np.ndarray
    """Of the stars from their comparison directions [mas]."""


def problem_of(challenge, seed) -> Known:
    """A tenth of the stars as references, the others to 1 arcsec; pointings off by 1 arcsec."""
    rng = np.random.default_rng(seed)
    plates, n_star = challenge.plates, len(challenge.ra)
    n_exp = len(challenge.pointing_ra)
    is_reference = rng.permutation(n_star) < n_star // 10
    sigma = np.where(is_reference, 1e-7, 1000.0)  # [mas]
    shift = np.where(is_reference, 0.0, 300.0) * rng.normal(size=(2, n_star))
    dec = challenge.dec - shift[1] / 3.6e6
    ra = challenge.ra - shift[0] / 3.6e6 / np.cos(np.radians(dec))
    order = np.lexsort((plates.star, plates.exposure))
    offset = np.concatenate([[0], np.cumsum(np.bincount(plates.exposure, minlength=n_exp))])
    position = np.stack([plates.x, plates.y])[:, order]
    observations = padded(
        offset,
        plates.star[order],
        np.zeros(len(order), dtype=int),
        position,
        np.full(position.shape, SIGMA_UM),
    )
    # One "chip" that is the focal plane itself, in um; the frame does not move, and light is not bent.
    still, far = np.zeros(n_exp), np.full(n_exp, 1e30)
    at_rest = Vector(still, still, still)
    observer = Observer(still, at_rest, at_rest, Vector(still, still, still + 1), far)
    error = rng.normal(size=(2, n_exp)) / 3600
    pointing = (
        challenge.pointing_ra + error[0] / np.cos(np.radians(challenge.pointing_dec)),
        challenge.pointing_dec + error[1],
        challenge.position_angle,
    )
    zero, one = np.zeros(1), np.ones(1)
    camera = Camera(Optics(), FOCAL_LENGTH_UM, Chip(zero, zero, zero, one, one))
    prior = CameraPrior(np.array([3.6e6, 3.6e6, 6.5e8, 1e4, 1e4]), 1e3, np.full(5, FIXED))
    covariance = (sigma**2)[:, None, None] * np.eye(2)
    sources = SourcePrior(np.radians(ra), np.radians(dec), np.zeros((n_star, 2)), covariance)
    exposures = exposures_at(*map(np.radians, pointing), observer)
    return Known(PlateProblem(camera, observations, exposures, sources, prior), is_reference, shift)


@pytest.fixture(scope="module")
def solved():
    challenge = read_challenge(
        reference_file(f"{FOLDER}/source_table.txt"), reference_file(f"{FOLDER}/pointing.txt"), SIGMA_UM
    )
    known = problem_of(challenge, 1)
    return challenge, known, plate.solve(known.problem)


def test_the_other_stars_are_found_to_1_uas(solved):
    """Stars that are no references come back to 1 uas from where the challenge has them."""
    challenge, known, result = solved
    ra, dec = (
        np.degrees(np.asarray(angle))
        for angle in position(known.problem.sources.ra, known.problem.sources.dec, *result.state.source)
    )
    others = ~known.is_reference
    error_ra = (ra - challenge.ra) * np.cos(np.radians(challenge.dec)) * UAS_PER_DEG
    assert np.abs(error_ra[others]).max() < 1.0
    assert np.abs((dec - challenge.dec)[others]).max() * UAS_PER_DEG < 1.0


def test_positions_on_the_plates_are_reproduced(solved):
    """All 11,611 positions to 1e-4 um."""
    assert np.abs(solved[2].residual).max() < 1e-4
