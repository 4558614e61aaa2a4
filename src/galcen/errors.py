"""The errors that users meet; `cli` prints them without a traceback."""


class GalcenError(Exception):
    """Base of all errors that name a fault of the input, not of the program."""


class ConfigError(GalcenError):
    """A configuration that cannot be run: unknown key, contradictory values."""


class SchemaError(GalcenError):
    """A file or table that is not what its schema declares, or is damaged."""


class ResourceError(GalcenError):
    """An external model table that is missing or fails its checksum; a disc that is full."""


class ConvergenceError(GalcenError):
    """An iterative method that stopped short; says what was reached."""
