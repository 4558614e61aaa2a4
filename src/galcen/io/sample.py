"""A sample of the rows of a table of stars, and what is found of it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FEW = 5
"""Stars that are needed where a median is not only odd but impossible."""

SOME = 20
"""Stars that are needed otherwise: fewer may be odd ones."""


class Finding(NamedTuple):
    """What is wrong with a table."""

    text: str
    is_impossible: bool = True
    """Otherwise it could be a strange selection of stars."""


class Sample(NamedTuple):
    """Rows of a table in galcen's units, NaN where a value is missing."""

    columns: Mapping[str, Float[np.ndarray, " n_row"]]
    names: Mapping[str, str]
    """Galcen's name of a column -> the table's."""
    is_measured: bool
    """Whether values are measured, or count as true."""

    def together(self, *names: str) -> list[Float[np.ndarray, " n_whole"]]:
        """Some columns of the rows that have a value in each; empty where a column is not mapped."""
        if not all(name in self.columns for name in names):
            return [np.empty(0) for _ in names]
        values = np.array([self.columns[name] for name in names])
        return list(values[:, np.isfinite(values).all(axis=0)])

    def mapped(self, *names: str) -> str:
        """The table's names of columns, for a message."""
        return ", ".join(f"{name}: {self.names[name]}" for name in names if name in self.names)
