"""Weak scaling of the global solution: `python benchmarks/solver_ranks.py [--json]`.

Each rank has as many orbits as the benchmark `solver`. A unit of work is what an outer step does: one
linearisation and 25 products with their sums over the ranks. One rank, then two: the ratio of the slowest
rank's CPU seconds, waiting for the others included.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

N_PRODUCT, REPEATS = 25, 3
SIZES = (1, 2)


def work(n_rank: int) -> None:
    """CPU seconds of a rank's share: median, slowest rank."""
    from galcen.parallel.comm import world

    ranks, cores = world(n_rank), sorted(os.sched_getaffinity(0))
    # A core for each rank, before JAX starts: it would spread over all of them.
    os.sched_setaffinity(0, {cores[ranks.rank % len(cores)]})
    import solver  # the benchmark beside this one
    from galcen.astrometry.iterative import operator, system
    from galcen.astrometry.iterative.problem import start

    case = solver.problem()
    state, noise = start(case), system.no_noise(case)
    weight = tuple(np.ones(len(orbit.source)) for orbit in case.orbits)
    rng, seconds = np.random.default_rng(2), []
    for _ in range(REPEATS + 1):
        ranks.barrier()
        begin = time.process_time()
        made = system.linearise(case, state, weight, noise, ranks).system
        vector = operator.Unknowns(rng.normal(size=(solver.N_SOURCE, 5)), rng.normal(size=made.shape[1]))
        for _ in range(N_PRODUCT):
            operator.product(made, ranks, vector)
        seconds.append(time.process_time() - begin)
    slowest = max(ranks.share(float(np.median(seconds[1:]))))
    if ranks.rank == 0:
        n_obs = sum(len(orbit.source) for orbit in case.orbits)
        sys.stdout.write(json.dumps({"seconds": slowest, "n_obs_per_rank": n_obs}) + "\n")


def main() -> None:
    """Start one rank, then two, and compare."""
    launcher = Path(sys.executable).with_name("mpiexec")
    found = []
    for size in SIZES:
        command = [launcher, "-n", str(size), sys.executable, __file__, "--work", str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    answer = {f"cpu_seconds_{size}_ranks": one["seconds"] for size, one in zip(SIZES, found, strict=True)}
    answer["weak_scaling_efficiency"] = found[0]["seconds"] / found[1]["seconds"]
    answer["n_obs_per_rank"] = found[0]["n_obs_per_rank"]
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:28s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    if "--work" in sys.argv:
        work(int(sys.argv[sys.argv.index("--work") + 1]))
    else:
        main()
