"""What the survey records of known stars, against the forward model applied to every star and chip."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from exposure_mock import DEC, NOISE_FREE, PERFECT, RA, T0, observed, plan_columns, star_columns
from galcen.config.survey import Telescope
from galcen.io.camera_json import SizedCamera
from galcen.mapping.detector import ChipOffsets, affine, moved
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Source, focal_plane, nominal_plane, pixel
from galcen.mapping.frames import Attitude, telescope_axes
from galcen.mapping.source_motion import Observer, Offsets, triad
from galcen.mapping.vector import Vector
from galcen.survey.measurement import Recorded, record

CAMERA, SIDE = SizedCamera.of(Telescope(), 5)
EDGE = 4.5


OUTSIDE = 26000.0
"""Beyond this on the focal plane [um] a polynomial may send a star anywhere, also back onto a chip."""


def everywhere(measured, truth, stars):
    """Pixels of every star on every chip in every exposure, as (n_chip, 2, n_exp, n_star); NaN far off."""
    plan = {name: column[:, None] for name, column in measured.exposures.items()}
    true = {name: column[:, None] for name, column in truth.exposures.items()}
    vectors = (Vector(*(plan[f"{name}_{axis}"] for axis in "xyz")) for name in ("b", "beta", "sun"))
    observer = Observer(plan["t"] - T0, *vectors, plan["sun_dist"])
    zero = jnp.zeros(len(stars["ra"]))
    source = Source(
        triad(jnp.deg2rad(stars["ra"]), jnp.deg2rad(stars["dec"])), jnp.asarray(stars["radial_velocity"])
    )
    offsets = Offsets(zero, zero, stars["parallax"], stars["pmra"], stars["pmdec"])
    axes = telescope_axes(*(jnp.deg2rad(true[name]) for name in ("ra", "dec", "pa")))
    plane = nominal_plane(offsets, source, observer, axes)
    scale = FocalLength(CAMERA.focal_length_um, true["f_x"], true["f_y"])
    ideal = focal_plane("gnomonic", *plane, Attitude(*3 * [jnp.zeros(())]), scale)
    far = jnp.maximum(*map(jnp.abs, ideal)) > OUTSIDE
    ideal = tuple(jnp.where(far, jnp.nan, plane) for plane in ideal)
    chips = moved(CAMERA.chips, ChipOffsets(*(truth.chips[name] for name in ChipOffsets._fields)))
    coefficients = Coefficients(truth.a, truth.b)
    return np.stack(
        [
            np.stack(pixel(CAMERA.optics.distortion, ideal, coefficients, affine(type(chips)(*one))))
            for one in zip(*chips, strict=True)
        ]
    )


def recorded(measured, stars):
    """(chip, exposure, star) of each measurement."""
    return measured.chip, measured.exposure, np.searchsorted(stars["source_id"], measured.source_id)


@pytest.mark.parametrize("distortion_um", [0.5, 50.0])
def test_noise_free_places_are_those_of_the_forward_model(distortion_um):
    """To 1e-9 pixel, and exactly the stars within the edges of a chip, in every orbit."""
    stars = star_columns()
    observation = NOISE_FREE | {"camera": {"distortion": "per_orbit", "distortion_um": distortion_um}}
    for measured, truth in observed(plan_columns(), stars, observation).values():
        pixels = everywhere(measured, truth, stars)
        chip, exposure, star = recorded(measured, stars)
        np.testing.assert_allclose(measured.nx, pixels[chip, 0, exposure, star], rtol=0, atol=1e-9)
        np.testing.assert_allclose(measured.ny, pixels[chip, 1, exposure, star], rtol=0, atol=1e-9)
        on_chip = (np.abs(pixels) <= SIDE / 2 - EDGE).all(axis=1)
        assert set(zip(*np.nonzero(on_chip), strict=True)) == set(zip(chip, exposure, star, strict=True))


def test_no_star_is_twice_in_an_exposure():
    """Where wild draws make chips overlap, a star is on the first of them, in every exposure anew."""
    placed = Recorded(
        star=np.array([3, 3, 5, 3, 3, 0], np.int32),
        chip=np.array([0, 1, 2, 0, 1, 0], np.uint8),
        nx=np.array([100.0, -900.0, 5.0, 980.0, -20.0, 0.0]),
        ny=np.zeros(6),
        offset=np.empty(0),
    )
    kept = record(placed, np.array([0, 3]), np.array([3, 2]), SIDE / 2 - EDGE)
    assert kept.star.tolist() == [3, 5, 3] and kept.chip.tolist() == [0, 2, 1]
    assert kept.nx.tolist() == [100.0, 5.0, -20.0] and kept.offset.tolist() == [0, 2, 3]


@pytest.mark.parametrize("model", ["constant", "etc"])
def test_noise_has_the_stated_size(model):
    """Pulls about the noise-free places are standard normal: Kolmogorov p > 1e-3, width to 4 sigma."""
    plan, stars = plan_columns(), star_columns(6000)
    noisy = observed(plan, stars, {"centroid": {"model": model}})
    exact = observed(plan, stars, {"centroid": {"constant_pixel": 1e-13}})
    pulls = np.concatenate(
        [
            ((getattr(noisy[k][0], n) - getattr(exact[k][0], n)) / getattr(noisy[k][0], f"sigma_{n[1]}"))
            for k in noisy
            for n in ("nx", "ny")
        ]
    )
    assert abs(pulls.std() - 1) < 4 / np.sqrt(2 * len(pulls))
    assert stats.kstest(pulls, "norm").pvalue > 1e-3
    along = pulls[: len(noisy[0][0].nx)]
    across = pulls[len(along) : 2 * len(along)]
    assert abs(np.corrcoef(along, across)[0, 1]) < 4 / np.sqrt(len(along))


def test_streams_are_those_of_the_named_keys():
    """The error of a measurement is the score of key(seed, "expose", exposure, star), to 1e-9 pixel."""
    import jax  # the streams' own normal

    from galcen.random import key

    plan, stars = plan_columns(1), star_columns(400)
    noisy, exact = (observed(plan, stars, {"centroid": {"constant_pixel": c}})[0][0] for c in (1.0, 1e-13))
    for row in range(0, len(noisy.nx), len(noisy.nx) // 10):
        exposure_id = int(noisy.exposures["exposure_id"][noisy.exposure[row]])
        score = jax.random.normal(key(1, "expose", exposure_id, int(noisy.source_id[row])), (2,))
        assert abs(noisy.nx[row] - exact.nx[row] - score[0]) < 1e-9
        assert abs(noisy.ny[row] - exact.ny[row] - score[1]) < 1e-9


def test_stars_too_bright_or_too_faint_are_lost():
    """Exactly those between the limits are measured, of those on a chip."""
    stars = star_columns()
    losses = {"bright": 10.0, "faint": 13.0}
    every = observed(plan_columns(1), stars, NOISE_FREE)[0][0].source_id
    some = observed(plan_columns(1), stars, NOISE_FREE | {"losses": losses})[0][0].source_id
    hw = dict(zip(stars["source_id"], stars["hw"], strict=True))
    assert some.tolist() == [star for star in every if 10.0 <= hw[star] <= 13.0]


def test_only_known_sources_are_listed():
    """A star that is not in the mission's catalogue has no measurements."""
    stars = star_columns()
    listed = np.arange(len(stars["ra"])) % 2 == 0
    measured = observed(plan_columns(1), stars, NOISE_FREE, listed)[0][0]
    assert set(measured.source_id) <= set(stars["source_id"][listed]) and len(measured.source_id) > 100


