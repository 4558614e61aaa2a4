"""Draw one tile of the sky from the model and observe it with every survey; true values are kept aside."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue.forward import NUMBER_BITS, Drawn, Window, cell_stars, point_gaps
from galcen.catalogue.mock_survey import Seen, Sky, Survey, observe, photometric_error
from galcen.catalogue.motion import galactic
from galcen.catalogue.tiling import Tile, cells, tile_named
from galcen.catalogue.velocity import PhaseSpace, phase_space
from galcen.config.catalogue import Catalogue
from galcen.config.drawn_surveys import DrawnSurvey
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import galactic_to_icrs
from galcen.io.hdf5 import write_table
from galcen.io.schema import OBSERVED, SKY
from galcen.random import stage_key
from galcen.stages.galaxy_model import load_galaxy, refuse_unknown_cells
from galcen.stages.inputs import read_inputs

EPOCH = 2016.0
"""Epoch of the model's sky [Julian year]."""

DIST_MAX = 20000.0
MARGIN_SIGMA = 5.0
"""Stars this many errors outside the selection are drawn too: noise brings some of them in."""

BANDS = ("J", "H", "Ks")
SURVEY_SHIFT = 44
"""Identifiers of a survey are those of the stars plus its place in the list times 2 to this power."""

log = logging.getLogger(__name__)


def survey_of(options: DrawnSurvey) -> Survey:
    """The kernel's form of the configuration."""
    astrometry = options.astrometry
    return Survey(
        options.epoch,
        np.array([options.limit_mag.get(band, -np.inf) for band in BANDS]),
        np.array([options.saturation_mag.get(band, -np.inf) for band in BANDS]),
        options.error_floor,
        options.error_at_limit,
        BANDS.index(astrometry.band),
        astrometry.magnitude,
        astrometry.floor,
        astrometry.position_error,
        astrometry.proper_motion_error or np.nan,
        astrometry.parallax_error or np.nan,
        options.blend_radius_arcsec,
        options.spurious_fraction,
    )


def window_of(catalogue: Catalogue) -> Window:
    """The selection, widened by the noise of the worst survey at its faint end."""
    selection = catalogue.selection
    assert selection is not None, "the configuration refuses a model survey without selection"
    margin = 0.0
    for options in catalogue.model.surveys:
        if options.photometry:
            survey = survey_of(options)
            # Hw follows J and H; both are at most as faint as their limits.
            faint = np.minimum(selection.faint, survey.limit)[:, None]
            margin = max(margin, MARGIN_SIGMA * float(photometric_error(survey, faint).max()))
    return Window(selection.band, selection.bright - margin, selection.faint + margin)


def draw_tile(galaxy: Galaxy, tile: Tile, window: Window, seed: int) -> Drawn:
    """All stars of a tile, cell by cell."""
    refuse_unknown_cells(galaxy, cells(tile))
    intervals = point_gaps(galaxy.intervals)
    root = stage_key(seed, "simulate")
    parts = [
        cell_stars(galaxy, intervals, root, cell.number, cell.lon_deg, cell.lat_deg, window, DIST_MAX)
        for cell in cells(tile)
    ]
    return Drawn(*(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)))


