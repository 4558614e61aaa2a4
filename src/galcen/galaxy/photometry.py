"""Magnitudes: distance modulus and the Hw band of the JASMINE mission."""

import jax.numpy as jnp
from jaxtyping import Array, Float

# Hw = a J + (1 - a) H + c (J - H)^2, fitted to apparent (reddened) magnitudes up to J - H = 4.
HW_RELATIONS = {
    "HwA": (0.9, -0.06),  # 1.0-1.6 um, the current filter
    "HwB": (0.7829, -0.0323),  # 1.1-1.7 um, the old one
}


def distance_modulus(dist: Float[Array, "..."]) -> Float[Array, "..."]:
    """Distance modulus [mag]; 0.1 pc is added to the distance [pc], so that 0 is finite."""
    return 5 * jnp.log10(0.1 * (dist + 0.1))


def hw(m_j: Float[Array, "..."], m_h: Float[Array, "..."], relation: str = "HwA") -> Float[Array, "..."]:
    """Hw [mag] from apparent J and H; the colour term is not linear, so extinction comes first."""
    a, c = HW_RELATIONS[relation]
    colour = m_j - m_h
    return a * m_j + (1 - a) * m_h + c * colour**2
