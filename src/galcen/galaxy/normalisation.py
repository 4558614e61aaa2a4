"""Densities of mass and of stars of each component, from the IMF and the ages of death.

Thin discs: local density 0.042 Msun/pc^3 of living stars (Bovy 2017), star-formation
rate falling with 7 Gyr; thick disc 4 per cent of it; bar: the mass of Portail et al. (2017)
in the box of Wegg & Gerhard (2013).
"""

from itertools import pairwise

import equinox as eqx
import numpy as np
from jaxtyping import Float

from galcen.galaxy.components import HALO, N_COMPONENT
from galcen.galaxy.density import halo, nuclear_cluster
from galcen.galaxy.density.bar import FORMS
from galcen.galaxy.density.disc import BREAK, R_SUN, SCALE_HEIGHT, SCALE_LENGTH
from galcen.galaxy.imf import Imf, imf
from galcen.galaxy.remnants import remnant_mass
from galcen.galaxy.tables import DeathMasses

LOCAL_DENSITY = 0.042  # living stars of the thin discs [Msun/pc^3]
THICK_FRACTION = 0.04
SFR_SCALE = 7.0  # [Gyr]
THIN_EDGES = np.array([15, 100, 200, 300, 500, 700, 1000])  # upper ages of the discs [0.01 Gyr]
BAR_AGE, BAR_AGE_SPREAD = 9.0, 1.0  # [Gyr]
BAR_MASS = 1.32e10  # [Msun]
BOX = (4400.0, 2800.0, 1200.0)  # length, width and half-height of the box [pc]


class Normalisation(eqx.Module):
    """Multiply the shapes of `Density`: mass density rho0 [Msun/pc^3], numbers [pc^-3].

    For the nuclear disc the shape is a mass density: rho0 is 1 and the numbers are per Msun.
    """

    rho0: Float[np.ndarray, " 12"]
    n_living: Float[np.ndarray, " 12"]
    n_all: Float[np.ndarray, " 12"]  # with remnants
    n_giant: Float[np.ndarray, " 12"]


class _Yield(eqx.Module):
    """What is left of a population of unit mass and number: living and remnants."""

    mass: Float[np.ndarray, " n_age"]
    remnant_mass: Float[np.ndarray, " n_age"]
    number: Float[np.ndarray, " n_age"]
    giants: Float[np.ndarray, " n_age"]

    def mean(self, weight: Float[np.ndarray, " n_age"]) -> Float[np.ndarray, " 4"]:
        columns = (self.mass, self.remnant_mass, self.number, self.giants)
        return np.array([np.sum(column * weight) for column in columns]) / np.sum(weight)


def normalisation(death_masses: dict[str, DeathMasses], *, bar: str = "E+E_X") -> Normalisation:
    """Normalisations that belong to a form of the bar, whose IMF all components share."""
    stars = imf(bar)
    yields = {name: _yield(stars, table) for name, table in death_masses.items()}
    rho0, n_living, n_all, n_giant = (np.zeros(N_COMPONENT) for _ in range(4))
    thin = _thin_bins(yields["disc"])
    thick_row = int(np.searchsorted(death_masses["disc"].age, 12.0 - 1e-6))
    thick = _at(yields["disc"], thick_row)
    relative = np.exp(-R_SUN / SCALE_LENGTH[:7]) * thin[:, 0] / (SCALE_LENGTH[:7] * 2 * SCALE_HEIGHT[:7])
    living = np.append(LOCAL_DENSITY * relative / relative.sum(), THICK_FRACTION * LOCAL_DENSITY)
    for i, population in enumerate([*_means(thin), thick]):
        rho0[i], n_living[i], n_all[i], n_giant[i] = _per_mass(population, stars, living[i])
    bar_mean = yields["bar"].mean(np.exp(-0.5 * ((death_masses["bar"].age - BAR_AGE) / BAR_AGE_SPREAD) ** 2))
    nuclear = _at(yields["NSD"], 0)
    for i, population, rho in (
        (8, bar_mean, FORMS[bar].rho0),
        (9, nuclear, 1.0),
        (10, nuclear, nuclear_cluster.RHO0),
    ):
        fraction = population[0] / (population[0] + population[1])
        rho0[i], n_living[i], n_all[i], n_giant[i] = _per_mass(population, stars, rho * fraction)
    # The halo's density counts all its mass; its stars are those of the thick disc.
    fraction = thick[0] / (thick[0] + thick[1])
    rho0[HALO], n_living[HALO], n_all[HALO], n_giant[HALO] = _per_mass(thick, stars, halo.RHO0 * fraction)
    return Normalisation(rho0, n_living, n_all, n_giant)


def disc_mass_in_box(rho0: Float[np.ndarray, " 8"]) -> float:
    """Mass [Msun] of the discs inside the box that normalises the bar."""
    length, width, half = BOX
    thin = 2 * SCALE_HEIGHT[:7] * np.tanh(half / SCALE_HEIGHT[:7])
    thick = 2 * SCALE_HEIGHT[7] * (1 - np.exp(-half / SCALE_HEIGHT[7]))
    surface = rho0 * np.exp(-(BREAK - R_SUN) / SCALE_LENGTH) * np.append(thin, thick)
    return float(np.sum(surface) * length * width)


def _yield(stars: Imf, table: DeathMasses) -> _Yield:
    mass = stars.mass_below(table.alive)
    # Mean fraction of its mass that a star above each grid point leaves behind.
    grid = 10**stars.log_mass
    left = np.cumsum((remnant_mass(grid) * stars.density)[::-1])[::-1]
    born = np.cumsum((grid * stars.density)[::-1])[::-1]
    retained = np.interp(np.log10(table.alive), stars.log_mass, left / born)
    return _Yield(
        mass,
        (1 - mass) * retained,
        stars.number_below(table.alive),
        stars.number_below(table.giant_high) - stars.number_below(table.giant_low),
    )


def _at(population: _Yield, row: int) -> Float[np.ndarray, " 4"]:
    return np.array([population.mass, population.remnant_mass, population.number, population.giants])[:, row]


def _thin_bins(disc: _Yield) -> Float[np.ndarray, "7 5"]:
    """Sums over age of living mass, remnant mass, number, giants and weight of each disc."""
    age = np.arange(1, 1001)
    row = np.maximum((age - 5) // 5, 0)
    weight = np.exp(-(1000 - age) * 0.01 / SFR_SCALE)
    columns = [c[row] * weight for c in (disc.mass, disc.remnant_mass, disc.number, disc.giants)] + [weight]
    edges = np.concatenate([[0], THIN_EDGES])
    return np.array([[c[a:b].sum() for c in columns] for a, b in pairwise(edges)])


def _means(thin: Float[np.ndarray, "7 5"]) -> Float[np.ndarray, "7 4"]:
    return thin[:, :4] / thin[:, 4:]


def _per_mass(population: Float[np.ndarray, " 4"], stars: Imf, living: float) -> tuple[float, ...]:
    """Mass density and numbers of a population whose living stars have density `living`."""
    mass, remnant, number, giants = population
    born = living / (mass * stars.mean_mass)  # stars ever born per pc^3
    return living * (1 + remnant / mass), born * number, born, born * giants
