"""Physical constants and unit conversions, each with its source."""

import math

# 1 au / 1 Julian year, IAU 2012 B2 au and the SI second.
KM_S_PER_MAS_YR_KPC = 4.740470463533
"""Speed of 1 mas/yr at 1 kpc [km/s]."""

MAS_YR_PER_KM_S_PC = 1000.0 / KM_S_PER_MAS_YR_KPC
"""Proper motion of 1 km/s at 1 pc [mas/yr]."""

SR_PER_ARCMIN2 = (math.pi / 180.0 / 60.0) ** 2
"""Solid angle [sr] of one square arcminute."""

G_PC_KM2_S2_MSUN = 4.30091727e-3
"""Gravitational constant [pc (km/s)^2 / Msun]; CODATA 2018 with the IAU nominal GM_sun."""

ICRS_TO_GALACTIC = (
    (-0.0548755604, -0.8734370902, -0.4838350155),
    (+0.4941094279, -0.4448296300, +0.7469822445),
    (-0.8676661490, -0.1980763734, +0.4559837762),
)
"""r_galactic = T r_icrs (ESA 1997, The Hipparcos and Tycho Catalogues, vol. 1, eq. 1.5.11)."""

HEALPIX_NSIDE = 2**14
"""Of the truth catalogue's order of rows: pixels of 13 arcsec, so that a cone is a few ranges of rows."""

MAX_SOURCE_ID = 2**53
"""Identifiers stay below this, so that a reader who stores them as float loses nothing."""
