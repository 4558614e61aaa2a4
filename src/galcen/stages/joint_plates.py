"""Solve plates together: positions and proper motions of stars, a polynomial for every exposure."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from galcen.config.joint_plates import parse
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, write_array, write_columns
from galcen.io.plates import Plates
from galcen.io.plates_schema import EXPOSURES, PRODUCT, RESIDUALS, STARS, TERMS
from galcen.stages.inputs import read_inputs
from galcen.stages.joint_plates_input import read
from galcen.stages.joint_plates_solution import Solved, solve_plates
from galcen.stages.joint_plates_tables import exposure_table, residual_table, star_table, term_table

log = logging.getLogger(__name__)


@claiming("output")
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
    given = {f"plate file {number}": path for number, path in enumerate(files)}
    given |= {"label table": Path(settings.label.path)} if settings.label else {}
    summary = summarise(plates, solved)
    attributes = read_inputs("joint_plates", settings.model_dump(mode="json"), files=given).attributes()
    attributes |= {
        "summary": json.dumps(summary),
        "unit": plates.unit,
        "t0": repr(solved.frame.t0),
        "basis_centre_mas": json.dumps(solved.frame.centre.tolist()),
        "basis_half_size_mas": repr(solved.frame.half_size),
    }
    if solved.label is not None and solved.label.table.tangent is not None:
        attributes["tangent_point_deg"] = json.dumps(solved.label.table.tangent)
    with create(output, PRODUCT, attributes) as file:
        write_columns(file, STARS, star_table(plates, solved.solution, solved.star, solved.data))
        write_columns(
            file, EXPOSURES, exposure_table(plates, solved.solution, solved.data, solved.error_factor)
        )
        write_columns(file, TERMS, term_table(solved.solution, settings.order))
        write_columns(file, RESIDUALS, residual_table(plates, solved.solution, solved.row))
        if settings.full_covariance:
            # Rows and columns: the solved stars in order, each with its 2 or 4 parameters.
            write_array(file, "covariance", solved.solution.joint_covariance())
    log.info("%s", json.dumps(summary))


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
        "error_factor": [float(solved.error_factor.min()), float(solved.error_factor.max())],
        "n_label": 0 if solved.label is None else len(solved.label.row),
        "n_outer": solution.n_outer,
        "n_unknown": solution.unknowns.star.size + spectrum.n_plate,
        "rank": solution.unknowns.star.size + spectrum.rank,
        "n_constraint": spectrum.n_constraint,
        "strongest_fixed": spectrum.strongest_fixed,
        "weakest_kept": spectrum.weakest_kept,
    }
