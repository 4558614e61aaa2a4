"""Commands to look at things: tiles of a run, the model along a line of sight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from galcen.cli.command import Input


def tiles(
    config: Annotated[
        Path | None, Input(), typer.Option(help="Configuration file; the default one without.")
    ] = None,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """List the tiles of a run: name, bounds, cells and, once known, stars."""
    from galcen.stages import tiles as stage  # deferred: keeps --help fast

    typer.echo(stage.listing(config, format))


def sightline(
    l: Annotated[float, typer.Option(help="Galactic longitude [deg].")],  # noqa: E741 - its name in the field
    b: Annotated[float, typer.Option(help="Galactic latitude [deg].")],
    band: Annotated[str, typer.Option(help="Band of the selection: J, H, Ks, HwA or HwB.")] = "Ks",
    bright: Annotated[float, typer.Option(help="Bright limit [mag].")] = 8.0,
    faint: Annotated[float, typer.Option(help="Faint limit [mag].")] = 16.0,
    area_arcmin2: Annotated[
        Optional[float], typer.Option(help="Solid angle [arcmin2]; one cell of the map without.")  # noqa: UP045
    ] = None,
    law: Annotated[str, typer.Option(help="Reddening law: WC19, N09 or AG17.")] = "WC19",
    reference_switches: Annotated[
        bool, typer.Option("--reference-switches", help="Do what the reference program genstars does.")
    ] = False,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Expected stars per component along a line of sight: counts, distances, motions, extinction."""
    from galcen.stages import sightline as stage  # deferred: keeps --help fast

    typer.echo(
        stage.inspect(
            l,
            b,
            band=band,
            bright=bright,
            faint=faint,
            area_arcmin2=area_arcmin2,
            law=law,
            reference_switches=reference_switches,
            form=format,
        )
    )


COMMANDS = (tiles, sightline)
