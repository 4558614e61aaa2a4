"""Speed of the observation model on one core or one GPU: `python benchmarks/mapping.py [--json]`.

The observations of an orbit: exposures of `N_OBS` stars out of `N_SOURCE`, one distortion, four chips.
Residuals: from the unknowns of sources, exposures and camera to observed minus predicted, source and chip
gathered for each observation. Linearisation: the same with the derivatives by all unknowns and the normal
equations: 5 x 5 blocks of the sources with their right sides, source by exposure, and exposure and camera
(36 + 20) among themselves.
"""

import json
import os
import sys
import time
from functools import partial
from typing import NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.astrometry.blocks import blocks  # noqa: E402 - float64 first
from galcen.mapping.detector import Affine, Chip, ChipOffsets, affine, moved  # noqa: E402
from galcen.mapping.distortion import Coefficients  # noqa: E402
from galcen.mapping.forward import (  # noqa: E402
    FocalLength,
    Optics,
    Source,
    focal_plane,
    pixel,
    plane_on_path,
)
from galcen.mapping.frames import Attitude, telescope_axes  # noqa: E402
from galcen.mapping.linearisation import Calibration, Exposure, linearised  # noqa: E402
from galcen.mapping.source_motion import Observer, Offsets, Path, Triad, path, triad  # noqa: E402
from galcen.mapping.vector import Vector  # noqa: E402

ON_CPU = jax.default_backend() == "cpu"
N_SOURCE, REPEATS = 10_000, 9
N_OBS = 3072 if ON_CPU else 8192
"""Of an exposure."""
N_EXPOSURE = 96 if ON_CPU else 8192
GROUP_RESIDUAL = 1 if ON_CPU else 512
"""Exposures at once: few enough that a core's second cache holds what lies between."""
GROUP_LINEAR = 1 if ON_CPU else 128
OPTICS, FOCAL_LENGTH_UM, N_CHIP = Optics(), 4.3704e6, 4


class Camera(NamedTuple):
    """Unknowns that all exposures share, and the nominal chips."""

    distortion: Coefficients
    chips: Chip
    chip_offsets: ChipOffsets


class Rows(NamedTuple):
    """What belongs to exposures: arrays (n_exp, 1), and to observations: (n_exp, N_OBS)."""

    exposure: Exposure
    attitude: Attitude
    scale: tuple[jax.Array, jax.Array]
    source: jax.Array
    chip: jax.Array
    seen: tuple[jax.Array, jax.Array]


def case(n_exposure: int) -> tuple[Triad, Offsets, Camera, Rows]:
    """An orbit drawn at random."""
    rng = np.random.default_rng(1)

    def normal(sigma: float, *shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(0.0, sigma, shape))

    each = (n_exposure, 1)
    at = triad(*(jnp.asarray(np.deg2rad(c + rng.uniform(-0.3, 0.3, N_SOURCE))) for c in (266.1, -29.1)))
    offsets = Offsets(*normal(5.0, 5, N_SOURCE))
    angles = np.arange(4) * np.pi / 2 - np.pi / 2
    side = 11100.0 * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])
    chips = Chip(*map(jnp.asarray, (angles, *side, np.full(4, 10.0), np.full(4, 10.0))))
    camera = Camera(Coefficients(*normal(1.0, 2, 18)), chips, ChipOffsets(*normal(1.0, 5, N_CHIP)))
    sun = normal(1.0, 3, *each)
    observer = Observer(
        normal(1.0, *each),
        Vector(*normal(0.6, 3, *each)),
        Vector(*normal(6e-5, 3, *each)),
        Vector(*(sun / jnp.linalg.norm(sun, axis=0))),
        jnp.ones(each),
    )
    pointing = (jnp.deg2rad(c + normal(0.01, *each)) for c in (266.1, -29.1, 0.0))
    wide = (n_exposure, N_OBS)
    rows = Rows(
        Exposure(observer, telescope_axes(*pointing)),
        Attitude(*normal(100.0, 3, *each)),
        tuple(normal(10.0, 2, *each)),
        # A source is seen once in an exposure.
        jnp.asarray(np.argsort(rng.random((n_exposure if ON_CPU else 8, N_SOURCE)))[:, :N_OBS])[
            np.arange(n_exposure) % (n_exposure if ON_CPU else 8)
        ],
        jnp.asarray(rng.integers(0, N_CHIP, wide)),
        tuple(normal(500.0, 2, *wide)),
    )
    return at, offsets, camera, rows


