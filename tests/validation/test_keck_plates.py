"""Real plates: nine Keck epochs of a bulge field, four dithered exposures, the noise-free challenge.

docs/plates.md has the numbers and the commands.
"""

import numpy as np
import pytest

from galcen.astrometry.plane_map import MAD_TO_SIGMA
from galcen.config.joint_plates import parse
from galcen.io.star_lists import read_columns
from galcen.stages.joint_plates import read, solve_plates
from reference import reference_file

KECK = {"scale": 9.95, "flip_x": True, "min_exposures": 5, "reference": "mag16jul14_ob150029_kp_rms_named"}
NAMED = {"matching": {"common_only": True}}


def half_width(values):
    """Half the central 68.27 per cent."""
    low, high = np.percentile(values, (15.865, 84.135))
    return (high - low) / 2


def solved(folder, pattern, options):
    settings = parse(options)
    plates = read(sorted(folder.glob(pattern)), settings)
    return plates, solve_plates(plates, settings)


def against_label(folder, plates, solution):
    """Proper motions of both for the stars that have one in the label."""
    label = read_columns(folder / "ob150029_label.txt", ["name", "vx", "vy", "vxerr"])
    row = {name: at for at, name in enumerate(label["name"].tolist()) if label["vxerr"][at] > 0}
    names = [plates.star_names[star] for star in solution.star]
    used = [(at, row[name]) for at, name in enumerate(names) if name in row]
    at, there = np.array(used).T
    return solution.solution.unknowns.star[at, 2:], np.column_stack([label["vx"], label["vy"]])[there]


@pytest.fixture(scope="module")
def keck():
    """Folder of the nine epochs."""
    return reference_file("data/plates_ob150029_keck")


def test_named_stars_of_the_keck_plates(keck):
    """95 stars with 5 epochs or more: half the central 68 % of residuals below 0.5 mas, chi2/dof one.

    Scatter of proper motions about the label's below 0.6 mas/yr in both axes, in a frame that knows nothing
    of it (the mean difference of the frames, 0.4 mas/yr, taken off); slope 0.93 to 1.
    """
    plates, got = solved(keck, "*.lis", KECK | NAMED)
    assert len(got.star) == 95
    solution = got.solution
    assert half_width(solution.residual_sky) < 0.5
    assert solution.chi2.sum() / solution.dof.sum() == pytest.approx(1, abs=0.01)
    ours, theirs = against_label(keck, plates, got)
    assert len(ours) == 94
    assert ((ours - theirs).std(axis=0) < 0.6).all()
    for axis in (0, 1):
        assert 0.93 < np.polyfit(theirs[:, axis], ours[:, axis], 1)[0] < 1
    # Only shifts, linear terms of positions and shifts of motions are free of the data.
    assert solution.spectrum.n_plate - solution.spectrum.rank == 8


def test_keck_plates_in_the_frame_of_the_label(keck):
    """All matched stars, frame from the label: motions within 0.4 mas/yr rms of it, nothing taken off."""
    label = {"label": {"path": str(keck / "ob150029_label.txt")}}
    plates, got = solved(keck, "*.lis", KECK | label)
    assert len(got.star) > 300
    ours, theirs = against_label(keck, plates, got)
    assert np.sqrt(((ours - theirs) ** 2).mean()) < 0.4


def pair_scatter(got, first, second):
    """Scatter (MAD) of positions on one exposure less those on another, both brought to the sky."""
    place = np.full((2, len(got.star), 2), np.nan)
    for at, exposure in enumerate((first, second)):
        rows = got.data.exposure == exposure
        place[at, got.data.star[rows]] = got.solution.residual_sky[rows]
    difference = place[1] - place[0]
    difference = difference[np.isfinite(difference[:, 0])]
    return MAD_TO_SIGMA * np.median(np.abs(difference - np.median(difference, axis=0)), axis=0)


def test_dithered_exposures_fit_better_than_affine_maps():
    """Four pointings: residuals below the scatter of affine maps, 0.33 and 0.55 pixel, also for lost dof.

    Between pairs of exposures, as that scatter is defined, plates of second order leave less than affine
    ones in y, and as much in x.
    """
    folder = reference_file("data/plates_nirc2_dither")
    pairs = []
    for order in (1, 2):
        _, got = solved(folder, "*.lis", {"order": order, "min_exposures": 2})
        pairs.append(np.mean([pair_scatter(got, 0, other) for other in (1, 2, 3)], axis=0))
    assert len(got.star) > 100
    scaled = got.solution.residual_sky / np.sqrt(np.maximum(got.solution.redundancy, 0.02))
    assert half_width(got.solution.residual_sky[:, 0]) < half_width(scaled[:, 0]) < 0.33
    assert half_width(got.solution.residual_sky[:, 1]) < half_width(scaled[:, 1]) < 0.55
    np.testing.assert_allclose(pairs[0], [0.33, 0.55], atol=0.05)
    assert pairs[1][1] < 0.8 * pairs[0][1]
    assert pairs[1][0] < 1.05 * pairs[0][0]


def test_noise_free_plates_leave_nothing():
    """The challenge's 16 plates, third order: residuals below 1e-7 um, with all 1,457 stars seen twice."""
    folder = reference_file("data/plates_jasmine_challenge")
    options = {"order": 3, "sigma": 1e-3, "excess_noise": False, "robust": False}
    _, got = solved(folder, "*.txt", options)
    assert len(got.star) > 1300
    assert np.abs(got.solution.residual).max() < 1e-7
