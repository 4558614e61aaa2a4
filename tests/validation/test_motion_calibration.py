"""Model stars with motions, inferred with them: right as often as they say, and surer than without."""

import numpy as np
import pytest

from galcen import config
from galcen.catalogue.forward import Window, cell_stars, point_gaps
from galcen.catalogue.velocity import phase_space
from galcen.galaxy.components import COMPONENTS, NSD
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer

ERROR = 0.1
N_STAR = 2000
BINS = ((0.0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01))


@pytest.fixture(scope="module")
def study():
    """Stars about (l, b) = (0.5, 0) and (1.5, -0.6) deg; posteriors without motions and with two errors."""
    settings = config.parse({"posterior": {"kinematics": True}})
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    intervals, rng = point_gaps(galaxy.intervals), np.random.default_rng(12)
    window = Window("Ks", 8 - 6 * ERROR, 14 + 6 * ERROR)
    parts = [
        cell_stars(
            galaxy,
            intervals,
            stage_key(8, "kinematics"),
            i * 580 + j,
            -9.4875 + 0.025 * i,
            -9.9875 + 0.025 * j,
            window,
            2e4,
        )
        for i, j in ((i + a, j + b) for i, j in ((397, 397), (438, 375)) for a in range(4) for b in range(4))
    ]
    lon, lat, comp, dist, mag = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in ("lon_deg", "lat_deg", "comp", "dist", "mag")
    )
    mag = mag + rng.normal(0, ERROR, mag.shape)
    seen = np.flatnonzero((mag[2] > 8) & (mag[2] < 14))
    rows = rng.choice(seen, N_STAR, replace=False)
    place = np.radians(lon[rows]), np.radians(lat[rows]), dist[rows]
    motion = phase_space(galaxy, stage_key(8, "motions"), np.arange(N_STAR), comp[rows], *place)
    columns = {
        "source_id": np.arange(N_STAR),
        "glon": lon[rows],
        "glat": lat[rows],
        **dict(zip(("mj", "mh", "mks"), mag[:, rows], strict=True)),
        **{f"{name}_error": np.full(N_STAR, ERROR) for name in ("mj", "mh", "mks")},
        **{name: np.full(N_STAR, np.nan) for name in ("parallax_obs", "parallax_obs_error", "ruwe")},
    }
    results = {"none": infer(galaxy, columns, settings.posterior, 1)}
    for name, pm_error, rv_error in (("coarse", 0.5, np.nan), ("fine", 0.125, 2.0)):
        table = dict(columns)
        for key, true, error in (
            ("pmra_obs", motion.pmra, pm_error),
            ("pmdec_obs", motion.pmdec, pm_error),
            ("radial_velocity_obs", motion.radial_velocity, rv_error),
        ):
            table[key] = true + error * rng.normal(size=N_STAR)
            table[f"{key}_error"] = np.full(N_STAR, error)
        # Every fourth star has no proper motion.
        table["pmra_obs"][::4] = np.nan
        results[name] = infer(galaxy, table, settings.posterior, 1)
    return comp[rows], dist[rows], results


@pytest.mark.parametrize("case", ["none", "coarse", "fine"])
def test_classes_are_calibrated(study, case):
    """In bins of probability as many stars are of the class as should be, within 4 binomial errors."""
    comp, _, results = study
    probability = results[case]["probability"]
    pulls = {}
    for i in range(len(COMPONENTS)):
        for low, high in BINS:
            mine = (probability[i] >= low) & (probability[i] < high)
            expected = probability[i][mine].sum()
            variance = (probability[i][mine] * (1 - probability[i][mine])).sum()
            if expected > 10 and variance > 5:
                pulls[i, low] = ((comp[mine] == i).sum() - expected) / np.sqrt(variance)
    assert len([i for i, _ in pulls if i == NSD]) >= 4
    assert np.abs(list(pulls.values())).max() < 4
    assert 0.5 < np.std(list(pulls.values())) < 1.5


@pytest.mark.parametrize("case", ["coarse", "fine"])
def test_distances_are_calibrated(study, case):
    """68 per cent of the true distances between the quantiles of 16 and 84, within 4 binomial errors."""
    _, dist, results = study
    low, _, high = results[case]["quantile"]
    within = ((dist > low) & (dist < high)).mean()
    assert within == pytest.approx(0.68, abs=4 * np.sqrt(0.68 * 0.32 / N_STAR))


def test_motions_help(study):
    """The mean probability of the true class grows from none to coarse to fine motions."""
    comp, _, results = study
    own = [
        results[case]["probability"][comp, np.arange(N_STAR)].mean() for case in ("none", "coarse", "fine")
    ]
    assert own[0] + 0.02 < own[1] < own[2] - 0.01
