"""Columns of the product of `joint_plates`."""

from itertools import combinations

import numpy as np

from galcen.astrometry.joint_plates import JointSolution, PlateData
from galcen.astrometry.plate_polynomial import powers
from galcen.errors import SchemaError
from galcen.io.plates import Plates
from galcen.io.plates_schema import NAME_BYTES

AXES = ("x", "y", "pmx", "pmy")


def _names(names: tuple[str, ...]) -> np.ndarray:
    encoded = [name.encode() for name in names]
    longest = max(encoded, key=len)
    if len(longest) > NAME_BYTES:
        raise SchemaError(f"the name {longest.decode()} has more than {NAME_BYTES} bytes; shorten it")
    return np.array(encoded, dtype=f"S{NAME_BYTES}")


def star_table(
    plates: Plates, solution: JointSolution, star: np.ndarray, data: PlateData
) -> dict[str, np.ndarray]:
    """All stars of the plates; those left out have NaN."""
    n_star, n_par = len(plates.star_names), solution.unknowns.star.shape[1]

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.full(n_star, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
        out[star] = values
        return out

    empty = np.full(len(star), np.nan)
    error = np.sqrt(np.einsum("nii->ni", solution.covariance))
    columns: dict[str, np.ndarray] = {
        "name": _names(plates.star_names),
        "magnitude": median_magnitude(plates),
        "n_exposure": np.bincount(plates.star, minlength=n_star).astype(np.int32),
        "is_solved": spread(np.ones(len(star), dtype=np.int8)),
    }
    for place, name in enumerate(AXES):
        columns[name] = spread(solution.unknowns.star[:, place] if place < n_par else empty)
        columns[f"{name}_error"] = spread(error[:, place] if place < n_par else empty)
    for (a, first), (b, second) in combinations(enumerate(AXES), 2):
        known = b < n_par
        values = solution.covariance[:, a, b] / (error[:, a] * error[:, b]) if known else empty
        columns[f"{first}_{second}_corr"] = spread(values)
    columns["chi2"] = spread(np.bincount(data.star, solution.square, len(star)))
    columns["dof"] = spread(np.bincount(data.star, solution.redundancy.sum(axis=1), len(star)))
    columns["n_bad"] = spread(np.bincount(data.star, solution.is_bad, len(star)).astype(np.int32))
    return columns


def median_magnitude(plates: Plates) -> np.ndarray:
    """Median magnitude of each star [mag]; NaN where one is unknown."""
    order = np.lexsort((plates.magnitude, plates.star))
    _, first, count = np.unique(plates.star[order], return_index=True, return_counts=True)
    values = plates.magnitude[order]
    return (values[first + (count - 1) // 2] + values[first + count // 2]) / 2.0


def exposure_table(
    plates: Plates, solution: JointSolution, data: PlateData, error_factor: np.ndarray
) -> dict[str, np.ndarray]:
    """All exposures."""
    n_exp = len(plates.epoch)
    residual = np.empty(n_exp)
    for exposure in range(n_exp):
        low, high = np.percentile(solution.residual_sky[data.exposure == exposure], (15.865, 84.135))
        residual[exposure] = (high - low) / 2.0
    return {
        "name": _names(plates.exposure_names),
        "t": plates.epoch,
        "n_star": np.bincount(data.exposure, minlength=n_exp).astype(np.int32),
        "n_bad": np.bincount(data.exposure, solution.is_bad, n_exp).astype(np.int32),
        "error_factor": error_factor,
        "excess_noise": solution.excess_noise,
        "chi2": solution.chi2,
        "dof": solution.dof,
        "residual_68": residual,
    }


def term_table(solution: JointSolution, order: int) -> dict[str, np.ndarray]:
    """All coefficients of all plates."""
    n_exp, n_axis, k = solution.unknowns.plate.shape
    exposure, axis, term = np.indices((n_exp, n_axis, k), dtype=np.int32).reshape(3, -1)
    degree = np.array(powers(order), dtype=np.int8)[term]
    return {
        "exposure": exposure,
        "axis": axis.astype(np.int8),
        "degree_x": degree[:, 0],
        "degree_y": degree[:, 1],
        "value": solution.unknowns.plate.ravel(),
        "error": solution.plate_error.ravel(),
    }


def residual_table(plates: Plates, solution: JointSolution, row: np.ndarray) -> dict[str, np.ndarray]:
    """All observations of solved stars."""
    return {
        "star": plates.star[row].astype(np.int32),
        "exposure": plates.exposure[row].astype(np.int32),
        "x": plates.x[row],
        "y": plates.y[row],
        "dx": solution.residual[:, 0],
        "dy": solution.residual[:, 1],
        "sky_dx": solution.residual_sky[:, 0],
        "sky_dy": solution.residual_sky[:, 1],
        "redundancy_x": solution.redundancy[:, 0],
        "redundancy_y": solution.redundancy[:, 1],
        "z": solution.z,
        "weight": solution.weight,
    }
