"""Class and distance posterior of the stars of one tile."""

import logging
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from galcen.catalogue import posterior as kernel
from galcen.catalogue.flags import Flag
from galcen.catalogue.sampling import summarise
from galcen.config.inference import Posterior
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.model import Galaxy, Sightlines, sightlines
from galcen.io.hdf5 import create, read_table, write_array, write_columns
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import OBSERVED, POSTERIOR
from galcen.random import keys, stage_key
from galcen.stages.galaxy_model import load_galaxy

log = logging.getLogger(__name__)

_OUTPUTS = ("probability", "quantile", "ln_evidence", "beyond", "comp", "dist")


def kernel_options(options: Posterior) -> kernel.Options:
    """The kernel's form of the configuration."""
    return kernel.Options(options.error_floor, options.missing_error, options.ruwe_limit, options.dist_max)


def stars_of(columns: dict[str, np.ndarray]) -> kernel.Stars:
    """Observed columns as the kernels take them."""
    bands = ("mj", "mh", "mks")
    return kernel.Stars(
        columns["source_id"],
        np.stack([columns[name] for name in bands]),
        np.stack([columns[f"{name}_error"] for name in bands]),
        columns["parallax_obs"],
        columns["parallax_obs_error"],
        columns["ruwe"],
    )


def infer(
    galaxy: Galaxy, columns: dict[str, np.ndarray], options: Posterior, seed: int
) -> dict[str, np.ndarray]:
    """Summaries and draws of every star, in the order of `columns`.

    Returns
    -------
    The fields of `sampling.Summary`, star last, with `chi2_min` and `flags`.
    """
    evaluator = kernel.Evaluator(galaxy, kernel_options(options))
    stars = stars_of(columns)
    data, flags = kernel.clean(stars, evaluator.options)
    line = sightlines(galaxy, columns["glon"], columns["glat"])
    n_star = len(stars.source_id)
    out = {
        "probability": np.empty((N_COMPONENT, n_star)),
        "quantile": np.empty((3, n_star)),
        "ln_evidence": np.empty(n_star),
        "beyond": np.empty(n_star),
        "comp": np.empty((options.n_sample, n_star), dtype=np.int8),
        "dist": np.empty((options.n_sample, n_star)),
        "chi2_min": np.empty(n_star),
    }
    classes = evaluator.classes(line)
    root = stage_key(seed, "posterior")
    for grid in np.unique(classes):
        members = np.flatnonzero(classes == grid)
        for start in range(0, len(members), kernel.BATCH):
            mine = members[start : start + kernel.BATCH]
            # A short batch repeats its first star: every batch has one shape.
            rows = np.concatenate([mine, np.repeat(mine[:1], kernel.BATCH - len(mine))])
            part = kernel.Data(
                *(
                    field[..., rows]
                    for field in (data.mag, data.inverse_error, data.parallax, data.inverse_parallax_error)
                )
            )
            curves = evaluator.curves(part, _take(line, rows), int(grid))
            star_keys = keys(root, jnp.asarray(stars.source_id[rows]))
            summary = summarise(star_keys, curves.dist, curves.density, curves.ln_scale, options.n_sample)
            for name in _OUTPUTS:
                out[name][..., mine] = np.asarray(getattr(summary, name))[..., : len(mine)]
            out["chi2_min"][mine] = curves.chi2_min[: len(mine)]
    flags |= np.where(out["chi2_min"] > 25.0, Flag.NO_MODEL_5_SIGMA, 0)
    flags |= np.where(out["chi2_min"] > kernel.OUTLIER_CHI2, Flag.PRIOR_ONLY, 0)
    flags |= np.where(out["beyond"] > 0.01, Flag.DISTANCE_LIMIT, 0)
    flags |= np.where(stars.mag[0] - stars.mag[1] > 4.0, Flag.RED, 0)
    return {**out, "flags": flags.astype(np.int32)}


def _take(line: Sightlines, rows: np.ndarray) -> Sightlines:
    return Sightlines(
        line.lon[rows],
        line.lat[rows],
        line.cell_lon_deg[rows],
        line.cell_lat_deg[rows],
        line.reddening[:, rows],
    )


def run(model: Path, complete: Path, output: Path, options: dict[str, Any]) -> None:
    """Read the stars of a tile, infer them and write the posterior with its draws."""
    columns = read_table(complete, OBSERVED)
    start = time.monotonic()
    result = infer(
        load_galaxy(model), columns, Posterior.model_validate(options["posterior"]), options["seed"]
    )
    table = {
        "source_id": columns["source_id"],
        **{f"p_comp_{i}": row for i, row in enumerate(result["probability"])},
        **dict(zip(("dist_p16", "dist_p50", "dist_p84"), result["quantile"], strict=True)),
        **{name: result[name] for name in ("ln_evidence", "chi2_min", "flags")},
    }
    attributes = provenance("posterior", options, input_hashes(model, complete))
    with create(output, POSTERIOR.name, attributes) as file:
        write_columns(file, POSTERIOR, table)
        write_array(file, "sample_comp", result["comp"].T)
        write_array(file, "sample_dist", result["dist"].T)
    n_star = len(columns["source_id"])
    log.info("%d stars in %.1f s", n_star, time.monotonic() - start)
