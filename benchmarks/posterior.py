"""Speed and accuracy of the exact posterior: `python benchmarks/posterior.py [--json]`.

Stars are drawn from the model in two fields, one cell each; one process on each core, as the workflow runs
tiles. The floor: of the ten million terms (distance, piece) of a star about 2e5 matter, each 45 operations;
at 1.9 ns for each (what eight at a time reach) 2,600 stars/s on a core, without bounds, prior, summaries and
draws. The twin is `posterior_numpy`.
"""

import json
import os
import sys
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.catalogue.distance_grid import distance_grid  # noqa: E402
from galcen.catalogue.forward import Window, cell_stars, point_gaps  # noqa: E402
from galcen.catalogue.posterior import Evaluator  # noqa: E402
from galcen.catalogue.posterior_numpy import evidence, ln_likelihood  # noqa: E402
from galcen.galaxy.model import extinction, number_density, sightlines  # noqa: E402
from galcen.galaxy.photometry import distance_modulus  # noqa: E402
from galcen.io.model_tables import read_tables  # noqa: E402
from galcen.random import stage_key  # noqa: E402
from galcen.stages.galaxy_model import build_galaxy  # noqa: E402
from galcen.stages.posterior import infer, kernel_options  # noqa: E402

N_TIMED, N_TWIN, REPEATS = 1024, 24, 3
CELLS = (((392, 404), (0.3125, 0.1125)), ((420, 430), (1.0125, 0.7625)))
ERROR = 0.1


def stars(galaxy: object, n_star: int) -> dict[str, np.ndarray]:
    """Stars of the two cells with errors of 0.1 mag."""
    intervals = point_gaps(galaxy.intervals)
    parts = [
        cell_stars(
            galaxy, intervals, stage_key(1, "benchmark"), i * 580 + j, *centre, Window("Ks", 8, 14.5), 2e4
        )
        for (i, j), centre in CELLS
    ]
    half = [np.resize(np.arange(len(p.dist)), n_star // 2) for p in parts]
    rng = np.random.default_rng(1)
    mag = np.concatenate([p.mag[:, h] for p, h in zip(parts, half, strict=True)], axis=1)
    mag = mag + rng.normal(0, ERROR, mag.shape)
    lon, lat = (
        np.concatenate([getattr(p, name)[h] for p, h in zip(parts, half, strict=True)])
        for name in ("lon_deg", "lat_deg")
    )
    error = np.full(mag.shape[1], ERROR)
    none = np.full(mag.shape[1], np.nan)
    return {
        "source_id": np.arange(mag.shape[1]),
        "glon": lon,
        "glat": lat,
        "mj": mag[0],
        "mh": mag[1],
        "mks": mag[2],
        "mj_error": error,
        "mh_error": error,
        "mks_error": error,
        "parallax_obs": none,
        "parallax_obs_error": none,
        "ruwe": none,
    }


def twin(galaxy: object, columns: dict[str, np.ndarray], row: int, options: object) -> tuple:
    """Probabilities and quantiles of one star, written out."""
    line = sightlines(galaxy, columns["glon"][row : row + 1], columns["glat"][row : row + 1])
    evaluator = Evaluator(galaxy, kernel_options(options))
    dist = distance_grid(galaxy.frame, line.lon, line.lat, int(evaluator.classes(line)[0]), 2e4).dist
    shift = np.asarray(extinction(line, dist) + distance_modulus(dist))[:, 0]
    target = np.array([columns[name][row] for name in ("mj", "mh", "mks")])[:, None] - shift
    with np.errstate(divide="ignore"):
        ln_density = np.log(np.asarray(number_density(galaxy, line, dist))[:, 0])
    likelihood = ln_likelihood(galaxy.intervals, target, np.full(3, ERROR))
    return evidence(dist[0], ln_density, likelihood, np.zeros(dist.shape[1]))[:2]


def timed(barrier: Barrier, core: int, seconds: Queue) -> None:
    """Times of some runs on one core, while the others do the same."""
    os.sched_setaffinity(0, {core})
    galaxy, options = model()
    columns = stars(galaxy, N_TIMED)
    infer(galaxy, columns, options, 1)  # compiles
    for _ in range(REPEATS):
        barrier.wait()
        start = time.perf_counter()
        infer(galaxy, columns, options, 1)
        seconds.put(time.perf_counter() - start)


def model() -> tuple:
    """The default model and options."""
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0]), settings.posterior


def main() -> None:
    """Measure and print."""
    cores = sorted(os.sched_getaffinity(0))
    context = get_context("spawn")
    barrier, queue = context.Barrier(len(cores)), context.Queue()
    workers = [context.Process(target=timed, args=(barrier, core, queue)) for core in cores]
    for worker in workers:
        worker.start()
    seconds = [queue.get() for _ in range(REPEATS * len(cores))]
    for worker in workers:
        worker.join()
    galaxy, options = model()
    columns = stars(galaxy, N_TIMED)
    result = infer(galaxy, columns, options, 1)
    probability, quantile = [], []
    for row in np.linspace(0, N_TIMED - 1, N_TWIN).astype(int):
        p, q = twin(galaxy, columns, row, options)
        probability.append(np.abs(result["probability"][:, row] - p).max())
        quantile.append(np.abs(result["quantile"][:, row] / q - 1).max())
    answer = {
        "stars_per_second": len(cores) * N_TIMED / float(np.median(seconds)),
        "cores": len(cores),
        "max_class_probability_error": float(max(probability)),
        "max_quantile_error": float(max(quantile)),
        "n_star": N_TIMED,
        "device": jax.devices()[0].platform,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:32s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
