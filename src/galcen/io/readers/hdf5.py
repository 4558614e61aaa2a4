"""Tables in HDF5 in batches of rows: of pandas (fixed), of astropy, or with one dataset a column."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from astropy.table import meta as table_meta

from galcen.errors import SchemaError
from galcen.io.declared import NOTHING
from galcen.io.hdf5 import open_hdf5
from galcen.io.hdf5_guard import attribute, find, refuse_odd_dataset, refuse_other_files
from galcen.io.readers import serialized
from galcen.io.table_columns import Batch, RawColumn, Wanted, from_numpy, missing_name, select

MAX_RATIO = 1000
"""Largest ratio of a compound dataset to what the file stores of it."""

MOST_GROUPS = 1000


class _Table(NamedTuple):
    """A table of the file: how to read rows of each column, and what is said of them."""

    path: str
    n_row: int
    columns: Mapping[str, Callable[[slice], np.ndarray]]
    meta: Mapping[str, Any]


def read(path: Path, wanted: Wanted, hdu: int | str | None, batch_rows: int) -> Iterator[Batch]:
    """Some columns of the table at the path `hdu` inside the file, or of the first that has them."""
    with open_hdf5(path) as file:
        tables = [
            table for table in _tables(file) if hdu is None or table.path.strip("/") == str(hdu).strip("/")
        ]
        if not tables:
            which = "no table" if hdu is None else f"no table {hdu}"
            raise SchemaError(
                f"{path}: {which} of pandas, astropy or one dataset a column is in the file; write it "
                "with to_parquet or to_csv"
            )
        table = next((one for one in tables if missing_name(list(one.columns), wanted) is None), tables[0])
        advice = "; ".join(f"{one.path} has {', '.join(list(one.columns)[:12])}" for one in tables[1:5])
        chosen = select(path, list(table.columns), wanted, advice)
        units = {item["name"]: str(item["unit"]) for item in table.meta.get("datatype", ()) if "unit" in item}
        described = table.meta.get("meta", {})
        declared, masks = serialized.declarations(described, str(path)), serialized.masks(described)
        for start in range(0, table.n_row, batch_rows):
            rows, columns = slice(start, min(start + batch_rows, table.n_row)), {}
            for key, column in chosen.items():
                mask = (
                    table.columns[masks[column.name]](rows)
                    if masks.get(column.name) in table.columns
                    else None
                )
                values = from_numpy(table.columns[column.name](rows), mask, column, start + 1)
                columns[key] = RawColumn(values, units.get(column.name), declared.get(column.name, NOTHING))
            yield Batch(start + 1, columns)


def _tables(file: h5py.File) -> Iterator[_Table]:
    """The tables of a file, outermost first."""
    groups: list[Any] = [file["/"]]
    for count, group in enumerate(groups):
        if count > MOST_GROUPS:
            return
        kind = attribute(group, "pandas_type") if "pandas_type" in group.attrs else None
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if kind == "frame":
            yield _of_pandas(group)
            continue
        if kind == "frame_table":
            raise SchemaError(
                f"{file.filename}: {group.name} is a pandas table of the format `table`, whose column "
                "names need pandas "
                "to be read; write it with to_parquet, to_csv or to_hdf(format='fixed')"
            )
        flat: dict[str, h5py.Dataset] = {}
        for name in group:
            item = find(group, name)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset) and item.dtype.names and len(item.shape) == 1:
                yield _of_compound(group, name, item)
            elif isinstance(item, h5py.Dataset) and len(item.shape) == 1:
                flat[name] = item
        length = len(next(iter(flat.values()))) if flat else 0
        if len(flat) > 1 and all(len(item) == length for item in flat.values()):
            yield _Table(group.name, length, {name: partial(_rows, item) for name, item in flat.items()}, {})


def _rows(item: h5py.Dataset, rows: slice) -> np.ndarray:
    """Rows of a dataset of one column."""
    refuse_odd_dataset(item, f"{item.file.filename}: {item.name}")
    return item[rows]


def _of_pandas(group: h5py.Group) -> _Table:
    """A data frame in pandas' fixed format: blocks of columns of one type."""
    columns: dict[str, Callable[[slice], np.ndarray]] = {}
    n_row = 0
    for i in range(int(attribute(group, "nblocks") or 0)):
        items, values = find(group, f"block{i}_items"), find(group, f"block{i}_values")
        if not isinstance(items, h5py.Dataset) or not isinstance(values, h5py.Dataset):
            raise SchemaError(
                f"{group.file.filename}: {group.name} lacks block {i}; write it with to_parquet"
            )
        refuse_odd_dataset(items, f"{group.file.filename}: {items.name}")
        names = [item.decode() if isinstance(item, bytes) else str(item) for item in items[...].tolist()]
        if len(values.shape) == 2 and values.shape[1] == len(names):
            n_row = max(n_row, values.shape[0])
        for place, name in enumerate(names):
            columns[name] = partial(_of_block, values, place)
    return _Table(group.name, n_row, columns, {})


def _of_block(values: h5py.Dataset, place: int, rows: slice) -> np.ndarray:
    """Rows of one column of a block."""
    if len(values.shape) != 2:
        raise SchemaError(
            f"{values.file.filename}: {values.name} holds Python objects, which are not opened; write "
            "the table with "
            "to_parquet"
        )
    refuse_odd_dataset(values, f"{values.file.filename}: {values.name}")
    return values[rows, place]


def _of_compound(group: h5py.Group, name: str, item: h5py.Dataset) -> _Table:
    """A dataset of records, and astropy's description of it where there is one."""
    where = f"{group.file.filename}: {item.name}"
    refuse_other_files(item, where)
    n_byte = math.prod(item.shape) * item.dtype.itemsize
    stored = item.id.get_storage_size()
    if n_byte > MAX_RATIO * stored:
        raise SchemaError(f"{where}: {n_byte} bytes are declared, the file has {stored}; it is damaged")
    described: Mapping[str, Any] = {}
    text = find(group, f"{name}.__table_column_meta__")
    if isinstance(text, h5py.Dataset):
        refuse_odd_dataset(text, where)
        lines = [line.decode() if isinstance(line, bytes) else str(line) for line in text[...].tolist()]
        described = table_meta.get_header_from_yaml(lines)
    columns = {field: partial(_of_field, item, field) for field in item.dtype.names}
    return _Table(item.name, item.shape[0], columns, described)


def _of_field(item: h5py.Dataset, field: str, rows: slice) -> np.ndarray:
    return (
        item[field][rows] if h5py.check_string_dtype(item.dtype[field]) is None else item.fields(field)[rows]
    )
