"""What the plan of the survey covers: exposures over the sky, of the stars and over time."""

from collections.abc import Mapping

import healpy
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from galcen.constants import ICRS_TO_GALACTIC
from galcen.survey.nodes import galactic

Columns = Mapping[str, np.ndarray]
MAX_SIDE = 1200  # of the map's image
SEASON_COLOURS = ("#56B4E9", "#E69F00")


def coverage_map(coverage: Columns, nside: int) -> Figure:
    """Exposures over Galactic longitude and latitude, chip gaps included.

    Parameters
    ----------
    coverage
        Table `plan_coverage`: pixels, ascending, and their exposures.
    nside
        Of the nested HEALPix index (ICRS).
    """
    healpix, count = coverage["healpix"], coverage["n_exposure"]
    vectors = np.stack(healpy.pix2vec(nside, healpix, nest=True), axis=-1) @ np.array(ICRS_TO_GALACTIC).T
    lon = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    # Fields about l = 180 deg stay in one piece.
    middle = np.degrees(np.arctan2(vectors[:, 1].mean(), vectors[:, 0].mean()))
    lon = middle + (lon - middle + 180) % 360 - 180
    lat = np.degrees(np.arcsin(vectors[:, 2]))
    pixel = np.degrees(healpy.nside2resol(nside))
    edges = [_edges(values, pixel) for values in (lon, lat)]
    places = np.meshgrid(*(0.5 * (edge[1:] + edge[:-1]) for edge in edges), indexing="ij")
    index = healpy.vec2pix(nside, *np.moveaxis(galactic(*places), -1, 0), nest=True)
    row = np.minimum(np.searchsorted(healpix, index), len(healpix) - 1)
    shown = np.where(healpix[row] == index, count[row], 0)
    aspect = np.ptp(edges[1]) / np.ptp(edges[0])
    figure, axis = plt.subplots(figsize=(8.0, min(1.5 + 6.3 * aspect, 9.0)), layout="constrained")
    image = axis.pcolormesh(*edges, np.where(shown > 0, shown, np.nan).T, rasterized=True)
    figure.colorbar(image, ax=axis, label="exposures")
    axis.set(xlabel="Galactic longitude [deg]", ylabel="Galactic latitude [deg]", aspect="equal")
    axis.invert_xaxis()
    axis.grid(False)
    return figure


def exposures_per_star(n_exposure: Int[np.ndarray, " n_star"]) -> Figure:
    """How many stars have how many exposures; those without any are told in words."""
    figure, axis = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    seen = n_exposure[n_exposure > 0]
    top = int(seen.max(initial=1))
    axis.hist(seen, bins=np.linspace(0.5, top + 0.5, min(top, 60) + 1), color="#0072B2")
    median = f", median {np.median(seen):,.0f}" if seen.size else ""
    axis.set(
        xlabel="exposures",
        ylabel="stars",
        title=f"{seen.size:,} of {n_exposure.size:,} stars are seen{median}",
    )
    return figure


def timeline(orbits: Columns) -> Figure:
    """Exposures so far and position angles over time, the seasons shaded; table `plan_orbits`."""
    t, season = orbits["t"], orbits["season"]
    figure, axes = plt.subplots(2, 1, figsize=(8.0, 4.6), sharex=True, layout="constrained")
    for number in np.unique(season):
        mine = t[season == number]
        # A season of one orbit is still a line.
        span = mine.min() - 0.004, mine.max() + 0.004
        for axis in axes:
            axis.axvspan(*span, color=SEASON_COLOURS[number % 2], alpha=0.25, lw=0)
    axes[0].step(t, np.cumsum(orbits["n_exposure"]), where="post", color="#000000")
    axes[0].set(ylabel="exposures so far", ylim=(0, None))
    axes[1].plot(t, orbits["pa"], ".", color="#D55E00", ms=3)
    axes[1].set(xlabel="Julian year", ylabel="position angle [deg]", ylim=(-185, 185))
    axes[1].ticklabel_format(axis="x", useOffset=False)
    return figure


def _edges(values: np.ndarray, step: float) -> np.ndarray:
    low, high = values.min() - step, values.max() + step
    return np.linspace(low, high, int(np.clip(np.ceil((high - low) / step), 1, MAX_SIDE)) + 1)
