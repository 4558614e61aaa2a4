"""Polynomials in two coordinates on a plate, and their derivatives.

Products of Legendre polynomials of the coordinates scaled to -1..1: the terms of one plate are nearly
independent of each other where monomials are not.
"""

from itertools import product

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre


def powers(order: int) -> list[tuple[int, int]]:
    """Degrees in the two coordinates of every term, by total degree; (0, 0), (1, 0), (0, 1) come first."""
    terms = [(i, j) for i, j in product(range(order + 1), repeat=2) if i + j <= order]
    return sorted(terms, key=lambda term: (sum(term), term[1]))


def n_terms(order: int) -> int:
    """Terms of a polynomial of a total degree."""
    return (order + 1) * (order + 2) // 2


def basis(order: int, place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n k"]:
    """Every term P_i(x) P_j(y) at every place.

    Parameters
    ----------
    order
        Largest total degree.
    place
        Coordinates, scaled to -1..1 over the field; beyond, the terms grow as polynomials do.
    """
    along_x, along_y = (legendre.legvander(place[:, axis], order) for axis in (0, 1))
    i, j = np.array(powers(order)).T
    return along_x[:, i] * along_y[:, j]


def gradient(order: int, place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n k 2"]:
    """Derivatives of every term by the two coordinates."""
    # Row m: the derivative of P_m in terms of P_0, P_1, ...
    derivative = np.zeros((order + 1, order + 1))
    for degree in range(1, order + 1):
        derivative[degree, :degree] = legendre.legder(np.eye(order + 1)[degree])[:degree]
    along_x, along_y = (legendre.legvander(place[:, axis], order) for axis in (0, 1))
    slope_x, slope_y = along_x @ derivative.T, along_y @ derivative.T
    i, j = np.array(powers(order)).T
    return np.stack([slope_x[:, i] * along_y[:, j], along_x[:, i] * slope_y[:, j]], axis=-1)
