"""Columns of astropy tables, for formats that astropy reads as a whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table.serialize import represent_mixins_as_columns

from galcen.io.declared import NOTHING, Declaration
from galcen.io.readers import serialized
from galcen.io.table_columns import Batch, RawColumn, Wanted, from_numpy, select


def batches(
    path: Path,
    table: Any,  # noqa: ANN401
    wanted: Wanted,
    declared: Mapping[str, Declaration] | None = None,
    advice: str = "",
) -> Iterator[Batch]:
    """One batch of an astropy table; columns made of columns, such as coordinates, are taken apart."""
    plain = represent_mixins_as_columns(table)
    declared = serialized.declarations(plain.meta, str(path)) if declared is None else declared
    columns = {}
    for key, column in select(path, plain.colnames, wanted, advice).items():
        found = plain[column.name]
        mask = np.ma.getmaskarray(found) if isinstance(found, np.ma.MaskedArray) else None
        unit = getattr(found, "unit", None)
        values = from_numpy(np.asarray(found), mask, column, 1)
        columns[key] = RawColumn(
            values, None if unit is None else str(unit), declared.get(column.name, NOTHING)
        )
    if len(table):
        yield Batch(1, columns)
