"""Tables of the comparison of a plate analysis with the truth."""

from galcen.io.schema import Column, Table

PLATE_QUALITY = "plate_quality"
"""The product that holds the tables below."""

KINDS = ("references", "others", "artificial", "displaced references")
"""Classes of sources, column `kind`; the last are references whose catalogue motion is wrong on purpose."""

_SOURCE_ID = Column("source_id", "i8", "", "meta.id", "identifier")
_KIND = Column(
    "kind",
    "i1",
    "",
    "meta.code.class",
    "0 references, 1 others, 2 artificial, 3 references of displaced motion",
)
_ESTIMATE = Column("estimate", "i1", "", "meta.code", "0 marginal errors, 1 variational inference")
_ORBIT = Column("orbit", "i4", "", "meta.id.part", "number of the orbit in the plan")
_TIME = Column("t", "f8", "yr", "time.epoch", "Julian year TCB")

_PULLS = (
    Column("n", "i8", "", "meta.number", "sources"),
    Column("rms", "f8", "mas", "stat.stdev", "rms of estimate minus truth; mas/yr for motions"),
    Column("error", "f8", "mas", "stat.error;stat.median", "median of the stated errors; the same unit"),
    Column("mean", "f8", "", "stat.mean", "of the pulls"),
    Column("mean_limit", "f8", "", "stat.max", "largest mean that passes, the common part allowed for"),
    Column("width", "f8", "", "stat.stdev", "rms of the pulls"),
    Column("local_width", "f8", "", "stat.stdev", "rms of the pulls without the common part"),
    Column("width_limit", "f8", "", "stat.max", "largest difference of local_width from 1 that passes"),
    Column("local_p", "f8", "", "stat.probability", "Kolmogorov-Smirnov, pulls without the common part"),
    Column("passes", "i1", "", "meta.code", "1 or 0; -1 where too few sources, or none, are judged"),
)

QUALITY_ORBITS = Table(
    "quality_orbits",
    (
        _ORBIT,
        _TIME._replace(description="mean epoch, Julian year TCB"),
        Column("n_source", "i8", "", "meta.number", "sources"),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements"),
        Column("rms_pixel", "f8", "pixel", "stat.stdev", "of the residuals of each axis"),
        Column("chi2", "f8", "", "stat.fit.chi2", "of the residuals"),
        Column("dof", "f8", "", "stat.fit.dof", "degrees of freedom"),
        *(
            Column(
                f"frame_{axis}{suffix}",
                "f8",
                unit,
                ucd,
                text.format(axis=axis),
            )
            for axis in "ad"
            for suffix, unit, ucd, text in (
                ("", "mas", "stat.mean", "shift of the whole orbit along {axis}, estimate minus truth"),
                ("_error", "mas", "stat.error", "error of frame_{axis} that the references leave"),
                ("_p", "", "stat.probability", "of shift, turn and stretch along {axis} of this size"),
            )
        ),
        Column("camera_um", "f8", "um", "stat.stdev", "rms of the camera found minus the true one"),
        Column("chip_um", "f8", "um", "stat.stdev", "the same without a linear function for each chip"),
        Column("passes", "i1", "", "meta.code", "1 if chi2 / dof and the common part pass, else 0"),
    ),
)
"""Every orbit."""

QUALITY_PULLS = Table(
    "quality_pulls",
    (
        _ORBIT,
        _KIND,
        _ESTIMATE,
        Column("axis", "i1", "", "meta.code", "0 along a, eastwards; 1 along d, northwards"),
        *_PULLS,
    ),
)
"""Positions in each orbit against the truth, by class of sources."""

QUALITY_MOTION = Table(
    "quality_motion",
    (
        _KIND,
        Column(
            "parameter",
            "i1",
            "",
            "meta.code",
            "0 ra, 1 dec, 2 parallax, 3 pmra, 4 pmdec; 5 and 6 weighted means of a and d over the orbits",
        ),
        *_PULLS,
        Column("frame", "f8", "mas", "stat.mean", "shift of all sources together, estimate minus truth"),
        Column("frame_error", "f8", "mas", "stat.error", "error of it that the references leave"),
        Column("frame_p", "f8", "", "stat.probability", "of a shift, turn and stretch of this size"),
    ),
)
"""Five parameters out of all orbits against the truth, by class of sources."""

