"""Paths of some stars on the sky: as measured, true, and as fitted; part of the stage judge_plate."""

import numpy as np

from galcen.astrometry.seen_position import seen_offsets
from galcen.mapping.catalogue_covariance import PARAMETERS
from galcen.mapping.space_motion import SpaceMotion
from galcen.stages.true_sources import TrueSources
from galcen.survey.ephemeris import earth

SHOWN_KINDS = (0, 1, 2)
N_TIME = 400

Columns = dict[str, np.ndarray]


def chosen_stars(found: Columns, truth: TrueSources) -> np.ndarray:
    """Of each kind the nearest star among those seen in most orbits; rows of the truth."""
    rows = truth.rows(found["source_id"], "plate_motion")
    solved = np.isfinite([found[name] for name in PARAMETERS]).all(axis=0)
    chosen = []
    for kind in SHOWN_KINDS:
        mine = np.flatnonzero(solved & (truth.kind[rows] == kind) & (found["n_orbit"] > 0))
        if len(mine):
            number = found["n_orbit"][mine]
            mine = mine[number >= 0.9 * number.max()]
            chosen.append(rows[mine[np.argmax(truth.motion.parallax[rows[mine]])]])
    return np.array(chosen, dtype=np.int64)


def points(stars: np.ndarray, truth: TrueSources, orbits: list[tuple[float, Columns]]) -> Columns:
    """Positions in the orbits, table `path_points`; an orbit is its mean epoch and its sources."""
    parts = []
    for t, sources in orbits:
        mine = np.flatnonzero(np.isin(sources["star"], stars))
        star = sources["star"][mine]
        values = {name: sources[name][mine] for name in ("a", "d", "a_error", "d_error")}
        parts.append(
            {"source_id": truth.source_id[star], "kind": truth.kind[star], "t": np.full(len(mine), t)}
            | values
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def curves(stars: np.ndarray, truth: TrueSources, found: Columns, span: tuple[float, float]) -> Columns:
    """True and fitted paths, table `path_curves`.

    Parameters
    ----------
    stars
        Rows of the truth.
    truth, found
        All sources, and the solution.
    span
        First and last time [Julian year]. The satellite's place about the Earth is left out: 5e-5 of the
        parallax.
    """
    t = np.linspace(span[0] - 0.05, span[1] + 0.05, N_TIME)
    b = earth(t).barycentric.position
    row = {identifier: k for k, identifier in enumerate(found["source_id"].tolist())}
    parts = []
    for star in stars:
        own = row[int(truth.source_id[star])]
        one, comparison = np.array([star]), [truth.catalogue[name][star : star + 1] for name in ("ra", "dec")]
        fitted = SpaceMotion(
            *(found[name][own : own + 1] for name in PARAMETERS), truth.catalogue["radial_velocity"][one]
        )
        true = seen_offsets(truth.motion.take(one), t - truth.t0, b, *comparison)
        path = seen_offsets(fitted, t - found["ref_epoch"][own], b, *comparison)
        parts.append(
            {
                "source_id": np.full(N_TIME, truth.source_id[star]),
                "t": t,
                **dict(zip(("a_true", "d_true"), true, strict=True)),
                **dict(zip(("a_found", "d_found"), path, strict=True)),
            }
        )
    if not parts:
        none = np.zeros(0)
        return dict.fromkeys(("t", "a_true", "d_true", "a_found", "d_found"), none) | {
            "source_id": none.astype(np.int64)
        }
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
