"""Read a user's table, check it and cut it into the tiles of the run."""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from galcen import config
from galcen.catalogue.observed import OUTSIDE, by_tile, cell_number, tile_of_cell
from galcen.catalogue.tiling import tiles_of
from galcen.config.catalogue import Catalogue, SurveyTable
from galcen.errors import ConfigError, SchemaError
from galcen.galaxy.observables import icrs_to_galactic
from galcen.io.hdf5 import write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED
from galcen.io.tables import BANDS, read_survey

log = logging.getLogger(__name__)

ID_STEP = 10**12
"""Tables without identifiers number their rows from this many times their place in the list."""

BATCH = 16384
"""Positions are turned in batches of one size, so that a star's bits do not depend on the table's length."""

_RENAMED = {name: f"{name}_obs" for name in ("parallax", "pmra", "pmdec", "radial_velocity")}


def run(survey_name: str, folder: Path, options: dict[str, Any]) -> None:
    """Write `folder`/<tile>.h5 for every tile of the footprint; tiles without stars are empty tables.

    Nothing is written before the whole table is read and checked, and no tile appears before
    all of them are written.

    Parameters
    ----------
    survey_name
        Name of one of the tables in `options`.
    folder
        Where the tiles go.
    options
        Sections `catalogue`, `footprint` and `tiling` of the configuration.
    """
    sections = ("catalogue", "footprint", "tiling")
    settings = config.parse(
        {name: options[name] for name in sections if name in options}, "options of ingest"
    )
    survey, place = _table_named(settings.catalogue, survey_name)
    tiles = tiles_of(settings.footprint.model_dump(), settings.tiling.model_dump())

    stars = read_survey(survey, first_id=place * ID_STEP + 1)
    n_read = len(stars["source_id"])
    stars["ra"] = _wrapped(stars["ra"])
    stars["glon"], stars["glat"] = galactic(stars["ra"], stars["dec"])
    tile_number = _tiles(survey, stars, tile_of_cell(tiles))
    n_outside = int(np.count_nonzero(tile_number == OUTSIDE))
    dark = _without_magnitude(survey, stars) & (tile_number != OUTSIDE)
    tile_number[dark] = OUTSIDE
    counts = {"read": n_read, "outside_footprint": n_outside, "no_magnitude": int(np.count_nonzero(dark))}

    attributes = provenance("ingest", options, input_hashes(Path(survey.path)))
    attributes["counts"] = json.dumps(counts)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        for tile, rows in zip(tiles, by_tile(tile_number, stars["source_id"], len(tiles)), strict=True):
            columns = observed(stars, rows, survey.epoch)
            write_table(Path(scratch) / f"{tile.name}.h5", OBSERVED, columns, attributes)
        folder.mkdir(exist_ok=True)
        for tile in tiles:
            (Path(scratch) / f"{tile.name}.h5").replace(folder / f"{tile.name}.h5")
    _report(survey, stars, counts, len(tiles))


def observed(stars: dict[str, np.ndarray], rows: np.ndarray, epoch: float) -> dict[str, np.ndarray]:
    """Some stars of a table with all columns of the schema; what the table does not have is missing."""
    columns = {
        c.name: np.full(len(rows), np.nan if c.dtype.startswith("f") else -1, dtype=c.dtype)
        for c in OBSERVED.columns
    }
    for name, values in stars.items():
        base = name.removesuffix("_error")
        columns[_RENAMED.get(base, base) + name.removeprefix(base)] = values[rows]
    columns["ref_epoch"] = np.full(len(rows), epoch)
    columns["surveys"] = np.ones(len(rows), dtype=np.int32)
    return columns


def galactic(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Galactic longitude (-180 to 180) and latitude [deg] of ICRS positions [deg], in float64."""
    if not jax.config.jax_enable_x64:
        raise RuntimeError("positions need float64: set JAX_ENABLE_X64=1 before jax is imported")
    turn = jax.jit(icrs_to_galactic)
    lon, lat = np.empty(len(ra)), np.empty(len(ra))
    for low in range(0, len(ra), BATCH):
        part = slice(low, min(low + BATCH, len(ra)))
        padded = np.zeros((2, BATCH))
        padded[:, : part.stop - low] = np.radians(ra[part]), np.radians(dec[part])
        turned = np.degrees(np.asarray(turn(padded[0], padded[1])))
        lon[part], lat[part] = turned[:, : part.stop - low]
    return lon, lat


def _table_named(catalogue: Catalogue, name: str) -> tuple[SurveyTable, int]:
    """A table of the configuration and its place in the list."""
    for place, survey in enumerate(catalogue.files):
        if survey.name == name:
            return survey, place
    known = ", ".join(survey.name for survey in catalogue.files) or "none"
    raise ConfigError(f"no survey {name} among catalogue.files; there are: {known}")


def _wrapped(ra: np.ndarray) -> np.ndarray:
    wrapped = ra % 360.0
    # The remainder of a tiny negative angle rounds to 360.
    return np.where(wrapped == 360.0, 0.0, wrapped)


def _tiles(survey: SurveyTable, stars: dict[str, np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """Number of the tile that holds each star; refuses a star off the extinction map."""
    cell = cell_number(stars["glon"], stars["glat"])
    off = cell == OUTSIDE
    if off.any():
        row = int(np.argmax(off))
        found = {name: stars[name][row] for name in ("source_id", "ra", "dec", "glon", "glat")}
        raise SchemaError(
            f"{survey.path}: row {row + 1} (source_id {found['source_id']}) at ra = {found['ra']:.5f}, dec = "
            f"{found['dec']:.5f} deg, l = {found['glon']:.4f}, b = {found['glat']:.4f} deg, lies off the "
            "extinction map, which has -9.5 < l < 9.5, -10 < b < 4.5 deg "
            f"({np.count_nonzero(off)} such rows); cut the table to the map, and see that ra and dec are the "
            "columns meant, in deg"
        )
    return numbers[cell]


def _without_magnitude(survey: SurveyTable, stars: dict[str, np.ndarray]) -> np.ndarray:
    """Whether a star has no magnitude, once those that are mere limits are dropped."""
    present = [name for name in BANDS if name in stars]
    if survey.drop_without_error:
        for name in present:
            limit = np.isnan(stars[f"{name}_error"]) & ~np.isnan(stars[name])
            stars[name] = np.where(limit, np.nan, stars[name])
            log.info("%s: %d %s without error are dropped", survey.path, np.count_nonzero(limit), name)
    return np.logical_and.reduce([np.isnan(stars[name]) for name in present])


def _report(survey: SurveyTable, stars: dict[str, np.ndarray], counts: dict[str, int], n_tile: int) -> None:
    kept = counts["read"] - counts["outside_footprint"] - counts["no_magnitude"]
    log.info(
        "%s: %d stars read, %d outside the footprint, %d without any magnitude, %d kept in %d tiles",
        *(survey.path, counts["read"], counts["outside_footprint"], counts["no_magnitude"], kept, n_tile),
    )
    if kept == 0:
        lon, lat = stars["glon"], stars["glat"]
        log.warning(
            "%s: no star is left; the table covers l = %.3f to %.3f, b = %.3f to %.3f deg; see `footprint`",
            *(survey.path, lon.min(), lon.max(), lat.min(), lat.max()),
        )
