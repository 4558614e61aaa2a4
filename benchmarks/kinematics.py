"""What motions add to the classes of stars in the nuclear disc: `python benchmarks/kinematics.py [--json]`.

Without `--json` it prints docs/kinematics.md.

Stars with 8 < Ks < 14.5 are drawn from the model in 4 x 4 cells about (l, b) = (0.5, 0.0) deg, with errors of
0.1 mag and velocities of their components, and inferred without motions, with proper motions to 0.5 mas/yr
(of the order of those of VIRAC2, Smith et al. 2025, MNRAS 536, 3707, for stars not fainter than that),
and with those of an astrometric mission: proper motions to 0.125 mas/yr, parallaxes to 0.05 and 0.025 mas.
"""

import json
import sys
import time
from typing import NamedTuple

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.catalogue.forward import Window, cell_stars, point_gaps  # noqa: E402
from galcen.catalogue.velocity import phase_space  # noqa: E402
from galcen.galaxy.components import NSD  # noqa: E402
from galcen.galaxy.model import Galaxy  # noqa: E402
from galcen.io.model_tables import read_tables  # noqa: E402
from galcen.random import stage_key  # noqa: E402
from galcen.stages.galaxy_model import build_galaxy  # noqa: E402
from galcen.stages.posterior import infer  # noqa: E402

N_STAR = 3000
CORNER, SIDE = (397, 397), 4  # first cell on the map
ERROR = 0.1

PAGE = """\
# What motions are worth

Made by `python benchmarks/kinematics.py > docs/kinematics.md`.

With `posterior.kinematics: true` the posterior uses observed proper motions and radial velocities, see
`docs/model.md`. Below, {n_star} stars of the model with 8 < Ks < 14.5 about (l, b) = (0.5, 0.0) deg, {n_nsd}
of them of the nuclear disc (NSD), have errors of 0.1 mag and are inferred without motions, with proper
motions as a ground-based survey has them (0.5 mas/yr, of the order of VIRAC2's, Smith et al. 2025, MNRAS
536, 3707), and with those of an astrometric mission (0.125 mas/yr), with parallaxes or without.

Of NSD stars the mean probability to be one is given, of all stars that of their true class and the
entropy of the class probabilities. Calibration is the largest deviation, in binomial errors, of the
number of NSD stars in seven bins of their probability. The processor time is that of the exact posterior.
"""


class Data(NamedTuple):
    """What is measured beside magnitudes; errors in mas/yr and mas, 0: nothing."""

    name: str
    pm_error: float
    parallax_error: float


CASES = (
    Data("magnitudes", 0.0, 0.0),
    Data("proper motions to 0.5 mas/yr", 0.5, 0.0),
    Data("proper motions to 0.125 mas/yr", 0.125, 0.0),
    Data("proper motions to 0.125 mas/yr, parallaxes to 0.05 mas", 0.125, 0.05),
    Data("proper motions to 0.125 mas/yr, parallaxes to 0.025 mas", 0.125, 0.025),
)


