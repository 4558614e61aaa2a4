"""Paths, tiles and configuration sections that the rules share."""

import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.pathvars import PATHVAR_REGEX

import galcen.config
from galcen.catalogue.tiling import tiles_of, with_neighbours
from galcen.errors import ConfigError
from galcen.io.file_digests import content_digest, module_file
from galcen.io.text import write_text
from galcen.stages.versions import VERSIONS

try:
    # Snakemake keeps the last of two equal keys; read strictly, each file is checked again.
    for file in workflow.configfiles:
        galcen.config.read_document(Path(file))
    SETTINGS = galcen.config.parse_run(config)
    TILES = {
        tile.name: tile
        for tile in tiles_of(
            SETTINGS.footprint.model_dump(), SETTINGS.tiling.model_dump()
        )
    }
    AROUND = with_neighbours(TILES.values(), SETTINGS.tiling.model_dump())
except ConfigError as error:
    raise WorkflowError(str(error)) from None

for _table in (*SETTINGS.catalogue.files, SETTINGS.survey_sources.table):
    if _table and (contains_wildcard(_table.path) or PATHVAR_REGEX.search(_table.path)):
        # It would read another file, without a word.
        raise WorkflowError(
            f"{_table.path}: Snakemake replaces words in {{}} or <> in the names of inputs; rename the table, "
            "or give the name of a link to it"
        )

RUN = f"results/{SETTINGS.run}"
# A survey of a table's stars has no use for the truth catalogue, which is drawn only where it is asked for by name.
HAS_TRUTH = not (SETTINGS.survey.enabled and SETTINGS.survey_sources.table is not None)
# Bytes of one part of a command; a command has two of them at most, and some paths.
LONGEST_TEXT = 50_000
# The commands of this environment come first, whatever PATH says.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

# Jobs of all runs share what JAX has compiled; the defaults would keep only slow compilations.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path("results/.cache/jax").resolve())
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")


wildcard_constraints:
    tile=r"t\d{3}_\d{3}|s\d{5}_\d{4}",
    survey=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    orbits=r"o\d{5}-\d{5}",


def results(path):
    """A product of the run."""
    return f"{RUN}/{path}"


def logs(path):
    """A log of the run."""
    return f"{RUN}/logs/{path}.log"


def benchmarks(path):
    """Snakemake's record of a job's time and memory."""
    return f"{RUN}/benchmarks/{path}.tsv"


def by_file(text, form="json"):
    """A text for a command line, or `@` and the name of a file with it where it is long.

    Linux gives a job's command, one argument of bash, 128 KiB. The file is named by a digest of its content, so
    that another text reruns what is given it.
    """
    if len(shlex.quote(text).encode()) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    path = Path(results(f".arguments/{digest}.{form}"))
    if not path.exists():
        write_text(path, text)
    return f"@{path}"


def listed(paths):
    """Paths of the run as arguments: themselves, or a file that lists them where they are many."""
    text = by_file("".join(f"{path}\n" for path in paths), "txt")
    return [text] if text.startswith("@") else list(paths)


def flags(input, *names):
    """Options of a command for those of its inputs that this run has."""
    return [
        word
        for name in names
        if input[name]
        for word in (f"--{name.replace('_', '-')}", input[name])
    ]


def section(stage, *names):
    """Sections of the configuration as canonical JSON, with the version of the stage that reads them.

    A change of either reruns the rules that carry it, and no others.
    """
    return by_file(
        galcen.config.section_json(SETTINGS, *names, version=VERSIONS[stage])
    )


def choices(stage, **values):
    """Single values of the configuration in the form of `section`."""
    return by_file(json.dumps({**values, "version": VERSIONS[stage]}))


def ingest_options():
    """Options of reading a table: of the section `extinction` no more than what there is off the map."""
    extinction = SETTINGS.extinction.model_dump(
        mode="json", include={"outside", "screen"}
    )
    values = {
        name: getattr(SETTINGS, name).model_dump(mode="json")
        for name in ("footprint", "tiling", "catalogue")
    }
    return choices("ingest", extinction=extinction, **values)


def plan_options():
    """Options of the exposure plan: of the section `survey` no more than decides it."""
    values = {
        name: getattr(SETTINGS.survey, name).model_dump(mode="json")
        for name in ("telescope", "plan")
    }
    footprint = SETTINGS.footprint.model_dump(mode="json")
    return choices(
        "exposure_plan", seed=SETTINGS.seed, footprint=footprint, survey=values
    )


def exposure_options():
    """Options of the exposures: of the section `survey` the telescope alone."""
    telescope = SETTINGS.survey.telescope.model_dump(mode="json")
    observation = SETTINGS.observation.model_dump(mode="json")
    return choices(
        "expose",
        seed=SETTINGS.seed,
        survey={"telescope": telescope},
        observation=observation,
    )


