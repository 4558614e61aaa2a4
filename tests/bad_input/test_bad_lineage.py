"""Products that do not belong together: every stage says which, and in what they differ."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from bad_case import Case, identify, observe
from galcen.errors import SchemaError
from galcen.stages import (
    calibrate,
    compare,
    complete,
    draw,
    expose,
    exposure_plan,
    judge_merge,
    judge_plate,
    plate,
    plate_motion,
    posterior,
    report_page,
    solve_iterative,
    survey_sources,
    truth,
)
from galcen.stages.inputs import read_inputs
from lineage_mock import BLOCKS, copy_run, kept_run, options_of, tiles, write_product, write_run

MIXED = "products of different runs in one"
CHANGED = "a product changed by hand"
OLDER = "products of another version of galcen"

TILE = tiles()[1]
SURVEY = f"catalogue/survey/mine/{tiles()[0]}.h5"
COMPLETE, POSTERIOR, MOCK = (f"catalogue/{kind}/{TILE}.h5" for kind in ("complete", "posterior", "mock"))
EXPOSURES, INJECTED, PLATE = (
    f"{kind}/{BLOCKS[1]}.h5" for kind in ("survey/exposures", "survey/injected", "astrometry/plate")
)
BOTH_EXPOSURES, BOTH_INJECTED, BOTH_PLATES = (
    [f"{kind}/{block}.h5" for block in BLOCKS]
    for kind in ("survey/exposures", "survey/injected", "astrometry/plate")
)
STARS, KNOWN, PLAN = "survey/stars.h5", "survey/input_catalogue.h5", "survey/plan.h5"
MOTION, SOLUTION = "astrometry/plate_motion.h5", "astrometry/iterative.h5"


def asked(stage: str, folder: Path, **options) -> None:
    """A stage is run on the products in a folder."""
    out, of = folder / "out/product.h5", {**options_of(stage), **options}
    here = {
        name: folder / name
        for name in ("model.h5", "likelihood.h5", STARS, KNOWN, PLAN, MOTION, SOLUTION, COMPLETE, POSTERIOR)
    }
    exposures, injected, plates = (
        [folder / name for name in names] for names in (BOTH_EXPOSURES, BOTH_INJECTED, BOTH_PLATES)
    )
    if stage == "complete":
        complete.run(TILE, folder / "catalogue/survey", out, of)
    elif stage == "judge_merge":
        judge_merge.run(folder / "simulated", out, of)
    elif stage == "posterior":
        posterior.run(here["model.h5"], here[COMPLETE], out, of, here["likelihood.h5"])
    elif stage == "calibrate":
        calibrate.run(here["model.h5"], out, of, here["likelihood.h5"])
    elif stage == "draw":
        draw.run(here["model.h5"], here[COMPLETE], here[POSTERIOR], out, of)
    elif stage == "truth":
        truth.run(folder / "catalogue/mock", out, of)
    elif stage == "survey_sources":
        survey_sources.run(folder / "truth.h5", out, folder / "out/catalogue.h5", of)
    elif stage == "exposure_plan":
        exposure_plan.run(out, of, here[STARS])
    elif stage == "expose":
        paths = expose.Files(here[PLAN], here[STARS], here[KNOWN], out, folder / "out/injected.h5")
        expose.run(paths, BLOCKS[1], of)
    elif stage == "plate":
        plate.run(exposures[1], here[KNOWN], out, of)
    elif stage == "plate_motion":
        plate_motion.run(here[KNOWN], out, plates, of)
    elif stage == "judge_plate":
        files = judge_plate.Files(here[MOTION], here[STARS], here[KNOWN], injected[0].parent, plates)
        judge_plate.run(files, out, of)
    elif stage == "solve_iterative":
        solve_iterative.run(exposures, here[KNOWN], out, of)
    elif stage == "compare":
        compare.run(compare.Files(here[SOLUTION], here[STARS], here[KNOWN], injected), out, of)
    elif stage == "report_page":
        beside = report_page.Astrometry(
            here[PLAN], folder / "astrometry/plate_quality.h5", folder / "astrometry/comparison.h5"
        )
        parts = folder / "merge.h5", folder / "calibration.h5", beside
        report_page.run(folder / "out/report.html", of, here["model.h5"], folder / "truth.h5", *parts)


def other_run(stage: str, *names: str, table: str = "stars", **changes) -> Callable[[Path], None]:
    """A stage is given files of another run, which was made with these changes."""

    def run(folder: Path) -> None:
        copy_run(folder)
        for name in names:
            shutil.copy(kept_run(changes, table) / name, folder / name)
        asked(stage, folder)

    return run


def edited(stage: str, name: str, **attributes: str) -> Callable[[Path], None]:
    """A stage is given a file whose attributes somebody has changed."""

    def run(folder: Path) -> None:
        copy_run(folder)
        with h5py.File(folder / name, "r+") as file:
            for attribute, value in attributes.items():
                file.attrs[attribute] = value
        asked(stage, folder)

    return run


def silent(stage: str, name: str) -> Callable[[Path], None]:
    """A stage is given a file that does not name the stage that made it."""

    def run(folder: Path) -> None:
        copy_run(folder)
        with h5py.File(folder / name, "r+") as file:
            del file.attrs["stage"]
        asked(stage, folder)

    return run


def made_again(stage: str, name: str, maker: str, product: str, inputs: list[str], **attributes: str):
    """A stage is given a file that was made again, by other code, after those that were made from it."""

    def run(folder: Path) -> None:
        copy_run(folder)
        write_product(folder, maker, name, product, inputs, **attributes)
        asked(stage, folder)

    return run


def options(stage: str, **changes) -> Callable[[Path], None]:
    """A stage is asked for something else than its inputs were made with."""

    def run(folder: Path) -> None:
        copy_run(folder)
        asked(stage, folder, **options_of(stage, changes))

    return run


def zero_point(value: float) -> str:
    """Attribute `configuration` of a drawn tile with another zero point."""
    changes = {"posterior": {"parallax_zero_point": value}}
    return json.dumps(options_of("draw", changes))


ZERO = {"posterior": {"parallax_zero_point": 0.017}}
SUN = {"galaxy": {"sun_distance": 8250.0}}
SEED = ("seed = 7", "1")
AGAIN = "make it again with galcen"


def exchanged(stage: str, kind: str) -> Callable[[Path], None]:
    """A stage is given two tiles, each under the name of the other."""

    def run(folder: Path) -> None:
        copy_run(folder)
        one, other = (folder / kind / f"{name}.h5" for name in tiles()[:2])
        with h5py.File(one, "r+") as file:
            file.attrs["tile"] = one.stem
        one.rename(folder / "kept")
        other.rename(one)
        (folder / "kept").rename(other)
        asked(stage, folder)

    return run


CASES = [
    *(
        Case(
            MIXED,
            f"{stage}: two tiles, each under the name of the other",
            exchanged(stage, kind),
            (tiles()[0], "under the name of another", f"{tiles()[1]}.h5"),
        )
        for stage, kind in (
            ("truth", "catalogue/mock"),
            ("complete", "catalogue/survey/mine"),
            ("judge_merge", "simulated/sky"),
        )
    ),
    Case(MIXED, "truth: a tile of another seed", other_run("truth", MOCK, seed=7), (MOCK, *SEED, AGAIN)),
    Case(
        MIXED,
        "truth: a tile of another parallax zero point",
        other_run("truth", MOCK, **ZERO),
        (MOCK, "posterior.parallax_zero_point = 0.017", "0.0"),
    ),
    Case(
        MIXED,
        "truth: a tile of another model",
        other_run("truth", MOCK, **SUN),
        (MOCK, "galaxy.sun_distance = 8250.0", "galcen draw"),
    ),
    Case(
        MIXED,
        "truth: a tile of another user table",
        other_run("truth", MOCK, table="corrected stars"),
        (MOCK, "another table of mine", "sha256"),
    ),
    Case(
        MIXED,
        "truth: all tiles of another seed than asked for",
        options("truth", seed=9),
        ("catalogue/mock/", "seed = 1", "truth is asked for 9"),
    ),
    Case(
        MIXED,
        "complete: a neighbouring tile of other cuts",
        other_run(
            "complete", f"catalogue/survey/mine/{tiles()[0]}.h5", catalogue={"merge": {"epoch": 2000.0}}
        ),
        (SURVEY, "catalogue.merge.epoch = 2000.0"),
    ),
    Case(
        MIXED,
        "complete: a neighbouring tile of another table",
        other_run("complete", SURVEY, table="corrected stars"),
        (f"{SURVEY.rsplit('/', 1)[0]}", "another table of mine"),
    ),
    Case(
        MIXED,
        "judge_merge: a sky of another seed",
        other_run("judge_merge", f"simulated/sky/{TILE}.h5", seed=7),
        (f"sky/{TILE}.h5", *SEED),
    ),
    Case(
        MIXED,
        "posterior: a likelihood of another model",
        other_run("posterior", "likelihood.h5", **SUN),
        ("likelihood.h5", "another product galaxy_model", "galcen likelihood"),
    ),
    Case(
        MIXED,
        "posterior: stars selected for another Galaxy",
        other_run("posterior", COMPLETE, **SUN),
        (COMPLETE, "galaxy.sun_distance"),
    ),
    Case(
        MIXED,
        "calibrate: a likelihood of another Galaxy",
        other_run("calibrate", "likelihood.h5", **SUN),
        ("likelihood.h5", "another product galaxy_model"),
    ),
    Case(
        MIXED,
        "draw: a posterior of another seed",
        other_run("draw", POSTERIOR, seed=7),
        (POSTERIOR, *SEED, "galcen posterior"),
    ),
    Case(
        MIXED,
        "draw: a posterior of another zero point",
        other_run("draw", POSTERIOR, **ZERO),
        (POSTERIOR, "posterior.parallax_zero_point"),
    ),
    Case(
        MIXED,
        "draw: a model made again after the posterior",
        made_again("draw", "model.h5", "galaxy_model", "galaxy_model", [], more="1"),
        (POSTERIOR, "another product galaxy_model", "model.h5"),
    ),
    Case(
        MIXED,
        "draw: stars made again after the posterior",
        made_again("draw", COMPLETE, "complete", "observed", [f"catalogue/survey/mine/{TILE}.h5"], more="1"),
        (POSTERIOR, "was not made from", COMPLETE),
    ),
    Case(
        MIXED,
        "survey_sources: a truth catalogue of another seed",
        other_run("survey_sources", "truth.h5", seed=7),
        ("truth.h5", *SEED, "galcen truth"),
    ),
    Case(
        MIXED,
        "exposure_plan: stars of another footprint",
        options("exposure_plan", footprint={"l_max": 0.05}),
        (STARS, "footprint.l_max = 0.0", "0.05"),
    ),
    Case(
        MIXED,
        "expose: a plan for other stars",
        other_run("expose", PLAN, table="corrected stars"),
        (PLAN, "another product survey_stars", STARS),
    ),
    Case(
        MIXED,
        "expose: a plan of another telescope",
        other_run("expose", PLAN, survey={"telescope": {"pixel_um": 9.0}}),
        (PLAN, "survey.telescope.pixel_um = 9.0"),
    ),
    Case(
        MIXED,
        "plate: exposures of another catalogue",
        other_run("plate", EXPOSURES, survey_sources={"faint": 13.5}),
        (EXPOSURES, "another product input_catalogue", KNOWN),
    ),
    Case(
        MIXED,
        "plate: a catalogue made again after the exposures",
        made_again("plate", KNOWN, "survey_sources", "input_catalogue", ["truth.h5"], t0="2031.0"),
        (EXPOSURES, "another product input_catalogue", KNOWN, "galcen expose"),
    ),
    Case(
        MIXED,
        "plate_motion: one plate of other priors",
        other_run("plate_motion", PLATE, plate={"priors": {"ruwe_inflation": False}}),
        (PLATE, "plate.priors.ruwe_inflation"),
    ),
    Case(
        MIXED,
        "plate_motion: plates of exposures of another seed",
        other_run("plate_motion", *BOTH_PLATES, seed=7),
        (KNOWN, "plate/", "another product"),
    ),
    Case(
        MIXED,
        "judge_plate: the truth of other exposures",
        other_run("judge_plate", INJECTED, seed=7),
        (INJECTED, "another product"),
    ),
    Case(
        MIXED,
        "judge_plate: a plate solved again after the motions",
        made_again("judge_plate", PLATE, "plate", "plate", [EXPOSURES, KNOWN], more="1"),
        (MOTION, "was not made from", PLATE),
    ),
    Case(
        MIXED,
        "solve_iterative: one block of exposures of another seed",
        other_run("solve_iterative", EXPOSURES, seed=7),
        (EXPOSURES, *SEED),
    ),
    Case(
        MIXED,
        "solve_iterative: exposures of another catalogue",
        other_run("solve_iterative", KNOWN, table="corrected stars"),
        (KNOWN, "exposures/", "another product"),
    ),
    Case(
        MIXED,
        "compare: a solution of other stars",
        other_run("compare", SOLUTION, table="corrected stars"),
        (SOLUTION, "another product", "galcen solve-iterative"),
    ),
    Case(
        MIXED,
        "compare: the truth of another true camera",
        other_run("compare", INJECTED, observation={"losses": {"bright": 9.0}}),
        (INJECTED, "another product exposure_plan", SOLUTION),
    ),
    Case(
        MIXED,
        "report_page: a comparison of another run",
        other_run("report_page", "astrometry/comparison.h5", table="corrected stars"),
        ("comparison.h5", "another table of mine", "truth.h5"),
    ),
    Case(
        MIXED,
        "report_page: a calibration with another floor",
        other_run("report_page", "calibration.h5", posterior={"error_floor": 0.03}),
        ("calibration.h5", "posterior.error_floor"),
    ),
    Case(CHANGED, "the seed of a tile", edited("truth", MOCK, seed="5"), (MOCK, "seed is 5", "1")),
    Case(
        CHANGED,
        "the zero point of a tile",
        edited("truth", MOCK, configuration=zero_point(0.03)),
        (MOCK, "posterior.parallax_zero_point = 0.03"),
    ),
    Case(
        CHANGED,
        "the configuration of a tile is no JSON",
        edited("truth", MOCK, configuration="{seed: 1"),
        (MOCK, "configuration", "JSON"),
    ),
    Case(
        CHANGED,
        "a tile among others does not say how it was made",
        silent("truth", MOCK),
        (MOCK, "does not say how it was made", "galcen draw"),
    ),
    Case(
        CHANGED,
        "the inputs of a plate are a list",
        edited("plate_motion", PLATE, inputs='["o00000-00001.h5"]'),
        (PLATE, "inputs", "object in JSON"),
    ),
    Case(
        CHANGED,
        "the inputs of a posterior are no hashes",
        edited("draw", POSTERIOR, inputs='{"model.h5": ["1"]}'),
        (POSTERIOR, "inputs lacks what galcen writes"),
    ),
    Case(CHANGED, "the lineage of a tile is empty", edited("truth", MOCK, lineage="{}"), (MOCK, "lineage")),
    Case(
        CHANGED,
        "the seed of a posterior",
        edited("draw", POSTERIOR, seed="5"),
        (POSTERIOR, "attribute seed is 5"),
    ),
    Case(
        CHANGED,
        "the seed of a block of exposures",
        edited("solve_iterative", EXPOSURES, seed="5"),
        (EXPOSURES, "attribute seed is 5"),
    ),
    Case(
        OLDER,
        "truth: a tile of an older release",
        edited("truth", MOCK, galcen_version="0.0.9"),
        (MOCK, "0.0.9"),
    ),
    Case(
        OLDER,
        "truth: a tile of an older stage",
        edited("truth", MOCK, stage_version="2"),
        (MOCK, "version 2 of the stage draw", "delete it"),
    ),
    Case(
        OLDER,
        "draw: a posterior of an older stage",
        edited("draw", POSTERIOR, stage_version="1"),
        (POSTERIOR, "version 1 of the stage posterior"),
    ),
    Case(
        OLDER,
        "plate_motion: a plate of an older stage",
        edited("plate_motion", PLATE, stage_version="1"),
        (PLATE, "version 1 of the stage plate"),
    ),
    Case(
        OLDER,
        "survey_sources: a stage version that is none",
        edited("survey_sources", "truth.h5", stage_version="new"),
        ("truth.h5", "stage_version is 'new'"),
    ),
    Case(
        OLDER,
        "compare: a solution of an older stage",
        edited("compare", SOLUTION, stage_version="0"),
        (SOLUTION, "version 0 of the stage solve-iterative"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_products_that_do_not_belong_together(case, tmp_path):
    """The input is refused as its row states."""
    observe(case, tmp_path)


STAGES = {
    "complete": [f"catalogue/survey/mine/{name}.h5" for name in tiles()],
    "judge_merge": [f"simulated/{kind}/{name}.h5" for kind in ("sky", "complete") for name in tiles()],
    "posterior": ["model.h5", "likelihood.h5", COMPLETE],
    "calibrate": ["model.h5", "likelihood.h5"],
    "draw": ["model.h5", COMPLETE, POSTERIOR],
    "truth": [f"catalogue/mock/{name}.h5" for name in tiles()],
    "survey_sources": ["truth.h5"],
    "exposure_plan": [STARS],
    "expose": [PLAN, STARS, KNOWN],
    "plate": [EXPOSURES, KNOWN],
    "plate_motion": [KNOWN, *BOTH_PLATES],
    "judge_plate": [MOTION, STARS, KNOWN, *BOTH_INJECTED, *BOTH_PLATES],
    "solve_iterative": [KNOWN, *BOTH_EXPOSURES],
    "compare": [SOLUTION, STARS, KNOWN, *BOTH_INJECTED],
    "report_page": ["model.h5", "truth.h5", "calibration.h5", PLAN, "astrometry/comparison.h5"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_takes_products_of_one_run(stage, caplog):
    """What one run has made is not refused, and nothing is said of it: the errors above are of the change."""
    found = read_inputs(stage, options_of(stage), [kept_run() / name for name in STAGES[stage]])
    assert len(found.digests()) == len(STAGES[stage])
    assert not caplog.records


GROWN = {"footprint": {"l_max": 0.1}}
WIDER = {"footprint": {"l_min": -0.125}}


def test_old_tiles_stay_valid_when_the_footprint_grows():
    """Their area is the same; the options of the new run have the larger footprint."""
    paths = [kept_run() / f"catalogue/mock/{name}.h5" for name in tiles()]
    paths += [kept_run(GROWN) / f"catalogue/mock/{name}.h5" for name in tiles(GROWN) if name not in tiles()]
    assert len(paths) > len(tiles())
    # The table of the user is the same in both.
    read_inputs("truth", options_of("truth", GROWN), paths)


def test_a_tile_of_another_area_is_refused():
    """A tile at the edge of the old footprint was cut there, and has the same name."""
    cut = {"footprint": {"l_max": -0.025}}
    name = tiles()[-1]
    assert name in tiles(cut)
    with pytest.raises(SchemaError, match=rf"{name}.h5: was the area l = .* truth needs l = "):
        read_inputs("truth", options_of("truth"), [kept_run(cut) / f"catalogue/mock/{name}.h5"])


def test_what_a_stage_does_not_use_binds_nobody_after_it():
    """Truth is given the whole configuration; a survey of it may still be planned in another way."""
    changes = {"survey_sources": {"faint": 13.5}, "solver": {"max_outer": 3}, "run": "second"}
    read_inputs("survey_sources", options_of("survey_sources", changes), [kept_run() / "truth.h5"])
    read_inputs("report_page", options_of("report_page", changes), [kept_run() / "truth.h5"])


def test_a_product_that_does_not_say_how_it_was_made_is_warned_of(tmp_path, caplog):
    """Nothing can be compared; a table of one's own in the form of a product may be wanted."""
    copy_run(tmp_path)
    with h5py.File(tmp_path / KNOWN, "r+") as file:
        del file.attrs["stage"]
    read_inputs("plate", options_of("plate"), [tmp_path / EXPOSURES, tmp_path / KNOWN])
    assert f"{KNOWN}: does not say how it was made" in caplog.text


