"""Map directions to pixels, or pixels to directions, for stated parameters: to check conventions with."""

import logging
from functools import partial
from itertools import compress
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galcen.errors import ConvergenceError, SchemaError
from galcen.io.projection_files import (
    PIXEL,
    SKY,
    CaseParameters,
    Directions,
    read_directions,
    read_parameters,
    write_mapped,
)
from galcen.mapping.detector import Affine, Chip, affine, from_pixel, to_pixel
from galcen.mapping.distortion import (
    Coefficients,
    Direction,
    Distortion,
    Plane,
    determinant,
    distorted,
    folded,
    undistorted,
)
from galcen.mapping.forward import Optics
from galcen.mapping.frames import Axes, along, telescope_axes
from galcen.mapping.projection import from_equidistant, gnomonic, to_direction, to_equidistant
from galcen.mapping.vector import direction, sky_angles

PLANE = ("p_um", "q_um", "x_um", "y_um")

TOLERANCE_PIXEL = 1e-10
"""Of the way back through the distortion."""

log = logging.getLogger(__name__)


def run(
    params: Path,
    sources: Path,
    output: Path,
    *,
    is_inverse: bool = False,
    polynomial: Direction = "ideal_to_real",
    vanish_at_centre: bool = True,
) -> None:
    """Map the rows of `sources` with the parameters of their cases.

    Parameters
    ----------
    params, sources, output
        See `galcen.io.projection_files`.
    is_inverse
        From pixels to the sky.
    polynomial, vanish_at_centre
        See `galcen.mapping.distortion.Distortion`.

    Raises
    ------
    SchemaError
        A faulty file, a star behind the telescope, a distortion that folds.
    ConvergenceError
        The inverse of a distortion is not found to 1e-10 pixel.
    """
    cases, rows = read_parameters(params), read_directions(sources, is_inverse=is_inverse)
    results = {
        name: np.empty(len(rows.line)) for name in ((*SKY, *PLANE) if is_inverse else (*PLANE, *PIXEL))
    }
    keys = list(zip(*(rows.text[name] for name in ("case", "projection", "distortion")), strict=True))
    for key in dict.fromkeys(keys):
        case, projection, distortion = key
        chosen = np.array([other == key for other in keys])
        if case not in cases:
            raise SchemaError(
                f"{sources}: line {rows.line[chosen][0]}: unknown case {case!r}; "
                f"{params} has {', '.join(cases)}"
            )
        parameters = cases[case]
        form = Distortion("legendre", 2)
        if distortion != "none":
            if not parameters.order:
                raise SchemaError(
                    f"{params}: case {case}: missing parameters A, B of the distortion {distortion}"
                )
            form = Distortion(distortion, parameters.order, parameters.scale, vanish_at_centre, polynomial)
        else:
            parameters = parameters._replace(a=np.zeros(form.n_term), b=np.zeros(form.n_term))
        mapped = _mapped(Optics(projection, form), parameters, rows, chosen, is_inverse=is_inverse)
        for name, values in zip(results, mapped, strict=True):
            results[name][chosen] = values
    write_mapped(output, rows, results)
    log.info("mapped %d rows of %d cases to %s", len(rows.line), len(set(rows.text["case"])), output)


