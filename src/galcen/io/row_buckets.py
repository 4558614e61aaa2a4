"""Rows put aside on disc by the part of a table they belong to, and read again part by part."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from galcen.errors import SchemaError


class RowBuckets:
    """Files of rows, one a bucket, in a folder that its owner deletes.

    Rows come back in the order in which they came in.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._source = source
        self._dtypes: dict[str, np.dtype] = {}
        folder.mkdir()

    def add(self, kind: str, bucket: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Append rows to their buckets; those of a negative bucket are left out.

        Raises
        ------
        SchemaError
            The disc is full.
        """
        names = list(columns)
        dtype = np.dtype([(name, columns[name].dtype) for name in names])
        self._dtypes.setdefault(kind, dtype)
        order = np.argsort(bucket, kind="stable")
        rows = np.empty(len(order), dtype)
        for name in names:
            rows[name] = columns[name][order]
        ordered = bucket[order]
        edges = np.flatnonzero(np.diff(ordered, prepend=-2, append=np.iinfo(np.int64).max))
        try:
            for first, last in pairwise(edges):
                if ordered[first] >= 0:
                    with self._path(kind, ordered[first]).open("ab") as stream:
                        stream.write(rows[first:last].tobytes())
        except OSError as error:
            raise SchemaError(
                f"{self._source}: its rows cannot be put aside in {self._folder.parent}: {error}"
            ) from error

    def read(self, kind: str, bucket: int) -> np.ndarray | None:
        """The rows of a bucket; None without any."""
        path = self._path(kind, bucket)
        return np.fromfile(path, self._dtypes[kind]) if path.is_file() else None

    def _path(self, kind: str, bucket: int) -> Path:
        return self._folder / f"{kind}{bucket}"
