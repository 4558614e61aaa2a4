"""Choose the stars that the mock survey observes, and make the catalogue that the mission starts from."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from galcen import config
from galcen.catalogue.angle_units import other_reading
from galcen.catalogue.motion import galactic
from galcen.config.survey_sources import References, SourceTable, SurveySources
from galcen.errors import ConfigError, SchemaError
from galcen.galaxy.photometry import hw as hw_of
from galcen.io.claims import claiming
from galcen.io.hdf5 import open_product, read_column, write_table
from galcen.io.schema import TRUTH
from galcen.io.source_table import read_source_table
from galcen.io.stars_schema import INPUT_CATALOGUE, SURVEY_STARS
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS, covariance_of
from galcen.mapping.space_motion import SpaceMotion, displaced, propagated
from galcen.random import stage_key
from galcen.stages.inputs import read_inputs
from galcen.survey import reference_catalogue, source_list
from galcen.survey.source_list import FIRST_ARTIFICIAL_ID, Rectangle, scores, uniforms

UNRESOLVED_ARCSEC = 0.4

NEAR_CENTRE_DEG = 15.0
"""Where the stars of a table are expected, unless its `units` say that they are elsewhere."""

_MOTION = ("parallax", "pmra", "pmdec", "radial_velocity")
_TRUTH = ("source_id", "ra", "dec", "ref_epoch", *_MOTION, "hw", "gaia_source_id", "ruwe", "realisation")
_BANDS = ("mj", "mh", "mj_mod", "mh_mod")
_OBSERVED = ("parallax_obs_error", "pmra_obs_error", "pmdec_obs_error", "radial_velocity_obs", "parallax_obs")

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]


class _Sources(NamedTuple):
    """The sources of the survey, by identifier."""

    source_id: np.ndarray
    truth: SpaceMotion  # at `epoch`
    epoch: np.ndarray
    hw: np.ndarray
    colour: np.ndarray  # J - H; NaN where it is not known
    is_reference: np.ndarray
    is_artificial: np.ndarray
    known: Columns  # errors, correlations and RUWE that came with the stars; NaN for those without


@claiming("stars", "input_catalogue")
def run(source: Path, stars: Path, input_catalogue: Path, options: dict[str, Any]) -> None:
    """Write the true sources at the epoch of the solutions, and the catalogue that the mission has of them.

    Parameters
    ----------
    source
        A truth catalogue, or the table that `survey_sources.table` describes.
    stars
        True sources.
    input_catalogue
        The catalogue; references lie about the truth by a draw of their errors.
    options
        Sections `seed`, `galaxy` and `survey_sources` of the configuration.
    """
    jax.config.update("jax_enable_x64", True)
    names = ("seed", "galaxy", "survey_sources")
    settings = config.parse({n: options[n] for n in names if n in options}, "options of survey-sources")
    choices, root = settings.survey_sources, stage_key(settings.seed, "survey_sources")
    if choices.table is None:
        inputs = read_inputs("survey_sources", options, [source])
        columns = _truth_columns(source)
    else:
        columns = _table_columns(choices.table.model_copy(update={"path": str(source)}), settings.galaxy.hw)
        inputs = read_inputs("survey_sources", options, files={"table of sources": source})
    sources = _with_artificial(_selected(source, columns, choices, root), choices, root)
    now = propagated(sources.truth, choices.reference_epoch - sources.epoch)
    table, wrong = _input_catalogue(sources, now, choices, root)
    kinds = {
        "hw": sources.hw,
        "colour": sources.colour,
        "is_reference": sources.is_reference.astype(np.int8),
        "is_artificial": sources.is_artificial.astype(np.int8),
    }
    t0 = repr(choices.reference_epoch)
    true = {"source_id": sources.source_id, **now._asdict(), **kinds, "is_wrong": wrong.astype(np.int8)}
    write_table(stars, SURVEY_STARS, true, inputs.attributes(t0=t0))
    write_table(input_catalogue, INPUT_CATALOGUE, table | kinds, inputs.attributes(t0=t0))
    log.info(
        "%d sources: %d references (%d with a wrong motion), %d artificial; %d pairs within %.1f arcsec stay",
        *(len(now.ra), sources.is_reference.sum(), wrong.sum(), sources.is_artificial.sum()),
        *(source_list.close_pairs(now.ra, now.dec, UNRESOLVED_ARCSEC), UNRESOLVED_ARCSEC),
    )


def _truth_columns(path: Path) -> Columns:
    """The stars of a truth catalogue, of its first draw if there are several."""
    with open_product(path, TRUTH.name) as file:
        columns = {name: read_column(file, TRUTH, name) for name in (*_TRUTH, *_OBSERVED, *_BANDS)}
    if len(columns["ra"]):
        first = columns["realisation"] == columns["realisation"].min()
        columns = {name: values[first] for name, values in columns.items()}
    bad = ~(np.isfinite(columns["ra"]) & np.isfinite(columns["dec"]))
    if bad.any():
        raise SchemaError(
            f"{path}: star {columns['source_id'][np.argmax(bad)]} has no position "
            f"({np.count_nonzero(bad)} such stars); make the catalogue again"
        )
    ids, counts = np.unique(columns["source_id"], return_counts=True)
    if (counts > 1).any():
        raise SchemaError(
            f"{path}: {counts.max()} rows have the source_id {ids[np.argmax(counts)]} "
            f"({np.count_nonzero(counts > 1)} such stars); identifiers must be unique"
        )
    has_gaia = (columns["gaia_source_id"] >= 0) | np.isfinite(columns["parallax_obs"])
    velocity = columns["radial_velocity_obs"]
    renamed = {f"{name}_error": columns[f"{name}_obs_error"] for name in ("parallax", "pmra", "pmdec")}
    for name, values in renamed.items():
        bad = values <= 0
        if bad.any():
            raise SchemaError(
                f"{path}: star {columns['source_id'][np.argmax(bad)]} has {name} = {values[np.argmax(bad)]} "
                f"({np.count_nonzero(bad)} such stars), expected an error above 0"
            )
    # As Hw: observed, or of the model where a band is missing.
    j, h = (np.where(np.isfinite(columns[b]), columns[b], columns[f"{b}_mod"]) for b in ("mj", "mh"))
    return columns | renamed | {"has_gaia": has_gaia, "known_velocity": velocity, "colour": j - h}


def _table_columns(table: SourceTable, relation: str) -> Columns:
    """The stars of a user's table."""
    columns = read_source_table(table)
    _refuse_other_angles(table, columns)
    missing = np.full(len(columns["ra"]), np.nan)
    if "hw" not in columns:
        columns["hw"] = np.asarray(hw_of(columns["mj"], columns["mh"], relation))
    identified = columns.get("gaia_source_id", np.full(len(missing), -1)) >= 0
    measured = np.isfinite(columns.get("parallax_error", missing))
    known_velocity = columns.get("radial_velocity", missing)
    return (
        {name: missing for name in _MOTION}
        | columns
        | {
            "has_gaia": identified | measured,
            "known_velocity": known_velocity,
            "colour": columns.get("mj", missing) - columns.get("mh", missing),
        }
    )


