"""HDF5 products: written whole and renamed into place, refused when damaged or older.

A file holds one group per table with one dataset per column, and its provenance as
attributes of the root. It needs nothing but h5py to open (gzip and shuffle). Checksums of all its bytes
stand behind what h5py sees (`galcen.io.sealed_file`), and are compared as it is read.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5f, h5fd, h5p
from typing_extensions import Buffer

from galcen.errors import GalcenError, SchemaError
from galcen.io.claims import atomic
from galcen.io.hdf5_guard import attribute, find, guarded, refuse_links_out, refuse_odd_dataset
from galcen.io.schema import FORMAT_VERSION, Table
from galcen.io.sealed_file import Damage, SealedFile, append_seal

CHUNK_ROWS = 16384

ON_PURPOSE = "after a change on purpose, `python -m galcen.io.sealed_file FILE` gives it new ones"


class _FailureKeeper(io.FileIO):
    """A file that keeps its first failure and then swallows what is written to it.

    libhdf5 crashes the process when it closes a file one of whose writes has failed, so it must
    never learn of a full disc; whoever opened this file asks for `failure` instead.
    """

    failure: BaseException | None = None

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += super().write(view[done:])
        except BaseException as error:
            # A signal may arrive here, too.
            self.failure = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except BaseException as error:
            self.failure = self.failure or error
            return self.tell() if size is None else size


@contextmanager
def create(
    path: Path, product: str, attributes: Mapping[str, str], *, is_durable: bool = False
) -> Iterator[h5py.File]:
    """A new product, renamed into place when the block ends without error.

    With `is_durable` it is on the disc before it gets its name, whatever happens to the machine then.

    Raises
    ------
    SchemaError
        The file cannot be written (no permission, a full disc).
    """
    with atomic(path) as temporary, _FailureKeeper(temporary, "w+b") as stream:
        try:
            with h5py.File(stream, "w") as file:
                file.attrs["format"] = "galcen"
                file.attrs["format_version"] = FORMAT_VERSION
                file.attrs["product"] = product
                for name, value in attributes.items():
                    file.attrs[name] = value
                yield file
        finally:
            # Whatever HDF5 made of it, the disc's error is the one to tell.
            if stream.failure is not None:
                raise stream.failure
        append_seal(stream.fileno())
        if is_durable:
            os.fsync(stream.fileno())


@contextmanager
def open_product(path: Path, product: str) -> Iterator[h5py.File]:
    """An existing product.

    Raises
    ------
    SchemaError
        The file is missing, no HDF5, truncated, damaged, another product or an older format; also at the end
        of the block, where something in it that was read is damaged.
    """
    with _opened(SealedFile(path, "run the stage that makes it")) as (file, stream):
        try:
            _check_header(file, product)
        except SchemaError as error:
            if stream.failure is not None:
                _check_changed_header(path, product)
            raise error from None
        if not stream.is_sealed:
            raise SchemaError(
                f"{path}: has no checksums: it is truncated, or another program has changed it since galcen "
                f"wrote it; delete it and make it again ({ON_PURPOSE})"
            )
        yield file


def _check_header(file: h5py.File, product: str) -> None:
    """Refuse a file that says of itself that it is not the one that is wanted."""
    found = attribute(file, "format"), attribute(file, "product")
    if found != ("galcen", product):
        raise SchemaError(f"{file.filename}: holds {found[1] or 'no galcen product'}, expected {product}")
    version = attribute(file, "format_version")
    if version != FORMAT_VERSION:
        raise SchemaError(
            f"{file.filename}: format version {version}, this galcen reads {FORMAT_VERSION}; make it again"
        )


def _check_changed_header(path: Path, product: str) -> None:
    """Refuse a file with wrong checksums by what it says of itself, which tells more than they do."""
    try:
        with _opened(SealedFile(path, "", is_checked=False)) as (file, _):
            _check_header(file, product)
    except SchemaError as error:
        if "cannot be read" not in str(error):
            raise SchemaError(f"{error} (its checksums are wrong, too: changed or damaged)") from None


def read_attributes(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """What an HDF5 file says of itself, also where its checksums are wrong; nothing where it cannot be read.

    For comparisons that tell more than "damaged"; whoever reads the data finds the damage.
    """
    for is_checked in (True, False):
        try:
            with _opened(SealedFile(path, "", is_checked)) as (file, _):
                found = {name: attribute(file, name) for name in names}
        except SchemaError:
            continue
        return {name: value for name, value in found.items() if value is not None}
    return {}


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that anybody made, refused where anything in it leads to other files.

    Raises
    ------
    SchemaError
        The file is missing, no HDF5, truncated, or holds external links, external storage, virtual datasets
        or links that lead nowhere; with checksums of galcen, also where it is damaged.
    """
    with _opened(SealedFile(path, "is the path right?")) as (file, _):
        refuse_links_out(file)
        yield file


