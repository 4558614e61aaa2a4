"""Observations drawn at random, and the reference's parameters, for the tests of the observation model."""

import csv
from collections import defaultdict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from galcen.mapping.detector import Chip, ChipOffsets, affine, moved
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source, focal_plane, nominal_plane, pixel
from galcen.mapping.frames import Attitude, telescope_axes
from galcen.mapping.linearisation import Calibration, Exposure
from galcen.mapping.source_motion import Observer, Offsets, triad
from galcen.mapping.vector import Vector
from reference import reference_file

UAS = np.pi / 180 / 3600e6
"""[rad]."""

FOCAL_LENGTH_UM = 4.3704e6


class Case(NamedTuple):
    """Arguments of `linearised` after the optics; each observation with an exposure of its own."""

    offsets: Offsets
    source: Source
    exposure: Exposure
    attitude: Attitude
    focal_length: FocalLength
    calibration: Calibration


def predicted(optics: Optics, case: Case) -> jax.Array:
    """Pixel coordinates by the whole chain, (2, n_obs)."""
    plane = nominal_plane(case.offsets, case.source, *case.exposure)
    ideal = focal_plane(optics.projection, *plane, case.attitude, case.focal_length)
    chip = affine(moved(case.calibration.chip, case.calibration.chip_offsets))
    return jnp.stack(pixel(optics.distortion, ideal, case.calibration.distortion, chip))


def drawn(optics: Optics, n_obs: int = 40, seed: int = 1, size_um: float = 3.0) -> Case:
    """Observations in a field of 0.3 deg about the Galactic centre, all effects and all unknowns in.

    `size_um` is the standard deviation of the coefficients; those of SIP give 2 um at 20 mm.
    """
    rng = np.random.default_rng(seed)

    def normal(sigma: float, *shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(0.0, sigma, (*shape, n_obs)))

    def unit() -> Vector:
        vector = rng.normal(size=(3, n_obs))
        # Light bending close to the Sun is a pole of the formula.
        vector[0] = np.abs(vector[0])
        return Vector(*map(jnp.asarray, vector / np.linalg.norm(vector, axis=0)))

    at = triad(*(jnp.deg2rad(c + jnp.asarray(rng.uniform(-0.3, 0.3, n_obs))) for c in (266.1, -29.1)))
    observer = Observer(
        normal(2.0), Vector(*normal(0.6, 3)), Vector(*normal(6e-5, 3)), unit(), 1 + normal(0.01)
    )
    axes = telescope_axes(*(jnp.deg2rad(c + normal(s)) for c, s in ((266.1, 0.01), (-29.1, 0.01), (0, 90.0))))
    chips = Chip(*normal(1.0, 1), *normal(1e4, 2), 10 + normal(0.1), 10 + normal(0.1))
    n_term = optics.distortion.n_term
    terms = np.stack([rng.normal(0.0, size_um, n_term) for _ in range(2)])
    if optics.distortion.kind == "sip":
        terms = terms / 2.0 ** np.array(
            [n for n in range(2, optics.distortion.order + 1) for _ in range(n + 1)]
        )
    return Case(
        Offsets(*normal(300.0, 2), normal(20.0), *normal(500.0, 2)),
        Source(at, normal(50.0)),
        Exposure(observer, axes),
        Attitude(*normal(1000.0, 3)),
        FocalLength(jnp.asarray(FOCAL_LENGTH_UM), *normal(100.0, 2)),
        Calibration(Coefficients(*map(jnp.asarray, terms)), chips, ChipOffsets(*normal(100.0, 5))),
    )


def parameters() -> dict[str, dict[str, np.ndarray]]:
    """Reference parameters: case, name, values in the order of their index."""
    found = defaultdict(lambda: defaultdict(list))
    for row in table("mapping_params.csv"):
        assert int(row["index"]) == len(found[row["case"]][row["name"]])
        found[row["case"]][row["name"]].append(float(row["value"]))
    return {case: {name: np.array(v) for name, v in names.items()} for case, names in found.items()}


def table(name: str) -> list[dict[str, str]]:
    """Rows of a reference table."""
    with reference_file(f"reference/{name}").open() as file:
        return list(csv.DictReader(file))
