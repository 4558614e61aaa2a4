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
    l: Annotated[Optional[float], typer.Option(help="Galactic longitude [deg].")] = None,  # noqa: E741, UP045
    b: Annotated[Optional[float], typer.Option(help="Galactic latitude [deg].")] = None,  # noqa: UP045
    table: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Instead of --l and --b: a table of glon and glat, l and b, or ra and dec [deg]."),
    ] = None,
    band: Annotated[str, typer.Option(help="Band of the selection: J, H, Ks, HwA or HwB.")] = "Ks",
    bright: Annotated[float, typer.Option(help="Bright limit [mag].")] = 8.0,
    faint: Annotated[float, typer.Option(help="Faint limit [mag].")] = 16.0,
    area_arcmin2: Annotated[
        Optional[float], typer.Option(help="Solid angle [arcmin2]; one cell of the map without.")  # noqa: UP045
    ] = None,
    law: Annotated[str, typer.Option(help="Reddening law: WC19, N09 or AG17.")] = "WC19",
    outside: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Extinction in Ks off the extinction map, of the whole line of sight [mag]."),
    ] = None,
    reference_switches: Annotated[
        bool, typer.Option("--reference-switches", help="Do what the reference program genstars does.")
    ] = False,
    format: Annotated[
        str, typer.Option(help="table or json; csv for a --table, a row a direction.")
    ] = "table",
) -> None:
    """Expected stars per component along lines of sight: counts, distances, motions, extinction."""
    from galcen.errors import ConfigError  # deferred: keeps --help fast
    from galcen.stages import sightline as stage

    options = {
        "band": band,
        "bright": bright,
        "faint": faint,
        "area_arcmin2": area_arcmin2,
        "law": law,
        "reference_switches": reference_switches,
        "form": format,
        "outside": outside,
    }
    if table is not None and l is None and b is None:
        typer.echo(stage.inspect_table(table, **options))
    elif table is None and l is not None and b is not None:
        typer.echo(stage.inspect(l, b, **options))
    else:
        raise ConfigError("expected either --l and --b, or --table")


COMMANDS = (tiles, sightline)