def stars(galaxy: Galaxy, n_star: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of stars of the field, with their true motions as observed ones, and their classes."""
    intervals, rng = point_gaps(galaxy.intervals), np.random.default_rng(3)
    window = Window("Ks", 8 - 6 * ERROR, 14.5 + 6 * ERROR)
    cells = [(CORNER[0] + a, CORNER[1] + b) for a in range(SIDE) for b in range(SIDE)]
    parts = [
        cell_stars(
            galaxy,
            intervals,
            stage_key(5, "kinematics"),
            i * 580 + j,
            -9.4875 + 0.025 * i,
            -9.9875 + 0.025 * j,
            window,
            2e4,
        )
        for i, j in cells
    ]
    names = ("source_id", "lon_deg", "lat_deg", "comp", "dist", "mag")
    ids, lon, lat, comp, dist, mag = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names
    )
    mag = mag + rng.normal(0, ERROR, mag.shape)
    seen = np.flatnonzero((mag[2] > 8) & (mag[2] < 14.5))
    rows = rng.choice(seen, min(n_star, len(seen)), replace=False)
    place = np.radians(lon[rows]), np.radians(lat[rows]), dist[rows]
    motion = phase_space(galaxy, stage_key(5, "motions"), ids[rows], comp[rows], *place)
    columns = {
        "source_id": ids[rows],
        "glon": lon[rows],
        "glat": lat[rows],
        **dict(zip(("mj", "mh", "mks"), mag[:, rows], strict=True)),
        **{f"{name}_error": np.full(len(rows), ERROR) for name in ("mj", "mh", "mks")},
        "pmra_obs": motion.pmra,
        "pmdec_obs": motion.pmdec,
        "parallax_obs": 1000 / dist[rows],
        "ruwe": np.full(len(rows), np.nan),
    }
    return columns, comp[rows]


def measured(columns: dict[str, np.ndarray], data: Data) -> dict[str, np.ndarray]:
    """The columns with the noise of one case."""
    rng, out = np.random.default_rng(4), dict(columns)
    for name, error in (
        ("pmra_obs", data.pm_error),
        ("pmdec_obs", data.pm_error),
        ("parallax_obs", data.parallax_error),
    ):
        noise = rng.normal(size=len(columns["glon"]))
        errors = np.full(len(noise), error if error > 0 else np.nan)
        out |= {name: columns[name] + errors * noise, f"{name}_error": errors}
    return out


def calibration(probability: np.ndarray, is_class: np.ndarray) -> float:
    """Largest deviation of the number of stars of a class in bins of its probability, in binomial errors."""
    pulls = [0.0]
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01)):
        mine = (probability >= low) & (probability < high)
        variance = np.sum(probability[mine] * (1 - probability[mine]))
        if variance > 3:
            pulls.append((is_class[mine].sum() - probability[mine].sum()) / np.sqrt(variance))
    return float(np.abs(pulls).max())


def study(galaxy: Galaxy, n_star: int, cases: tuple[Data, ...] = CASES) -> list[dict[str, float | str]]:
    """Mean probabilities and entropies, the calibration and the processor time per star in each case."""
    columns, comp = stars(galaxy, n_star)
    options = config.parse({"posterior": {"kinematics": True}}).posterior
    rows = []
    for case in cases:
        table = measured(columns, case)
        infer(galaxy, {name: values[:64] for name, values in table.items()}, options, 1)  # compiles
        start = time.process_time()
        result = infer(galaxy, table, options, 1)
        p = result["probability"]
        entropy = -np.sum(p * np.log2(np.maximum(p, 1e-300)), axis=0)
        own = p[comp, np.arange(len(comp))]
        width = (result["quantile"][2] - result["quantile"][0]) / 2
        rows.append(
            {
                "data": case.name,
                "nsd_probability_of_nsd": float(p[NSD, comp == NSD].mean()),
                "own_probability": float(own.mean()),
                "entropy_bits": float(entropy.mean()),
                "half_width_pc": float(np.median(width[comp == NSD])),
                "calibration_sigma": calibration(p[NSD], comp == NSD),
                "processor_ms_per_star": (time.process_time() - start) / len(comp) * 1e3,
                "n_star": len(comp),
                "n_nsd": int((comp == NSD).sum()),
            }
        )
    return rows


def main() -> None:
    """Measure and print, as a table or as JSON."""
    settings = config.parse({})
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    rows = study(galaxy, N_STAR)
    if "--json" in sys.argv:
        print(json.dumps(rows))
        return
    print(PAGE.format(**rows[0]))
    head = (
        "measured beside magnitudes",
        "p(NSD) of NSD stars",
        "p(own class)",
        "entropy [bit]",
        "half-width of D, NSD [pc]",
        "calibration [sigma]",
        "processor ms a star",
    )
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print(
            f"| {row['data']} | {row['nsd_probability_of_nsd']:.3f} | {row['own_probability']:.3f} | "
            f"{row['entropy_bits']:.2f} | {row['half_width_pc']:.0f} | {row['calibration_sigma']:.1f} | "
            f"{row['processor_ms_per_star']:.1f} |"
        )


if __name__ == "__main__":
    main()
