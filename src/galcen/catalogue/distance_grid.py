"""Distances at which the posterior of a star is evaluated.

The grid must resolve the nuclear disc (26 pc high) and the nuclear cluster (5.9 pc)
where the line of sight comes near them, and nothing else so finely.
"""

import numpy as np
from jaxtyping import Float, Int

from galcen.galaxy.frame import Frame

DIST_MIN = 10.0
N_LOG = 600
NEAR_CENTRE = 600.0  # half-width of the 5 pc steps about the tangent distance [pc]
NEAR_STEP = 5.0
CLUSTER = 60.0  # half-width of the finest steps [pc]

# Direction of Sgr A* (l, b) = (-0.056, -0.046) deg [rad].
SGR_A = np.radians([-0.056, -0.046])

# A line of sight whose impact parameter is below the first number [pc] gets the second as
# its step about the tangent distance: a tenth of the impact parameter, as far as that is
# finer than NEAR_STEP. Each class has one array shape, so that it compiles once.
CLUSTER_STEPS = ((10.0, 0.3), (20.0, 1.0), (50.0, 2.0))


def impact_parameter(
    frame: Frame, lon: Float[np.ndarray, " n_star"], lat: Float[np.ndarray, " n_star"]
) -> Float[np.ndarray, " n_star"]:
    """Distance [pc] of each line of sight from Sgr A*; angles in rad."""
    cos_angle = np.sin(lat) * np.sin(SGR_A[1]) + np.cos(lat) * np.cos(SGR_A[1]) * np.cos(lon - SGR_A[0])
    # Half-angle form: the cosine alone loses half its digits near the centre.
    half = np.sin((lat - SGR_A[1]) / 2) ** 2 + np.cos(lat) * np.cos(SGR_A[1]) * np.sin((lon - SGR_A[0]) / 2) ** 2
    sine = 2 * np.sqrt(half * (1 - half))
    return frame.sun_distance * np.where(cos_angle > 0, sine, 1.0)


def grid_class(impact: Float[np.ndarray, " n_star"]) -> Int[np.ndarray, " n_star"]:
    """Class of the grid: index into `CLUSTER_STEPS`, or its length away from the cluster."""
    limits = np.array([limit for limit, _ in CLUSTER_STEPS])
    return np.searchsorted(limits, impact, side="right")


def distance_grid(
    frame: Frame,
    lon: Float[np.ndarray, " n_star"],
    lat: Float[np.ndarray, " n_star"],
    class_index: int,
    dist_max: float,
) -> Float[np.ndarray, "n_star n_dist"]:
    """Increasing distances [pc] for stars of one grid class; angles in rad."""
    tangent = frame.sun_distance * np.cos(lat) * np.cos(lon)
    offsets = [np.arange(-NEAR_CENTRE, NEAR_CENTRE + NEAR_STEP / 2, NEAR_STEP)]
    if class_index < len(CLUSTER_STEPS):
        step = CLUSTER_STEPS[class_index][1]
        offsets.append(np.linspace(-CLUSTER, CLUSTER, round(2 * CLUSTER / step) + 1))
    near = tangent[:, None] + np.concatenate(offsets)
    far = np.broadcast_to(np.geomspace(DIST_MIN, dist_max, N_LOG), (len(lon), N_LOG))
    return np.sort(np.clip(np.concatenate([far, near], axis=1), DIST_MIN, dist_max), axis=1)
