"""Where the fields are put: large frames, squares of fields, and which node comes next.

A large frame is a grid of nodes 1.5 chip pitches apart, in four copies displaced by an eighth of a pitch in
longitude and a sixteenth in latitude, so that gaps between chips of one copy are covered by the others. It
reaches half a step between fields beyond the window, whose edges would otherwise see half of what its middle
sees.
"""

from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from galcen.constants import ICRS_TO_GALACTIC
from galcen.survey.coverage import Camera, fields_seeing, mean_counts, unit

SPACING_PITCHES = 1.5
COPY_PITCHES = (1 / 8, 1 / 16)
CORNERS = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])


class Window(NamedTuple):
    """A rectangle in Galactic coordinates [deg]."""

    l_min: float
    l_max: float
    b_min: float
    b_max: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle [deg]."""
        return 0.5 * (self.l_min + self.l_max), 0.5 * (self.b_min + self.b_max)


def galactic(
    lon_deg: Float[np.ndarray, "..."], lat_deg: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... 3"]:
    """Unit vectors, ICRS, of Galactic longitudes and latitudes [deg]."""
    return unit(np.asarray(lon_deg), np.asarray(lat_deg)) @ np.array(ICRS_TO_GALACTIC)


def grid(window: Window, step_deg: float) -> Float[np.ndarray, "n 2"]:
    """Longitude and latitude [deg] of the middles of cells, `step_deg` wide at most, that fill a window."""
    stretch = np.cos(np.radians(window.centre[1]))
    axes = []
    for low, high, scale in ((window.l_min, window.l_max, stretch), (window.b_min, window.b_max, 1.0)):
        n = max(1, int(np.ceil((high - low) * scale / step_deg - 1e-9)))
        axes.append(low + (np.arange(n) + 0.5) * (high - low) / n)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def large_frame(window: Window, pitch_deg: float, step_deg: float) -> Float[np.ndarray, "n_node 3"]:
    """Nodes that cover a window with chips `pitch_deg` and fields `step_deg` apart [deg]."""
    stretch = np.array([np.cos(np.radians(window.centre[1])), 1.0])
    beyond_l, beyond_b = 0.5 * step_deg / stretch
    around = Window(
        window.l_min - beyond_l, window.l_max + beyond_l, window.b_min - beyond_b, window.b_max + beyond_b
    )
    nodes = grid(around, SPACING_PITCHES * pitch_deg)
    copies = CORNERS * COPY_PITCHES * pitch_deg / stretch
    places = (nodes[:, None] + copies).reshape(-1, 2)
    return galactic(places[:, 0], places[:, 1])


def square(node_axes: Float[np.ndarray, "... 3 3"], step_deg: float) -> Float[np.ndarray, "... 4 3 3"]:
    """Triads of the four fields about nodes, one step apart along a focal axis each from the one before.

    The fields keep the node's orientation: their axes are its own, carried along.
    """
    offset = CORNERS * np.tan(np.radians(0.5 * step_deg))
    x, y, z = (node_axes[..., None, k, :] for k in range(3))
    return orthonormal(x, y, z + offset[:, :1] * x + offset[:, 1:] * y)


def orthonormal(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Float[np.ndarray, "... 3 3"]:
    """Triads with the boresight along `z` and their X axis nearest to `x` (Gram-Schmidt)."""
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    x = x - (x * z).sum(-1, keepdims=True) * z
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    y = y - (y * z).sum(-1, keepdims=True) * z - (y * x).sum(-1, keepdims=True) * x
    return np.stack([x, y / np.linalg.norm(y, axis=-1, keepdims=True), z], axis=-2)


class Ledger(NamedTuple):
    """How often each cell of the sky grid was observed."""

    cells: Float[np.ndarray, "n_cell 3"]
    counts: Int[np.ndarray, " n_cell"]
    near: Int[np.ndarray, " n_near"]  # cells that the fields about a node can reach, node by node
    first: Int[np.ndarray, " n_node+1"]  # where those of each node begin
    camera: Camera

    @classmethod
    def empty(
        cls, window: Window, nodes: Float[np.ndarray, "n_node 3"], step_deg: float, camera: Camera
    ) -> Self:
        """Cells as wide as the gap between chips, none of them observed."""
        places = grid(window, np.degrees(camera.gap))
        cells = galactic(places[:, 0], places[:, 1])
        reach = camera.radius + np.radians(np.sqrt(0.5) * step_deg)
        lists = cKDTree(cells).query_ball_point(nodes, 2 * np.sin(0.5 * reach), return_sorted=True)
        first = np.concatenate([[0], np.cumsum([len(near) for near in lists])])
        near = np.concatenate([np.asarray(near, dtype=np.int64) for near in lists])
        return cls(cells, np.zeros(len(cells), dtype=np.int64), near, first, camera)

    def least_observed(self, fields: Float[np.ndarray, "n_node n_field 3 3"]) -> int:
        """The node whose fields see the cells with the smallest mean count; the first of equals."""
        return int(
            np.argmin(mean_counts(self.cells, self.counts, self.near, self.first, fields, self.camera))
        )

    def add(self, node: int, fields: Float[np.ndarray, "n_field 3 3"], n_exposure: int) -> None:
        """Count the exposures of fields about a node."""
        near = self.near[self.first[node] : self.first[node + 1]]
        self.counts[near] += n_exposure * fields_seeing(self.cells[near], fields, self.camera)
