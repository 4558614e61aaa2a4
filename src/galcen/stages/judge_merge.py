"""Judge the merge of a simulated sky: completeness, false matches, duplicates and bias."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue.merge_quality import quality, sources
from galcen.catalogue.selection import apparent
from galcen.catalogue.tiling import tiles_of
from galcen.io.hdf5 import create, open_product, read_columns, read_table, write_columns
from galcen.io.schema import MEMBERS, MERGE_QUALITY, OBSERVED, SKY
from galcen.stages.inputs import read_inputs

BIN_MAG = 0.5

log = logging.getLogger(__name__)


def run(folder: Path, output: Path, options: dict[str, Any]) -> None:
    """Compare `folder`/complete/<tile>.h5 of every tile with the stars that were drawn, `folder`/sky.

    Parameters
    ----------
    folder
        Products of `simulate` and `complete`.
    output
        Numbers by tile and magnitude; their sums are attributes.
    options
        Sections `catalogue`, `footprint`, `galaxy` and `tiling` of the configuration.
    """
    sections = ("catalogue", "footprint", "galaxy", "tiling")
    settings = config.parse({n: options[n] for n in sections if n in options}, "options of judge-merge")
    selection = settings.catalogue.selection
    assert selection is not None, "the configuration refuses a model survey without selection"
    tiles = [tile.name for tile in tiles_of(settings.footprint.model_dump(), settings.tiling.model_dump())]
    edges = np.arange(selection.bright, selection.faint + BIN_MAG / 2, BIN_MAG)
    edges = np.append(edges[edges < selection.faint - 1e-9], selection.faint)
    links = [bit for bit, survey in enumerate(settings.catalogue.members) if survey.role == "link"]
    both = [folder / kind / f"{name}.h5" for kind in ("sky", "complete") for name in tiles]
    inputs = read_inputs("judge_merge", options, both)
    found, times = _found([folder / "complete" / f"{name}.h5" for name in tiles], links)
    rows: list[dict[str, np.ndarray]] = []
    for number, name in enumerate(tiles):
        sky = read_table(folder / "sky" / f"{name}.h5", SKY)
        order = np.argsort(sky["true_id"], kind="stable")
        sky = {key: values[order] for key, values in sky.items()}
        with open_product(folder / "complete" / f"{name}.h5", OBSERVED.name) as file:
            stars, members = read_columns(file, OBSERVED), read_columns(file, MEMBERS)
        made_of = sources(
            stars["source_id"], stars["true_id"], members["source_id"], members["member_true_id"]
        )
        counts = quality(
            edges,
            sky["true_id"],
            apparent(sky, selection.band, settings.galaxy.hw),
            np.stack([sky[band] for band in ("mj", "mh", "mks")]),
            _times(found, times, sky["true_id"]),
            made_of,
            apparent(stars, selection.band, settings.galaxy.hw),
            np.stack([stars[band] for band in ("mj", "mh", "mks")]),
        )
        rows.append({"tile": np.full(len(edges) - 1, number), "mag_low": edges[:-1], **counts})
    columns = {name: np.concatenate([row[name] for row in rows]) for name in MERGE_QUALITY.names}
    total = {name: int(columns[name].sum()) for name in MERGE_QUALITY.names if name.startswith("n_")}
    attributes = inputs.attributes()
    attributes |= {"tiles": json.dumps(tiles), "band": selection.band, "mag_faint": str(selection.faint)}
    with create(output, MERGE_QUALITY.name, attributes) as file:
        write_columns(file, MERGE_QUALITY, columns)
    log.info("%s", json.dumps(total))


def _found(paths: list[Path], links: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Model stars that are in the catalogue, ascending, and in how many of its stars.

    A star may be found across the edge of its tile: all tiles are looked through. What a link adds to a star
    does not find it.
    """
    parts = [np.empty(0, dtype=np.int64)]
    for path in paths:
        with open_product(path, OBSERVED.name) as file:
            members = read_columns(file, MEMBERS)
        real = (members["member_true_id"] >= 0) & ~np.isin(members["survey"], links)
        pairs = np.stack([members[name][real] for name in ("source_id", "member_true_id")])
        parts.append(np.unique(pairs, axis=1)[1])
    return np.unique(np.concatenate(parts), return_counts=True)


def _times(found: np.ndarray, times: np.ndarray, true_id: np.ndarray) -> np.ndarray:
    if not len(found):
        return np.zeros(len(true_id), dtype=np.int64)
    place = np.minimum(np.searchsorted(found, true_id), len(found) - 1)
    return np.where(found[place] == true_id, times[place], 0)