def pair(separation_arcsec, faintness, brightest=11.0):
    """Two stars at the middle of a chip, the second one fainter, and one alone."""
    stars = {name: column[:3].copy() for name, column in star_columns(10).items()}
    for name in ("parallax", "pmra", "pmdec", "radial_velocity"):
        stars[name][:] = 0
    # A chip's centre lies 0.147 deg along X and along Y, at position angle 58.6 deg.
    stars["ra"][:] = RA + 0.049 / np.cos(np.radians(DEC))
    stars["dec"][:] = DEC + 0.202
    stars["ra"][1] += separation_arcsec / 3600 / np.cos(np.radians(stars["dec"][0]))
    stars["dec"][2] += 0.01
    stars["hw"][:] = brightest, brightest + faintness, 12.0
    return stars


@pytest.mark.parametrize("faintness", [0.0, 0.5, 3.0])
def test_unresolved_pairs_have_one_place(faintness):
    """The mean of the two, weighted by light, to 1e-5 pixel, under the brighter one's name, flagged."""
    stars = pair(0.5, faintness)
    losses = NOISE_FREE["losses"]
    apart = observed(plan_columns(1, 1, 1), stars, PERFECT)[0][0]
    together = observed(
        plan_columns(1, 1, 1), stars, PERFECT | {"losses": losses | {"unresolved_arcsec": 0.9}}
    )[0][0]
    first, second, alone = stars["source_id"]
    assert apart.source_id.tolist() == [first, second, alone] and not apart.flags.any()
    assert together.source_id.tolist() == [first, alone] and together.flags.tolist() == [1, 0]
    weight = np.array([1.0, 10 ** (-0.4 * faintness)])
    for name in ("nx", "ny"):
        expected = np.average(getattr(apart, name)[:2], weights=weight)
        assert abs(getattr(together, name)[0] - expected) < 1e-5
        assert getattr(together, name)[1] == getattr(apart, name)[2]
    assert abs(apart.nx[1] - apart.nx[0]) > 0.1 or abs(apart.ny[1] - apart.ny[0]) > 0.1


