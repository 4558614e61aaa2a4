"""Datasets that are no plain arrays, lie elsewhere, or state sizes that their file cannot have."""

from collections.abc import Callable

import h5py
import numpy as np

Make = Callable[[h5py.Group, str], object]


def external_link(group: h5py.Group, name: str) -> None:
    group[name] = h5py.ExternalLink("/etc/other.h5", "/data")


def link_to_itself(group: h5py.Group, name: str) -> None:
    group[name] = h5py.SoftLink(f"{group.name}/{name}")


def dangling(group: h5py.Group, name: str) -> None:
    group[name] = h5py.SoftLink("/nowhere")


def null(group: h5py.Group, name: str) -> None:
    group[name] = h5py.Empty("f8")


def compound(group: h5py.Group, name: str) -> None:
    group[name] = np.zeros(6, dtype=[("a", "f8"), ("b", "f8")])


def ragged(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (6,), dtype=h5py.vlen_dtype("f8"))


def texts(group: h5py.Group, name: str) -> None:
    group[name] = ["1.0"] * 6


def references(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, data=[group.ref] * 6, dtype=h5py.ref_dtype)


def gigantic(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (10**14,), "f8", chunks=(1000,), compression="gzip")


def gigantic_flat(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (10**13,), "f8")


def gigantic_product(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (2**31, 2**31), "f8", chunks=(8, 8))


def gigantic_pieces(group: h5py.Group, name: str) -> None:
    data = group.create_dataset(name, (6,), "f8", maxshape=(None,), chunks=(2**28,), compression="gzip")
    data.id.write_direct_chunk((0,), b"x")


def half_filled(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (12000,), "f8", chunks=(1000,))[:2000] = 1.0


def virtual(group: h5py.Group, name: str) -> None:
    layout = h5py.VirtualLayout((6,), "f8")
    layout[...] = h5py.VirtualSource("/nowhere.h5", "data", (6,))
    group.create_virtual_dataset(name, layout)


def external_storage(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (6,), "f8", external=[("/etc/hostname", 0, 48)])


def a_group(group: h5py.Group, name: str) -> None:
    group.create_group(name)


HOSTILE: list[tuple[str, Make, tuple[str, ...]]] = [
    ("a link to another file", external_link, ("another file", "/etc/other.h5")),
    ("a link to itself", link_to_itself, ()),
    ("a link to nothing", dangling, ("leads nowhere",)),
    ("a dataset without a value", null, ("no value",)),
    ("records in place of numbers", compound, ("expected numbers",)),
    ("lists of any length in place of numbers", ragged, ("expected numbers",)),
    ("texts of any length in place of numbers", texts, ("expected numbers",)),
    ("references in place of numbers", references, ("expected numbers",)),
    ("a shape of 800 TB, never written", gigantic, ()),
    ("a flat array of 80 TB, never written", gigantic_flat, ()),
    ("a shape that overflows 64 bits", gigantic_product, ()),
    ("pieces of 2 GiB for six numbers", gigantic_pieces, ()),
    ("a virtual dataset without its source", virtual, ("virtual dataset",)),
    ("data kept in /etc/hostname", external_storage, ("another file", "/etc/hostname")),
    ("a group in place of a dataset", a_group, ()),
]
"""What it is, how it is made in a group, and words of the error."""
