"""Distances and motions of real stars: `python benchmarks/real_stars.py FOLDER`.

FOLDER holds three tables that are not part of the project: seismic_giants/tgas_combined_obs.txt,
clusters/NGC_2682.fits and inner_galaxy_6d/apogee_inner_galaxy_outside_l10_b10.txt. The page
docs/real_stars.md is written from real_stars.template.md.
"""

import sys
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import inner_galaxy  # noqa: E402 - float64 first
import open_cluster  # noqa: E402
import seismic_giants  # noqa: E402
from galcen.catalogue.posterior import Options  # noqa: E402
from galcen.galaxy.model import Galaxy  # noqa: E402
from off_map import default_galaxy, posteriors  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "benchmarks" / "real_stars.template.md"


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def compared(name: str, numbers: dict[str, float]) -> tuple[object, ...]:
    """One row of a comparison of distances."""
    spread = f"{numbers['low']:.2f} to {numbers['high']:.2f}"
    errors = (f"{numbers['stated']:.3f}", f"{numbers['pull']:+.2f}", f"{numbers['pull_width']:.2f}")
    return name, numbers["n"], f"{numbers['ratio']:.3f}", spread, *errors


def giants(galaxy: Galaxy, path: Path) -> dict[str, str]:
    """Tables of the seismic giants."""
    stars = seismic_giants.read(path)
    line = seismic_giants.dust(stars)
    dist, error = seismic_giants.seismic_distance(stars, line), seismic_giants.seismic_error(stars)
    found = seismic_giants.infer(galaxy, stars, line, Options())
    head = ("stars", "n", "median ratio", "16 to 84 %", "stated error", "median pull", "width of pulls")
    names = seismic_giants.groups(stars)
    split = [compared(name, seismic_giants.compare(found, dist, error, rows)) for name, rows in names.items()]
    variants = []
    for name, scale, floor, offset in (
        ("as above", 1.0, 0.1, 0.0),
        ("parallaxes + 0.25 mas", 1.0, 0.1, 0.25),
        ("without parallaxes", 1.0, 0.1, None),
        ("half of the extinction", 0.5, 0.1, 0.0),
        ("no extinction", 0.0, 0.1, 0.0),
        ("error floor 0.05 mag", 1.0, 0.05, 0.0),
    ):
        dim = seismic_giants.dust(stars, scale)
        true = seismic_giants.seismic_distance(stars, dim)
        other = seismic_giants.infer(galaxy, stars, dim, Options(error_floor=floor), offset)
        rows = [seismic_giants.compare(other, true, error, names[key]) for key in ("all", "clump")]
        widths = (f"{row['pull_width']:.2f}" for row in rows)
        variants.append((name, *(f"{row['ratio']:.3f}" for row in rows), *widths))
    second = np.median(seismic_giants.diameter_distance(stars, line) / dist)
    offsets = [
        np.median((stars.parallax - 1000 / dist)[names[key]]) for key in ("clump", "giant branch", "all")
    ]
    colour, excess = seismic_giants.clump_colour(stars, line)
    return {
        "excess_colour": f"{colour:.3f}",
        "excess_layer": f"{excess:.3f}",
        "giants": table(head, split),
        "variants": table(("with", "ratio", "clump's", "width of pulls", "clump's"), variants),
        **twins(galaxy, stars, found.quantile[1] / dist),
        "diameters": f"{second:.3f}",
        "offsets": ", ".join(f"{value:+.3f}" for value in offsets),
    }


def twins(galaxy: Galaxy, stars: seismic_giants.Giants, ratio: np.ndarray) -> dict[str, str]:
    """Stars below the clump against model stars below it."""
    line = seismic_giants.dust(stars)
    like = seismic_giants.twins(galaxy, stars, line, 1)
    theirs = posteriors(galaxy, like.stars, line, Options()).quantile[1] / like.dist
    m_ks, is_branch, rows = seismic_giants.absolute_ks(stars), stars.state == 0, []
    for low, high in ((-1.2, 1.5), (-1.2, -0.6), (-0.6, 0.0), (0.0, 0.6), (0.6, 1.5)):
        mine = is_branch & (m_ks > low) & (m_ks < high)
        model = (like.m_ks > low) & (like.m_ks < high)
        numbers = mine.sum(), f"{np.median(ratio[mine]):.3f}", model.sum(), f"{np.median(theirs[model]):.3f}"
        rows.append((f"{low} to {high}", *numbers))
    return {
        "twins": table(("M_Ks", "real", "median ratio", "model", "median ratio"), rows),
        "twins_all": f"{np.median(theirs):.3f}",
        "bright_model": f"{100 * np.mean(like.m_ks < -2):.0f} %",
        "bright_real": f"{100 * np.mean(m_ks < -2):.0f} %",
    }


