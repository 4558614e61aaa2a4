"""The stage `expose`: blocks of orbits, single orbits made again, bad input."""

import json
from itertools import pairwise

import numpy as np
import pytest

from exposure_mock import T0, observed, plan_columns, star_columns, write_inputs
from galcen.errors import ConfigError, SchemaError
from galcen.io import exposures as files
from galcen.io.hdf5 import write_table
from galcen.io.stars_schema import SURVEY_STARS
from galcen.stages import expose

OPTIONS = {"observation": {"losses": {"outlier_fraction": 0.05}, "camera": {"distortion": "per_orbit"}}}


@pytest.fixture
def inputs(tmp_path):
    """A plan of three orbits and some stars."""
    return write_inputs(tmp_path, plan_columns(), star_columns(600))


def orbit_of(paths, orbit):
    with files.open_exposures(paths.exposures) as file, files.open_injected(paths.injected) as truth:
        return files.read_orbit(file, orbit), files.read_truth(truth, orbit)


def same(one, other):
    for a, b in zip(one, other, strict=True):
        if isinstance(a, dict):
            assert a.keys() == b.keys()
            same(a.values(), b.values())
        else:
            np.testing.assert_array_equal(a, b)


def test_files_hold_what_was_observed(inputs):
    """Every column to the last bit, and outliers are named in the truth."""
    expose.run(inputs, "o00000-00002", OPTIONS)
    expected = observed(plan_columns(), star_columns(600), OPTIONS["observation"])
    for orbit in range(3):
        measured, truth = orbit_of(inputs, orbit)
        same(measured, expected[orbit][0])
        same(truth, expected[orbit][1])
        assert len(truth.outlier)


def test_blocks_do_not_change_an_orbit(inputs):
    """Bit by bit the same in a block of its own; orbits that the plan lacks are left out."""
    expose.run(inputs, "o00000-00002", OPTIONS)
    whole = orbit_of(inputs, 2)
    expose.run(inputs, "o00002-00009", OPTIONS)
    with files.open_exposures(inputs.exposures) as file:
        assert files.orbits_of(file) == [2]
    for one, other in zip(whole, orbit_of(inputs, 2), strict=True):
        same(one, other)


def test_one_orbit_made_again_gives_the_same_bytes(inputs):
    """Also when its measurements had been damaged, and the others are not touched."""
    expose.run(inputs, "o00000-00002", OPTIONS)
    whole = [path.read_bytes() for path in (inputs.exposures, inputs.injected)]
    expose.run(inputs, "o00000-00002", OPTIONS, only=1)
    assert [path.read_bytes() for path in (inputs.exposures, inputs.injected)] == whole


def test_one_orbit_is_not_made_again_with_other_options(inputs):
    """A file of two configurations would be none."""
    expose.run(inputs, "o00000-00002", OPTIONS)
    with pytest.raises(SchemaError, match="made with other configuration; make the whole block"):
        expose.run(inputs, "o00000-00002", {}, only=1)
    with pytest.raises(SchemaError, match="no such file"):
        inputs.exposures.unlink()
        expose.run(inputs, "o00000-00002", OPTIONS, only=1)
    with pytest.raises(ConfigError, match="not an orbit of the block"):
        expose.run(inputs, "o00000-00002", OPTIONS, only=7)


def test_estimate_is_off_by_its_error():
    """Boresight and twist differ from the true ones by draws of the stated rms, to 4 sigma."""
    plan = plan_columns(1, 4, 100)
    estimate = {"pointing_arcsec": 2.0, "twist_arcsec": 30.0}
    measured, truth = observed(plan, star_columns(30), {"estimate": estimate})[0]
    guess, true = measured.exposures, truth.exposures
    for name in ("ra", "dec", "pa"):
        np.testing.assert_array_equal(true[name], plan[name])
    north = (guess["dec"] - true["dec"]) * 3600
    east = (guess["ra"] - true["ra"]) * 3600 * np.cos(np.radians(true["dec"]))
    # A step to the east turns the axes against north by its size times sin(dec).
    twist = (guess["pa"] - true["pa"]) * 3600 - east * np.tan(np.radians(true["dec"]))
    for values, rms in ((north, 2.0), (east, 2.0), (twist, 30.0)):
        assert abs(values.std() / rms - 1) < 4 / np.sqrt(2 * len(values))
        assert abs(values.mean()) < 4 * rms / np.sqrt(len(values))


