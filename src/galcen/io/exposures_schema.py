"""Tables of the mock exposures: what was measured, and the truth behind it."""

from galcen.io.schema import Column, Table
from galcen.io.survey_schema import PLAN_EXPOSURES

EXPOSURES = "exposures"
"""Product of the measurements, one group for each orbit."""

INJECTED = "injected"
"""Product of the truth behind them."""

MEASUREMENTS = Table(
    "measurements",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "source of the input catalogue"),
        Column("chip", "u1", "", "meta.id;instr.det", "number of the chip"),
        Column("nx", "f8", "pixel", "pos.cartesian.x;instr.det", "measured, from the centre of the chip"),
        Column("ny", "f8", "pixel", "pos.cartesian.y;instr.det", "measured, from the centre of the chip"),
        Column("sigma_x", "f4", "pixel", "stat.error;pos.cartesian.x", "stated error of nx"),
        Column("sigma_y", "f4", "pixel", "stat.error;pos.cartesian.y", "stated error of ny"),
        Column("flags", "u1", "", "meta.code.qual", "bit field, see docs/exposures.md"),
    ),
)
"""One row for each star and exposure, by exposure; `offset` says where each exposure's rows begin."""

_ESTIMATED = {
    "ra": "estimate of the boresight, ICRS",
    "dec": "estimate of the boresight, ICRS",
    "pa": "estimate for the focal Y axis, north through east",
    **{f"beta_{axis}": "barycentric velocity / c that aberrates, ICRS" for axis in "xyz"},
}

ORBIT_EXPOSURES = Table(
    "exposures",
    tuple(
        column._replace(description=_ESTIMATED.get(column.name, column.description))
        for column in PLAN_EXPOSURES.columns
    ),
)
"""The plan's exposures of one orbit, with the attitude as it is known before any solution."""

TRUE_EXPOSURES = Table(
    "exposures",
    (
        Column("exposure_id", "i8", "", "meta.id;meta.main", "as in the plan"),
        Column("ra", "f8", "deg", "pos.eq.ra", "true boresight, ICRS"),
        Column("dec", "f8", "deg", "pos.eq.dec", "true boresight, ICRS"),
        Column("pa", "f8", "deg", "pos.posAng", "true, of the focal Y axis, north through east"),
        Column("f_x", "f8", "", "instr.param", "change of the focal length along X, relative [1e-6]"),
        Column("f_y", "f8", "", "instr.param", "change of the focal length along Y, relative [1e-6]"),
    ),
)
"""True attitudes and scales of one orbit."""

TRUE_CHIPS = Table(
    "chips",
    (
        Column("rotation", "f8", "urad", "pos.posAng;instr.det", "about the nominal rotation"),
        Column("x", "f8", "um", "pos.cartesian.x;instr.det", "of the centre, about the nominal place"),
        Column("y", "f8", "um", "pos.cartesian.y;instr.det", "of the centre, about the nominal place"),
        Column("pixel_x", "f8", "", "instr.pixel", "size of a pixel along x, relative [1e-6]"),
        Column("pixel_y", "f8", "", "instr.pixel", "size of a pixel along y, relative [1e-6]"),
        Column("chromatic_x", "f8", "um/mag", "pos.cartesian.x;instr.det", "shift along X with the colour"),
        Column("chromatic_y", "f8", "um/mag", "pos.cartesian.y;instr.det", "shift along Y with the colour"),
    ),
)
"""True chips about the nominal ones."""
