"""Configuration files that are no configuration."""

from pathlib import Path

from bad_case import Case, table_test
from galcen import config


def yaml_text(text: str):
    """A configuration file of this text, loaded."""

    def run(folder: Path) -> None:
        (folder / "mine.yaml").write_text(text)
        config.load(folder / "mine.yaml")

    return run


CASES = [
    Case(
        "unknown keys",
        "a key misspelt",
        yaml_text("footprnt: {}\n"),
        ("mine.yaml", "footprnt", "unknown key"),
    ),
]

test_configuration_file = table_test(CASES)
