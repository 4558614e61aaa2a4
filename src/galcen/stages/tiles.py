"""List the tiles of a run."""

import json
from pathlib import Path

from galcen import config
from galcen.catalogue.tiling import tiles_of
from galcen.errors import ConfigError
from galcen.io.hdf5 import open_product
from galcen.io.schema import OBSERVED


def listing(configuration: Path | None, form: str) -> str:
    """Name, bounds, cells and, once its catalogue is complete, stars of each tile."""
    if form not in ("table", "json"):
        raise ConfigError(f"--format {form}: expected table or json")
    settings = config.load(configuration) if configuration else config.parse({})
    rows = []
    for tile in tiles_of(settings.footprint.model_dump(), settings.tiling.model_dump()):
        l_min, l_max, b_min, b_max = tile.bounds
        path = Path("results") / settings.run / "catalogue/complete" / f"{tile.name}.h5"
        rows.append(
            {
                "tile": tile.name,
                "l_min": l_min,
                "l_max": l_max,
                "b_min": b_min,
                "b_max": b_max,
                "cells": tile.n_cell,
                "stars": _stars(path),
            }
        )
    if form == "json":
        return json.dumps(rows)
    head = f"{'tile':10s} {'l_min':>9s} {'l_max':>9s} {'b_min':>9s} {'b_max':>9s} {'cells':>6s} {'stars':>9s}"
    body = [
        f"{r['tile']:10s} {r['l_min']:9.4f} {r['l_max']:9.4f} {r['b_min']:9.4f} {r['b_max']:9.4f} "
        f"{r['cells']:6d} {'-' if r['stars'] is None else r['stars']:>9}"
        for r in rows
    ]
    return "\n".join([head, *body, f"{len(rows)} tiles, {sum(r['cells'] for r in rows)} cells"])


def _stars(path: Path) -> int | None:
    if not path.is_file():
        return None
    with open_product(path, OBSERVED.name) as file:
        return int(file[OBSERVED.name].attrs["n_row"])
