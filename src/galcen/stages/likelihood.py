"""Tabulate the photometric likelihood, for the fast posterior."""

import logging
import time
from pathlib import Path
from typing import Any

from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.config import validated
from galcen.config.inference import Posterior
from galcen.errors import SchemaError
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, open_product
from galcen.io.modules import read_module, write_module
from galcen.stages.galaxy_model import load_galaxy
from galcen.stages.inputs import read_inputs

PRODUCT = "likelihood"

log = logging.getLogger(__name__)


def load_lattice(path: Path, error_floor: float) -> MagnitudeLattice:
    """The table that `run` wrote, for errors of `error_floor` [mag]."""
    with open_product(path, PRODUCT) as file:
        lattice = read_module(file, "lattice")
    if lattice.error != error_floor:
        raise SchemaError(
            f"{path}: made for errors of {lattice.error} mag, but posterior.error_floor is {error_floor}; "
            "make the file again"
        )
    return lattice


@claiming("output")
def run(model: Path, output: Path, options: dict[str, Any]) -> None:
    """Tabulate for the photometric error `error_floor` [mag], and write."""
    start = time.monotonic()
    given = {name: value for name, value in options.items() if name == "error_floor"}
    error = validated(Posterior, given, "options of likelihood").error_floor
    inputs = read_inputs("likelihood", options, [model])
    lattice = MagnitudeLattice.build(Pieces.build(load_galaxy(model).intervals, error), error)
    with create(output, PRODUCT, inputs.attributes()) as file:
        write_module(file, "lattice", lattice)
    log.info("%d points in %.1f s", len(lattice.values), time.monotonic() - start)
