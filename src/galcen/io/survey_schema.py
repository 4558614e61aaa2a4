"""Tables of the mock survey's plan."""

from galcen.io.schema import Column, Table

PLAN = "plan"
"""The product that holds the four tables."""

PLAN_EXPOSURES = Table(
    "plan_exposures",
    (
        Column(
            "exposure_id",
            "i8",
            "",
            "meta.id;meta.main",
            "100000 times the orbit, plus the number in the orbit",
        ),
        Column("orbit", "i4", "", "meta.id.part", "number of the orbit in the plan"),
        Column("field", "i2", "", "meta.id.part", "number of the field in the orbit"),
        Column("t", "f8", "yr", "time.epoch", "middle of the exposure, Julian year (TCB)"),
        Column("ra", "f8", "deg", "pos.eq.ra", "boresight, ICRS, with its scatter"),
        Column("dec", "f8", "deg", "pos.eq.dec", "boresight, ICRS, with its scatter"),
        Column("pa", "f8", "deg", "pos.posAng", "of the focal Y axis, north through east, with its scatter"),
        *(
            Column(f"b_{axis}", "f8", "au", f"pos.cartesian.{axis}", "observer, barycentric, ICRS")
            for axis in "xyz"
        ),
        *(
            Column(
                f"beta_{axis}", "f8", "", f"phys.veloc;pos.cartesian.{axis}", "barycentric velocity / c, ICRS"
            )
            for axis in "xyz"
        ),
        *(
            Column(
                f"sun_{axis}", "f8", "", f"pos.cartesian.{axis}", "unit vector from the Sun to the observer"
            )
            for axis in "xyz"
        ),
        Column("sun_dist", "f8", "au", "pos.distance", "distance of the Sun"),
    ),
)
"""Every exposure, by orbit and time."""

PLAN_ORBITS = Table(
    "plan_orbits",
    (
        Column("orbit", "i4", "", "meta.id;meta.main", "number of the orbit in the plan"),
        Column("t", "f8", "yr", "time.epoch", "middle of its observations, Julian year (TCB)"),
        Column("node_ra", "f8", "deg", "pos.eq.ra", "its first node, ICRS"),
        Column("node_dec", "f8", "deg", "pos.eq.dec", "its first node, ICRS"),
        Column("pa", "f8", "deg", "pos.posAng", "of the focal Y axis at the node, north through east"),
        Column("season", "i2", "", "meta.number", "number of the season, from 0"),
        Column("n_exposure", "i4", "", "meta.number", "exposures of the orbit"),
        Column("first_exposure", "i8", "", "meta.id.part", "row of its first exposure"),
    ),
)
"""Every orbit with exposures."""

PLAN_COVERAGE = Table(
    "plan_coverage",
    (
        Column("healpix", "i8", "", "pos.healpix", "nested HEALPix index (ICRS), see healpix_nside"),
        Column("n_exposure", "i4", "", "meta.number", "exposures that have its centre on a chip"),
    ),
)
"""Pixels that were observed, ascending."""

PLAN_STARS = Table(
    "plan_stars",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "identifier in the truth catalogue"),
        Column("n_exposure", "i4", "", "meta.number", "exposures that have it on a chip"),
    ),
)
"""Stars of the truth catalogue, ascending, those without exposure included; no row without a catalogue."""
