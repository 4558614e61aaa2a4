"""The fast posterior against the exact one, its table against the sum over the pieces, and its bounds."""

import numpy as np
import pytest

from galcen import config
from galcen.catalogue.forward import Window, cell_stars, point_gaps
from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.catalogue.piece_sums import PieceTable, ln_likelihood
from galcen.catalogue.vectors import spline_point
from galcen.compiled import compiled
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer

ERROR = 0.1
# Cells of the map: at Sgr A*, in the nuclear disc, where it ends, in the bar, and at the map's edges.
CELLS = ((377, 397), (379, 400), (392, 404), (420, 430), (300, 350), (0, 0), (759, 579))


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


@pytest.fixture(scope="module")
def pieces(galaxy):
    return Pieces.build(galaxy.intervals, ERROR)


@pytest.fixture(scope="module")
def lattice(pieces):
    return MagnitudeLattice.build(pieces, ERROR)


@pytest.fixture(scope="module")
def options():
    return config.parse({}).posterior


def table(lon, lat, mag, parallax=np.nan, parallax_error=np.nan):
    """Columns of the observed table for stars with errors of 0.1 mag."""
    n = len(lon)
    columns = {"source_id": np.arange(n), "glon": np.asarray(lon), "glat": np.asarray(lat)}
    columns |= dict(zip(("mj", "mh", "mks"), np.asarray(mag, dtype=float), strict=True))
    columns |= {f"{name}_error": np.full(n, ERROR) for name in ("mj", "mh", "mks")}
    columns |= {"parallax_obs": np.full(n, parallax), "parallax_obs_error": np.full(n, parallax_error)}
    return {**columns, "ruwe": np.full(n, np.nan)}


@pytest.fixture(scope="module")
def columns(galaxy):
    """Stars of the model in each cell with scattered magnitudes; every third one with a parallax."""
    rng = np.random.default_rng(5)
    intervals, parts = point_gaps(galaxy.intervals), []
    for i, j in CELLS:
        centre = -9.4875 + 0.025 * i, -9.9875 + 0.025 * j
        window = Window("Ks", 7.0, 15.0)
        drawn = cell_stars(galaxy, intervals, stage_key(3, "test"), i * 580 + j, *centre, window, 2e4)
        rows = rng.choice(len(drawn.dist), min(60, len(drawn.dist)), replace=False)
        mag = drawn.mag[:, rows] + rng.normal(0, ERROR, (3, len(rows)))
        parts.append((drawn.lon_deg[rows], drawn.lat_deg[rows], mag, drawn.dist[rows]))
    lon, lat, mag, dist = (np.concatenate(values, axis=-1) for values in zip(*parts, strict=True))
    stars = table(lon, lat, mag)
    third = np.arange(len(lon)) % 3 == 0
    stars["parallax_obs"] = np.where(third, 1000 / dist + rng.normal(0, 0.1, len(lon)), np.nan)
    stars["parallax_obs_error"] = np.where(third, 0.1, np.nan)
    return stars


