"""The true sources of a mock survey beside what its catalogue says of them, for comparisons."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from galcen.errors import SchemaError
from galcen.io.hdf5 import open_product, read_columns, read_table
from galcen.io.stars_schema import INPUT_CATALOGUE, SURVEY_STARS
from galcen.mapping.space_motion import SpaceMotion


class TrueSources(NamedTuple):
    """Sources by ascending identifier."""

    source_id: Int[np.ndarray, " n_star"]
    motion: SpaceMotion
    """True, at t0."""
    t0: float
    """[Julian year TCB]."""
    hw: np.ndarray
    kind: Int[np.ndarray, " n_star"]
    """See `galcen.io.plate_quality_schema.KINDS`."""
    catalogue: dict[str, np.ndarray]
    """Columns of `INPUT_CATALOGUE`; its (ra, dec) are the comparison directions."""

    def rows(self, source_id: Int[np.ndarray, " n"], where: str) -> Int[np.ndarray, " n"]:
        """Rows of sources; an error, which `where` begins, names one that is unknown."""
        place = np.minimum(np.searchsorted(self.source_id, source_id), max(len(self.source_id) - 1, 0))
        if len(source_id) and not len(self.source_id):
            raise SchemaError(f"{where}: the survey has no sources at all; make it again")
        unknown = self.source_id[place] != source_id
        if unknown.any():
            raise SchemaError(
                f"{where}: source_id {source_id[np.argmax(unknown)]} is no source of the survey "
                f"({np.count_nonzero(unknown)} such rows); make solution and sources in one run"
            )
        return place


def read_true_sources(stars: Path, catalogue: Path) -> TrueSources:
    """Read both tables.

    Raises
    ------
    SchemaError
        A file is missing or damaged, or the two do not have the same sources.
    """
    with open_product(stars, SURVEY_STARS.name) as file:
        true = _by_source(read_columns(file, SURVEY_STARS))
        t0 = float(str(file.attrs["t0"]))
    known = _by_source(read_table(catalogue, INPUT_CATALOGUE))
    if not np.array_equal(true["source_id"], known["source_id"]):
        raise SchemaError(
            f"{catalogue}: has other sources than {stars}; make both with galcen survey-sources again"
        )
    reference = np.where(true["is_wrong"] > 0, 3, 0)
    star = np.where(true["is_reference"] > 0, reference, 1)
    return TrueSources(
        true["source_id"],
        SpaceMotion(*(true[name] for name in SpaceMotion._fields)),
        t0,
        true["hw"],
        np.where(true["is_artificial"] > 0, 2, star),
        known,
    )


def _by_source(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.argsort(columns["source_id"], kind="stable")
    return {name: values[order] for name, values in columns.items()}
