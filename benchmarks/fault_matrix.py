"""Kill every kind of job at random moments, and fill its disc: what is left, and whether it comes right.

Jobs of a small finished run (made first, a few minutes) are given again, one at a time, and disturbed: by
SIGKILL and by SIGTERM at random moments, half of them while a file is being written, and by a disc that is
full after 10, 50 and 90 per cent of what the job writes. Each try is in order when

- nothing stands under the name of a product but the whole product,
- SIGTERM ends with code 143 and a full disc with code 1, with one line and no traceback, and nothing is left,
- the same command then gives the bytes of an undisturbed run, and leaves no other file.

    python benchmarks/fault_matrix.py --folder /tmp/faults --moments 10 --write docs/faults.md
"""

import argparse
import csv
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import yaml

from galcen.io.hdf5 import read_table
from galcen.io.schema import OBSERVED
from measured import ROOT, machine, replace_part

BIN = Path(sys.executable).parent
TILE, BLOCK = "t400_404", "o00000-00001"
N_COPY = 40
"""Times that the stars of a tile stand in the table that `ingest` reads."""

FILLS = (0.1, 0.5, 0.9)
"""Parts of what a job writes that its disc has room for."""

LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) |^galcen: ")

SURVEY = {
    "run": "survey",
    "survey": {
        "enabled": True,
        "orbits_per_job": 2,
        "plan": {"n_orbits": 4, "exposures_per_field": 3, "centre": [0.0, 0.5]},
    },
    "survey_sources": {
        "table": {"path": "stars.csv", "columns": {"ra": "ra", "dec": "dec", "hw": "hw"}},
        "references": {"choice": "drawn", "fraction": 0.5},
        "n_artificial": 50,
    },
    "solver": {"enabled": True},
}


class Job(NamedTuple):
    """A stage of a finished run, to be given again."""

    name: str
    arguments: list[str]
    """Of `galcen`, with OUT for the folder that it writes to."""
    outputs: list[str]
    """Files or folders in it."""


class Undisturbed(NamedTuple):
    """A run of a job."""

    content: dict[str, bytes]
    """Of every file that it wrote."""
    seconds: float
    writing: tuple[float, float]
    """When the first file of another name appeared, and the end [s]."""
    n_byte: int
    """Most that was on its disc at a time."""


