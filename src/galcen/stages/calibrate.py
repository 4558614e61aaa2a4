"""See whether posteriors of stars drawn from the model are right as often as they say."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from galcen import config
from galcen.catalogue import calibration as kernel
from galcen.catalogue.forward import Window, cell_stars, point_gaps
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.catalogue.tiling import Cell, cells, tiles_of
from galcen.config.calibration import Calibration
from galcen.config.inference import Posterior
from galcen.errors import ConfigError
from galcen.galaxy.components import COMPONENTS
from galcen.galaxy.model import Galaxy, colour_excess
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, write_columns
from galcen.io.schema import CALIBRATION, OBSERVED
from galcen.random import key
from galcen.stages.galaxy_model import load_galaxy, refuse_unknown_cells
from galcen.stages.inputs import read_inputs
from galcen.stages.likelihood import load_lattice
from galcen.stages.posterior import infer

STAGE = "calibrate"
BANDS = ("mj", "mh", "mks")
LARGEST_ERROR = 3.0
"""Errors of the varied stars go up to this many times the others'."""
MARGIN_SIGMA = 6.0
"""Stars this many errors outside the limits are drawn too: the choice is by observed magnitudes alone."""
MAX_PASS = 1000
PART = 20000
"""Stars inferred at once: their draws fill the memory."""

# Streams of the stage.
_ORDER, _SKY, _NOISE, _CHOICE, _DRAWS, _JITTER = range(6)

log = logging.getLogger(__name__)


@claiming("output")
def run(model: Path, output: Path, options: dict[str, Any], likelihood: Path | None = None) -> None:
    """Draw, infer, compare and write."""
    options = config.filled(
        options, ("seed", "footprint", "posterior", "calibration"), "options of calibrate"
    )
    choices = Calibration.model_validate(options["calibration"])
    inference = Posterior.model_validate(options["posterior"])
    if (inference.method == "fast") != (likelihood is not None):
        raise ConfigError("--likelihood FILE belongs to posterior.method = fast, and only to it")
    start = time.monotonic()
    inputs = read_inputs(STAGE, options, [model, *([likelihood] if likelihood else [])])
    lattice = load_lattice(likelihood, inference.error_floor) if likelihood else None
    galaxy = load_galaxy(model)
    where = [c for t in tiles_of(options["footprint"], {"cells_per_side": 80}) for c in cells(t)]
    refuse_unknown_cells(galaxy, where)
    stars = observed_stars(galaxy, choices, where, inference.dist_max, options["seed"])
    stars |= inferred(galaxy, stars, inference, choices.n_rank, options["seed"], lattice)
    summary = summarise(sample_of(stars), choices.warn_below)
    with create(output, CALIBRATION.name, inputs.attributes()) as file:
        write_columns(file, CALIBRATION, {name: stars[name] for name in CALIBRATION.names})
        file.attrs["summary"] = json.dumps(summary, sort_keys=True)
    overall = summary["ranks"]["all"]
    log.info(
        "%d stars in %.1f s; ranks of the distances: p = %.3g, smallest of %d groups %.3g; "
        "%d pulls of class fractions: rms %.2f, largest %.1f",
        overall["n_star"],
        time.monotonic() - start,
        overall["p_value"],
        len(summary["ranks"]),
        min(test["p_value"] for test in summary["ranks"].values()),
        summary["n_pull"],
        summary["pull_rms"],
        summary["pull_largest"],
    )


