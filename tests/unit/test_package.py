"""Importing galcen, and what identifies it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import galcen
from galcen.package import FOLDER, commit_of, git_commit, source_digest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def python(code: str, **environment: str) -> str:
    """What a new process prints."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("JAX", "OMP", "OPENBLAS"))
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["galcen, jax", "jax, galcen", "jax.numpy as j, galcen, jax"])
def test_importing_galcen_gives_float64(first):
    """Whichever is imported first, and whatever the environment says."""
    code = f"import {first}; print(jax.numpy.ones(1).dtype)"
    assert python(code, JAX_ENABLE_X64="0") == "float64"
    assert python(code) == "float64"


def test_importing_galcen_or_its_command_is_cheap():
    """Neither NumPy nor JAX is imported: --help is fast, and the threads of NumPy can still be set."""
    code = "import galcen.cli, sys; print({'numpy', 'jax', 'h5py'} & set(sys.modules))"
    assert python(code) == "set()"


def test_commands_use_one_thread_of_linear_algebra_whatever_the_environment_says():
    """The number of threads is set before NumPy is imported."""
    code = (
        "import sys, os; sys.argv = ['galcen', '--help']\n"
        "import galcen.cli\n"
        "try: galcen.cli.main()\n"
        "except SystemExit: pass\n"
        "print('numpy' in sys.modules, os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    assert python(code, OMP_NUM_THREADS="4").splitlines()[-1] == "False 1 1"


def test_the_source_digest_changes_with_any_file(tmp_path):
    """A changed constant and a renamed file both count."""
    for change in ("none", "edit", "rename"):
        shutil.copytree(FOLDER, tmp_path / change / "galcen", ignore=shutil.ignore_patterns("__pycache__"))
    constants = tmp_path / "edit/galcen/constants.py"
    constants.write_text(constants.read_text() + "\n")
    (tmp_path / "rename/galcen/random.py").rename(tmp_path / "rename/galcen/random2.py")
    code = "from galcen.package import source_digest; print(source_digest())"
    found = [python(code, PYTHONPATH=str(tmp_path / change)) for change in ("none", "edit", "rename")]
    assert found[0] == source_digest()
    assert len(set(found)) == 3


def test_a_copy_in_another_repository_does_not_tell_its_commit(tmp_path):
    """Neither as an installed package nor as a source tree of another project."""
    for place, project in (("lib/python3/site-packages", "galcen"), ("src", "theirs")):
        root = tmp_path / project
        shutil.copytree(FOLDER, root / place / "galcen", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
        (root / ".git").mkdir()
        (root / ".git/HEAD").write_text(COMMIT)
        code = "from galcen.package import git_commit; print(repr(git_commit()))"
        assert python(code, PYTHONPATH=str(root / place)) == "''"


@pytest.mark.parametrize("form", ["detached", "loose", "packed", "worktree"])
def test_the_commit_is_read_without_git(tmp_path, form):
    """From the files of the repository, in all forms that git gives them."""
    folder = tmp_path / ".git"
    folder.mkdir()
    (folder / "HEAD").write_text(f"{COMMIT}\n" if form == "detached" else "ref: refs/heads/main\n")
    if form == "loose":
        (folder / "refs/heads").mkdir(parents=True)
        (folder / "refs/heads/main").write_text(f"{COMMIT}\n")
    if form in ("packed", "worktree"):
        (folder / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n^{COMMIT[::-1]}\n")
    root = tmp_path
    if form == "worktree":
        root = tmp_path / "beside"
        root.mkdir()
        (root / ".git").write_text("gitdir: ../.git/worktrees/beside\n")
        own = folder / "worktrees/beside"
        own.mkdir(parents=True)
        (own / "HEAD").write_text("ref: refs/heads/main\n")
        (own / "commondir").write_text("../..\n")
    assert commit_of(root) == COMMIT


def test_the_commit_agrees_with_git():
    """In a clone; with and without git on the path."""
    root = FOLDER.parents[1]
    if not (root / ".git").exists() or not shutil.which("git"):
        pytest.skip("no clone, or no git")
    expected = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert git_commit() == expected
    code = "from galcen.package import git_commit; print(git_commit())"
    assert python(code, PATH="/nowhere") == expected


def test_no_repository_has_no_commit(tmp_path):
    """Nor does a damaged one."""
    assert commit_of(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    assert commit_of(tmp_path) == ""
    (tmp_path / ".git/HEAD").write_bytes(b"\xff\xfe")
    assert commit_of(tmp_path) == ""


def test_the_version_is_that_of_the_project():
    """One number in two files."""
    assert f'version = "{galcen.__version__}"' in Path(FOLDER.parents[1] / "pyproject.toml").read_text()
    assert len(source_digest()) == len(hashlib.sha256().hexdigest())
