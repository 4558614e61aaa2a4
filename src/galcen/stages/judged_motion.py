"""Five parameters out of many orbits against the truth; part of the stage judge_plate."""

from typing import NamedTuple

import numpy as np

from galcen.astrometry.motion import Flag
from galcen.astrometry.orbit_positions import OrbitPositions, mean_positions
from galcen.astrometry.plate_quality import Estimates, Frame, common_frame, judged, place_terms
from galcen.astrometry.priors import PriorOptions, catalogue_of, motion_prior
from galcen.io.plate_quality_schema import KINDS
from galcen.mapping.catalogue_covariance import ERRORS, PARAMETERS, covariance_of
from galcen.mapping.space_motion import offsets, propagated
from galcen.stages.true_sources import TrueSources

ARTIFICIAL = KINDS.index("artificial")
MEAN_A, MEAN_D = 5, 6
"""Numbers of the weighted means after those of the five parameters."""

Columns = dict[str, np.ndarray]


class JudgedMotion(NamedTuple):
    """Tables, and what else is told."""

    pulls: list[dict[str, float]]
    """Rows of `QUALITY_MOTION`."""
    stars: Columns
    """`QUALITY_STARS`."""
    still_chi2: float
    """Of the artificial sources' positions about their weighted means."""
    still_dof: int


def judge_motion(found: Columns, truth: TrueSources, positions: OrbitPositions, where: str) -> JudgedMotion:
    """Compare the sources whose orbits give five parameters, and the weighted means of artificial ones.

    Parameters
    ----------
    found
        The solution, table `plate_motion`.
    truth
        The sources.
    positions
        Those of artificial sources in the orbits; `star` is the row in `truth`.
    where
        Begins the message of an error.
    """
    measured = np.isfinite([found[name] for name in (*PARAMETERS, *ERRORS)]).all(axis=0)
    # Where the prior alone stands, it is the catalogue that would be judged.
    measured &= (found["flags"] & (Flag.NOT_SEEN | Flag.PRIOR_DECIDES)) == 0
    found = {name: values[measured] for name, values in found.items()}
    rows = truth.rows(found["source_id"], where)
    kind = truth.kind[rows]
    terms = place_terms(truth.catalogue["ra"][rows], truth.catalogue["dec"][rows])
    estimates = estimates_of(found, truth, rows)
    estimates.prior_precision[found["flags"] & Flag.HAS_PRIOR == 0] = 0.0
    frame = common_frame(terms, estimates, is_stated=False)
    error = np.stack([found[name] for name in ERRORS], axis=-1)
    pulls = judged_parameters(frame, estimates.miss, error, kind)
    place = np.flatnonzero(kind == ARTIFICIAL)
    still, chi2, dof = _still(positions, truth, terms[place], rows[place], frame)
    stars = {
        "source_id": found["source_id"],
        "kind": kind,
        "hw": truth.hw[rows],
        "n_orbit": found["n_orbit"],
        **dict(zip((f"{name}_miss" for name in PARAMETERS), estimates.miss.T, strict=True)),
        **{name: found[name] for name in ERRORS},
    }
    return JudgedMotion(pulls + still, stars, chi2, dof)


def judged_parameters(
    frame: Frame, miss: np.ndarray, error: np.ndarray, kind: np.ndarray
) -> list[dict[str, float]]:
    """Rows of `QUALITY_MOTION` for the five parameters, by parameter and class of sources."""
    return [
        _row(k, (parameter, parameter), frame, (miss, error), np.flatnonzero(kind == k))
        for parameter in range(len(PARAMETERS))
        for k in range(len(KINDS))
    ]


def estimates_of(found: Columns, truth: TrueSources, rows: np.ndarray) -> Estimates:
    """The five parameters against the truth at the epoch of the solution, all with their catalogue as prior.

    Parameters
    ----------
    found
        The solution, columns as in the Gaia archive.
    truth
        The sources.
    rows
        Their rows in `truth`.
    """
    epoch = float(found["ref_epoch"][0]) if len(rows) else truth.t0
    true = propagated(truth.motion.take(rows), epoch - truth.t0)
    misses = [*offsets(found["ra"], found["dec"], true.ra, true.dec)]
    misses += [found[name] - getattr(true, name) for name in PARAMETERS[2:]]
    known = catalogue_of({name: values[rows] for name, values in truth.catalogue.items()})
    prior = np.linalg.inv(motion_prior(known, epoch, PriorOptions()).covariance)
    return Estimates(np.stack(misses, axis=-1), covariance_of(found, found["source_id"]), prior)


def _still(
    positions: OrbitPositions, truth: TrueSources, terms: np.ndarray, rows: np.ndarray, whole: Frame
) -> tuple[list[dict[str, float]], float, int]:
    """Do artificial sources stay? Weighted means of their positions against the truth."""
    means = mean_positions(positions, len(truth.source_id))
    covariance, catalogue = means.covariance[rows], truth.catalogue
    true = offsets(
        truth.motion.ra[rows], truth.motion.dec[rows], catalogue["ra"][rows], catalogue["dec"][rows]
    )
    miss = means.offsets[rows] - np.stack(true, axis=-1)
    frame = common_frame(terms, Estimates(miss, covariance, np.zeros_like(covariance)), is_stated=False)
    # They have no catalogue of their own: the frame is that of all sources.
    frame = frame._replace(expected=whole.expected[:2, :, :2])
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    every = np.arange(len(rows))
    out = [
        _row(ARTIFICIAL, (parameter, axis), frame, (miss, error), every)
        for axis, parameter in enumerate((MEAN_A, MEAN_D))
    ]
    return out, float(means.chi2[rows].sum()), int(means.dof[rows].sum())


def _row(
    kind: int,
    parameter: tuple[int, int],
    frame: Frame,
    pulls: tuple[np.ndarray, np.ndarray],
    rows: np.ndarray,
) -> dict[str, float]:
    """A row of the table; `parameter` is its number there and in the frame, `pulls` misses and errors."""
    number, own = parameter
    shift, error = frame.shift(own)
    return {
        "kind": kind,
        "parameter": number,
        **judged(frame, *pulls, own, rows)._asdict(),
        "frame": shift,
        "frame_error": error,
        "frame_p": frame.p_value(own),
    }
