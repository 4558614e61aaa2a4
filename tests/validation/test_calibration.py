"""Stars drawn from the model and observed with errors: posteriors must be right as often as they say."""

import numpy as np
import pytest
from scipy.stats import kstest

from galcen import config
from galcen.catalogue.forward import Window, cell_stars, point_gaps
from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.galaxy.components import COMPONENTS
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer

ERROR = 0.1
N_SAMPLE = 199
# First cells of fields of 4 x 4: in the nuclear disc, in the plane, in the bar below and beside it.
CORNERS = ((392, 404), (330, 402), (420, 430), (300, 350), (440, 392))


@pytest.fixture(scope="module")
def stars():
    """20,000 model stars with errors of 0.1 mag that are seen at 8 < Ks < 14, and their posteriors."""
    settings = config.parse({"posterior": {"n_sample": N_SAMPLE}})
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    intervals, rng = point_gaps(galaxy.intervals), np.random.default_rng(11)
    # Wider than what is seen, by six errors: the choice must be by observed magnitudes alone.
    window = Window("Ks", 8.0 - 6 * ERROR, 14.0 + 6 * ERROR)
    parts = []
    for i, j in ((i + a, j + b) for i, j in CORNERS for a in range(4) for b in range(4)):
        centre = -9.4875 + 0.025 * i, -9.9875 + 0.025 * j
        parts.append(
            cell_stars(galaxy, intervals, stage_key(7, "calibration"), i * 580 + j, *centre, window, 2e4)
        )
    lon, lat, comp, dist, mag = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in ("lon_deg", "lat_deg", "comp", "dist", "mag")
    )
    observed = mag + rng.normal(0, ERROR, mag.shape)
    seen = np.flatnonzero((observed[2] > 8.0) & (observed[2] < 14.0))
    seen = rng.choice(seen, min(20000, len(seen)), replace=False)
    n = len(seen)
    # Every third star has a parallax.
    parallax_error = np.where(np.arange(n) % 3 == 0, 0.1, np.nan)
    columns = {
        "source_id": np.arange(n),
        "glon": lon[seen],
        "glat": lat[seen],
        **dict(zip(("mj", "mh", "mks"), observed[:, seen], strict=True)),
        **{f"{name}_error": np.full(n, ERROR) for name in ("mj", "mh", "mks")},
        "parallax_obs": 1000 / dist[seen] + parallax_error * rng.normal(size=n),
        "parallax_obs_error": parallax_error,
        "ruwe": np.full(n, np.nan),
    }
    lattice = MagnitudeLattice.build(Pieces.build(galaxy.intervals, ERROR), ERROR)
    result = infer(galaxy, columns, settings.posterior, 3, lattice)
    return {**columns, **result, "true_comp": comp[seen], "true_dist": dist[seen]}


def ranks(stars, members):
    """Rank of the true distance among the draws, made continuous."""
    below = (stars["dist"][:, members] < stars["true_dist"][members]).sum(axis=0)
    return (below + np.random.default_rng(2).random(len(below))) / (N_SAMPLE + 1)


def test_distances_are_calibrated(stars):
    """Ranks of the true distance are uniform (Kolmogorov-Smirnov), also in bins of magnitude and colour."""
    n = len(stars["glon"])
    assert n > 15000
    every = np.arange(n)
    assert kstest(ranks(stars, every), "uniform").pvalue > 0.01
    colour = stars["mj"] - stars["mks"]
    bins = [
        *np.array_split(np.argsort(stars["mks"]), 4),
        *np.array_split(np.argsort(colour), 4),
        np.flatnonzero(np.isfinite(stars["parallax_obs_error"])),
    ]
    # Nine tests: the least of as many uniform numbers is above 0.001 in 99 of 100 cases.
    assert min(kstest(ranks(stars, members), "uniform").pvalue for members in bins) > 0.001


def test_classes_are_calibrated(stars):
    """Of stars given a class with probability p a part p has it, within 4 binomial errors in every bin."""
    probability = stars["probability"]
    pulls = []
    for i in range(len(COMPONENTS)):
        is_class = stars["true_comp"] == i
        for low, high in (
            (0.0, 0.02),
            (0.02, 0.1),
            (0.1, 0.3),
            (0.3, 0.5),
            (0.5, 0.7),
            (0.7, 0.9),
            (0.9, 1.01),
        ):
            mine = (probability[i] >= low) & (probability[i] < high)
            expected, variance = (
                probability[i][mine].sum(),
                (probability[i][mine] * (1 - probability[i][mine])).sum(),
            )
            if expected > 10 and variance > 5:
                pulls.append((is_class[mine].sum() - expected) / np.sqrt(variance))
    assert len(pulls) > 30
    assert np.abs(pulls).max() < 4
    assert 0.7 < np.std(pulls) < 1.3
