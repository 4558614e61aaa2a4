"""What is known of a camera before a solution: the form of its optics and its nominal geometry."""

from typing import NamedTuple

from galcen.mapping.detector import Chip
from galcen.mapping.forward import Optics


class Camera(NamedTuple):
    """A camera by its nominal values."""

    optics: Optics
    focal_length_um: float
    chips: Chip
    """Arrays over the chips."""

    @property
    def n_chip(self) -> int:
        """Number of chips."""
        return len(self.chips.x)
