"""What all commands have in common: roles of their paths, ends without a traceback, a quick --help."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import pytest
import typer

from galcen import cli, errors
from galcen.cli.command import Input, Output, command, role_of
from galcen.errors import ConfigError, ResourceError, SchemaError, users_fault
from galcen.io.outputs import Kind, check_output

MAIN = "from galcen.cli import main; main()"


def run(*arguments, before="", variables=None, **options):
    """`galcen` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", before + MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | (variables or {}),
        **options,
    )


FUNCTIONS = [
    function for group in vars(cli).values() if hasattr(group, "COMMANDS") for function in group.COMMANDS
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_path_is_an_input_or_an_output(function):
    """No path of a command is left out of what is checked."""
    for name, hint in get_type_hints(function, include_extras=True).items():
        plain = get_type_hints(function)[name]
        if plain is Path or Path in get_args(plain):
            assert role_of(hint) is not None, f"{function.__name__}: {name} has no role"


def test_help_is_quick_and_lists_every_command():
    """It imports nothing that takes long."""
    done = run(
        "--help",
        before="import atexit, json, sys; atexit.register(lambda: print(json.dumps([*sys.modules]))); ",
    )
    assert done.returncode == 0
    for function in FUNCTIONS:
        assert f"  {function.__name__.replace('_', '-')} " in done.stdout
    modules = json.loads(done.stdout.splitlines()[-1])
    assert not {"numpy", "jax", "h5py", "pydantic", "astropy", "yaml"} & set(modules)


def test_wrong_usage_is_no_traceback():
    """Unknown commands and missing arguments."""
    for arguments, words in (
        (["drew"], "No such command"),
        (["draw", "a"], "Missing argument"),
        ([], "Usage"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert words in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


def test_no_home_is_needed():
    """Not for --help, nor where something is compiled and kept."""
    before = (
        "import pathlib\n"
        "def home(): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = home\n"
    )
    variables = {"XDG_CACHE_HOME": ""}
    assert run("--help", before=before, variables=variables).returncode == 0
    done = run("tiles", before=before, variables=variables)
    assert "2 tiles, 64 cells" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("cache", ["/dev/null", "/proc/nowhere"])
def test_no_cache_is_needed(cache):
    """One that cannot be written is left out."""
    program = (
        "from galcen.cache import cache_folder; from galcen.compiled import compiled; "
        "assert cache_folder('jax') is None; assert compiled(lambda x: x + 1)(1) == 2"
    )
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"XDG_CACHE_HOME": cache}, check=True)


def test_nobody_need_listen(tmp_path):
    """A reader that ends before 4 MB are written, a closed output, a full one."""
    sky = {"footprint": {"l_min": -3.0, "l_max": 3.0, "b_min": -2.0, "b_max": 2.0}}
    (tmp_path / "many.json").write_text(json.dumps({**sky, "tiling": {"cells_per_side": 1}}))
    shell = f'"{sys.executable}" -c "{MAIN}" tiles --format json --config "{tmp_path}/many.json"'
    for ending, words in (("| head -c 1", ""), (">&-", ""), ("> /dev/full", "No space left on device")):
        done = subprocess.run(
            ["bash", "-c", f"{shell} {ending}"], capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
        assert words in done.stderr


def test_ctrl_c_is_one_line():
    """With the exit code that shells give it."""
    slow = (
        # A test run in the background of a shell ignores Ctrl-C, and its children would, too.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import time, galcen.stages.tiles as t\n"
        "t.listing = lambda *_: (print('on', flush=True), time.sleep(60))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow + MAIN, "tiles"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=30)
    assert process.returncode == 130
    assert text == "galcen: interrupted\n"


def test_a_fault_of_the_program_keeps_its_traceback():
    """Its last line says whose it is."""
    done = run("tiles", before="import galcen.stages.tiles as t; t.listing = lambda *_: 1 / 0; ")
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert "internal error (ZeroDivisionError): a fault of galcen" in done.stderr.splitlines()[-1]


def test_a_device_that_is_not_there_is_one_line():
    """JAX's own error has no text for some of them."""
    for name in ("cuda", "nothing"):
        program = "import galcen.stages.tiles as t, jax; t.listing = lambda *_: str(jax.numpy.zeros(1)); "
        done = run("tiles", before=program, variables={"JAX_PLATFORMS": name})
        assert done.returncode == 1
        assert f"galcen: error: JAX_PLATFORMS={name}: JAX finds no such device here" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/data/a.h5"), "/data/a.h5: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError("Unable to allocate 12 TiB"), "not enough memory (Unable to allocate 12 TiB)"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "not enough memory"),
        (SchemaError("a.h5: damaged"), "a.h5: damaged"),
    ],
)
def test_what_the_machine_says_is_told_in_one_line(error, words):
    fault = users_fault(error)
    assert isinstance(fault, errors.GalcenError)
    assert words in str(fault)


@pytest.mark.parametrize(
    "error", [KeyError("a"), ValueError("b"), RuntimeError("c"), BrokenPipeError(32, "pipe")]
)
def test_what_the_program_did_is_no_users_fault(error):
    assert users_fault(error) is None


def test_commands_check_before_they_work(tmp_path):
    """A command that would overwrite is not called; --overwrite is added only where something is written."""
    called = []

    def copy(source: Annotated[Path, Input()], target: Annotated[Path, Output()]) -> None:
        called.append((source, target))

    app = typer.Typer()
    app.command()(command(copy))
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    paths = [str(tmp_path / name) for name in "ab"]
    with pytest.raises(ConfigError, match="b: is there already"):
        app(paths, standalone_mode=False)
    with pytest.raises(ConfigError, match="a: is the input"):
        app([paths[0], paths[0], "--overwrite"], standalone_mode=False)
    assert not called
    app([*paths, "--overwrite"], standalone_mode=False)
    assert called == [(tmp_path / "a", tmp_path / "b")]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    """Before any work."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ResourceError, match="no permission to write in"):
        check_output(tmp_path / "new" / "a.h5", [], Kind())
