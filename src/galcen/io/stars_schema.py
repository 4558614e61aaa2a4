"""Tables of the stars of a mock survey: as they are, as the mission knows them, and as they are found."""

from galcen.io.schema import Column, Table

_PARAMETERS = (
    ("ra", "mas", "pos.eq.ra", "right ascension, times cos dec"),
    ("dec", "mas", "pos.eq.dec", "declination"),
    ("parallax", "mas", "pos.parallax", "parallax"),
    ("pmra", "mas/yr", "pos.pm;pos.eq.ra", "proper motion in right ascension, times cos dec"),
    ("pmdec", "mas/yr", "pos.pm;pos.eq.dec", "proper motion in declination"),
)
_SOURCE_ID = Column("source_id", "i8", "", "meta.id;meta.main", "identifier, below 2^53")
_HW = Column("hw", "f8", "mag", "phot.mag;em.IR", "Hw")
_COLOUR = Column("colour", "f8", "mag", "phot.color;em.IR.J;em.IR.H", "J - H; NaN where it is not known")
_KIND = (
    Column("is_reference", "i1", "", "meta.code", "1 for stars with Gaia astrometry"),
    Column("is_artificial", "i1", "", "meta.code", "1 for sources without motion and parallax"),
)


def _motion(what: str) -> tuple[Column, ...]:
    return (
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", f"{what} right ascension, ICRS"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", f"{what} declination, ICRS"),
        *(Column(name, "f8", unit, ucd, f"{what} {text}") for name, unit, ucd, text in _PARAMETERS[2:]),
    )


_ERRORS = tuple(
    Column(f"{name}_error", "f8", unit, f"stat.error;{ucd}", f"error of the {text}")
    for name, unit, ucd, text in _PARAMETERS
)
_CORRELATIONS = tuple(
    Column(
        f"{one[0]}_{other[0]}_corr",
        "f8",
        "",
        f"stat.correlation;{one[2]};{other[2]}",
        "correlation of errors",
    )
    for place, one in enumerate(_PARAMETERS)
    for other in _PARAMETERS[place + 1 :]
)
_RADIAL_VELOCITY = Column(
    "radial_velocity", "f8", "km/s", "spect.dopplerVeloc", "barycentric radial velocity"
)

SURVEY_STARS = Table(
    "survey_stars",
    (
        _SOURCE_ID,
        *_motion("true"),
        _RADIAL_VELOCITY,
        _HW,
        _COLOUR,
        *_KIND,
        Column("is_wrong", "i1", "", "meta.code", "1 for references whose catalogue motion was displaced"),
    ),
)
"""True sources at the epoch of the solutions, attribute t0; for the mock survey and comparisons only."""

INPUT_CATALOGUE = Table(
    "input_catalogue",
    (
        _SOURCE_ID,
        *_motion("catalogue"),
        _RADIAL_VELOCITY._replace(description="known barycentric radial velocity; 0 without"),
        Column("ref_epoch", "f8", "yr", "time.epoch", "epoch of position and motion, Julian year TCB"),
        *_ERRORS,
        *_CORRELATIONS,
        _HW,
        _COLOUR,
        Column("ruwe", "f8", "", "stat.fit.goodness", "renormalised unit weight error of Gaia"),
        *_KIND,
    ),
)
"""What the mission knows of the sources; (ra, dec) are the comparison directions of all solutions."""

PLATE_MOTION = Table(
    "plate_motion",
    (
        _SOURCE_ID,
        *_motion("estimated"),
        Column("ref_epoch", "f8", "yr", "time.epoch", "epoch of the position, Julian year TCB"),
        *_ERRORS,
        *_CORRELATIONS,
        Column("chi2", "f8", "", "stat.fit.chi2", "chi-square of the orbits' positions and of the prior"),
        Column("dof", "i4", "", "stat.fit.dof", "degrees of freedom"),
        Column("n_obs", "i4", "", "meta.number;obs", "exposures"),
        Column("n_orbit", "i4", "", "meta.number", "orbits"),
        Column(
            "condition", "f8", "", "stat.fit", "condition of the scaled normal matrix of the orbits alone"
        ),
        Column("flags", "i4", "", "meta.code.qual", "bit field, see docs/survey_sources.md"),
    ),
)
"""Five parameters of each source out of the positions in all orbits."""
