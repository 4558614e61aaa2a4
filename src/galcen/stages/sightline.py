"""Look at the Galaxy model along one line of sight: counts, distances, motions, extinction."""

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from galcen.bounds import BOUNDS
from galcen.cache import cache_folder
from galcen.catalogue.distance_grid import distance_grid, grid_class, impact_parameter
from galcen.catalogue.forward import Window, point_gaps, selected_fraction
from galcen.catalogue.sampling import cumulate, invert
from galcen.catalogue.velocity import phase_space
from galcen.config.galaxy import Extinction, Tables
from galcen.config.galaxy import Galaxy as GalaxyOptions
from galcen.constants import SR_PER_ARCMIN2
from galcen.errors import ConfigError, SchemaError
from galcen.galaxy import binned
from galcen.galaxy.components import COMPONENTS, HALO, NSC
from galcen.galaxy.imf import imf
from galcen.galaxy.model import (
    Galaxy,
    Sightlines,
    colour_excess,
    extinction,
    number_density,
    sightlines,
)
from galcen.galaxy.photometry import distance_modulus
from galcen.galaxy.tables import CELL_DEG
from galcen.io.directions import read_directions
from galcen.random import stage_key
from galcen.stages import galaxy_model
from galcen.stages.versions import VERSIONS

DIST_MAX = 20000.0
N_DRAW = 40960
HALF_BIN_MAG = 0.01
"""Shift of the reference program's luminosity functions, for Hw, in which it has none."""

REFERENCE = {
    "nuclear_cluster": False,
    "interpolate_gaps": True,
    "bar_covariance": False,
    "nuclear_disc_correlation_sign": False,
    "nuclear_disc_window": True,
}
BANDS = ("J", "H", "Ks", "Hw", "HwA", "HwB")


def inspect(
    l: float,
    b: float,
    *,
    band: str,
    bright: float,
    faint: float,
    area_arcmin2: float | None,
    law: str,
    reference_switches: bool,
    form: str,
    outside: float | None = None,
) -> str:
    """The answer of `galcen sightline`, as a table or as JSON."""
    if form not in ("table", "json"):
        raise ConfigError(f"--format {form}: expected table or json")
    galaxy, window = _model(band, bright, faint, law, reference_switches, outside)
    area = _area(area_arcmin2, b)
    answer = summarise(galaxy, l, b, window, area, reference_switches)
    return json.dumps(answer) if form == "json" else _table(answer, l, b, band, window, area)


def inspect_table(
    path: Path,
    *,
    band: str,
    bright: float,
    faint: float,
    area_arcmin2: float | None,
    law: str,
    reference_switches: bool,
    form: str,
    outside: float | None = None,
) -> str:
    """The answer of `galcen sightline --table`: one direction a row, as a table, as CSV or as JSON.

    Nothing is computed before all rows are checked.
    """
    if form not in ("table", "csv", "json"):
        raise ConfigError(f"--format {form}: expected table, csv or json")
    places = read_directions(path)
    galaxy, window = _model(band, bright, faint, law, reference_switches, outside)
    _refuse_off_map(galaxy, places["glon"], places["glat"], [f"{path}: row {row}: " for row in places["row"]])
    answers = []
    for row, lon, lat in zip(*(places[name].tolist() for name in ("row", "glon", "glat")), strict=True):
        area = _area(area_arcmin2, lat)
        answer = summarise(galaxy, lon, lat, window, area, reference_switches, motions=form != "table")
        answers.append({"row": row, "l": lon, "b": lat, "area_arcmin2": area, **answer})
    if form == "json":
        return json.dumps(answers)
    flat = [_flat(answer) for answer in answers]
    if form == "table":
        return _short(answers, band, window)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().rstrip("\n")


def _flat(answer: dict) -> dict:
    """One level of names: those of a component's values begin with its name."""
    components = answer["components"].items()
    inner = {f"{name}_{key}": value for name, values in components for key, value in values.items()}
    return {key: value for key, value in answer.items() if key != "components"} | inner


def _short(answers: list[dict], band: str, window: Window) -> str:
    """A line a direction: extinction, and stars by component."""
    names = list(answers[0]["components"])
    lines = [
        f"stars with {window.bright:g} < {band} < {window.faint:g}; --format csv has all values",
        f"{'row':>6s} {'l [deg]':>10s} {'b [deg]':>9s} {'E(J-Ks)':>8s} {'A_Ks':>7s} {'arcmin2':>8s} "
        f"{'stars':>10s} " + " ".join(f"{name:>9s}" for name in names),
    ]
    for one in answers:
        counts = [one["components"][name]["count"] for name in names]
        lines.append(
            f"{one['row']:6d} {one['l']:10.4f} {one['b']:9.4f} {one['ejk']:8.3f} {one['a_ks_at_gc']:7.3f} "
            f"{one['area_arcmin2']:8.4g} {sum(counts):10.4g} " + " ".join(f"{count:9.3g}" for count in counts)
        )
    return "\n".join(lines)


