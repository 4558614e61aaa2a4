"""The plan: avoidance, seasons, overlaps, evenness, streams."""

import functools

import numpy as np
import pytest
from test_coverage import on_chip

from galcen.errors import ConfigError
from galcen.survey import pointing
from galcen.survey.coverage import pointing as pointing_of
from galcen.survey.coverage import square_camera, triad
from galcen.survey.ephemeris import observer
from galcen.survey.nodes import Ledger, Window, galactic, large_frame, square
from galcen.survey.orbit import JULIAN_YEAR_S, Orbit, period, state
from galcen.survey.visibility import Limits, half_arc, revolutions

CAMERA = square_camera(4.3704e6, 19520.0, 22400.0, (0.0, -90.0, 180.0, 90.0))
PITCH = np.degrees(22400.0 / 4.3704e6)
SURVEY_WINDOW = Window(-1.4, 0.7, -0.6, 0.6)
ROOT = np.array([1, 2], dtype=np.uint32)


def task(frame=False, **changed):
    """The demo's task, or that of a large frame."""
    window = SURVEY_WINDOW if frame else Window(-0.25, 0.15, -0.1, 0.0)
    nodes = large_frame(window, PITCH, 0.275) if frame else galactic(*np.array(window.centre))[None]
    own = {name: changed.pop(name) for name in list(changed) if name in pointing.Task._fields}
    values = {
        "orbit": Orbit(),
        "span": (2030.5, 2033.5),
        "nodes": nodes,
        "window": window,
        "camera": CAMERA,
        "limits": Limits(),
        "pattern": pointing.Pattern(**changed),
    }
    return pointing.Task(**(values | own))


@functools.cache
def made(frame=True, n_orbit=60, **changed):
    """A plan with its task and exposures."""
    what = task(frame, **changed)
    plan = pointing.make_plan(what, n_orbit, ROOT)
    return what, plan, pointing.exposures(plan, what.pattern, np.arange(n_orbit), ROOT)


def degrees_between(one, other):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other), axis=-1), (one * other).sum(-1)))


@pytest.mark.parametrize("n_exposure", [6, 44])
@pytest.mark.parametrize("frame", [False, True])
def test_every_exposure_avoids_earth_and_sun(frame, n_exposure):
    """From start to end: 25.7 deg from the limb, 45 to 135 deg from the Sun, in half an orbit at most."""
    what, plan, shot = made(frame, n_exposure=n_exposure)
    for moment in (-0.5, 0.5):
        t = shot.t + moment * what.pattern.exposure_s / JULIAN_YEAR_S
        satellite = state(what.orbit, t).position
        nadir = degrees_between(shot.axes[:, 2], -satellite)
        limb = np.degrees(np.arcsin(6378.137 / np.linalg.norm(satellite, axis=1)))
        assert (nadir - limb).min() >= 25.7
        sun = degrees_between(shot.axes[:, 2], -observer(what.orbit, t).sun)
        assert sun.min() >= 45
        assert sun.max() <= 135
    spent = [np.ptp(shot.t[shot.orbit == k]) * JULIAN_YEAR_S + 13.7 for k in range(len(plan.t))]
    assert max(spent) <= 0.5 * period(what.orbit)


def test_the_full_orbit_is_used_where_it_can():
    """44 exposures of four fields, the number of the mission's description, fit every orbit of the survey."""
    _, plan, _ = made(True, n_exposure=1000)
    assert set(plan.n_exposure) <= {44, 45}


def test_six_seasons_in_three_years():
    """February to May and August to November: the Sun is in the opposite half of the zodiac in between."""
    _, plan, _ = made(True)
    assert np.unique(plan.season).tolist() == list(range(6))
    assert (np.diff(plan.season) >= 0).all()
    of_year = plan.t % 1
    autumn = plan.season % 2 == 0  # the survey begins in July
    assert ((of_year[autumn] > 0.58) & (of_year[autumn] < 0.85)).all()
    assert ((of_year[~autumn] > 0.08) & (of_year[~autumn] < 0.34)).all()
    assert np.bincount(plan.season).min() >= 9


def test_every_revolution_is_there_once():
    """Culminations of a direction are a period apart, whatever the wrap of the angles."""
    for direction in np.eye(3):
        turns = revolutions(Orbit(), (2031.0, 2032.2), direction, Limits(), 1.0)
        gaps = np.diff(turns.t) * JULIAN_YEAR_S
        assert abs(gaps / period(Orbit()) - 1).max() < 0.02
        assert turns.t[0] < 2031.0 + 0.0003
        assert turns.t[-1] > 2032.2 - 0.0003


