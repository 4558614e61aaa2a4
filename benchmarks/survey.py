"""Speed of the mock exposures: `python benchmarks/survey.py [--json]`.

Orbits of the mini survey in full size: 96 exposures, 10,600 stars in 0.9 deg x 0.9 deg, 3e5 measurements an
orbit. Rates are by processor time of one thread. The generation takes everything but files: stars on chips,
the forward model, noise; the floor of one core, with eight numbers in a vector instruction, is some 400
operations of the model and 350 of the random numbers: 30 ns, or 3e7 measurements/s. Memory is that of this
process, whose largest part is the compiler. The twin is the forward model of all stars and chips, unchunked.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

if __name__ == "__main__":
    # One core: JAX would spread over all of them, and lose a third of its time to that.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.io import exposures as files  # noqa: E402
from galcen.io.exposures_schema import EXPOSURES  # noqa: E402
from galcen.mapping.detector import ChipOffsets, affine, moved  # noqa: E402
from galcen.mapping.distortion import Coefficients  # noqa: E402
from galcen.mapping.forward import FocalLength, Source, focal_plane, nominal_plane, pixel  # noqa: E402
from galcen.mapping.frames import Attitude, telescope_axes  # noqa: E402
from galcen.mapping.source_motion import Observer, Offsets, triad  # noqa: E402
from galcen.mapping.vector import Vector  # noqa: E402
from galcen.stages import expose, exposure_plan  # noqa: E402
from galcen.survey.observe import Stars, make_sky  # noqa: E402

N_STAR, N_ORBIT, REPEATS = 10_600, 3, 5
CENTRE, SIDE_DEG = (266.13, -29.14), 0.95
SURVEY = {
    "n_orbits": N_ORBIT,
    "exposures_per_field": 24,
    "centre": [-0.3, 0.1],
    "position_angle": "fixed",
    "position_angle_deg": 58.6,
}
FOOTPRINT = {"l_min": -0.9, "l_max": 0.3, "b_min": -0.5, "b_max": 0.7}
T0 = 2032.0


def stars() -> Stars:
    """Stars all over the fields."""
    rng = np.random.default_rng(1)
    ra, dec = (
        c + rng.uniform(-0.5, 0.5, N_STAR) * SIDE_DEG / w
        for c, w in zip(CENTRE, (np.cos(np.radians(CENTRE[1])), 1.0), strict=True)
    )
    names = np.sort(rng.choice(2**52, N_STAR, replace=False))
    return Stars(
        names,
        ra,
        dec,
        rng.exponential(0.2, N_STAR),
        rng.normal(0, 3, N_STAR),
        rng.normal(0, 3, N_STAR),
        rng.normal(0, 100, N_STAR),
        rng.uniform(9.5, 14.5, N_STAR),
        np.zeros(N_STAR),
        np.ones(N_STAR, dtype=bool),
    )


def seconds(work: Callable[[], object]) -> float:
    """Processor time, median of some runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


def twin(measured: files.OrbitMeasurements, truth: files.OrbitTruth, known: Stars) -> float:
    """Largest difference [pixel] of noise-free places from the forward model, for some exposures."""
    settings = config.parse({})
    camera = expose.survey_of(settings, T0).camera.camera
    worst = 0.0
    for e in range(0, len(measured.offset) - 1, 17):
        rows = slice(measured.offset[e], measured.offset[e + 1])
        star = np.searchsorted(known.source_id, measured.source_id[rows])
        its = {name: column[e] for name, column in (measured.exposures | truth.exposures).items()}
        vectors = (Vector(*(its[f"{name}_{axis}"] for axis in "xyz")) for name in ("b", "beta", "sun"))
        zero = jnp.zeros(len(star))
        offsets = Offsets(zero, zero, known.parallax[star], known.pmra[star], known.pmdec[star])
        at = triad(jnp.deg2rad(known.ra[star]), jnp.deg2rad(known.dec[star]))
        plane = nominal_plane(
            offsets,
            Source(at, known.radial_velocity[star]),
            Observer(its["t"] - T0, *vectors, its["sun_dist"]),
            telescope_axes(*(jnp.deg2rad(its[name]) for name in ("ra", "dec", "pa"))),
        )
        scale = FocalLength(camera.focal_length_um, its["f_x"], its["f_y"])
        ideal = focal_plane("gnomonic", *plane, Attitude(zero, zero, zero), scale)
        own = ChipOffsets(*(truth.chips[name] for name in ChipOffsets._fields))
        chips = affine(moved(camera.chips, own))
        its_chip = type(chips)(*(jnp.asarray(column)[measured.chip[rows]] for column in chips))
        nx, ny = pixel(camera.optics.distortion, ideal, Coefficients(truth.a, truth.b), its_chip)
        worst = max(worst, float(jnp.abs(nx - measured.nx[rows]).max()))
        worst = max(worst, float(jnp.abs(ny - measured.ny[rows]).max()))
    return worst


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {"seed": 1, "footprint": FOOTPRINT, "survey": {"plan": SURVEY}}
        exposure_plan.run(folder / "plan.h5", options)
        plan, orbits = expose.load_plan(folder / "plan.h5", f"o00000-{N_ORBIT - 1:05d}")
        one = {name: column[plan["orbit"] == orbits[1]] for name, column in plan.items()}
        known = stars()
        survey = expose.survey_of(config.parse({}), T0)
        sky = make_sky(known, 0.0, 1.5)
        measured, truth = expose.observe_orbit(orbits[1], one, sky, survey)  # compiles
        n_obs = len(measured.nx)
        generation = seconds(lambda: expose.observe_orbit(orbits[1], one, sky, survey))

        def write() -> None:
            attributes: dict[str, str] = {}
            with files.create_orbits(
                folder / "out.h5", EXPOSURES, [orbits[1]], survey.camera, attributes
            ) as file:
                files.write_orbit(file, orbits[1], measured)

        def read() -> None:
            with files.open_exposures(folder / "out.h5") as file:
                files.read_orbit(file, orbits[1])

        writing, reading = seconds(write), seconds(read)
        size = (folder / "out.h5").stat().st_size
    quiet = config.parse({"observation": {"centroid": {"constant_pixel": 1e-13}}})
    exact, _ = expose.observe_orbit(orbits[1], one, sky, expose.survey_of(quiet, T0))
    answer = {
        "measurements_per_second": n_obs / generation,
        "written_per_second": n_obs / writing,
        "read_per_second": n_obs / reading,
        "bytes_per_measurement": size / n_obs,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "max_pixel_difference": twin(exact, truth, known),
        "n_measurement": n_obs,
        "n_exposure": len(measured.offset) - 1,
        "cores": 1,
        "device": jax.devices()[0].platform,
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:36s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