def test_pairs_are_resolved_beyond_the_radius():
    """0.91 arcsec apart with a radius of 0.9 are two stars, 0.89 are one."""
    losses = PERFECT["losses"] | {"unresolved_arcsec": 0.9}
    counts = [
        len(observed(plan_columns(1, 1, 1), pair(s, 1.0), PERFECT | {"losses": losses})[0][0].source_id)
        for s in (0.91, 0.89)
    ]
    assert counts == [3, 2]


def test_light_of_a_pair_counts_together():
    """Two stars just below saturation saturate together."""
    stars = pair(0.5, 0.0, brightest=9.9)
    losses = {"bright": 9.5, "faint": 14.5, "unresolved_arcsec": 0.9}
    measured = observed(plan_columns(1, 1, 1), stars, PERFECT | {"losses": losses})[0][0]
    assert measured.source_id.tolist() == [stars["source_id"][2]]


def test_fast_stars_meet_where_they_are_in_the_orbit():
    """A pair 6 arcsec apart at the reference epoch has one place when one has come up to the other."""
    stars = pair(6.0, 1.0)
    plan = plan_columns(1, 1, 1)
    stars["pmra"][1] = -6000.0 / (plan["t"][0] - T0)
    losses = PERFECT["losses"] | {"unresolved_arcsec": 0.9}
    measured = observed(plan, stars, PERFECT | {"losses": losses})[0][0]
    assert measured.source_id.tolist() == stars["source_id"][[0, 2]].tolist()


def test_outliers_are_as_many_and_as_large_as_asked():
    """Their fraction to 4 sigma, their rms to 10 per cent; the others are untouched."""
    plan, stars = plan_columns(), star_columns(6000)
    plain = observed(plan, stars)
    losses = {"outlier_fraction": 0.05, "outlier_pixel": 2.0}
    wild = observed(plan, stars, {"losses": losses})
    n_row, n_outlier, steps = 0, 0, []
    for orbit, (measured, truth) in wild.items():
        step = measured.nx - plain[orbit][0].nx
        is_outlier = np.zeros(len(step), bool)
        is_outlier[truth.outlier] = True
        assert (step[~is_outlier] == 0).all()
        n_row, n_outlier = n_row + len(step), n_outlier + len(truth.outlier)
        steps.append(step[is_outlier])
    assert abs(n_outlier - 0.05 * n_row) < 4 * np.sqrt(0.05 * n_row)
    assert abs(np.concatenate(steps).std() / 2.0 - 1) < 0.1


@pytest.mark.parametrize("flat_per", ["exposure", "pixel"])
def test_flat_field_averages_down_unless_it_belongs_to_the_pixel(flat_per):
    """Mean of 200 exposures on the same pixels: the flat field's error stays, or falls with the square root.

    For bright stars nearly all of their error is that of the flat field.
    """
    n_exposure = 200
    plan = plan_columns(1, 1, n_exposure)
    for name in plan:
        if name not in ("exposure_id",):
            plan[name][:] = plan[name][0]
    stars = star_columns(1500)
    stars["hw"][:] = 9.6
    centroid = {"model": "etc", "flat_per": flat_per}
    options = {"camera": PERFECT["camera"], "centroid": centroid}
    noisy, exact = (observed(plan, stars, o)[0][0] for o in (options, PERFECT))
    error = ((noisy.nx - exact.nx) / noisy.sigma_x).reshape(n_exposure, -1)
    width = error.mean(axis=0).std()
    expected = {"exposure": 1 / np.sqrt(n_exposure), "pixel": 1.0}[flat_per]
    assert abs(width / expected - 1) < 4 / np.sqrt(2 * error.shape[1]) + 0.02


