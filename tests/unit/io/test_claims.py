"""Outputs appear whole or not at all; two runs never write one; what dead runs left is removed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from galcen.errors import SchemaError
from galcen.io import claims
from galcen.io.claims import LOCK, PART, Owner, atomic, claimed, claiming, scratch_folder
from galcen.io.text import write_text


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """As a process that has looked through no folder yet."""
    monkeypatch.setattr(claims, "_swept", set())


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


WRITER = """
import sys, time
from pathlib import Path
from galcen.cli.signals import clean_up_when_stopped
from galcen.io.claims import atomic, scratch_folder

clean_up_when_stopped()
kind, path = {"atomic": atomic, "scratch_folder": scratch_folder}[sys.argv[1]], Path(sys.argv[2])
with kind(path) as temporary:
    (temporary / "rows" if sys.argv[1] == "scratch_folder" else temporary).write_bytes(bytes(1000))
    print("writing", flush=True)
    time.sleep(60)
"""


def writer(path: Path, kind: str = "atomic", before: str = "") -> subprocess.Popen:
    """Another process in the middle of its writing; `before` is Python code that it runs first."""
    command = [sys.executable, "-c", before + WRITER, kind, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def test_a_second_run_is_refused_in_one_line(tmp_path):
    """With the process that writes; its file and the product of before stay as they are."""
    path = tmp_path / "truth.h5"
    path.write_text("before")
    with writer(path) as first:
        found = names(tmp_path)
        process = f"process {first.pid} on {socket.gethostname()}"
        expected = f"truth.h5: is being written by another run of galcen .{process}"
        with pytest.raises(SchemaError, match=expected) as caught, atomic(path):
            pass
        with pytest.raises(SchemaError, match="is being written"):
            write_text(path, "mine")
        assert names(tmp_path) == found
        first.kill()
    assert "\n" not in str(caught.value)
    assert path.read_text() == "before"


@pytest.mark.parametrize("kind", ["atomic", "scratch_folder"])
def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path, kind):
    """That writes another output in the same folder."""
    with writer(tmp_path / "one.h5", kind) as process:
        process.send_signal(signal.SIGKILL)
    assert names(tmp_path) == [f".one.h5{LOCK}", f".one.h5{PART}"]
    write_text(tmp_path / "two.txt", "two")
    assert names(tmp_path) == ["two.txt"]


@pytest.mark.parametrize("kind", ["atomic", "scratch_folder"])
def test_what_a_killed_run_left_does_not_stand_in_the_way(tmp_path, kind):
    """Of the same output; also in a process that has looked through the folder before."""
    write_text(tmp_path / "two.txt", "two")
    with writer(tmp_path / "one.h5", kind) as process:
        process.kill()
    with atomic(tmp_path / "one.h5") as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_text("whole")
    assert names(tmp_path) == ["one.h5", "two.txt"]


def test_what_a_living_run_writes_is_left_alone(tmp_path):
    with writer(tmp_path / "one.h5") as process:
        write_text(tmp_path / "two.txt", "two")
        assert f".one.h5{PART}" in names(tmp_path)
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("kind", ["atomic", "scratch_folder"])
def test_a_run_that_is_told_to_stop_cleans_up(tmp_path, kind, number, code):
    """One line, the code that shells have for it, and nothing left."""
    # Tests that run under nohup ignore SIGHUP, and their children would, too.
    default = f"import signal; signal.signal({int(number)}, signal.SIG_DFL)"
    with writer(tmp_path / "one.h5", kind, before=default) as process:
        process.send_signal(number)
        errors = process.stderr.read()
    assert process.returncode == code
    assert re.fullmatch(rf"galcen: stopped by {number.name}; .*\n", errors)
    assert names(tmp_path) == []


def test_a_hangup_that_is_ignored_stays_so(tmp_path):
    """As under nohup."""
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with writer(tmp_path / "one.h5", before=ignored) as run:
        run.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert run.poll() is None
        run.kill()


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_the_mask_of_the_user_decides_who_can_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "page.html", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_output_may_be_claimed_again_by_its_own_run(tmp_path):
    path = tmp_path / "one.txt"
    with claimed(path):
        write_text(path, "one")
        write_text(path, "two")
        assert names(tmp_path) == [f".one.txt{LOCK}", "one.txt"]
    assert names(tmp_path) == ["one.txt"]


def test_a_function_holds_its_outputs_as_it_runs(tmp_path):
    """By name or by place; also when it fails."""

    @claiming("output")
    def work(source: int, output: Path) -> None:
        assert names(tmp_path) == [f".{output.name}{LOCK}"]
        raise ZeroDivisionError(source)

    for call in (lambda: work(1, tmp_path / "a"), lambda: work(output=tmp_path / "a", source=1)):
        with pytest.raises(ZeroDivisionError):
            call()
        assert names(tmp_path) == []


@pytest.mark.parametrize("kind", [atomic, scratch_folder])
def test_a_failure_leaves_nothing(tmp_path, kind):
    with pytest.raises(ZeroDivisionError), kind(tmp_path / "one"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_folder_in_the_place_of_the_output_is_told(tmp_path):
    (tmp_path / "one").mkdir()
    with pytest.raises(SchemaError, match="one: cannot be written"):
        write_text(tmp_path / "one", "text")
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("place", ["file/one", "x" * 250])
def test_an_output_that_cannot_be_made_is_one_line(tmp_path, place):
    """Below a file, and with a name that is too long for its temporary ones."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SchemaError, match="cannot be written") as caught:
        write_text(tmp_path / place, "text")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


