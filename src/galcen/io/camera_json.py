"""The nominal camera, as files of exposures carry it: all that the forward model needs and does not solve for."""

import json
from typing import NamedTuple, Self

import numpy as np

from galcen.config.survey import Telescope
from galcen.errors import SchemaError
from galcen.mapping.detector import Chip
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics

CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
"""Signs of the focal coordinates of the chips."""


class Camera(NamedTuple):
    """Nominal optics and chips."""

    focal_length_um: float
    chips: Chip  # arrays over chips
    side_pixel: float
    """Side of a chip [pixel]; its coordinates run from minus to plus half of it."""
    optics: Optics = Optics()

    @property
    def n_chip(self) -> int:
        """Number of chips."""
        return len(self.chips.x)

    @classmethod
    def of(cls, telescope: Telescope, order: int) -> Self:
        """The camera of a configuration, with a distortion of some order."""
        half = 0.5e3 * telescope.chip_pitch_mm
        x, y = half * np.array(CORNERS, dtype=float).T
        pixel = np.full(len(CORNERS), telescope.pixel_um)
        chips = Chip(np.radians(telescope.chip_rotation_deg), x, y, pixel, pixel)
        return cls(
            telescope.focal_length_um,
            chips,
            float(telescope.chip_pixels),
            Optics(distortion=Distortion(order=order)),
        )

    def to_json(self) -> str:
        """As text; numbers keep all their digits."""
        chips = {name: column.tolist() for name, column in self.chips._asdict().items()}
        values = {
            "focal_length_um": self.focal_length_um,
            "side_pixel": self.side_pixel,
            "chips": chips,
            "projection": self.optics.projection,
            "distortion": self.optics.distortion._asdict(),
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
            form = Distortion(**values["distortion"])
            camera = cls(
                float(values["focal_length_um"]),
                Chip(**chips),
                float(values["side_pixel"]),
                Optics(values["projection"], form),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(f"{origin}: attribute camera cannot be read ({error}); make the file again") from None
        if len({column.shape for column in chips.values()}) > 1:
            raise SchemaError(f"{origin}: attribute camera: the columns of its chips differ in length")
        return camera