def test_flat_field_is_drawn_anew_on_another_pixel():
    """Errors on other pixels, in another field, are uncorrelated; those on the same pixels are equal."""
    plan = plan_columns(1, 2, 2)
    for name in ("ra", "dec", "pa", *(n for n in plan if n.startswith(("b_", "beta", "sun")) or n == "t")):
        plan[name][1], plan[name][3] = plan[name][0], plan[name][2]
    stars = star_columns(6000)
    stars["hw"][:] = 9.6
    options = {"camera": PERFECT["camera"], "centroid": {"model": "etc", "flat_per": "pixel"}}
    noisy, exact = (observed(plan, stars, o)[0][0] for o in (options, PERFECT))
    error = (noisy.nx - exact.nx) / noisy.sigma_x
    by_star = [dict(zip(noisy.source_id[a:b], error[a:b], strict=True)) for a, b in
               zip(noisy.offset[:-1], noisy.offset[1:], strict=True)]  # fmt: skip
    for other, expected in ((1, 1.0), (2, 0.0)):
        common = sorted(set(by_star[0]) & set(by_star[other]))
        both = np.array([[by_star[0][s], by_star[other][s]] for s in common])
        assert len(common) > 300
        assert abs(np.corrcoef(both.T)[0, 1] - expected) < 0.02 + 4 / np.sqrt(len(common)) * (expected == 0)


@pytest.mark.parametrize("aberration", ["earth_and_satellite", "earth", "none"])
def test_aberration_is_that_of_the_velocity_handed_on(aberration):
    """The speed is the satellite's, the Earth's or none, and the places follow it to 1e-9 pixel."""
    plan, stars = plan_columns(1), star_columns()
    measured, truth = observed(plan, stars, NOISE_FREE | {"aberration": aberration})[0]
    beta = np.stack([measured.exposures[f"beta_{axis}"] for axis in "xyz"])
    full = np.stack([plan[f"beta_{axis}"] for axis in "xyz"])
    # The satellite moves at 7.56 km/s.
    expected = {"earth_and_satellite": 0.0, "earth": 7.56, "none": np.linalg.norm(full, axis=0) * 299792.458}
    np.testing.assert_allclose(
        299792.458 * np.linalg.norm(beta - full, axis=0), expected[aberration], atol=0.02
    )
    pixels = everywhere(measured, truth, stars)
    chip, exposure, star = recorded(measured, stars)
    np.testing.assert_allclose(measured.nx, pixels[chip, 0, exposure, star], rtol=0, atol=1e-9)


def test_an_orbit_does_not_hang_on_the_others():
    """Bit by bit the same alone, with all stars in another order of magnitude of number, and with others."""
    plan, stars = plan_columns(), star_columns()
    observation = {"losses": {"outlier_fraction": 0.1, "unresolved_arcsec": 2.0}}
    together = observed(plan, stars, observation)[1][0]
    alone = observed({name: c[plan["orbit"] == 1] for name, c in plan.items()}, stars, observation)[1][0]
    for name, column in together._asdict().items():
        if name != "exposures":
            np.testing.assert_array_equal(column, getattr(alone, name))


def test_a_measurement_does_not_hang_on_the_other_stars():
    """Places and errors of the stars that stay are the same to the last bit when half of them go."""
    plan, stars = plan_columns(1), star_columns(3000)
    half = {name: column[::2] for name, column in stars.items()}
    every, some = (observed(plan, s)[0][0] for s in (stars, half))
    names = [{(e, s): row for row, (e, s) in enumerate(zip(m.exposure, m.source_id, strict=True))}
             for m in (every, some)]  # fmt: skip
    rows = [names[0][name] for name in names[1]]
    np.testing.assert_array_equal(every.nx[rows], some.nx)


def test_images_shift_with_the_colour_of_their_star():
    """By the chip's own shift for each magnitude from the mean, to 1e-9 pixel; not without a colour."""
    plan, stars = plan_columns(1, 1, 4), star_columns(800)
    stars["colour"][::7] = np.nan
    coloured = PERFECT | {"camera": PERFECT["camera"] | {"chromatic_um": 2.0}}
    (plain, none), (shifted, truth) = (observed(plan, stars, values)[0] for values in (PERFECT, coloured))
    assert not none.chips["chromatic_x"].any()
    rows = {row: k for k, row in enumerate(zip(*recorded(plain, stars), strict=True))}
    same = [
        (rows[row], k) for k, row in enumerate(zip(*recorded(shifted, stars), strict=True)) if row in rows
    ]
    before, after = np.array(same).T
    assert len(before) > 0.98 * len(rows)
    star, chip = np.searchsorted(stars["source_id"], shifted.source_id[after]), shifted.chip[after]
    colour = np.nan_to_num(stars["colour"] - np.nanmean(stars["colour"]), nan=0.0)[star]
    x, y = (colour * truth.chips[f"chromatic_{axis}"][chip] for axis in "xy")
    angle = CAMERA.chips.rotation[chip]
    expected = [np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y]
    found = [shifted.nx[after] - plain.nx[before], shifted.ny[after] - plain.ny[before]]
    np.testing.assert_allclose(found, np.array(expected) / 10.0, rtol=0, atol=1e-9)
    assert (np.abs(found).max(axis=0) > 0.05).any()
