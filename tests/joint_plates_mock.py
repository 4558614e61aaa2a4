"""Made-up plates of known truth."""

from typing import NamedTuple

import numpy as np

from galcen.astrometry.joint_plates import PlateData, Unknowns
from galcen.astrometry.plate_frame import Frame, ReferencePlate, Targets
from galcen.astrometry.plate_polynomial import basis, n_terms

HALF = 5000.0  # half the field [mas]
T0 = 2017.3
SCALE = 10.0  # [mas/pixel]


class Mock(NamedTuple):
    """Plates and what they were made of."""

    data: PlateData
    star: np.ndarray  # true parameters
    plate: np.ndarray  # true coefficients
    noise: np.ndarray  # true excess noise [pixel]
    is_outlier: np.ndarray
    reference: int


def make(seed, n_star=120, n_exp=8, order=2, sigma=0.02, excess=0.0, outliers=0.0, seen=0.85, motion=True):
    """Rotated, scaled, distorted plates of stars with motions that have no polynomial part."""
    rng = np.random.default_rng(seed)
    place, k = rng.uniform(-HALF, HALF, (n_star, 2)), n_terms(order)
    terms = basis(order, place / HALF)
    speed = rng.normal(0, 4, (n_star, 2))
    speed -= terms @ np.linalg.lstsq(terms, speed, rcond=None)[0]
    truth = np.hstack([place, speed]) if motion else place
    epoch = np.linspace(2015, 2020, n_exp) if motion else np.full(n_exp, T0)
    reference, plate = n_exp // 2, np.zeros((n_exp, 2, k))
    for e in range(n_exp):
        angle = rng.uniform(-0.05, 0.05) if e != reference else 0.0
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        plate[e, :, 1:3] = turn * HALF / SCALE
        plate[e, :, 0] = 500.0
        if e != reference:
            plate[e, :, 0] += rng.uniform(-20, 20, 2)
            plate[e, :, 1:3] *= 1 + 1e-3 * rng.normal()
            plate[e, :, 3:] = rng.normal(0, 0.5, (2, k - 3))
    shown = rng.random((n_exp, n_star)) < seen
    shown[reference] = True
    exposure, star = np.nonzero(shown)
    at = place[star] + (speed[star] * (epoch[exposure] - T0)[:, None] if motion else 0.0)
    exact = np.einsum("oak,ok->oa", plate[exposure], basis(order, at / HALF))
    stated = sigma * rng.uniform(0.5, 2, exact.shape)
    noise = excess * rng.uniform(0.5, 2, n_exp)
    observed = exact + rng.normal(size=exact.shape) * np.sqrt(stated**2 + noise[exposure, None] ** 2)
    is_outlier = rng.random(len(star)) < outliers
    observed[is_outlier] += rng.normal(0, 1.0, (is_outlier.sum(), 2))
    return Mock(
        PlateData(star, exposure, observed, stated, epoch), truth, plate, noise, is_outlier, reference
    )


def frame(mock, order=2, by_plate=False):
    """The frame in which the truth is: held by one plate, or by the mean of all true positions."""
    n_star, motion = len(mock.star), mock.star.shape[1] == 4
    terms, rest = basis(order, mock.star[:, :2] / HALF), np.zeros(n_star)
    every = np.arange(n_star)
    position = (
        ReferencePlate(mock.reference, mock.plate[mock.reference])
        if by_plate
        else Targets(every, terms, mock.star[:, :2], rest)
    )
    moves = Targets(every, terms, mock.star[:, 2:], rest) if motion else None
    return Frame(T0, np.zeros(2), HALF, position, moves)


def start(mock, seed=9):
    """Stars at rest, 20 mas off; plates 0.3 pixel off."""
    rng = np.random.default_rng(seed)
    star = np.zeros_like(mock.star)
    star[:, :2] = mock.star[:, :2] + rng.normal(0, 20, (len(star), 2))
    return Unknowns(star, mock.plate + rng.normal(0, 0.3, mock.plate.shape))
