"""Formats of users' tables, and the frames that their coordinates may be in."""

import re
from typing import Literal

Format = Literal[
    "auto",
    "text",
    "csv",
    "tsv",
    "semicolon",
    "pipe",
    "blank",
    "ipac",
    "cds",
    "mrt",
    "fits",
    "votable",
    "parquet",
    "hdf5",
    "ecsv",
]
"""`text` finds out which of csv (,), tsv (tab), semicolon, pipe (|), blank, ipac, cds, mrt and ecsv it is."""

FrameName = Literal["icrs", "fk5", "fk4", "galactic", "ecliptic"]

_EQUINOX = re.compile(r"(?P<letter>[JB])(?P<year>\d{4}(\.\d+)?)")


def equinox_year(frame: str | None, equinox: str | None) -> float | None:
    """Year of the equinox of a frame; the frame's usual one where none is given, None where it has none.

    Raises
    ------
    ValueError
        The frame has no equinox, or one of another kind.
    """
    letter = {"fk4": "B", "fk5": "J", "ecliptic": "J"}.get(frame or "")
    if equinox is None:
        return None if letter is None else {"B": 1950.0, "J": 2000.0}[letter]
    if letter is None:
        raise ValueError(
            f"equinox is given, but the frame {frame or 'of none'} has none; set frame: fk5, fk4 or ecliptic"
        )
    match = _EQUINOX.fullmatch(equinox)
    if match is None or match["letter"] != letter:
        raise ValueError(
            f"equinox = {equinox!r}: expected such as {letter}{'1950' if letter == 'B' else '2000'} for "
            f"frame: {frame}"
        )
    return float(match["year"])
