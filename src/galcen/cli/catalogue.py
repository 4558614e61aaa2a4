"""Commands of the catalogue: from survey tables to the tiles of the truth catalogue."""

from __future__ import annotations

import json
from pathlib import Path


def ingest(survey: str, folder: Path, options: str = "{}") -> None:
    """Read a user's table, check it and cut it into tiles, FOLDER/<tile>.h5."""
    from galcen.stages import ingest as stage  # deferred: keeps --help fast

    stage.run(survey, folder, json.loads(options))


def simulate(model: Path, output: Path, tile: str = "", options: str = "{}") -> None:
    """Observe one tile of a sky drawn from the model."""
    from galcen.stages import simulate as stage  # deferred: keeps --help fast

    stage.run(model, output, tile, json.loads(options))


def complete(output: Path, surveys: list[Path], options: str = "{}") -> None:
    """Bring the surveys of one tile together and select stars."""
    from galcen.stages import complete as stage  # deferred: keeps --help fast

    stage.run(output, surveys, json.loads(options))


def likelihood(model: Path, output: Path, options: str = "{}") -> None:
    """Tabulate the photometric likelihood, for the fast posterior."""
    from galcen.stages import likelihood as stage  # deferred: keeps --help fast

    stage.run(model, output, json.loads(options))


def posterior(
    model: Path, stars: Path, output: Path, options: str = "{}", likelihood: Path | None = None
) -> None:
    """Class and distance posterior of the stars of one tile."""
    from galcen.stages import posterior as stage  # deferred: keeps --help fast

    stage.run(model, stars, output, json.loads(options), likelihood)


def draw(model: Path, stars: Path, posterior: Path, output: Path, options: str = "{}") -> None:
    """Draw the true values of the stars of one tile."""
    from galcen.stages import draw as stage  # deferred: keeps --help fast

    stage.run(model, stars, posterior, output, json.loads(options))


def calibrate(model: Path, output: Path, options: str = "{}", likelihood: Path | None = None) -> None:
    """See whether posteriors of stars drawn from the model are right as often as they say."""
    from galcen.stages import calibrate as stage  # deferred: keeps --help fast

    stage.run(model, output, json.loads(options), likelihood)


COMMANDS = (ingest, simulate, complete, likelihood, posterior, draw, calibrate)
