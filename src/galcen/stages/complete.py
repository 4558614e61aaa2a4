"""Bring the surveys of one tile together into one catalogue and select its stars."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue.selection import apparent, inside
from galcen.errors import SchemaError
from galcen.io.hdf5 import read_table, write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED

log = logging.getLogger(__name__)


def run(output: Path, surveys: list[Path], options: dict[str, Any]) -> None:
    """Read the tables of one tile, select, sort by identifier and write them as one.

    Stars are not matched between surveys: an identifier in two of them is an error. The
    attribute `counts` of the product says how many stars came in, were kept, and were dropped
    for want of a magnitude in the band of the selection or for lying outside its limits.

    Parameters
    ----------
    output
        The catalogue of the tile.
    surveys
        The tile of each survey, from `ingest` or `simulate`.
    options
        Sections `catalogue` and `galaxy` of the configuration.
    """
    sections = ("catalogue", "galaxy")
    settings = config.parse(
        {name: options[name] for name in sections if name in options}, "options of complete"
    )
    tables = [read_table(path, OBSERVED) for path in surveys]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in OBSERVED.names}
    order = np.argsort(columns["source_id"], kind="stable")
    _refuse_repeated(surveys, [table["source_id"] for table in tables], columns["source_id"][order])

    counts = {"in": len(order), "kept": len(order), "no_magnitude": 0, "outside_limits": 0}
    selection = settings.catalogue.selection
    if selection is not None:
        magnitude = apparent(columns, selection.band, settings.galaxy.hw)[order]
        keep = inside(magnitude, selection.bright, selection.faint)
        counts["kept"] = int(np.count_nonzero(keep))
        counts["no_magnitude"] = int(np.count_nonzero(np.isnan(magnitude)))
        counts["outside_limits"] = counts["in"] - counts["kept"] - counts["no_magnitude"]
        order = order[keep]
    attributes = provenance("complete", options, input_hashes(*surveys)) | {"counts": json.dumps(counts)}
    write_table(output, OBSERVED, {name: values[order] for name, values in columns.items()}, attributes)
    log.info("%s: %s", output, ", ".join(f"{n} {what}" for what, n in counts.items()))


def _refuse_repeated(surveys: list[Path], identifiers: list[np.ndarray], merged: np.ndarray) -> None:
    repeated = merged[1:][merged[1:] == merged[:-1]]
    if len(repeated):
        holders = [path for path, ids in zip(surveys, identifiers, strict=True) if repeated[0] in ids]
        raise SchemaError(
            f"{' and '.join(map(str, holders))}: identifier {repeated[0]} stands twice (and "
            f"{len(np.unique(repeated)) - 1} more do); stars are not matched between tables yet: give the "
            "stars of each table identifiers of their own"
        )
