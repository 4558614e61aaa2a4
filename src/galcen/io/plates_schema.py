"""Tables of a joint solution of plates, each declared once."""

from itertools import combinations

from galcen.io.schema import Column, Table

PRODUCT = "joint_plates"

NAME_BYTES = 96
"""Longest name of a star or exposure."""

_AXES = ("x", "y", "pmx", "pmy")
_UNIT = {"x": "mas", "y": "mas", "pmx": "mas/yr", "pmy": "mas/yr"}
_UCD = {"x": "pos.cartesian.x", "y": "pos.cartesian.y", "pmx": "pos.pm", "pmy": "pos.pm"}
_NAME = f"S{NAME_BYTES}"

STARS = Table(
    "stars",
    (
        Column("name", _NAME, "", "meta.id;meta.main", "name of the star"),
        Column("magnitude", "f8", "mag", "phot.mag", "median magnitude"),
        Column("n_exposure", "i4", "", "meta.number", "exposures that show it"),
        Column("is_solved", "i1", "", "meta.code", "0 if left out: too few exposures, or too short a span"),
        *(Column(name, "f8", _UNIT[name], _UCD[name], f"{name} at the epoch t0") for name in _AXES),
        *(
            Column(f"{name}_error", "f8", _UNIT[name], f"stat.error;{_UCD[name]}", f"error of {name}")
            for name in _AXES
        ),
        *(
            Column(f"{a}_{b}_corr", "f8", "", "stat.correlation", f"correlation of {a} and {b}")
            for a, b in combinations(_AXES, 2)
        ),
        Column("chi2", "f8", "", "stat.fit.chi2", "weighted sum of squared normalised residuals"),
        Column("dof", "f8", "", "stat.fit.dof", "redundancy of the star's observations"),
        Column("n_bad", "i4", "", "meta.number", "observations with a weight below 0.2"),
    ),
)

EXPOSURES = Table(
    "exposures",
    (
        Column("name", _NAME, "", "meta.id;meta.main", "name of the exposure"),
        Column("t", "f8", "yr", "time.epoch", "epoch, Julian year"),
        Column("n_star", "i4", "", "meta.number", "solved stars on it"),
        Column("n_bad", "i4", "", "meta.number", "observations with a weight below 0.2"),
        Column("error_factor", "f8", "", "stat.error", "factor that the stated errors were multiplied by"),
        Column("excess_noise", "f8", "", "stat.error", "noise added to the stated errors, unit of x"),
        Column("chi2", "f8", "", "stat.fit.chi2", "without bad observations"),
        Column("dof", "f8", "", "stat.fit.dof", "redundancy, expected value of chi2"),
        Column(
            "residual_68",
            "f8",
            "mas",
            "stat.stdev",
            "half the central 68.27 per cent of residuals, both axes",
        ),
    ),
)

TERMS = Table(
    "terms",
    (
        Column("exposure", "i4", "", "meta.id", "row in exposures"),
        Column("axis", "i1", "", "meta.code", "0 x, 1 y"),
        Column("degree_x", "i1", "", "meta.number", "degree of the Legendre polynomial in x"),
        Column("degree_y", "i1", "", "meta.number", "the same in y"),
        Column("value", "f8", "", "stat.value", "coefficient, unit of x"),
        Column("error", "f8", "", "stat.error", "error of value"),
    ),
)

RESIDUALS = Table(
    "residuals",
    (
        Column("star", "i4", "", "meta.id", "row in stars"),
        Column("exposure", "i4", "", "meta.id", "row in exposures"),
        Column("x", "f8", "", "pos.cartesian.x", "observed, unit of x"),
        Column("y", "f8", "", "pos.cartesian.y", "observed, unit of x"),
        Column("dx", "f8", "", "stat.fit.residual", "observed minus computed x, unit of x"),
        Column("dy", "f8", "", "stat.fit.residual", "observed minus computed y, unit of x"),
        Column("sky_dx", "f8", "mas", "stat.fit.residual", "the same along the stars' x"),
        Column("sky_dy", "f8", "mas", "stat.fit.residual", "the same along the stars' y"),
        Column("redundancy_x", "f8", "", "stat", "variance of dx over that of x"),
        Column("redundancy_y", "f8", "", "stat", "variance of dy over that of y"),
        Column("z", "f8", "", "stat", "size of the residual over its own sigma, both axes as one"),
        Column("weight", "f8", "", "stat.weight", "robust weight; bad below 0.2"),
    ),
)
