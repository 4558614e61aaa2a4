"""How often directions fall on a chip: pixels of a coverage map, cells of the plan's grid, stars.

Every exposure counts with its own pointing and twist; only targets within reach of a chip's edge are looked
at exposure by exposure, for the others that of the field decides. Left out: distortion, aberration (a shift
of the whole field, which the attitude follows) and the motion of the stars.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.compiled import compiled


class Camera(NamedTuple):
    """Nominal chips in the focal plane."""

    focal_length_um: float
    half_um: float  # half the side of a chip
    centre_um: Float[np.ndarray, "n_chip 2"]
    rotation_deg: Float[np.ndarray, " n_chip"]

    @property
    def radius(self) -> float:
        """Angle from the axis to the furthest corner of a chip [rad]."""
        corner = np.linalg.norm(self.centre_um, axis=1).max() + np.sqrt(2) * self.half_um
        return float(np.arctan(corner / self.focal_length_um))

    @property
    def gap(self) -> float:
        """Angle between the chips [rad]."""
        pitch = np.ptp(self.centre_um[:, 0])
        return float((pitch - 2 * self.half_um) / self.focal_length_um)

    @property
    def chips(self) -> Float[np.ndarray, "n_chip 4"]:
        """Centre [um], cosine and sine of the rotation of each chip."""
        turn = np.radians(self.rotation_deg)[:, None]
        return np.hstack([self.centre_um, np.cos(turn), np.sin(turn)])


def square_camera(
    focal_length_um: float, side_um: float, pitch_um: float, rotation_deg: tuple[float, float, float, float]
) -> Camera:
    """Four chips at (-,-), (+,-), (+,+) and (-,+)."""
    centre = 0.5 * pitch_um * np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    return Camera(focal_length_um, 0.5 * side_um, centre, np.array(rotation_deg))


def unit(lon_deg: Float[np.ndarray, "..."], lat_deg: Float[np.ndarray, "..."]) -> Float[np.ndarray, "... 3"]:
    """Unit vectors of longitudes and latitudes [deg]."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def triad(
    direction: Float[np.ndarray, "... 3"], pa_deg: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... 3 3"]:
    """Rows: focal axes X, Y and the boresight, of pointings with position angles `pa_deg` of +Y.

    `e_X = -cos(pa) E + sin(pa) N`, `e_Y = sin(pa) E + cos(pa) N`: left-handed, +X is west at pa = 0.
    """
    east, north = _east_north(direction)
    pa = np.radians(pa_deg)[..., None]
    return np.stack(
        [np.sin(pa) * north - np.cos(pa) * east, np.sin(pa) * east + np.cos(pa) * north, direction], axis=-2
    )


def pointing(axes: Float[np.ndarray, "... 3 3"]) -> tuple[Float[np.ndarray, "..."], ...]:
    """Right ascension, declination and position angle [deg] of triads."""
    x, y, z = np.moveaxis(axes[..., 2, :], -1, 0)
    east, north = _east_north(axes[..., 2, :])
    pa = np.arctan2((axes[..., 1, :] * east).sum(-1), (axes[..., 1, :] * north).sum(-1))
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(pa)


def _east_north(direction: Float[np.ndarray, "... 3"]) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = np.moveaxis(direction, -1, 0)
    lon, cos_lat = np.arctan2(y, x), np.hypot(x, y)
    east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1)
    return east, np.stack([-z * np.cos(lon), -z * np.sin(lon), cos_lat], axis=-1)


def exposures_of(
    target: Float[np.ndarray, "n_target 3"],
    field_axes: Float[np.ndarray, "n_field 3 3"],
    exposure_axes: Float[np.ndarray, "n_exp 3 3"],
    first: Int[np.ndarray, " n_field+1"],
    camera: Camera,
) -> Int[np.ndarray, " n_target"]:
    """Exposures that see each target on a chip.

    Parameters
    ----------
    target
        Unit vectors.
    field_axes
        Nominal triads of the fields.
    exposure_axes
        Triads of the exposures, field by field.
    first
        Where the exposures of each field begin.
    camera
        The chips.
    """
    order = np.argsort(target[:, 2], kind="stable")
    field = np.repeat(np.arange(len(field_axes)), np.diff(first))
    moved = np.linalg.norm(exposure_axes[:, 2] - field_axes[field, 2], axis=1)
    turned = np.abs((exposure_axes[:, 0] * field_axes[field, 1]).sum(axis=1))
    reach = np.zeros(len(field_axes))
    # To first order; 2 per cent stand for the second, and for the projection's stretch at the corner.
    np.maximum.at(reach, field, 1.02 * (moved + turned * np.tan(camera.radius)))
    counts = np.zeros(len(target), dtype=np.int32)
    optics = (camera.radius, camera.focal_length_um, camera.half_um, camera.chips)
    vectors = [np.ascontiguousarray(a) for a in (target[order], field_axes, exposure_axes)]
    _count(*vectors, np.asarray(first, dtype=np.int64), reach, *optics, counts)
    result = np.empty_like(counts)
    result[order] = counts
    return result


def fields_seeing(
    target: Float[np.ndarray, "n_target 3"], axes: Float[np.ndarray, "n_field 3 3"], camera: Camera
) -> Int[np.ndarray, " n_target"]:
    """How many of the fields have each target on a chip."""
    seen = np.empty(len(target), dtype=np.int64)
    optics = (camera.radius, camera.focal_length_um, camera.half_um, camera.chips)
    _see(np.ascontiguousarray(target), np.ascontiguousarray(axes), *optics, seen)
    return seen