QUALITY_STARS = Table(
    "quality_stars",
    (
        _SOURCE_ID,
        _KIND,
        Column("hw", "f8", "mag", "phot.mag;em.IR", "Hw"),
        Column("n_orbit", "i4", "", "meta.number", "orbits"),
        *(
            Column(f"{name}_{what}", "f8", unit, ucd, f"{text} of {name}")
            for name, unit in (
                ("ra", "mas"),
                ("dec", "mas"),
                ("parallax", "mas"),
                ("pmra", "mas/yr"),
                ("pmdec", "mas/yr"),
            )
            for what, ucd, text in (
                ("miss", "arith.diff", "estimate minus truth"),
                ("error", "stat.error", "stated error"),
            )
        ),
    ),
)
"""Every star with five parameters."""

QUALITY_HISTOGRAM = Table(
    "quality_histogram",
    (
        _KIND,
        _ESTIMATE,
        Column("low", "f8", "", "stat.min", "lower edge of the bin of pulls"),
        Column(
            "n", "i8", "", "meta.number", "pulls of a and d in all orbits; outermost bins hold those beyond"
        ),
    ),
)
"""Pulls of all orbits. Those of a reference share its catalogue error from orbit to orbit."""

QUALITY_CAMERA = Table(
    "quality_camera",
    (
        Column("chip", "i1", "", "instr.det", "chip"),
        Column("nx", "f8", "pixel", "pos.cartesian.x;instr.det", "from the centre of the chip"),
        Column("ny", "f8", "pixel", "pos.cartesian.y;instr.det", "from the centre of the chip"),
        Column("x", "f8", "um", "pos.cartesian.x;instr.plate", "place on the nominal focal plane"),
        Column("y", "f8", "um", "pos.cartesian.y;instr.plate", "place on the nominal focal plane"),
        *(
            Column(f"d{axis}_{what}", "f8", "um", "arith.diff", f"{text} minus nominal place along {axis}")
            for what, text in (("true", "true"), ("found", "found"))
            for axis in "xy"
        ),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements in the bin"),
    ),
)
"""Ideal places of pixels in one orbit, attribute camera_orbit, without shift, turn, stretch of the field."""

QUALITY_RESIDUALS = Table(
    "quality_residuals",
    (
        Column("x", "f8", "um", "pos.cartesian.x;instr.plate", "place on the nominal focal plane"),
        Column("y", "f8", "um", "pos.cartesian.y;instr.plate", "place on the nominal focal plane"),
        *(
            Column(
                f"d{axis}_{when}", "f8", "um", "stat.mean;arith.diff", f"mean residual along {axis}, {text}"
            )
            for when, text in (
                ("before", "with the attitude fitted and the camera nominal"),
                ("after", "of the solution"),
            )
            for axis in "xy"
        ),
        Column("n_obs", "i8", "", "meta.number;obs", "measurements in the bin"),
    ),
)
"""Residuals of all orbits over the focal plane."""

PATH_POINTS = Table(
    "path_points",
    (
        _SOURCE_ID,
        _KIND,
        _TIME,
        *(
            Column(name, "f8", "mas", ucd, text)
            for name, ucd, text in (
                ("a", "pos.eq.ra;arith.diff", "offset from the comparison direction, eastwards"),
                ("d", "pos.eq.dec;arith.diff", "offset from the comparison direction, northwards"),
                ("a_error", "stat.error", "marginal standard deviation of a"),
                ("d_error", "stat.error", "marginal standard deviation of d"),
            )
        ),
    ),
)
"""Positions of some stars in the orbits."""

PATH_CURVES = Table(
    "path_curves",
    (
        _SOURCE_ID,
        _TIME,
        *(
            Column(f"{axis}_{what}", "f8", "mas", "arith.diff", f"{text} offset along {axis}")
            for what, text in (("true", "true"), ("found", "fitted"))
            for axis in "ad"
        ),
    ),
)
"""Where the same stars truly are, and where the fitted motion has them, as seen from the Earth."""
