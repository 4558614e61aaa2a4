"""Text files that appear whole or not at all."""

from pathlib import Path

from galcen.io.claims import atomic


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) under another name and rename it.

    Raises
    ------
    SchemaError
        It cannot be written, or another run is writing it.
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
