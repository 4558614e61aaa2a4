"""What a number of a star can be at all, each bound with its source; beyond lies a wrong unit or no value.

The bounds are wide: no star known, no real survey and no drawn one comes near them. `docs/bad_values.md`
is made of this table.
"""

from typing import NamedTuple


class Bound(NamedTuple):
    """The values that a quantity can have, the ends among them."""

    low: float
    high: float
    unit: str
    name: str
    """With its article, as in an error: expected `name` from low to high."""
    source: str
    """What comes nearest to the ends."""

    @property
    def expected(self) -> str:
        """What a message says that a value must be."""
        return f"{self.name} from {self.low:g} to {self.high:g} {self.unit}".rstrip()


_MAGNITUDE = Bound(
    -6.0, 35.0, "mag", "a magnitude", "the brightest star has Ks = -4.0 (R Dor); the deepest images reach 31"
)
_MAGNITUDE_ERROR = Bound(
    1e-4, 8.0, "mag", "an error", "transits of planets are measured to 1e-4; 2MASS writes flags above 8"
)
_PROPER_MOTION = Bound(-20_000.0, 20_000.0, "mas/yr", "a proper motion", "Barnard's star: 10,393 mas/yr")
_PROPER_MOTION_ERROR = Bound(
    1e-3, 500.0, "mas/yr", "an error", "Gaia's last release: 0.002; plates of a few weeks: 100"
)
_POSITION_ERROR = Bound(
    1e-3, 5_000.0, "mas", "an error", "Gaia's last release: 0.003; IRAS: 5,000 along one axis"
)
_DISTANCE = Bound(
    1.0,
    1e6,
    "pc",
    "a distance",
    "Proxima: 1.30 pc; the farthest stars of the halo: 3e5 pc; Andromeda: 8e5 pc",
)
_CORRELATION = Bound(-1.0, 1.0, "", "a correlation", "by definition")

BANDS = ("mj", "mh", "mks")
DISTANCES = ("r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo")
_PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")
CORRELATIONS = tuple(
    f"{one}_{other}_corr" for place, one in enumerate(_PARAMETERS) for other in _PARAMETERS[place + 1 :]
)

BOUNDS: dict[str, Bound] = {
    "ra": Bound(-360.0, 360.0, "deg", "a right ascension", "by definition; negative ones are turned by 360"),
    "dec": Bound(-90.0, 90.0, "deg", "a declination", "by definition"),
    **dict.fromkeys((*BANDS, "hw"), _MAGNITUDE),
    **dict.fromkeys((f"{band}_error" for band in BANDS), _MAGNITUDE_ERROR),
    "a_ks": Bound(
        0.0, 20.0, "mag", "an extinction in Ks", "the dark clouds of the plane: 5; beyond 20 nothing is seen"
    ),
    "parallax": Bound(
        -100.0,
        1000.0,
        "mas",
        "a parallax",
        "Proxima: 768 mas; noise of a few failed solutions of Gaia DR3 reaches -187: cut them",
    ),
    "parallax_error": Bound(
        1e-3,
        100.0,
        "mas",
        "an error",
        "Gaia's last release: 0.005, radio interferometers: 0.003; photographs: 20",
    ),
    "pmra": _PROPER_MOTION,
    "pmdec": _PROPER_MOTION,
    "pmra_error": _PROPER_MOTION_ERROR,
    "pmdec_error": _PROPER_MOTION_ERROR,
    "radial_velocity": Bound(
        -5_000.0,
        5_000.0,
        "km/s",
        "a radial velocity",
        "S2 around Sgr A*: 4,000; the fastest star elsewhere: 1,755",
    ),
    "radial_velocity_error": Bound(
        1e-4, 500.0, "km/s", "an error", "the best spectrographs: 1e-4; broad lines of hot stars: 100"
    ),
    "ruwe": Bound(1e-2, 900.0, "", "a RUWE", "Gaia DR3: 0.5 to 100; a good solution has 1"),
    **dict.fromkeys(DISTANCES, _DISTANCE),
    "ra_error": _POSITION_ERROR,
    "dec_error": _POSITION_ERROR,
    **dict.fromkeys(CORRELATIONS, _CORRELATION),
}
"""By galcen's name of a column."""

_PLACE = Bound(-1e9, 1e9, "", "a position", "the largest focal planes have 1e6 um")
_PLACE_ERROR = Bound(1e-9, 1e6, "", "an error", "a millionth of a pixel; a whole plate")

