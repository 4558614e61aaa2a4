"""Solve plates together: positions and proper motions of stars, a polynomial for every exposure."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from galcen.astrometry import plate_start
from galcen.astrometry.joint_plates import JointSolution, PlateData, SolverOptions, solvable, solve
from galcen.astrometry.plate_frame import Frame
from galcen.astrometry.plate_matching import MatchOptions, StarList, match
from galcen.astrometry.plate_polynomial import n_terms
from galcen.config.joint_plates import JointPlates, Label, parse
from galcen.errors import ConfigError, SchemaError
from galcen.io.challenge_plates import is_challenge, read_challenge
from galcen.io.hdf5 import create, write_array, write_columns
from galcen.io.plates import Plates, Rows, assemble, read_tables
from galcen.io.plates_schema import EXPOSURES, PRODUCT, RESIDUALS, STARS, TERMS
from galcen.io.provenance import input_hashes, provenance
from galcen.io.star_lists import is_numbered, read_columns, read_star_lists
from galcen.stages.joint_plates_tables import exposure_table, residual_table, star_table, term_table

log = logging.getLogger(__name__)


class Solved(NamedTuple):
    """A solution, and which of the plates' stars and rows it is of."""

    solution: JointSolution
    frame: Frame
    data: PlateData  # of the solved stars, numbered among themselves
    star: np.ndarray  # places of the solved stars in the plates
    row: np.ndarray  # places of their rows


def run(files: Sequence[Path], output: Path, options: dict[str, Any]) -> None:
    """Read plates, solve them and write the solution.

    Parameters
    ----------
    files
        Star lists, tables, or the two tables of the challenge.
    output
        Tables `stars`, `exposures`, `terms`, `residuals`.
    options
        See `galcen.config.joint_plates.JointPlates`.
    """
    settings = parse(options)
    plates = read(files, settings)
    log.info(
        "%d observations of %d stars on %d exposures, %.2f to %.2f",
        *(len(plates.star), len(plates.star_names), len(plates.epoch)),
        *(plates.epoch.min(), plates.epoch.max()),
    )
    solved = solve_plates(plates, settings)
    label = [Path(settings.label.path)] if settings.label else []
    attributes = provenance("joint_plates", settings.model_dump(mode="json"), input_hashes(*files, *label))
    summary = summarise(plates, solved)
    attributes |= {
        "summary": json.dumps(summary),
        "unit": plates.unit,
        "t0": repr(solved.frame.t0),
        "basis_centre_mas": json.dumps(solved.frame.centre.tolist()),
        "basis_half_size_mas": repr(solved.frame.half_size),
    }
    with create(output, PRODUCT, attributes) as file:
        write_columns(file, STARS, star_table(plates, solved.solution, solved.star, solved.data))
        write_columns(file, EXPOSURES, exposure_table(plates, solved.solution, solved.data))
        write_columns(file, TERMS, term_table(solved.solution, settings.order))
        write_columns(file, RESIDUALS, residual_table(plates, solved.solution, solved.row))
        if settings.full_covariance:
            # Rows and columns: the solved stars in order, each with its 2 or 4 parameters.
            write_array(file, "covariance", solved.solution.joint_covariance())
    log.info("%s", json.dumps(summary))


def read(files: Sequence[Path], settings: JointPlates) -> Plates:
    """Plates of any form; stars of star lists are matched."""
    form = settings.format
    if form == "auto":
        lists = [path.name.endswith(".lis") for path in files]
        form = "lists" if all(lists) else "challenge" if all(map(is_challenge, files)) else "tables"
        if any(lists) and form != "lists":
            raise SchemaError(f"{files[lists.index(False)]}: no star list (.lis) as the others are")
    if form == "lists":
        parts = read_star_lists(files)
        return assemble(_common(parts)) if settings.matching.common_only else _matched(parts, settings)
    if form == "challenge":
        if len(files) != 2:
            raise SchemaError(f"{files[0]}: the challenge has two files, found {len(files)}")
        source, pointing = sorted(files, key=lambda path: "pointing" in path.name)
        return read_challenge(source, pointing, settings.sigma or 1.0).plates
    return read_tables(files, settings.columns, settings.sigma, settings.table_format)


def _common(parts: list[Rows]) -> list[Rows]:
    """Star lists without the stars whose names are mere numbers."""
    out = []
    for part in parts:
        kept = ~is_numbered(part.star)
        columns = {name: values[kept] for name, values in part.columns.items()}
        out.append(Rows(part.path, part.row[kept], part.star[kept], part.exposure[kept], columns, part.unit))
    return out


def _matched(parts: list[Rows], settings: JointPlates) -> Plates:
    """Star lists whose numbered stars are named by the first list that shows them."""
    common = {name for part in parts for name in part.star[~is_numbered(part.star)].tolist()}
    number = {name: place for place, name in enumerate(sorted(common))}
    lists = [
        StarList(
            np.column_stack([part.columns["x"], part.columns["y"]]),
            part.columns["magnitude"],
            np.array([number.get(name, -1) for name in part.star.tolist()]),
            float(part.columns["t"][0]),
        )
        for part in parts
    ]
    names = [str(part.exposure[0]) for part in parts]
    most = int(np.argmax([len(part.star) for part in parts]))
    reference = most if settings.reference is None else _named(names, settings.reference)
    wanted = settings.matching
    ids = match(lists, reference, names, MatchOptions(wanted.radius, wanted.magnitude, wanted.order))
    called: dict[int, str] = {}
    for part, name, of_row in zip(parts, names, ids, strict=True):
        for star, own in zip(of_row.tolist(), part.star.tolist(), strict=True):
            if own in number:
                called[star] = own
            called.setdefault(star, f"{name}:{own}")
    renamed = [
        part._replace(star=np.array([called[star] for star in of_row.tolist()]))
        for part, of_row in zip(parts, ids, strict=True)
    ]
    return assemble(renamed)


