"""Draw the true values of the stars of one tile: class, distance, mass and velocity."""

import logging
from pathlib import Path
from typing import Any

import healpy
import jax
import numpy as np
from jaxtyping import Array, Key

from galcen import config
from galcen.catalogue import observed_motion
from galcen.catalogue import posterior as kernel
from galcen.catalogue.draw import StarValues, draw_values
from galcen.catalogue.flags import Flag
from galcen.catalogue.kinematic_likelihood import Motions
from galcen.catalogue.mock_survey import standard_normals
from galcen.catalogue.observed import cell_number
from galcen.catalogue.sampling import uniform_numbers
from galcen.catalogue.velocity import PhaseSpace, phase_space
from galcen.config.inference import Draw, Posterior
from galcen.constants import HEALPIX_NSIDE
from galcen.errors import SchemaError
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.model import Galaxy
from galcen.galaxy.photometry import hw
from galcen.io.claims import claiming
from galcen.io.hdf5 import open_product, read_array, read_columns, read_table, write_table
from galcen.io.schema import OBSERVED, POSTERIOR, TRUTH
from galcen.random import stage_key
from galcen.stages.galaxy_model import load_galaxy
from galcen.stages.inputs import read_inputs
from galcen.stages.posterior import BAILER_JONES, kernel_options, stars_of

log = logging.getLogger(__name__)


@claiming("output")
def run(model: Path, complete: Path, posterior_file: Path, output: Path, options: dict[str, Any]) -> None:
    """Read stars and posterior, draw, and write the tile of the truth catalogue.

    Every realisation has streams of its own, so that masses and velocities are new as well; the rows of one
    follow those of another.
    """
    options = config.filled(options, ("seed", "posterior", "draw"), "options of draw")
    choices = Draw.model_validate(options["draw"])
    inputs = read_inputs("draw", options, [model, complete, posterior_file])
    observed = read_table(complete, OBSERVED)
    realisations = range(choices.realisation, choices.realisation + choices.n_draw)
    with open_product(posterior_file, POSTERIOR.name) as file:
        inferred = read_columns(file, POSTERIOR)
        samples = [read_array(file, name)[:, realisations] for name in ("sample_comp", "sample_dist")]
    if not np.array_equal(observed["source_id"], inferred["source_id"]):
        raise SchemaError(f"{posterior_file}: its stars are not those of {complete}; make it again")
    galaxy = load_galaxy(model)
    settings = kernel_options(Posterior.model_validate(options["posterior"]))
    common = {
        **{name: observed[name] for name in OBSERVED.names},
        **{name: inferred[name] for name in TRUTH.names if name in inferred},
        "healpix": healpy.ang2pix(HEALPIX_NSIDE, observed["ra"], observed["dec"], nest=True, lonlat=True),
        "cell": cell_number(observed["glon"], observed["glat"]).astype(np.int32),
    }
    stars = stars_of(observed)
    parts = []
    for realisation, comp, dist in zip(realisations, *(sample.T for sample in samples), strict=True):
        drawn = _realisation(
            galaxy, settings, stars, common, comp.astype(int), dist, options["seed"], realisation
        )
        parts.append(common | drawn)
    attributes = inputs.attributes()
    with open_product(complete, OBSERVED.name) as file:
        # A catalogue without stars can then tell why it has none.
        attributes["counts"] = str(file.attrs.get("counts", "{}"))
    write_table(
        output,
        TRUTH,
        {name: np.concatenate([part[name] for part in parts]) for name in TRUTH.names},
        attributes,
    )
    outliers = int(np.count_nonzero(inferred["flags"] & Flag.PRIOR_ONLY))
    log.info(
        "%d stars drawn %d times, %d of them without a model within 10 sigma",
        *(len(stars.source_id), choices.n_draw, outliers),
    )


def _realisation(
    galaxy: Galaxy,
    settings: kernel.Options,
    stars: kernel.Stars,
    common: dict[str, np.ndarray],
    comp: np.ndarray,
    dist: np.ndarray,
    seed: int,
    realisation: int,
) -> dict[str, np.ndarray]:
    """The columns that differ between draws."""
    data, _ = kernel.clean(stars, settings)
    values = draw_values(
        galaxy,
        settings.error_floor,
        stage_key(seed, f"mass {realisation}"),
        stars.source_id,
        data,
        common["glon"],
        common["glat"],
        comp,
        dist,
        settings.extinction_spread,
        stars.a_ks,
        settings.limit,
    )
    place = comp, np.radians(common["glon"]), np.radians(common["glat"]), dist
    motion = phase_space(galaxy, stage_key(seed, f"velocity {realisation}"), stars.source_id, *place)
    motion = _given_observed(
        galaxy,
        motion,
        stars,
        data.motions,
        common["dist_source"] == BAILER_JONES,
        place,
        stage_key(seed, f"motion {realisation}"),
    )
    return {
        "realisation": np.full(len(comp), realisation, dtype=np.int16),
        "comp": comp.astype(np.int8),
        "dist": dist,
        "parallax": 1000.0 / dist,
        **_photometry(values, stars, galaxy.hw),
        **dict(zip(("x", "y", "z"), motion.position, strict=True)),
        **dict(zip(("vx", "vy", "vz"), motion.velocity, strict=True)),
        **{name: getattr(motion, name) for name in ("pmra", "pmdec", "pml", "pmb", "radial_velocity")},
    }


def _given_observed(
    galaxy: Galaxy,
    drawn: PhaseSpace,
    stars: kernel.Stars,
    used: Motions | None,
    by_gaia: np.ndarray,
    place: tuple[np.ndarray, ...],
    root: Key[Array, ""],
) -> PhaseSpace:
    """Motions that agree with Gaia's, and with the observed ones that the posterior has `used`."""
    result = PhaseSpace(*(np.array(part) for part in drawn))
    rows = np.flatnonzero(by_gaia)
    if len(rows) and stars.motions is not None:
        some = PhaseSpace(*(part[..., rows] for part in drawn)), *(part[rows] for part in place)
        _enter(result, rows, observed_motion.adopt(galaxy, *some, stars.motions.take(rows)))
    if used is None:
        return result
    rows = np.flatnonzero(~by_gaia & np.asarray(used.seen()).any(axis=0))
    if len(rows):
        identifier = stars.source_id[rows]
        some = PhaseSpace(*(part[..., rows] for part in drawn)), *(part[rows] for part in place)
        noise = standard_normals(root, identifier, 3)
        uniform = uniform_numbers(jax.random.fold_in(root, 1), identifier, 1)[:, 0, 0]
        table = DiscVelocities.build(galaxy.kinematics.shu)
        _enter(result, rows, observed_motion.condition(galaxy, table, *some, used.take(rows), noise, uniform))
    return result


def _enter(whole: PhaseSpace, rows: np.ndarray, some: PhaseSpace) -> None:
    for column, part in zip(whole, some, strict=True):
        column[..., rows] = part


def _photometry(values: StarValues, stars: kernel.Stars, relation: str) -> dict[str, np.ndarray]:
    seen = np.where(np.isfinite(stars.mag), stars.mag, values.mag)
    return {
        "mass_ini": values.mass_ini,
        "mass": values.mass,
        **dict(zip(("mj_mod", "mh_mod", "mks_mod"), values.mag, strict=True)),
        **dict(zip(("a_j", "a_h", "a_ks"), values.extinction, strict=True)),
        "hw": np.asarray(hw(seen[0], seen[1], relation)),
    }
