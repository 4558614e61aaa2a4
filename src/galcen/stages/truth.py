"""Merge the tiles into one truth catalogue, sorted by nested HEALPix index.

The merge goes column by column: what it holds in memory is the order of the rows and
one column of the whole catalogue.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import healpy
import numpy as np
from astropy.coordinates import SkyCoord
from mocpy import MOC

from galcen.catalogue.tiling import tiles_of
from galcen.errors import SchemaError
from galcen.galaxy.components import COMPONENTS
from galcen.io.hdf5 import create, open_product, read_array, write_array
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import TRUTH
from galcen.io.truth import write_index
from galcen.stages.draw import HEALPIX_NSIDE

MOC_ORDER = 13

log = logging.getLogger(__name__)


def run(folder: Path, output: Path, options: dict[str, Any]) -> None:
    """Merge `folder`/<tile>.h5 of every tile of the footprint."""
    names = [tile.name for tile in tiles_of(options["footprint"], options["tiling"])]
    paths = [folder / f"{name}.h5" for name in names]
    attributes = provenance("truth", options, input_hashes(*paths))
    with ExitStack() as stack:
        files = [stack.enter_context(open_product(path, TRUTH.name)) for path in paths]
        order = _order(files)
        with create(output, TRUTH.name, attributes) as merged:
            merged.attrs["healpix_nside"] = HEALPIX_NSIDE
            merged.attrs["healpix_order"] = "nested"
            group = merged.create_group(TRUTH.name)
            group.attrs["n_row"] = len(order)
            for column in TRUTH.columns:
                values = np.concatenate(list(_column(files, column.name)))[order]
                dataset = write_array(group, column.name, values.astype(column.dtype))
                dataset.attrs["unit"] = column.unit
                dataset.attrs["ucd"] = column.ucd
                dataset.attrs["description"] = column.description
            tile = np.repeat(np.arange(len(names)), [file[TRUTH.name].attrs["n_row"] for file in files])[
                order
            ]
            healpix, comp = group["healpix"][...], group["comp"][...]
            write_index(merged, healpix, comp, tile, names)
            merged.attrs["moc"] = footprint_moc(options)
            merged.attrs["count_by_component"] = json.dumps(
                dict(zip(COMPONENTS, np.bincount(comp, minlength=len(COMPONENTS)).tolist(), strict=True))
            )
    log.info("%d stars of %d tiles", len(order), len(paths))


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
    radius = 1.1 * np.radians(np.hypot(*(corners[2] - middle))) + np.radians(0.02)
    nside = 2**MOC_ORDER
    vector = healpy.ang2vec(centre.ra.deg, centre.dec.deg, lonlat=True)
    pixels = healpy.query_disc(nside, vector, radius, nest=True)
    ra, dec = healpy.pix2ang(nside, pixels, nest=True, lonlat=True)
    places = SkyCoord(ra, dec, unit="deg").galactic
    lon, lat = (places.l.deg + 180.0) % 360.0 - 180.0, places.b.deg
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    depth = np.full(inside.sum(), MOC_ORDER, dtype=np.uint8)
    moc = MOC.from_healpix_cells(pixels[inside].astype(np.uint64), depth, MOC_ORDER)
    return moc.to_string(format="json")


def _column(files: list[h5py.File], name: str) -> Iterator[np.ndarray]:
    return (read_array(file[TRUTH.name], name) for file in files)


def _order(files: list[h5py.File]) -> np.ndarray:
    """Rows by HEALPix index, then identifier; refuses a star that is in two tiles."""
    source_id, healpix = (np.concatenate(list(_column(files, name))) for name in ("source_id", "healpix"))
    unique, count = np.unique(source_id, return_counts=True)
    if (count > 1).any():
        raise SchemaError(
            f"{np.count_nonzero(count > 1)} identifiers stand in more than one tile, the first is "
            f"{unique[count > 1][0]}; identifiers must be unique over all tables"
        )
    return np.lexsort((source_id, healpix))
