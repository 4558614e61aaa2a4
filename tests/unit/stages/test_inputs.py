"""What is compared of inputs, and how they are named."""

from pathlib import Path

import pytest

from galcen.errors import SchemaError
from galcen.io.lineage_checks import Difference, differences
from galcen.io.provenance import input_names
from galcen.stages import inputs
from galcen.stages.inputs import read_inputs

MAKERS = {"calibrate", "compare", "complete", "draw", "expose", "exposure_plan", "galaxy_model", "ingest"}
MAKERS |= {"joint_plates", "judge_merge", "judge_plate", "likelihood", "plate", "plate_motion", "posterior"}
MAKERS |= {"report_page", "simulate", "solve_iterative", "solve_problem", "survey_sources", "truth"}


def test_every_stage_that_makes_a_product_compares_its_inputs():
    """There is one way to state where a product comes from, and it is the comparison."""
    folder = Path(inputs.__file__).parent
    texts = {path.stem: path.read_text() for path in folder.glob("*.py") if path.stem != "inputs"}
    assert {name for name, text in texts.items() if "read_inputs(" in text} == MAKERS
    assert not [name for name, text in texts.items() if "import provenance" in text]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/run/model.h5"], ["model.h5"]),
        (["/run/model.h5", "/run/a/t.h5", "/run/b/t.h5"], ["model.h5", "a/t.h5", "b/t.h5"]),
        (["/x/a/t.h5", "/y/a/t.h5", "/y/b/t.h5"], ["x/a/t.h5", "y/a/t.h5", "b/t.h5"]),
        (["/t.h5", "/a/t.h5"], ["t.h5", "a/t.h5"]),
        (["/a/t.h5", "/a/t.h5"], ["a/t.h5"]),
    ],
)
def test_inputs_are_named_by_the_ends_of_their_paths(paths, names):
    """As long as it takes to tell them apart; a path given twice is one input."""
    found = input_names(map(Path, paths))
    assert len(set(found.values())) == len(found)
    assert list(found.values()) == (names if len(set(paths)) > 1 else [Path(names[0]).name])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ({"seed": 1}, {"seed": 2}, "seed"),
        ({"seed": 1}, {"posterior": {"n_sample": 2}}, None),
        ({"posterior": {"a": 1, "b": 2}}, {"posterior": {"a": 1}}, None),
        ({"posterior": {"offset": {"J": 0.1}}}, {"posterior": {"offset": {}}}, "posterior.offset"),
        ({"posterior": {"limit": None}}, {"posterior": {"limit": {"band": "J"}}}, "posterior.limit"),
        ({"catalogue": {"files": [{"a": 1}]}}, {"catalogue": {"files": [{"a": 2}]}}, "catalogue.files.0.a"),
        ({"catalogue": {"files": [1]}}, {"catalogue": {"files": [1, 2]}}, "catalogue.files"),
        ({"draw": {"n_draw": 1}}, {"draw": {"n_draw": 1.0}}, None),
        ({"draw": {"n_draw": 1}}, {"draw": {"n_draw": True}}, "draw.n_draw"),
        ({"survey": {"plan": {"epoch": 1}}}, {"survey": {"plan": {"epoch": 1, "n": 2}}}, None),
        ({"survey": {"plan": {"epoch": 1}}}, {"survey": {"plan": {"epoch": 2, "n": 2}}}, "survey.plan.epoch"),
        ({"run": "one", "tables": {"path": "a"}}, {"run": "two", "tables": {"path": "b"}}, None),
    ],
)
def test_options_differ_where_both_stages_had_them(one, other, key):
    """A key that only one had is no difference, but within a mapping of the user's own it is one."""
    for pair in ((one, other), (other, one)):
        found = list(differences(*pair))
        assert [difference.key for difference in found] == ([key] if key else [])
        assert all(isinstance(difference, Difference) for difference in found)


def test_a_missing_input_is_named(tmp_path):
    """With what to do."""
    with pytest.raises(SchemaError, match=r"model.h5: no such file; run the stage that makes it"):
        read_inputs("likelihood", {}, [tmp_path / "model.h5"])
