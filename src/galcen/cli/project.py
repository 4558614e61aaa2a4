"""Commands of the observation model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import Input, Output


def project(
    params: Annotated[Path, Input(), typer.Option(help="Parameters, CSV: case,name,index,value.")],
    sources: Annotated[
        Path,
        Input(),
        typer.Option(
            help="Rows to map, CSV: case,projection,distortion,detector,ra_deg,dec_deg (nx_pix,ny_pix back)."
        ),
    ],
    output: Annotated[
        Path, Output(), typer.Option(help="CSV: the rows with the results as further columns.")
    ],
    inverse: Annotated[bool, typer.Option("--inverse", help="From pixels to the sky.")] = False,
    real_to_ideal: Annotated[
        bool,
        typer.Option("--real-to-ideal", help="The polynomial takes real positions and gives ideal ones."),
    ] = False,
    keep_centre: Annotated[
        bool, typer.Option("--keep-centre", help="Do not subtract the Legendre terms' value at the centre.")
    ] = False,
) -> None:
    """Map directions to pixels for stated parameters, or pixels to directions."""
    from galcen.stages import project as stage  # deferred: keeps --help fast

    stage.run(
        params,
        sources,
        output,
        is_inverse=inverse,
        polynomial="real_to_ideal" if real_to_ideal else "ideal_to_real",
        vanish_at_centre=not keep_centre,
    )


COMMANDS = (project,)
