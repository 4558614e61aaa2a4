"""HDF5 products: written whole and renamed into place, refused when damaged or older.

A file holds one group per table with one dataset per column, and its provenance as
attributes of the root. It needs nothing but h5py to open (gzip and shuffle).
"""

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from typing_extensions import Buffer

from galcen.errors import SchemaError
from galcen.io.schema import FORMAT_VERSION, Table

CHUNK_ROWS = 16384


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it only if the block succeeds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise SchemaError(f"{path}: cannot be written: {error}") from error
    os.close(handle)
    temporary = Path(name)
    # mkstemp makes a file that only its owner can read; a product is shared.
    temporary.chmod(0o644)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise SchemaError(f"{path}: cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


class _FailureKeeper(io.FileIO):
    """A file that keeps its first failure and then swallows what is written to it.

    libhdf5 crashes the process when it closes a file one of whose writes has failed, so it must
    never learn of a full disc; whoever opened this file asks for `failure` instead.
    """

    failure: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.failure = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
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
        if is_durable:
            os.fsync(stream.fileno())


@contextmanager
def open_product(path: Path, product: str) -> Iterator[h5py.File]:
    """An existing product.

    Raises
    ------
    SchemaError
        The file is missing, no HDF5, truncated, another product or an older format.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise SchemaError(f"{path}: no such file; run the stage that makes it") from None
    except OSError as error:
        raise SchemaError(
            f"{path}: no HDF5 file, or a truncated one ({error}); delete it and run again"
        ) from None
    with file:
        found = (file.attrs.get("format"), file.attrs.get("product"))
        if found != ("galcen", product):
            raise SchemaError(f"{path}: holds {found[1] or 'no galcen product'}, expected {product}")
        version = int(file.attrs["format_version"])
        if version != FORMAT_VERSION:
            raise SchemaError(
                f"{path}: format version {version}, this galcen reads {FORMAT_VERSION}; make it again"
            )
        yield file


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
    if table.name not in file:
        raise SchemaError(f"{file.file.filename}: no table {table.name}; make the file again")
    group = file[table.name]
    if name not in group:
        raise SchemaError(f"{file.file.filename}: table {table.name} has no column {name}; make it again")
    values = read_array(group, name)
    if len(values) != group.attrs["n_row"]:
        raise SchemaError(
            f"{file.file.filename}: column {name} has {len(values)} rows, expected {group.attrs['n_row']}; "
            "make it again"
        )
    return values


def read_array(group: h5py.Group, name: str) -> np.ndarray:
    """One array, with a clear error where the file is damaged."""
    try:
        return group[name][...]
    except (KeyError, OSError) as error:
        raise SchemaError(
            f"{group.file.filename}: {group.name}/{name} cannot be read ({error}); "
            "delete the file and make it again"
        ) from None


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
