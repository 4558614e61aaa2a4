"""Meaning of the bits of the column `flags`."""

from enum import IntFlag


class Flag(IntFlag):
    """What is out of the ordinary about a star."""

    MISSING_BAND = 1
    """J, H or Ks has no magnitude."""
    NO_ERROR = 2
    """A magnitude came without an error and was given the default one."""
    PARALLAX_UNUSED = 4
    """There is a parallax, but its error is missing or its RUWE too large."""
    NO_MODEL_5_SIGMA = 8
    """No model star at a likely distance lies within 5 sigma of the photometry."""
    PRIOR_ONLY = 16
    """No model star within 10 sigma: class and distance are from the prior and the parallax."""
    DISTANCE_LIMIT = 32
    """More than 1 per cent of the posterior lies beyond 95 per cent of the largest distance."""
    RED = 64
    """J - H above 4, where the relation for Hw is an extrapolation."""
    NO_MAGNITUDE = 128
    """J, H and Ks have no magnitude: class and distance are from the prior and the parallax, and magnitudes
    are those of a star drawn from the model."""
