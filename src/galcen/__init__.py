"""galcen: mock skies and astrometric solutions for the Milky Way's centre."""

__version__ = "0.1.0"
