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

Columns = dict[str, np.ndarray]


class Found(NamedTuple):
    """Distortion and chips about the nominal ones."""

    distortion: Coefficients  # [um]
    chips: ChipOffsets  # arrays over chips


class Places(NamedTuple):
    """Points of the chips."""

    chip: Int[np.ndarray, " n"]
    pixel: Float[np.ndarray, "2 n"]


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
    shift: Float[np.ndarray, "2 n"], place: Float[np.ndarray, "2 n"], weight: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "2 n"]:
    """Shifts at places [um] without what attitude and focal lengths take up: five patterns, fitted."""
    x, y = place
    one, zero = np.ones_like(x), np.zeros_like(x)
    patterns = np.array([[one, zero], [zero, one], [-y, x], [x, zero], [zero, y]]).reshape(5, -1)
    # Places are 1e4 um: columns of one size keep the fit well conditioned.
    size = np.linalg.norm(patterns, axis=1, keepdims=True)
    patterns = patterns / np.where(size > 0, size, 1.0)
    root = np.sqrt(np.tile(weight, 2))
    amplitude = np.linalg.lstsq((patterns * root).T, shift.ravel() * root, rcond=None)[0]
    return shift - (amplitude @ patterns).reshape(2, -1)


def without_chips(
    shift: Float[np.ndarray, "2 n"], places: Places, weight: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "2 n"]:
    """Shifts without the best-fitting linear function of the place on each chip."""
    left = np.empty_like(shift)
    for number in np.unique(places.chip):
        mine = places.chip == number
        pixel = places.pixel[:, mine] / max(np.abs(places.pixel).max(), 1.0)
        patterns = np.concatenate([np.ones((1, pixel.shape[1])), pixel])
        root = np.sqrt(weight[mine])
        amplitude = np.linalg.lstsq((patterns * root).T, (shift[:, mine] * root).T, rcond=None)[0]
        left[:, mine] = shift[:, mine] - amplitude.T @ patterns
    return left


def camera_columns(
    camera: Camera,
    measured: Mapping[str, np.ndarray],
    found: tuple[Camera, Found],
    true: tuple[Camera, Found],
) -> Columns:
    """Shifts of pixels about the nominal camera, true and as found.

    Parameters
    ----------
    camera
        The nominal camera.
    measured
        Table `plate_map`: the pixels that are compared, and how many measurements each stands for. Where
        there are none, a solution says nothing of the camera.
    found, true
        What the solution found and what was injected, each with the camera whose distortion has its terms.
    """
    places = Places(measured["chip"], np.stack([measured["nx"], measured["ny"]]))
    n_term = camera.optics.distortion.n_term
    nothing = Found(Coefficients(*2 * [np.zeros(n_term)]), ChipOffsets(*5 * [np.zeros(camera.n_chip)]))
    nominal = ideal_place(camera, nothing, places)
    shifts = [
        without_pointing(ideal_place(*one, places) - nominal, nominal, measured["n_obs"])
        for one in (true, found)
    ]
    return {
        **{name: measured[name] for name in ("chip", "nx", "ny", "n_obs")},
        **dict(zip(("x", "y"), nominal, strict=True)),
        **dict(zip(("dx_true", "dy_true"), shifts[0], strict=True)),
        **dict(zip(("dx_found", "dy_found"), shifts[1], strict=True)),
    }


def miss(columns: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Rms over the measurements of found minus true place [um], both axes together; the same within chips."""
    shift = np.stack([columns[f"d{axis}_found"] - columns[f"d{axis}_true"] for axis in "xy"])
    places = Places(columns["chip"], np.stack([columns["nx"], columns["ny"]]))
    weight = columns["n_obs"]
    both = shift, without_chips(shift, places, weight)
    whole, within = (float(np.sqrt(np.average((s**2).sum(axis=0), weights=weight))) for s in both)
    return whole, within


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
