"""Plate problems with known truth, observed by the forward model itself."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from galcen.astrometry.plate_problem import (
    CameraPrior,
    PlateProblem,
    SourcePrior,
    State,
    exposures_at,
    padded,
)
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip, ChipOffsets, affine, moved
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source, focal_plane, nominal_plane, pixel
from galcen.mapping.frames import Attitude
from galcen.mapping.source_motion import Observer, Offsets, triad
from galcen.mapping.vector import Vector

CENTRE = np.deg2rad([266.4, -28.9])
PITCH = 11200.0
CAMERA = Camera(
    Optics(),
    4.3704e6,
    Chip(
        np.deg2rad([0.0, -90.0, 180.0, 90.0]),
        np.array([-PITCH, PITCH, PITCH, -PITCH]),
        np.array([-PITCH, -PITCH, PITCH, PITCH]),
        np.full(4, 10.0),
        np.full(4, 10.0),
    ),
)
PRIOR = CameraPrior(
    np.array([3.6e6, 3.6e6, 6.48e8, 130.0, 130.0]), 30.0, np.array([1745.0, 100.0, 100.0, 3000.0, 3000.0])
)
HALF_CHIP = 976


class Mock(NamedTuple):
    """A problem and what it was made from."""

    problem: PlateProblem
    truth: State
    is_reference: np.ndarray


class Size(NamedTuple):
    """How large, and how good."""

    n_source: int = 400
    n_per_field: int = 3
    half_deg: float = 0.42
    reference_fraction: float = 0.5
    sigma_pixel: float = 0.01
    camera_error: float = 1.0
    """Of the errors of distortion, focal lengths and chips."""


FULL = Size()


def plate_mock(seed: int, size: Size = FULL) -> Mock:
    """Four overlapping fields; pointing off by 1 arcsec, chips by 20 um, distortion 0.5 um."""
    rng = np.random.default_rng(seed)
    corners = np.deg2rad(0.1375) * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    pointing = np.repeat(corners, size.n_per_field, axis=0)
    n_exp, n_src = len(pointing), size.n_source
    ra, dec = CENTRE[:, None] + np.deg2rad(rng.uniform(-size.half_deg, size.half_deg, (2, n_src))) / [
        [np.cos(CENTRE[1])],
        [1.0],
    ]
    is_reference = rng.uniform(size=n_src) < size.reference_fraction
    sigma = np.where(is_reference, 0.3, 100.0)
    truth = State(
        rng.normal(size=(2, n_src)) * sigma,
        rng.normal(size=(n_exp, 5))
        * np.append([1000.0, 1000.0, 18000.0], size.camera_error * np.array([10, 10])),
        size.camera_error * rng.normal(size=(2, 18)) * 0.5,
        size.camera_error * rng.normal(size=(4, 5)) * [100.0, 20.0, 20.0, 1000.0, 1000.0],
    )
    vectors = (np.array([0.9, 0.3, 0.1]), np.array([-4e-5, 8e-5, 3e-5]), np.array([0.95, 0.3, 0.09]))
    observer = Observer(
        np.full(n_exp, 16.0), *(Vector(*np.tile(v[:, None], n_exp)) for v in vectors), np.ones(n_exp)
    )
    at = CENTRE[0] + pointing[:, 0] / np.cos(CENTRE[1]), CENTRE[1] + pointing[:, 1]
    exposures = exposures_at(*at, np.full(n_exp, np.deg2rad(58.6)), observer)
    e, source, chip, seen = _seen(ra, dec, truth, exposures)
    seen = seen + size.sigma_pixel * rng.normal(size=seen.shape)
    used, row = np.unique(source, return_inverse=True)
    offset = np.concatenate([[0], np.cumsum(np.bincount(e, minlength=n_exp))])
    observations = padded(offset, row, chip, seen, np.full(seen.shape, max(size.sigma_pixel, 1e-3)))
    covariance = (sigma[used] ** 2)[:, None, None] * np.eye(2)
    prior = SourcePrior(ra[used], dec[used], np.zeros((len(used), 2)), covariance)
    problem = PlateProblem(CAMERA, observations, exposures, prior, PRIOR)
    return Mock(problem, truth._replace(source=truth.source[:, used]), is_reference[used])


def _seen(ra, dec, truth, exposures):
    """Exposure, source, chip and pixel of every star on a chip."""
    zero = jnp.zeros((1, len(ra)))
    offsets = Offsets(*truth.source[:, None], zero, zero, zero)
    source = Source(triad(jnp.asarray(ra)[None], jnp.asarray(dec)[None]), zero)
    plane = nominal_plane(offsets, source, exposures.observer, exposures.axes)
    a = truth.exposure.T[:, :, None]
    focal_length = FocalLength(CAMERA.focal_length_um, a[3], a[4])
    ideal = focal_plane("gnomonic", *plane, Attitude(*a[:3]), focal_length)
    rows = []
    for c in range(CAMERA.n_chip):
        own = moved(Chip(*(v[c] for v in CAMERA.chips)), ChipOffsets(*truth.chip[c]))
        n = np.stack(pixel(CAMERA.optics.distortion, ideal, Coefficients(*truth.distortion), affine(own)))
        e, s = np.nonzero(np.abs(n).max(0) < HALF_CHIP)
        rows.append((e, s, np.full(len(e), c), n[:, e, s]))
    e, s, chip, n = (np.concatenate(parts, axis=-1) for parts in zip(*rows, strict=True))
    order = np.lexsort((s, e))
    return e[order], s[order], chip[order], n[:, order]