def _area(area_arcmin2: float | None, lat_deg: float) -> float:
    """The solid angle [arcmin2]; that of a cell of the map without one."""
    return (
        area_arcmin2
        if area_arcmin2 is not None
        else (60 * CELL_DEG) ** 2 * float(np.cos(np.radians(lat_deg)))
    )


def _model(
    band: str, bright: float, faint: float, law: str, reference_switches: bool, outside: float | None
) -> tuple[Galaxy, Window]:
    """The Galaxy model and the magnitude limits that the options ask for."""
    if band not in BANDS:
        raise ConfigError(f"--band {band}: expected one of {', '.join(BANDS)}")
    if not bright < faint:
        raise ConfigError(f"--bright {bright} must be below --faint {faint}")
    if outside is not None and not 0 <= outside <= BOUNDS["a_ks"].high:
        raise ConfigError(f"--outside {outside}: expected an A_Ks from 0 to {BOUNDS['a_ks'].high:g} mag")
    if law not in ("WC19", "N09", "AG17"):
        raise ConfigError(f"--law {law}: expected WC19, N09 or AG17")
    relation = band if band in ("HwA", "HwB") else "HwA"
    options = GalaxyOptions(hw=relation, **(REFERENCE if reference_switches else {}))
    galaxy = cached_galaxy(options, Extinction(law=law, outside=outside))
    return galaxy, Window("Hw" if band.startswith("Hw") else band, bright, faint)


def cached_galaxy(options: GalaxyOptions, dust: Extinction) -> Galaxy:
    """The model of these options, kept in the user's cache folder between calls."""
    home = cache_folder("")
    if home is None:
        with tempfile.TemporaryDirectory(prefix="galcen-") as folder:
            return _made(Path(folder) / "model.h5", options, dust)
    name = f"{options.model_dump_json()}{dust.model_dump_json()}{VERSIONS['galaxy_model']}"
    path = home / f"model-{hashlib.sha256(name.encode()).hexdigest()[:16]}.h5"
    try:
        return galaxy_model.load_galaxy(path)
    except SchemaError:
        return _made(path, options, dust)


def _made(path: Path, options: GalaxyOptions, dust: Extinction) -> Galaxy:
    galaxy_model.run(path, Tables(), options, dust)
    return galaxy_model.load_galaxy(path)


def summarise(
    galaxy: Galaxy,
    lon_deg: float,
    lat_deg: float,
    window: Window,
    area_arcmin2: float,
    reference: bool,
    motions: bool = True,
) -> dict:
    """Counts of each component and, with `motions`, the statistics of its selected stars.

    `count` is the expected number of living stars inside the window, `count_total` that of all
    objects, remnants included, and `count_living` that of all living stars.
    """
    line, dist, living, rates = selected_rates(galaxy, lon_deg, lat_deg, window, reference)
    solid_angle = area_arcmin2 * SR_PER_ARCMIN2
    components = {}
    for i, name in enumerate(COMPONENTS):
        if (i == NSC and not galaxy.density.nuclear_cluster) or (i == HALO and not galaxy.density.halo):
            continue
        total = float(np.trapezoid(living[i], dist)) * solid_angle
        components[name] = {
            "count": float(np.trapezoid(rates[i], dist)) * solid_angle,
            "count_total": total * float(galaxy.normalisation.n_all[i] / galaxy.normalisation.n_living[i]),
            "count_living": total,
            **(_statistics(galaxy, lon_deg, lat_deg, i, dist, rates[i]) if motions else {}),
        }
    centre = np.asarray(extinction(line, np.array([[galaxy.frame.sun_distance]])))[:, 0, 0]
    return {
        "components": components,
        **dict(zip(("a_j_at_gc", "a_h_at_gc", "a_ks_at_gc"), map(float, centre), strict=True)),
        "ejk": float(colour_excess(galaxy, np.array([lon_deg]), np.array([lat_deg]))[0]),
    }


def selected_rates(
    galaxy: Galaxy, lon_deg: float, lat_deg: float, window: Window, reference: bool
) -> tuple[
    Sightlines, Float[np.ndarray, " n_dist"], Float[np.ndarray, "12 n_dist"], Float[np.ndarray, "12 n_dist"]
]:
    """The line of sight, distances [pc], and living stars per pc and sr: all, and inside the window."""
    line = sightlines(galaxy, np.array([lon_deg]), np.array([lat_deg]))
    _refuse_off_map(galaxy, np.array([lon_deg]), np.array([lat_deg]), [""])
    grid = int(grid_class(impact_parameter(galaxy.frame, line.lon, line.lat))[0])
    if reference:
        dist = binned.distances(float(line.cell_lon_deg[0]), float(line.cell_lat_deg[0]))[None]
    else:
        dist = distance_grid(galaxy.frame, line.lon, line.lat, grid, DIST_MAX).dist
    shift = np.asarray(extinction(line, dist))[:, 0] + np.asarray(distance_modulus(dist))[0]
    if reference and window.band != "Hw":
        band = BANDS.index(window.band)
        fraction = binned.selected_fraction(
            galaxy.intervals, imf(galaxy.bar), band, shift[band], window.bright, window.faint
        )
    else:
        half = HALF_BIN_MAG if reference else 0.0
        shifted = Window(window.band, window.bright + half, window.faint + half)
        fraction = selected_fraction(point_gaps(galaxy.intervals), shift, shifted, galaxy.hw)
    living = np.asarray(number_density(galaxy, line, dist))[:, 0] * dist**2
    return line, dist[0], living, living * np.asarray(fraction)