def test_a_product_of_a_tile_says_of_which(tmp_path):
    """A stage that has one tile as its input hands the name on."""
    copy_run(tmp_path)
    attributes = read_inputs("posterior", options_of("posterior"), [tmp_path / COMPLETE]).attributes
    assert "tile" not in attributes()
    with h5py.File(tmp_path / COMPLETE, "r+") as file:
        file.attrs["tile"] = TILE
    inputs = read_inputs("posterior", options_of("posterior"), [tmp_path / COMPLETE])
    assert inputs.attributes()["tile"] == TILE
    stars = read_inputs("survey_sources", options_of("survey_sources"), [tmp_path / "truth.h5"])
    assert "tile" not in stars.attributes()


def test_other_sources_of_galcen_are_taken_with_a_warning(tmp_path, caplog):
    """As long as no stage has changed its version: development and clusters would be impossible."""
    copy_run(tmp_path)
    changed = ["catalogue/mock/" + tiles()[0] + ".h5"]
    with h5py.File(tmp_path / changed[0], "r+") as file:
        file.attrs["source"] = "0" * 64
    paths = [tmp_path / f"catalogue/mock/{name}.h5" for name in tiles()]
    read_inputs("truth", options_of("truth"), paths)
    assert "1 of 2 inputs of truth were made by other sources of galcen" in caplog.text


def test_all_inputs_are_recorded_by_path_and_hash(tmp_path):
    """Three of the draw, two of which have the same name; and no name depends on where the run lies."""
    copy_run(tmp_path)
    with h5py.File(tmp_path / MOCK) as file:
        found = json.loads(file.attrs["inputs"])
    expected = {
        "model.h5": "model.h5",
        f"complete/{TILE}.h5": COMPLETE,
        f"posterior/{TILE}.h5": POSTERIOR,
    }
    assert found == {
        name: hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() for name, path in expected.items()
    }


def test_a_run_in_another_folder_has_the_same_bytes(tmp_path):
    """Of every product."""
    write_run(tmp_path / "far/away")
    ours, theirs = kept_run(), tmp_path / "far/away"
    names = sorted(path.relative_to(ours) for path in ours.rglob("*.h5"))
    assert len(names) > 30
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
