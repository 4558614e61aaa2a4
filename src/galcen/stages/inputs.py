"""The inputs of a stage: compared before it begins, recorded in what it makes.

Every stage that reads products calls `read_inputs` first, and gives the attributes of its own products by
`Inputs.attributes`. There is no other way to state where a product comes from, and so none to leave out the
comparison.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from galcen.catalogue.tiling import tiles_of
from galcen.errors import ConfigError, SchemaError
from galcen.io.lineage import (
    OF_TILES,
    Configuration,
    Hashes,
    Origin,
    hash_files,
    lineage_text,
    normalised,
    read_origin,
)
from galcen.io.lineage_checks import check_origins
from galcen.io.provenance import input_names, provenance
from galcen.package import source_digest
from galcen.stages.versions import VERSIONS

log = logging.getLogger(__name__)


class Inputs(NamedTuple):
    """What a stage was asked for and what it was given."""

    stage: str
    options: Mapping[str, Any]
    products: tuple[Origin, ...]
    files: tuple[tuple[str, Path, str], ...]
    """Files of the user: what each is, where, sha256."""

    def digests(self) -> dict[str, str]:
        """sha256 of every input by its name in a product."""
        digest = {origin.path: origin.sha256 for origin in self.products}
        digest |= {path: sha256 for _, path, sha256 in self.files}
        return {name: digest[path] for path, name in input_names(digest).items()}

    def attributes(self, **others: str) -> dict[str, str]:
        """Attributes of a product, with `others` of its own."""
        lineage = lineage_text(self.products, {what: sha256 for what, _, sha256 in self.files})
        version = VERSIONS[self.stage]
        tiles = {origin.tile for origin in self.products if origin.tile}
        of = {"tile": tiles.pop()} if self.stage in OF_TILES and len(tiles) == 1 else {}
        return provenance(self.stage, version, self.options, self.digests(), lineage) | of | others


def read_inputs(
    stage: str,
    options: Mapping[str, Any],
    products: Sequence[Path] = (),
    files: Mapping[str, Path] | None = None,
    *,
    hashes: Hashes = hash_files,
) -> Inputs:
    """What the inputs of a stage say of themselves, compared with its options and with one another.

    Parameters
    ----------
    stage
        The stage that uses them.
    options
        Its options.
    products
        Files that galcen made.
    files
        Files of the user, by what they are, in words of which one says that it is a file.
    hashes
        Computes the sha256 of files; of several ranks, each may do a part.

    Raises
    ------
    SchemaError
        A file is missing, or does not belong to what is asked for or to the other inputs: another seed,
        option, version, model, catalogue.
    ConfigError
        An option is none.
    """
    files = files or {}
    paths = dict.fromkeys((*products, *files.values()))
    digest = hashes(list(paths))
    origins = tuple(read_origin(path, digest[path]) for path in dict.fromkeys(products))
    asked = normalised(options, stage)
    _check_tiles(stage, asked, origins)
    check_origins(stage, asked, origins, VERSIONS)
    silent = [origin for origin in origins if not origin.stage]
    if silent:
        log.warning(
            "%s: does not say how it was made (%d of %d inputs of %s do not), so that nobody can see whether "
            "it belongs to the others",
            *(silent[0].path, len(silent), len(origins), stage),
        )
    others = sum(bool(origin.stage) and origin.source != source_digest() for origin in origins)
    if others:
        log.warning(
            "%d of %d inputs of %s were made by other sources of galcen; no stage has changed its version, "
            "so they are used",
            *(others, len(origins), stage),
        )
    return Inputs(stage, options, origins, tuple((what, path, digest[path]) for what, path in files.items()))


def _check_tiles(stage: str, asked: Configuration, origins: Sequence[Origin]) -> None:
    """Refuse a tile under the name of another one, or that was another part of the sky in its footprint.

    A footprint may grow, and tiles of the old one stay, as long as they are the same.
    """
    if "footprint" not in asked or "tiling" not in asked:
        return
    present = _bounds(asked)
    areas: dict[int, dict[str, tuple[float, ...]]] = {}
    for origin in origins:
        section = origin.record.configuration
        name = origin.path.stem
        if origin.stage not in OF_TILES or name not in present:
            continue
        if origin.tile not in ("", name):
            raise SchemaError(
                f"{origin.path}: is the tile {origin.tile} under the name of another; give it its own name, "
                f"or delete it and make it again with galcen {origin.stage.replace('_', '-')}"
            )
        if "footprint" not in section or "tiling" not in section:
            continue
        if id(origin.record) not in areas:
            areas[id(origin.record)] = _bounds(section)
        area = areas[id(origin.record)].get(name)
        if area != present[name]:
            was = "no tile at all" if area is None else f"the area {_area(area)}"
            raise SchemaError(
                f"{origin.path}: was {was} in the footprint or tiling that it was made for, but {stage} "
                f"needs {_area(present[name])}; delete it and make it again with galcen "
                f"{origin.stage.replace('_', '-')}"
            )


def _bounds(sections: Configuration) -> dict[str, tuple[float, ...]]:
    try:
        return {tile.name: tile.bounds for tile in tiles_of(sections["footprint"], sections["tiling"])}
    except (ConfigError, KeyError, TypeError):
        return {}


def _area(bounds: tuple[float, ...]) -> str:
    return "l = {:g} to {:g}, b = {:g} to {:g} deg".format(*bounds)
