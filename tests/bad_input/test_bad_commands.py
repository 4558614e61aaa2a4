"""Command lines that must not be run: outputs over inputs or the user's files, options of the wrong kind."""

import json
import os
from pathlib import Path

import h5py
import pytest

from bad_case import Case, galcen, table_test
from galcen import config
from galcen.errors import GalcenError
from galcen.io.hdf5 import create
from galcen.io.outputs import Kind, check_output
from galcen.stages.calibration_terms import terms_of

OVERWRITING = "an output that is there already"
OPTIONS = "options that are none"
PATHS = "paths of the wrong kind"
LISTS = "lists of files"
CODE = "code named in a configuration"

PARAMETERS = "case,name,index,value\none,ra,0,266.0\n"
SOURCES = "case,projection,distortion,detector,ra_deg,dec_deg\none,gnomonic,none,0,266.0,-29.0\n"


def write(path: Path, content: str = "mine\n") -> Path:
    """A user's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def product(path: Path, name: str, stage: str) -> Path:
    """A product of galcen with nothing in it."""
    with create(path, name, {"stage": stage}):
        pass
    return path


def kept(path: Path, *arguments: object) -> None:
    """Run a command that must leave a file as it is."""
    before = path.read_bytes()
    try:
        galcen(*arguments)
    finally:
        assert path.read_bytes() == before


def project(folder: Path, output: Path, *more: str) -> None:
    """`galcen project` with good inputs."""
    parameters = write(folder / "parameters.csv", PARAMETERS)
    sources = folder / "sources.csv"
    kept(sources, "project", "--params", parameters, "--sources", sources, "--output", output, *more)


def over_sources(name: str, *more: str):
    """`galcen project` writes to its own sources, under this name."""

    def run(folder: Path) -> None:
        write(folder / "sources.csv", SOURCES)
        (folder / "deep").mkdir()
        os.link(folder / "sources.csv", folder / "hard.csv")
        (folder / "soft.csv").symlink_to("sources.csv")
        (folder / "folder").symlink_to(".", target_is_directory=True)
        project(folder, folder / name, *more)

    return run


def survey_sources_over_table(folder: Path) -> None:
    table = write(folder / "stars.csv", "ra,dec\n266,-29\n")
    kept(table, "survey-sources", table, table, folder / "out/catalogue.h5")


def two_outputs_one_file(folder: Path) -> None:
    table = write(folder / "stars.csv", "ra,dec\n266,-29\n")
    galcen("survey-sources", table, folder / "out/stars.h5", folder / "out/../out/stars.h5")


def joint_plates_over_list(folder: Path) -> None:
    lists = [write(folder / f"{name}.lis") for name in "ab"]
    kept(lists[1], "joint-plates", *lists, "--output", lists[1])


def label_in_options(folder: Path) -> None:
    label, lists = write(folder / "label.csv"), [write(folder / f"{name}.lis") for name in "ab"]
    options = json.dumps({"label": {"path": str(label)}})
    kept(label, "joint-plates", *lists, "--output", label, "--options", options, "--overwrite")


def table_where_a_tile_goes(folder: Path) -> None:
    table = write(folder / "tiles/t400_404.h5")
    options = {
        "catalogue": {"files": [{"name": "A", "path": str(table), "columns": {"ra": "a", "dec": "b"}}]}
    }
    kept(table, "ingest", "A", folder / "tiles", "--options", json.dumps(options))


def foreign_tile(folder: Path) -> None:
    mine = write(folder / "tiles/t400_404.h5")
    kept(mine, "ingest", "A", folder / "tiles")


def solution_over_problem(folder: Path) -> None:
    problem = write(folder / "problem.h5")
    kept(problem, "solve-iterative", "--problem", problem, "--output", problem)


def draw_over(product_name: str, stage: str):
    """`galcen draw` writes over this product."""

    def run(folder: Path) -> None:
        there = product(folder / "there.h5", product_name, stage)
        kept(there, "draw", folder / "m.h5", folder / "s.h5", folder / "p.h5", there)

    return run


def plate_over_hdf5(folder: Path) -> None:
    path = folder / "mine.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1.0]
    kept(path, "plate", write(folder / "e.h5"), write(folder / "c.h5"), path)


def export_again(folder: Path) -> None:
    old = write(folder / "stars.fits")
    kept(old, "export", folder / "truth.h5", old)


def own_product(folder: Path) -> None:
    path = product(folder / "truth.h5", "truth", "truth")
    check_output(path, [folder / "other.h5"], Kind(("truth",), "truth"))
    page = write(folder / "report.html", "<!DOCTYPE html><html><head><title>galcen: truth</title>")
    check_output(page, [], Kind(("report",)))
    check_output(write(folder / "table.csv"), [], Kind(), overwrite=True)


def solver_is_a_word(folder: Path) -> None:
    given = ["e.h5", "--catalogue", "c.h5", "--output", folder / "out/a.h5"]
    galcen("solve-iterative", *given, "--options", '{"solver": "fast"}')


def options(command: str, text: str):
    """A command with its smallest number of arguments and these options; @ stands for a folder of files."""

    def run(folder: Path) -> None:
        write(folder / "broken.json", '{"seed": 1')
        (folder / "latin.json").write_bytes(b'{"run": "\xe9"}')
        arguments = {
            "joint-plates": ["a.lis", "--output", folder / "out/a.h5"],
            "galaxy-model": [folder / "out/a.h5"],
            "solve-iterative": ["--problem", "p.h5", "--output", folder / "out/a.h5"],
            "exposure-plan": [folder / "out/a.h5"],
            "ingest": ["A", folder / "out"],
            "posterior": ["m.h5", "s.h5", folder / "out/a.h5"],
        }.get(command, ["a", folder / "out/a.h5"])
        galcen(command, *arguments, "--options", text.replace("@", f"@{folder}/"))

    return run


def run_with(command: str, *names: str):
    """A command with paths below the folder, where `file` is a file and `folder` a folder."""

    def run(folder: Path) -> None:
        write(folder / "file")
        (folder / "folder").mkdir()
        galcen(command, *(folder / name if not name.startswith("-") else name for name in names))

    return run


def list_of(content: str):
    """`galcen joint-plates` with a list of files."""

    def run(folder: Path) -> None:
        write(folder / "list.txt", content)
        galcen("joint-plates", f"@{folder}/list.txt", "--output", folder / "out/a.h5")

    return run


def listed_is_read(folder: Path) -> None:
    """The second path of the list is the one that is missing."""
    write(folder / "a.lis")
    write(folder / "list.txt", f"{folder}/a.lis\n{folder}/b c.lis\n")
    galcen("joint-plates", f"@{folder}/list.txt", "--output", folder / "a.lis")


CASES = [
    Case(
        OVERWRITING,
        "project: the table of sources",
        over_sources("sources.csv"),
        ("is the input", "another name"),
    ),
    Case(OVERWRITING, "project: a hard link to it", over_sources("hard.csv"), ("hard.csv: is the input",)),
    Case(OVERWRITING, "project: a soft link to it", over_sources("soft.csv"), ("soft.csv: is the input",)),
    Case(
        OVERWRITING,
        "project: its name through another folder",
        over_sources("deep/../sources.csv"),
        ("input",),
    ),
    Case(
        OVERWRITING,
        "project: its name through a linked folder",
        over_sources("folder/sources.csv"),
        ("input",),
    ),
    Case(
        OVERWRITING,
        "project: the parameters, even with --overwrite",
        over_sources("parameters.csv", "--overwrite"),
        ("parameters.csv: is the input",),
    ),
    Case(
        OVERWRITING,
        "project: any file, without --overwrite",
        lambda folder: (write(folder / "sources.csv", SOURCES), project(folder, write(folder / "old.csv"))),
        ("old.csv: is there already", "--overwrite"),
    ),
    Case(
        OVERWRITING, "export: any file, without --overwrite", export_again, ("stars.fits: is there already",)
    ),
    Case(OVERWRITING, "survey-sources: the table of stars", survey_sources_over_table, ("is the input",)),
    Case(OVERWRITING, "survey-sources: both outputs are one file", two_outputs_one_file, ("two outputs",)),
    Case(
        OVERWRITING, "joint-plates: one of the star lists", joint_plates_over_list, ("b.lis: is the input",)
    ),
    Case(
        OVERWRITING, "joint-plates: the catalogue named in the options", label_in_options, ("is the input",)
    ),
    Case(OVERWRITING, "ingest: the table lies where a tile goes", table_where_a_tile_goes, ("is the input",)),
    Case(OVERWRITING, "ingest: another file lies where a tile goes", foreign_tile, ("no observed of this",)),
    Case(OVERWRITING, "solve-iterative: the problem", solution_over_problem, ("is the input",)),
    Case(
        OVERWRITING, "draw: a posterior", draw_over("posterior", "posterior"), ("no truth of this command",)
    ),
    Case(OVERWRITING, "draw: the merged truth", draw_over("truth", "truth"), ("no truth of this command",)),
    Case(OVERWRITING, "plate: an HDF5 file of the user's", plate_over_hdf5, ("mine.h5: is there already",)),
    Case(OVERWRITING, "what the same command made", own_product, outcome="taken"),
    Case(PATHS, "an output that is a folder", run_with("galaxy-model", "folder"), ("is a folder",)),
    Case(PATHS, "an output below a file", run_with("galaxy-model", "file/model.h5"), ("file is no folder",)),
    Case(
        PATHS,
        "an output that is a device",
        lambda _: galcen("galaxy-model", "/dev/null", "--overwrite"),
        ("/dev/null: is a device",),
    ),
    Case(PATHS, "a folder for a file", run_with("export", "folder", "out/a.fits"), ("folder: is a folder",)),
    Case(
        PATHS,
        "a folder for a configuration",
        run_with("tiles", "--config", "folder"),
        ("folder: is a folder",),
    ),
    Case(PATHS, "a file for a folder", run_with("truth", "file", "out/a.h5"), ("file: is a file",)),
    Case(PATHS, "a file for the folder of tiles", run_with("ingest", "A", "file"), ("file: is a file",)),
    Case(
        PATHS,
        "a name that is no UTF-8",
        run_with("export", os.fsdecode(b"\xe9.h5"), "out/a.fits"),
        ("UTF-8",),
    ),
    Case(PATHS, "a file of text for a product", run_with("export", "file", "out/a.fits"), ("file",)),
    Case(PATHS, "tiles that are not there", run_with("truth", "folder", "out/a.h5"), ("t370_396.h5",)),
    Case(OPTIONS, "half an object", options("truth", '{"seed": 1'), ("--options", "no JSON")),
    Case(OPTIONS, "a list", options("galaxy-model", "[]"), ("--options", "expected a JSON object")),
    Case(OPTIONS, "a word", options("exposure-plan", "fast"), ("--options", "no JSON")),
    Case(OPTIONS, "nothing", options("ingest", ""), ("--options", "no JSON")),
    Case(OPTIONS, "a number that is none", options("posterior", '{"seed": NaN}'), ("--options: NaN",)),
    Case(OPTIONS, "half a character", options("truth", r'{"seed": "\ud800"}'), ("--options", "UTF-8")),
    Case(
        OPTIONS,
        "a section that is a word",
        solver_is_a_word,
        ("solve-iterative", "solver", "fast"),
    ),
    Case(OPTIONS, "a key twice", options("joint-plates", '{"order": 2, "order": 3}'), ("repeated",)),
    Case(
        OPTIONS,
        "a section misspelt",
        options("truth", '{"tilling": {}}'),
        ("tilling", "did you mean tiling?"),
    ),
    Case(
        OPTIONS, "a key misspelt", options("posterior", '{"posterior": {"metode": 1}}'), ("posterior.metode",)
    ),
    Case(OPTIONS, "nesting without an end", options("truth", '{"a":' * 100000), ("--options", "nested")),
    Case(OPTIONS, "of a problem", options("solve-iterative", '{"probes": 3}'), ("probes: unknown key",)),
    Case(OPTIONS, "a file that is missing", options("truth", "@none.json"), ("none.json cannot be read",)),
    Case(OPTIONS, "a file of half an object", options("truth", "@broken.json"), ("broken.json: no JSON",)),
    Case(
        OPTIONS,
        "a file in another encoding",
        options("truth", "@latin.json"),
        ("latin.json is no text in UTF-8",),
    ),
    Case(LISTS, "one that is missing", run_with("joint-plates", "@x", "--output", "out/a.h5"), ("x",)),
    Case(LISTS, "one that is empty", list_of("\n\n"), ("list.txt: no path in this list",)),
    Case(LISTS, "one of a missing file", list_of("/nowhere/a.lis\n"), ("/nowhere/a.lis",)),
    Case(LISTS, "an output in the list", listed_is_read, ("a.lis: is the input",)),
    Case(
        CODE,
        "a function of any module",
        lambda _: config.parse({"solver": {"calibration": {"extra_terms": ["os:getpid"]}}}),
        ("os:getpid must be listed in term_modules",),
    ),
    Case(CODE, "a module that is not listed", lambda _: terms_of(["os:getpid"], ("re",)), ("add os if",)),
    Case(CODE, "a name that nobody registered", lambda _: terms_of(["getpid"], ()), ("entry points",)),
]

test_command = table_test(CASES)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("path", ["input", "output"])
def test_what_must_not_be_read_or_written_is_refused(tmp_path, path):
    """A file without permission to read, a folder without permission to write."""
    write(tmp_path / "truth.h5").chmod(0 if path == "input" else 0o600)
    (tmp_path / "out").mkdir(mode=0o700 if path == "input" else 0o500)
    with pytest.raises(GalcenError, match="permission"):
        galcen("export", tmp_path / "truth.h5", tmp_path / "out/a.fits")
