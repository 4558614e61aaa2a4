"""The report of a run: figures and tables of its truth catalogue."""

import csv
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from galcen import config
from galcen.catalogue import posterior as kernel
from galcen.catalogue.flags import Flag
from galcen.catalogue.tiling import CELL_DEG, tiles_of
from galcen.config.inference import Posterior
from galcen.errors import ConfigError
from galcen.galaxy.components import COMPONENTS
from galcen.galaxy.model import Galaxy, colour_excess, sightlines
from galcen.io.hdf5 import open_product, read_columns, read_table
from galcen.io.schema import CALIBRATION, MERGE_QUALITY, TRUTH
from galcen.io.text import write_text
from galcen.report import calibration as calibration_report
from galcen.report import merge_quality, page, posterior, sky, stars
from galcen.report.style import png
from galcen.stages.calibrate import sample_of
from galcen.stages.galaxy_model import load_galaxy
from galcen.stages.inputs import read_inputs
from galcen.stages.posterior import kernel_options, stars_of
from galcen.stages.report_astrometry import plan_sections, quality_sections
from galcen.stages.report_solution import comparison_sections

N_EXAMPLE = 6

log = logging.getLogger(__name__)


class Astrometry(NamedTuple):
    """Products of the mock survey that a run has."""

    plan: Path | None = None
    plate_quality: Path | None = None
    comparison: Path | None = None


def run(
    output: Path,
    options: dict[str, Any],
    model: Path | None = None,
    truth: Path | None = None,
    merge: Path | None = None,
    calibration: Path | None = None,
    astrometry: Astrometry | None = None,
) -> None:
    """Read the truth catalogue, where there is one, and what there is beside it, and write the page.

    Parameters
    ----------
    output
        The page.
    options
        Sections of the configuration.
    model, truth
        The Galaxy model, and the truth catalogue; a run that surveys the stars of a table has neither.
    merge, calibration
        What judges merge and posterior.
    astrometry
        Products of the mock survey.

    Raises
    ------
    ConfigError
        There is a model without truth catalogue, or the other way round.
    """
    options = config.filled(
        options,
        ("run", "seed", "footprint", "tiling", "catalogue", "posterior", "extinction", "survey_sources"),
        "options of report-page",
    )
    if (model is None) != (truth is None):
        raise ConfigError("--model and --truth belong together; give both of them, or neither")
    others = (model, truth, merge, calibration, *(astrometry or ()))
    read_inputs("report_page", options, [path for path in others if path is not None])
    if model is None or truth is None:
        subject, sections = "survey", [_sources(options)]
    else:
        subject, sections = "truth catalogue", _catalogue(model, truth, options)
    if merge is not None:
        sections += _merge(merge)
    if calibration is not None:
        sections += calibration_report.sections(sample_of(read_table(calibration, CALIBRATION)))
    if astrometry is not None:
        sections += plan_sections(astrometry.plan) if astrometry.plan else []
        sections += quality_sections(astrometry.plate_quality) if astrometry.plate_quality else []
        sections += comparison_sections(astrometry.comparison) if astrometry.comparison else []
    sections.append(_timings(output.parent / "benchmarks"))
    sections.append(f"<h2>Configuration</h2><pre>{json.dumps(options, indent=1)}</pre>")
    write_text(output, page.page(f"galcen: {subject} of run {options['run']}", sections))
    log.info("wrote %s", output)


def _catalogue(model: Path, truth: Path, options: dict[str, Any]) -> list[str]:
    """The truth catalogue in numbers and figures."""
    with open_product(truth, TRUTH.name) as file:
        columns = read_columns(file, TRUTH)
        commit = str(file.attrs["git_commit"]) or f"unknown; sources {file.attrs['source']}"
    sections = [_summary(columns, options, commit)]
    if len(columns["comp"]):
        sections += _figures(load_galaxy(model), columns, options)
    return sections


def _sources(options: dict[str, Any]) -> str:
    """What stands for the truth catalogue: the table whose stars the survey observes."""
    table = options.get("survey_sources", {}).get("table") or {}
    rows = [["stars of the survey", str(table.get("path", "unknown"))], ["seed", str(options["seed"])]]
    return page.table("Summary", ["", ""], rows, "The stars are a table's: no truth catalogue was drawn.")


def _summary(columns: dict[str, np.ndarray], options: dict[str, Any], commit: str) -> str:
    n_star = len(columns["comp"])
    flagged = [[f.name or "", f"{int(np.count_nonzero(columns['flags'] & f)):,}"] for f in Flag]
    rows = [
        ["stars", f"{n_star:,}"],
        ["seed", str(options["seed"])],
        ["source", options["catalogue"]["source"]],
        ["commit", commit],
        *flagged,
    ]
    return page.table("Summary", ["", ""], rows, "Names in capitals count the stars with that flag.")


