"""Faults of the section `survey` are named; blocks of orbits follow from the configuration alone."""

import pytest

from galcen.config import parse
from galcen.errors import ConfigError


def test_the_field_of_view_is_the_missions():
    """0.55 deg from outer edge to outer edge; the default step is half of it."""
    survey = parse({}).survey
    assert survey.telescope.field_deg == pytest.approx(0.5496, abs=1e-4)
    assert survey.plan.step_deg == pytest.approx(survey.telescope.field_deg / 2, abs=1e-3)


def test_a_telescope_of_small_field_may_stand_alone():
    """Exposures are made of the telescope without the plan, whose default step is too wide for it."""
    telescope = {"focal_length_um": 2e7}
    assert parse({"survey": {"telescope": telescope}}).survey.telescope.field_deg < 0.275
    assert parse({"survey": {"telescope": telescope, "plan": {"step_deg": 0.05}}})
    with pytest.raises(ConfigError, match="would not overlap"):
        parse({"survey": {"telescope": telescope, "plan": {"n_orbits": 6}}})


def test_blocks_hold_every_orbit_once():
    """Named by their first and last orbit; the last may be shorter."""
    survey = parse({"survey": {"orbits_per_job": 10, "plan": {"n_orbits": 23}}}).survey
    assert survey.blocks == ("o00000-00009", "o00010-00019", "o00020-00022")


@pytest.mark.parametrize(
    ("survey", "words"),
    [
        ({"plan": {"n_orbits": 0}}, r"survey\.plan\.n_orbits: .*greater than or equal to 1 \(found 0\)"),
        ({"plan": {"step_deg": 0.6}}, r"step_deg = 0\.6 must be below the field of view .* 0\.550 deg"),
        (
            {"plan": {"window": {"l_min": 1, "l_max": -1, "b_min": 0, "b_max": 1}}},
            "l_min = 1.0 must be below",
        ),
        ({"plan": {"window": {"l_min": -20, "l_max": 20, "b_min": 0, "b_max": 1}}}, "by 20 deg at most"),
        ({"plan": {"window": {"l_min": -1, "l_max": 1, "b_min": 80, "b_max": 95}}}, r"window\.b_max.*85"),
        ({"plan": {"sun_min_deg": 140}}, r"sun_min_deg = 140\.0 must be below sun_max_deg = 135"),
        ({"plan": {"centre": [0, 89]}}, "a latitude of -85 to 85 deg"),
        ({"plan": {"centre": [0, 0], "nodes": "large_frame"}}, "centre is for nodes = single"),
        ({"plan": {"coverage_nside": 3000}}, "coverage_nside = 3000 must be a power of two"),
        ({"plan": {"nodes": "spiral"}}, r"nodes.*'large_frame'.*found 'spiral'"),
        (
            {"telescope": {"chip_pitch_mm": 19.0}},
            r"chip_pitch_mm = 19\.0 must be above the side of a chip, 19\.52",
        ),
        ({"telescope": {"exposure_s": 14}}, r"exposure_s = 14\.0 must not be above repetition_s = 13\.7"),
        ({"telescope": {"focal_length_um": 4370}}, r"focal_length_um: .*in mm or m\?"),
        ({"telescope": {"focal_length_um": 2e5}}, r"field of view is 12\.0 deg wide, at most 10"),
    ],
)
def test_a_fault_is_named_by_its_key(survey, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse({"survey": survey}, "mine.yaml")
    assert len(str(caught.value).splitlines()) == 1
