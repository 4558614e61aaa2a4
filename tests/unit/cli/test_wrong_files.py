"""Every command with files of every wrong kind in place of its inputs: galcen's own error, and no file."""

import inspect
from typing import get_args, get_type_hints

import h5py
import pytest

from galcen import cli
from galcen.cli import app
from galcen.cli.command import Input, Output, role_of
from galcen.errors import GalcenError

FUNCTIONS = {
    function.__name__: function
    for group in vars(cli).values()
    if hasattr(group, "COMMANDS")
    for function in group.COMMANDS
    if any(
        isinstance(role_of(hint), Input) for hint in get_type_hints(function, include_extras=True).values()
    )
}

VALUES = {"tile": "t370_396", "survey": "A", "orbits": "o00000-00001"}


def write_wrong_files(folder):
    """Files that are none of galcen's, by what is wrong with them."""
    (folder / "text").write_text("hello\n")
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)) * 10)
    (folder / "numbers.csv").write_text("ra,dec,hw,case,name,index,value\n1e300,1e300,1e300,1,ra,0,1e300\n")
    (folder / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    with h5py.File(folder / "plain.h5", "w") as file:
        file["x"] = [1.0]
    with h5py.File(folder / "null.h5", "w") as file:
        file.attrs.update({"format": "galcen", "product": h5py.Empty("f"), "format_version": "x"})
        file["observed"] = h5py.Empty("f8")
    with h5py.File(folder / "loop.h5", "w") as file:
        for name in ("observations", "exposures", "sources", "priors", "truth"):
            file[name] = h5py.SoftLink(f"/{name}")
    return [path.name for path in folder.iterdir()] + ["missing"]


def command_line(function, wrong, folder):
    """The command with this file for all its inputs."""
    hints, options, arguments = get_type_hints(function, include_extras=True), [], []
    for name, parameter in inspect.signature(function).parameters.items():
        role = role_of(hints[name])
        if function.__name__ == "solve_iterative" and name in ("exposures", "catalogue"):
            continue
        if isinstance(role, Input):
            value = folder if role.is_folder else wrong
        elif isinstance(role, Output):
            value = folder / f"out/{name}{'.fits' if function.__name__ == 'export' else '.h5'}"
        elif name in VALUES:
            value = VALUES[name]
        elif parameter.default is inspect.Parameter.empty:
            value = "1"
        else:
            continue
        is_option = any("Option" in type(part).__name__ for part in getattr(hints[name], "__metadata__", ()))
        is_option |= parameter.default is not inspect.Parameter.empty and list not in map(
            lambda kind: getattr(kind, "__origin__", kind), get_args(hints[name])
        )
        if is_option:
            options += [f"--{name.replace('_', '-')}", str(value)]
        else:
            arguments.append(str(value))
    return [function.__name__.replace("_", "-"), *options, "--", *arguments]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_files_are_refused(tmp_path, name):
    """No other error leaves the command, and no file."""
    wrong, made = tmp_path / "in", tmp_path / "run"
    wrong.mkdir()
    for kind in write_wrong_files(wrong):
        if (name, kind) in {("tiles", "empty")}:
            continue  # An empty configuration is the default one.
        made.mkdir(exist_ok=True)
        with pytest.raises(GalcenError):
            app(command_line(FUNCTIONS[name], wrong / kind, made), standalone_mode=False)
        assert not [path for path in made.rglob("*") if path.is_file()], kind