def cluster(galaxy: Galaxy, path: Path) -> dict[str, str]:
    """Tables of M67."""
    members = open_cluster.read(path)
    rows = []
    for name, limits, options in (
        ("turn-off and giants, thin5", (4, 12), {}),
        ("turn-off and giants, all components", (4, 12), {"comp": None}),
        ("giants, thin5", (4, 10.2), {}),
        ("main sequence, thin5", (12, 15), {}),
        ("main sequence, J - 0.03 mag", (12, 15), {"shift_j": -0.03}),
        ("everything, thin5", (4, 15), {}),
        ("everything, all components", (4, 15), {"comp": None}),
        ("everything, J - 0.03 mag", (4, 15), {"shift_j": -0.03}),
        ("everything, with parallaxes", (4, 15), {"comp": None, "offset": 0.0}),
        (
            "everything, with parallaxes + 0.053 mas",
            (4, 15),
            {"comp": None, "offset": open_cluster.ZERO_POINT},
        ),
    ):
        got = open_cluster.measure(galaxy, members, limits, **options)
        single = f"{got.scatter:.3f}", f"{got.predicted:.3f}", f"{got.pull_width:.2f}"
        modulus = f"{got.modulus:.3f} +- {got.modulus_error:.3f}"
        rows.append((name, f"{limits[0]} to {limits[1]}", got.n, modulus, *single))
    head = ("stars", "Ks", "n", "modulus", "scatter of single stars", "predicted", "width of pulls")
    colours = [
        (f"{low} to {high}", n, f"{seen:.3f}", f"{model:.3f}", f"{seen - model:+.3f}")
        for low, high, n, seen, model in open_cluster.colours(galaxy, members)
    ]
    return {
        "cluster": table(head, rows),
        "colours": table(("Ks", "n", "J-Ks observed", "of the isochrone", "difference"), colours),
    }


def motions(galaxy: Galaxy, path: Path) -> dict[str, str]:
    """Tables of the stars with six coordinates."""
    sample = inner_galaxy.read(path)
    everything = np.ones(len(sample.lon), dtype=bool)
    agreement, radii = [], []
    for name, (rows, comps) in inner_galaxy.populations(sample).items():
        draws = inner_galaxy.draw(galaxy, sample, inner_galaxy.component_mix(galaxy, sample, comps))
        agreement += agrees(name, inner_galaxy.summary(inner_galaxy.bins(sample, draws, rows)))
        for low, n, seen, drawn in inner_galaxy.rotation(galaxy, sample, draws, rows):
            pairs = (f"{a:.0f} / {b:.0f}" for a, b in zip(seen.ravel(), drawn.ravel(), strict=True))
            radii.append((name, f"{low} to {low + 1}", n, *pairs))
    mix = inner_galaxy.component_mix(galaxy, sample)
    draws = inner_galaxy.draw(galaxy, sample, mix)
    by_number = inner_galaxy.component_mix(galaxy, sample, giants=False)
    others = {
        "all stars, not giants, weigh the components": inner_galaxy.draw(galaxy, sample, by_number),
        "true distances 10 % smaller": inner_galaxy.draw(galaxy, sample, mix, scale=0.9),
        "true distances 10 % larger": inner_galaxy.draw(galaxy, sample, mix, scale=1.1),
        "rotation slower by 30 km/s": inner_galaxy.slowed(galaxy, sample, draws, 30.0),
    }
    changed = []
    for name, drawn in others.items():
        changed += agrees(name, inner_galaxy.summary(inner_galaxy.bins(sample, drawn, everything)))
    head = ("stars", "velocity", "bins", "median excess", "rms", "within 10 km/s", "or 2 errors")
    head += ("ratio of dispersions", "within 15 %", "or 2 errors")
    share = mix.mean(axis=1)
    shares = ", ".join(f"{name} {100 * share[i].sum():.0f} %" for name, i in inner_galaxy.SHARES.items())
    columns = ("v_phi", "v_R", "v_Z", "sigma_phi", "sigma_R", "sigma_Z")
    return {
        "motions": table(head, agreement),
        "changed": table(head, changed),
        "radii": table(("stars", "R [kpc]", "n", *columns), radii),
        "shares": shares,
    }


def agrees(name: str, found: dict[str, dict[str, float]]) -> list[tuple[object, ...]]:
    """Rows of how many bins agree."""
    return [
        (
            name,
            velocity,
            row["bins"],
            f"{row['excess']:+.1f}",
            f"{row['rms']:.1f}",
            *(f"{100 * row[key]:.0f} %" for key in ("within", "within_errors")),
            f"{row['ratio']:.2f}",
            *(f"{100 * row[key]:.0f} %" for key in ("ratio_within", "ratio_within_errors")),
        )
        for velocity, row in found.items()
    ]


def main() -> None:
    """Compare and write the page."""
    folder, galaxy = Path(sys.argv[1]), default_galaxy()
    parts = {
        **giants(galaxy, folder / "seismic_giants" / "tgas_combined_obs.txt"),
        **cluster(galaxy, folder / "clusters" / "NGC_2682.fits"),
        **motions(galaxy, folder / "inner_galaxy_6d" / "apogee_inner_galaxy_outside_l10_b10.txt"),
    }
    page = TEXT.read_text().format(**parts)
    (ROOT / "docs" / "real_stars.md").write_text(page)


if __name__ == "__main__":
    main()
