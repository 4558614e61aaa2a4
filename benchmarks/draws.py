"""Speed of velocity draws and extinction look-ups on one core: `python benchmarks/draws.py [--json]`.

The floor of a draw of a disc: four lines of the table from the third cache, 40 ns each where they miss the
second, at once; five blocks of Threefry, three normal quantiles and some 15 elementary functions of 5 to
15 ns: 250 ns. Of an extinction: one look-up of the map, 10 ns, and two exponentials.
"""

import json
import os
import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.catalogue.likelihood import Pieces  # noqa: E402
from galcen.catalogue.mass import MassTable, draw_mass  # noqa: E402
from galcen.catalogue.velocity import phase_space  # noqa: E402
from galcen.galaxy.components import COMPONENTS  # noqa: E402
from galcen.galaxy.model import extinction, sightlines  # noqa: E402
from galcen.io.model_tables import read_tables  # noqa: E402
from galcen.random import stage_key  # noqa: E402
from galcen.stages.galaxy_model import build_galaxy  # noqa: E402

N, REPEATS = 200_000, 3


def rate(function, *arguments: object) -> float:  # noqa: ANN001 - any function
    """Objects per second, median, compile time apart."""
    function(*arguments)
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        seconds.append(time.perf_counter() - start)
    return N / float(np.median(seconds))


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings, rng = config.parse({}), np.random.default_rng(1)
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    lon, lat = rng.uniform(-3.1, 3.1, N), rng.uniform(-1.8, 1.8, N)
    dist = rng.uniform(1000.0, 12000.0, N)
    ids = np.arange(N)

    def velocities(comp: int, far: np.ndarray) -> object:
        there = np.radians(lon), np.radians(lat), far
        motion = phase_space(galaxy, stage_key(1, "benchmark"), ids, np.full(N, comp), *there)
        return motion.radial_velocity

    def absorption() -> object:
        return extinction(sightlines(galaxy, lon, lat), dist[:, None])

    table = MassTable.build(Pieces.build(galaxy.intervals, 0.1))
    uniform, target = rng.random((N, 2)), rng.normal([[-3.0], [-3.8], [-4.0]], 0.3, (3, N))

    def masses() -> object:
        return draw_mass(table, uniform, np.full(N, 8), target, np.full((3, N), 10.0))[0]

    centre = rng.uniform(8000.0, 8300.0, N)
    answer = {
        f"velocities_per_second_{COMPONENTS[comp]}": rate(velocities, comp, far)
        for comp, far in ((4, dist), (8, dist), (9, centre))
    }
    answer |= {"extinctions_per_second": rate(absorption), "masses_per_second": rate(masses), "cores": 1}
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:32s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
