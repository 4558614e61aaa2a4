"""Class and distance posterior of the stars of one tile."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from galcen import config
from galcen.catalogue import gaia_distance
from galcen.catalogue import posterior as kernel
from galcen.catalogue.fast_posterior import infer_stars
from galcen.catalogue.flags import Flag
from galcen.catalogue.gaia_distance import PublishedDistance, is_usable
from galcen.catalogue.kinematic_likelihood import Motions
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.catalogue.sampling import Summary, summarise, uniform_numbers
from galcen.catalogue.survey_limit import Limit
from galcen.config.inference import Posterior
from galcen.errors import ConfigError
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.model import Galaxy, Sightlines
from galcen.io.claims import claiming
from galcen.io.hdf5 import create, read_table, write_array, write_columns
from galcen.io.schema import OBSERVED, POSTERIOR
from galcen.random import stage_key
from galcen.stages.galaxy_model import known_sightlines, load_galaxy
from galcen.stages.inputs import read_inputs
from galcen.stages.likelihood import load_lattice

log = logging.getLogger(__name__)

PHOTOMETRY, PARALLAX, BAILER_JONES = range(3)
"""Values of `dist_source`."""

_OUTPUTS = ("probability", "quantile", "ln_evidence", "beyond", "comp", "dist")


def kernel_options(options: Posterior) -> kernel.Options:
    """The kernel's form of the configuration."""
    return kernel.Options(
        options.error_floor,
        options.missing_error,
        options.ruwe_limit,
        options.dist_max,
        options.parallax_zero_point,
        tuple(options.photometric_offset.get(band, 0.0) for band in ("J", "H", "Ks")),
        options.extinction_spread,
        options.kinematics,
        None if options.limit is None else Limit(*options.limit.model_dump().values()),
    )


def stars_of(columns: dict[str, np.ndarray]) -> kernel.Stars:
    """Observed columns as the kernels take them."""
    bands = ("mj", "mh", "mks")
    motions = ("pmra_obs", "pmdec_obs", "radial_velocity_obs")
    return kernel.Stars(
        columns["source_id"],
        np.stack([columns[name] for name in bands]),
        np.stack([columns[f"{name}_error"] for name in bands]),
        columns["parallax_obs"],
        columns["parallax_obs_error"],
        columns["ruwe"],
        Motions(
            np.stack([_optional(columns, name) for name in motions]),
            np.stack([_optional(columns, f"{name}_error") for name in motions]),
        ),
        _optional(columns, "a_ks_obs"),
    )