def compare(fast, exact):
    """The bounds of the fast method: every star, every class."""
    np.testing.assert_allclose(fast["probability"].sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(fast["probability"], exact["probability"], atol=1e-3)
    np.testing.assert_allclose(fast["quantile"], exact["quantile"], rtol=1e-3)
    np.testing.assert_allclose(fast["ln_evidence"], exact["ln_evidence"], atol=5e-3)
    np.testing.assert_allclose(fast["beyond"], exact["beyond"], atol=1e-3)
    np.testing.assert_array_equal(fast["flags"], exact["flags"])


def test_stars_of_every_field(galaxy, lattice, options, columns):
    """Probabilities within 1e-3 and distances within 0.1 % of the exact ones; nearly all draws the same."""
    fast, exact = (infer(galaxy, columns, options, 1, choice) for choice in (lattice, None))
    # Those next to Sgr A* are left to the exact method, and few others.
    assert 0.7 < fast["is_fast"].mean() < 1.0
    assert not exact["is_fast"].any()
    compare(fast, exact)
    assert (fast["comp"] == exact["comp"]).mean() > 0.999
    same = fast["comp"] == exact["comp"]
    np.testing.assert_allclose(fast["dist"][same], exact["dist"][same], rtol=2e-3)


def test_odd_stars(galaxy, lattice, options):
    """Too bright, of no model's colour, faint and near, saturated, precisely nearby: as the exact method."""
    cases = {
        "too bright": ((4.0, 3.2, 3.0), None),
        "no such colour": ((2.0, 9.0, 2.0), None),
        "J in the H column": ((14.0, 17.5, 12.0), None),
        "very red": ((19.0, 14.2, 10.5), None),
        "faint": ((19.5, 18.5, 18.0), None),
        "nearby dwarf": ((11.0, 10.4, 10.1), (60.0, 0.1)),
        "negative parallax": ((15.0, 12.6, 11.4), (-0.4, 0.2)),
    }
    mag = np.array([case[0] for case in cases.values()]).T
    n = len(cases)
    stars = table(np.full(n, -1.0125), np.full(n, 0.2875), mag)
    for row, (_, parallax) in enumerate(cases.values()):
        if parallax:
            stars["parallax_obs"][row], stars["parallax_obs_error"][row] = parallax
    fast, exact = (infer(galaxy, stars, options, 1, choice) for choice in (lattice, None))
    compare(fast, exact)
    assert np.isfinite(fast["quantile"]).all()


def test_other_errors_are_left_to_the_exact_method(galaxy, lattice, options, columns):
    """A missing band and an error above the floor: the same bits as without the table."""
    stars = {name: values[:8].copy() for name, values in columns.items()}
    stars["mj"][:4] = np.nan
    stars["mks_error"][4:] = 0.15
    fast, exact = (infer(galaxy, stars, options, 1, choice) for choice in (lattice, None))
    assert not fast["is_fast"].any()
    np.testing.assert_array_equal(fast["probability"], exact["probability"])


def test_a_star_does_not_feel_its_neighbours(galaxy, lattice, options, columns):
    """Some stars alone and in another order: every bit the same."""
    whole = infer(galaxy, columns, options, 1, lattice)
    rows = np.random.default_rng(0).permutation(len(columns["glon"]))[:70]
    some = infer(galaxy, {name: values[rows] for name, values in columns.items()}, options, 1, lattice)
    for name, values in some.items():
        np.testing.assert_array_equal(values, whole[name][..., rows], err_msg=name)


@compiled
def _evaluate(values, start, place, out):
    """The spline at points in lattice coordinates."""
    rows, w = np.empty(16, dtype=np.int64), np.empty(12, dtype=np.float32)
    for n in range(len(place)):
        i, j, m = int(place[n, 0]), int(place[n, 1]), int(place[n, 2])
        for axis in range(3):
            t = place[n, axis] - int(place[n, axis])
            for k in range(4):
                # The cubic B-spline by its definition.
                x = abs(t + 1.0 - k)
                w[4 * axis + k] = 2 / 3 - x * x + x**3 / 2 if x < 1 else (2 - x) ** 3 / 6
        for a in range(4):
            for b in range(4):
                rows[4 * a + b] = start[i - 1 + a, j - 1 + b] + m - 1
        spline_point(values, rows, w, out, n)


def direct(pieces, magnitudes):
    """Ln L of the ten isochrones at points (n, 3) by the sum over the pieces."""
    target = np.ascontiguousarray(magnitudes.T[:, :, None])
    prior = np.zeros((10, len(magnitudes), 1))
    return ln_likelihood(PieceTable.build(pieces), target, np.full((3, len(magnitudes)), 1 / ERROR), prior)


def test_the_table_is_the_sum(pieces, lattice):
    """Ln L of the likeliest isochrone to four sigma from the isochrones: within 2e-3 of the sum.

    Half-way between the tips of branches six sigma or more apart a cubic cannot follow: one point in
    two hundred may be off by more, none by 0.1.
    """
    rng = np.random.default_rng(1)
    flat = pieces.middle.reshape(3, -1)[:, np.isfinite(pieces.ln_weight).ravel()]
    flat = flat[:, flat[2] < 12.0]
    magnitudes = flat[:, rng.integers(0, flat.shape[1], 3000)].T
    shift = rng.normal(size=magnitudes.shape)
    shift *= (4 * ERROR * rng.random(len(shift)) / np.linalg.norm(shift, axis=1))[:, None]
    magnitudes = magnitudes + shift
    place = magnitudes @ lattice.axes.T - lattice.origin
    got = np.empty((len(place), 16), dtype=np.float32)
    _evaluate(lattice.values, lattice.start, place, got)
    expected, chi2 = direct(pieces, magnitudes)
    top = expected[:, :, 0].argmax(axis=0)
    every = np.arange(len(place))
    error = np.abs(got[every, top] - expected[top, every, 0])
    assert np.median(error) < 1e-4
    assert np.quantile(error, 0.995) < 2e-3
    assert error.max() < 0.1
    np.testing.assert_allclose(-2 * got[:, 12], chi2, atol=0.5)


def test_bounds_hold(pieces, lattice):
    """No L exceeds the bound of its box, nor that for points outside the table where it is one."""
    rng = np.random.default_rng(2)
    shape = np.array([*lattice.start.shape, int(lattice.inner_high.max())])
    place = rng.uniform(-0.1, 1.1, (12000, 3)) * shape
    magnitudes = (place + lattice.origin) @ np.linalg.inv(lattice.axes).T
    ln_sum, chi2 = direct(pieces, magnitudes)
    # The sum itself holds up to ten sigma.
    near = chi2 < 100.0
    place, likelihood = place[near], np.exp(ln_sum[:, near, 0]).max(axis=0)
    assert len(place) > 400
    box = np.clip((place * lattice.bound_per_index).astype(int), 0, np.array(lattice.bound.shape) - 1)
    assert (likelihood <= lattice.bound[tuple(box.T)] * (1 + 1e-4)).all()
    i, j, m = np.floor(place).astype(int).T
    n_1, n_2 = lattice.start.shape
    inside = (i >= 1) & (i < n_1 - 3) & (j >= 1) & (j < n_2 - 3)
    i, j = np.clip(i, 0, n_1 - 1), np.clip(j, 0, n_2 - 1)
    inside &= (m >= lattice.inner_low[i, j]) & (m <= lattice.inner_high[i, j])
    assert 0.1 < inside.mean() < 0.9
    outside = lattice.bound_outside[tuple(box.T)]
    assert (likelihood <= outside * (1 + 1e-4))[~inside].all()