def prepare(folder: Path) -> list[Job]:
    """Make the runs that the jobs are of, and list the jobs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(1)
    ra, dec = 265.92 + rng.uniform(-0.55, 0.55, 1500), -28.67 + rng.uniform(-0.5, 0.5, 1500)
    if not (folder / "stars.csv").exists():
        rows = zip(ra, dec, rng.uniform(10.0, 14.4, 1500), strict=True)
        with (folder / "stars.csv").open("w") as stream:
            csv.writer(stream).writerows([("ra", "dec", "hw"), *rows])
        (folder / "survey.yaml").write_text(yaml.safe_dump(SURVEY))
    targets = ["astrometry/comparison.h5", f"astrometry/plate/{BLOCK}.h5"]
    _snakemake(folder, "config/test/tiny.yaml")
    _snakemake(folder, "survey.yaml", *(f"results/survey/{target}" for target in targets))
    return _jobs(folder, folder / "results/tiny", folder / "results/survey")


def _snakemake(folder: Path, configuration: str, *targets: str) -> None:
    command = [BIN / "snakemake", "--cores", "2", "--scheduler", "greedy", *targets]
    done = subprocess.run(
        [*command, "--configfile", configuration], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])


def _jobs(folder: Path, tiny: Path, survey: Path) -> list[Job]:
    catalogue, exposures = tiny / "catalogue", sorted((survey / "survey/exposures").glob("*.h5"))
    model, stars = tiny / "model.h5", catalogue / f"complete/{TILE}.h5"
    sources = survey / "survey/input_catalogue.h5"
    plan = [survey / "survey/plan.h5", survey / "survey/stars.h5", sources]
    solved = ["--catalogue", sources, "--output", "OUT/iterative.h5"]

    def job(name: str, product: Path, options: list[object], arguments: list[object], *outputs: str) -> Job:
        with h5py.File(product) as file:
            given = str(file.attrs["configuration"])
        path = folder / f"{name}.json"
        path.write_text(given)
        every = [name.replace("_", "-"), "--options", f"@{path}", *options, "--", *arguments]
        return Job(name, [str(argument) for argument in every], list(outputs))

    posterior = catalogue / f"posterior/{TILE}.h5"
    return [
        _ingest(folder, stars),
        job("complete", stars, [], [TILE, catalogue / "survey", "OUT/complete.h5"], "complete.h5"),
        job(
            "posterior",
            posterior,
            ["--likelihood", tiny / "likelihood.h5"],
            [model, stars, "OUT/posterior.h5"],
            "posterior.h5",
        ),
        job(
            "draw",
            catalogue / f"mock/{TILE}.h5",
            [],
            [model, stars, posterior, "OUT/mock.h5"],
            "mock.h5",
        ),
        job("truth", tiny / "truth.h5", [], [catalogue / "mock", "OUT/truth.h5"], "truth.h5"),
        job(
            "expose",
            exposures[0],
            ["--orbits", BLOCK],
            [*plan, "OUT/exposures.h5", "OUT/injected.h5"],
            *("exposures.h5", "injected.h5"),
        ),
        job(
            "plate",
            survey / f"astrometry/plate/{BLOCK}.h5",
            [],
            [exposures[0], sources, "OUT/plate.h5"],
            "plate.h5",
        ),
        job("solve_iterative", survey / "astrometry/iterative.h5", solved, [*exposures], "iterative.h5"),
    ]


def _ingest(folder: Path, stars: Path) -> Job:
    """The job that reads a table, made of the stars of a tile many times."""
    columns = read_table(stars, OBSERVED)
    table, options = folder / "table.csv", folder / "ingest.json"
    names = {name: name for name in ("ra", "dec", "mj", "mj_error", "mh", "mh_error", "mks", "mks_error")}
    kept = [np.tile(columns[name], N_COPY) for name in names]
    with table.open("w") as stream:
        csv.writer(stream).writerows([list(names), *zip(*kept, strict=True)])
    with h5py.File(stars) as file:
        given = json.loads(file.attrs["configuration"])
    file = {"name": "T", "path": str(table), "priority": 0, "epoch": 2000.0, "columns": names}
    catalogue = {**given["catalogue"], "source": "files", "files": [file]}
    options.write_text(json.dumps({**given, "catalogue": catalogue}))
    return Job("ingest", ["ingest", "--options", f"@{options}", "--", "T", "OUT/T"], ["T"])


def start(job: Job, out: Path, **settings: object) -> subprocess.Popen[str]:
    """Begin a job in a folder."""
    command = [str(BIN / "galcen"), *(argument.replace("OUT", str(out)) for argument in job.arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **settings)


def contents(out: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def is_writing(out: Path) -> bool:
    """Whether a file of another name is there."""
    return any(out.rglob(".*.galcen-part"))


def undisturbed(job: Job, out: Path) -> Undisturbed:
    """Run a job to its end."""
    _clear(out)
    begin, first, most = time.monotonic(), None, 0
    with start(job, out) as process:
        while process.poll() is None:
            if first is None and is_writing(out):
                first = time.monotonic() - begin
            most = max(most, _size(out))
            time.sleep(0.002)
        errors = process.stderr.read()
    if process.returncode:
        raise SystemExit(f"{job.name} does not run: {errors}")
    seconds = time.monotonic() - begin
    return Undisturbed(contents(out), seconds, (seconds if first is None else first, seconds), most)


def disturbed(
    job: Job, out: Path, calm: Undisturbed, number: signal.Signals, chance: random.Random, as_it_writes: bool
) -> list[str]:
    """Send a signal at a random moment; what is not in order."""
    _clear(out)
    span = calm.writing[1] - calm.writing[0]
    wait = chance.uniform(0, span if as_it_writes else calm.seconds)
    with start(job, out) as process:
        while as_it_writes and process.poll() is None and not is_writing(out):
            time.sleep(0.001)
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        errors = process.stderr.read()
    faults = half_written(out, calm)
    if number == signal.SIGTERM and process.returncode not in (0, -signal.SIGTERM):
        faults += unclean(process.returncode, 143, errors, out)
    return faults + _again(job, out, calm)


def unclean(code: int, expected: int, errors: str, out: Path) -> list[str]:
    """What a job that ended in good order must not show: another code, a traceback, something left."""
    faults = [] if code == expected else [f"exit code {code}, expected {expected}"]
    told = [line for line in errors.splitlines() if not LINE.match(line)]
    lines = [line for line in errors.splitlines() if line.startswith("galcen: ")]
    if told or len(lines) != 1:
        faults.append(f"said {[*lines, *told][:5]}")
    left = [name for name in contents(out) if "/." in f"/{name}"]
    return [*faults, *([f"left {left}"] if left else [])]


def half_written(out: Path, calm: Undisturbed) -> list[str]:
    """Products that have their name and are not whole."""
    return [
        f"{name} is not whole"
        for name, content in contents(out).items()
        if name in calm.content and content != calm.content[name]
    ]


def _again(job: Job, out: Path, calm: Undisturbed) -> list[str]:
    with start(job, out) as process:
        errors = process.stderr.read()
    if process.returncode:
        return [f"the same command fails: {errors.splitlines()[-1:]}"]
    found = contents(out)
    faults = [f"{name}: other bytes" for name, content in calm.content.items() if found.get(name) != content]
    return faults + [f"{name} is left" for name in set(found) - set(calm.content)]


def filled(job: Job, out: Path, calm: Undisturbed, part: float) -> list[str]:
    """Give a job a disc that has room for a part of what it writes; what is not in order."""
    with small_disc(out, int(part * calm.n_byte)) as limit:
        with start(job, out, preexec_fn=limit) as process:
            errors = process.stderr.read()
        faults = half_written(out, calm) + unclean(process.returncode, 1, errors, out)
    return faults + _again(job, out, calm)


@contextmanager
def small_disc(out: Path, n_byte: int) -> Iterator[Callable[[], None] | None]:
    """A folder with room for so many bytes: a file system in memory, or without the right a limit of files.

    What stays in it is moved to an ordinary folder of the same name in the end.
    """
    _clear(out)
    kept = out.with_name(f"{out.name}-kept")
    if not is_disc():

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_byte, resource.RLIM_INFINITY))

        yield limit
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={n_byte}", "none", out], check=True)
    try:
        yield None
        shutil.copytree(out, kept)
    finally:
        subprocess.run(["umount", out], check=True)
    shutil.rmtree(out)
    kept.rename(out)


def is_disc() -> bool:
    """Whether a full disc can be a file system of its own."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def _clear(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)


