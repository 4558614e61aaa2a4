"""The calibration of a solution of all orbits against the true camera; part of the stage compare."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from galcen.astrometry.camera_quality import Found, camera_columns, miss
from galcen.errors import SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import OrbitTruth, camera_of, open_injected, orbits_of, read_truth
from galcen.mapping.camera import Camera
from galcen.mapping.detector import ChipOffsets, affine, from_pixel
from galcen.mapping.distortion import Coefficients
from galcen.stages.calibration_terms import terms_of
from galcen.stages.iterative_problem import solved_camera

A, B, CHIP, DRIFT_A, DRIFT_B = range(5)
"""Column `parameter` of the table of the calibration."""

Columns = dict[str, np.ndarray]


class Calibrated(NamedTuple):
    """The calibration of a solution."""

    sized: SizedCamera
    """The nominal camera."""
    solved: Camera
    """The same with the distortion that was solved for."""
    units: Columns
    """Table `ITERATIVE_UNITS`."""
    values: Columns
    """Table `ITERATIVE_CALIBRATION`."""
    residuals: Columns
    """Table `ITERATIVE_MAP`."""

    def of_orbit(self, row: int) -> Found:
        """Distortion in the middle of an orbit, a row of `units`, and chips."""
        unit = self.values["unit"] == self.units["unit"][row]
        n_term = self.solved.optics.distortion.n_term
        a, b, drift_a, drift_b = (
            self._sorted(unit & (self.values["parameter"] == which), n_term)
            for which in (A, B, DRIFT_A, DRIFT_B)
        )
        begin, end, t = (self.units[name][row] for name in ("t_begin", "t_end", "t"))
        place = (2.0 * t - begin - end) / (end - begin) if end > begin else 0.0
        n_chip = self.sized.camera.n_chip
        n_own = len(ChipOffsets._fields)
        chips = self.values["parameter"] == CHIP
        # The camera that is compared is that of a source of the mean colour, where nothing shifts.
        own = self._sorted(chips & (self.values["element"] < n_own), n_chip * n_own)
        return Found(
            Coefficients(a + place * drift_a, b + place * drift_b), ChipOffsets(*own.reshape(n_chip, -1).T)
        )

    def _sorted(self, rows: np.ndarray, n_value: int) -> np.ndarray:
        """Some of the values, by number and element; 0 if there are none of the kind."""
        found = {name: self.values[name][rows] for name in ("number", "element", "value")}
        if not len(found["value"]):
            return np.zeros(n_value)
        if len(found["value"]) != n_value:
            raise SchemaError(
                f"the calibration has {len(found['value'])} values where its camera has {n_value}; solve "
                "again"
            )
        return found["value"][np.lexsort((found["element"], found["number"]))]


def read_calibrated(
    attributes: dict[str, str], tables: dict[str, Columns], where: str, modules: Sequence[str]
) -> Calibrated:
    """The calibration of a solution, out of the attributes and tables of its file.

    `modules` are those whose functions may be terms of the distortion, see `calibration_terms`.
    """
    sized = SizedCamera.from_json(attributes.get("camera", ""), where)
    terms = terms_of(json.loads(attributes["extra_terms"]), modules)
    solved = solved_camera(sized.camera, int(attributes["distortion_order"]), terms)
    names = ("iterative_units", "iterative_calibration", "iterative_map")
    return Calibrated(sized, solved, *(tables[name] for name in names))


def compare_cameras(found: Calibrated, injected: Sequence[Path], where: str) -> tuple[Columns, Columns]:
    """Every orbit's camera against the truth.

    Parameters
    ----------
    found
        The calibration.
    injected
        Files of the truth of all orbits.
    where
        Begins the message of an error.

    Returns
    -------
    Columns of `COMPARED_CAMERA`, and `QUALITY_CAMERA` of the orbit with the most measurements.

    Raises
    ------
    SchemaError
        A file is missing or damaged, or has not all orbits.
    """
    homes = _homes(injected)
    rows, pictured = [], int(np.argmax(found.units["n_obs"]))
    known: dict[bytes, tuple[float, float]] = {}
    picture: Columns = {}
    for row, orbit in enumerate(found.units["orbit"].tolist()):
        if orbit not in homes:
            raise SchemaError(f"{where}: no file of the truth has orbit {orbit}; give those of all blocks")
        with open_injected(homes[orbit]) as file:
            camera, truth = camera_of(file).camera, read_truth(file, orbit)
        calibration = found.of_orbit(row)
        true = Found(Coefficients(truth.a, truth.b), _chips(truth))
        # Most orbits have the camera of the one before.
        name = b"".join(np.ascontiguousarray(v).tobytes() for part in (*calibration, *true) for v in part)
        if name not in known or row == pictured:
            columns = camera_columns(camera, found.residuals, (found.solved, calibration), (camera, true))
            known[name] = miss(columns)
            picture = columns if row == pictured else picture
        rows.append(known[name])
    camera_um, chip_um = np.array(rows).T
    table = {name: found.units[name] for name in ("orbit", "unit")}
    return table | {"camera_um": camera_um, "chip_um": chip_um}, picture


def residuals_on_focal_plane(found: Calibrated) -> Columns:
    """Columns of `COMPARED_RESIDUALS`: means along the axes of the focal plane."""
    bins = found.residuals
    chip = affine(
        type(found.sized.camera.chips)(*(np.asarray(c)[bins["chip"]] for c in found.sized.camera.chips))
    )
    x, y = (np.asarray(v) for v in from_pixel(chip, bins["nx"], bins["ny"]))
    moved = (np.asarray(v) for v in from_pixel(chip, bins["nx"] + bins["dx"], bins["ny"] + bins["dy"]))
    shift = dict(
        zip(("dx", "dy"), (there - here for there, here in zip(moved, (x, y), strict=True)), strict=True)
    )
    return {"x": x, "y": y, **shift, "n_obs": bins["n_obs"]}


def _homes(injected: Sequence[Path]) -> dict[int, Path]:
    """The file of each orbit."""
    homes: dict[int, Path] = {}
    for path in injected:
        with open_injected(path) as file:
            homes |= dict.fromkeys(orbits_of(file), path)
    return homes


def _chips(truth: OrbitTruth) -> ChipOffsets:
    return ChipOffsets(*(truth.chips[name] for name in ChipOffsets._fields))
