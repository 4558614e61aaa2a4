"""Speed of the observation model on one core or one GPU: `python benchmarks/mapping.py [--json]`.

The observations of an orbit: panels of `N_OBS` stars, each on one chip, out of `N_SOURCE`, one distortion.
Residuals: from the unknowns of sources, exposures and camera to observed minus predicted, sources gathered
for each observation. Blocks: the same with the derivatives by all unknowns, and the products that the normal
equations are summed from; the whole sweep that makes them is measured by `solver`.
"""

import json
import os
import sys
import time
from functools import partial
from typing import NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

if __name__ == "__main__":
    # One core: JAX would spread over all of them, and lose a third of its time to that.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.astrometry.iterative.blocks import Blocks, blocks  # noqa: E402 - float64 first
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
N_OBS = 256
"""Of a panel."""
N_PANEL = 1152 if ON_CPU else 262_144
GROUP_RESIDUAL = 16 if ON_CPU else 16_384
"""Panels at once: few enough that a core's second cache holds what lies between."""
GROUP_BLOCKS = 16 if ON_CPU else 4096
OPTICS, FOCAL_LENGTH_UM, N_CHIP = Optics(), 4.3704e6, 4


class Camera(NamedTuple):
    """Unknowns that all exposures share, and the nominal chips."""

    distortion: Coefficients
    chips: Chip
    chip_offsets: ChipOffsets


class Rows(NamedTuple):
    """What belongs to panels: arrays (n_panel, 1), and to observations: (n_panel, N_OBS)."""

    exposure: Exposure
    attitude: Attitude
    scale: tuple[jax.Array, jax.Array]
    source: jax.Array
    chip: jax.Array
    seen: tuple[jax.Array, jax.Array]


def case(n_panel: int) -> tuple[Triad, Offsets, Camera, Rows]:
    """An orbit drawn at random."""
    rng = np.random.default_rng(1)

    def normal(sigma: float, *shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(0.0, sigma, shape))

    each = (n_panel, 1)
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
    wide = (n_panel, N_OBS)
    rows = Rows(
        Exposure(observer, telescope_axes(*pointing)),
        Attitude(*normal(100.0, 3, *each)),
        tuple(normal(10.0, 2, *each)),
        # A source is seen once in an exposure.
        jnp.asarray(np.argsort(rng.random((n_panel if ON_CPU else 8, N_SOURCE)))[:, :N_OBS])[
            np.arange(n_panel) % (n_panel if ON_CPU else 8)
        ],
        jnp.asarray(rng.integers(0, N_CHIP, each)),
        tuple(normal(500.0, 2, *wide)),
    )
    return at, offsets, camera, rows


def taken(values: tuple, index: jax.Array) -> list[jax.Array]:
    """Values of each observation; clipping spares the test of every index."""
    return list(jnp.take(jnp.stack(jax.tree.leaves(values)), index, axis=1, mode="clip"))


def residuals(paths: Path, chips: Affine, camera: Camera, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Observed minus predicted [pixel]."""
    *vectors, parallax = taken(paths, rows.source)
    way = Path(*(Vector(*vectors[i : i + 3]) for i in (0, 3, 6)), parallax)
    plane = plane_on_path(way, rows.exposure.observer, rows.exposure.axes)
    focal_length = FocalLength(FOCAL_LENGTH_UM, *rows.scale)
    ideal = focal_plane(OPTICS.projection, *plane, rows.attitude, focal_length)
    nx, ny = pixel(OPTICS.distortion, ideal, camera.distortion, Affine(*taken(chips, rows.chip)))
    return rows.seen[0] - nx, rows.seen[1] - ny


def panel_blocks(at: Triad, offsets: Offsets, camera: Camera, rows: Rows) -> Blocks:
    """Blocks of some panels."""
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
    residual = jnp.stack(rows.seen) - jnp.stack(model.pixel)
    weight = jnp.full(rows.source.shape, 100.0)
    return blocks(model, residual, (weight, weight))


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
def all_blocks(at: Triad, offsets: Offsets, camera: Camera, rows: Rows, size: int) -> tuple:
    """Sums of the blocks of all panels: what a sweep keeps would not fit."""

    def added(sums: Blocks, part: Rows) -> tuple[Blocks, None]:
        found = panel_blocks(at, offsets, camera, part)
        return jax.tree.map(jnp.add, sums, found), None

    parts = grouped(rows, size)
    shape = jax.eval_shape(partial(panel_blocks, at, offsets, camera), jax.tree.map(lambda v: v[0], parts))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shape)
    return jax.lax.scan(added, nothing, parts)[0]


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
    n_obs = N_PANEL * N_OBS
    arguments = case(N_PANEL)
    answer = {
        "residual_obs_per_second_per_core": rate(all_residuals, *arguments, size=GROUP_RESIDUAL, n_obs=n_obs),
        "blocks_obs_per_second_per_core": rate(all_blocks, *arguments, size=GROUP_BLOCKS, n_obs=n_obs),
        "device": jax.devices()[0].device_kind,
        "n_obs": n_obs,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