def _named(names: Sequence[str], wanted: str) -> int:
    if wanted not in names:
        raise ConfigError(f"reference: no exposure {wanted}; there are {', '.join(names[:20])}")
    return list(names).index(wanted)


def solve_plates(plates: Plates, settings: JointPlates) -> Solved:
    """Choose what can be solved, align, solve."""
    span = float(np.ptp(plates.epoch))
    has_motion = settings.motion == "on" or (settings.motion == "auto" and span >= settings.min_span)
    position = np.column_stack([plates.x, plates.y])
    sigma = np.column_stack([plates.sigma_x, plates.sigma_y])
    whole = PlateData(plates.star, plates.exposure, position, sigma, plates.epoch)
    n_star = len(plates.star_names)
    kept = solvable(whole, n_star, settings.min_exposures, settings.min_span if has_motion else 0.0)
    row, star = np.flatnonzero(kept[plates.star]), np.flatnonzero(kept)
    own = np.cumsum(kept) - 1
    data = PlateData(own[plates.star[row]], plates.exposure[row], position[row], sigma[row], plates.epoch)
    _check_exposures(plates, data, settings)
    t0 = settings.epoch or float(plates.epoch[data.exposure].mean())
    count = np.bincount(data.exposure)
    best = int(np.argmax(count))
    at = best if settings.reference is None else _named(plates.exposure_names, settings.reference)
    nominal = plate_start.NominalPlate(at, settings.scale, -1.0 if settings.flip_x else 1.0)
    alignment = plate_start.align(data, len(star), nominal, plates.exposure_names)
    if settings.label is not None:
        label = _label(settings.label, settings.order, [plates.star_names[place] for place in star])
        frame, start = plate_start.on_label(data, alignment, label, t0, has_motion, settings.order)
    else:
        often = np.flatnonzero(np.bincount(data.star) >= settings.frame_fraction * len(plates.epoch))
        if has_motion and len(often) < 2 * n_terms(settings.order):
            raise ConfigError(
                f"frame_fraction: {len(often)} stars are on {settings.frame_fraction:g} of the exposures or "
                f"more, expected {2 * n_terms(settings.order)} to hold the motions; make it smaller"
            )
        held = often if has_motion else None
        frame, start = plate_start.on_reference(data, alignment, nominal, t0, held, settings.order)
    method = SolverOptions(
        settings.order, settings.robust, settings.excess_noise, settings.tolerance, settings.max_outer
    )
    return Solved(solve(data, start, frame, method), frame, data, star, row)


def _check_exposures(plates: Plates, data: PlateData, settings: JointPlates) -> None:
    """Every exposure needs more stars that can be solved than its polynomial has terms."""
    count = np.bincount(data.exposure, minlength=len(plates.epoch))
    needed = n_terms(settings.order) + 1
    if count.min() < needed:
        least = int(np.argmin(count))
        raise SchemaError(
            f"exposure {plates.exposure_names[least]} shows {count[least]} stars that are on "
            f"{settings.min_exposures} exposures or more, expected {needed} for a polynomial of order "
            f"{settings.order}; lower `order` or `min_exposures`, or leave the exposure out"
        )


def _label(label: Label, order: int, names: Sequence[str]) -> plate_start.LabelCatalogue:
    """Stars of the label that are solved and have a motion there."""
    columns = label.columns
    if columns["name"] != "name":
        raise ConfigError("label.columns: the column of names must be called name")
    found = read_columns(Path(label.path), list(columns.values()))
    known = {name: place for place, name in enumerate(found["name"].tolist())}
    if len(known) < len(found["name"]):
        raise SchemaError(f"{label.path}: a name stands twice; expected each star once")
    used = [(star, known[name]) for star, name in enumerate(names) if name in known]
    used = [(star, place) for star, place in used if found[columns["pm_error"]][place] > 0]
    if len(used) < 2 * n_terms(order):
        raise SchemaError(
            f"{label.path}: {len(used)} of its stars are solved and have a motion, expected "
            f"{2 * n_terms(order)} to hold the frame; are the names those of the lists?"
        )
    star, place = np.array(used).T
    x, y, pmx, pmy, t = (found[columns[name]][place] for name in ("x", "y", "pmx", "pmy", "t"))
    return plate_start.LabelCatalogue(
        star, label.unit_mas * np.column_stack([x, y]), np.column_stack([pmx, pmy]), t
    )


def summarise(plates: Plates, solved: Solved) -> dict[str, Any]:
    """Numbers that tell how good a solution is."""
    solution = solved.solution
    sky = solution.residual_sky
    low, high = np.percentile(sky, (15.865, 84.135))
    spectrum = solution.spectrum
    return {
        "n_star": len(solved.star),
        "n_star_left_out": len(plates.star_names) - len(solved.star),
        "n_observation": len(solved.row),
        "n_bad": int(np.count_nonzero(solution.is_bad)),
        "has_motion": solution.unknowns.star.shape[1] == 4,
        "residual_68_mas": float(high - low) / 2.0,
        "residual_rms_mas": float(np.sqrt((sky**2).mean())),
        "chi2": float(solution.chi2.sum()),
        "dof": float(solution.dof.sum()),
        "n_outer": solution.n_outer,
        "n_unknown": solution.unknowns.star.size + spectrum.n_plate,
        "rank": solution.unknowns.star.size + spectrum.rank,
        "n_constraint": spectrum.n_constraint,
        "strongest_fixed": spectrum.strongest_fixed,
        "weakest_kept": spectrum.weakest_kept,
    }