def observed_stars(
    galaxy: Galaxy, choices: Calibration, where: Sequence[Cell], dist_max: float, seed: int
) -> dict[str, np.ndarray]:
    """Columns of `OBSERVED` of stars chosen by their observed Ks alone, with their true values.

    Cells are taken in a random order, `n_cell` at a time, until there are enough stars.
    """
    intervals = point_gaps(galaxy.intervals)
    order = _generator(seed, _ORDER).permutation(len(where))
    n_cell = min(choices.n_cell, len(where))
    parts: list[dict[str, np.ndarray]] = []
    found = 0
    for number in range(MAX_PASS):
        # A cell that is taken again has a new stream.
        turns = np.arange(number * n_cell, (number + 1) * n_cell)
        mine = [(turn // len(where), where[order[turn % len(where)]]) for turn in turns.tolist()]
        drawn = [
            cell_stars(
                galaxy,
                intervals,
                key(seed, STAGE, _SKY, again),
                cell.number,
                cell.lon_deg,
                cell.lat_deg,
                window(choices),
                dist_max,
            )
            for again, cell in mine
        ]
        true = {
            name: np.concatenate([getattr(part, name) for part in drawn], axis=-1)
            for name in ("lon_deg", "lat_deg", "comp", "dist", "mag")
        }
        parts.append(_observe(true, choices, _generator(seed, _NOISE, number)))
        found += len(parts[-1]["glon"])
        if found >= choices.n_star:
            break
    else:
        raise ConfigError(
            f"calibration: {found} stars with {choices.bright} < Ks < {choices.faint} in {MAX_PASS} passes "
            f"over the footprint, {choices.n_star} wanted; lower n_star or widen the limits"
        )
    rows = np.sort(_generator(seed, _CHOICE).permutation(found)[: choices.n_star])
    columns = {name: np.concatenate([part[name] for part in parts])[rows] for name in parts[0]}
    columns["reddening"] = colour_excess(galaxy, columns["glon"], columns["glat"])
    missing = {
        column.name: np.full(len(rows), np.nan if column.dtype == "f8" else -1) for column in OBSERVED.columns
    }
    return {**missing, **columns, "source_id": np.arange(len(rows))}


def window(choices: Calibration) -> Window:
    """True magnitudes that are drawn: the limits and what noise may bring in."""
    largest = choices.error * (LARGEST_ERROR if choices.varied_fraction else 1.0)
    return Window("Ks", choices.bright - MARGIN_SIGMA * largest, choices.faint + MARGIN_SIGMA * largest)


def _observe(
    true: dict[str, np.ndarray], choices: Calibration, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Measurements of the stars whose observed Ks is within the limits.

    Errors, missing bands and parallaxes do not depend on the star: what is not measured then says
    nothing of it, as the inference assumes.
    """
    n = len(true["dist"])
    is_varied = rng.random(n) < choices.varied_fraction
    factor = np.where(is_varied, rng.uniform(1.0, LARGEST_ERROR, (3, n)), 1.0)
    error = choices.error * factor
    mag = true["mag"] + error * rng.normal(size=(3, n))
    mag[0, rng.random(n) < choices.missing_fraction] = np.nan
    parallax_error = np.where(rng.random(n) < choices.parallax_fraction, choices.parallax_error, np.nan)
    columns = {
        "glon": true["lon_deg"],
        "glat": true["lat_deg"],
        **dict(zip(BANDS, mag, strict=True)),
        **{
            f"{name}_error": np.where(np.isfinite(m), e, np.nan)
            for name, m, e in zip(BANDS, mag, error, strict=True)
        },
        "parallax_obs": 1000.0 / true["dist"] + parallax_error * rng.normal(size=n),
        "parallax_obs_error": parallax_error,
        "true_comp": true["comp"].astype(np.int8),
        "true_dist": true["dist"],
    }
    seen = (mag[2] > choices.bright) & (mag[2] < choices.faint)
    return {name: values[seen] for name, values in columns.items()}


def inferred(
    galaxy: Galaxy,
    stars: dict[str, np.ndarray],
    inference: Posterior,
    n_rank: int,
    seed: int,
    lattice: MagnitudeLattice | None,
) -> dict[str, np.ndarray]:
    """Columns of the posterior, and the rank of each true distance, by the configured method."""
    options = inference.model_copy(update={"n_sample": n_rank})
    stream = int(_generator(seed, _DRAWS).integers(2**63))
    n_star = len(stars["glon"])
    jitter = _generator(seed, _JITTER).random(n_star)
    parts = []
    for start in range(0, n_star, PART):
        rows = slice(start, start + PART)
        some = {name: values[rows] for name, values in stars.items()}
        result = infer(galaxy, some, options, stream, lattice)
        parts.append(
            {
                **{f"p_comp_{i}": row for i, row in enumerate(result["probability"])},
                **dict(zip(("dist_p16", "dist_p50", "dist_p84"), result["quantile"], strict=True)),
                **{name: result[name] for name in ("ln_evidence", "chi2_min", "dist_source", "flags")},
                "rank": kernel.ranks(result["dist"], some["true_dist"], jitter[rows]),
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def sample_of(columns: dict[str, np.ndarray]) -> kernel.Sample:
    """Columns of `CALIBRATION` as the kernel takes them."""
    return kernel.Sample(
        np.stack([columns[name] for name in BANDS]),
        columns["parallax_obs"],
        columns["reddening"],
        columns["true_comp"],
        columns["rank"],
        np.stack([columns[f"p_comp_{i}"] for i in range(len(COMPONENTS))]),
    )


def summarise(sample: kernel.Sample, warn_below: float) -> dict[str, Any]:
    """All tests, with a warning for each that fails; nothing is raised: the figures tell why."""
    members = kernel.groups(sample)
    tests = kernel.uniformity(sample.rank, members)
    pulls = {name: kernel.class_pulls(sample, rows) for name, rows in members.items()}
    n_pull = sum(map(len, pulls.values()))
    n_test = len(tests) + n_pull
    for name, test in tests.items():
        if test.p_value * n_test < warn_below:
            log.warning("ranks of the distances, %s: p = %.2g in %d tests", name, test.p_value, n_test)
    for name, values in pulls.items():
        p_value = kernel.worst_p_value(values)
        if p_value * n_test < warn_below:
            log.warning("class fractions, %s: a pull has p = %.2g in %d tests", name, p_value, n_test)
    every = pulls["all"]
    return {
        "ranks": {name: test._asdict() for name, test in tests.items()},
        "pulls": {name: [round(float(pull), 3) for pull in values] for name, values in pulls.items()},
        "n_test": n_test,
        "n_pull": len(every),
        "pull_rms": float(np.sqrt(np.mean(every**2))) if len(every) else 0.0,
        "pull_largest": float(np.abs(every).max()) if len(every) else 0.0,
    }


def _generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key(seed, STAGE, *stream))))