def _refuse_off_map(
    galaxy: Galaxy,
    lon_deg: Float[np.ndarray, " n"],
    lat_deg: Float[np.ndarray, " n"],
    origins: Sequence[str],
) -> None:
    """Refuse directions of unknown extinction; the message on the first begins with its origin."""
    off = np.isnan(colour_excess(galaxy, lon_deg, lat_deg))
    if off.any():
        first = int(np.argmax(off))
        raise ConfigError(
            f"{origins[first]}l = {lon_deg[first]:g}, b = {lat_deg[first]:g} deg is off the extinction map "
            "(abs(l) < 9.5, -10 < b < 4.5); give --outside, the extinction there in Ks [mag]"
        )


def _statistics(
    galaxy: Galaxy,
    lon_deg: float,
    lat_deg: float,
    comp: int,
    dist: np.ndarray,
    rate: np.ndarray,
) -> dict[str, float | None]:
    """Mean, median and dispersion over stars drawn from the selected density."""
    names = ("dist_{}_pc", "mul_{}", "mub_{}", "vlos_{}")
    if not rate.sum() > 0:
        return {name.format(s): None for name in names for s in ("mean", "median", "sigma")}
    columns = drawn_motions(galaxy, lon_deg, lat_deg, comp, dist, rate)
    return {
        name.format(label): float(statistic(values))
        for name, values in zip(names, columns, strict=True)
        for label, statistic in (("mean", np.mean), ("median", np.median), ("sigma", np.std))
    }


def drawn_motions(
    galaxy: Galaxy,
    lon_deg: float,
    lat_deg: float,
    comp: int,
    dist: Float[np.ndarray, " n_dist"],
    rate: Float[np.ndarray, " n_dist"],
    n_draw: int = N_DRAW,
) -> tuple[Float[np.ndarray, " n_draw"], ...]:
    """Distance [pc], mu_l*, mu_b [mas/yr] and v_los [km/s] of stars drawn from a density over distance."""
    # Distances at equal steps of the cumulative: no noise from the draw of the distance.
    u = (np.arange(n_draw) + 0.5) / n_draw
    drawn = np.asarray(
        invert(jnp.asarray(dist), jnp.asarray(rate), cumulate(dist, jnp.asarray(rate)), jnp.asarray(u))
    )
    there = np.full(n_draw, 1.0)
    motion = phase_space(
        galaxy,
        stage_key(1, f"sightline {comp}"),
        np.arange(n_draw),
        np.full(n_draw, comp),
        np.radians(lon_deg) * there,
        np.radians(lat_deg) * there,
        drawn,
    )
    return drawn, *map(np.asarray, (motion.pml, motion.pmb, motion.radial_velocity))


def _table(answer: dict, lon: float, lat: float, band: str, window: Window, area: float) -> str:
    lines = [
        f"l = {lon:g}, b = {lat:g} deg; {window.bright:g} < {band} < {window.faint:g}; {area:.6g} arcmin2",
        f"E(J-Ks) = {answer['ejk']:.3f}; at the distance of Sgr A*: A_J = {answer['a_j_at_gc']:.3f}, "
        f"A_H = {answer['a_h_at_gc']:.3f}, A_Ks = {answer['a_ks_at_gc']:.3f} mag",
        f"{'':6s} {'count':>11s} {'all':>11s}   {'D [pc]':>22s} {'mu_l [mas/yr]':>22s} "
        f"{'mu_b [mas/yr]':>22s} {'v_los [km/s]':>22s}",
        f"{'':30s}" + f"   {'mean':>6s} {'median':>7s} {'sigma':>7s}" * 4,
    ]
    for name, row in answer["components"].items():
        cells = [f"{name:6s} {row['count']:11.4g} {row['count_total']:11.4g}"]
        for key in ("dist_{}_pc", "mul_{}", "mub_{}", "vlos_{}"):
            values = [row[key.format(s)] for s in ("mean", "median", "sigma")]
            digits = 0 if key.startswith("dist") else 2
            cells.append(" ".join(f"{'-':>7s}" if v is None else f"{v:7.{digits}f}" for v in values))
        lines.append(" ".join(cells))
    return "\n".join(lines)
