"""What galcen reads of an HDF5 file: plain arrays and attributes in the file itself that fit its size.

HDF5 can point to other files, and it can state shapes and types that take any memory to read. Nothing of that
kind is read: it is one error that names the file and the place in it.
"""

import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5s, h5t, h5z

from galcen.errors import SchemaError

T = TypeVar("T")

LARGEST_RATIO = 1100
"""How much smaller gzip can make data; a dataset that states more than that was not written."""

SPARE = 1 << 20
"""Bytes that need no reason."""

PLAIN_FILTERS = {
    h5z.FILTER_DEFLATE,
    h5z.FILTER_SHUFFLE,
    h5z.FILTER_FLETCHER32,
    h5z.FILTER_SZIP,
    h5z.FILTER_NBIT,
    h5z.FILTER_SCALEOFFSET,
    h5z.FILTER_LZF,
}

PLAIN_TYPES = {h5t.INTEGER: "integers", h5t.FLOAT: "numbers", h5t.STRING: "text", h5t.ENUM: "truth values"}


def guarded(what: str, read: Callable[[], T]) -> T:
    """The result of reading from HDF5; its errors, of many kinds, become one.

    Raises
    ------
    SchemaError
        It cannot be read; `what` begins the message.
    """
    try:
        return read()
    except MemoryError as error:
        raise SchemaError(f"{what}: there is no memory for it ({error}); use a machine with more") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        text = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
        raise SchemaError(f"{what} cannot be read ({text}); delete the file and make it again") from None


def find(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What a group holds under a path; None for nothing.

    Raises
    ------
    SchemaError
        A link on the way leads to another file, or to nothing.
    """
    at = parent
    for part in name.strip("/").split("/"):
        where = f"{parent.file.filename}: {at.name.rstrip('/')}/{part}"
        if not isinstance(at, h5py.Group):
            return None
        link = guarded(where, lambda at=at, part=part: at.get(part, getlink=True))
        if link is None:
            return None
        refuse_foreign_link(link, where)
        found = guarded(where, lambda at=at, part=part: at.get(part))
        if found is None:
            raise SchemaError(f"{where} is a link that leads nowhere; put the data themselves there")
        at = found
    return at


def refuse_foreign_link(link: Any, where: str) -> None:  # noqa: ANN401 - h5py has no common type of links
    """Refuse a link to another file."""
    if isinstance(link, h5py.ExternalLink):
        raise SchemaError(
            f"{where} is a link to another file ({link.filename}); galcen follows none, copy the data into "
            "this file"
        )


def refuse_other_files(dataset: h5py.Dataset, where: str) -> None:
    """Refuse a dataset whose data lie in other files."""
    layout = dataset.id.get_create_plist()
    if layout.get_layout() == h5d.VIRTUAL:
        raise SchemaError(
            f"{where} is a virtual dataset, put together from other files; galcen reads none, copy the data "
            "into this file"
        )
    if layout.get_external_count():
        name = os.fsdecode(layout.get_external(0)[0])
        raise SchemaError(
            f"{where} keeps its data in another file ({name}); galcen follows none, copy the data into this "
            "file"
        )


def refuse_odd_dataset(dataset: h5py.Dataset, where: str) -> None:
    """Refuse a dataset that is no plain array, lies in other files, or is larger than its file can hold.

    Nothing of its data is read.
    """
    refuse_other_files(dataset, where)
    space, kind = dataset.id.get_space(), dataset.id.get_type()
    if space.get_simple_extent_type() == h5s.NULL:
        raise SchemaError(f"{where} has no value (an empty dataspace); write an array there")
    if kind.get_class() not in PLAIN_TYPES or (kind.get_class() == h5t.STRING and kind.is_variable_str()):
        raise SchemaError(f"{where}: type {_type_name(dataset)}, expected numbers or text of fixed length")
    layout = dataset.id.get_create_plist()
    filters = [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]
    odd = [number for number in filters if number not in PLAIN_FILTERS]
    if odd:
        raise SchemaError(
            f"{where} is compressed by a filter that galcen does not know (number {odd[0]}); use gzip"
        )
    _refuse_size(dataset, layout, where, bool(filters))


def _refuse_size(dataset: h5py.Dataset, layout: Any, where: str, is_packed: bool) -> None:  # noqa: ANN401
    n_byte = math.prod(dataset.shape) * dataset.dtype.itemsize
    if not n_byte:
        return
    stored = dataset.id.get_storage_size()
    if layout.get_layout() == h5d.CHUNKED:
        n_piece = math.prod(
            -(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)
        )
        found = dataset.id.get_num_chunks()
        if found != n_piece:
            raise SchemaError(
                f"{where}: shape {dataset.shape} is {n_piece} pieces, of which {found} are there; the file "
                "is not complete, make it again"
            )
        piece = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if piece > max(2 * n_byte, SPARE):
            raise SchemaError(
                f"{where}: pieces of {piece} bytes for an array of {n_byte}; write it in smaller ones"
            )
    largest = stored * LARGEST_RATIO if is_packed else stored
    if n_byte > largest or stored > _file_size(dataset):
        raise SchemaError(
            f"{where}: shape {dataset.shape} of {dataset.dtype} is {n_byte} bytes, for which the file has "
            f"{stored}; it is damaged or was never filled, make it again"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n_byte > memory:
        raise SchemaError(
            f"{where}: shape {dataset.shape} of {dataset.dtype} is {n_byte} bytes, this machine has {memory} "
            "of memory; use a larger one"
        )


def _file_size(dataset: h5py.Dataset) -> int:
    return int(dataset.file.id.get_filesize())


def _type_name(dataset: h5py.Dataset) -> str:
    try:
        return str(dataset.dtype)
    except (TypeError, ValueError):
        return "unknown to h5py"


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:  # noqa: ANN401 - as it was written
    """One attribute: text, a number or a small array of numbers; None where there is none.

    Raises
    ------
    SchemaError
        It is of another kind, or cannot be read.
    """
    where = f"{item.file.filename}: attribute {name}"
    if not guarded(where, lambda: h5a.exists(item.id, name.encode())):
        return None
    found = guarded(where, lambda: h5a.open(item.id, name.encode()))
    space, kind = found.get_space(), found.get_type()
    is_odd = kind.get_class() not in PLAIN_TYPES or space.get_simple_extent_type() == h5s.NULL
    if is_odd or found.get_storage_size() > SPARE or math.prod(found.shape) > SPARE:
        raise SchemaError(f"{where}: is no text and no number; make the file again")
    value = guarded(where, lambda: item.attrs[name])
    return value.item() if isinstance(value, np.generic) else value


def refuse_links_out(file: h5py.File) -> None:
    """Refuse a file that holds anything that leads out of it, or a link that leads nowhere."""
    groups, seen = [file["/"]], set()
    while groups:
        group = groups.pop()
        for name in guarded(f"{file.filename}: {group.name}", lambda group=group: list(group)):
            item = find(group, name)
            if isinstance(item, h5py.Group) and (address := h5o.get_info(item.id).addr) not in seen:
                seen.add(address)
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                refuse_other_files(item, f"{file.filename}: {item.name}")
