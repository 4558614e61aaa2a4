"""Time and memory of the merge and of the export at growing sizes: `python benchmarks/scale.py [--json]`.

The tiles hold random numbers, which compress worse than a catalogue; each has as many stars as those of the
bulge. Every stage runs in a process of its own, whose peak of resident memory is that of the stage. With an
exponent of 1 the cost of a star is the same at every size; memory of the merge should be well below.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

N_STARS = (100_000, 300_000, 1_000_000)
STARS_PER_TILE = 37_500
ROWS_OF_TILES = 3

Step = Callable[[Path, int], None]


def options(n_star: int) -> dict:
    """A footprint for so many stars."""
    n_column = max(1, round(n_star / STARS_PER_TILE / ROWS_OF_TILES))
    return {
        "footprint": {"l_min": -0.2 * n_column, "l_max": 0.0, "b_min": -0.2 * ROWS_OF_TILES, "b_max": 0.0},
        "tiling": {"cells_per_side": 8},
        "seed": 1,
    }


def write_tiles(folder: Path, n_star: int) -> None:
    """Tiles of random stars."""
    import healpy  # here and below: each process imports, and counts, no more than it needs
    import numpy as np
    from astropy.coordinates import SkyCoord

    from galcen.catalogue.tiling import tiles_of
    from galcen.constants import HEALPIX_NSIDE
    from galcen.galaxy.components import COMPONENTS
    from galcen.io.hdf5 import write_table
    from galcen.io.schema import TRUTH

    rng = np.random.default_rng(1)
    tiles = tiles_of(options(n_star)["footprint"], options(n_star)["tiling"])
    stops = np.linspace(0, n_star, len(tiles) + 1).astype(int)
    for tile, start, stop in zip(tiles, stops[:-1], stops[1:], strict=True):
        west, east, south, north = tile.bounds
        n = stop - start
        sky = SkyCoord(rng.uniform(west, east, n), rng.uniform(south, north, n), unit="deg", frame="galactic")
        columns = {
            column.name: rng.normal(size=n) if column.dtype == "f8" else np.zeros(n, column.dtype)
            for column in TRUTH.columns
        }
        ra, dec = sky.icrs.ra.deg, sky.icrs.dec.deg
        columns |= {"source_id": rng.permutation(np.arange(start, stop)), "ra": ra, "dec": dec}
        columns["healpix"] = healpy.ang2pix(HEALPIX_NSIDE, ra, dec, nest=True, lonlat=True)
        columns["comp"] = rng.integers(0, len(COMPONENTS), n).astype("i1")
        write_table(folder / f"{tile.name}.h5", TRUTH, columns, {})


def merge(folder: Path, n_star: int) -> None:
    """The stage truth."""
    from galcen.stages import truth

    truth.run(folder, folder / "truth.h5", options(n_star))


def export(folder: Path, n_star: int) -> None:
    """The stage export, all of it, as FITS."""
    from galcen.stages import export as stage

    stage.run(folder / "truth.h5", folder / "stars.fits")


def peak_megabytes() -> float:
    """Largest resident memory of this process; `getrusage` would count its parent's as well."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def measured(
    step: Callable[[Path, int], None], folder: Path, n_star: int, answer: multiprocessing.Queue
) -> None:
    """Run a step; seconds and peak memory [MB]."""
    start = time.perf_counter()
    step(folder, n_star)
    answer.put((time.perf_counter() - start, peak_megabytes()))


def in_process(step: Step, folder: Path, n_star: int) -> tuple[float, float]:
    """The same in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    worker = context.Process(target=measured, args=(step, folder, n_star, answer))
    worker.start()
    worker.join()
    if worker.exitcode:
        raise SystemExit(f"{step.__name__} of {n_star} stars failed")
    return answer.get()


def main() -> None:
    """Measure and print."""
    import numpy as np

    answer, found = {}, {"truth": [], "export": []}
    for n_star in N_STARS:
        with tempfile.TemporaryDirectory() as name:
            in_process(write_tiles, Path(name), n_star)
            for stage, step in (("truth", merge), ("export", export)):
                seconds, peak = in_process(step, Path(name), n_star)
                found[stage].append((seconds, peak))
                answer |= {
                    f"{stage}_seconds_{n_star}": seconds,
                    f"{stage}_stars_per_second_{n_star}": n_star / seconds,
                    f"{stage}_peak_mb_{n_star}": peak,
                }
    for stage, values in found.items():
        for what, column in zip(("seconds", "peak"), np.log(values).T, strict=True):
            answer[f"{stage}_{what}_exponent"] = float(np.polyfit(np.log(N_STARS), column, 1)[0])
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value:.6g}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