def test_camera_differs_from_the_nominal_one_as_asked():
    """Focal lengths by exposure, one set of chips for all orbits, one distortion for all or for each."""
    plan, stars = plan_columns(3, 4, 50), star_columns(30)
    constant = [truth for _, truth in observed(plan, stars).values()]
    f = np.concatenate([np.stack([t.exposures["f_x"], t.exposures["f_y"]]) for t in constant], axis=1)
    assert (np.abs(f.std(axis=1) / 10 - 1) < 4 / np.sqrt(2 * f.shape[1])).all()
    assert abs(np.corrcoef(f)[0, 1]) < 4 / np.sqrt(f.shape[1])
    free = [truth for _, truth in observed(plan, stars, {"camera": {"distortion": "per_orbit"}}).values()]
    for one, other in pairwise(constant):
        same([one.chips, one.a, one.b], [other.chips, other.a, other.b])
    assert (free[0].a != free[1].a).all() and (free[0].b != free[0].a).all()
    spread = np.concatenate([[*t.a, *t.b] for t in free])
    assert abs(spread.std() / 0.5 - 1) < 4 / np.sqrt(2 * len(spread))
    same([free[0].chips], [constant[0].chips])


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("o00000", "first and the last"),
        ("o00003-00001", "first and the last"),
        ("o00007-00009", "no exposure"),
    ],
)
def test_a_block_that_is_none_is_refused(inputs, block, words):
    """With what is expected, or what the plan has."""
    with pytest.raises(ConfigError, match=words):
        expose.run(inputs, block, {})


def test_a_folding_distortion_is_refused(inputs):
    """Places on the chips must go back to one place on the sky."""
    with pytest.raises(ConfigError, match="the distortion folds on the chips; make"):
        expose.run(inputs, "o00000-00002", {"observation": {"camera": {"distortion_um": 5000.0}}})


def test_stars_without_a_number_or_twice_are_refused(inputs):
    """Named by their identifier."""
    stars = star_columns(600)
    columns = {name: np.zeros(600) for name in SURVEY_STARS.names}
    columns |= {name: np.zeros(600, np.int8) for name in ("is_reference", "is_artificial", "is_wrong")}
    for name, value, words in (("hw", np.nan, "hw is not finite"), ("source_id", None, "is there twice")):
        bad = {key: column.copy() for key, column in stars.items()}
        bad[name][7] = bad[name][6] if value is None else value
        write_table(inputs.stars, SURVEY_STARS, columns | bad, {"t0": repr(T0)})
        with pytest.raises(SchemaError, match=f"source_id {bad['source_id'][7]}.* {words}"):
            expose.run(inputs, "o00000-00002", {})


def test_an_empty_sky_is_warned_of(tmp_path, caplog):
    """Stars elsewhere give exposures without measurements, and a word about it."""
    stars = star_columns(600)
    stars["dec"] = -stars["dec"]
    paths = write_inputs(tmp_path, plan_columns(1), stars)
    expose.run(paths, "o00000-00000", {})
    measured, _ = orbit_of(paths, 0)
    assert not len(measured.source_id) and len(measured.offset) == 7
    assert "no star is on a chip" in caplog.text


def test_provenance_names_inputs_and_options(inputs):
    """The file says what it was made of."""
    expose.run(inputs, "o00000-00002", OPTIONS)
    with files.open_exposures(inputs.exposures) as file:
        assert json.loads(file.attrs["configuration"]) == OPTIONS
        assert set(json.loads(file.attrs["inputs"])) == {"plan.h5", "stars.h5", "input_catalogue.h5"}
        assert float(file.attrs["t0"]) == T0
