"""A project to run the workflow in, and the same after the tiny run."""

import pytest

from project import TINY, make_project, snakemake


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A working folder with the workflow in it."""
    return make_project(tmp_path_factory.mktemp("project") / "main")


@pytest.fixture(scope="session")
def finished(folder):
    """The folder after the tiny run."""
    snakemake(folder, "--configfile", TINY)
    return folder