def taken(values: tuple, index: jax.Array) -> list[jax.Array]:
    """Values of each observation; clipping spares the test of every index."""
    return list(jnp.take(jnp.stack(jax.tree.leaves(values)), index, axis=1, mode="clip"))


def residuals(paths: Path, chips: Affine, camera: Camera, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Observed minus predicted [pixel]."""
    *vectors, parallax = taken(paths, rows.source)
    way = Path(Vector(*vectors[:3]), Vector(*vectors[3:]), parallax)
    plane = plane_on_path(way, rows.exposure.observer, rows.exposure.axes)
    focal_length = FocalLength(FOCAL_LENGTH_UM, *rows.scale)
    ideal = focal_plane(OPTICS.projection, *plane, rows.attitude, focal_length)
    nx, ny = pixel(OPTICS.distortion, ideal, camera.distortion, Affine(*taken(chips, rows.chip)))
    return rows.seen[0] - nx, rows.seen[1] - ny


def normal_equations(
    at: Triad, offsets: Offsets, camera: Camera, sums: tuple, rows: Rows
) -> tuple[tuple, tuple]:
    """Sums with some exposures added, and the blocks of these alone."""
    known = taken(at, rows.source)
    model = linearised(
        OPTICS,
        Offsets(*taken(offsets, rows.source)),
        Source(Triad(Vector(*known[:3]), Vector(*known[3:6]), Vector(*known[6:])), jnp.zeros(())),
        rows.exposure,
        rows.attitude,
        FocalLength(FOCAL_LENGTH_UM, *rows.scale),
        Calibration(
            camera.distortion,
            Chip(*taken(camera.chips, rows.chip)),
            ChipOffsets(*taken(camera.chip_offsets, rows.chip)),
        ),
    )
    residual = (rows.seen[0] - model.pixel[0], rows.seen[1] - model.pixel[1])
    weight = jnp.full(rows.chip.shape, 100.0)
    part = blocks(model, residual, (weight, weight), rows.chip, N_CHIP)
    source, right, camera_block = sums
    for k in range(len(rows.source)):
        source = source.at[:, rows.source[k]].add(
            part.source[:, k], unique_indices=True, mode="promise_in_bounds"
        )
        right = right.at[:, rows.source[k]].add(
            part.source_right[:, k], unique_indices=True, mode="promise_in_bounds"
        )
    camera_block = camera_block + part.shared[:, 5:, 5:].sum(0)
    return (source, right, camera_block), (part.shared[:, :5], part.shared_right, part.source_exposure)


def grouped(rows: Rows, size: int) -> Rows:
    """Exposures in groups of a size."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), rows)


@partial(jax.jit, static_argnames="size")
def all_residuals(at: Triad, offsets: Offsets, camera: Camera, rows: Rows, size: int) -> tuple:
    """Residuals of all exposures."""
    paths = path(offsets, at, jnp.zeros(()))
    chips = affine(moved(camera.chips, camera.chip_offsets))
    return jax.lax.map(partial(residuals, paths, chips, camera), grouped(rows, size))


@partial(jax.jit, static_argnames="size")
def all_normal_equations(at: Triad, offsets: Offsets, camera: Camera, rows: Rows, size: int) -> tuple:
    """Normal equations of all exposures."""
    sums = jnp.zeros((15, N_SOURCE)), jnp.zeros((5, N_SOURCE)), jnp.zeros((56, 56))
    return jax.lax.scan(partial(normal_equations, at, offsets, camera), sums, grouped(rows, size))


def rate(function, *arguments: object, size: int, n_obs: int) -> float:  # noqa: ANN001 - any function
    """Observations per second, median, compile time apart.

    On a CPU time of the core, since others may be using the machine.
    """
    jax.block_until_ready(function(*arguments, size=size))
    clock = time.process_time if ON_CPU else time.perf_counter
    seconds = []
    for _ in range(REPEATS):
        start = clock()
        jax.block_until_ready(function(*arguments, size=size))
        seconds.append(clock() - start)
    return n_obs / float(np.median(seconds))


def main() -> None:
    """Measure and print."""
    n_obs = N_EXPOSURE * N_OBS
    arguments = case(N_EXPOSURE)
    answer = {
        "residual_obs_per_second_per_core": rate(all_residuals, *arguments, size=GROUP_RESIDUAL, n_obs=n_obs),
        "linearise_obs_per_second_per_core": rate(
            all_normal_equations, *arguments, size=GROUP_LINEAR, n_obs=n_obs
        ),
        "device": jax.devices()[0].device_kind,
        "n_obs": n_obs,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
