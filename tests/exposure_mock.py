"""Small hand-made plans and star lists, and what the survey makes of them."""

from pathlib import Path

import numpy as np

from galcen import config
from galcen.io.exposures import OrbitMeasurements, OrbitTruth
from galcen.io.hdf5 import create, write_columns, write_table
from galcen.io.stars_schema import INPUT_CATALOGUE, SURVEY_STARS
from galcen.io.survey_schema import PLAN, PLAN_EXPOSURES
from galcen.stages import expose
from galcen.survey.ephemeris import observer
from galcen.survey.observe import Stars, make_sky
from galcen.survey.orbit import Orbit

T0 = 2032.0
RA, DEC = 266.4, -28.9
Columns = dict[str, np.ndarray]

PERFECT = {
    "centroid": {"constant_pixel": 1e-13},
    "camera": {
        name: 0
        for name in (
            *("focal_length_ppm", "distortion_um"),
            *("chip_shift_um", "chip_rotation_urad", "chip_scale_ppm"),
        )
    },
    "estimate": {"pointing_arcsec": 0, "twist_arcsec": 0},
    "losses": {"bright": 0, "faint": 30},
}
NOISE_FREE = {"centroid": {"constant_pixel": 1e-13}, "losses": {"bright": 0, "faint": 30}}


def plan_columns(n_orbit: int = 3, n_field: int = 2, n_exposure: int = 3) -> Columns:
    """Orbits half a year apart, fields half a degree wide beside each other, a pointing for each exposure."""
    rng = np.random.default_rng(5)
    n = n_orbit * n_field * n_exposure
    orbit = np.repeat(np.arange(n_orbit), n_field * n_exposure)
    number = np.tile(np.arange(n_field * n_exposure), n_orbit)
    t = T0 - 0.8 + 0.5 * orbit + number * 13.7 / (365.25 * 86400)
    place = observer(Orbit(), t)
    columns = {
        "exposure_id": 100_000 * orbit + number,
        "orbit": orbit,
        "field": number // n_exposure,
        "t": t,
        "ra": RA + 0.27 * (number // n_exposure) + rng.normal(0, 3 / 3600, n),
        "dec": DEC + rng.normal(0, 3 / 3600, n),
        "pa": 58.6 + 20 * orbit + rng.normal(0, 18 / 3600, n),
        "sun_dist": place.sun_dist,
    }
    for name, vectors in (("b", place.position), ("beta", place.beta), ("sun", place.sun)):
        columns |= {f"{name}_{axis}": vectors[:, k] for k, axis in enumerate("xyz")}
    return columns


def star_columns(n: int = 1500, seed: int = 1) -> Columns:
    """Stars over the fields and beyond, some of them fast or near."""
    rng = np.random.default_rng(seed)
    columns = {
        "source_id": np.sort(rng.choice(2**52, n, replace=False)),
        "ra": RA + 0.13 + rng.uniform(-0.7, 0.7, n),
        "dec": DEC + rng.uniform(-0.5, 0.5, n),
        "parallax": rng.exponential(0.2, n),
        "pmra": rng.normal(0, 5, n),
        "pmdec": rng.normal(0, 5, n),
        "radial_velocity": rng.normal(0, 100, n),
        "hw": rng.uniform(9.0, 15.0, n),
        "colour": rng.normal(2.0, 0.7, n),
    }
    columns["pmra"][:3] = 3000.0
    columns["parallax"][:3] = 300.0
    return columns


def observed(
    plan: Columns, stars: Columns, observation: dict | None = None, listed: np.ndarray | None = None
) -> dict[int, tuple[OrbitMeasurements, OrbitTruth]]:
    """Measurements and truth of every orbit of a plan."""
    settings = config.parse({"observation": observation or {}})
    survey = expose.survey_of(settings, T0)
    known = np.ones(len(stars["ra"]), bool) if listed is None else listed
    years = float(np.abs(plan["t"] - T0).max())
    sky = make_sky(Stars(**stars, is_listed=known), survey.conditions.unresolved, years)
    return {
        int(orbit): expose.observe_orbit(
            int(orbit), {name: column[plan["orbit"] == orbit] for name, column in plan.items()}, sky, survey
        )
        for orbit in np.unique(plan["orbit"])
    }


def write_inputs(folder: Path, plan: Columns, stars: Columns) -> expose.Files:
    """Inputs of the stage, and the names of its outputs."""
    n = len(stars["ra"])
    paths = expose.Files(
        *(folder / f"{name}.h5" for name in ("plan", "stars", "input_catalogue", "exposures", "injected"))
    )
    with create(paths.plan, PLAN, {}) as file:
        write_columns(file, PLAN_EXPOSURES, plan)
    blank = {name: np.zeros(n, np.int8) for name in ("is_reference", "is_artificial", "is_wrong")}
    for path, table in ((paths.stars, SURVEY_STARS), (paths.input_catalogue, INPUT_CATALOGUE)):
        columns = {name: np.zeros(n) for name in table.names} | blank | stars
        write_table(path, table, {name: columns[name] for name in table.names}, {"t0": repr(T0)})
    return paths
