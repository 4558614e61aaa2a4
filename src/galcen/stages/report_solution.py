"""Sections of the report on the solution of all orbits at once; part of the stage report_page."""

from pathlib import Path

from galcen.io.comparison_schema import COMPARISON, TABLES
from galcen.io.hdf5 import open_product, read_columns
from galcen.report import (
    camera_orbits,
    convergence,
    distortion,
    miss_map,
    page,
    precision,
    pulls,
    solution_tables,
)
from galcen.report.style import png

NUMBERS = ("chi2", "dof", "chi2_passes", "mean_parallax_zero", "mean_parallax_error", "mean_parallax_passes")


def comparison_sections(path: Path) -> list[str]:
    """The solution of all orbits against the truth."""
    with open_product(path, COMPARISON) as file:
        tables = {table.name: read_columns(file, table) for table in TABLES}
        numbers = {name: float(str(file.attrs[name])) for name in NUMBERS}
        scheme, is_marginal = str(file.attrs["scheme"]), str(file.attrs["is_marginal"]) == "True"
    sources = tables["compared_sources"]
    errors = "marginal" if is_marginal else "with camera and attitudes held fixed"
    return [
        page.figure(
            "All orbits: convergence",
            png(convergence.by_step(tables["iterative_history"])),
            f"Scheme {scheme}. Steps are those of the sources, in units of their errors.",
        ),
        page.table(
            "All orbits: parameters against the truth", *solution_tables.parameters(tables["quality_motion"])
        ),
        page.table(
            "All orbits: the whole solution",
            *solution_tables.together(tables["compared_joint"], tables["compared_zero"], numbers),
        ),
        page.figure(
            "All orbits: pulls of the five parameters",
            png(pulls.of_motions(sources)),
            f"Stated errors are {errors}. Grey: the normal distribution.",
        ),
        page.figure(
            "All orbits: estimate minus truth over the field",
            png(miss_map.over_the_field(sources)),
            "Weighted means in bins; the colours reach to three errors of a mean.",
        ),
        page.table(
            "All orbits: patterns over the field", *solution_tables.patterns(tables["compared_power"])
        ),
        page.figure(
            "All orbits: errors over magnitude",
            png(precision.by_magnitude(sources)),
            "Points: stated errors. Lines: rms of estimate minus truth. Green: goals of the whole mission, "
            "such as 25 uas for parallaxes brighter than Hw = 12.5.",
        ),
        page.figure(
            "All orbits: the camera, recovered and true",
            png(distortion.true_and_found(tables["quality_camera"])),
            "Distortion and chips about the nominal camera in the orbit with the most measurements, without "
            "the shift, the rotation and the two stretches of the whole field that attitude and focal "
            "lengths take up.",
        ),
        page.figure(
            "All orbits: the camera of each orbit, and residuals",
            png(camera_orbits.cameras_and_residuals(tables["compared_camera"], tables["compared_residuals"])),
            "Left: the same difference in every orbit. Right: mean measured minus predicted place.",
        ),
    ]