def mean_counts(
    cells: Float[np.ndarray, "n_cell 3"],
    counts: Int[np.ndarray, " n_cell"],
    near: Int[np.ndarray, " n_near"],
    first: Int[np.ndarray, " n_node+1"],
    axes: Float[np.ndarray, "n_node n_field 3 3"],
    camera: Camera,
) -> Float[np.ndarray, " n_node"]:
    """Mean count of the cells that the fields about each node see; 1e300 where they see none.

    Only the cells `near[first[k] : first[k + 1]]` are looked at for node `k`.
    """
    means = np.empty(len(axes))
    optics = (camera.radius, camera.focal_length_um, camera.half_um, camera.chips)
    _mean_counts(cells, counts, near, first, np.ascontiguousarray(axes), *optics, means)
    return means


@compiled
def _outside(
    target: Float[np.ndarray, " 3"],
    axes: Float[np.ndarray, "3 3"],
    depth: float,
    focal_length_um: float,
    half_um: float,
    chips: Float[np.ndarray, "n_chip 4"],
) -> float:
    """How far outside the nearest chip a target falls [um]; negative inside."""
    scale = focal_length_um / depth
    x = scale * (target[0] * axes[0, 0] + target[1] * axes[0, 1] + target[2] * axes[0, 2])
    y = scale * (target[0] * axes[1, 0] + target[1] * axes[1, 1] + target[2] * axes[1, 2])
    least = 1e30
    for c in range(chips.shape[0]):
        dx, dy = x - chips[c, 0], y - chips[c, 1]
        nx, ny = chips[c, 2] * dx - chips[c, 3] * dy, chips[c, 3] * dx + chips[c, 2] * dy
        least = min(least, max(abs(nx), abs(ny)) - half_um)
    return least


@compiled
def _is_seen(
    target: Float[np.ndarray, " 3"],
    axes: Float[np.ndarray, "3 3"],
    nearest: float,
    focal_length_um: float,
    half_um: float,
    chips: Float[np.ndarray, "n_chip 4"],
) -> bool:
    depth = target[0] * axes[2, 0] + target[1] * axes[2, 1] + target[2] * axes[2, 2]
    return depth >= nearest and _outside(target, axes, depth, focal_length_um, half_um, chips) <= 0


@compiled
def _see(
    target: Float[np.ndarray, "n_target 3"],
    axes: Float[np.ndarray, "n_field 3 3"],
    radius: float,
    focal_length_um: float,
    half_um: float,
    chips: Float[np.ndarray, "n_chip 4"],
    seen: Int[np.ndarray, " n_target"],
) -> None:
    nearest = np.cos(radius)
    for i in range(len(target)):
        seen[i] = 0
        for f in range(len(axes)):
            seen[i] += _is_seen(target[i], axes[f], nearest, focal_length_um, half_um, chips)


@compiled
def _mean_counts(
    cells: Float[np.ndarray, "n_cell 3"],
    counts: Int[np.ndarray, " n_cell"],
    near: Int[np.ndarray, " n_near"],
    first: Int[np.ndarray, " n_node+1"],
    axes: Float[np.ndarray, "n_node n_field 3 3"],
    radius: float,
    focal_length_um: float,
    half_um: float,
    chips: Float[np.ndarray, "n_chip 4"],
    means: Float[np.ndarray, " n_node"],
) -> None:
    nearest = np.cos(radius)
    for k in range(len(axes)):
        total, n_seen = 0, 0
        for i in near[first[k] : first[k + 1]]:
            for f in range(axes.shape[1]):
                if _is_seen(cells[i], axes[k, f], nearest, focal_length_um, half_um, chips):
                    total += counts[i]
                    n_seen += 1
        means[k] = total / n_seen if n_seen > 0 else 1e300


@compiled
def _count(
    target: Float[np.ndarray, "n_target 3"],
    field_axes: Float[np.ndarray, "n_field 3 3"],
    exposure_axes: Float[np.ndarray, "n_exp 3 3"],
    first: Int[np.ndarray, " n_field+1"],
    reach: Float[np.ndarray, " n_field"],
    radius: float,
    focal_length_um: float,
    half_um: float,
    chips: Float[np.ndarray, "n_chip 4"],
    counts: Int[np.ndarray, " n_target"],
) -> None:
    """Targets are sorted by declination: a field looks at a band of them."""
    for f in range(len(field_axes)):
        axis = field_axes[f, 2]
        around = radius + reach[f]
        dec = np.arcsin(min(1.0, max(-1.0, axis[2])))
        south, north = np.sin(max(dec - around, -0.5 * np.pi)), np.sin(min(dec + around, 0.5 * np.pi))
        start = np.searchsorted(target[:, 2], south)
        nearest, edge = np.cos(around), focal_length_um * reach[f]
        for i in range(start, len(target)):
            if target[i, 2] > north:
                break
            depth = target[i, 0] * axis[0] + target[i, 1] * axis[1] + target[i, 2] * axis[2]
            if depth < nearest:
                continue
            outside = _outside(target[i], field_axes[f], depth, focal_length_um, half_um, chips)
            if outside < -edge:
                counts[i] += first[f + 1] - first[f]
            elif outside <= edge:
                for e in range(first[f], first[f + 1]):
                    its = exposure_axes[e, 2]
                    depth = target[i, 0] * its[0] + target[i, 1] * its[1] + target[i, 2] * its[2]
                    if _outside(target[i], exposure_axes[e], depth, focal_length_um, half_um, chips) <= 0:
                        counts[i] += 1
