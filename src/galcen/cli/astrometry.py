"""Commands of the astrometric solutions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import Input, InputFile, Output
from galcen.cli.options import Options, Sections, files_argument, refuse_unknown

SOLUTION = Output(("iterative", "problem_answer"))


def plate(
    exposures: InputFile,
    input_catalogue: InputFile,
    output: Annotated[Path, Output("plate")],
    options: Sections = "{}",
    only: Annotated[int | None, typer.Option(help="Solve this orbit again, keep the others.")] = None,
) -> None:
    """Solve the plates of a block of orbits: positions of the stars, attitude and camera."""
    from galcen.stages import plate as stage  # deferred: keeps --help fast

    stage.run(exposures, input_catalogue, output, options, only)


def plate_motion(
    input_catalogue: InputFile,
    output: Annotated[Path, Output("plate_motion")],
    plates: Annotated[list[Path], Input(), files_argument("Solved plates of every block of orbits.")],
    options: Sections = "{}",
) -> None:
    """Combine the positions of all orbits into position, parallax and proper motion of each star."""
    from galcen.stages import plate_motion as stage  # deferred: keeps --help fast

    stage.run(input_catalogue, output, plates, options)


def judge_plate(
    plate_motion: InputFile,
    stars: InputFile,
    input_catalogue: InputFile,
    injected: Annotated[
        Path, Input(is_folder=True), typer.Argument(help="Folder with the truth of every block of orbits.")
    ],
    output: Annotated[Path, Output("plate_quality")],
    plates: Annotated[list[Path], Input(), files_argument("Solved plates of every block of orbits.")],
    options: Sections = "{}",
) -> None:
    """Compare the plate analysis of a mock survey with the truth."""
    from galcen.stages import judge_plate as stage  # deferred: keeps --help fast

    files = stage.Files(plate_motion, stars, input_catalogue, injected, plates)
    stage.run(files, output, options)


def solve_iterative(
    exposures: Annotated[
        list[Path] | None,
        Input(),
        files_argument("Measurements of all blocks of orbits; not with --problem."),
    ] = None,
    *,
    output: Annotated[Path, SOLUTION, typer.Option(help="The solution.")],
    catalogue: Annotated[Path | None, Input(), typer.Option(help="Input catalogue, with exposures.")] = None,
    problem: Annotated[
        Path | None, Input(), typer.Option(help="Problem file; docs/solver_mpi.md has its layout.")
    ] = None,
    scheme: Annotated[str | None, typer.Option(help="cg or block-gauss-seidel.")] = None,
    ranks: Annotated[int | None, typer.Option(min=1, help="Fail unless so many were started.")] = None,
    options: Options = "{}",
) -> None:
    """Solve sources, attitudes and camera of all orbits at once; on one rank, or under mpiexec or srun.

    From the exposures of a survey and its input catalogue, or from a problem file.
    """
    from galcen.errors import ConfigError  # deferred: keeps --help fast

    chosen = {} if scheme is None else {"scheme": scheme}
    if problem is not None and not exposures and catalogue is None:
        from galcen.config.iterative_problem import parse  # deferred: keeps --help fast
        from galcen.stages import solve_problem

        solve_problem.run(problem, output, parse(json.dumps(options), **chosen), ranks)
    elif problem is None and exposures and catalogue is not None:
        from galcen.stages import solve_iterative as stage  # deferred: keeps --help fast

        refuse_unknown(options)
        solver = options.get("solver", {})
        if isinstance(solver, dict):  # anything else is the stage's to refuse
            solver = {**solver, **chosen}
        stage.run(exposures, catalogue, output, {**options, "solver": solver}, ranks)
    else:
        raise ConfigError(
            "solve-iterative: give either files of exposures with --catalogue, or --problem alone"
        )


def compare(
    solution: InputFile,
    stars: InputFile,
    input_catalogue: InputFile,
    output: Annotated[Path, Output("comparison")],
    injected: Annotated[list[Path], Input(), files_argument("The truth of every block of orbits.")],
    options: Sections = "{}",
) -> None:
    """Compare the solution of all orbits of a mock survey with the truth."""
    from galcen.stages import compare as stage  # deferred: keeps --help fast

    stage.run(stage.Files(solution, stars, input_catalogue, injected), output, options)


COMMANDS = (plate, plate_motion, judge_plate, solve_iterative, compare)
