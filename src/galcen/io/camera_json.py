"""The nominal camera, as files of exposures carry it: what the forward model needs and is not solved for."""

import json
from typing import NamedTuple, Self

import numpy as np

from galcen.config.survey import Telescope
from galcen.errors import SchemaError
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics

CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
"""Signs of the focal coordinates of the chips."""


class SizedCamera(NamedTuple):
    """A camera, and how large its chips are."""

    camera: Camera
    side_pixel: float
    """Side of a chip [pixel]; its coordinates run from minus to plus half of it."""

    @classmethod
    def of(cls, telescope: Telescope, order: int) -> Self:
        """The camera of a configuration, with a distortion of some order."""
        half = 0.5e3 * telescope.chip_pitch_mm
        x, y = half * np.array(CORNERS, dtype=float).T
        pixel = np.full(len(CORNERS), telescope.pixel_um)
        chips = Chip(np.radians(telescope.chip_rotation_deg), x, y, pixel, pixel)
        optics = Optics(distortion=Distortion(order=order))
        return cls(Camera(optics, telescope.focal_length_um, chips), float(telescope.chip_pixels))

    def to_json(self) -> str:
        """As text; numbers keep all their digits."""
        optics, focal_length_um, chips = self.camera
        # Terms of one's own are functions, chosen for a solution; a file's camera has none.
        distortion = {name: value for name, value in optics.distortion._asdict().items() if name != "extra"}
        values = {
            "focal_length_um": focal_length_um,
            "side_pixel": self.side_pixel,
            "chips": {name: column.tolist() for name, column in chips._asdict().items()},
            "projection": optics.projection,
            "distortion": distortion,
        }
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, origin: str) -> Self:
        """Read `to_json`.

        Raises
        ------
        SchemaError
            The text is no camera; `origin` says where it was.
        """
        try:
            values = json.loads(text)
            chips = {name: np.asarray(values["chips"][name], dtype=float) for name in Chip._fields}
            optics = Optics(values["projection"], Distortion(**values["distortion"]))
            camera = Camera(optics, float(values["focal_length_um"]), Chip(**chips))
            side = float(values["side_pixel"])
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(
                f"{origin}: attribute camera cannot be read ({error}); make the file again"
            ) from None
        if len({column.shape for column in chips.values()}) > 1:
            raise SchemaError(f"{origin}: attribute camera: the columns of its chips differ in length")
        return cls(camera, side)
