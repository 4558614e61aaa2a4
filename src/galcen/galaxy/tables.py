"""The published tables the model is made from, as arrays.

They are read and checked by `galcen.io.model_tables`; here is only their shape.
"""

import equinox as eqx
from jaxtyping import Array, Float, Int

CELL_DEG = 0.025
"""Side of one cell of the reddening map [deg]."""


class ReddeningMap(eqx.Module):
    """Mean colour excess E(J-Ks) at the bulge, VVV system [mag].

    Gonzalez et al. (2012, A&A 543, A13) and Surot et al. (2020, A&A 644, A140) on cells
    of 0.025 deg; some cells are resolved into 5 x 5 sub-cells.
    """

    mean: Float[Array, "n_lon n_lat"]
    sub_cells: Float[Array, "n_resolved 5 5"]  # longitude, then latitude, both increasing
    sub_index: Int[Array, "n_lon n_lat"]  # row of `sub_cells`; -1 where there is none
    lon_first_deg: float = eqx.field(static=True)  # centre of the first cell
    lat_first_deg: float = eqx.field(static=True)


class NuclearDiscMoments(eqx.Module):
    """Density and velocity moments of Sormani et al. (2022, MNRAS 512, 1857)."""

    r: Float[Array, " n_r"]  # [pc]
    z: Float[Array, " n_z"]  # [pc], not negative
    density: Float[Array, "n_z n_r"]  # [Msun/pc^3]
    v_phi: Float[Array, "n_z n_r"]  # [km/s]
    sigma_phi: Float[Array, "n_z n_r"]  # [km/s]
    sigma_r: Float[Array, "n_z n_r"]  # [km/s]
    sigma_z: Float[Array, "n_z n_r"]  # [km/s]
    rho_rz: Float[Array, "n_z n_r"]  # correlation of v_R and v_z above the plane


class RotationCurve(eqx.Module):
    """Circular speed in the plane (Bland-Hawthorn & Gerhard 2016, ARA&A 54, 529)."""

    r: Float[Array, " n_r"]  # [pc]
    v_circ: Float[Array, " n_r"]  # [km/s]


class IsochroneTable(eqx.Module):
    """Living stars of one age and metallicity, by increasing initial mass."""

    mass_ini: Float[Array, " n_row"]  # [Msun]
    mass: Float[Array, " n_row"]  # present mass [Msun]
    radius: Float[Array, " n_row"]  # [Rsun]
    m_j: Float[Array, " n_row"]  # absolute magnitudes, 2MASS, Vega
    m_h: Float[Array, " n_row"]
    m_ks: Float[Array, " n_row"]


class DeathMasses(eqx.Module):
    """Largest initial mass still alive, and the red-giant limits, by age."""

    age: Float[Array, " n_age"]  # [Gyr]
    alive: Float[Array, " n_age"]  # [Msun]
    giant_low: Float[Array, " n_age"]  # [Msun]
    giant_high: Float[Array, " n_age"]  # [Msun]


class ModelTables(eqx.Module):
    """Everything that comes from published tables."""

    reddening: ReddeningMap
    nuclear_disc: NuclearDiscMoments
    rotation_curve: RotationCurve
    isochrones: dict[str, IsochroneTable]  # thin1..thin7, thick, bar, NSD
    death_masses: dict[str, DeathMasses]  # "disc", "bar", "NSD"
