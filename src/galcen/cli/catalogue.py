"""Commands of the catalogue: from survey tables to the tiles of the truth catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from galcen.cli.command import InputFile, InputFolder, OptionalFile, Output
from galcen.cli.options import Sections


def ingest(
    survey: str, folder: Annotated[Path, Output("observed", "ingest", ("*.h5",))], options: Sections = "{}"
) -> None:
    """Read a user's table, check it and cut it into tiles, FOLDER/<tile>.h5."""
    from galcen.stages import ingest as stage  # deferred: keeps --help fast

    stage.run(survey, folder, options)


def simulate(
    tile: str,
    model: InputFile,
    folder: Annotated[Path, Output(("sky", "observed"), "simulate", ("sky/{tile}.h5", "survey/*/{tile}.h5"))],
    options: Sections = "{}",
) -> None:
    """Draw one tile of the sky from the model, FOLDER/sky, and observe it, FOLDER/survey/<survey>."""
    from galcen.stages import simulate as stage  # deferred: keeps --help fast

    stage.run(tile, model, folder, options)


def complete(
    tile: str,
    folder: InputFolder,
    output: Annotated[Path, Output("observed", "complete")],
    options: Sections = "{}",
) -> None:
    """Match the surveys FOLDER/<survey>/<tile>.h5 around one tile and select its stars."""
    from galcen.stages import complete as stage  # deferred: keeps --help fast

    stage.run(tile, folder, output, options)


def judge_merge(
    folder: InputFolder, output: Annotated[Path, Output("merge_quality")], options: Sections = "{}"
) -> None:
    """Compare the complete catalogue of a simulated sky, FOLDER/complete, with its stars, FOLDER/sky."""
    from galcen.stages import judge_merge as stage  # deferred: keeps --help fast

    stage.run(folder, output, options)


def likelihood(
    model: InputFile, output: Annotated[Path, Output("likelihood")], options: Sections = "{}"
) -> None:
    """Tabulate the photometric likelihood, for the fast posterior."""
    from galcen.stages import likelihood as stage  # deferred: keeps --help fast

    stage.run(model, output, options)


def posterior(
    model: InputFile,
    stars: InputFile,
    output: Annotated[Path, Output("posterior")],
    options: Sections = "{}",
    likelihood: OptionalFile = None,
) -> None:
    """Class and distance posterior of the stars of one tile."""
    from galcen.stages import posterior as stage  # deferred: keeps --help fast

    stage.run(model, stars, output, options, likelihood)


def draw(
    model: InputFile,
    stars: InputFile,
    posterior: InputFile,
    output: Annotated[Path, Output("truth", "draw")],
    options: Sections = "{}",
) -> None:
    """Draw the true values of the stars of one tile."""
    from galcen.stages import draw as stage  # deferred: keeps --help fast

    stage.run(model, stars, posterior, output, options)


def calibrate(
    model: InputFile,
    output: Annotated[Path, Output("calibration")],
    options: Sections = "{}",
    likelihood: OptionalFile = None,
) -> None:
    """See whether posteriors of stars drawn from the model are right as often as they say."""
    from galcen.stages import calibrate as stage  # deferred: keeps --help fast

    stage.run(model, output, options, likelihood)


COMMANDS = (ingest, simulate, complete, judge_merge, likelihood, posterior, draw, calibrate)
