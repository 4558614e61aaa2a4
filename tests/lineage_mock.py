"""A run whose products are empty but for what they say of their making; it needs no model."""

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

from galcen import config
from galcen.catalogue.tiling import tiles_of
from galcen.io.comparison_schema import COMPARISON
from galcen.io.exposures_schema import EXPOSURES, INJECTED
from galcen.io.hdf5 import create
from galcen.io.iterative_schema import ITERATIVE
from galcen.io.plate_quality_schema import PLATE_QUALITY
from galcen.io.plate_schema import PLATE
from galcen.io.schema import CALIBRATION, MERGE_QUALITY, OBSERVED, POSTERIOR, SKY, TRUTH
from galcen.io.stars_schema import INPUT_CATALOGUE, PLATE_MOTION, SURVEY_STARS
from galcen.io.survey_schema import PLAN
from galcen.stages.inputs import read_inputs

BASE = {
    "catalogue": {
        "source": "files",
        "files": [
            {
                "name": "mine",
                "path": "table.csv",
                "epoch": 2010.0,
                "columns": {"ra": "ra", "dec": "dec", "mks": "Ks"},
            }
        ],
    },
    "footprint": {"l_min": -0.1, "l_max": 0.0, "b_min": -0.05, "b_max": 0.0},
    "tiling": {"cells_per_side": 2},
    "survey": {"plan": {"n_orbits": 4}},
}
BLOCKS = ("o00000-00001", "o00002-00003")
SECTIONS = {
    "galaxy_model": ("galaxy", "extinction"),
    "ingest": ("footprint", "tiling", "catalogue"),
    "simulate": ("seed", "footprint", "tiling", "catalogue"),
    "complete": ("footprint", "tiling", "catalogue", "galaxy"),
    "judge_merge": ("footprint", "tiling", "catalogue", "galaxy"),
    "posterior": ("seed", "posterior"),
    "draw": ("seed", "posterior", "draw"),
    "calibrate": ("seed", "footprint", "posterior", "calibration"),
    "survey_sources": ("seed", "galaxy", "survey_sources"),
    "report_page": ("run", "seed", "footprint", "tiling", "catalogue", "posterior", "extinction"),
    "judge_plate": (),
    "compare": (),
}


def options_of(stage, changes=None):
    """Options of a stage as the workflow gives them."""
    settings = config.parse(_over(BASE, changes or {})).model_dump(mode="json")
    survey = settings["survey"]
    pieces = {
        "likelihood": {"error_floor": settings["posterior"]["error_floor"]},
        "exposure_plan": {
            "footprint": settings["footprint"],
            "seed": settings["seed"],
            "survey": {name: survey[name] for name in ("telescope", "plan")},
        },
        "expose": {
            "seed": settings["seed"],
            "survey": {"telescope": survey["telescope"]},
            "observation": settings["observation"],
        },
        "plate": {
            "seed": settings["seed"],
            "plate": {name: value for name, value in settings["plate"].items() if name != "motion"},
        },
        "plate_motion": {
            "plate": {name: settings["plate"][name] for name in ("motion", "priors")},
            "survey": {"plan": {"epoch": survey["plan"]["epoch"]}},
        },
        "solve_iterative": {
            "seed": settings["seed"],
            "solver": {
                name: value
                for name, value in settings["solver"].items()
                if name not in ("enabled", "ranks", "gpus")
            },
            "survey": {"plan": {"epoch": survey["plan"]["epoch"]}},
        },
        "truth": settings,
    }
    return pieces.get(stage) or {name: settings[name] for name in SECTIONS[stage]}


def tiles(changes=None):
    """Names of the tiles of a run."""
    settings = config.parse(_over(BASE, changes or {})).model_dump()
    return [tile.name for tile in tiles_of(settings["footprint"], settings["tiling"])]


def write_product(folder, stage, name, product, inputs=(), changes=None, files=None, **attributes):
    """An empty product that was made from others of the folder."""
    paths = [folder / other for other in inputs]
    options = options_of(stage, changes)
    given = read_inputs(stage, options, paths, files)
    with create(folder / name, product, given.attributes(**attributes)):
        pass


