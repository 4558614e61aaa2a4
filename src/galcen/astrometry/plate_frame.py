"""What fixes the frame of stars that are known from plates alone.

Any polynomial of the plates' order may be added to the positions, and any to the proper motions, and the
plates take it up: exactly so for shifts and for linear terms of the positions, nearly so for the rest (to the
product of two small distortions), so that the data would determine it with absurd errors. All of it is fixed
by constraints, as many as there are such fields: the solution is relative to a convention, and says so.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from galcen.astrometry.joint_normals import Constraints


class Targets(NamedTuple):
    """Stars whose mean difference from given values has no polynomial part."""

    star: Int[np.ndarray, " n"]
    terms: Float[np.ndarray, "n k"]  # the polynomial's terms where the stars are
    value: Float[np.ndarray, "n 2"]  # [mas] or [mas/yr]
    time: Float[np.ndarray, " n"]  # epoch of the value after t0 [yr]; not used for motions
    weight: Float[np.ndarray, " n"] | None = None  # of the stars in the mean; alike without


class ReferencePlate(NamedTuple):
    """An exposure whose polynomial is given: positions are as it shows them."""

    exposure: int
    plate: Float[np.ndarray, "2 k"]  # [pixel]


class Frame(NamedTuple):
    """Frame of the stars: their plane, and what holds it."""

    t0: float  # epoch of the positions [yr]
    centre: Float[np.ndarray, " 2"]  # of the polynomials' coordinates [mas]
    half_size: float  # [mas]
    position: ReferencePlate | Targets
    motion: Targets | None  # None where stars have no motion


def constraints(
    frame: Frame, star: Float[np.ndarray, "n_star n_par"], plate: Float[np.ndarray, "n_exp 2 k"]
) -> Constraints:
    """Conditions on the corrections of stars and plates at their present values."""
    parts = []
    if isinstance(frame.position, ReferencePlate):
        parts.append(_of_plate(frame.position, star, plate))
    else:
        parts.append(_of_stars(frame.position, star, plate, of_motion=False))
    if frame.motion is not None:
        parts.append(_of_stars(frame.motion, star, plate, of_motion=True))
    return Constraints(
        sparse.vstack([part.star for part in parts], format="csr"),
        sparse.vstack([part.plate for part in parts], format="csr"),
        np.concatenate([part.value for part in parts]),
    )


def _of_plate(
    reference: ReferencePlate,
    star: Float[np.ndarray, "n_star n_par"],
    plate: Float[np.ndarray, "n_exp 2 k"],
) -> Constraints:
    """Every term of one plate has its given value."""
    n_con = reference.plate.size
    columns = reference.exposure * n_con + np.arange(n_con)
    of_plate = sparse.csr_array((np.ones(n_con), (np.arange(n_con), columns)), shape=(n_con, plate.size))
    value = (reference.plate - plate[reference.exposure]).ravel()
    return Constraints(sparse.csr_array((n_con, star.size)), of_plate, value)


def _of_stars(
    targets: Targets,
    star: Float[np.ndarray, "n_star n_par"],
    plate: Float[np.ndarray, "n_exp 2 k"],
    of_motion: bool,
) -> Constraints:
    """The mean over the target stars of each term times their difference from the targets is nought."""
    n_par, k = star.shape[1], targets.terms.shape[1]
    share = targets.terms / len(targets.star)
    if targets.weight is not None:
        share = targets.terms * (targets.weight / targets.weight.sum())[:, None]
    present = star[targets.star, 2:] if of_motion else star[targets.star, :2]
    if n_par == 4 and not of_motion:
        present = present + star[targets.star, 2:] * targets.time[:, None]
    value = (share.T @ (targets.value - present)).T.ravel()
    rows = np.broadcast_to(np.arange(2 * k).reshape(2, 1, k), (2, len(share), k))
    first = n_par * targets.star[None, :, None] + np.arange(2)[:, None, None] + (2 if of_motion else 0)
    entries = [(share, first)]
    if n_par == 4 and not of_motion:
        entries.append((share * targets.time[:, None], first + 2))
    of_star = sum(
        sparse.csr_array(
            (
                np.broadcast_to(values, rows.shape).ravel(),
                (rows.ravel(), np.broadcast_to(columns, rows.shape).ravel()),
            ),
            shape=(2 * k, star.size),
        )
        for values, columns in entries
    )
    return Constraints(sparse.csr_array(of_star), sparse.csr_array((2 * k, plate.size)), value)