def test_the_arc_ends_where_the_limit_is():
    """At its end a direction is 0.02 deg above the limit, to 0.02 deg; it is highest in the middle."""
    direction = galactic(np.array(-0.3), np.array(0.1))
    orbit, limits = Orbit(), Limits(duty=1.0)
    t = revolutions(orbit, (2031.0, 2031.5), direction, limits, 1.0).t
    half = half_arc(orbit, t, direction, limits, 0.0)

    def above_limb(moment):
        satellite = state(orbit, moment).position
        limb = np.degrees(np.arcsin(6378.137 / np.linalg.norm(satellite, axis=1)))
        return degrees_between(direction, -satellite) - limb

    for end in (t - half / JULIAN_YEAR_S, t + half / JULIAN_YEAR_S):
        assert abs(above_limb(end) - 25.72).max() < 0.02
    near = np.stack([above_limb(t + k * 60 / JULIAN_YEAR_S) for k in (-1, 0, 1)])
    assert (near[1] >= near[0]).all()
    assert (near[1] >= near[2]).all()


def test_consecutive_fields_overlap_by_half_and_stars_change_chips():
    """0.275 deg along X, Y, X in turn; of points of a field half lie in the next, on another chip."""
    what, plan, _ = made(True)
    rng = np.random.default_rng(7)
    for axes in plan.axes[:10]:
        ra, dec, pa = pointing_of(axes)
        step = axes[1:, 2] - axes[:-1, 2]
        along = np.degrees(np.einsum("fi,fki->fk", step, axes[:-1, :2]))
        np.testing.assert_allclose(abs(along[[0, 2], 0]), 0.275, atol=1e-5)
        np.testing.assert_allclose(abs(along[1, 1]), 0.275, atol=1e-5)
        np.testing.assert_allclose([along[0, 1], along[1, 0], along[2, 1]], 0, atol=1e-5)
        for k in range(3):
            side = np.tan(np.radians(0.2748))
            places = rng.uniform(-side, side, (2, 4000))
            stars = axes[k, 2] + places[0][:, None] * axes[k, 0] + places[1][:, None] * axes[k, 1]
            depth = stars @ axes[k + 1, 2]
            inside = (abs(stars @ axes[k + 1, :2].T / depth[:, None]) < side).all(axis=1)
            assert inside.mean() == pytest.approx(0.5, abs=0.03)
            lon = np.degrees(np.arctan2(stars[:, 1], stars[:, 0])) % 360
            lat = np.degrees(np.arctan2(stars[:, 2], np.hypot(stars[:, 0], stars[:, 1])))
            (seen, chip), (again, other) = (
                on_chip(what.camera, ra[f], dec[f], pa[f], lon, lat) for f in (k, k + 1)
            )
            assert (chip != other)[seen & again].all()
            assert (seen & again).sum() > 1000


def test_least_observed_first_evens_out_the_coverage():
    """Spread over the cells of the window 20 per cent below that of nodes in turn; all nodes are used."""
    what, plan, _ = made(True, n_orbit=150)
    first = np.degrees(np.arccos(np.clip(plan.node_axes[:, 2] @ what.nodes.T, -1, 1)))
    assert len(np.unique(first.argmin(axis=1))) > 0.9 * len(what.nodes)
    spread = []
    for chosen in (first.argmin(axis=1), np.arange(150) % len(what.nodes)):
        ledger = Ledger.empty(what.window, what.nodes, 0.275, what.camera)
        for k, node in enumerate(chosen):
            pa = pointing_of(plan.node_axes[k])[2]
            ledger.add(node, square(triad(what.nodes[node], pa), 0.275), 1)
        spread.append(ledger.counts.std() / ledger.counts.mean())
    assert spread[0] < 0.8 * spread[1]
    assert spread[0] < 0.16


def test_nodes_fill_the_gaps_and_reach_the_window():
    """Every cell of the window, as wide as a chip gap, is seen after a round of the nodes."""
    nodes = large_frame(SURVEY_WINDOW, PITCH, 0.275)
    ledger = Ledger.empty(SURVEY_WINDOW, nodes, 0.275, CAMERA)
    for node, axes in enumerate(square(triad(nodes, np.full(len(nodes), 31.4)), 0.275)):
        ledger.add(node, axes, 1)
    assert ledger.counts.min() > 0


def test_the_second_square_is_about_another_node():
    """Eight fields in an orbit: two squares with a large slew between, all fields in the visible arc."""
    what, plan, shot = made(True, n_field=8)
    # The X axes of a square are parallel, and the middle of its fields is the node.
    middles = plan.axes[:, :, 2].reshape(-1, 2, 4, 3).mean(axis=2)
    apart = degrees_between(middles[:, 0], middles[:, 1])
    assert (apart > 0.2).mean() > 0.9
    far = degrees_between(plan.axes[:, 3, 2], plan.axes[:, 4, 2]) > np.sqrt(2) * np.degrees(CAMERA.radius)
    slew = plan.start[:, 4] - plan.start[:, 3] - plan.n_exposure * 13.7
    np.testing.assert_allclose(slew, np.where(far, 220.0, 115.0))
    assert far.any()
    limb = np.degrees(np.arcsin(6378.137 / 6978.137))
    nadir = degrees_between(shot.axes[:, 2], -state(what.orbit, shot.t).position)
    assert (nadir - limb).min() >= 25.7


