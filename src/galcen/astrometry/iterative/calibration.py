"""What the exposures of a survey share: distortion, its changes, and chips.

The unknowns are cut into units, of which each exposure sees one, and the chips, which all see. A unit holds
the coefficients A, then B, of the distortion's terms; with a drift, the same again for the change from the
middle of the unit's time to its end.
"""

from typing import Literal, NamedTuple

Share = Literal["constant", "orbit", "season"]

N_CHIP = 5
"""Unknowns of a chip: rotation [1e-6 rad], x, y [um], pixel_x, pixel_y [1e-6]."""


class CalibrationModel(NamedTuple):
    """Which calibration is solved for; hashable, so that compiled code depends on it.

    Which terms the distortion has is said by the camera's `Distortion`, its own functions included.
    """

    share: Share = "constant"
    """What has a distortion of its own: everything together, each orbit, or each season."""
    drift: bool = False
    """Let the distortion change linearly within its unit."""
    chromatic: bool = False
    """Two more unknowns of each chip: a shift in X and Y [um] for each magnitude of colour."""

    @property
    def n_chip_unknown(self) -> int:
        """Unknowns of a chip."""
        return N_CHIP + 2 * self.chromatic

    def n_unit_unknown(self, n_term: int) -> int:
        """Unknowns of a unit."""
        return 2 * n_term * (1 + self.drift)
