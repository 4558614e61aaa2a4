"""Sections `footprint` and `tiling`: which sky, and in which pieces."""

from typing import Any, Self

from pydantic import Field, model_validator

from galcen.config.base import Section


class Footprint(Section):
    """A rectangle in Galactic coordinates; cells whose centre lies inside belong to it.

    Off the extinction map (-9.5 < l < 9.5, -10 < b < 4.5) it needs `extinction.outside`, or stars with
    extinctions of their own.
    """

    l_min: float = Field(-0.25, ge=-180.0)
    """Western edge: Galactic longitude [deg], negative below 0. A field across l = 180 needs two runs."""
    l_max: float = Field(0.15, le=180.0)
    """Eastern edge: Galactic longitude [deg]."""
    b_min: float = Field(-0.1, ge=-90.0)
    """Southern edge: Galactic latitude [deg]."""
    b_max: float = Field(0.0, le=90.0)
    """Northern edge: Galactic latitude [deg]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for axis in "lb":
            low, high = getattr(self, f"{axis}_min"), getattr(self, f"{axis}_max")
            if not low < high:
                raise ValueError(
                    f"{axis}_min = {low} must be below {axis}_max = {high} (longitudes west of the "
                    "centre are negative)"
                )
        return self

    @property
    def is_on_map(self) -> bool:
        """Whether the extinction map covers it."""
        return self.l_min >= -9.5 and self.l_max <= 9.5 and self.b_min >= -10.0 and self.b_max <= 4.5

    def holds(self, lon: Any, lat: Any) -> Any:  # noqa: ANN401 - arrays, which this package does not know
        """Whether directions [deg] lie inside; longitudes from -180 to 180."""
        return (lon >= self.l_min) & (lon <= self.l_max) & (lat >= self.b_min) & (lat <= self.b_max)


class Tiling(Section):
    """How the sky is cut into jobs; results do not depend on it."""

    cells_per_side: int = Field(8, ge=1, le=80)
    """Side of a tile in cells of 0.025 deg."""
