"""Posteriors of stars off the reddening map, by the pipeline, with the extinction of each direction."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from galcen import config
from galcen.catalogue.forward import point_gaps
from galcen.catalogue.posterior import BATCH, Curves, Evaluator, Options, Stars, clean
from galcen.config.inference import Posterior
from galcen.galaxy.extinction.outside import Outside
from galcen.galaxy.model import Galaxy, Sightlines, sightlines
from galcen.io.model_tables import read_tables
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer

KS_PER_V = 0.078  # A_Ks / A_V (Wang & Chen 2019, ApJ 877, 116, Table 3)


class Found(NamedTuple):
    """What is compared of each star's posterior."""

    probability: Float[np.ndarray, "12 n_star"]
    quantile: Float[np.ndarray, "3 n_star"]  # distance at 16, 50, 84 per cent [pc]
    chi2_min: Float[np.ndarray, " n_star"]


class Points(NamedTuple):
    """Stars of all isochrones as points, with the fraction of their component's living stars."""

    comp: Float[np.ndarray, " n"]
    mag: Float[np.ndarray, "3 n"]  # absolute J, H, Ks
    weight: Float[np.ndarray, " n"]


@cache
def default_galaxy() -> Galaxy:
    """The model of the default configuration."""
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


def layer(
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    a_v: Float[np.ndarray, " n_star"],
) -> Sightlines:
    """Sightlines through the model's plane-parallel dust layer, with A_V [mag] of the whole column."""
    lon, lat = np.asarray(lon_deg), np.asarray(lat_deg)
    return sightlines(with_dust(default_galaxy(), lon, lat, KS_PER_V * np.asarray(a_v)), lon, lat)


def with_dust(
    galaxy: Galaxy,
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    a_ks: Float[np.ndarray, " n_star"],
) -> Galaxy:
    """The model with A_Ks [mag] of these directions, as the option `extinction.outside` gives it."""
    outside = Outside(np.asarray(lon_deg), np.asarray(lat_deg), np.asarray(a_ks))
    return eqx.tree_at(lambda one: one.outside, galaxy, outside, is_leaf=lambda part: part is None)


def each_batch(
    galaxy: Galaxy, stars: Stars, line: Sightlines, options: Options
) -> Iterator[tuple[np.ndarray, Curves]]:
    """Rows of the stars of a batch, and p(i, D) of as many stars as a batch has."""
    data, _ = clean(stars, options)
    evaluator = Evaluator(galaxy, options)
    classes = evaluator.classes(line, data)
    for grid in np.unique(classes):
        members = np.flatnonzero(classes == grid)
        for start in range(0, len(members), BATCH):
            mine = members[start : start + BATCH]
            # A short batch repeats its first star: every batch has one shape.
            rows = np.concatenate([mine, np.repeat(mine[:1], BATCH - len(mine))])
            yield rows[: len(mine)], evaluator.curves(data.take(rows), line.take(rows), int(grid))


def posteriors(galaxy: Galaxy, stars: Stars, line: Sightlines, options: Options) -> Found:
    """Class probabilities and quantiles of the distance of each star, by the stage `posterior`."""
    place = {"glon": np.degrees(line.lon), "glat": np.degrees(line.lat)}
    measured = {
        "parallax_obs": stars.parallax,
        "parallax_obs_error": stars.parallax_error,
        "ruwe": stars.ruwe,
    }
    for band, name in enumerate(("mj", "mh", "mks")):
        measured |= {name: stars.mag[band], f"{name}_error": stars.error[band]}
    chosen = Posterior(method="exact", error_floor=options.error_floor, n_sample=1)
    dusty = with_dust(galaxy, place["glon"], place["glat"], np.asarray(line.reddening)[2])
    found = infer(dusty, {"source_id": stars.source_id, **place, **measured}, chosen, 1)
    return Found(found["probability"], found["quantile"], found["chi2_min"])


def photometry(
    mag: Float[np.ndarray, "3 n_star"],
    error: Float[np.ndarray, "3 n_star"],
    parallax: Float[np.ndarray, " n_star"] | None = None,
    parallax_error: Float[np.ndarray, " n_star"] | None = None,
) -> Stars:
    """Stars with J, H, Ks and, where given, a parallax [mas]."""
    n_star = mag.shape[1]
    none = np.full(n_star, np.nan)
    if parallax is None or parallax_error is None:
        parallax, parallax_error = none, none
    return Stars(np.arange(n_star), mag, error, parallax, parallax_error, none)


def model_points(galaxy: Galaxy, n_point: int) -> Points:
    """Each interval between two rows of an isochrone as points equally far apart in mass."""
    intervals = point_gaps(galaxy.intervals)
    t = (np.arange(n_point) + 0.5) / n_point
    mag = intervals.mag_low[..., None] * (1 - t) + intervals.mag_high[..., None] * t
    return Points(
        np.repeat(intervals.comp, n_point), mag.reshape(3, -1), np.repeat(intervals.weight, n_point) / n_point
    )


def half_width(values: Float[np.ndarray, " n"]) -> float:
    """Half of the range between 16 and 84 per cent."""
    low, high = np.percentile(values, [16, 84])
    return float(high - low) / 2
