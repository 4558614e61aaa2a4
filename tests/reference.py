"""Where the tests find reference numbers that are not part of the project."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def reference_file(name: str) -> Path:
    """A file beside the project; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the reference data {name} are not beside the project")
    return path