PLATE_BOUNDS: dict[str, Bound] = {
    "x": _PLACE,
    "y": _PLACE,
    "sigma_x": _PLACE_ERROR,
    "sigma_y": _PLACE_ERROR,
    "t": Bound(1800.0, 2200.0, "yr", "a Julian year", "the first plates were taken in 1885"),
    "magnitude": Bound(-30.0, 40.0, "mag", "a magnitude", "-2.5 log10 of the counts: -25; 31"),
}
"""Of the positions of stars on plates, whatever the unit of x; magnitudes may be instrumental ones."""

_ANGLE = Bound(-360.0, 360.0, "deg", "an angle", "by definition")
_FOCAL_LENGTH = Bound(1e4, 1e9, "um", "a focal length", "1 cm; the largest telescopes have 1e8 um")
_PIXEL_SIZE = Bound(0.1, 1e3, "um", "a pixel size", "1 um; 100 um")
_LENGTH = Bound(-1e7, 1e7, "um", "a length", "the largest focal planes have 1e6 um")

MAPPING_BOUNDS: dict[str, Bound] = {
    "ra": BOUNDS["ra"],
    "dec": BOUNDS["dec"],
    "pa": _ANGLE,
    "Fx": _FOCAL_LENGTH,
    "Fy": _FOCAL_LENGTH,
    "L": Bound(100.0, 1e7, "um", "half the side of a square", "the largest focal planes have 1e6 um"),
    "det_r": _ANGLE,
    "det_o_x": _LENGTH,
    "det_o_y": _LENGTH,
    "det_p_x": _PIXEL_SIZE,
    "det_p_y": _PIXEL_SIZE,
    "ra_deg": BOUNDS["ra"],
    "dec_deg": BOUNDS["dec"],
    "nx_pix": Bound(-1e6, 1e6, "pixel", "a pixel coordinate", "the largest mosaics have 1e5"),
    "ny_pix": Bound(-1e6, 1e6, "pixel", "a pixel coordinate", "the largest mosaics have 1e5"),
}
"""Of the parameters of `galcen project`, and of the columns of its rows."""


class StandIn(NamedTuple):
    """A number that an archive writes where it has no value."""

    value: float
    archive: str
    """Who writes it."""


_WFAU = "the VISTA and WFCAM science archives"
STAND_INS = (
    StandIn(-0.9999995e9, _WFAU),
    StandIn(-99999999.0, _WFAU),
    StandIn(-9999.0, "SDSS, APOGEE and the VISTA and WFCAM science archives"),
    StandIn(-999.0, "Pan-STARRS and GALEX"),
    StandIn(-99.999, "2MASS's early releases and DAOPHOT"),
    StandIn(-99.99, "2MASS's early releases"),
    StandIn(-99.0, "SExtractor and many tables of papers"),
    StandIn(99.0, "SExtractor"),
    StandIn(99.99, "DAOPHOT"),
    StandIn(99.999, "DAOPHOT and OGLE"),
    StandIn(9.999, "DAOPHOT, OGLE and 2MASS's errors"),
    StandIn(8.888, "2MASS's errors"),
    StandIn(-1.6375e30, "HEALPix"),
    StandIn(1e20, "CDS"),
    StandIn(-32768.0, "columns of 16-bit integers"),
    StandIn(-2147483648.0, "columns of 32-bit integers"),
    StandIn(2147483647.0, "columns of 32-bit integers"),
    StandIn(-9223372036854775808.0, "columns of 64-bit integers"),
    StandIn(9223372036854775807.0, "columns of 64-bit integers"),
)
"""Those that are known by name; any other number of nines only (-99.9, 999, 9999.99) counts as one, too."""

FEWEST_NINES = 3
"""Nines of a number with decimals that count; two are enough for a whole number."""

MOST_NINES = 6


def numbers_of_nines() -> list[StandIn]:
    """99, 999 and so on, 9.99, 99.9, 9.999 and so on, with either sign."""
    whole = [float("9" * n) for n in range(2, MOST_NINES + 1)]
    broken = [
        float(f"{'9' * before}.{'9' * (n - before)}")
        for n in range(FEWEST_NINES, MOST_NINES + 1)
        for before in range(1, n)
    ]
    return [StandIn(sign * value, "many archives") for value in (*whole, *broken) for sign in (-1, 1)]
