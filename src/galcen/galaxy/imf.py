"""Initial mass function of Koshimoto, Baba & Bennett (2021, ApJ 917, 78).

Three power laws from 0.001 to 120 Msun, tabulated as in their program on 1001 points
equally spaced in log10 M: the published normalisations follow from that grid to 1e-9,
and from the analytic integral only to 1e-4.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float

LOWEST, HIGHEST = 0.001, 120.0
N_POINT = 1001

# Slopes above M1, between M2 and M1, below M2, and M1 [Msun], by form of the bar.
PARAMETERS = {
    "E": (-2.30708461042964, -1.09811414023325, -0.176687444667866, 0.843651488650385),
    "E+E_X": (-2.32279457078378, -1.13449983242887, -0.175862190587576, 0.859770466578045),
    "G": (-2.39628188518525, -1.18451896148506, 0.168672130848533, 0.896557393600988),
    "G+G_X": (-2.32055781291126, -1.16146692073597, -0.222751835826612, 0.901747918318042),
}
M2 = 0.08


class Imf(eqx.Module):
    """The mass function on its grid."""

    log_mass: Float[np.ndarray, " n_mass"]  # log10 of Msun
    density: Float[np.ndarray, " n_mass"]  # dN / dlog10 M, of unit integral
    number: Float[np.ndarray, " n_mass"]  # fraction of the stars below
    mass: Float[np.ndarray, " n_mass"]  # fraction of the mass below
    mean_mass: float = eqx.field(static=True)  # [Msun]

    def number_below(self, mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Fraction of all stars born with less than `mass`, linear in the cumulative."""
        return np.interp(np.log10(mass), self.log_mass, self.number)

    def mass_below(self, mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Fraction of the mass born in stars of less than `mass`, linear in the cumulative."""
        return np.interp(np.log10(mass), self.log_mass, self.mass)

    def number_below_exact(self, mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """As `number_below`, with the exact integral of the piecewise-linear density."""
        x = np.log10(mass)
        step = self.log_mass[1] - self.log_mass[0]
        k = np.clip(((x - self.log_mass[0]) / step).astype(int), 0, N_POINT - 2)
        t = np.clip((x - self.log_mass[k]) / step, 0.0, 1.0)
        left, right = self.density[k], self.density[k + 1]
        return self.number[k] + step * t * (left + 0.5 * t * (right - left))


def slope_density(bar: str, mass: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """dN/dM up to a factor: continuous power laws, 1 at M1."""
    high, middle, low, m1 = PARAMETERS[bar]
    below = np.where(mass > M2, (mass / m1) ** middle, (M2 / m1) ** middle * (mass / M2) ** low)
    return np.where(mass > m1, (mass / m1) ** high, below)


def imf(bar: str = "E+E_X") -> Imf:
    """The mass function that belongs to a form of the bar."""
    log_mass = np.linspace(np.log10(LOWEST), np.log10(HIGHEST), N_POINT)
    mass = 10**log_mass
    density = slope_density(bar, mass) * mass
    number, weighted = (_cumulative(log_mass, p) for p in (density, density * mass))
    return Imf(
        log_mass,
        density / number[-1],
        number / number[-1],
        weighted / weighted[-1],
        float(weighted[-1] / number[-1]),
    )


def _cumulative(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.concatenate([[0.0], np.cumsum(0.5 * (y[1:] + y[:-1]) * np.diff(x))])
