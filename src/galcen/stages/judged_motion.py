"""Five parameters out of many orbits against the truth; part of the stage judge_plate."""

from typing import NamedTuple

import numpy as np

from galcen.astrometry.motion import Flag
from galcen.astrometry.orbit_positions import OrbitPositions, mean_positions
from galcen.astrometry.plate_quality import (
    Frame,
    Quantity,
    common_frame,
    judged,
    place_terms,
    prior_share,
)
from galcen.astrometry.priors import PriorOptions, catalogue_of, motion_prior
from galcen.io.plate_quality_schema import KINDS
from galcen.mapping.catalogue_covariance import ERRORS, PARAMETERS
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


def judge_motion(
    found: Columns, truth: TrueSources, positions: OrbitPositions, where: str
) -> JudgedMotion:
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
    quantities = _quantities(found, truth, rows)
    has_prior = found["flags"] & Flag.HAS_PRIOR > 0
    pulls, frames = [], []
    for parameter, quantity in enumerate(quantities):
        share = np.where(has_prior, prior_share(quantity), 1.0)
        frame = common_frame(terms, quantity, share, is_stated=False)
        frames.append(frame)
        pulls += [
            _row(k, parameter, terms, quantity, frame, np.flatnonzero(kind == k)) for k in range(len(KINDS))
        ]
    still, chi2, dof = _still(positions, truth, terms, rows, frames)
    stars = {
        "source_id": found["source_id"],
        "kind": kind,
        "hw": truth.hw[rows],
        "n_orbit": found["n_orbit"],
        **{f"{name}_miss": q.miss for name, q in zip(PARAMETERS, quantities, strict=True)},
        **{f"{name}_error": q.error for name, q in zip(PARAMETERS, quantities, strict=True)},
    }
    return JudgedMotion(pulls + still, stars, chi2, dof)


def _quantities(found: Columns, truth: TrueSources, rows: np.ndarray) -> list[Quantity]:
    """Estimates of the five parameters."""
    epoch = float(found["ref_epoch"][0]) if len(rows) else truth.t0
    true = propagated(truth.motion.take(rows), epoch - truth.t0)
    misses = [*offsets(found["ra"], found["dec"], true.ra, true.dec)]
    misses += [found[name] - getattr(true, name) for name in PARAMETERS[2:]]
    known = catalogue_of({name: values[rows] for name, values in truth.catalogue.items()})
    prior = motion_prior(known, epoch, PriorOptions()).covariance
    prior_error = np.sqrt(np.diagonal(prior, axis1=1, axis2=2)).T
    return [
        Quantity(miss, found[name], of_prior)
        for miss, name, of_prior in zip(misses, ERRORS, prior_error, strict=True)
    ]


def _still(
    positions: OrbitPositions, truth: TrueSources, terms: np.ndarray, rows: np.ndarray, frames: list[Frame]
) -> tuple[list[dict[str, float]], float, int]:
    """Do artificial sources stay? Weighted means of their positions against the truth."""
    means = mean_positions(positions, len(truth.source_id))
    place = np.flatnonzero((truth.kind[rows] == ARTIFICIAL) & np.isfinite(means.offsets[rows, 0]))
    mine = rows[place]
    catalogue = truth.catalogue
    true = offsets(
        truth.motion.ra[mine], truth.motion.dec[mine], catalogue["ra"][mine], catalogue["dec"][mine]
    )
    out = []
    for axis, parameter in enumerate((MEAN_A, MEAN_D)):
        error = np.sqrt(means.covariance[mine, axis, axis])
        no_prior = np.full(len(mine), np.inf)
        quantity = Quantity(means.offsets[mine, axis] - true[axis], error, no_prior)
        frame = common_frame(terms[place], quantity, np.ones(len(mine)), is_stated=False)
        # They have no catalogue of their own: the frame is that of all sources.
        frame = frame._replace(expected=frames[axis].expected)
        out.append(_row(ARTIFICIAL, parameter, terms[place], quantity, frame, np.arange(len(mine))))
    return out, float(means.chi2[mine].sum()), int(means.dof[mine].sum())


def _row(
    kind: int, parameter: int, terms: np.ndarray, quantity: Quantity, frame: Frame, rows: np.ndarray
) -> dict[str, float]:
    return {
        "kind": kind,
        "parameter": parameter,
        **judged(terms, quantity, frame, rows)._asdict(),
        "frame": float(frame.coefficients[0]),
        "frame_error": float(np.sqrt(frame.expected[0, 0])),
        "frame_p": frame.p_value(),
    }
