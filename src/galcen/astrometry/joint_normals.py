"""Weighted least squares of stars and plates under linear constraints, solved exactly.

The unknowns of a star meet those of other stars only through plates and constraints: its block is
eliminated, and what is left, plates and Lagrange multipliers, is one dense symmetric system,

    [ N_ss  T ] [ s ]   [ b_s ]            T = [ N_sp  G^T ],   M = B - T^T N_ss^-1 T,
    [ T^T   B ] [ q ] = [ b_q ],           B = [ N_pp  H^T ; H  0 ],   q = (p, lambda),

with the constraints G s + H p = value. Its inverse is the covariance of the constrained estimate. The
dense part holds 8 (n_plate + n_constraint)^2 bytes and is meant for some thousands of unknowns.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, sparse

CHUNK = 4096
"""Rows of the dense products held at a time."""

RANK_TOLERANCE = 1e-12
"""Eigenvalue, relative to the largest, below which a combination of plates is free to the data."""


class Design(NamedTuple):
    """Derivatives of every observed coordinate, rows by observation."""

    star: Int[np.ndarray, " n_obs"]
    exposure: Int[np.ndarray, " n_obs"]
    by_star: Float[np.ndarray, "n_obs 2 n_par"]
    terms: Float[np.ndarray, "n_obs k"]  # by the terms of the plate, the same for both axes
    n_star: int
    n_exposure: int


class Constraints(NamedTuple):
    """Linear conditions on corrections: star @ ds + plate @ dp = value."""

    star: sparse.csr_array  # (n_con, n_star n_par)
    plate: sparse.csr_array  # (n_con, n_exp 2 k)
    value: Float[np.ndarray, " n_con"]


class Spectrum(NamedTuple):
    """What the data alone determine of the plates, by eigenvalues relative to the largest.

    With as many constraints as there are polynomial fields, `weakest_kept` is far above `strongest_fixed`;
    where it is not, the constraints fix what the data would determine.
    """

    n_plate: int  # unknowns of the plates
    rank: int  # of their matrix, the stars being eliminated
    n_constraint: int
    strongest_fixed: float  # largest of the n_constraint smallest eigenvalues
    weakest_kept: float  # the next above them


def plate_jacobian(design: Design) -> sparse.csr_array:
    """Derivatives by all terms of all plates, (2 n_obs, 2 k n_exp): x and y of an observation in turn."""
    n_obs, k = design.terms.shape
    first = (2 * design.exposure[:, None] + np.arange(2)) * k
    columns = first[:, :, None] + np.arange(k)
    values = np.broadcast_to(design.terms[:, None, :], columns.shape)
    pointer = np.arange(0, 2 * n_obs * k + 1, k)
    return sparse.csr_array(
        (values.ravel(), columns.ravel(), pointer), shape=(2 * n_obs, 2 * k * design.n_exposure)
    )


def star_jacobian(design: Design) -> sparse.csr_array:
    """Derivatives by all parameters of all stars, (2 n_obs, n_par n_star)."""
    n_obs, _, n_par = design.by_star.shape
    columns = np.broadcast_to(
        n_par * design.star[:, None, None] + np.arange(n_par), design.by_star.shape
    ).ravel()
    pointer = np.arange(0, 2 * n_obs * n_par + 1, n_par)
    return sparse.csr_array(
        (design.by_star.ravel(), columns, pointer), shape=(2 * n_obs, n_par * design.n_star)
    )


class Normals:
    """The factorised system of one linearisation.

    Parameters
    ----------
    design
        The derivatives.
    weight
        Inverse variance of each coordinate, robust weight included.
    constraints
        As many as fix everything that the data leave free.

    Raises
    ------
    numpy.linalg.LinAlgError
        A star's block, or the whole, is singular.
    """

    def __init__(
        self, design: Design, weight: Float[np.ndarray, "n_obs 2"], constraints: Constraints
    ) -> None:
        n_par = design.by_star.shape[2]
        self.design, self.n_par = design, n_par
        self.a_star, self.a_plate = star_jacobian(design), plate_jacobian(design)
        self.weight, self.constraints = weight.ravel(), constraints
        blocks = np.zeros((design.n_star, n_par, n_par))
        np.add.at(blocks, design.star, np.einsum("oa,oai,oaj->oij", weight, design.by_star, design.by_star))
        self.block_inverse = _inverse(blocks)
        indices, pointer = np.arange(design.n_star), np.arange(design.n_star + 1)
        inverse = sparse.bsr_array((self.block_inverse, indices, pointer)).tocsr()
        weighted = self.a_plate * self.weight[:, None]
        border = sparse.hstack([self.a_star.T @ weighted, constraints.star.T], format="csr")
        self.inverse, self.border = inverse, border
        self.eliminated = (inverse @ border).tocsr()
        n_plate, n_con = 2 * design.n_exposure * design.terms.shape[1], len(constraints.value)
        self.n_plate = n_plate
        full = np.zeros((n_plate + n_con, n_plate + n_con))
        full[:n_plate, :n_plate] = (self.a_plate.T @ weighted).toarray()
        self.diagonal = np.diag(full)[:n_plate].copy()
        full[n_plate:, :n_plate] = constraints.plate.toarray()
        full[:n_plate, n_plate:] = full[n_plate:, :n_plate].T
        full -= (border.T @ self.eliminated).toarray()
        self.reduced = full
        self.scale = _scale(full, self.diagonal)
        scaled = full * self.scale * self.scale[:, None]
        self.scaled_inverse = linalg.inv(scaled)
        self.condition = float(np.linalg.norm(scaled, 1) * np.linalg.norm(self.scaled_inverse, 1))
        self.reduced_inverse = self.scaled_inverse * self.scale * self.scale[:, None]

    def solve(
        self, residual: Float[np.ndarray, "n_obs 2"], value: Float[np.ndarray, " n_con"]
    ) -> tuple[Float[np.ndarray, "n_star n_par"], Float[np.ndarray, "n_exp 2 k"]]:
        """Corrections of the stars and of the plates.

        Parameters
        ----------
        residual
            Observed minus computed.
        value
            What the constraints ask of the corrections.
        """
        weighted = self.weight * residual.ravel()
        right_star = self.a_star.T @ weighted
        right = np.concatenate([self.a_plate.T @ weighted, value])
        right -= self.eliminated.T @ right_star
        scaled = self.scaled_inverse @ (self.scale * right)
        # One step of refinement takes back what the inverse loses.
        matrix = self.reduced * self.scale * self.scale[:, None]
        scaled += self.scaled_inverse @ (self.scale * right - matrix @ scaled)
        rest = self.scale * scaled
        star = self.inverse @ (right_star - self.border @ rest)
        shape = (self.design.n_exposure, 2, self.design.terms.shape[1])
        return star.reshape(-1, self.n_par), rest[: self.n_plate].reshape(shape)

    def star_covariance(self) -> Float[np.ndarray, "n_star n_par n_par"]:
        """Covariance of the parameters of each star, the plates' part included."""
        out = self.block_inverse.copy()
        step = max(1, CHUNK // self.n_par)
        for first in range(0, self.design.n_star, step):
            rows = slice(first * self.n_par, (first + step) * self.n_par)
            some = self.eliminated[rows].toarray().reshape(-1, self.n_par, len(self.reduced))
            out[first : first + step] += some @ self.reduced_inverse @ some.transpose(0, 2, 1)
        return out

    def joint_covariance(self) -> Float[np.ndarray, "n n"]:
        """Covariance of all parameters of all stars, by star; singular where constraints bind the stars."""
        dense = self.eliminated.toarray()
        return self.inverse.toarray() + dense @ self.reduced_inverse @ dense.T

    def plate_covariance(self) -> Float[np.ndarray, "n_plate n_plate"]:
        """Covariance of all terms of all plates, by exposure, axis and term."""
        return self.reduced_inverse[: self.n_plate, : self.n_plate]

    def predicted_variance(self) -> Float[np.ndarray, "n_obs 2"]:
        """Variance of each computed coordinate."""
        by_star, of_star = self.design.by_star, self.design.star
        out = np.einsum("oai,oij,oaj->oa", by_star, self.block_inverse[of_star], by_star).ravel()
        n_con = len(self.constraints.value)
        padded = sparse.hstack([self.a_plate, sparse.csr_array((len(out), n_con))], format="csr")
        for first in range(0, len(out), CHUNK):
            rows = slice(first, first + CHUNK)
            rest = (padded[rows] - self.a_star[rows] @ self.eliminated).toarray()
            out[rows] += np.einsum("ij,ij->i", rest @ self.reduced_inverse, rest)
        return out.reshape(-1, 2)

    def spectrum(self) -> Spectrum:
        """Rank of the data alone: eigenvalues of the plates' matrix, stars eliminated, of unit diagonal."""
        n = self.n_plate
        border = self.border[:, :n]
        matrix = self.a_plate.T @ (self.a_plate * self.weight[:, None]) - border.T @ self.inverse @ border
        scale = 1.0 / np.sqrt(self.diagonal)
        values = np.sort(np.abs(linalg.eigvalsh(matrix.toarray() * scale * scale[:, None])))
        values /= values[-1]
        n_con = len(self.constraints.value)
        rank = int(np.count_nonzero(values > RANK_TOLERANCE))
        return Spectrum(n, rank, n_con, float(values[n_con - 1]), float(values[n_con]))


def _inverse(blocks: Float[np.ndarray, "n m m"]) -> Float[np.ndarray, "n m m"]:
    """Inverses of small symmetric matrices, scaled to unit diagonal first."""
    diagonal = np.einsum("nii->ni", blocks)
    if not (diagonal > 0).all():
        raise np.linalg.LinAlgError("a star has a parameter that no observation depends on")
    scale = 1.0 / np.sqrt(diagonal)
    outer = scale[:, :, None] * scale[:, None, :]
    return np.linalg.inv(blocks * outer) * outer


def _scale(full: Float[np.ndarray, "m m"], diagonal: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Factors that bring rows and columns to the size of one."""
    n = len(diagonal)
    scale = np.ones(len(full))
    scale[:n] = 1.0 / np.sqrt(diagonal)
    own = np.abs(np.diag(full)[n:])
    # A condition on plates alone has nothing on the diagonal.
    coupled = np.abs(full[n:, :n] * scale[:n]).max(axis=1, initial=0.0)
    scale[n:] = 1.0 / np.maximum(np.sqrt(own), coupled)
    return scale