def _refuse_other_angles(table: SourceTable, columns: Columns) -> None:
    """Refuse positions far from the Galactic centre that are near it if they are no degrees.

    Raises
    ------
    SchemaError
        No unit of ra is given, and hours, radians or Galactic coordinates explain the positions.
    """
    advice = other_reading(columns["ra"], columns["dec"], _is_near_centre)
    if advice and "ra" not in table.units:
        raise SchemaError(
            f"{table.path}: row 1 at ra = {columns['ra'][0]:.5f}, dec = {columns['dec'][0]:.5f} deg, like "
            f"most others, lies far from the Galactic centre; {advice} (or set units: {{ra: deg}} if that "
            "is right)"
        )


def _is_near_centre(lon_deg: np.ndarray, lat_deg: np.ndarray) -> np.ndarray:
    return np.hypot(lon_deg, lat_deg) < NEAR_CENTRE_DEG


def _selected(path: Path, columns: Columns, choices: SurveySources, root: Key[Array, ""]) -> _Sources:
    """The stars within the limits, and which of them are references."""
    hw, n_row = columns["hw"], len(columns["hw"])
    keep = (hw >= choices.bright) & (hw <= choices.faint)
    if choices.window is not None:
        keep &= choices.window.holds(*galactic(columns["ra"], columns["dec"]))
    if not keep.any():
        where = "" if choices.window is None else " inside survey_sources.window"
        raise ConfigError(
            f"{path}: none of its {n_row} stars has {choices.bright} <= Hw <= {choices.faint}{where}; widen "
            "survey_sources.bright, faint or window"
        )
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(columns["source_id"][rows], kind="stable")]
    rows = rows[source_list.random_subset(root, columns["source_id"][rows], choices.max_star)]
    columns = {name: values[rows] for name, values in columns.items()}
    ids = columns["source_id"]
    if choices.n_artificial and ids[-1] >= FIRST_ARTIFICIAL_ID:
        raise SchemaError(
            f"{path}: the identifier {ids[-1]} is one of those of artificial sources, which count from "
            f"{FIRST_ARTIFICIAL_ID}; number the stars anew, or set survey_sources.n_artificial: 0"
        )
    if choices.references.choice == "observed":
        is_reference = columns["has_gaia"]
        if not is_reference.any():
            raise ConfigError(
                f"{path}: none of {len(ids)} stars has a Gaia identifier or an observed parallax, as "
                "references have; set survey_sources.references.choice: drawn"
            )
    else:
        is_reference = uniforms(root, ids, source_list.REFERENCE, 1)[0] < choices.references.fraction
    truth = SpaceMotion(*(columns[name] for name in SpaceMotion._fields))
    known = {
        name: columns[name] for name in (*ERRORS, *CORRELATIONS, "ruwe", "known_velocity") if name in columns
    }
    return _Sources(
        ids,
        source_list.filled_motion(truth, root, ids, choices.missing),
        columns["ref_epoch"],
        columns["hw"],
        columns["colour"],
        is_reference,
        np.zeros(len(ids), dtype=bool),
        known,
    )


