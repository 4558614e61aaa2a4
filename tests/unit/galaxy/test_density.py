"""Densities, normalisations and the mass function against published numbers and closed forms."""

import csv

import jax.numpy as jnp
import numpy as np
import pytest

from galcen.galaxy.components import NSC
from galcen.galaxy.density import build_density
from galcen.galaxy.frame import Frame, position
from galcen.galaxy.imf import imf, slope_density
from galcen.galaxy.normalisation import disc_mass_in_box, normalisation
from galcen.io.model_tables import read_tables
from reference import reference_file


@pytest.fixture(scope="module")
def tables():
    return read_tables()[0]


# Koshimoto et al. (2021) as computed by genstars 9b0ecb0: living and all objects per pc^3 (NSD: per Msun;
# NSC: per unit of its shape).
LIVING = [
    1.3858900305e-02,
    1.5292261075e-02,
    1.2738081396e-02,
    1.1078529802e-02,
    2.1208259738e-02,
    2.3470861148e-02,
    4.9200769330e-02,
    8.0387749734e-03,
    11.971216600,
    2.8792495577,
    4.3844174947e07,
]
ALL = [
    1.4006007563e-02,
    1.5759221041e-02,
    1.3386100768e-02,
    1.1844862494e-02,
    2.3073521470e-02,
    2.5976417841e-02,
    5.5341389511e-02,
    9.4183760613e-03,
    13.439669212,
    3.1900947597,
    4.8577613694e07,
]
RHO0 = [
    6.3500857890e-03,
    6.1858784310e-03,
    4.8121016531e-03,
    4.0275002138e-03,
    7.5108131892e-03,
    8.1607138859e-03,
    1.6908169724e-02,
    2.7267428877e-03,
    4.1188625251,
    1.0,
    1.5227639726e07,
]
GIANTS = [
    9.3707506683e-06,
    4.9747574799e-05,
    6.5971199066e-05,
    3.2847268156e-05,
    1.0056197015e-04,
    9.4950017809e-05,
    1.9818108014e-04,
    1.6715658285e-05,
    4.9477924e-02,
    1.3827142605e-02,
]
# The same program: living stars of thin1, thick disc, bar and nuclear disc for the other bars.
OTHER_BARS = {
    "E": (1.35019665e-02, 7.82514092e-03, 27.2116826, 2.77410702),
    "G": (1.31527989e-02, 7.54364057e-03, 6.84960558, 2.79028459),
    "G+G_X": (1.42559889e-02, 8.35375490e-03, 2.62898001, 2.95154671),
}


def test_normalisations_follow_from_the_mass_function(tables):
    """All constants of the model to 1e-9 (those printed with fewer digits: to these)."""
    got = normalisation(tables.death_masses)
    np.testing.assert_allclose(got.n_living[:11], LIVING, rtol=1e-9)
    np.testing.assert_allclose(got.n_all[:11], ALL, rtol=1e-9)
    np.testing.assert_allclose(got.rho0[:11], RHO0, rtol=1e-9)
    np.testing.assert_allclose(got.n_giant[:10], GIANTS, rtol=2e-8)


@pytest.mark.parametrize("bar", OTHER_BARS)
def test_normalisations_of_the_other_bars(tables, bar):
    """Nine printed digits."""
    got = normalisation(tables.death_masses, bar=bar).n_living
    np.testing.assert_allclose(got[[0, 7, 8, 9]], OTHER_BARS[bar], rtol=6e-9)


def test_mass_of_the_discs_in_the_box(tables):
    """The mass that normalises the bar: 1.43564622e9 Msun to 5e-5, what the published formula gives."""
    assert disc_mass_in_box(normalisation(tables.death_masses).rho0[:8]) == pytest.approx(
        1.43564622e9, rel=5e-5
    )


