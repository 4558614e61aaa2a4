"""Make the Galaxy model: checked tables, normalisations and velocity tables in one file."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from galcen.catalogue.tiling import Cell
from galcen.config.galaxy import Extinction, Tables
from galcen.config.galaxy import Galaxy as GalaxyOptions
from galcen.errors import SchemaError
from galcen.galaxy.density import build_density
from galcen.galaxy.extinction.outside import Outside
from galcen.galaxy.frame import Frame
from galcen.galaxy.imf import imf
from galcen.galaxy.isochrones import build_intervals
from galcen.galaxy.kinematics import build_kinematics
from galcen.galaxy.model import Galaxy, Sightlines, sightlines
from galcen.galaxy.normalisation import normalisation
from galcen.galaxy.tables import ModelTables
from galcen.io.directions import read_directions
from galcen.io.hdf5 import create, open_product
from galcen.io.model_tables import read_tables
from galcen.io.modules import read_module, write_module
from galcen.io.provenance import canonical
from galcen.stages.inputs import read_inputs

PRODUCT = "galaxy_model"

log = logging.getLogger(__name__)


def build_outside(extinction: Extinction) -> Outside | None:
    """Extinction off the map, as a configuration gives it."""
    screen = None if extinction.screen is None else extinction.screen.distance
    given = extinction.off_map
    if given is None:
        return None
    if isinstance(given, str):
        table = read_directions(Path(given), "a_ks")
        return Outside(table["glon"], table["glat"], table["a_ks"], screen=screen)
    return Outside.everywhere(given, screen)


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
        outside=build_outside(extinction),
    )


def load_galaxy(path: Path) -> Galaxy:
    """The model that `run` wrote."""
    with open_product(path, PRODUCT) as file:
        return read_module(file, "galaxy")


def known_sightlines(
    galaxy: Galaxy, lon_deg: np.ndarray, lat_deg: np.ndarray, a_ks: np.ndarray | None, names: np.ndarray
) -> Sightlines:
    """Directions of stars or cells, whose extinctions must all be known.

    Raises
    ------
    SchemaError
        No extinction is known of a direction; the first is named by its entry of `names`.
    """
    line = sightlines(galaxy, lon_deg, lat_deg, a_ks)
    unknown = ~np.isfinite(np.asarray(line.reddening)).all(axis=0)
    if unknown.any():
        first = int(np.argmax(unknown))
        place = f"l = {lon_deg[first]:.4f}, b = {lat_deg[first]:.4f} deg"
        if galaxy.outside is None:
            remedy = "off the extinction map; set extinction.outside to A_Ks [mag], or to a table of it"
        else:
            remedy = (
                f"more than {galaxy.outside.reach_deg:g} deg from every row of the table of "
                "extinction.outside; add rows to it"
            )
        raise SchemaError(
            f"{names[first]} at {place} is {remedy} ({np.count_nonzero(unknown)} of {len(lon_deg)} are); or "
            "give a star its own extinction with a_ks in catalogue.files.columns"
        )
    return line


def refuse_unknown_cells(galaxy: Galaxy, where: Iterable[Cell]) -> None:
    """Refuse cells whose extinction is not known, before stars are drawn in them."""
    number, lon, lat = zip(*((cell.number, cell.lon_deg, cell.lat_deg) for cell in where), strict=True)
    names = np.array([f"cell {n}" for n in number])
    known_sightlines(galaxy, np.array(lon), np.array(lat), None, names)


def run(output: Path, tables: Tables, galaxy: GalaxyOptions, extinction: Extinction) -> None:
    """Read and check the tables, build the model and write it."""
    content, digests = read_tables(Path(tables.path) if tables.path else None)
    log.info("read %d tables, all with the expected sha256", len(digests))
    model = build_galaxy(galaxy, extinction, content)
    options = {"galaxy": galaxy.model_dump(mode="json"), "extinction": extinction.model_dump(mode="json")}
    own = {"extinction table": Path(extinction.off_map)} if isinstance(extinction.off_map, str) else {}
    inputs = read_inputs("galaxy_model", options, files=own)
    attributes = inputs.attributes(inputs=canonical(digests | inputs.digests()))
    with create(output, PRODUCT, attributes) as file:
        write_module(file, "galaxy", model)
    log.info("wrote %s", output)
