"""Speed and accuracy of both posteriors: `python benchmarks/posterior.py [--json]`.

Stars are drawn from the model in 16 cells of each of two fields, with errors of 0.1 mag; one process on each
core, as the workflow runs tiles. Floors on one core: `exact` sums about 2e5 terms of a star, each 45
operations, at 1.9 ns (what eight at a time reach): 2,600 stars/s without bounds, prior, summaries and draws.
`fast` looks up some 100 points of 64 neighbours (4 kB each, from the second or third cache: 20 us), and
takes 850 nodes of nine lines of sight and one exponential in vectors of 16 (25 us): 22,000 stars/s. The twin
is `posterior_numpy`; `fast` is compared with `exact` on every star it was timed with.
"""

import json
import os
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.catalogue.distance_grid import distance_grid  # noqa: E402
from galcen.catalogue.forward import Window, cell_stars, point_gaps  # noqa: E402
from galcen.catalogue.posterior import Evaluator  # noqa: E402
from galcen.catalogue.posterior_numpy import evidence, ln_likelihood  # noqa: E402
from galcen.galaxy.model import Galaxy, extinction, number_density, sightlines  # noqa: E402
from galcen.galaxy.photometry import distance_modulus  # noqa: E402
from galcen.random import stage_key  # noqa: E402
from galcen.stages import galaxy_model, likelihood  # noqa: E402
from galcen.stages.galaxy_model import load_galaxy  # noqa: E402
from galcen.stages.likelihood import load_lattice  # noqa: E402
from galcen.stages.posterior import infer, kernel_options  # noqa: E402

N_EXACT, N_FAST, N_TWIN, REPEATS = 1024, 10240, 24, 3
CORNERS = ((392, 404), (420, 430))  # first cells of the fields on the map
SIDE = 4
ERROR = 0.1


def stars(galaxy: Galaxy, n_star: int) -> dict[str, np.ndarray]:
    """Stars of the two fields with errors of 0.1 mag."""
    intervals = point_gaps(galaxy.intervals)
    cells = [(i + a, j + b) for i, j in CORNERS for a in range(SIDE) for b in range(SIDE)]
    mag, lon, lat = [], [], []
    for i, j in cells:
        centre = -9.4875 + 0.025 * i, -9.9875 + 0.025 * j
        window = Window("Ks", 8, 14.5)
        drawn = cell_stars(galaxy, intervals, stage_key(1, "benchmark"), i * 580 + j, *centre, window, 2e4)
        rows = np.resize(np.arange(len(drawn.dist)), n_star // len(cells))
        mag.append(drawn.mag[:, rows])
        lon.append(drawn.lon_deg[rows])
        lat.append(drawn.lat_deg[rows])
    mag = np.concatenate(mag, axis=1)
    mag = mag + np.random.default_rng(1).normal(0, ERROR, mag.shape)
    error, none = np.full(n_star, ERROR), np.full(n_star, np.nan)
    columns = dict(zip(("mj", "mh", "mks"), mag, strict=True))
    columns |= {f"{name}_error": error for name in ("mj", "mh", "mks")}
    columns |= {name: none for name in ("parallax_obs", "parallax_obs_error", "ruwe")}
    return {
        "source_id": np.arange(n_star),
        "glon": np.concatenate(lon),
        "glat": np.concatenate(lat),
        **columns,
    }


def timed(folder: Path, barrier: Barrier, core: int, seconds: Queue) -> None:
    """Times of some runs on one core, while the others do the same."""
    os.sched_setaffinity(0, {core})
    galaxy, options = load_galaxy(folder / "model.h5"), config.parse({}).posterior
    lattice = load_lattice(folder / "likelihood.h5", ERROR)
    for method, n_star, table in (("exact", N_EXACT, None), ("fast", N_FAST, lattice)):
        columns = stars(galaxy, n_star)
        infer(galaxy, columns, options, 1, table)  # compiles
        for _ in range(REPEATS):
            barrier.wait()
            start = time.perf_counter()
            infer(galaxy, columns, options, 1, table)
            seconds.put((method, (time.perf_counter() - start) / n_star))


def twin(galaxy: Galaxy, columns: dict[str, np.ndarray], row: int) -> tuple:
    """Probabilities and quantiles of one star, written out."""
    options = config.parse({}).posterior
    line = sightlines(galaxy, columns["glon"][row : row + 1], columns["glat"][row : row + 1])
    evaluator = Evaluator(galaxy, kernel_options(options))
    star = stars_of({name: values[row : row + 1] for name, values in columns.items()})
    index = int(evaluator.classes(line, clean(star, evaluator.options)[0])[0])
    dist = distance_grid(galaxy.frame, line.lon, line.lat, index, 2e4).dist
    shift = np.asarray(extinction(line, dist) + distance_modulus(dist))[:, 0]
    target = np.array([columns[name][row] for name in ("mj", "mh", "mks")])[:, None] - shift
    with np.errstate(divide="ignore"):
        ln_density = np.log(np.asarray(number_density(galaxy, line, dist))[:, 0])
    plain = ln_likelihood(galaxy.intervals, target, np.full(3, ERROR))
    return evidence(dist[0], ln_density, plain, np.zeros(dist.shape[1]))[:2]


def differences(result: dict, probability: np.ndarray, quantile: np.ndarray) -> tuple[float, float]:
    """Largest difference of a class probability and of a quantile, relative."""
    return (
        float(np.abs(result["probability"] - probability).max()),
        float(np.abs(result["quantile"] / quantile - 1).max()),
    )


def main() -> None:
    """Measure and print."""
    settings, cores = config.parse({}), sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        galaxy_model.run(folder / "model.h5", settings.tables, settings.galaxy, settings.extinction)
        start = time.perf_counter()
        likelihood.run(folder / "model.h5", folder / "likelihood.h5", {"error_floor": ERROR})
        table_seconds = time.perf_counter() - start
        context = get_context("spawn")
        barrier, queue = context.Barrier(len(cores)), context.Queue()
        workers = [context.Process(target=timed, args=(folder, barrier, core, queue)) for core in cores]
        for worker in workers:
            worker.start()
        seconds = [queue.get() for _ in range(2 * REPEATS * len(cores))]
        for worker in workers:
            worker.join()
        galaxy = load_galaxy(folder / "model.h5")
        lattice = load_lattice(folder / "likelihood.h5", ERROR)
    columns = stars(galaxy, N_FAST)
    exact = infer(galaxy, columns, settings.posterior, 1)
    fast = infer(galaxy, columns, settings.posterior, 1, lattice)
    rows = np.linspace(0, N_FAST - 1, N_TWIN).astype(int)
    plain = [twin(galaxy, columns, row) for row in rows]
    some = {name: exact[name][:, rows] for name in ("probability", "quantile")}
    of_twin = differences(some, *(np.stack(part, axis=1) for part in zip(*plain, strict=True)))
    of_fast = differences(fast, exact["probability"], exact["quantile"])
    rates = {
        method: len(cores) / float(np.median([s for which, s in seconds if which == method]))
        for method in ("exact", "fast")
    }
    answer = {
        "stars_per_second": rates["fast"],
        "stars_per_second_exact": rates["exact"],
        "cores": len(cores),
        "max_class_probability_error": of_fast[0],
        "max_quantile_error": of_fast[1],
        "max_class_probability_error_exact": of_twin[0],
        "max_quantile_error_exact": of_twin[1],
        "fraction_by_fast_method": float(fast["is_fast"].mean()),
        "table_seconds": table_seconds,
        "n_star": N_FAST,
        "device": jax.devices()[0].platform,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
