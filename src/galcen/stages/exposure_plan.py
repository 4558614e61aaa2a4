"""Plan the exposures of the mock survey, and count how often they see each pixel and each star."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import healpy
import jax
import numpy as np
from jaxtyping import Float, Int

from galcen import config
from galcen.config import Config
from galcen.errors import ConfigError
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, open_product, read_column, write_columns
from galcen.io.stars_schema import SURVEY_STARS
from galcen.io.survey_schema import PLAN, PLAN_COVERAGE, PLAN_EXPOSURES, PLAN_ORBITS, PLAN_STARS
from galcen.random import stage_key
from galcen.stages.inputs import read_inputs
from galcen.survey import pointing
from galcen.survey.coverage import Camera, exposures_of, square_camera, unit
from galcen.survey.coverage import pointing as pointing_of
from galcen.survey.ephemeris import observer
from galcen.survey.nodes import Window, galactic, large_frame
from galcen.survey.orbit import Orbit
from galcen.survey.visibility import Limits

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]


@claiming("output")
def run(output: Path, options: dict[str, Any], stars: Path | None = None) -> None:
    """Write the plan.

    Parameters
    ----------
    output
        The four tables of `galcen.io.survey_schema`.
    options
        Section `footprint` of the configuration, `seed`, and of section `survey` the parts `telescope` and
        `plan`.
    stars
        Catalogue whose stars are counted; their motion, below 0.1 arcsec, is left out.

    Raises
    ------
    ConfigError
        No such survey is possible, or it sees no star of the catalogue.
    """
    sections = ("seed", "footprint", "survey")
    settings = config.parse({n: options[n] for n in sections if n in options}, "options of exposure-plan")
    task, plan = task_of(settings), settings.survey.plan
    inputs = read_inputs("exposure_plan", options, [stars] if stars else [])
    scatter, turns = (_words(settings.seed, f"exposure_plan {name}") for name in ("scatter", "turns"))
    listed = _listed(stars)
    started = time.perf_counter()
    made = pointing.make_plan(task, plan.n_orbits, turns)
    shot = pointing.exposures(made, task.pattern, np.arange(plan.n_orbits), scatter)
    log.info(
        "%d exposures of %d orbits in %d seasons, %.1f s",
        len(shot.t),
        plan.n_orbits,
        len(np.unique(made.season)),
        time.perf_counter() - started,
    )
    counter = _Counter(made, shot, task.camera)
    pixels = _pixels(task, plan.coverage_nside)
    ra, dec = healpy.pix2ang(plan.coverage_nside, pixels, nest=True, lonlat=True)
    seen = counter.count(ra, dec)
    counted = _counted(stars, listed, counter)
    with create(output, PLAN, inputs.attributes()) as file:
        file.attrs["healpix_nside"] = plan.coverage_nside
        file.attrs["healpix_order"] = "nested"
        file.attrs["telescope"] = json.dumps(
            settings.survey.telescope.model_dump(mode="json"), sort_keys=True
        )
        write_columns(file, PLAN_EXPOSURES, _exposure_columns(task.orbit, shot))
        write_columns(file, PLAN_ORBITS, _orbit_columns(made))
        write_columns(file, PLAN_COVERAGE, {"healpix": pixels[seen > 0], "n_exposure": seen[seen > 0]})
        write_columns(file, PLAN_STARS, counted)
    log.info("%d pixels are seen, %.1f s in all", (seen > 0).sum(), time.perf_counter() - started)


def task_of(settings: Config) -> pointing.Task:
    """What a configuration asks the survey to observe, and with what."""
    telescope, plan = settings.survey.telescope, settings.survey.plan
    window = Window(**(plan.window or settings.footprint).model_dump())
    camera = square_camera(
        telescope.focal_length_um,
        telescope.chip_pixels * telescope.pixel_um,
        1e3 * telescope.chip_pitch_mm,
        telescope.chip_rotation_deg,
    )
    if plan.nodes == "large_frame":
        pitch = np.degrees(1e3 * telescope.chip_pitch_mm / telescope.focal_length_um)
        nodes = large_frame(window, pitch, plan.step_deg)
    else:
        nodes = galactic(*np.array(plan.centre or window.centre))[None]
    pattern = pointing.Pattern(
        n_field=plan.fields_per_orbit,
        n_exposure=plan.exposures_per_field,
        step_deg=plan.step_deg,
        position_angle=plan.position_angle,
        position_angle_deg=plan.position_angle_deg,
        exposure_s=telescope.exposure_s,
        repetition_s=telescope.repetition_s,
        slew_small_s=plan.slew_small_s,
        slew_large_s=plan.slew_large_s,
        pointing_scatter_arcsec=plan.pointing_scatter_arcsec,
        twist_scatter_arcsec=plan.twist_scatter_arcsec,
    )
    return pointing.Task(
        Orbit(plan.altitude_km, plan.ltan_h, plan.epoch),
        (plan.epoch - 0.5 * plan.years, plan.epoch + 0.5 * plan.years),
        nodes,
        window,
        camera,
        Limits(plan.earth_avoidance_deg, plan.sun_min_deg, plan.sun_max_deg, plan.duty),
        pattern,
    )


class _Counter:
    """Counts the exposures of directions [deg], ICRS."""

    def __init__(self, made: pointing.Plan, shot: pointing.Exposures, camera: Camera) -> None:
        self.fields = made.axes.reshape(-1, 3, 3)
        n_field = made.axes.shape[1]
        self.first = np.concatenate([[0], np.cumsum(np.repeat(made.n_exposure, n_field))])
        self.axes, self.camera = shot.axes, camera

    def count(self, ra: Float[np.ndarray, " n"], dec: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        return exposures_of(unit(ra, dec), self.fields, self.axes, self.first, self.camera)


def _words(seed: int, stream: str) -> np.ndarray:
    return np.asarray(jax.random.key_data(stage_key(seed, stream)))


def _pixels(task: pointing.Task, nside: int) -> Int[np.ndarray, " n_pixel"]:
    """Pixels that a field can reach, ascending."""
    reach = task.camera.radius
    reach += np.radians(np.sqrt(0.5) * task.pattern.step_deg + pointing.scatter_deg(task.pattern))
    discs = [healpy.query_disc(nside, node, reach, nest=True) for node in task.nodes]
    return np.unique(np.concatenate(discs))


def _exposure_columns(orbit: Orbit, shot: pointing.Exposures) -> Columns:
    ra, dec, pa = pointing_of(shot.axes)
    place = observer(orbit, shot.t)
    columns = {"exposure_id": shot.exposure_id, "orbit": shot.orbit, "field": shot.field, "t": shot.t}
    columns |= {"ra": ra, "dec": dec, "pa": pa, "sun_dist": place.sun_dist}
    for name, vectors in (("b", place.position), ("beta", place.beta), ("sun", place.sun)):
        columns |= {f"{name}_{axis}": vectors[:, k] for k, axis in enumerate("xyz")}
    return columns


def _orbit_columns(made: pointing.Plan) -> Columns:
    ra, dec, pa = pointing_of(made.node_axes)
    number = made.axes.shape[1] * made.n_exposure
    return {
        "orbit": np.arange(len(made.t)),
        "t": made.t,
        "node_ra": ra,
        "node_dec": dec,
        "pa": pa,
        "season": made.season,
        "n_exposure": number,
        "first_exposure": np.cumsum(number) - number,
    }


def _listed(stars: Path | None) -> Columns:
    """Identifiers and places of the catalogue's stars, by identifier; of none without a catalogue."""
    if stars is None:
        return {}
    with open_product(stars, SURVEY_STARS.name) as file:
        source_id, row = np.unique(read_column(file, SURVEY_STARS, "source_id"), return_index=True)
        places = {name: read_column(file, SURVEY_STARS, name)[row] for name in ("ra", "dec")}
    return {"source_id": source_id, **places}


def _counted(stars: Path | None, listed: Columns, counter: _Counter) -> Columns:
    """How often each star of the catalogue is seen."""
    if not listed:
        return {name: np.empty(0, dtype=np.int64) for name in PLAN_STARS.names}
    source_id, ra, dec = (listed[name] for name in ("source_id", "ra", "dec"))
    counts = counter.count(ra, dec)
    if not counts.any():
        ra_field, dec_field, _ = pointing_of(counter.fields[0])
        raise ConfigError(
            f"{stars}: none of its {len(source_id)} stars is ever on a chip; survey.plan observes fields "
            f"such as ra = {ra_field:.3f}, dec = {dec_field:+.3f} deg: put survey.plan.window or centre "
            "where the stars are"
        )
    log.info(
        "%d of %d stars are seen, half of them %d times or more",
        (counts > 0).sum(),
        len(counts),
        np.median(counts[counts > 0]),
    )
    return {"source_id": source_id, "n_exposure": counts}
