"""Bring the surveys of one tile together into one catalogue and select its stars."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen.catalogue.selection import apparent, inside
from galcen.config.catalogue import Catalogue
from galcen.config.galaxy import Galaxy
from galcen.errors import SchemaError
from galcen.io.hdf5 import read_table, write_table
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED

log = logging.getLogger(__name__)


def run(output: Path, surveys: list[Path], options: dict[str, Any]) -> None:
    """Read the tables of one tile, select, sort by identifier and write them as one.

    Stars are not matched between surveys: an identifier in two of them is an error.
    """
    catalogue = Catalogue.model_validate(options["catalogue"])
    hw_relation = Galaxy.model_validate(options.get("galaxy", {})).hw
    tables = [read_table(path, OBSERVED) for path in surveys]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in OBSERVED.names}
    order = np.argsort(columns["source_id"], kind="stable")
    source_id = columns["source_id"][order]
    repeated = source_id[1:][source_id[1:] == source_id[:-1]]
    if len(repeated):
        names = ", ".join(str(path) for path in surveys)
        raise SchemaError(
            f"{names}: identifier {repeated[0]} stands twice (and {len(repeated) - 1} more); "
            "give the stars of each survey identifiers of their own"
        )
    n_in, dropped = len(order), {}
    if catalogue.selection is not None:
        magnitude = apparent(columns, catalogue.selection.band, hw_relation)[order]
        keep = inside(magnitude, catalogue.selection.bright, catalogue.selection.faint)
        dropped["no magnitude in the band"] = int(np.count_nonzero(np.isnan(magnitude)))
        dropped["outside the limits"] = int(np.count_nonzero(~keep)) - dropped["no magnitude in the band"]
        order = order[keep]
    attributes = provenance("complete", options, input_hashes(*surveys))
    write_table(output, OBSERVED, {name: values[order] for name, values in columns.items()}, attributes)
    log.info("%d stars in, %d kept; dropped: %s", n_in, len(order), dropped or "none")