def _size(out: Path) -> int:
    try:
        return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    except FileNotFoundError:
        return 0


def trials(job: Job, folder: Path, n_moment: int, chance: random.Random) -> Iterator[tuple[str, list[str]]]:
    """Name and faults of every try of a job."""
    out = folder / "out" / job.name
    calm = undisturbed(job, out)
    sys.stderr.write(f"{job.name}: {calm.seconds:.1f} s, writes from {calm.writing[0]:.1f} s\n")
    for number in (signal.SIGKILL, signal.SIGTERM):
        for turn in range(n_moment):
            yield number.name, disturbed(job, out, calm, number, chance, turn % 2 == 1)
    for part in FILLS:
        yield f"disc {part:.0%}", filled(job, out, calm, part)


def main() -> None:
    """Make the run, disturb its jobs, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the runs; those there are used again")
    parser.add_argument("--moments", type=int, default=10, help="of each signal, for each job")
    parser.add_argument("--jobs", nargs="*", help="names; all without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    asked = parser.parse_args()
    begin, folder = time.monotonic(), asked.folder.resolve()
    chance, tried, good, bad = random.Random(asked.seed), Counter(), Counter(), []
    jobs = [job for job in prepare(folder) if not asked.jobs or job.name in asked.jobs]
    for job in jobs:
        for fault, faults in trials(job, folder, asked.moments, chance):
            tried[job.name, fault] += 1
            good[job.name, fault] += not faults
            bad += [f"{job.name}, {fault}: {text}" for text in faults]
            sys.stderr.write(f"  {fault}: {'; '.join(faults) or 'ok'}\n")
    kinds = ["SIGKILL", "SIGTERM", *(f"disc {part:.0%}" for part in FILLS)]
    rows = [
        f"| {job.name} |" + "".join(f" {good[job.name, kind]} of {tried[job.name, kind]} |" for kind in kinds)
        for job in jobs
    ]
    disc = "a file system in memory" if is_disc() else "a limit of the size of files (RLIMIT_FSIZE)"
    told = (
        f"{sum(good.values())} of {sum(tried.values())} tries in order, seed {asked.seed}, "
        f"{(time.monotonic() - begin) / 60:.0f} min; the full disc is {disc}; {machine()}."
    )
    head = ["| job |" + "".join(f" {kind} |" for kind in kinds), "|---|" + "---|" * len(kinds)]
    text = "\n".join([told, "", *head, *rows])
    sys.stdout.write("\n".join([text, *bad]) + "\n")
    if asked.write:
        replace_part(asked.write, "fault matrix", text)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