def _mapped(
    optics: Optics,
    parameters: CaseParameters,
    rows: Directions,
    chosen: Bool[np.ndarray, " n_row"],
    *,
    is_inverse: bool,
) -> list[Float[np.ndarray, " n_chosen"]]:
    """Results of the rows of one case, in the order of the output."""
    detector, n_chip = rows.detector[chosen], parameters.chips.shape[1]

    def refuse(bad: np.ndarray, text: str) -> None:
        if bad.any():
            line = next(compress(rows.line[chosen].tolist(), bad))
            raise SchemaError(f"{rows.path}: line {line} ({np.count_nonzero(bad)} such rows): {text}")

    refuse(detector >= n_chip, f"unknown detector; the parameters have {n_chip}, numbered from 0")
    coefficients = Coefficients(jnp.asarray(parameters.a), jnp.asarray(parameters.b))
    half_side = parameters.scale
    folds = "the distortion folds: its Jacobian is not positive"
    case = rows.text["case"][int(np.argmax(chosen))]
    if _folded(optics.distortion, coefficients, half_side):
        raise SchemaError(
            f"case {case}: {folds} somewhere within {half_side:.10g} um of the centre; are A and B in the "
            "right unit (um for legendre, dimensionless for sip) and order?"
        )
    axes = telescope_axes(*map(jnp.deg2rad, (parameters.ra, parameters.dec, parameters.pa)))
    chip = affine(Chip(jnp.deg2rad(parameters.chips[0]), *map(jnp.asarray, parameters.chips[1:])))
    chip = Affine(*(values[detector] for values in chip))
    focal_length = jnp.array([parameters.focal_x, parameters.focal_y])
    function = _to_sky if is_inverse else _to_pixel
    mapped, fold, miss = function(
        optics, jnp.asarray(rows.place[:, chosen]), axes, focal_length, coefficients, chip
    )
    results = [np.asarray(values) for values in mapped]
    lost = ~np.isfinite(np.stack(results[:2])).all(axis=0)
    refuse(np.asarray(fold <= 0), f"{folds} there, {half_side:.10g} um or more from the centre")
    if is_inverse:
        lost &= np.isfinite(np.stack(results[2:])).all(axis=0)
        refuse(lost, "the pixel is 90 deg or more from the boresight; are the pixel sizes in um?")
    else:
        refuse(
            lost,
            "the star is behind the telescope, 90 deg or more from the boresight; is ra_deg in hours, or are "
            "the angles in radians?",
        )
    if not (miss <= TOLERANCE_PIXEL).all():
        raise ConvergenceError(
            f"case {case}: the inverse of the distortion is missed by {np.max(miss):.2g} pixel, expected "
            f"{TOLERANCE_PIXEL:g}; is the distortion too strong there?"
        )
    return results


_folded = jax.jit(folded, static_argnums=(0, 2))

Answer = tuple[tuple[Array, ...], Array, Array]
"""Results, the determinant of the distortion and the error [pixel] of its inverse."""


@partial(jax.jit, static_argnums=0)
def _to_pixel(
    optics: Optics, place: Array, axes: Axes, focal_length: Array, coefficients: Coefficients, chip: Affine
) -> Answer:
    plane = gnomonic(along(axes, direction(*jnp.deg2rad(place))))
    if optics.projection == "equidistant":
        plane = to_equidistant(*plane)
    ideal = focal_length[0] * plane[0], focal_length[1] * plane[1]
    real = distorted(optics.distortion, coefficients, *ideal)
    pixels = to_pixel(chip, *real)
    return (*ideal, *real, *pixels), *_check(optics.distortion, coefficients, ideal, real, chip)


@partial(jax.jit, static_argnums=0)
def _to_sky(
    optics: Optics, place: Array, axes: Axes, focal_length: Array, coefficients: Coefficients, chip: Affine
) -> Answer:
    real = from_pixel(chip, *place)
    ideal = undistorted(optics.distortion, coefficients, *real)
    x, y = ideal[0] / focal_length[0], ideal[1] / focal_length[1]
    if optics.projection == "equidistant":
        x = jnp.where(jnp.hypot(x, y) < jnp.pi / 2, x, jnp.nan)
        x, y = from_equidistant(x, y)
    angles = map(jnp.rad2deg, sky_angles(to_direction(x, y, axes)))
    return (*angles, *ideal, *real), *_check(optics.distortion, coefficients, ideal, real, chip)


def _check(
    distortion: Distortion, coefficients: Coefficients, ideal: Plane, real: Plane, chip: Affine
) -> tuple[Array, Array]:
    """Determinant of the polynomial's map, and how far [pixel] ideal and real positions disagree."""
    forward = distortion.direction == "ideal_to_real"
    start, end = (ideal, real) if forward else (real, ideal)
    there = distorted if forward else undistorted
    found = there(distortion, coefficients, *start)
    there_x, there_y = to_pixel(chip, *found)
    end_x, end_y = to_pixel(chip, *end)
    return determinant(distortion, coefficients, *start), jnp.hypot(there_x - end_x, there_y - end_y)
