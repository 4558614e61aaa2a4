"""Read a user's table, check it and cut it into the tiles of the run."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen.catalogue.tiling import LAT_EDGE, LON_EDGE, N_LAT, N_LON, tiles_of
from galcen.config.catalogue import Catalogue, SurveyTable
from galcen.errors import SchemaError
from galcen.galaxy.extinction.map import cell_index
from galcen.galaxy.observables import icrs_to_galactic
from galcen.io.hdf5 import write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED
from galcen.io.tables import read_survey

log = logging.getLogger(__name__)

_RENAMED = {"parallax": "parallax_obs", "pmra": "pmra_obs", "pmdec": "pmdec_obs"}


def run(survey_name: str, folder: Path, options: dict[str, Any]) -> None:
    """Write `folder`/<tile>.h5 for every tile of the footprint; tiles without stars are empty tables."""
    catalogue = Catalogue.model_validate(options["catalogue"])
    survey = next(table for table in catalogue.files if table.name == survey_name)
    columns = observed(survey)
    tiles = tiles_of(options["footprint"], options["tiling"])
    place = tile_of(survey, columns, tiles)
    attributes = provenance("ingest", options, input_hashes(Path(survey.path)))
    for number, tile in enumerate(tiles):
        mine = np.flatnonzero(place == number)
        mine = mine[np.argsort(columns["source_id"][mine], kind="stable")]
        write_table(
            folder / f"{tile.name}.h5", OBSERVED, {k: v[mine] for k, v in columns.items()}, attributes
        )
    outside = int(np.count_nonzero(place < 0))
    log.info("%s: %d stars read, %d outside the footprint", survey.path, len(place), outside)


def observed(survey: SurveyTable) -> dict[str, np.ndarray]:
    """A user's table with all columns of the schema."""
    given = read_survey(survey)
    n_star = len(given["source_id"])
    columns = {
        c.name: np.full(n_star, np.nan if c.dtype.startswith("f") else -1, dtype=c.dtype)
        for c in OBSERVED.columns
    }
    for name, values in given.items():
        base = name.removesuffix("_error")
        columns[_RENAMED.get(base, base) + name.removeprefix(base)] = values
    if survey.drop_without_error:
        for name in ("mj", "mh", "mks"):
            columns[name] = np.where(np.isfinite(columns[f"{name}_error"]), columns[name], np.nan)
    dark = ~(np.isfinite(columns["mj"]) | np.isfinite(columns["mh"]) | np.isfinite(columns["mks"]))
    if dark.any():
        log.warning("%s: %d stars without any magnitude are left out", survey.path, int(dark.sum()))
        columns = {name: values[~dark] for name, values in columns.items()}
    columns["ra"] = columns["ra"] % 360.0
    columns["ref_epoch"] = np.full(len(columns["ra"]), survey.epoch)
    lon, lat = icrs_to_galactic(np.radians(columns["ra"]), np.radians(columns["dec"]))
    columns["glon"], columns["glat"] = np.degrees(np.asarray(lon)), np.degrees(np.asarray(lat))
    return columns


def tile_of(survey: SurveyTable, columns: dict[str, np.ndarray], tiles: tuple) -> np.ndarray:
    """Number of the tile that holds each star; -1 outside the footprint.

    Raises
    ------
    SchemaError
        A star lies off the extinction map.
    """
    i_lon = cell_index(columns["glon"], LON_EDGE)
    i_lat = cell_index(columns["glat"], LAT_EDGE)
    off = (i_lon < 0) | (i_lon >= N_LON) | (i_lat < 0) | (i_lat >= N_LAT)
    if off.any():
        row = int(np.argmax(off))
        raise SchemaError(
            f"{survey.path}: source_id {columns['source_id'][row]} at l = {columns['glon'][row]:.4f}, "
            f"b = {columns['glat'][row]:.4f} deg and {int(off.sum()) - 1} more stars lie off the extinction map "
            "(abs(l) < 9.5, -10 < b < 4.5 deg); cut the table to the map"
        )
    place = np.full(len(off), -1)
    for number, tile in enumerate(tiles):
        inside = (i_lon >= tile.i_lon) & (i_lon < tile.i_lon + tile.n_lon)
        inside &= (i_lat >= tile.i_lat) & (i_lat < tile.i_lat + tile.n_lat)
        place[inside] = number
    return place
