"""Products that are changed on purpose, as a user may do it: with checksums that fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from galcen.io.sealed_file import seal


@contextmanager
def edited(path: Path) -> Iterator[h5py.File]:
    """A product to be changed in the block; it gets new checksums."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)