def run(tile_name: str, model: Path, folder: Path, options: dict[str, Any]) -> None:
    """Draw the stars of a tile, and write them and what each survey sees of them.

    Parameters
    ----------
    tile_name
        The tile.
    model
        The Galaxy model.
    folder
        The stars go to sky/<tile>.h5 in it, the surveys to survey/<survey>/<tile>.h5.
    options
        `seed` and the sections `catalogue`, `footprint` and `tiling` of the configuration.
    """
    options = config.filled(options, ("seed", "footprint", "tiling", "catalogue"), "options of simulate")
    catalogue = Catalogue.model_validate(options["catalogue"])
    seed = options["seed"]
    tile = tile_named(tile_name, options["footprint"], options["tiling"])
    inputs = read_inputs("simulate", options, [model])
    galaxy = load_galaxy(model)
    stars = draw_tile(galaxy, tile, window_of(catalogue), seed)
    lon, lat = np.radians(stars.lon_deg), np.radians(stars.lat_deg)
    motion = phase_space(
        galaxy, stage_key(seed, "simulate_velocity"), stars.source_id, stars.comp, lon, lat, stars.dist
    )
    ra, dec = (np.degrees(np.asarray(angle)) for angle in galactic_to_icrs(lon, lat))
    cell = stars.source_id >> NUMBER_BITS
    moving = (ra % 360.0, dec, motion.pmra, motion.pmdec)
    sky = Sky(stars.source_id, cell, *moving, 1000.0 / stars.dist, stars.mag)
    attributes = inputs.attributes(tile=tile_name)
    for place, survey in enumerate(catalogue.model.surveys):
        kernel = survey_of(survey)
        covered = np.flatnonzero(_covers(survey, stars))
        root = stage_key(seed, f"observe {survey.name}")
        seen = observe(kernel, root, sky.take(covered), survey.epoch - EPOCH)
        # Rows of the whole sky again.
        seen = seen._replace(star=np.where(seen.star >= 0, np.append(covered, 0)[seen.star], -1))
        columns = _observed(survey, place, seen, stars, motion)
        write_table(folder / "survey" / survey.name / f"{tile_name}.h5", OBSERVED, columns, attributes)
        log.info("tile %s: %s has %d detections", tile_name, survey.name, len(seen.star))
    write_table(folder / "sky" / f"{tile_name}.h5", SKY, _true(stars, sky), attributes)
    log.info("tile %s: %d stars drawn in %d cells", tile_name, len(ra), tile.n_cell)


def _covers(survey: DrawnSurvey, stars: Drawn) -> np.ndarray:
    if survey.footprint is None:
        return np.ones(len(stars.source_id), dtype=bool)
    return survey.footprint.holds(stars.lon_deg, stars.lat_deg)


def _true(stars: Drawn, sky: Sky) -> dict[str, np.ndarray]:
    return {
        "true_id": stars.source_id,
        "ra": sky.ra,
        "dec": sky.dec,
        "ref_epoch": np.full(len(sky.ra), EPOCH),
        "glon": stars.lon_deg,
        "glat": stars.lat_deg,
        **dict(zip(("mj", "mh", "mks"), stars.mag, strict=True)),
    }


def _observed(
    survey: DrawnSurvey, place: int, seen: Seen, stars: Drawn, motion: PhaseSpace
) -> dict[str, np.ndarray]:
    """The detections of one survey by identifier, with all columns of the schema."""
    order = np.argsort(seen.source_id, kind="stable")
    seen = Seen(*(np.asarray(column)[..., order] for column in seen))
    n_seen, real = len(order), seen.star >= 0
    columns = {
        c.name: np.full(n_seen, np.nan if c.dtype.startswith("f") else -1, dtype=c.dtype)
        for c in OBSERVED.columns
    }
    columns["source_id"] = seen.source_id + (np.int64(place) << SURVEY_SHIFT)
    columns["ra"], columns["dec"] = seen.ra, seen.dec
    columns["glon"], columns["glat"] = galactic(seen.ra, seen.dec)
    columns["ref_epoch"] = np.full(n_seen, survey.epoch)
    columns["surveys"] = np.ones(n_seen, dtype=np.int32)
    if survey.photometry:
        for band, name in enumerate(("mj", "mh", "mks")):
            columns[name], columns[f"{name}_error"] = seen.mag[band], seen.error[band]
    if survey.astrometry.proper_motion_error:
        columns |= {"pmra_obs": seen.pmra, "pmdec_obs": seen.pmdec}
        columns |= {f"{name}_obs_error": seen.proper_motion_error for name in ("pmra", "pmdec")}
    if survey.astrometry.parallax_error:
        columns |= {"parallax_obs": seen.parallax, "parallax_obs_error": seen.parallax_error}
    if survey.role == "link":
        columns["gaia_source_id"] = columns["source_id"].copy()
    true = {
        "true_id": stars.source_id,
        "true_comp": stars.comp.astype(np.int8),
        "true_dist": stars.dist,
        "true_mass_ini": stars.mass_ini,
        "true_pml": motion.pml,
        "true_pmb": motion.pmb,
        "true_rv": motion.radial_velocity,
    }
    for name, values in true.items():
        columns[name][real] = values[seen.star[real]]
    return columns
