"""Section `galaxy`: which Milky Way the stars are drawn from."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import FilePath


class Galaxy(Section):
    """The Galaxy model of Koshimoto, Baba & Bennett (2021) with its nuclear components."""

    bar: Literal["E", "E+E_X", "G", "G+G_X"] = "E+E_X"
    """Functional form of the bar; it also decides the initial mass function."""
    nuclear_disc: Literal["table", "portail", "exponential", "sormani2020", "off"] = "table"
    """Density of the nuclear stellar disc: self-consistent moments of Sormani et al. (2022) or
    an analytic form. Velocities always come from the table."""
    nuclear_cluster: bool = True
    """Include the nuclear star cluster (Chatzopoulos et al. 2015)."""
    halo: bool = False
    """Include a stellar halo (Robin et al. 2003) with the thick disc's isochrone."""
    disc_scale_height: Literal["constant", "linear"] = "constant"
    """Scale height of the discs with Galactocentric radius."""
    disc_inner: Literal["flat", "hole", "exponential"] = "flat"
    """Discs inside 5300 pc: constant surface density, a central hole, or a pure exponential."""
    interpolate_gaps: bool = False
    """Fill the jumps of the isochrones (tip of the giant branch) with interpolated stars, as the
    reference program does; they do not exist."""
    bar_covariance: bool = True
    """Keep the covariance of the bar's velocities in the plane (vertex deviation)."""
    nuclear_disc_correlation_sign: bool = True
    """Change the sign of the nuclear disc's v_R-v_z correlation below the plane."""
    nuclear_disc_window: bool = False
    """Switch the nuclear disc off where |l| >= 5 or |b| >= 2 deg, as the reference program does."""
    hw: Literal["HwA", "HwB"] = "HwA"
    """Relation of the Hw band to J and H: 1.0-1.6 um (HwA, current) or 1.1-1.7 um (HwB, old)."""
    sun_distance: Annotated[float, Within(7000, 9500, "pc are expected: is it in kpc?")] = 8160.0
    """Distance of Sgr A* [pc]."""
    sun_height: Annotated[float, Within(-100, 100, "pc are expected")] = 25.0
    """Height of the Sun above the plane [pc]."""
    sun_velocity: tuple[
        Annotated[
            float, Within(-10, 30, "is U counted away from the centre, or are U, V and W in another order?")
        ],
        Annotated[
            float,
            Within(
                150,
                350,
                "is it without the rotation of the Galaxy, which adds some 230 km/s to the peculiar V?",
            ),
        ],
        Annotated[float, Within(-10, 30, "are U, V and W in another order?")],
    ] = (10.0, 243.0, 7.0)
    """Velocity of the Sun (U towards the centre, V with rotation, W north), including the
    local standard of rest [km/s]."""

    @field_validator("sun_height")
    @classmethod
    def _in_pc(cls, height: float) -> float:
        if 0 < abs(height) < 1:
            raise ValueError(
                "expected 0, or 1 to 100 above or below the plane; pc are expected: is it in kpc?"
            )
        return height


class Screen(Section):
    """Extinction that lies all at one distance."""

    distance: Annotated[float, Within(20, 50000, "pc are expected: is it in kpc?")]
    """Distance of the screen [pc]: in front of it there is no extinction, behind it all."""
    a_ks: Annotated[float, Field(ge=0, le=20)] | FilePath | None = None
    """Extinction in Ks behind it, a number [mag] or the path of a table, as in `outside`; null takes
    that of `outside`."""


class Extinction(Section):
    """The reddening law, the map's resolution, and the extinction off the map."""

    law: Literal["WC19", "N09", "AG17"] = "WC19"
    """Wang & Chen (2019) everywhere, or Nishiyama et al. (2009) or Alonso-Garcia et al. (2017) by
    quadrant (these jump at l = 0 and b = 0)."""
    sub_cells: bool = False
    """Use the map's 0.005 deg sub-cells where it has them, instead of the mean of the cell."""
    outside: Annotated[float, Field(ge=0, le=20)] | FilePath | None = None
    """Extinction in Ks off the map of the bulge (abs(l) > 9.5, b < -10 or b > 4.5 deg), of the whole line
    of sight: a number [mag], or the path of a table with the columns a_ks [mag] and either glon and glat, or
    ra and dec [deg], of which a direction takes the nearest row (at most 1 deg away). It lies in the map's
    plane-parallel layer of dust, or in the `screen`. null: stars off the map are refused, but for those
    whose own extinction is given (a_ks in `catalogue.files.columns`)."""
    screen: Screen | None = None
    """All extinction off the map lies at one distance, as that of a cloud does; null: in the layer."""

    @property
    def off_map(self) -> float | str | None:
        """What there is off the map: A_Ks [mag], a table of it, or nothing."""
        return self.outside if self.screen is None or self.screen.a_ks is None else self.screen.a_ks

    @model_validator(mode="after")
    def _one_outside(self) -> Self:
        if self.screen is not None and self.screen.a_ks is None and self.outside is None:
            raise ValueError("screen has no a_ks: give screen.a_ks, or outside")
        if self.screen is not None and self.screen.a_ks is not None and self.outside is not None:
            raise ValueError("outside and screen.a_ks are both given; give one of them")
        return self


class Tables(Section):
    """Where the external model tables are."""

    path: FilePath | None = None
    """Folder of a site-wide copy of the genulens input files; by default those of the installed
    genulens package."""
