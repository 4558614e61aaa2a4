"""Read a user's table, check it and cut it into the tiles of the run.

The table is read in batches of rows, which are put aside by tile on disc: what is in memory is one batch,
and then one tile.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue.angle_units import other_reading
from galcen.catalogue.motion import at_epoch, galactic
from galcen.catalogue.observed import OUTSIDE, TileGrid, cell_number, is_on_map
from galcen.catalogue.tiling import tiles_of
from galcen.config.catalogue import Catalogue
from galcen.config.survey_tables import SurveyTable
from galcen.errors import ConfigError, SchemaError
from galcen.io.claims import scratch_folder
from galcen.io.cuts import RowCuts
from galcen.io.hdf5 import write_table
from galcen.io.plausibility import MedianCheck
from galcen.io.row_buckets import RowBuckets
from galcen.io.schema import OBSERVED
from galcen.io.tables import BANDS, read_survey, refuse_repeated
from galcen.stages.inputs import read_inputs

log = logging.getLogger(__name__)

ID_STEP = 10**12
"""Tables without identifiers number their rows from this many times their place in the list."""

N_ID_BUCKET = 64
"""Identifiers are looked through for repetitions in this many parts."""

_RENAMED = {name: f"{name}_obs" for name in ("parallax", "pmra", "pmdec", "radial_velocity", "a_ks")}


def run(survey_name: str, folder: Path, options: dict[str, Any]) -> None:
    """Write `folder`/<tile>.h5 for every tile of the footprint; tiles without stars are empty tables.

    Nothing is written before the whole table is read and checked, and no tile appears before
    all of them are written.

    Parameters
    ----------
    survey_name
        Name of one of the tables in `options`.
    folder
        Where the tiles go.
    options
        Sections `catalogue`, `extinction`, `footprint` and `tiling` of the configuration.
    """
    sections = ("catalogue", "extinction", "footprint", "tiling")
    settings = config.parse(
        {name: options[name] for name in sections if name in options}, "options of ingest"
    )
    survey, place = _table_named(settings.catalogue, survey_name)
    tiles = tiles_of(settings.footprint.model_dump(), settings.tiling.model_dump())

    grid = TileGrid.build(tiles)
    counts = dict.fromkeys(("read", "outside_own_footprint", "outside_footprint", "no_measurement"), 0)
    with scratch_folder(folder) as scratch:
        buckets = RowBuckets(scratch / "rows", survey.path)
        plausible = MedianCheck(survey.path, survey.columns)
        cuts = RowCuts(survey.path, survey.cuts)
        for stars in read_survey(survey, place * ID_STEP + 1, cuts):
            tile_number = _place(survey, settings, stars, grid, counts)
            plausible.look_at(stars)
            buckets.add("tile", tile_number, stars)
            if "source_id" in survey.columns:
                buckets.add(
                    "id", stars["source_id"] % N_ID_BUCKET, {n: stars[n] for n in ("source_id", "row")}
                )
        plausible.judge()
        counts["read"] = cuts.n_row
        _report(survey, counts, cuts.left_out, len(tiles))
        for number in range(N_ID_BUCKET):
            some = buckets.read("id", number)
            if some is not None:
                refuse_repeated(survey, some["source_id"], some["row"])
        inputs = read_inputs("ingest", options, files={f"table of {survey_name}": Path(survey.path)})
        attributes = inputs.attributes(counts=json.dumps(counts | {"cuts": cuts.left_out}))
        made = scratch / "tiles"
        made.mkdir()
        for number, tile in enumerate(tiles):
            write_table(
                made / f"{tile.name}.h5",
                OBSERVED,
                _observed(survey, buckets.read("tile", number)),
                attributes | {"tile": tile.name},
            )
        folder.mkdir(exist_ok=True)
        for tile in tiles:
            (made / f"{tile.name}.h5").replace(folder / f"{tile.name}.h5")


def _place(
    survey: SurveyTable,
    settings: config.Config,
    stars: dict[str, np.ndarray],
    grid: TileGrid,
    counts: dict[str, int],
) -> np.ndarray:
    """Tile of each star of a batch, `OUTSIDE` for those left out, which are counted."""
    stars["ra"] = _wrapped(stars["ra"])
    stars["glon"], stars["glat"] = galactic(stars["ra"], stars["dec"])
    tile_number = _tiles(survey, settings, stars, grid)
    if (tile_number == OUTSIDE).all():
        advice = other_reading(stars["ra"], stars["dec"], settings.footprint.holds)
        if advice:
            raise SchemaError(f"{survey.path}: none of the stars lies in the footprint; {advice}")
    if survey.footprint is not None:
        outside = ~survey.footprint.holds(stars["glon"], stars["glat"])
        counts["outside_own_footprint"] += int(np.count_nonzero(outside))
        tile_number = np.where(outside, OUTSIDE, tile_number)
    counts["outside_footprint"] += int(np.count_nonzero(tile_number == OUTSIDE))
    if survey.role == "detections":
        dark = _without_measurement(survey, stars) & (tile_number != OUTSIDE)
        counts["no_measurement"] += int(np.count_nonzero(dark))
        tile_number = np.where(dark, OUTSIDE, tile_number)
    return tile_number


def _observed(survey: SurveyTable, stars: np.ndarray | None) -> dict[str, np.ndarray]:
    """The stars of one tile, by identifier, with all columns of the schema; what there is not is missing."""
    n_star = 0 if stars is None else len(stars)
    columns = {
        c.name: np.full(n_star, np.nan if c.dtype.startswith("f") else -1, dtype=c.dtype)
        for c in OBSERVED.columns
    }
    if stars is not None:
        order = np.argsort(stars["source_id"], kind="stable")
        for name in set(stars.dtype.names or ()) - {"row"}:
            base = name.removesuffix("_error")
            columns[_RENAMED.get(base, base) + name.removeprefix(base)] = stars[name][order]
    columns["surveys"] = np.ones(n_star, dtype=np.int32)
    return columns


def _table_named(catalogue: Catalogue, name: str) -> tuple[SurveyTable, int]:
    """A table of the configuration and its place in the list."""
    for place, survey in enumerate(catalogue.files):
        if survey.name == name:
            return survey, place
    known = ", ".join(survey.name for survey in catalogue.files) or "none"
    raise ConfigError(f"no survey {name} among catalogue.files; there are: {known}")


def _wrapped(ra: np.ndarray) -> np.ndarray:
    wrapped = ra % 360.0
    # The remainder of a tiny negative angle rounds to 360.
    return np.where(wrapped == 360.0, 0.0, wrapped)


def _tiles(
    survey: SurveyTable, settings: config.Config, stars: dict[str, np.ndarray], grid: TileGrid
) -> np.ndarray:
    """Number of the tile that holds each star at the common epoch; refuses a star of unknown extinction."""
    lon, lat = stars["glon"], stars["glat"]
    if "pmra" in stars:
        years = settings.catalogue.merge.epoch - stars["ref_epoch"]
        moved = at_epoch(stars["ra"], stars["dec"], stars["pmra"], stars["pmdec"], years)
        lon, lat = galactic(*moved)
    off = ~is_on_map(cell_number(lon, lat)) & ~_has_extinction(survey, settings, stars)
    if off.any():
        first = int(np.argmax(off))
        found = {name: stars[name][first] for name in ("row", "source_id", "ra", "dec", "glon", "glat")}
        advice = other_reading(stars["ra"], stars["dec"], settings.footprint.holds)
        raise SchemaError(
            f"{survey.path}: row {found['row']} (source_id {found['source_id']}) at ra = {found['ra']:.5f}, "
            f"dec = {found['dec']:.5f} deg, l = {found['glon']:.4f}, b = {found['glat']:.4f} deg, lies off "
            "the extinction map, which has -9.5 < l < 9.5, -10 < b < 4.5 deg "
            f"({np.count_nonzero(off)} such rows so far); "
            + (
                advice
                or "see that ra and dec are the columns meant, in deg; stars off the map need "
                "extinction.outside, the extinction there, or their own (a_ks in the column map)"
            )
        )
    return grid.at(lon, lat)


def _has_extinction(survey: SurveyTable, settings: config.Config, stars: dict[str, np.ndarray]) -> np.ndarray:
    """Whether the extinction of each star is known off the map too, or may come from another table."""
    others = any("a_ks" in table.columns for table in settings.catalogue.files if table is not survey)
    if settings.extinction.off_map is not None or ("a_ks" not in survey.columns and others):
        return np.ones(len(stars["ra"]), dtype=bool)
    return np.isfinite(stars["a_ks"]) if "a_ks" in stars else np.zeros(len(stars["ra"]), dtype=bool)


def _without_measurement(survey: SurveyTable, stars: dict[str, np.ndarray]) -> np.ndarray:
    """Whether a star has neither a magnitude, once mere limits are dropped, nor a parallax with its error."""
    present = [name for name in BANDS if name in stars]
    if survey.drop_without_error:
        for name in present:
            limit = np.isnan(stars[f"{name}_error"]) & ~np.isnan(stars[name])
            stars[name] = np.where(limit, np.nan, stars[name])
    dark = np.ones(len(stars["ra"]), dtype=bool)
    for name in (*present, "parallax_error"):
        if name in stars:
            dark &= np.isnan(stars[name])
    return dark


def _report(survey: SurveyTable, counts: dict[str, int], left_out: dict[str, int], n_tile: int) -> None:
    """Log what became of the rows; refuse a table of which nothing is left.

    Raises
    ------
    SchemaError
        No star is left of a table of detections, or inside the footprint of any table of its own.
    """
    n_cut = counts["read"] - sum(left_out.values())
    kept = n_cut - counts["outside_footprint"] - counts["no_measurement"]
    log.info(
        "%s: %d rows read, %d left by the cuts, %d outside the footprint, %d with neither magnitude nor "
        "parallax, "
        "%d kept in %d tiles",
        *(
            survey.path,
            counts["read"],
            n_cut,
            counts["outside_footprint"],
            counts["no_measurement"],
            kept,
            n_tile,
        ),
    )
    if kept:
        return
    if n_cut and counts["outside_own_footprint"] == n_cut:
        where = (
            f"of {n_cut} stars none lies inside the `footprint` of the table {survey.name}; see `footprint`"
        )
    else:
        where = (
            f"no star is left: of {n_cut} stars {counts['outside_footprint']} lie outside the footprint, "
            f"{counts['no_measurement']} have neither magnitude nor parallax; see `footprint` and the "
            "column map"
        )
        if survey.role == "link":
            log.warning("%s: %s; the table adds nothing to this run", survey.path, where)
            return
    raise SchemaError(f"{survey.path}: {where}")