def _with_artificial(stars: _Sources, choices: SurveySources, root: Key[Array, ""]) -> _Sources:
    """The stars, and the artificial sources behind them."""
    window = source_list.bounds(*galactic(stars.truth.ra, stars.truth.dec))
    if choices.window is not None:
        window = Rectangle(**choices.window.model_dump())
    added = choices.n_artificial
    source_id, motion, hw = source_list.artificial_sources(root, added, window, stars.hw)

    def with_(values: np.ndarray, other: np.ndarray | float) -> np.ndarray:
        return np.concatenate([values, np.broadcast_to(other, added)])

    return _Sources(
        with_(stars.source_id, source_id),
        SpaceMotion(*(with_(one, other) for one, other in zip(stars.truth, motion, strict=True))),
        with_(stars.epoch, choices.reference_epoch),
        with_(stars.hw, hw),
        with_(stars.colour, np.nan),
        with_(stars.is_reference, False),
        with_(stars.is_artificial, True),
        {name: with_(values, np.nan) for name, values in stars.known.items()},
    )


def _input_catalogue(
    sources: _Sources, now: SpaceMotion, choices: SurveySources, root: Key[Array, ""]
) -> tuple[Columns, np.ndarray]:
    """The catalogue, and which of its references have a wrong motion."""
    references, ids = choices.references, sources.source_id
    reference, rows = sources.is_reference, np.flatnonzero(sources.is_reference)
    score = scores(root, ids, source_list.CATALOGUE, 5)
    width = choices.position_error
    ra, dec = displaced(now.ra, now.dec, width * score[0], width * score[1])
    zero = np.zeros(len(ids))
    columns = {"ra": ra, "dec": dec, **{name: zero.copy() for name in _MOTION}}
    columns |= {name: zero.copy() for name in CORRELATIONS}
    widths = (width, width, choices.parallax_error, choices.proper_motion_error, choices.proper_motion_error)
    columns |= {name: zero + value for name, value in zip(ERRORS, widths, strict=True)}
    columns["ref_epoch"] = np.where(reference, references.epoch, choices.reference_epoch)
    there = sources.truth.take(rows)
    there = propagated(there, references.epoch - sources.epoch[rows])
    errors = _reference_errors(sources, rows, references, root)
    catalogue = reference_catalogue.drawn_catalogue(there, covariance_of(errors, ids[rows]), score[:, rows])
    chance, turn = uniforms(root, ids[rows], source_list.WRONG, 2)
    wrong = chance < references.wrong_fraction
    catalogue = reference_catalogue.with_wrong_motions(catalogue, errors, wrong, turn, references.wrong_sigma)
    known = sources.known["known_velocity"][rows]
    catalogue = catalogue._replace(radial_velocity=np.where(np.isnan(known), 0.0, known))
    for name, values in {**catalogue._asdict(), **errors}.items():
        columns[name][rows] = values
    columns["ruwe"] = np.where(reference, sources.known.get("ruwe", np.nan), np.nan)
    is_wrong = np.zeros(len(ids), dtype=bool)
    is_wrong[rows[wrong]] = True
    return {"source_id": ids, **columns}, is_wrong


def _reference_errors(
    sources: _Sources, rows: np.ndarray, references: References, root: Key[Array, ""]
) -> Columns:
    """Errors and correlations of the references: those that came with them, or as Gaia would have them."""
    given = {name: values[rows] for name, values in sources.known.items()}
    errors = reference_catalogue.filled_errors(given, sources.hw[rows] + references.g_minus_hw)
    count = reference_catalogue.n_score(references.correlation_rms)
    drawn = reference_catalogue.random_correlations(
        scores(root, sources.source_id[rows], source_list.CORRELATION, count)
    )
    has = np.ones(len(rows), dtype=bool)
    for name in CORRELATIONS:
        has &= np.isfinite(given[name]) if name in given else False
    return errors | {
        name: np.where(has, given[name], values) if name in given else values
        for name, values in drawn.items()
    }