def _figures(galaxy: Galaxy, columns: dict[str, np.ndarray], options: dict[str, Any]) -> list[str]:
    tiles = tiles_of(options["footprint"], options["tiling"])
    bounds = np.array([t.bounds for t in tiles])
    field = (bounds[:, 0].min(), bounds[:, 1].max(), bounds[:, 2].min(), bounds[:, 3].max())
    maps = sky.maps(columns["glon"], columns["glat"], _excess(galaxy, field), field)
    known = bool((columns["true_comp"] >= 0).any())
    return [
        page.figure(
            "The field",
            png(maps),
            "Stars of the catalogue and the reddening of the bulge (off its map, of the line of sight), "
            "by cell.",
        ),
        page.figure(
            "Classes", png(stars.classes(columns)), "Components of the drawn stars; bars show Poisson errors."
        ),
        page.figure(
            "Posterior of chosen stars",
            png(posterior.examples(_examples(galaxy, columns, options))),
            "P(D) of stars spread over colour, from the bluest to the reddest, by component.",
        ),
        page.figure(
            "Colours and magnitudes",
            png(stars.colour_magnitude(columns)),
            "Left as observed, right the model stars drawn at the drawn distance.",
        ),
        page.figure(
            "Distances and proper motions",
            png(stars.distances_and_motions(columns)),
            "Lines: drawn values by drawn class." + (" Filled: true values by true class." if known else ""),
        ),
        _distances(columns),
    ]


def _excess(galaxy: Galaxy, field: tuple[float, float, float, float]) -> np.ndarray:
    """E(J-Ks) [mag] of the cells between two longitudes and two latitudes [deg]."""
    lon, lat = (
        low + CELL_DEG * (np.arange(round((high - low) / CELL_DEG)) + 0.5)
        for low, high in (field[:2], field[2:])
    )
    centres = np.meshgrid(lon, lat, indexing="ij")
    return colour_excess(galaxy, *(angle.ravel() for angle in centres)).reshape(len(lon), len(lat))


def _merge(path: Path) -> list[str]:
    """How well the surveys of a simulated sky were put together."""
    with open_product(path, MERGE_QUALITY.name) as file:
        bins = read_columns(file, MERGE_QUALITY)
        band, faint = str(file.attrs["band"]), float(str(file.attrs["mag_faint"]))
    note = (
        "Against the stars that were drawn; thin lines are the tiles. A false match puts detections of "
        "different stars together; a duplicate is a star that is in the catalogue again."
    )
    return [
        page.figure("The merge of the surveys", png(merge_quality.by_magnitude(bins, band, faint)), note),
        page.table("The merge in numbers", *merge_quality.table(bins, band)),
    ]


def _examples(
    galaxy: Galaxy, columns: dict[str, np.ndarray], options: dict[str, Any]
) -> list[posterior.Example]:
    """Posterior curves of stars from the bluest to the reddest."""
    colour = columns["mj"] - columns["mks"]
    candidates = np.flatnonzero(np.isfinite(colour))
    if not len(candidates):
        candidates = np.arange(len(colour))
    ordered = candidates[np.argsort(colour[candidates], kind="stable")]
    chosen = ordered[(np.linspace(0.01, 0.99, N_EXAMPLE) * (len(ordered) - 1)).astype(int)]
    evaluator = kernel.Evaluator(galaxy, kernel_options(Posterior.model_validate(options["posterior"])))
    examples = []
    for row in chosen:
        one = {name: np.repeat(values[row : row + 1], kernel.BATCH) for name, values in columns.items()}
        data, _ = kernel.clean(stars_of(one), evaluator.options)
        line = sightlines(galaxy, one["glon"], one["glat"], stars_of(one).a_ks)
        curves = evaluator.curves(data, line, int(evaluator.classes(line, data)[0]))
        title = (
            f"J-Ks = {colour[row]:.2f}, Ks = {columns['mks'][row]:.2f}, "
            f"l = {columns['glon'][row]:.3f}, b = {columns['glat'][row]:.3f}"
        )
        examples.append(
            posterior.Example(title, curves.dist[0], curves.density[:, 0], float(columns["true_dist"][row]))
        )
    return examples


def _distances(columns: dict[str, np.ndarray]) -> str:
    rows = []
    for i, name in enumerate(COMPONENTS):
        mine = columns["comp"] == i
        if mine.any():
            dist, pml = columns["dist"][mine], columns["pml"][mine]
            rows.append(
                [
                    name,
                    f"{mine.sum():,}",
                    *(f"{q:,.0f}" for q in np.percentile(dist, [16, 50, 84])),
                    f"{np.median(pml):.2f}",
                    f"{np.median(columns['mass_ini'][mine]):.2f}",
                ]
            )
    head = [
        "component",
        "stars",
        "D 16 % [pc]",
        "D 50 %",
        "D 84 %",
        "median mu_l* [mas/yr]",
        "median mass [Msun]",
    ]
    return page.table("Distances by class", head, rows)


def _timings(folder: Path) -> str:
    """Time and memory of each rule from Snakemake's benchmark files."""
    rules: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).with_suffix("").parts
        rule = parts[1] if parts[0] in ("catalogue", "survey", "astrometry") else parts[0]
        with path.open() as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                memory = float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else float("nan")
                rules.setdefault(rule, []).append((float(row["s"]), memory))
    rows = [
        [
            rule,
            str(len(jobs)),
            f"{np.sum([s for s, _ in jobs]):.1f}",
            f"{np.max([s for s, _ in jobs]):.1f}",
            f"{np.nanmax([m for _, m in jobs]):.0f}" if np.isfinite([m for _, m in jobs]).any() else "-",
        ]
        for rule, jobs in rules.items()
    ]
    return page.table(
        "Time and memory", ["rule", "jobs", "seconds, all", "seconds, longest", "memory, MB"], rows
    )
