"""Make the Galaxy model: checked tables, normalisations and velocity tables in one file."""

import logging
from pathlib import Path

from galcen.config.galaxy import Extinction, Tables
from galcen.config.galaxy import Galaxy as GalaxyOptions
from galcen.galaxy.density import build_density
from galcen.galaxy.frame import Frame
from galcen.galaxy.imf import imf
from galcen.galaxy.isochrones import build_intervals
from galcen.galaxy.kinematics import build_kinematics
from galcen.galaxy.model import Galaxy
from galcen.galaxy.normalisation import normalisation
from galcen.galaxy.tables import ModelTables
from galcen.io.hdf5 import create, open_product
from galcen.io.model_tables import read_tables
from galcen.io.modules import read_module, write_module
from galcen.io.provenance import provenance

PRODUCT = "galaxy_model"

log = logging.getLogger(__name__)


def build_galaxy(options: GalaxyOptions, extinction: Extinction, tables: ModelTables) -> Galaxy:
    """The model that a configuration asks for."""
    stars = imf(options.bar)
    return Galaxy(
        frame=Frame(options.sun_distance, options.sun_height, options.sun_velocity),
        density=build_density(
            tables.nuclear_disc,
            bar=options.bar,
            nuclear_disc=options.nuclear_disc,
            nuclear_cluster=options.nuclear_cluster,
            halo=options.halo,
            disc_scale_height=options.disc_scale_height,
            disc_inner=options.disc_inner,
        ),
        normalisation=normalisation(tables.death_masses, bar=options.bar),
        kinematics=build_kinematics(
            tables.rotation_curve,
            tables.nuclear_disc,
            bar=options.bar,
            bar_covariance=options.bar_covariance,
            nuclear_disc_correlation_sign=options.nuclear_disc_correlation_sign,
        ),
        intervals=build_intervals(tables.isochrones, stars, interpolate_gaps=options.interpolate_gaps),
        reddening=tables.reddening,
        bar=options.bar,
        law=extinction.law,
        sub_cells=extinction.sub_cells,
        hw=options.hw,
        nuclear_disc_window=options.nuclear_disc_window,
    )


def load_galaxy(path: Path) -> Galaxy:
    """The model that `run` wrote."""
    with open_product(path, PRODUCT) as file:
        return read_module(file, "galaxy")


def run(output: Path, tables: Tables, galaxy: GalaxyOptions, extinction: Extinction) -> None:
    """Read and check the tables, build the model and write it."""
    content, digests = read_tables(Path(tables.path) if tables.path else None)
    log.info("read %d tables, all with the expected sha256", len(digests))
    model = build_galaxy(galaxy, extinction, content)
    options = {"galaxy": galaxy.model_dump(mode="json"), "extinction": extinction.model_dump(mode="json")}
    with create(output, PRODUCT, provenance("galaxy_model", options, digests)) as file:
        write_module(file, "galaxy", model)
    log.info("wrote %s", output)
