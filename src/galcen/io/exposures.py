"""Measurements of the survey: one group for each orbit, written and read orbit by orbit.

`orbit_00007` holds the columns of `MEASUREMENTS`, `offset` (where the rows of each exposure begin, and the
number of rows), and the table `exposures`. Nothing but one orbit is in memory at a time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.errors import SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures_schema import (
    EXPOSURES,
    INJECTED,
    MEASUREMENTS,
    ORBIT_EXPOSURES,
    TRUE_CHIPS,
    TRUE_EXPOSURES,
)
from galcen.io.hdf5 import create, open_product, read_array, read_columns, write_array, write_columns

CHUNK_ROWS = 65536


class OrbitMeasurements(NamedTuple):
    """What was measured in one orbit."""

    source_id: Int[np.ndarray, " n_obs"]
    chip: Int[np.ndarray, " n_obs"]
    nx: Float[np.ndarray, " n_obs"]  # [pixel]
    ny: Float[np.ndarray, " n_obs"]
    sigma_x: Float[np.ndarray, " n_obs"]  # [pixel]
    sigma_y: Float[np.ndarray, " n_obs"]
    flags: Int[np.ndarray, " n_obs"]
    offset: Int[np.ndarray, " n_exp+1"]
    exposures: dict[str, np.ndarray]
    """Columns of `ORBIT_EXPOSURES`."""

    @property
    def exposure(self) -> Int[np.ndarray, " n_obs"]:
        """Row of the exposure of each measurement."""
        return np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))


class OrbitTruth(NamedTuple):
    """The truth behind the measurements of one orbit."""

    exposures: dict[str, np.ndarray]
    """Columns of `TRUE_EXPOSURES`."""
    chips: dict[str, np.ndarray]
    """Columns of `TRUE_CHIPS`."""
    a: Float[np.ndarray, " n_term"]  # distortion [um]
    b: Float[np.ndarray, " n_term"]
    outlier: Int[np.ndarray, " n_outlier"]
    """Rows of the measurements that are outliers."""


def group_name(orbit: int) -> str:
    """Name of the group of an orbit."""
    return f"orbit_{orbit:05d}"


@contextmanager
def create_orbits(
    path: Path, product: str, orbits: Sequence[int], camera: SizedCamera, attributes: Mapping[str, str]
) -> Iterator[h5py.File]:
    """A new file of the measurements or of the truth of some orbits, to be filled one by one."""
    own = {"orbits": json.dumps([int(orbit) for orbit in orbits]), "camera": camera.to_json()}
    with create(path, product, {**attributes, **own}) as file:
        yield file


def write_orbit(file: h5py.File, orbit: int, measured: OrbitMeasurements) -> None:
    """Write the measurements of one orbit."""
    group = file.create_group(group_name(orbit))
    n_row = len(measured.source_id)
    for column in MEASUREMENTS.columns:
        values = getattr(measured, column.name).astype(column.dtype, casting="same_kind")
        packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if n_row else {}
        chunks = (min(n_row, CHUNK_ROWS),) if n_row else None
        dataset = group.create_dataset(column.name, data=values, chunks=chunks, **packing)
        for name in ("unit", "ucd", "description"):
            dataset.attrs[name] = getattr(column, name)
    write_array(group, "offset", measured.offset.astype(np.int64))
    write_columns(group, ORBIT_EXPOSURES, measured.exposures)


def write_truth(file: h5py.File, orbit: int, truth: OrbitTruth) -> None:
    """Write the truth of one orbit."""
    group = file.create_group(group_name(orbit))
    write_columns(group, TRUE_EXPOSURES, truth.exposures)
    write_columns(group, TRUE_CHIPS, truth.chips)
    for name in ("a", "b", "outlier"):
        write_array(group, name, getattr(truth, name))


@contextmanager
def open_exposures(path: Path) -> Iterator[h5py.File]:
    """A file of measurements; the errors of `open_product`."""
    with open_product(path, EXPOSURES) as file:
        yield file


@contextmanager
def open_injected(path: Path) -> Iterator[h5py.File]:
    """A file of the truth; the same errors."""
    with open_product(path, INJECTED) as file:
        yield file


def camera_of(file: h5py.File) -> SizedCamera:
    """The nominal camera."""
    return SizedCamera.from_json(str(file.attrs.get("camera", "")), file.filename)


def orbits_of(file: h5py.File) -> list[int]:
    """The orbits of a file, ascending.

    Raises
    ------
    SchemaError
        They are not those that the file says it holds, or out of order.
    """
    orbits = [int(orbit) for orbit in json.loads(str(file.attrs.get("orbits", "[]")))]
    if any(late <= early for early, late in pairwise(orbits)):
        raise SchemaError(
            f"{file.filename}: orbits are not in ascending order: {orbits}; make the file again"
        )
    names = {group_name(orbit) for orbit in orbits}
    if names != set(file):
        odd = ", ".join(sorted(names ^ set(file)))
        raise SchemaError(
            f"{file.filename}: groups missing or not announced: {odd}; the file is truncated, make it again"
        )
    return orbits


def read_orbit(file: h5py.File, orbit: int) -> OrbitMeasurements:
    """Measurements of one orbit, checked.

    Raises
    ------
    SchemaError
        The orbit is missing or damaged, exposures are out of order, a star is twice in one, a place is not
        finite, an error not positive, or a chip not one of the camera's.
    """
    group = _group(file, orbit)
    columns = {name: read_array(group, name) for name in MEASUREMENTS.names}
    exposures = read_columns(group, ORBIT_EXPOSURES)
    measured = OrbitMeasurements(**columns, offset=read_array(group, "offset"), exposures=exposures)
    check_orbit(measured, orbit, camera_of(file).camera.n_chip, f"{file.filename}: orbit {orbit}")
    return measured


def read_truth(file: h5py.File, orbit: int) -> OrbitTruth:
    """Truth of one orbit; an error where it is missing or damaged."""
    group = _group(file, orbit)
    return OrbitTruth(
        read_columns(group, TRUE_EXPOSURES),
        read_columns(group, TRUE_CHIPS),
        *(read_array(group, name) for name in ("a", "b", "outlier")),
    )


def check_orbit(measured: OrbitMeasurements, orbit: int, n_chip: int, where: str) -> None:
    """Refuse measurements that no solution should see; `where` begins each message."""
    _check_offset(measured, where)
    exposure_id = measured.exposures["exposure_id"]
    if not (np.diff(exposure_id) > 0).all():
        row = int(np.argmax(np.diff(exposure_id) <= 0)) + 1
        raise SchemaError(
            f"{where}, exposure row {row}: exposure_id {exposure_id[row]} does not follow "
            f"{exposure_id[row - 1]}; sort the exposures by exposure_id"
        )
    other = measured.exposures["orbit"] != orbit
    if other.any():
        row = int(np.argmax(other))
        raise SchemaError(
            f"{where}, exposure row {row}: belongs to orbit {measured.exposures['orbit'][row]}; "
            "sort the exposures by orbit"
        )
    _refuse(~np.isfinite(measured.nx + measured.ny), measured, where, "nx or ny is not finite; drop the row")
    _refuse(
        ~((measured.sigma_x > 0) & (measured.sigma_y > 0)),
        measured,
        where,
        "sigma_x or sigma_y is not above 0; drop the row or state its error",
    )
    _refuse(measured.chip >= n_chip, measured, where, f"unknown chip; the camera has chips 0 to {n_chip - 1}")
    _check_twice(measured, where)


def _group(file: h5py.File, orbit: int) -> h5py.Group:
    name = group_name(orbit)
    if name not in file:
        held = ", ".join(str(held) for held in orbits_of(file))
        raise SchemaError(f"{file.filename}: no orbit {orbit}; the file holds {held}")
    return file[name]


def _check_offset(measured: OrbitMeasurements, where: str) -> None:
    offset, n_row = measured.offset, len(measured.source_id)
    lengths = {len(getattr(measured, name)) for name in MEASUREMENTS.names}
    if len(lengths) > 1:
        raise SchemaError(f"{where}: columns differ in length: {sorted(lengths)} rows; make the file again")
    n_exposure = len(measured.exposures["exposure_id"])
    if len(offset) != n_exposure + 1:
        raise SchemaError(
            f"{where}: offset has {len(offset)} numbers, expected {n_exposure + 1} for {n_exposure} "
            "exposures; make the file again"
        )
    if offset[0] != 0 or offset[-1] != n_row or (np.diff(offset) < 0).any():
        raise SchemaError(
            f"{where}: offset must rise from 0 to the number of rows, {n_row}; it runs from {offset[0]} to "
            f"{offset[-1]}; make the file again"
        )


def _refuse(bad: Bool[np.ndarray, " n_obs"], measured: OrbitMeasurements, where: str, why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{where}, row {row} (source_id {measured.source_id[row]}, chip {measured.chip[row]}): {why}"
        )


def _check_twice(measured: OrbitMeasurements, where: str) -> None:
    rises = np.diff(measured.source_id) > 0
    starts = measured.offset[1:-1]
    rises[starts[(starts > 0) & (starts < len(measured.source_id))] - 1] = True
    if rises.all():
        return
    # Only files that others made are not sorted by star.
    exposure = measured.exposure
    order = np.lexsort((measured.source_id, exposure))
    same = (np.diff(exposure[order]) == 0) & (np.diff(measured.source_id[order]) == 0)
    if same.any():
        row = order[int(np.argmax(same)) + 1]
        raise SchemaError(
            f"{where}, row {row}: source_id {measured.source_id[row]} is twice in exposure "
            f"{measured.exposures['exposure_id'][exposure[row]]}; keep one of the two"
        )