def test_exposures_follow_each_other():
    """13.7 s apart in a field, 115 s and an exposure between fields, to the resolution of a Julian year."""
    _, plan, shot = made(True)
    gaps = np.diff(shot.t) * JULIAN_YEAR_S
    same = (np.diff(shot.orbit) == 0) & (np.diff(shot.field) == 0)
    np.testing.assert_allclose(gaps[same], 13.7, atol=2e-5)
    slewed = (np.diff(shot.orbit) == 0) & (np.diff(shot.field) == 1)
    np.testing.assert_allclose(gaps[slewed], 115 + 13.7, atol=2e-5)
    assert (gaps > 0).all()
    assert (shot.exposure_id == 100_000 * shot.orbit + np.tile(np.arange(24), len(plan.t))).all()


def test_position_angles():
    """Sun shield: X across the plane of field and Sun, Y to the Sun. Fixed: as given. Random: 10 deg."""
    what, plan, _ = made(False)
    to_sun = -observer(what.orbit, plan.t).sun
    assert abs((plan.node_axes[:, 0] * to_sun).sum(axis=1)).max() < 5e-4  # the Sun moves in an orbit
    assert ((plan.node_axes[:, 1] * to_sun).sum(axis=1) > 0.7).all()
    fixed = pointing_of(made(False, position_angle="fixed")[1].node_axes)[2]
    np.testing.assert_allclose(fixed, 58.6, atol=1e-10)
    angles = pointing_of(made(False, 150, position_angle="random")[1].node_axes)[2] - 58.6
    assert abs(angles).max() <= 10
    assert abs(angles.mean()) < 4 * 10 / np.sqrt(3 * 150)
    assert angles.std() == pytest.approx(10 / np.sqrt(3), rel=0.15)


def test_scatter_has_the_width_that_was_asked_for():
    """Pulls of unit width: pointing 3 arcsec an axis, twist 18 arcsec."""
    _, plan, shot = made(True)
    nominal = plan.axes[shot.orbit, shot.field]
    arcsec = np.degrees(1) * 3600
    moved = np.einsum("ni,nki->nk", shot.axes[:, 2], nominal[:, :2]) * arcsec
    twist = -(shot.axes[:, 1] * nominal[:, 0]).sum(axis=1) * arcsec
    n = len(twist)
    for pull in (moved[:, 0] / 3, moved[:, 1] / 3, twist / 18):
        assert abs(pull.mean()) < 4 / np.sqrt(n)
        assert pull.std() == pytest.approx(1, abs=4 / np.sqrt(2 * n))
    # The twist raises the position angle.
    angle = (pointing_of(shot.axes)[2] - pointing_of(nominal)[2]) * 3600
    assert np.corrcoef(angle, twist)[0, 1] > 0.95


def test_the_plan_does_not_depend_on_the_block():
    """Any orbits alone are as they are among all, to the last bit; the same twice."""
    what, plan, shot = made(True)
    for orbits in (np.array([7]), np.arange(40, 60)):
        some = pointing.exposures(plan, what.pattern, orbits, ROOT)
        rows = np.isin(shot.orbit, orbits)
        for one, all_of_them in zip(some, shot, strict=True):
            np.testing.assert_array_equal(one, all_of_them[rows])
    again = pointing.make_plan(what, len(plan.t), ROOT)
    for one, other in zip(again, plan, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changed", "n_orbit", "words"),
    [
        (
            {"span": (2031.9, 2032.05)},
            1,
            r"no season between 2031\.90 and 2032\.05: the Sun is never 45 to 135",
        ),
        ({"limits": Limits(sun_min_deg=179.0, sun_max_deg=180.0)}, 1, "never 179 to 180 deg"),
        ({"limits": Limits(earth_deg=112.0)}, 1, "112 deg above the Earth's limb for .* s at most"),
        ({"n_field": 16, "slew_small_s": 400.0}, 1, "16 fields with one exposure each take"),
        ({"span": (2031.09, 2031.1)}, 500, r"n_orbits = 500, but only \d\d revolutions .* take fewer"),
    ],
)
def test_an_impossible_survey_is_refused(changed, n_orbit, words):
    with pytest.raises(ConfigError, match=words):
        pointing.make_plan(task(**changed), n_orbit, ROOT)
