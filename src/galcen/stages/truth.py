"""Merge the tiles into one truth catalogue, sorted by nested HEALPix index.

The sorted indices of all stars say which pixels each block of output rows covers; the block then reads the
tiles that reach into them, so that a tile is read for two blocks or three. Memory holds a block with all its
columns and, of the whole catalogue, one column of eight bytes and the numbers of the tiles.
"""

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import healpy
import numpy as np
from astropy.coordinates import SkyCoord
from jaxtyping import Int
from mocpy import MOC

from galcen import config
from galcen.catalogue.tiling import tiles_of
from galcen.config.catalogue import Catalogue
from galcen.config.inference import Draw
from galcen.constants import HEALPIX_NSIDE
from galcen.errors import SchemaError
from galcen.galaxy.components import COMPONENTS
from galcen.io.claims import claiming
from galcen.io.hdf5 import CHUNK_ROWS, create, create_columns, open_product, read_column
from galcen.io.schema import TRUTH
from galcen.io.truth import write_index
from galcen.stages.complete import lost_stars
from galcen.stages.inputs import read_inputs

MOC_ORDER = 13
MOC_PIXELS = 2**18  # looked at together
MAX_PIXEL = 12 * HEALPIX_NSIDE**2
BLOCK_ROWS = 16 * CHUNK_ROWS
"""Rows written together: whole chunks, none of which is written twice; 170 MB of all columns."""

log = logging.getLogger(__name__)


class Sources(NamedTuple):
    """The tiles to merge."""

    paths: list[Path]
    n_row: Int[np.ndarray, " n_tile"]
    low: Int[np.ndarray, " n_tile"]  # smallest and largest HEALPix index; no range for an empty tile
    high: Int[np.ndarray, " n_tile"]
    counts: dict[str, int]  # what became of the surveys' stars, of all tiles


class Block(NamedTuple):
    """Rows `start` to `stop` of the catalogue, which lie in pixels `low` to `high`, both included."""

    start: int
    stop: int
    low: int
    high: int
    skip: int  # stars of pixel `low` that stand in earlier blocks


@claiming("output")
def run(folder: Path, output: Path, options: dict[str, Any]) -> None:
    """Merge `folder`/<tile>.h5 of every tile of the footprint.

    Raises
    ------
    SchemaError
        No star is left, or one is in two tiles.
    """
    origin = "options of truth"
    options = config.filled(options, ("footprint", "tiling"), origin)
    draw, catalogue = (
        config.validated(section, options.get(name, {}), f"{origin}: {name}")
        for name, section in (("draw", Draw), ("catalogue", Catalogue))
    )
    names = [tile.name for tile in tiles_of(options["footprint"], options["tiling"])]
    paths = [folder / f"{name}.h5" for name in names]
    attributes = read_inputs("truth", options, paths).attributes()
    sources = _sources(paths)
    _refuse_duplicates(sources, draw.n_draw)
    n_star = int(sources.n_row.sum())
    if n_star == 0:
        reason = lost_stars(sources.counts, catalogue.selection)
        raise SchemaError(f"{folder}: no star is left in any of {len(paths)} tiles: {reason}")
    with create(output, TRUTH.name, attributes) as merged:
        merged.attrs["healpix_nside"] = HEALPIX_NSIDE
        merged.attrs["healpix_order"] = "nested"
        group = create_columns(merged, TRUTH, n_star)
        tile = np.empty(n_star, dtype=np.int32)
        for block in _blocks(sources):
            tile[block.start : block.stop] = _write_block(group, sources, block)
        write_index(merged, tile, names)
        merged.attrs["surveys"] = json.dumps(catalogue.surveys)
        merged.attrs["moc"] = footprint_moc(options)
        count = np.diff(merged["index/comp_first"][...])
        merged.attrs["count_by_component"] = json.dumps(dict(zip(COMPONENTS, count.tolist(), strict=True)))
    log.info("%d stars of %d tiles", n_star, len(paths))


