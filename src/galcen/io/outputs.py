"""What a command may write over: its own earlier products, and what the user says; never an input."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from galcen.errors import ConfigError, ResourceError
from galcen.io.hdf5 import read_attributes

PAGE = "report"
"""Product of the stage that makes the report, which is no HDF5."""

PAGE_MARK = b"<title>galcen: "
"""What is at the beginning of every report."""

N_MARK = 2000
"""Bytes of the beginning."""


class Kind(NamedTuple):
    """What a file of galcen is, so that the same command may write it again."""

    products: tuple[str, ...] = ()
    """Possible names in the file; none: nothing marks it."""
    stage: str | None = None
    """What made it, where several stages make the product."""


def check_output(path: Path, inputs: Iterable[Path], kind: Kind, *, overwrite: bool = False) -> None:
    """Refuse to write over an input, a file of another kind, or where nothing can be written.

    Parameters
    ----------
    path
        To be written.
    inputs
        All files that the command reads, whatever their names.
    kind
        Of the file, which may lie there already.
    overwrite
        The user wants `path` written over whatever it is; an input is kept all the same.

    Raises
    ------
    ConfigError
        The path is that of an input, of a folder, or of a file that galcen did not make so.
    ResourceError
        Its folder cannot be written.
    """
    same = next((read for read in inputs if is_same(path, read)), None)
    if same is not None:
        raise ConfigError(f"{path}: is the input {same}; give the output another name")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; expected the name of a file")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is a device or a pipe, which cannot be written as a whole; name a file")
    folder = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not folder.is_dir():
        raise ConfigError(f"{path}: {folder} is no folder, so that nothing can be written below it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResourceError(f"{path}: cannot be written: no permission to write in {folder}")
    if path.exists() and not overwrite and not is_of(path, kind):
        product = f", and is no {' or '.join(kind.products)} of this command" if kind.products else ""
        raise ConfigError(
            f"{path}: is there already{product}; give another name, or --overwrite to replace it"
        )


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, by whatever links; for files that are not there, one path."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


def is_of(path: Path, kind: Kind) -> bool:
    """Whether a file is a product of a kind."""
    try:
        if PAGE in kind.products:
            with path.open("rb") as file:
                return PAGE_MARK in file.read(N_MARK)
    except (OSError, ValueError):
        return False
    found = read_attributes(path, ("format", "product", "stage"))
    is_product = found.get("format") == "galcen" and found.get("product") in kind.products
    return is_product and kind.stage in (None, found.get("stage"))
