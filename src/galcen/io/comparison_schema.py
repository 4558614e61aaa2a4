"""Tables of the comparison of a solution of all orbits with the truth."""

from galcen.io.iterative_schema import ITERATIVE_HISTORY
from galcen.io.plate_quality_schema import QUALITY_CAMERA, QUALITY_MOTION, QUALITY_STARS
from galcen.io.schema import Column, Table

COMPARISON = "comparison"
"""The product that holds the tables below, `QUALITY_MOTION`, `QUALITY_CAMERA` and `ITERATIVE_HISTORY`."""

ALL = -1
"""Column `kind`: sources of all classes; column `degree`: all degrees."""

_KIND = Column(
    "kind",
    "i1",
    "",
    "meta.code.class",
    "-1 all, 0 references, 1 others, 2 artificial, 3 references of displaced motion",
)
_PARAMETER = Column("parameter", "i1", "", "meta.code", "0 ra, 1 dec, 2 parallax, 3 pmra, 4 pmdec")
_PASSES = Column("passes", "i1", "", "meta.code", "1 or 0; -1 where too few sources, or none, are judged")

COMPARED_SOURCES = Table(
    "compared_sources",
    (
        *(column for column in QUALITY_STARS.columns if column.name != "n_orbit"),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements"),
        Column("x", "f8", "deg", "pos.eq.ra;arith.diff", "place in the field, eastwards from its middle"),
        Column("y", "f8", "deg", "pos.eq.dec;arith.diff", "place in the field, northwards from its middle"),
    ),
)
"""Every source that the measurements determine."""

COMPARED_JOINT = Table(
    "compared_joint",
    (
        _KIND,
        Column("n", "i8", "", "meta.number", "sources"),
        Column("joint", "f8", "", "stat.mean", "e^T C^-1 e / 5, mean over the sources"),
        Column("expected", "f8", "", "stat.mean", "its expectation"),
        Column("limit", "f8", "", "stat.max", "largest difference of the two that passes"),
        _PASSES,
    ),
)
"""All five parameters together: errors e with their covariances C."""

COMPARED_ZERO = Table(
    "compared_zero",
    (
        _KIND,
        Column("n", "i8", "", "meta.number", "sources"),
        Column(
            "zero", "f8", "mas", "stat.mean;pos.parallax", "weighted mean of estimate minus true parallax"
        ),
        Column("error", "f8", "mas", "stat.error;pos.parallax", "of it, what all sources share included"),
        Column("pull", "f8", "", "stat.value", "zero / error"),
        _PASSES,
    ),
)
"""Zero point of the parallaxes."""

COMPARED_PATTERNS = Table(
    "compared_patterns",
    (
        _PARAMETER,
        Column("degree_x", "i1", "", "meta.number", "of the Legendre polynomial along x"),
        Column("degree_y", "i1", "", "meta.number", "of the Legendre polynomial along y"),
        Column(
            "amplitude", "f8", "mas", "stat.fit.param", "fitted to estimate minus truth; mas/yr for motions"
        ),
        Column("error", "f8", "mas", "stat.error", "as the errors of the sources have it; the same unit"),
    ),
)
"""Low-order patterns over the field."""

COMPARED_POWER = Table(
    "compared_power",
    (
        _PARAMETER,
        Column("degree", "i1", "", "meta.number", "total degree of the patterns; -1 all"),
        Column("n_term", "i2", "", "meta.number", "patterns"),
        Column(
            "rms", "f8", "mas", "stat.stdev", "of the fitted patterns over the sources; mas/yr for motions"
        ),
        Column("expected", "f8", "mas", "stat.stdev", "of it, from the errors or draws; the same unit"),
        Column(
            "chi2",
            "f8",
            "",
            "stat.fit.chi2",
            "of the amplitudes; with draws, n_term times the ratio of the powers",
        ),
        Column("p", "f8", "", "stat.probability", "of so much power or more"),
        _PASSES,
    ),
)
"""Power in these patterns."""

COMPARED_MAGNITUDES = Table(
    "compared_magnitudes",
    (
        _KIND,
        _PARAMETER,
        Column("hw_low", "f8", "mag", "phot.mag;em.IR;stat.min", "lower edge of the bin of Hw"),
        Column("hw_high", "f8", "mag", "phot.mag;em.IR;stat.max", "upper edge of the bin of Hw"),
        Column("n", "i8", "", "meta.number", "sources"),
        Column(
            "error", "f8", "mas", "stat.error;stat.median", "median of the stated errors; mas/yr for motions"
        ),
        Column("rms", "f8", "mas", "stat.stdev", "of estimate minus truth; the same unit"),
    ),
)
"""Errors by magnitude; bins without sources are left out."""

COMPARED_CAMERA = Table(
    "compared_camera",
    (
        Column("orbit", "i4", "", "meta.id.part", "number of the orbit in the plan"),
        Column("unit", "i4", "", "meta.id.part", "unit of the calibration"),
        Column("camera_um", "f8", "um", "stat.stdev", "rms of the camera found minus the true one"),
        Column("chip_um", "f8", "um", "stat.stdev", "the same without a linear function for each chip"),
    ),
)
"""The camera of every orbit, without shift, turn and stretches of the whole field."""

COMPARED_RESIDUALS = Table(
    "compared_residuals",
    (
        Column("x", "f8", "um", "pos.cartesian.x;instr.plate", "place on the nominal focal plane"),
        Column("y", "f8", "um", "pos.cartesian.y;instr.plate", "place on the nominal focal plane"),
        Column("dx", "f8", "um", "stat.mean;arith.diff", "mean residual along x"),
        Column("dy", "f8", "um", "stat.mean;arith.diff", "mean residual along y"),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements in the bin"),
    ),
)
"""Residuals of all orbits over the focal plane."""

TABLES = (
    QUALITY_MOTION,
    COMPARED_SOURCES,
    COMPARED_JOINT,
    COMPARED_ZERO,
    COMPARED_PATTERNS,
    COMPARED_POWER,
    COMPARED_MAGNITUDES,
    COMPARED_CAMERA,
    QUALITY_CAMERA,
    COMPARED_RESIDUALS,
    ITERATIVE_HISTORY,
)
