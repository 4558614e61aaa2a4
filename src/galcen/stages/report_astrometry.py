"""Sections of the report on the mock survey and the plate analysis; part of the stage report_page."""

from pathlib import Path

from galcen.io.hdf5 import open_product, read_columns
from galcen.io.plate_quality_schema import (
    PATH_CURVES,
    PATH_POINTS,
    PLATE_QUALITY,
    QUALITY_CAMERA,
    QUALITY_HISTOGRAM,
    QUALITY_MOTION,
    QUALITY_ORBITS,
    QUALITY_PULLS,
    QUALITY_RESIDUALS,
    QUALITY_STARS,
)
from galcen.io.survey_schema import PLAN, PLAN_COVERAGE, PLAN_ORBITS, PLAN_STARS
from galcen.report import (
    coverage,
    distortion,
    page,
    plate_orbits,
    plate_residuals,
    plate_tables,
    precision,
    pulls,
    star_path,
)
from galcen.report.style import png

TABLES = (
    QUALITY_ORBITS,
    QUALITY_PULLS,
    QUALITY_MOTION,
    QUALITY_STARS,
    QUALITY_HISTOGRAM,
    QUALITY_RESIDUALS,
    QUALITY_CAMERA,
    PATH_POINTS,
    PATH_CURVES,
)


def plan_sections(path: Path) -> list[str]:
    """What the survey covers."""
    with open_product(path, PLAN) as file:
        pixels, orbits, stars = (read_columns(file, t) for t in (PLAN_COVERAGE, PLAN_ORBITS, PLAN_STARS))
        nside = int(file.attrs["healpix_nside"])
    sections = []
    if len(pixels["healpix"]):
        sections.append(
            page.figure(
                "The survey: coverage",
                png(coverage.coverage_map(pixels, nside)),
                "Exposures that have the place on a chip.",
            )
        )
    sections.append(
        page.figure(
            "The survey: orbits",
            png(coverage.timeline(orbits)),
            "Orbits with exposures; shades are the seasons.",
        )
    )
    if len(stars["n_exposure"]):
        sections.append(
            page.figure(
                "The survey: exposures of each star",
                png(coverage.exposures_per_star(stars["n_exposure"])),
                "Stars of the truth catalogue.",
            )
        )
    return sections


def quality_sections(path: Path) -> list[str]:
    """The plate analysis against the truth."""
    with open_product(path, PLATE_QUALITY) as file:
        tables = {table.name: read_columns(file, table) for table in TABLES}
        still = float(str(file.attrs["still_chi2"])), int(str(file.attrs["still_dof"]))
        orbit = str(file.attrs["camera_orbit"])
    stars = tables["quality_stars"]
    return [
        page.figure(
            "Plates: orbit by orbit",
            png(plate_orbits.by_orbit(tables["quality_orbits"])),
            "Grey: four standard deviations of chi2 / dof. Right: what all sources of an orbit are shifted "
            "by, with the error that the references leave it; it recurs where the same references do.",
        ),
        page.figure(
            "Plates: residuals over the focal plane",
            png(plate_residuals.over_the_focal_plane(tables["quality_residuals"])),
            "Mean measured minus predicted place, all orbits; mind the scales.",
        ),
        page.figure(
            "Plates: the camera, recovered and true",
            png(distortion.true_and_found(tables["quality_camera"])),
            f"Distortion and chips of orbit {orbit} about the nominal camera, without the shift, the rotation"
            " and the two stretches of the whole field that attitude and focal lengths take up. Where no "
            "exposure has stars on two chips, nothing ties these together: last, each chip by itself.",
        ),
        page.figure(
            "Plates: pulls of the positions",
            png(pulls.of_positions(tables["quality_histogram"])),
            "All orbits, both axes; grey: the normal distribution.",
        ),
        page.table("Plates: positions against the truth", *plate_tables.positions(tables["quality_pulls"])),
        page.figure(
            "Orbits combined: paths of stars",
            png(star_path.paths(tables["path_points"], tables["path_curves"])),
            "The nearest star of each class, from its comparison direction. A reference's fit rests on its "
            "catalogue entry as well.",
        ),
        page.figure(
            "Orbits combined: pulls of the five parameters",
            png(pulls.of_motions(stars)),
            "Grey: the normal distribution.",
        ),
        page.figure(
            "Orbits combined: errors over magnitude",
            png(precision.by_magnitude(stars)),
            "Points: stated errors. Lines: rms of estimate minus truth. Green: goals of the whole mission.",
        ),
        page.table(
            "Orbits combined: five parameters against the truth",
            *plate_tables.motions(tables["quality_motion"], still),
        ),
    ]
