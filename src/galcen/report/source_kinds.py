"""How the classes of sources of an astrometric solution look in figures and tables."""

from galcen.io.plate_quality_schema import KINDS

STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#000000", "^"), ("#D55E00", "v"))
"""Colour and marker of each of `KINDS`."""

assert len(STYLES) == len(KINDS)
