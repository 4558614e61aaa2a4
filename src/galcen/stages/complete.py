"""Match the surveys of one tile, put them together and select the stars."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue.crossmatch import MARGIN_ARCSEC, largest_reach
from galcen.catalogue.merge import Merged, Rules, Survey, merge
from galcen.catalogue.motion import at_epoch, galactic
from galcen.catalogue.observed import TileGrid
from galcen.catalogue.selection import COLUMN, apparent, inside
from galcen.catalogue.tiling import Tile, tile_named, tiles_of, with_neighbours
from galcen.config.catalogue import Catalogue, Selection
from galcen.errors import ConfigError, SchemaError
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, read_table, write_columns
from galcen.io.schema import MEMBERS, OBSERVED
from galcen.stages.inputs import read_inputs

log = logging.getLogger(__name__)

MARGIN_DEG = MARGIN_ARCSEC / 3600.0


@claiming("output")
def run(tile_name: str, folder: Path, output: Path, options: dict[str, Any]) -> None:
    """Read the surveys of a tile and of those that touch it, match, select, and write the stars of the tile.

    A star belongs to the tile that its final position is in. The attribute `counts` of the product says for
    each survey how many of its detections are in the tile, how many of them were matched with another
    survey's, and what became of the merged stars.

    Parameters
    ----------
    tile_name
        The tile.
    folder
        Where the surveys lie: <survey>/<tile>.h5, from `ingest` or `simulate`.
    output
        The catalogue of the tile.
    options
        Sections `catalogue`, `footprint`, `galaxy` and `tiling` of the configuration.
    """
    sections = ("catalogue", "footprint", "galaxy", "tiling")
    settings = config.parse(
        {name: options[name] for name in sections if name in options}, "options of complete"
    )
    footprint, tiling = settings.footprint.model_dump(), settings.tiling.model_dump()
    tile = tile_named(tile_name, footprint, tiling)
    tiles = tiles_of(footprint, tiling)
    around = with_neighbours(tiles, tiling)[tile_name]
    rules = rules_of(settings.catalogue)
    names = settings.catalogue.surveys
    paths = {name: [folder / name / f"{part.name}.h5" for part in around] for name in names}
    inputs = read_inputs("complete", options, [path for name in names for path in paths[name]])
    surveys = [
        Survey(
            _stars_near(paths[names[bit]], tile, rules.epoch),
            bit,
            settings.catalogue.members[bit].role == "link",
        )
        for bit in matching_order(settings.catalogue)
    ]
    _refuse_repeated(folder, names, surveys)
    merged = merge(surveys, rules)
    merged.stars["glon"], merged.stars["glat"] = galactic(merged.stars["ra"], merged.stars["dec"])
    mine = _in_tile(merged.stars["glon"], merged.stars["glat"], tiles, tile)
    magnitude = None
    selection = settings.catalogue.selection
    chosen = mine.copy()
    if selection is not None:
        magnitude = apparent(merged.stars, selection.band, settings.galaxy.hw)
        chosen &= inside(magnitude, selection.bright, selection.faint)
    counts = _counts(settings.catalogue, surveys, merged, mine, chosen, magnitude, tile)
    if len(tiles) == 1 and not counts["kept"]:
        raise SchemaError(f"{folder}: no star is left: {lost_stars(counts, selection)}")
    attributes = inputs.attributes(tile=tile_name, counts=json.dumps(counts), surveys=json.dumps(names))
    _write(output, merged, np.flatnonzero(chosen), attributes)
    log.info("%s: %s", output, json.dumps(counts))
    _warn_of_dark(output, merged, mine & ~chosen)


def _warn_of_dark(output: Path, merged: Merged, left_out: np.ndarray) -> None:
    """Say how many of the stars that are left out have no magnitude by which they could be selected."""
    dark = left_out & np.isnan([merged.stars[name] for name in COLUMN.values()]).all(axis=0)
    if dark.any():
        log.warning(
            "%s: %d stars have a parallax and no magnitude, by which catalogue.selection selects, and are "
            "left out; selection: null keeps them",
            *(output, np.count_nonzero(dark)),
        )


def rules_of(catalogue: Catalogue) -> Rules:
    """The kernel's form of the configuration.

    Raises
    ------
    ConfigError
        The radius is too large for the margin between tiles with so many surveys.
    """
    given = catalogue.merge
    reach = largest_reach(len(catalogue.members) - 1)
    if given.radius_arcsec > reach:
        raise ConfigError(
            f"catalogue.merge.radius_arcsec = {given.radius_arcsec} with {len(catalogue.members)} surveys: "
            f"tiles know {MARGIN_ARCSEC:g} arcsec of their surroundings, which is enough up to {reach:.2f}"
        )
    return Rules(given.radius_arcsec, given.magnitude_difference, given.epoch)


def matching_order(catalogue: Catalogue) -> list[int]:
    """Places of the surveys in the list, in the order in which they are matched: links last."""
    members = catalogue.members
    return sorted(range(len(members)), key=lambda i: (members[i].role == "link", members[i].priority, i))


def _stars_near(paths: list[Path], tile: Tile, epoch: float) -> dict[str, np.ndarray]:
    """Stars of a survey that can matter to a tile, by identifier."""
    tables = [read_table(path, OBSERVED) for path in paths]
    stars = {name: np.concatenate([table[name] for table in tables]) for name in OBSERVED.names}
    place = (stars[name] for name in ("ra", "dec", "pmra_obs", "pmdec_obs"))
    lon, lat = galactic(*at_epoch(*place, epoch - stars["ref_epoch"]))
    l_min, l_max, b_min, b_max = tile.bounds
    # A degree of longitude is shorter than one of latitude; about a pole all longitudes are near.
    highest = max(abs(b_min), abs(b_max)) + MARGIN_DEG
    wide = MARGIN_DEG / np.cos(np.radians(highest)) if highest < 90.0 else 360.0
    near = (lon >= l_min - wide) & (lon <= l_max + wide)
    near &= (lat >= b_min - MARGIN_DEG) & (lat <= b_max + MARGIN_DEG)
    rows = np.flatnonzero(near)
    rows = rows[np.argsort(stars["source_id"][rows], kind="stable")]
    return {name: values[rows] for name, values in stars.items()}


def _in_tile(lon: np.ndarray, lat: np.ndarray, tiles: tuple[Tile, ...], tile: Tile) -> np.ndarray:
    return TileGrid.build(tiles).at(lon, lat) == tiles.index(tile)


def _refuse_repeated(folder: Path, names: tuple[str, ...], surveys: list[Survey]) -> None:
    """Identifiers name one detection in all surveys but the links, whose own are not kept."""
    ids = np.concatenate([survey.stars["source_id"] for survey in surveys if not survey.is_link])
    values, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        first = values[count > 1][0]
        holders = [names[s.bit] for s in surveys if first in s.stars["source_id"]]
        raise SchemaError(
            f"{folder}: identifier {first} stands twice, in {' and '.join(dict.fromkeys(holders))} (and "
            f"{np.count_nonzero(count > 1) - 1} more do); give the stars of each table identifiers of their "
            "own, or leave source_id out of the column map to have the rows numbered"
        )


def _counts(
    catalogue: Catalogue,
    surveys: list[Survey],
    merged: Merged,
    mine: np.ndarray,
    chosen: np.ndarray,
    magnitude: np.ndarray | None,
    tile: Tile,
) -> dict[str, Any]:
    """What came in and what became of it."""
    n_member = np.bincount(merged.members.row, minlength=len(mine))
    by_survey = {}
    for survey in surveys:
        rows = merged.members.row[merged.members.survey == survey.bit]
        rows = rows[mine[rows]]
        matched = int(np.count_nonzero(n_member[rows] > 1))
        count = {"in": len(rows), "matched": matched, "alone": len(rows) - matched}
        if survey.is_link:
            rest = {name: survey.stars[name][merged.unmatched[survey.bit]] for name in ("glon", "glat")}
            l_min, l_max, b_min, b_max = tile.bounds
            here = (rest["glon"] >= l_min) & (rest["glon"] < l_max)
            here &= (rest["glat"] >= b_min) & (rest["glat"] < b_max)
            count |= {"in": len(rows) + int(here.sum()), "dropped_without_match": int(here.sum())}
        by_survey[catalogue.surveys[survey.bit]] = count
    n_star = int(np.count_nonzero(mine))
    dark = 0 if magnitude is None else int(np.count_nonzero(np.isnan(magnitude) & mine))
    kept = int(np.count_nonzero(chosen))
    return {
        "surveys": by_survey,
        "merged": n_star,
        "kept": kept,
        "no_magnitude": dark,
        "outside_limits": n_star - kept - dark,
    }


def lost_stars(counts: Mapping[str, Any], selection: Selection | None) -> str:
    """Why no star is left, as a clause of a message."""
    if not counts["merged"]:
        return "the surveys have none in the footprint; see `footprint`, and the logs of the stage before"
    if selection is None:
        return f"the surveys have {counts['merged']}"
    limits = f"{selection.bright:g} < {selection.band} < {selection.faint:g}"
    return (
        f"of the surveys' {counts['merged']}, {counts['no_magnitude']} have no {selection.band} magnitude "
        f"and {counts['outside_limits']} lie outside {limits}; change catalogue.selection, or set it to null "
        "to keep every star"
    )


def _write(output: Path, merged: Merged, rows: np.ndarray, attributes: dict[str, str]) -> None:
    """The chosen stars by identifier, and their detections."""
    ids = merged.stars["source_id"]
    rows = rows[np.argsort(ids[rows], kind="stable")]
    members = merged.members
    belongs = np.flatnonzero(np.isin(members.row, rows))
    belongs = belongs[np.lexsort((members.survey[belongs], ids[members.row[belongs]]))]
    with create(output, OBSERVED.name, attributes) as file:
        write_columns(file, OBSERVED, {name: values[rows] for name, values in merged.stars.items()})
        write_columns(
            file,
            MEMBERS,
            {
                "source_id": ids[members.row[belongs]],
                "survey": members.survey[belongs],
                "member_id": members.source_id[belongs],
                "separation": members.separation[belongs],
                "member_true_id": members.true_id[belongs],
            },
        )
