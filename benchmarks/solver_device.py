"""Speed of the global solution on JAX's default device: `python benchmarks/solver_device.py [--json]`.

The problem is that of `solver.py`, larger on a GPU. A product is one of the reduced matrix with a vector, the
copies of the vector from and to the host included; then the same with all derivatives in the host's memory,
copied for each product, and by the compiled loops of the CPU. The model is what the device does of a
linearisation: predictions, derivatives and their blocks, without the sums over sources, which the CPU makes.

All times are by the clock. On a CPU the benchmark can be tried, and means little.
"""

import json
import os
import sys
import time
from collections.abc import Callable

# As the stages have it.
os.environ.setdefault("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.astrometry.iterative import operator, system  # noqa: E402 - float64 first
from galcen.astrometry.iterative.device import OnDevice, description, memory_budget  # noqa: E402
from galcen.astrometry.iterative.model import Shared, found, groups, sources_of, unit_of  # noqa: E402
from galcen.astrometry.iterative.options import Alone  # noqa: E402
from galcen.astrometry.iterative.packing import size  # noqa: E402
from galcen.astrometry.iterative.problem import Problem, State, start  # noqa: E402
from galcen.astrometry.iterative.products import Unknowns  # noqa: E402
from solver import N_EXPOSURE, N_OBS, N_ORBIT, N_SOURCE, problem  # noqa: E402

REPEATS = 5

LARGE = {"n_source": 100_000, "n_obs": 20_000}
BYTES_PER_OBS = 100
"""Derivatives, rows and sums, with what lies between the passes of a product."""

MOST_ORBITS = 16
"""The CPU linearises them first, at some microseconds for each measurement."""


def sizes() -> dict[str, int]:
    """Of the problem: as much as the device holds, within reason."""
    budget = memory_budget()
    if jax.default_backend() == "cpu" or budget is None:
        return {"n_source": N_SOURCE, "n_obs": N_OBS, "n_orbit": N_ORBIT}
    n_orbit = budget // (BYTES_PER_OBS * N_EXPOSURE * LARGE["n_obs"])
    return LARGE | {"n_orbit": int(np.clip(n_orbit, 1, MOST_ORBITS))}


def main() -> None:
    """Measure and print."""
    case, ranks = problem(**sizes()), Alone()
    state, noise = start(case), system.no_noise(case)
    weight = tuple(np.ones(len(orbit.source)) for orbit in case.orbits)
    n_obs, n_src = sum(map(len, weight)), len(case.sources.ra)
    made = system.linearise(case, state, weight, noise, ranks).system
    rng = np.random.default_rng(2)
    at = Unknowns(rng.normal(size=(n_src, 5)), rng.normal(size=made.shape[1]))
    there, streamed = (OnDevice(made.units, *made.shape, budget=budget) for budget in (None, 0))
    kept = sum(size(piece) for pieces in there._pieces for piece in pieces)
    answer = {
        "product_obs_per_second": _product(made._replace(products=there), at, n_obs),
        "product_streamed_obs_per_second": _product(made._replace(products=streamed), at, n_obs),
        "product_host_obs_per_second": _product(made, at, n_obs),
        "model_obs_per_second": _model(case, state, weight),
        "device": jax.devices()[0].device_kind,
        "products": description("device"),
        "n_obs": n_obs,
        "n_source": n_src,
        "bytes_on_device_per_obs": kept / n_obs,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:34s} {value}\n" for name, value in answer.items())


def _product(made: system.System, at: Unknowns, n_obs: int) -> float:
    return _rate(n_obs, lambda: operator.product(made, Alone(), at))


def _model(case: Problem, state: State, weight: tuple[np.ndarray, ...]) -> float:
    """Of one orbit, group after group as in the linearisation."""
    orbit = case.orbits[0]
    shared = Shared(sources_of(case, state), unit_of(case, state, orbit), state.chip)
    parts = [group for _, group in groups(orbit, case.camera.n_chip, state.exposure[0], weight[0])]
    return _rate(
        len(orbit.source),
        lambda: jax.block_until_ready([found(case, shared, group, False) for group in parts]),
    )


def _rate(n_obs: int, call: Callable[[], object]) -> float:
    """Measurements per second, median, compilation and the first copy apart."""
    call()
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return n_obs / float(np.median(seconds))


if __name__ == "__main__":
    main()
