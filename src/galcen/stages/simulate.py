"""Observe one tile of a sky drawn from the model; the true values are kept aside."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen.catalogue.forward import Drawn, Window, cell_stars, point_gaps
from galcen.catalogue.mock_survey import Survey, observe, photometric_error
from galcen.catalogue.tiling import Tile, cells, tile_named
from galcen.catalogue.velocity import phase_space
from galcen.config.catalogue import Catalogue, ModelSurvey
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import galactic_to_icrs
from galcen.io.hdf5 import write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED
from galcen.random import stage_key
from galcen.stages.galaxy_model import load_galaxy

EPOCH = 2016.0
DIST_MAX = 20000.0
MARGIN_SIGMA = 5.0
"""Stars this many errors outside the selection are drawn too: noise brings some of them in."""

N_LAT = 580

_UNSEEN = (
    "ruwe",
    *(
        f"{name}{suffix}"
        for name in ("pmra_obs", "pmdec_obs", "radial_velocity_obs")
        for suffix in ("", "_error")
    ),
    *(f"r_{name}_photogeo" for name in ("lo", "med", "hi")),
)

log = logging.getLogger(__name__)


def survey_of(options: ModelSurvey) -> Survey:
    """The kernel's form of the configuration."""
    return Survey(
        options.error_floor,
        options.error_at_limit,
        tuple(options.limit_mag[band] for band in ("J", "H", "Ks")),
        options.parallax,
        options.parallax_limit_j,
        options.parallax_error,
    )


def window_of(catalogue: Catalogue) -> Window:
    """The selection, widened by the noise at its faint end."""
    selection = catalogue.selection
    assert selection is not None, "the configuration refuses a model survey without selection"
    survey = survey_of(catalogue.model)
    limit = np.array(survey.limit)[:, None]
    # Hw follows J and H; both are at most as faint as their limits.
    margin = MARGIN_SIGMA * float(photometric_error(survey, np.minimum(selection.faint, limit)).max())
    return Window(selection.band, selection.bright - margin, selection.faint + margin)


def draw_tile(galaxy: Galaxy, tile: Tile, window: Window, seed: int) -> Drawn:
    """All stars of a tile, cell by cell."""
    intervals = point_gaps(galaxy.intervals)
    root = stage_key(seed, "simulate")
    parts = [
        cell_stars(galaxy, intervals, root, i_lon * N_LAT + i_lat, lon, lat, window, DIST_MAX)
        for i_lon, i_lat, lon, lat in cells(tile)
    ]
    return Drawn(*(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)))


def run(model: Path, output: Path, tile_name: str, options: dict[str, Any]) -> None:
    """Draw the stars of a tile, measure them and write the survey's table."""
    catalogue = Catalogue.model_validate(options["catalogue"])
    seed = options["seed"]
    galaxy = load_galaxy(model)
    tile = tile_named(tile_name, options["footprint"], options["tiling"])
    stars = draw_tile(galaxy, tile, window_of(catalogue), seed)
    measured = observe(
        survey_of(catalogue.model), stage_key(seed, "measure"), stars.source_id, stars.mag, stars.dist
    )
    lon, lat = np.radians(stars.lon_deg), np.radians(stars.lat_deg)
    motion = phase_space(
        galaxy, stage_key(seed, "simulate_velocity"), stars.source_id, stars.comp, lon, lat, stars.dist
    )
    ra, dec = (np.degrees(np.asarray(angle)) for angle in galactic_to_icrs(lon, lat))
    n_star = len(stars.source_id)
    missing = np.full(n_star, np.nan)
    columns = {
        "source_id": stars.source_id,
        "ra": ra % 360.0,
        "dec": dec,
        "ref_epoch": np.full(n_star, EPOCH),
        "glon": stars.lon_deg,
        "glat": stars.lat_deg,
        **{name: measured.mag[b] for b, name in enumerate(("mj", "mh", "mks"))},
        **{f"{name}_error": measured.error[b] for b, name in enumerate(("mj", "mh", "mks"))},
        "parallax_obs": measured.parallax,
        "parallax_obs_error": measured.parallax_error,
        **{name: missing for name in _UNSEEN},
        "surveys": np.ones(n_star, dtype=np.int32),
        "gaia_source_id": np.full(n_star, -1),
        "true_id": stars.source_id,
        "true_comp": stars.comp.astype(np.int8),
        "true_dist": stars.dist,
        "true_mass_ini": stars.mass_ini,
        "true_pml": motion.pml,
        "true_pmb": motion.pmb,
        "true_rv": motion.radial_velocity,
    }
    write_table(output, OBSERVED, columns, provenance("simulate", options, input_hashes(model)))
    log.info("tile %s: %d stars drawn in %d cells", tile_name, n_star, tile.n_cell)