def footprint_moc(options: dict[str, Any]) -> str:
    """The footprint as an IVOA MOC (JSON) of pixels of 26 arcsec whose centres are in it."""
    tiles = tiles_of(options["footprint"], options["tiling"])
    west, east, south, north = (
        pick(bounds)
        for pick, bounds in zip(
            (min, max, min, max), zip(*(t.bounds for t in tiles), strict=True), strict=True
        )
    )
    corners = np.array([(west, south), (west, north), (east, north), (east, south)])
    middle = corners.mean(axis=0)
    centre = SkyCoord(*middle, unit="deg", frame="galactic").icrs
    radius = min(np.pi, 1.1 * np.radians(np.hypot(*(corners[2] - middle))) + np.radians(0.02))
    nside = 2**MOC_ORDER
    vector = healpy.ang2vec(centre.ra.deg, centre.dec.deg, lonlat=True)
    pixels = healpy.query_disc(nside, vector, radius, nest=True)
    inside = []
    for start in range(0, len(pixels), MOC_PIXELS):
        some = pixels[start : start + MOC_PIXELS]
        ra, dec = healpy.pix2ang(nside, some, nest=True, lonlat=True)
        places = SkyCoord(ra, dec, unit="deg").galactic
        lon, lat = (places.l.deg + 180.0) % 360.0 - 180.0, places.b.deg
        inside.append(some[(lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)])
    pixels = np.concatenate(inside).astype(np.uint64)
    depth = np.full(len(pixels), MOC_ORDER, dtype=np.uint8)
    moc = MOC.from_healpix_cells(pixels, depth, MOC_ORDER)
    return moc.to_string(format="json")


def _sources(paths: list[Path]) -> Sources:
    n_row, low, high = [], [], []
    counts = dict.fromkeys(("merged", "no_magnitude", "outside_limits"), 0)
    for path in paths:
        with open_product(path, TRUTH.name) as file:
            healpix = read_column(file, TRUTH, "healpix")
            of_tile = json.loads(str(file.attrs.get("counts", "{}")))
        counts = {name: total + of_tile.get(name, 0) for name, total in counts.items()}
        n_row.append(len(healpix))
        low.append(healpix.min(initial=MAX_PIXEL))
        high.append(healpix.max(initial=-1))
    return Sources(paths, *(np.array(numbers, dtype=np.int64) for numbers in (n_row, low, high)), counts)


def _sorted_column(sources: Sources, name: str) -> Int[np.ndarray, " n_star"]:
    """One column of all tiles, ascending."""
    values = np.empty(sources.n_row.sum(), dtype=np.int64)
    stops = np.cumsum(sources.n_row)
    for path, start, stop in zip(sources.paths, stops - sources.n_row, stops, strict=True):
        with open_product(path, TRUTH.name) as file:
            values[start:stop] = read_column(file, TRUTH, name)
    values.sort()
    return values


def _refuse_duplicates(sources: Sources, n_draw: int) -> None:
    """Refuse a star that is in two tiles: it has more rows than draws."""
    source_id = _sorted_column(sources, "source_id")
    repeated = np.unique(source_id[n_draw:][source_id[n_draw:] == source_id[:-n_draw]])
    if len(repeated):
        raise SchemaError(
            f"{len(repeated)} identifiers stand in more than one tile, the first is {repeated[0]}; "
            "identifiers must be unique over all tables"
        )


def _blocks(sources: Sources) -> list[Block]:
    """The catalogue in blocks of its rows."""
    healpix = _sorted_column(sources, "healpix")
    blocks = []
    for start in range(0, len(healpix), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(healpix))
        low, high = int(healpix[start]), int(healpix[stop - 1])
        blocks.append(Block(start, stop, low, high, start - int(np.searchsorted(healpix, low))))
    return blocks


def _write_block(group: h5py.Group, sources: Sources, block: Block) -> Int[np.ndarray, " n_row"]:
    """Write the columns of a block; the number of each row's tile."""
    parts, tile = {name: [] for name in TRUTH.names}, []
    for number in np.flatnonzero((sources.low <= block.high) & (sources.high >= block.low)):
        with open_product(sources.paths[number], TRUTH.name) as file:
            healpix = read_column(file, TRUTH, "healpix")
            rows = np.flatnonzero((healpix >= block.low) & (healpix <= block.high))
            if len(rows):
                tile.append(np.full(len(rows), number))
                for name in TRUTH.names:
                    parts[name].append(read_column(file, TRUTH, name)[rows])
    keys = [np.concatenate(parts[name]) for name in ("realisation", "source_id", "healpix")]
    order = np.lexsort(keys)[block.skip : block.skip + block.stop - block.start]
    for name in TRUTH.names:
        group[name][block.start : block.stop] = np.concatenate(parts.pop(name))[order]
    return np.concatenate(tile)[order]
