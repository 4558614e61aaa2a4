r"""The camera that a plate solution found against the true one, and residuals over the focal plane.

A camera is compared by where on the ideal focal plane it puts a pixel: distortion and chips together, for
the one can stand in for the other. Five linear patterns over the whole field are no property of the camera
that measurements could tell: shift and rotation belong to the attitude of the exposures, stretches along X
and Y to their focal lengths. They are fitted and taken off, over the field and not chip by chip: that chips
lie right to one another is part of what is judged, and so is the shear of the field, which no exposure takes
up.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip, ChipOffsets, affine, from_pixel, moved
from galcen.mapping.distortion import Coefficients, Distortion, undistorted

GRID = 13
"""Points along each side of a chip."""

Columns = dict[str, np.ndarray]


class Found(NamedTuple):
    """Distortion and chips about the nominal ones."""

    distortion: Coefficients  # [um]
    chips: ChipOffsets  # arrays over chips


class Places(NamedTuple):
    """Points of the chips."""

    chip: Int[np.ndarray, " n"]
    pixel: Float[np.ndarray, "2 n"]


def grid(camera: Camera, side_pixel: float) -> Places:
    """A square grid over each chip, edges included."""
    line = np.linspace(-side_pixel / 2, side_pixel / 2, GRID)
    chip, nx, ny = (values.ravel() for values in np.meshgrid(np.arange(camera.n_chip), line, line))
    return Places(chip, np.stack([nx, ny]))


def ideal_place(camera: Camera, found: Found, places: Places) -> Float[np.ndarray, "2 n"]:
    """Places on the ideal focal plane [um] of pixels."""
    place = _ideal_place(camera.optics.distortion, found, camera.chips, places)
    return np.stack([np.asarray(v) for v in place])


@partial(jax.jit, static_argnames="form")
def _ideal_place(
    form: Distortion, found: Found, chips: Chip, places: Places
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The same of arrays."""
    nominal = Chip(*(jnp.asarray(column)[places.chip] for column in chips))
    offsets = ChipOffsets(*(jnp.asarray(column)[places.chip] for column in found.chips))
    x, y = from_pixel(affine(moved(nominal, offsets)), places.pixel[0], places.pixel[1])
    return undistorted(form, found.distortion, x, y)


def without_pointing(
    shift: Float[np.ndarray, "2 n"], place: Float[np.ndarray, "2 n"]
) -> Float[np.ndarray, "2 n"]:
    """Shifts at places [um] without what attitude and focal lengths take up: five patterns, fitted."""
    x, y = place
    one, zero = np.ones_like(x), np.zeros_like(x)
    patterns = np.array([[one, zero], [zero, one], [-y, x], [x, zero], [zero, y]]).reshape(5, -1)
    flat = shift.ravel()
    # Places are 1e4 um: columns of one size keep the fit well conditioned.
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    return (flat - np.linalg.lstsq(patterns.T, flat, rcond=None)[0] @ patterns).reshape(2, -1)


def camera_columns(
    camera: Camera, side_pixel: float, found: tuple[Camera, Found], true: tuple[Camera, Found]
) -> Columns:
    """Shifts of a grid of pixels about the nominal camera, true and as found.

    Parameters
    ----------
    camera, side_pixel
        The nominal camera, and the side of its chips [pixel].
    found, true
        What the solution found and what was injected, each with the camera whose distortion has its terms.
    """
    places = grid(camera, side_pixel)
    n_term = camera.optics.distortion.n_term
    nothing = Found(Coefficients(*2 * [np.zeros(n_term)]), ChipOffsets(*5 * [np.zeros(camera.n_chip)]))
    nominal = ideal_place(camera, nothing, places)
    shifts = [without_pointing(ideal_place(*one, places) - nominal, nominal) for one in (true, found)]
    return {
        "chip": places.chip,
        **dict(zip(("nx", "ny"), places.pixel, strict=True)),
        **dict(zip(("x", "y"), nominal, strict=True)),
        **dict(zip(("dx_true", "dy_true"), shifts[0], strict=True)),
        **dict(zip(("dx_found", "dy_found"), shifts[1], strict=True)),
    }


def miss(columns: Mapping[str, np.ndarray]) -> float:
    """Rms over the grid of found minus true [um], both axes together."""
    squares = sum((columns[f"d{axis}_found"] - columns[f"d{axis}_true"]) ** 2 for axis in "xy")
    return float(np.sqrt(np.mean(squares)))


def combined_map(maps: Sequence[Mapping[str, np.ndarray]]) -> Columns:
    """Mean residuals of orbits together: tables `plate_map`, weighted by their measurements."""
    together = {name: np.concatenate([one[name] for one in maps]) for name in maps[0]}
    bins, row = np.unique(
        np.stack([together[name] for name in ("chip", "nx", "ny")]), axis=1, return_inverse=True
    )
    weight = together["n_obs"]
    number = np.bincount(row.ravel(), weight, minlength=bins.shape[1])
    means = {
        name: np.bincount(row.ravel(), weight * together[name], minlength=bins.shape[1]) / number
        for name in ("dx_before", "dy_before", "dx_after", "dy_after")
    }
    return {
        "chip": bins[0].astype(np.int64),
        "nx": bins[1],
        "ny": bins[2],
        **means,
        "n_obs": number.astype(np.int64),
    }


def on_focal_plane(camera: Camera, columns: Mapping[str, np.ndarray]) -> Columns:
    """A map of residuals on the nominal focal plane [um], along its axes rather than those of the chips."""
    chip = affine(Chip(*(np.asarray(column)[columns["chip"]] for column in camera.chips)))
    x, y = from_pixel(chip, columns["nx"], columns["ny"])
    out = {"x": np.asarray(x), "y": np.asarray(y), "n_obs": columns["n_obs"]}
    for when in ("before", "after"):
        moved_x, moved_y = from_pixel(
            chip, columns["nx"] + columns[f"dx_{when}"], columns["ny"] + columns[f"dy_{when}"]
        )
        out |= {f"dx_{when}": np.asarray(moved_x - x), f"dy_{when}": np.asarray(moved_y - y)}
    return out
