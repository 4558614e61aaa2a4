"""Model objects (`equinox.Module`) as HDF5 groups: arrays as datasets, the rest as attributes.

Nothing is unpickled: a group names its class, which must be a module class of `galcen.galaxy`
or `galcen.catalogue`.
"""

import dataclasses
import importlib
import json
from typing import Any

import equinox as eqx
import h5py
import jax
import numpy as np

from galcen.errors import SchemaError
from galcen.io.hdf5 import read_array, write_array

_HOMES = ("galcen.galaxy.", "galcen.catalogue.")


def write_module(parent: h5py.Group, name: str, value: Any) -> None:  # noqa: ANN401 - any field
    """Write a value of a module's field, and what lies below it."""
    if isinstance(value, eqx.Module):
        group = parent.create_group(name)
        group.attrs["class"] = f"{type(value).__module__}:{type(value).__qualname__}"
        for field in dataclasses.fields(value):
            write_module(group, field.name, getattr(value, field.name))
    elif isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["class"] = "dict"
        group.attrs["order"] = json.dumps(list(value))
        for key, item in value.items():
            write_module(group, key, item)
    elif isinstance(value, np.ndarray | jax.Array) and value.ndim > 0:
        write_array(parent, name, np.asarray(value))
    elif isinstance(value, np.ndarray | jax.Array | np.generic):
        parent.create_dataset(name, data=np.asarray(value))
    elif isinstance(value, str | int | float | bool | tuple | None):
        parent.attrs[name] = json.dumps(value)
    else:
        raise TypeError(f"field {parent.name}/{name}: cannot store a {type(value).__name__}")


def read_module(parent: h5py.Group, name: str) -> Any:  # noqa: ANN401 - any field
    """Read what `write_module` wrote."""
    if name in parent.attrs:
        value = json.loads(parent.attrs[name])
        return _tuples(value)
    if name not in parent:
        raise SchemaError(f"{parent.file.filename}: {parent.name}/{name} is missing; make the file again")
    item = parent[name]
    if isinstance(item, h5py.Dataset):
        return read_array(parent, name)
    if item.attrs["class"] == "dict":
        return {key: read_module(item, key) for key in json.loads(item.attrs["order"])}
    path, _, qualname = item.attrs["class"].partition(":")
    cls = getattr(importlib.import_module(path), qualname, None) if path.startswith(_HOMES) else None
    if not (isinstance(cls, type) and issubclass(cls, eqx.Module)):
        raise SchemaError(
            f"{parent.file.filename}: {parent.name}/{name} is a {item.attrs['class']}, "
            "which this galcen does not know; make the file again"
        )
    values = {field.name: read_module(item, field.name) for field in dataclasses.fields(cls)}
    module = object.__new__(cls)
    for field, value in values.items():
        object.__setattr__(module, field, value)
    return module


def _tuples(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
