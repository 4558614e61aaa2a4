"""Draw the true values of the stars of one tile: one class, distance, mass and velocity each."""

import logging
from pathlib import Path
from typing import Any

import healpy
import numpy as np

from galcen.catalogue import observed_motion
from galcen.catalogue import posterior as kernel
from galcen.catalogue.draw import StarValues, draw_values
from galcen.catalogue.flags import Flag
from galcen.catalogue.kinematic_likelihood import Motions
from galcen.catalogue.velocity import PhaseSpace, phase_space
from galcen.config.inference import Draw, Posterior
from galcen.errors import SchemaError
from galcen.galaxy.extinction.map import cell_of
from galcen.galaxy.model import Galaxy
from galcen.galaxy.photometry import hw
from galcen.io.hdf5 import open_product, read_array, read_columns, read_table, write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED, POSTERIOR, TRUTH
from galcen.random import stage_key
from galcen.stages.galaxy_model import load_galaxy
from galcen.stages.posterior import BAILER_JONES, kernel_options, stars_of

HEALPIX_NSIDE = 2**14  # 13 arcsec: a cone is a few ranges of rows
N_LAT = 580

log = logging.getLogger(__name__)


def run(model: Path, complete: Path, posterior_file: Path, output: Path, options: dict[str, Any]) -> None:
    """Read stars and posterior, draw, and write the tile of the truth catalogue."""
    realisation = Draw.model_validate(options["draw"]).realisation
    observed = read_table(complete, OBSERVED)
    with open_product(posterior_file, POSTERIOR.name) as file:
        inferred = read_columns(file, POSTERIOR)
        comp = read_array(file, "sample_comp")[:, realisation].astype(int)
        dist = read_array(file, "sample_dist")[:, realisation]
    if not np.array_equal(observed["source_id"], inferred["source_id"]):
        raise SchemaError(f"{posterior_file}: its stars are not those of {complete}; make it again")
    galaxy = load_galaxy(model)
    settings = kernel_options(Posterior.model_validate(options["posterior"]))
    stars = stars_of(observed)
    data, _ = kernel.clean(stars, settings)
    # Each realisation has streams of its own, so that its velocities are new as well.
    seed = options["seed"]
    values = draw_values(
        galaxy,
        settings.error_floor,
        stage_key(seed, f"mass {realisation}"),
        stars.source_id,
        data,
        observed["glon"],
        observed["glat"],
        comp,
        dist,
        settings.extinction_spread,
    )
    motion = phase_space(
        galaxy,
        stage_key(seed, f"velocity {realisation}"),
        stars.source_id,
        comp,
        np.radians(observed["glon"]),
        np.radians(observed["glat"]),
        dist,
    )
    adopted = np.flatnonzero(inferred["dist_source"] == BAILER_JONES)
    motion = _adopt(galaxy, motion, adopted, observed, stars, comp, dist)
    i_lon, i_lat = cell_of(observed["glon"], observed["glat"], galaxy.reddening)
    columns = {
        **{name: observed[name] for name in OBSERVED.names},
        **{name: inferred[name] for name in TRUTH.names if name in inferred},
        "healpix": healpy.ang2pix(HEALPIX_NSIDE, observed["ra"], observed["dec"], nest=True, lonlat=True),
        "cell": (np.asarray(i_lon) * N_LAT + np.asarray(i_lat)).astype(np.int32),
        "comp": comp.astype(np.int8),
        "dist": dist,
        "parallax": 1000.0 / dist,
        **_photometry(values, stars, galaxy.hw),
        **dict(zip(("x", "y", "z"), motion.position, strict=True)),
        **dict(zip(("vx", "vy", "vz"), motion.velocity, strict=True)),
        **{name: getattr(motion, name) for name in ("pmra", "pmdec", "pml", "pmb", "radial_velocity")},
    }
    write_table(
        output,
        TRUTH,
        {name: columns[name] for name in TRUTH.names},
        provenance("draw", options, input_hashes(model, complete, posterior_file)),
    )
    outliers = int(np.count_nonzero(inferred["flags"] & Flag.PRIOR_ONLY))
    log.info("%d stars drawn, %d of them without a model within 10 sigma", len(comp), outliers)


def _adopt(
    galaxy: Galaxy,
    motion: PhaseSpace,
    rows: np.ndarray,
    observed: dict[str, np.ndarray],
    stars: kernel.Stars,
    comp: np.ndarray,
    dist: np.ndarray,
) -> PhaseSpace:
    """Motions of some stars replaced by what Gaia observed of them."""
    if not len(rows) or stars.motions is None:
        return motion
    some = observed_motion.adopt(
        galaxy,
        PhaseSpace(*(part[..., rows] for part in motion)),
        comp[rows],
        np.radians(observed["glon"][rows]),
        np.radians(observed["glat"][rows]),
        dist[rows],
        Motions(stars.motions.value[:, rows], stars.motions.error[:, rows]),
    )
    whole = PhaseSpace(*(np.array(part) for part in motion))
    for mine, part in zip(whole, some, strict=True):
        mine[..., rows] = part
    return whole


def _photometry(values: StarValues, stars: kernel.Stars, relation: str) -> dict[str, np.ndarray]:
    seen = np.where(np.isfinite(stars.mag), stars.mag, values.mag)
    return {
        "mass_ini": values.mass_ini,
        "mass": values.mass,
        **dict(zip(("mj_mod", "mh_mod", "mks_mod"), values.mag, strict=True)),
        **dict(zip(("a_j", "a_h", "a_ks"), values.extinction, strict=True)),
        "hw": np.asarray(hw(seen[0], seen[1], relation)),
    }
