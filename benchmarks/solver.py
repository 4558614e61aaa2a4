"""Speed of the global solution on one core: `python benchmarks/solver.py [--json]`.

Orbits of 96 exposures in four fields on `N_SOURCE` stars, one distortion, four chips. A product is one of the
reduced matrix with a vector, as each iteration of the conjugate gradients takes; linearisation is the sweep
that makes the system: model, derivatives, blocks, couplings. The preconditioner is made once for each system.

Floors: a product reads 68 bytes of a measurement once (16 derivatives in float32, the row of its source) and
takes 64 multiplications and additions; at 10 GB/s that is 1.5e8 measurements a second.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

if __name__ == "__main__":
    # One core: JAX would spread over all of them, and lose a third of its time to that.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.astrometry.iterative import operator, system  # noqa: E402 - float64 first
from galcen.astrometry.iterative.calibration import CalibrationModel  # noqa: E402
from galcen.astrometry.iterative.options import Alone  # noqa: E402
from galcen.astrometry.iterative.preconditioner import TwoLevel  # noqa: E402
from galcen.astrometry.iterative.problem import (  # noqa: E402
    CameraPrior,
    Orbit,
    Problem,
    Sources,
    arranged,
    start,
)
from galcen.astrometry.iterative.products import Unknowns  # noqa: E402
from galcen.mapping.camera import Camera  # noqa: E402
from galcen.mapping.detector import Chip  # noqa: E402
from galcen.mapping.forward import Optics  # noqa: E402
from galcen.mapping.frames import telescope_axes  # noqa: E402
from galcen.mapping.linearisation import Exposure  # noqa: E402
from galcen.mapping.source_motion import Observer  # noqa: E402
from galcen.mapping.vector import Vector  # noqa: E402

N_SOURCE, N_OBS, N_EXPOSURE, N_ORBIT, REPEATS = 10_000, 3072, 96, 4, 5


def problem(n_source: int = N_SOURCE, n_obs: int = N_OBS, n_orbit: int = N_ORBIT) -> Problem:
    """Orbits drawn at random, with `n_obs` measurements of each exposure."""
    rng = np.random.default_rng(1)
    angles = np.arange(4) * np.pi / 2 - np.pi / 2
    side = 11200.0 * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])
    camera = Camera(Optics(), 4.3704e6, Chip(angles, *side, np.full(4, 10.0), np.full(4, 10.0)))
    place = [np.radians(c + rng.uniform(-0.3, 0.3, n_source)) for c in (266.1, -29.1)]
    nothing = np.zeros(n_source)
    sources = Sources(*place, nothing, nothing, np.zeros((n_source, 5)), np.tile(np.eye(5), (n_source, 1, 1)))
    prior = CameraPrior(np.array([1e5, 1e5, 1e5, 100.0, 100.0]), 30.0, 1.0, np.full(5, 100.0))
    orbits = tuple(_orbit(k, rng, n_source, n_obs) for k in range(n_orbit))
    return arranged(Problem(camera, CalibrationModel(), 1, sources, prior, orbits))[0]


def _orbit(number: int, rng: np.random.Generator, n_source: int, n_obs: int) -> Orbit:
    each = (N_EXPOSURE, 1)
    sun = rng.normal(size=(3, *each))
    observer = Observer(
        np.full(each, 0.03 * number),
        Vector(*rng.normal(0.0, 0.6, (3, *each))),
        Vector(*rng.normal(0.0, 6e-5, (3, *each))),
        Vector(*(sun / np.linalg.norm(sun, axis=0))),
        np.ones(each),
    )
    pointing = (np.radians(c + rng.normal(0.0, 0.01, each)) for c in (266.1, -29.1, 0.0))
    n_row = N_EXPOSURE * n_obs
    source = np.concatenate([np.sort(rng.permutation(n_source)[:n_obs]) for _ in range(N_EXPOSURE)])
    return Orbit(
        number,
        0,
        np.zeros(N_EXPOSURE),
        Exposure(observer, jax.tree.map(np.asarray, telescope_axes(*pointing))),
        np.arange(N_EXPOSURE + 1) * n_obs,
        source.astype(np.int32),
        rng.integers(0, 4, n_row).astype(np.int32),
        rng.normal(0.0, 500.0, (2, n_row)),
        np.full((2, n_row), 0.01, dtype=np.float32),
    )


def _rate(n_obs: int, call) -> float:  # noqa: ANN001 - any function
    """Observations per second of a core's time, median, compilation apart."""
    call()
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        call()
        seconds.append(time.process_time() - begin)
    return n_obs / float(np.median(seconds))


def main() -> None:
    """Measure and print."""
    case, ranks = problem(), Alone()
    state, noise = start(case), system.no_noise(case)
    weight = tuple(np.ones(len(orbit.source)) for orbit in case.orbits)
    n_obs = sum(len(orbit.source) for orbit in case.orbits)
    linearised = _rate(n_obs, lambda: system.linearise(case, state, weight, noise, ranks))
    made = system.linearise(case, state, weight, noise, ranks).system
    rng = np.random.default_rng(2)
    vector = Unknowns(rng.normal(size=(N_SOURCE, 5)), rng.normal(size=made.shape[1]))
    orbits = [orbit for unit in made.units for orbit in unit.orbits]
    kept = sum(orbit.kept.nbytes + orbit.orbit.source.nbytes for orbit in orbits)
    raw = sum(o.source.nbytes + o.chip.nbytes + o.pixel.nbytes + o.sigma.nbytes for o in case.orbits)
    answer = {
        "product_obs_per_second_per_core": _rate(n_obs, lambda: operator.product(made, ranks, vector)),
        "linearise_obs_per_second_per_core": linearised,
        "preconditioner_obs_per_second_per_core": _rate(n_obs, lambda: TwoLevel(made, ranks, case.sources)),
        "device": jax.devices()[0].device_kind,
        "n_obs": n_obs,
        "bytes_raw_per_obs": raw / n_obs,
        "bytes_kept_per_obs": kept / n_obs,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