FULL = """
import resource, sys
from pathlib import Path
from galcen.errors import SchemaError
from galcen.io.text import write_text

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    write_text(Path(sys.argv[1]), "x" * 5000)
except SchemaError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_text_on_a_full_disc_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disc."""
    path = tmp_path / "page.html"
    path.write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False
    )
    assert f"refused: {path}: cannot be written" in done.stderr
    assert path.read_text() == "before"
    assert names(tmp_path) == ["page.html"]


def left_by(folder: Path, owner: Owner) -> Path:
    """The remains of a process."""
    lock = folder / f".one.h5{LOCK}"
    lock.write_text("\n".join(map(str, [*owner, ""])))
    (folder / f".one.h5{PART}").write_text("half")
    return lock


@pytest.fixture
def _no_locks(monkeypatch):
    """A file system that has no locks."""

    def flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(claims.fcntl, "flock", flock)


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_the_process_decides(tmp_path):
    """One that is there keeps its output; one that is gone, or whose number another process has, does not."""
    me = Owner.this_process()
    left_by(tmp_path, me)
    with pytest.raises(SchemaError, match=f"process {os.getpid()} on"), atomic(tmp_path / "one.h5"):
        pass
    for gone in (me._replace(process=2**22 + 1), me._replace(start="1")):
        left_by(tmp_path, gone)
        write_text(tmp_path / "one.h5", "whole")
        assert names(tmp_path) == ["one.h5"]


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_process_of_another_host_counts_as_alive(tmp_path):
    """The message says what to remove."""
    lock = left_by(tmp_path, Owner("elsewhere", 1, "1"))
    with pytest.raises(SchemaError, match=re.escape(f"remove {lock}")), atomic(tmp_path / "one.h5"):
        pass
    lock.unlink()
    write_text(tmp_path / "one.h5", "whole")
    assert names(tmp_path) == ["one.h5"]


@pytest.mark.parametrize("options", ["rw,localflock", "rw,nolock", "rw,local_lock=all"])
def test_locks_that_other_hosts_do_not_see_decide_nothing_about_them(tmp_path, monkeypatch, options):
    """Mount options of NFS and Lustre say so."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / ext4 rw 0 0\nserver:/x {tmp_path} nfs {options} 0 0\n")
    monkeypatch.setattr(claims, "MOUNTS", mounts)
    left_by(tmp_path, Owner("elsewhere", 1, "1"))
    with pytest.raises(SchemaError, match="process 1 on elsewhere"), atomic(tmp_path / "one.h5"):
        pass
    left_by(tmp_path, Owner.this_process()._replace(start="1"))
    write_text(tmp_path / "one.h5", "whole")
    assert names(tmp_path) == ["mounts", "one.h5"]