def plate_options():
    """Options of the plate analysis: all but how orbits are combined."""
    plate = SETTINGS.plate.model_dump(mode="json", exclude={"motion"})
    return choices("plate", seed=SETTINGS.seed, plate=plate)


def plate_motion_options():
    """Options of what combines the orbits."""
    plate = SETTINGS.plate.model_dump(mode="json", include={"motion", "priors"})
    plan = {"epoch": SETTINGS.survey.plan.epoch}
    return choices("plate_motion", plate=plate, survey={"plan": plan})


def solver_options():
    """Options of the solution of all orbits: all but where it runs, which changes no result."""
    where = {"enabled", "ranks", "gpus"}
    solver = SETTINGS.solver.model_dump(mode="json", exclude=where)
    plan = {"epoch": SETTINGS.survey.plan.epoch}
    return choices(
        "solve_iterative", seed=SETTINGS.seed, solver=solver, survey={"plan": plan}
    )


def comparison_options():
    """Options of the comparison: the code that may be run as terms of the distortion, if there is any."""
    calibration = SETTINGS.solver.calibration.model_dump(
        mode="json", include={"extra_terms", "term_modules"}
    )
    chosen = {"calibration": calibration} if any(calibration.values()) else {}
    return choices("compare", **({"solver": chosen} if chosen else {}))


def solver_resources():
    """Resources of the solution of all orbits that not every configuration has.

    Slurm takes no `tasks` of 1, and starts itself what has no `mpi`. So `mpi` only says that there are several ranks,
    and `start`, which a profile may set whatever their number, how they are started. Memory is that of a rank: several
    nodes may share the job.
    """
    ranks, gpus = SETTINGS.solver.ranks, SETTINGS.solver.gpus
    several = {
        "mpi": 1,
        "tasks": ranks,
        "mem_mb_per_cpu": lambda wildcards, attempt: 8000 * attempt,
    }
    per_gpu = {"gpu": gpus, "tasks_per_gpu": ranks // gpus} if gpus else {}
    return (several if ranks > 1 else {}) | per_gpu


def launcher(resources):
    """Words that start the solution of all orbits; one rank has no `tasks` in `resources`, see above."""
    if SETTINGS.solver.ranks == 1:
        return []
    return [*shlex.split(resources.start), "-n", str(resources.tasks)]


def astrometry():
    """What a survey ends in."""
    if not SETTINGS.survey.enabled:
        return []
    made = [results("survey/plan.h5")]
    if SETTINGS.survey.last_stage == "exposures":
        made += [
            results(f"survey/exposures/{block}.h5") for block in SETTINGS.survey.blocks
        ]
    if SETTINGS.survey.last_stage == "plates":
        made.append(results("astrometry/plate_quality.h5"))
    if SETTINGS.solver.enabled:
        made.append(results("astrometry/comparison.h5"))
    return made


def tile_memory(base, per_cell):
    """Memory [MB] of a job: grows with the cells of its tile and with the attempt."""

    def memory(wildcards, attempt):
        return int((base + per_cell * TILES[wildcards.tile].n_cell) * attempt)

    return memory


def surveys_of(wildcards):
    """What stands for the surveys' tables of one tile and of those that touch it.

    A job that makes one of them makes the others: to name them all would cost Snakemake a second a job.
    """
    if SETTINGS.catalogue.source == "model":
        return [
            results(f"catalogue/sky/{tile.name}.h5") for tile in AROUND[wildcards.tile]
        ]
    return [
        results(f"catalogue/survey/{name}/{wildcards.tile}.h5")
        for name in SETTINGS.catalogue.surveys
    ]


def table_of(wildcards):
    """The user's table of one survey."""
    return next(
        table.path
        for table in SETTINGS.catalogue.files
        if table.name == wildcards.survey
    )


def sources_of(wildcards):
    """The stars that the survey chooses from: the truth catalogue, or the user's table."""
    table = SETTINGS.survey_sources.table
    return results("truth.h5") if table is None else table.path


def digest(path):
    """sha256 of a file of the user, so that a rule runs again when it holds something else, whatever its date."""
    return content_digest(Path(path), Path("results/.cache/file_digests.json"))


def off_map_digest():
    """Digest of the user's table of the extinction off the map, if there is one."""
    table = SETTINGS.extinction.off_map
    return digest(table) if isinstance(table, str) else ""


def sources_digest(wildcards):
    """Digest of the user's table of the stars that the survey chooses from, if there is one."""
    table = SETTINGS.survey_sources.table
    return "" if table is None else digest(table.path)


def terms_digest():
    """Digests of the modules with terms of the user's own."""
    terms = SETTINGS.solver.calibration.extra_terms if SETTINGS.solver.enabled else ()
    files = [module_file(term.partition(":")[0]) for term in terms]
    return " ".join(digest(file) for file in files if file is not None)


def write_resolved_configuration():
    """For the record: the configuration with every default filled in."""
    write_text(
        Path(results("configuration.json")), galcen.config.section_json(SETTINGS) + "\n"
    )