def _optional(columns: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A column that callers with stars of their own may leave out."""
    return columns.get(name, np.full(len(columns["source_id"]), np.nan))


def infer(
    galaxy: Galaxy,
    columns: dict[str, np.ndarray],
    options: Posterior,
    seed: int,
    lattice: MagnitudeLattice | None = None,
) -> dict[str, np.ndarray]:
    """Summaries and draws of every star, in the order of `columns`.

    Returns
    -------
    The fields of `sampling.Summary`, star last, with `chi2_min`, `flags`, `dist_source` and whether each
    star was read off the `lattice`.
    """
    stars = stars_of(columns)
    choices = kernel_options(options)
    data, flags = kernel.clean(stars, choices)
    names = np.char.add("source_id ", stars.source_id.astype(str))
    line = known_sightlines(galaxy, columns["glon"], columns["glat"], stars.a_ks, names)
    n_star = len(stars.source_id)
    uniform = uniform_numbers(stage_key(seed, "posterior"), stars.source_id, options.n_sample)
    out = {
        "probability": np.empty((N_COMPONENT, n_star)),
        "quantile": np.empty((3, n_star)),
        "ln_evidence": np.empty(n_star),
        "beyond": np.empty(n_star),
        "comp": np.empty((options.n_sample, n_star), dtype=np.int8),
        "dist": np.empty((options.n_sample, n_star)),
        "chi2_min": np.empty(n_star),
        "is_fast": np.zeros(n_star, dtype=bool),
        "dist_source": np.where(data.inverse_parallax_error > 0, PARALLAX, PHOTOMETRY).astype(np.int8),
    }
    if options.gaia_distances:
        published = PublishedDistance(
            *(_optional(columns, f"r_{name}_photogeo") for name in ("lo", "med", "hi"))
        )
        out["dist_source"][is_usable(published, data, stars.ruwe, options.ruwe_limit)] = BAILER_JONES
    else:
        published = None
    if lattice is not None and options.extinction_spread is None:
        _infer_fast(galaxy, lattice, options, data, line, uniform, out)
    _infer_exactly(galaxy, choices, data, line, published, uniform, out)
    flags |= np.where(out["chi2_min"] > 25.0, Flag.NO_MODEL_5_SIGMA, 0)
    flags |= np.where(out["chi2_min"] > kernel.OUTLIER_CHI2, Flag.PRIOR_ONLY, 0)
    flags |= np.where(out["beyond"] > 0.01, Flag.DISTANCE_LIMIT, 0)
    flags |= np.where(stars.mag[0] - stars.mag[1] > 4.0, Flag.RED, 0)
    return {**out, "flags": flags.astype(np.int32)}


def _infer_fast(
    galaxy: Galaxy,
    lattice: MagnitudeLattice,
    options: Posterior,
    data: kernel.Data,
    line: Sightlines,
    uniform: np.ndarray,
    out: dict[str, np.ndarray],
) -> None:
    """Stars with three errors at the floor, but for those that the table does not cover.

    Nor does it serve stars with motions that are used, with a precise parallax, or a published distance.
    """
    at_floor = np.abs(data.inverse_error * options.error_floor - 1.0) < 1e-9
    able = at_floor.all(axis=0) & (out["dist_source"] != BAILER_JONES) & ~kernel.is_precise(data)
    if data.motions is not None:
        able &= ~np.asarray(data.motions.seen()).any(axis=0)
    rows = np.flatnonzero(able)
    some = data.take(rows)
    found = infer_stars(
        galaxy,
        lattice,
        options.dist_max,
        some.mag,
        some.parallax,
        some.inverse_parallax_error,
        line.take(rows),
        uniform[rows],
    )
    done = found.done
    for name in (*_OUTPUTS, "chi2_min"):
        out[name][..., rows[done]] = np.moveaxis(getattr(found, name)[done], 0, -1)
    out["ln_evidence"][rows[done]] += np.asarray(kernel.ln_normalisation(some))[done]
    out["is_fast"][rows] = done


def _infer_exactly(
    galaxy: Galaxy,
    choices: kernel.Options,
    data: kernel.Data,
    line: Sightlines,
    published: PublishedDistance | None,
    uniform: np.ndarray,
    out: dict[str, np.ndarray],
) -> None:
    """All stars that are not done yet, and those with published distances by these."""
    evaluator = kernel.Evaluator(galaxy, choices)
    by_gaia = out["dist_source"] == BAILER_JONES
    for some, members in _by_motion(data):
        for rows, mine, index in _batches(
            evaluator, line, some, np.flatnonzero(members & ~out["is_fast"] & ~by_gaia)
        ):
            curves = evaluator.curves(some.take(rows), line.take(rows), index)
            summary = summarise(uniform[rows], curves.dist, curves.density, curves.ln_scale)
            _keep(summary, curves.chi2_min, mine, out)
        if published is None:
            continue
        for rows, mine, index in _batches(evaluator, line, some, np.flatnonzero(members & by_gaia)):
            stars = some.take(rows), line.take(rows), index, published.take(rows), uniform[rows]
            _keep(*gaia_distance.infer_stars(evaluator, *stars), mine, out)


def _by_motion(data: kernel.Data) -> list[tuple[kernel.Data, np.ndarray]]:
    """The data with the stars whose motions are used, and without motions for the others."""
    others = kernel.Data(data.mag, data.inverse_error, data.parallax, data.inverse_parallax_error)
    if data.motions is None:
        return [(others, np.ones(len(data.parallax), dtype=bool))]
    moving = np.asarray(data.motions.seen()).any(axis=0)
    return [(data, moving), (others, ~moving)]


def _batches(
    evaluator: kernel.Evaluator, line: Sightlines, data: kernel.Data, stars: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Rows of full batches of one class, the stars they are for, and the class."""
    classes = evaluator.classes(line.take(stars), data.take(stars))
    for index in np.unique(classes):
        members = stars[classes == index]
        for start in range(0, len(members), kernel.BATCH):
            mine = members[start : start + kernel.BATCH]
            # A short batch repeats its first star: every batch has one shape.
            yield np.concatenate([mine, np.repeat(mine[:1], kernel.BATCH - len(mine))]), mine, int(index)


def _keep(summary: Summary, chi2_min: np.ndarray, mine: np.ndarray, out: dict[str, np.ndarray]) -> None:
    """Enter the first results of a batch for its stars."""
    for name in _OUTPUTS:
        out[name][..., mine] = np.asarray(getattr(summary, name))[..., : len(mine)]
    out["chi2_min"][mine] = chi2_min[: len(mine)]


@claiming("output")
def run(
    model: Path, complete: Path, output: Path, options: dict[str, Any], likelihood: Path | None = None
) -> None:
    """Read the stars of a tile, infer them and write the posterior with its draws."""
    options = config.filled(options, ("seed", "posterior"), "options of posterior")
    choices = Posterior.model_validate(options["posterior"])
    if choices.method == "fast" and likelihood is None:
        raise ConfigError(
            "posterior.method = fast needs --likelihood FILE, which `galcen likelihood` makes; give it, "
            "or set posterior.method: exact"
        )
    if choices.method == "exact" and likelihood is not None:
        raise ConfigError("posterior.method = exact takes no --likelihood; leave it out, or set method: fast")
    inputs = read_inputs("posterior", options, [model, complete, *([likelihood] if likelihood else [])])
    columns = read_table(complete, OBSERVED)
    lattice = load_lattice(likelihood, choices.error_floor) if likelihood else None
    start = time.monotonic()
    result = infer(load_galaxy(model), columns, choices, options["seed"], lattice)
    table = {
        "source_id": columns["source_id"],
        **{f"p_comp_{i}": row for i, row in enumerate(result["probability"])},
        **dict(zip(("dist_p16", "dist_p50", "dist_p84"), result["quantile"], strict=True)),
        **{name: result[name] for name in ("ln_evidence", "chi2_min", "dist_source", "flags")},
    }
    with create(output, POSTERIOR.name, inputs.attributes()) as file:
        write_columns(file, POSTERIOR, table)
        write_array(file, "sample_comp", result["comp"].T)
        write_array(file, "sample_dist", result["dist"].T)
    n_star = len(columns["source_id"])
    dark = np.count_nonzero(result["flags"] & Flag.NO_MAGNITUDE)
    if dark and choices.limit is None:
        log.warning(
            "%d stars have no magnitude: every living star of the model counts for them, most of them M "
            "dwarfs; posterior.limit is for the magnitudes that their survey sees",
            dark,
        )
    log.info(
        "%d stars in %.1f s, %d of them by the fast method, %d with a distance from Gaia",
        n_star,
        time.monotonic() - start,
        result["is_fast"].sum(),
        np.count_nonzero(result["dist_source"] == BAILER_JONES),
    )
