"""Mass that a dead star leaves behind.

White dwarfs: Kalirai et al. (2008); neutron stars and black holes: Raithel et al. (2018)
with the probabilities of Lam et al. (2020, ApJ 889, 31). Means, without scatter.
"""

import numpy as np
from jaxtyping import Float

WHITE_DWARF_BELOW = 9.0  # initial mass [Msun]

# Upper edge of the initial mass [Msun] and probability of a neutron star below it.
_NEUTRON_STAR = (
    (15.0, 1.0),
    (17.8, 0.679),
    (18.5, 0.833),
    (21.7, 0.5),
    (25.2, 0.0),
    (27.5, 0.652),
    (60.0, 0.0),
    (np.inf, 0.4),
)


def remnant_mass(mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Mean mass [Msun] of the remnant of a star of initial mass `mass` [Msun]."""
    edges = np.array([edge for edge, _ in _NEUTRON_STAR])
    chance = np.array([chance for _, chance in _NEUTRON_STAR])[np.searchsorted(edges, mass, side="right")]
    compact = chance * neutron_star_mass(mass) + (1 - chance) * black_hole_mass(mass)
    return np.where(mass < WHITE_DWARF_BELOW, 0.109 * mass + 0.394, compact)


def neutron_star_mass(mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Mean mass [Msun] of a neutron star (Raithel et al. 2018)."""
    d, e = mass - 14.75, mass - 2.619
    return np.select(
        [mass < 13, mass < 15, mass < 17.8, mass < 18.5, mass < 21.7, mass < 27.5],
        [
            2.24 + 0.508 * d + 0.125 * d**2 + 0.011 * d**3,
            0.123 + 0.112 * mass,
            0.996 + 0.0384 * mass,
            -0.020 + 0.10 * mass,
            1.60 + 0 * mass,
            3232.29 - 409.429 * e + 17.2867 * e**2 - 0.24315 * e**3,
        ],
        1.78,
    )


def black_hole_mass(mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Mean mass [Msun] of a black hole; 90 per cent of the low-mass ones keep the core alone."""
    u = mass - 25.97
    whole = 15.52 - 0.3294 * u - 0.02121 * u**2 + 0.003120 * u**3
    core = -2.049 + 0.4140 * mass
    return np.where(mass < 42.21, 0.9 * core + 0.1 * whole, 5.697 + 7.8598e8 * mass**-4.858)
