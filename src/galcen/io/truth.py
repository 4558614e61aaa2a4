"""Read parts of a truth catalogue: a cone, components, magnitudes, columns, without reading the rest.

Rows are sorted by nested HEALPix index, and the file holds the index of the first row of every chunk, so that
a cone is a few ranges of rows; rows of a component and of a tile are listed. See docs/file_format.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import healpy
import numpy as np
from astropy import units as u
from astropy.coordinates import angular_separation
from astropy.table import QTable
from jaxtyping import Bool, Int

from galcen.errors import SchemaError
from galcen.galaxy.components import COMPONENTS
from galcen.io.hdf5 import open_product, read_array, write_array
from galcen.io.hdf5_guard import find, guarded, refuse_odd_dataset
from galcen.io.schema import TRUTH

LISTING_BLOCK = 2**20
BANDS = {"J": "mj", "H": "mh", "Ks": "mks", "Hw": "hw"}


class Cone(NamedTuple):
    """A circle on the sky, ICRS."""

    ra: float  # [deg]
    dec: float  # [deg]
    radius: float  # [deg]


class Magnitudes(NamedTuple):
    """Observed magnitudes from `bright` to `faint` in one of J, H, Ks, Hw."""

    band: str
    bright: float
    faint: float


def write_index(file: h5py.File, tile: Int[np.ndarray, " n"], tile_names: Sequence[str]) -> None:
    """Write the index of a catalogue whose rows are there, in order of HEALPix, given the tile of each."""
    index, healpix = file.create_group("index"), file[TRUTH.name]["healpix"]
    step = healpix.chunks[0] if healpix.chunks else 1
    index.attrs["chunk"] = step
    starts = np.array([healpix[row] for row in range(0, len(healpix), step)], dtype=healpix.dtype)
    write_array(index, "healpix_of_chunk", starts)
    _write_listing(index, "comp", read_array(file[TRUTH.name], "comp"), len(COMPONENTS))
    _write_listing(index, "tile", tile, len(tile_names))
    index.create_dataset("tile_name", data=np.array(tile_names, dtype="S16"))


def _write_listing(index: h5py.Group, name: str, values: Int[np.ndarray, " n"], n_value: int) -> None:
    """Rows by value, ascending for each, and where those of a value begin; in blocks, to save memory."""
    blocks = [slice(start, start + LISTING_BLOCK) for start in range(0, len(values), LISTING_BLOCK)]
    count = sum((np.bincount(values[block], minlength=n_value) for block in blocks), np.zeros(n_value, int))
    first = np.concatenate([[0], np.cumsum(count)])
    write_array(index, f"{name}_first", first)
    rows, free = np.empty(len(values), dtype=int), first[:-1].copy()
    for block in blocks:
        order = np.argsort(values[block], kind="stable")
        ordered, count = values[block][order], np.bincount(values[block], minlength=n_value)
        rank = np.arange(len(order)) - (np.cumsum(count) - count)[ordered]
        rows[free[ordered] + rank] = block.start + order
        free += count
    write_array(index, f"{name}_row", rows)


def read_truth(
    path: Path | str,
    *,
    columns: Sequence[str] | None = None,
    cone: Cone | tuple[float, float, float] | None = None,
    components: Sequence[str] | None = None,
    tile: str | None = None,
    magnitudes: Magnitudes | tuple[str, float, float] | None = None,
) -> QTable:
    """Rows of a truth catalogue that fulfil every condition, in the order of the file.

    Parameters
    ----------
    path
        `truth.h5` of a run.
    columns
        Names of the columns; all without.
    cone
        Right ascension, declination and radius [deg].
    components
        Names of drawn components, such as ``["NSD", "NSC"]``.
    tile
        Name of a tile.
    magnitudes
        Band (J, H, Ks, Hw), bright and faint limit; stars without that magnitude are left out.

    Returns
    -------
    Columns with units; `info.description` and `info.meta["ucd"]` say what each is, and `meta` holds the
    attributes of the file.

    Raises
    ------
    SchemaError
        The file is missing, damaged, older or no truth catalogue; no such column, component, tile or band;
        the cone is none.
    """
    path = Path(path)
    names = tuple(columns) if columns is not None else TRUTH.names
    _known("column", names, TRUTH.names)
    with open_product(path, TRUTH.name) as file:
        for part in (TRUTH.name, "index", *(f"{TRUTH.name}/{name}" for name in names)):
            item = find(file, part)
            if item is None:
                raise SchemaError(f"{path}: {part} is missing; make the file again with this galcen")
            if isinstance(item, h5py.Dataset):
                refuse_odd_dataset(item, f"{path}: {part}")
        group = file[TRUTH.name]
        rows = np.arange(len(group[TRUTH.names[0]]))
        if cone is not None:
            rows = _rows_of_cone(file, _checked(Cone(*cone)))
        if components is not None:
            _known("component", components, COMPONENTS)
            numbers = [COMPONENTS.index(name) for name in components]
            rows = np.intersect1d(rows, np.concatenate([_listed(file, "comp", n) for n in numbers]))
        if tile is not None:
            tiles = [name.decode() for name in read_array(file["index"], "tile_name")]
            _known("tile", [tile], tiles)
            rows = np.intersect1d(rows, _listed(file, "tile", tiles.index(tile)))
        if magnitudes is not None:
            band, bright, faint = magnitudes
            _known("band", [band], tuple(BANDS))
            values = take(group[BANDS[band]], rows)
            rows = rows[(values >= bright) & (values <= faint)]
        table = QTable({name: take(group[name], rows) for name in names})
        table.meta = {name: _plain(value) for name, value in file.attrs.items()}
    for column in TRUTH.columns:
        if column.name in table.colnames:
            if column.unit:
                table[column.name] = u.Quantity(table[column.name], column.unit, copy=False)
            table[column.name].info.description = column.description
            table[column.name].info.meta = {"ucd": column.ucd}
    return table


def take(dataset: h5py.Dataset, rows: Int[np.ndarray, " n"]) -> np.ndarray:
    """Values at ascending rows; chunks without any of them are not read."""
    out = np.empty(len(rows), dataset.dtype)
    step = dataset.chunks[0] if dataset.chunks else max(len(dataset), 1)
    for start, stop in _runs(np.unique(rows // step)):
        first, last = np.searchsorted(rows, [start * step, stop * step])
        where, part = f"{dataset.file.filename}: {dataset.name}", slice(start * step, stop * step)
        values = guarded(where, lambda part=part: dataset[part])
        out[first:last] = values[rows[first:last] - start * step]
    return out


def _runs(numbers: Int[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """Ranges of consecutive numbers, at most 64 long."""
    if len(numbers) == 0:
        return
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
        for part in np.split(run, range(64, len(run), 64)):
            yield int(part[0]), int(part[-1]) + 1


def _rows_of_cone(file: h5py.File, cone: Cone) -> Int[np.ndarray, " n"]:
    """Rows inside a circle: ranges of HEALPix pixels, then the stars themselves."""
    group, nside = file[TRUTH.name], int(file.attrs["healpix_nside"])
    centre = healpy.ang2vec(cone.ra, cone.dec, lonlat=True)
    # A coarser map for wide cones: its pixels are ranges of the finer one.
    coarse = nside
    while coarse > 64 and np.degrees(healpy.nside2resol(coarse)) < 0.05 * cone.radius:
        coarse //= 2
    pixels = np.sort(healpy.query_disc(coarse, centre, np.radians(cone.radius), inclusive=True, nest=True))
    ratio = (nside // coarse) ** 2
    starts = read_array(file["index"], "healpix_of_chunk")
    step = int(file["index"].attrs["chunk"])
    chunks = set()
    for first, stop in _runs(pixels):
        low = max(int(np.searchsorted(starts, first * ratio, side="left")) - 1, 0)
        chunks.update(range(low, int(np.searchsorted(starts, stop * ratio - 1, side="right"))))
    rows = [np.arange(n * step, min((n + 1) * step, group.attrs["n_row"])) for n in sorted(chunks)]
    rows = np.concatenate(rows) if rows else np.empty(0, dtype=int)
    inside = _inside(take(group["ra"], rows), take(group["dec"], rows), cone)
    return rows[inside]


def _checked(cone: Cone) -> Cone:
    """The circle, if it is one."""
    if not (np.isfinite(cone.ra) and abs(cone.dec) <= 90.0 and 0.0 < cone.radius <= 180.0):
        raise SchemaError(
            f"cone {cone.ra:g},{cone.dec:g},{cone.radius:g}: expected right ascension, declination within 90 "
            "and a radius between 0 and 180, all in degrees"
        )
    return cone


def _inside(ra: np.ndarray, dec: np.ndarray, cone: Cone) -> Bool[np.ndarray, " n"]:
    places = (np.radians(x) for x in (cone.ra, cone.dec, ra, dec))
    return np.degrees(angular_separation(*places)) <= cone.radius


def _listed(file: h5py.File, name: str, number: int) -> Int[np.ndarray, " n"]:
    """Rows of one component or tile."""
    index = file["index"]
    first, last = index[f"{name}_first"][number : number + 2]
    return np.asarray(index[f"{name}_row"][first:last])


def _known(what: str, names: Sequence[str], choices: Sequence[str]) -> None:
    unknown = [name for name in names if name not in choices]
    if unknown:
        raise SchemaError(f"no {what} {unknown[0]}; there are {', '.join(choices)}")


def _plain(value: object) -> object:
    """An attribute as a plain Python value."""
    return value.item() if isinstance(value, np.generic) else value