def write_run(folder, changes=None, table="stars"):
    """All products of a run, from user tables (`complete`) and simulated ones (`simulated/...`)."""
    source = folder / "catalogue/survey/mine/table.csv"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(table)
    make = functools.partial(write_product, folder, changes=changes)
    names = tiles(changes)
    make("galaxy_model", "model.h5", "galaxy_model")
    make("likelihood", "likelihood.h5", "likelihood", ["model.h5"])
    make("calibrate", "calibration.h5", CALIBRATION.name, ["model.h5", "likelihood.h5"])
    surveys = [f"catalogue/survey/mine/{name}.h5" for name in names]
    for path in surveys:
        make("ingest", path, OBSERVED.name, files={"table of mine": source})
    for name in names:
        make("simulate", f"simulated/sky/{name}.h5", SKY.name, ["model.h5"])
        seen = f"simulated/survey/mine/{name}.h5"
        make("simulate", seen, OBSERVED.name, ["model.h5"])
        make("complete", f"simulated/complete/{name}.h5", OBSERVED.name, [seen])
        complete, posterior = f"catalogue/complete/{name}.h5", f"catalogue/posterior/{name}.h5"
        make("complete", complete, OBSERVED.name, surveys)
        make("posterior", posterior, POSTERIOR.name, ["model.h5", complete, "likelihood.h5"])
        make("draw", f"catalogue/mock/{name}.h5", TRUTH.name, ["model.h5", complete, posterior])
    both = [f"simulated/{kind}/{name}.h5" for kind in ("sky", "complete") for name in names]
    make("judge_merge", "merge.h5", MERGE_QUALITY.name, both)
    make("truth", "truth.h5", TRUTH.name, [f"catalogue/mock/{name}.h5" for name in names])
    stars, known, plan = "survey/stars.h5", "survey/input_catalogue.h5", "survey/plan.h5"
    make("survey_sources", stars, SURVEY_STARS.name, ["truth.h5"], t0="2032.0")
    make("survey_sources", known, INPUT_CATALOGUE.name, ["truth.h5"], t0="2032.0")
    make("exposure_plan", plan, PLAN, [stars])
    exposures, injected, plates = ([f"{place}/{block}.h5" for block in BLOCKS] for place in PLACES)
    for number in range(len(BLOCKS)):
        for path, product in ((exposures[number], EXPOSURES), (injected[number], INJECTED)):
            make("expose", path, product, [plan, stars, known], block=BLOCKS[number])
        make("plate", plates[number], PLATE, [exposures[number], known])
    make("plate_motion", "astrometry/plate_motion.h5", PLATE_MOTION.name, [known, *plates])
    judged = ["astrometry/plate_motion.h5", stars, known, *injected, *plates]
    make("judge_plate", "astrometry/plate_quality.h5", PLATE_QUALITY, judged)
    make("solve_iterative", "astrometry/iterative.h5", ITERATIVE, [known, *exposures])
    make(
        "compare",
        "astrometry/comparison.h5",
        COMPARISON,
        ["astrometry/iterative.h5", stars, known, *injected],
    )


PLACES = ("survey/exposures", "survey/injected", "astrometry/plate")


@functools.cache
def _kept(changes, table):
    folder = Path(tempfile.mkdtemp(prefix="galcen-lineage-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_run(folder, json.loads(changes), table)
    return folder


def kept_run(changes=None, table="stars"):
    """A run that is made once for all tests; to be copied from, not to be changed."""
    return _kept(json.dumps(changes or {}, sort_keys=True), table)


def copy_run(folder, changes=None):
    """A run of one's own."""
    shutil.copytree(kept_run(changes), folder, dirs_exist_ok=True)


def _over(base, changes):
    """Changes laid over a configuration."""
    both = dict(base)
    for name, value in changes.items():
        both[name] = _over(base.get(name, {}), value) if isinstance(value, dict) else value
    return both
