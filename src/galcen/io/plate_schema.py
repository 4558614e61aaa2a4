"""Tables of the plate analysis."""

from galcen.io.schema import Column, Table

PLATE = "plate"
"""The product: a group for each orbit of a block with the tables below."""

PLATE_SOURCES = Table(
    "plate_sources",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "identifier"),
        Column("a", "f8", "mas", "pos.eq.ra;arith.diff", "offset from the comparison direction, eastwards"),
        Column("d", "f8", "mas", "pos.eq.dec;arith.diff", "offset from the comparison direction, northwards"),
        Column("a_error", "f8", "mas", "stat.error;pos.eq.ra", "marginal standard deviation of a"),
        Column("d_error", "f8", "mas", "stat.error;pos.eq.dec", "marginal standard deviation of d"),
        Column("ad_corr", "f8", "", "stat.correlation", "correlation of a and d"),
        Column("a_vi", "f8", "mas", "pos.eq.ra;arith.diff", "mean of a by variational inference, or NaN"),
        Column("d_vi", "f8", "mas", "pos.eq.dec;arith.diff", "mean of d by variational inference, or NaN"),
        Column("a_error_vi", "f8", "mas", "stat.error;pos.eq.ra", "of a by variational inference, or NaN"),
        Column("d_error_vi", "f8", "mas", "stat.error;pos.eq.dec", "of d by variational inference, or NaN"),
        Column("prior_a", "f8", "mas", "pos.eq.ra;arith.diff", "prior mean of a"),
        Column("prior_d", "f8", "mas", "pos.eq.dec;arith.diff", "prior mean of d"),
        Column("prior_a_error", "f8", "mas", "stat.error;pos.eq.ra", "prior standard deviation of a"),
        Column("prior_d_error", "f8", "mas", "stat.error;pos.eq.dec", "prior standard deviation of d"),
        Column("prior_ad_corr", "f8", "", "stat.correlation", "prior correlation of a and d"),
        Column("prior_weight", "f8", "", "stat.weight", "of the prior beside its covariance"),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements"),
        Column("n_bad", "i4", "", "meta.number;obs", "of these, weighed below 0.2"),
        Column("is_reference", "i1", "", "meta.code", "1 for stars with Gaia astrometry"),
        Column("is_artificial", "i1", "", "meta.code", "1 for sources without motion and parallax"),
    ),
)
"""Positions of the sources of one orbit as they are seen at its mean epoch, motion and parallax included."""

PLATE_EXPOSURES = Table(
    "plate_exposures",
    (
        Column("exposure_id", "i8", "", "meta.id;meta.main", "identifier"),
        Column("ra", "f8", "deg", "pos.eq.ra", "boresight, ICRS"),
        Column("dec", "f8", "deg", "pos.eq.dec", "boresight, ICRS"),
        Column("pa", "f8", "deg", "pos.posAng", "of the focal Y axis, north through east"),
        *(
            Column(name, "f8", unit, ucd, f"{text} about the estimate")
            for name, unit, ucd, text in (
                ("a_x", "mas", "pos.angDistance", "shift of the boresight along X"),
                ("a_y", "mas", "pos.angDistance", "shift of the boresight along Y"),
                ("psi", "mas", "pos.posAng", "turn of the position angle"),
                ("f_x", "1e-6", "instr.param", "relative change of the focal length along X"),
                ("f_y", "1e-6", "instr.param", "relative change of the focal length along Y"),
            )
        ),
        *(
            Column(f"{name}_error", "f8", unit, "stat.error", f"marginal standard deviation of {name}")
            for name, unit in (
                ("a_x", "mas"),
                ("a_y", "mas"),
                ("psi", "mas"),
                ("f_x", "1e-6"),
                ("f_y", "1e-6"),
            )
        ),
        Column("rms", "f8", "pixel", "stat.stdev", "of the residuals of each axis, bad ones left out"),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements"),
    ),
)
"""Attitude and scale of the exposures."""

PLATE_CALIBRATION = Table(
    "plate_calibration",
    (
        Column("parameter", "i1", "", "meta.code", "0 A, 1 B, 2 chip"),
        Column("number", "i2", "", "meta.number", "of the term of the distortion, or of the chip"),
        Column(
            "element",
            "i1",
            "",
            "meta.number",
            "of a chip: 0 rotation, 1 x, 2 y, 3 pixel_x, 4 pixel_y; else 0",
        ),
        Column("value", "f8", "", "instr.param", "um; 1e-6 rad for rotations, 1e-6 for pixels"),
        Column("error", "f8", "", "stat.error;instr.param", "marginal standard deviation"),
    ),
)
"""Distortion and chips of one orbit, about the nominal camera."""

PLATE_MAP = Table(
    "plate_map",
    (
        Column("chip", "i1", "", "instr.det", "chip"),
        Column("nx", "f8", "pixel", "pos.cartesian.x;instr.det", "centre of the bin, from that of the chip"),
        Column("ny", "f8", "pixel", "pos.cartesian.y;instr.det", "centre of the bin, from that of the chip"),
        *(
            Column(
                f"d{axis}_{when}",
                "f8",
                "pixel",
                "stat.mean;arith.diff",
                f"mean residual along {axis}, {text}",
            )
            for when, text in (
                ("before", "with the attitude fitted and the camera nominal"),
                ("after", "of the solution"),
            )
            for axis in ("x", "y")
        ),
        Column("n_obs", "i4", "", "meta.number;obs", "measurements in the bin"),
    ),
)
"""Residuals over the focal plane."""
