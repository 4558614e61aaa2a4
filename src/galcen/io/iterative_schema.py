"""Tables of the solution of all orbits at once."""

from enum import IntFlag

from galcen.io.schema import Column, Table
from galcen.io.stars_schema import PLATE_MOTION

ITERATIVE = "iterative"
"""The product that holds the tables below."""

DRAWS = "draws"
"""Array (n_src, n_probe, 5) of it: draws of a, d, parallax [mas] and motions [mas/yr] about the solution."""


class Flag(IntFlag):
    """Bits of the column `flags` of the sources."""

    HELD_BY_PRIOR = 1
    """The measurements alone would not determine all five parameters: the prior decides."""
    NOT_MEASURED = 2
    """No measurement took part; the prior stands alone."""
    REFERENCE = 4
    """A star with Gaia astrometry."""
    ARTIFICIAL = 8
    """A source without motion and parallax."""


_MOTION = PLATE_MOTION.columns[: PLATE_MOTION.names.index("chi2")]
_OFFSETS = (
    ("a", "mas", "pos.eq.ra;arith.diff", "position: offset from the comparison direction, eastwards"),
    ("d", "mas", "pos.eq.dec;arith.diff", "position: offset from the comparison direction, northwards"),
)

ITERATIVE_SOURCES = Table(
    "iterative_sources",
    (
        *_MOTION,
        *(Column(name, "f8", unit, ucd, text) for name, unit, ucd, text in _OFFSETS),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements"),
        Column("n_bad", "i4", "", "meta.number;obs", "of these, weighed below 0.2"),
        Column(
            "excess_noise", "f8", "mas", "stat.stdev", "noise beyond the stated errors; 0 if not asked for"
        ),
        Column("flags", "i4", "", "meta.code.qual", "bit field, see docs/solver.md"),
    ),
)
"""Five parameters of every source of the input catalogue, by source_id."""

_ATTITUDE = (
    ("a_x", "mas", "pos.angDistance", "shift of the boresight along X about the estimate"),
    ("a_y", "mas", "pos.angDistance", "shift of the boresight along Y about the estimate"),
    ("psi", "mas", "pos.posAng", "turn of the position angle about the estimate"),
    ("f_x", "1e-6", "instr.param", "relative change of the focal length along X"),
    ("f_y", "1e-6", "instr.param", "relative change of the focal length along Y"),
)

ITERATIVE_EXPOSURES = Table(
    "iterative_exposures",
    (
        Column("exposure_id", "i8", "", "meta.id;meta.main", "identifier"),
        Column("orbit", "i4", "", "meta.id.part", "number of the orbit in the plan"),
        Column("ra", "f8", "deg", "pos.eq.ra", "boresight of the solution, ICRS"),
        Column("dec", "f8", "deg", "pos.eq.dec", "boresight of the solution, ICRS"),
        Column("pa", "f8", "deg", "pos.posAng", "of the focal Y axis, north through east"),
        *(Column(name, "f8", unit, ucd, text) for name, unit, ucd, text in _ATTITUDE),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements"),
        Column("n_bad", "i4", "", "meta.number;obs", "of these, weighed below 0.2"),
        Column("rms", "f8", "pixel", "stat.stdev", "of the residuals of each axis, bad ones left out"),
        Column(
            "excess_noise", "f8", "pixel", "stat.stdev", "noise beyond the stated errors; 0 if not asked for"
        ),
    ),
)
"""Attitude and scale of the exposures that took part, by exposure_id."""

ITERATIVE_UNITS = Table(
    "iterative_units",
    (
        Column("orbit", "i4", "", "meta.id;meta.main", "number of the orbit in the plan"),
        Column("unit", "i4", "", "meta.id.part", "its unit of the calibration"),
        Column("t", "f8", "yr", "time.epoch", "middle of the orbit, Julian year TCB"),
        Column("t_begin", "f8", "yr", "time.start", "of the unit, Julian year TCB"),
        Column("t_end", "f8", "yr", "time.end", "of the unit, Julian year TCB"),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements of the orbit"),
    ),
)
"""Which calibration every orbit has."""

ITERATIVE_CALIBRATION = Table(
    "iterative_calibration",
    (
        Column("unit", "i4", "", "meta.id.part", "unit of the calibration; -1 for chips, which all share"),
        Column("parameter", "i1", "", "meta.code", "0 A, 1 B, 2 chip, 3 drift of A, 4 drift of B"),
        Column("number", "i2", "", "meta.number", "of the term of the distortion, or of the chip"),
        Column(
            "element",
            "i1",
            "",
            "meta.number",
            "of a chip: 0 rotation, 1 x, 2 y, 3 pixel_x, 4 pixel_y, 5 and 6 shift with colour; else 0",
        ),
        Column("value", "f8", "", "instr.param", "um; 1e-6 rad for rotations, 1e-6 for pixels, um/mag"),
    ),
)
"""Distortion and chips, about the nominal camera."""

ITERATIVE_HISTORY = Table(
    "iterative_history",
    (
        Column("number", "i4", "", "meta.number", "of the outer step"),
        Column("chi2", "f8", "", "stat.fit.chi2", "of data and priors, weighted, before the step"),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements"),
        Column("largest_step", "f8", "", "stat.max", "of an unknown of a source, in its standard deviations"),
        Column("median_step", "f8", "", "stat.median", "the same, median"),
        Column("n_product", "i4", "", "meta.number", "products with the normal matrix, or cycles"),
        Column("residual", "f8", "", "stat.fit.residual", "of the linear system, relative"),
        Column("new_weights", "i1", "", "meta.code", "1 where weights or noise were set before the step"),
    ),
)
"""Every outer step; how long each took is in the log."""

ITERATIVE_MAP = Table(
    "iterative_map",
    (
        Column("chip", "i1", "", "instr.det", "chip"),
        Column("nx", "f8", "pixel", "pos.cartesian.x;instr.det", "centre of the bin, from that of the chip"),
        Column("ny", "f8", "pixel", "pos.cartesian.y;instr.det", "centre of the bin, from that of the chip"),
        Column("dx", "f8", "pixel", "stat.mean;arith.diff", "mean residual along x"),
        Column("dy", "f8", "pixel", "stat.mean;arith.diff", "mean residual along y"),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements in the bin, bad ones left out"),
    ),
)
"""Residuals over the focal plane, all orbits."""

TABLES = (
    ITERATIVE_SOURCES,
    ITERATIVE_EXPOSURES,
    ITERATIVE_UNITS,
    ITERATIVE_CALIBRATION,
    ITERATIVE_HISTORY,
    ITERATIVE_MAP,
)