@contextmanager
def _opened(stream: SealedFile) -> Iterator[tuple[h5py.File, SealedFile]]:
    """A file to read, closed in the end. Errors of HDF5 become galcen's."""
    with stream:
        try:
            with _hdf5_file(stream) as file:
                yield file, stream
        except (GalcenError, OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            told = isinstance(error, GalcenError) and str(stream.failure) in str(error)
            if isinstance(stream.failure, Damage) and told:
                raise
            if (fault := stream.explain()) is not None:
                raise fault from None
            text = " ".join(str(error.args[0]).split()) if error.args else ""
            if isinstance(error, GalcenError) or not text.startswith(_OF_HDF5):
                raise
            raise SchemaError(f"{stream.path}: {text}; delete it and make it again") from None
        # HDF5 passes over some errors of its file.
        if (fault := stream.explain()) is not None:
            raise fault


_OF_HDF5 = ("Can't ", "Unable to ", "Cannot ")
"""How errors begin that h5py makes of those of HDF5."""


def _hdf5_file(stream: SealedFile) -> h5py.File:
    """HDF5's view of a file; it keeps the name of the path, which h5py would replace by the stream's."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
    access.set_fileobj_driver(h5fd.fileobj_driver, stream)
    try:
        return h5py.File(h5f.open(os.fsencode(stream.path), h5f.ACC_RDONLY, fapl=access))
    except (OSError, RuntimeError) as error:
        if (fault := stream.explain()) is not None:
            raise fault from None
        text = " ".join(str(error).split())
        raise SchemaError(
            f"{stream.path}: no HDF5 file, or a truncated one ({text}); copy it again, or, where "
            "galcen made it, delete it and make it again"
        ) from None
    finally:
        # The error keeps these variables, and HDF5 crashes where it frees the list after Python has ended.
        access.close()


def write_columns(parent: h5py.Group, table: Table, columns: Mapping[str, np.ndarray]) -> h5py.Group:
    """Write a table as a group of `parent`; the columns must be exactly those declared."""
    if set(columns) != set(table.names):
        raise SchemaError(
            f"table {table.name}: columns differ from the schema: {sorted(set(columns) ^ set(table.names))}"
        )
    n_row = len(columns[table.names[0]])
    group = create_columns(parent, table, n_row)
    for column in table.columns:
        values = np.asarray(columns[column.name]).astype(column.dtype, casting="same_kind")
        if values.shape != (n_row,):
            raise SchemaError(
                f"table {table.name}: column {column.name} has shape {values.shape}, expected ({n_row},)"
            )
        group[column.name][...] = values
    return group


def create_columns(parent: h5py.Group, table: Table, n_row: int) -> h5py.Group:
    """A table as a group of `parent`, whose columns are still to be filled."""
    group = parent.create_group(table.name)
    group.attrs["n_row"] = n_row
    for column in table.columns:
        dataset = _create_array(group, column.name, (n_row,), np.dtype(column.dtype))
        dataset.attrs["unit"] = column.unit
        dataset.attrs["ucd"] = column.ucd
        dataset.attrs["description"] = column.description
    return group


def write_array(group: h5py.Group, name: str, values: np.ndarray) -> h5py.Dataset:
    """Write one array."""
    dataset = _create_array(group, name, values.shape, values.dtype)
    dataset[...] = values
    return dataset


def _create_array(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype) -> h5py.Dataset:
    """An array compressed in chunks of rows; an empty one has no chunks."""
    if 0 in shape:
        return group.create_dataset(name, shape, dtype)
    chunks = (min(shape[0], CHUNK_ROWS), *shape[1:])
    return group.create_dataset(
        name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True
    )


def read_columns(file: h5py.Group, table: Table) -> dict[str, np.ndarray]:
    """All columns of a table.

    Raises
    ------
    SchemaError
        A column is missing or damaged, or the columns differ in length.
    """
    return {name: read_column(file, table, name) for name in table.names}


def read_column(file: h5py.Group, table: Table, name: str) -> np.ndarray:
    """One column of a table; the same errors."""
    where = f"{file.file.filename}: table {table.name}"
    group = find(file, table.name)
    if not isinstance(group, h5py.Group):
        raise SchemaError(f"{file.file.filename}: no table {table.name}; make the file again")
    if find(group, name) is None:
        raise SchemaError(f"{where} has no column {name}; make it again")
    values, n_row = read_array(group, name), attribute(group, "n_row")
    if values.shape != (n_row,):
        raise SchemaError(
            f"{file.file.filename}: column {name} has {len(np.atleast_1d(values))} rows, expected {n_row}; "
            "make it again"
        )
    return values


def read_array(group: h5py.Group, name: str) -> np.ndarray:
    """One array that lies in the file itself and is no larger than that can hold.

    Raises
    ------
    SchemaError
        There is none, it is damaged, or it is no plain array.
    """
    where = f"{group.file.filename}: {group.name.rstrip('/')}/{name}"
    dataset = find(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise SchemaError(f"{where} is missing; delete the file and make it again")
    guarded(where, lambda: refuse_odd_dataset(dataset, where))
    return guarded(where, lambda: dataset[...])


def write_table(
    path: Path, table: Table, columns: Mapping[str, np.ndarray], attributes: Mapping[str, str]
) -> None:
    """Write a product of one table."""
    with create(path, table.name, attributes) as file:
        write_columns(file, table, columns)


def read_table(path: Path, table: Table) -> dict[str, np.ndarray]:
    """Read a product of one table."""
    with open_product(path, table.name) as file:
        return read_columns(file, table)
