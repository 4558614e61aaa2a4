"""Draw the velocity of a star of any component.

A loop over stars computes each star's own family, and further candidates only for the few that would escape.
The plain twin is `draw_jax`.
"""

import math
from typing import NamedTuple, Self

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

from galcen.compiled import compiled
from galcen.galaxy.components import BAR, HALO, NSC, NSD, THICK
from galcen.galaxy.kinematics import bar, disc, halo, nuclear_cluster, nuclear_disc
from galcen.galaxy.tables import NuclearDiscMoments, RotationCurve
from galcen.threefry import normal, normals, stream

N_CANDIDATE = 4
"""Velocities beyond the escape speed are drawn again, up to this many draws in all; at worst, for
the bar at the very centre, one star in a million keeps a last draw beyond it."""

ESCAPE_DISC, ESCAPE_INNER = 550.0, 600.0  # [km/s]
R_MIN = 1e-3  # the angle of v_phi and v_R is undefined at R = 0 [pc]

# Number of a score in its star's stream: axis times N_CANDIDATE plus candidate.
_FIRST = N_CANDIDATE * np.arange(3)


class Kinematics(eqx.Module):
    """Velocity tables and the choices of the model."""

    shu: disc.ShuTable
    nuclear_disc: nuclear_disc.Moments
    bar_form: str = eqx.field(static=True)
    bar_covariance: bool = eqx.field(static=True)
    nuclear_disc_correlation_sign: bool = eqx.field(static=True)


def build_kinematics(
    rotation_curve: RotationCurve,
    moments: NuclearDiscMoments,
    *,
    bar: str = "E+E_X",
    bar_covariance: bool = True,
    nuclear_disc_correlation_sign: bool = True,
) -> Kinematics:
    """Tabulate what the draws need."""
    return Kinematics(
        disc.build_table(rotation_curve),
        nuclear_disc.build_moments(moments),
        bar,
        bar_covariance,
        nuclear_disc_correlation_sign,
    )


class VelocityTable(NamedTuple):
    """What the loop reads."""

    shu: disc.StarTable
    bar: bar.BarMotion
    bar_covariance: bool
    moments: Float[np.ndarray, "n_z n_r 5"]
    step: float  # of the moments [pc]
    correlation_sign: bool

    @classmethod
    def build(cls, kinematics: Kinematics) -> Self:
        """From the model."""
        return cls(
            disc.StarTable.build(kinematics.shu),
            bar.FORMS[kinematics.bar_form],
            kinematics.bar_covariance,
            nuclear_disc.by_node(kinematics.nuclear_disc),
            kinematics.nuclear_disc.step,
            kinematics.nuclear_disc_correlation_sign,
        )


def draw_velocity(
    table: VelocityTable,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    comp: Int[np.ndarray, " n_star"],
    place: Float[np.ndarray, "3 n_star"],
) -> Float[np.ndarray, "3 n_star"]:
    """Velocities (v_X, v_Y, v_Z) in the model frame.

    Parameters
    ----------
    table
        The model.
    root
        Stream of the stage; each star has its own, by its identifier.
    source_id
        Identifiers.
    comp
        Drawn components.
    place
        X, Y, Z in the model frame [pc].

    Returns
    -------
    Velocities [km/s]; NaN where a place is not finite.
    """
    out = np.empty(place.shape)
    words = np.asarray(jax.random.key_data(root))
    normals(words, source_id, _FIRST, out)
    known = np.isfinite(place).all(axis=0)
    _draw(table, words, source_id, comp, np.where(known, place, 0.0), out)
    out[:, ~known] = np.nan
    return out


@compiled
def _draw(
    table: VelocityTable,
    root: UInt32[np.ndarray, " 2"],
    source_id: Int[np.ndarray, " n_star"],
    comp: Int[np.ndarray, " n_star"],
    place: Float[np.ndarray, "3 n_star"],
    out: Float[np.ndarray, "3 n_star"],
) -> None:
    """Velocities into `out`, which holds the scores of each star's first candidate."""
    for s in range(len(comp)):
        x, y, z, c = place[0, s], place[1, s], place[2, s], comp[s]
        r = max(math.hypot(x, y), R_MIN)
        deep = c == NSC and nuclear_cluster.depth(r, z) < nuclear_cluster.NO_ESCAPE_WITHIN
        escape = ESCAPE_DISC if c <= THICK else ESCAPE_INNER
        score = (out[0, s], out[1, s], out[2, s])
        for candidate in range(1, N_CANDIDATE + 1):
            v_x, v_y, v_z = _velocity(table, c, x, y, z, r, score)
            bound = deep or c == HALO or v_x**2 + v_y**2 + v_z**2 < escape**2
            if bound or candidate == N_CANDIDATE:
                break
            k_0, k_1 = stream(root, source_id[s])
            score = (
                normal(k_0, k_1, candidate),
                normal(k_0, k_1, N_CANDIDATE + candidate),
                normal(k_0, k_1, 2 * N_CANDIDATE + candidate),
            )
        out[0, s], out[1, s], out[2, s] = v_x, v_y, v_z


@compiled
def _velocity(
    table: VelocityTable, comp: int, x: float, y: float, z: float, r: float, score: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Velocity at the three scores."""
    if comp == BAR:
        return bar.star_velocity(table.bar, table.bar_covariance, x, y, z, score)
    if comp <= THICK:
        v_phi, v_r, v_z = disc.star_velocity(table.shu, comp, r, z, score)
    elif comp == NSD:
        v_phi, v_r, v_z = nuclear_disc.star_velocity(
            table.moments, table.step, table.correlation_sign, r, z, score
        )
    elif comp == NSC:
        v_phi, v_r, v_z = nuclear_cluster.star_velocity(r, z, score)
    else:
        v_phi, v_r, v_z = (
            halo.SIGMA[1] * score[0],
            halo.SIGMA[0] * score[1],
            halo.SIGMA[2] * score[2],
        )
    # To the axes, left-handed as the frame: v_phi > 0 is v_Y > 0 at the Sun.
    return (v_r * x - v_phi * y) / r, (v_phi * x + v_r * y) / r, v_z