def test_densities_agree_with_the_reference_program(tables):
    """Positions to the printed 1e-6 pc, shapes to 1e-9, but for the point on Sgr A* itself.

    There the reference stands 1e-4 pc off the centre, inside the floor of the cluster's cusp.
    """
    with reference_file("reference/genstars_density.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    xyz = position(Frame(), np.radians(table["l_deg"]), np.radians(table["b_deg"]), table["D_pc"])
    away = np.hypot(table["X_pc"], table["Y_pc"]) > 1e-3
    assert away.sum() == len(rows) - 1
    for got, name in zip(xyz, ("X_pc", "Y_pc", "Z_pc"), strict=True):
        np.testing.assert_allclose(np.asarray(got)[away], table[name][away], rtol=0, atol=6e-7)
    shapes = np.asarray(build_density(tables.nuclear_disc)(*xyz))[:11]
    expected = np.array([table[name] for name in list(rows[0])[6:]])
    np.testing.assert_allclose(shapes[:, away], expected[:, away], rtol=1e-9, atol=1e-300)


def test_sun_is_above_the_plane():
    """The Sun at (8159.9935, 7.9755, 31.5512) pc."""
    np.testing.assert_allclose(position(Frame(), 0.0, 0.0, 0.0), (8159.9935, 7.9755, 31.5512), atol=5e-5)


def test_mass_of_the_nuclear_disc(tables):
    """9.700e8 Msun inside the cuts of the table, to its four digits."""
    density = build_density(tables.nuclear_disc)
    r, z = np.linspace(0, 970, 3881), np.linspace(0, 380, 1521)
    grid = np.asarray(density.table(*map(jnp.asarray, np.meshgrid(r, z))))
    mass = np.trapezoid(np.trapezoid(grid * 2 * np.pi * r, r, axis=1), z) * 2
    assert mass == pytest.approx(9.700e8, rel=1e-3)


def test_mass_of_the_nuclear_cluster(tables):
    """The Dehnen profile holds M (a / (a + a0))^(3 - gamma) within a (closed form), to 1e-4 at 50 pc."""
    density = build_density(tables.nuclear_disc)
    a = np.geomspace(1e-2, 50, 200001)
    shape = np.asarray(density(jnp.asarray(a), jnp.zeros(len(a)), jnp.zeros(len(a))))[NSC]
    mass = np.trapezoid(1.5227639726e7 * shape * 4 * np.pi * 0.73 * a**2, a)
    assert mass == pytest.approx(6.1e7 * (50 / 55.9) ** 2.29, rel=1e-4)


@pytest.mark.parametrize(("bar", "peak"), [("E", 1.0), ("E+E_X", 1 + 2 * 1.43975636704683), ("G", 1.0)])
def test_bar_at_the_centre(tables, bar, peak):
    """Main term plus both arms: 1 + 2 f_X."""
    density = build_density(tables.nuclear_disc, bar=bar)
    assert float(density(jnp.array(0.0), jnp.array(0.0), jnp.array(0.0))[8]) == pytest.approx(peak, rel=1e-12)


@pytest.mark.parametrize("bar", ["E", "E+E_X", "G", "G+G_X"])
def test_density_is_symmetric(tables, bar):
    """The model is the same below the plane and turned by 180 degrees."""
    density = build_density(tables.nuclear_disc, bar=bar, halo=True)
    x, y, z = np.random.default_rng(1).normal(0, 400, (3, 50))
    here = np.asarray(density(x, y, z))
    np.testing.assert_allclose(np.asarray(density(x, y, -z)), here, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(density(-x, -y, z)), here, rtol=1e-12)


@pytest.mark.parametrize("height", ["constant", "linear"])
def test_disc_options_keep_the_surface_density(tables, height):
    """The column of a disc at 6 kpc is that of the constant scale height, 2 zd S (closed form)."""
    density = build_density(tables.nuclear_disc, disc_scale_height=height)
    z = np.linspace(-6000, 6000, 60001)
    column = np.trapezoid(np.asarray(density(6000.0 + 0 * z, 0 * z, z))[6], z)
    assert column == pytest.approx(2 * 445.37 * np.exp(2160 / 2600), rel=1e-6)


@pytest.mark.parametrize("bar", ["E", "E+E_X", "G", "G+G_X"])
def test_mass_function_is_a_density_in_any_measure(bar):
    """Integral 1 on the logarithmic grid; on a linear one dN/dM agrees with it to 1e-4."""
    stars = imf(bar)
    assert np.trapezoid(stars.density, stars.log_mass) == pytest.approx(1.0, rel=1e-12)
    mass = np.concatenate([np.linspace(0.001, 1, 200001), np.linspace(1, 120, 200001)[1:]])
    density = slope_density(bar, mass)
    below = np.trapezoid(density[mass <= 0.5], mass[mass <= 0.5]) / np.trapezoid(density, mass)
    assert stars.number_below(0.5) == pytest.approx(below, rel=2e-4)


def test_mean_mass():
    """0.58893 Msun (analytic, printed), to the 1e-4 by which the grid differs."""
    assert imf("E+E_X").mean_mass == pytest.approx(0.58893, rel=1e-4)
