"""Speed of the global solution on JAX's default device: `python benchmarks/solver_device.py [--json]`.

The problem is that of `solver.py`, larger on a GPU. A product is one of the reduced matrix with a vector, the
copies of the vector from and to the host included; then the same with all derivatives in the host's memory,
copied for each product, and by the compiled loops of the CPU. A linearisation is the whole sweep that makes
the system, from measurements in the host's memory to residuals, blocks and couplings; then the same with
derivatives that go to the host's memory, and by the CPU. The tables of its sums are made once, before.

All times are by the clock. On a CPU the benchmark can be tried, and means little.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial

# As the stages have it.
os.environ.setdefault("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.astrometry.iterative import operator, system  # noqa: E402 - float64 first
from galcen.astrometry.iterative.device import OnDevice, description, memory_budget  # noqa: E402
from galcen.astrometry.iterative.device_products import DeviceProducts  # noqa: E402
from galcen.astrometry.iterative.host import OnHost  # noqa: E402
from galcen.astrometry.iterative.options import Alone  # noqa: E402
from galcen.astrometry.iterative.problem import start  # noqa: E402
from galcen.astrometry.iterative.products import Unknowns  # noqa: E402
from solver import N_EXPOSURE, N_OBS, N_ORBIT, N_SOURCE, problem  # noqa: E402

REPEATS = 5

LARGE = {"n_source": 100_000, "n_obs": 20_000}
BYTES_PER_OBS = 100
"""Derivatives, rows and sums, with what lies between the passes of a product."""

MOST_ORBITS = 16
"""The CPU linearises them too, at a microsecond for each measurement."""


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
    engines = {"": OnDevice(case), "streamed_": OnDevice(case, budget=0), "host_": OnHost(case)}
    rng = np.random.default_rng(2)
    answer = {}
    for name, sums in engines.items():
        sweep = partial(system.linearise, case, state, weight, noise, ranks, sums=sums)
        answer[f"linearise_{name}obs_per_second"] = _rate(n_obs, sweep)
        made = sweep().system
        at = Unknowns(rng.normal(size=(n_src, 5)), rng.normal(size=made.shape[1]))
        answer[f"product_{name}obs_per_second"] = _rate(n_obs, partial(operator.product, made, ranks, at))
        if isinstance(made.products, DeviceProducts):
            pieces = (*made.products.batches, *made.products.couplings)
            kept = sum(leaf.nbytes for leaf in jax.tree.leaves(pieces))
        # Two systems may be more than the memory holds.
        del made
    answer |= {
        "device": jax.devices()[0].device_kind,
        "products": description("device"),
        "n_obs": n_obs,
        "n_source": n_src,
        "bytes_kept_per_obs": kept / n_obs,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:34s} {value}\n" for name, value in answer.items())


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
