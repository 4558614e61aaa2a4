"""Files that are damaged, changed by hand, or HDF5 that leads elsewhere; outputs that cannot be written."""

import fcntl
import os
import resource
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from bad_case import Case, table_test
from edited import edited
from galcen.errors import SchemaError
from galcen.io.claims import LOCK, PART, atomic, scratch_folder
from galcen.io.hdf5 import read_table, write_table
from galcen.io.problem_answer import write_problem_answer
from galcen.io.problem_file import read_problem_file
from galcen.io.schema import OBSERVED, POSTERIOR, Column, Table
from galcen.io.sealed_file import BLOCK, FOOT, seal
from galcen.io.text import write_text
from hostile_hdf5 import HOSTILE, Make, external_link, half_filled
from problem_mock import write_problem

TABLE = Table(
    "numbers",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "identifier"),
        Column("dist", "f8", "pc", "pos.distance", "distance"),
    ),
)
N_ROW = 12000

Change = Callable[[h5py.File], object]
Damage = Callable[[bytearray], object]


def make(path: Path) -> Path:
    """A product of two columns."""
    values = np.random.default_rng(1).uniform(size=N_ROW)
    write_table(path, TABLE, {"source_id": np.arange(N_ROW), "dist": values}, {"stage": "test", "seed": "1"})
    return path


def damaged(damage: Damage):
    """A product whose bytes are changed, read."""

    def run(folder: Path) -> None:
        path = make(folder / "numbers.h5")
        content = bytearray(path.read_bytes())
        damage(content)
        path.write_bytes(content)
        read_table(path, TABLE)

    return run


def invert(place: int) -> Damage:
    """Invert one byte, from the end where it is below 0."""

    def damage(content: bytearray) -> None:
        content[place] ^= 0xFF

    return damage


def invert_at(word: bytes) -> Damage:
    """Invert the first byte of a word that stands in the file."""
    return lambda content: invert(content.index(word))(content)


def overwrite(first: int, text: bytes) -> Damage:
    """Bytes in the place of others."""

    def damage(content: bytearray) -> None:
        content[first : first + len(text)] = text

    return damage


def cut(n_byte: int) -> Damage:
    """Lose the last bytes."""

    def damage(content: bytearray) -> None:
        del content[-n_byte:]

    return damage


def by_hand(change: Change, is_sealed: bool = False):
    """A product that another program changes; `is_sealed` with new checksums."""

    def run(folder: Path) -> None:
        path = make(folder / "numbers.h5")
        with edited(path) if is_sealed else h5py.File(path, "r+") as file:
            change(file)
        read_table(path, TABLE)

    return run


def skip_filters(file: h5py.File) -> None:
    """The chunk stays as it is, but says that it is not compressed: only its mask of filters changes."""
    dataset = file["numbers/dist"]
    _, content = dataset.id.read_direct_chunk((0,))
    dataset.id.write_direct_chunk((0,), content, filter_mask=0b11)


def replaced(name: str, make_item: Make) -> Change:
    """Put something else in the place of a dataset."""

    def change(file: h5py.File) -> None:
        group, _, leaf = name.rpartition("/")
        del file[name]
        make_item(file[group], leaf)

    return change


def problem(change: Change):
    """A problem file with something changed, read."""

    def run(folder: Path) -> None:
        path = folder / "problem.h5"
        write_problem(path)
        with h5py.File(path, "r+") as file:
            change(file)
        read_problem_file(path)

    return run


def with_notes(folder: Path) -> None:
    """Texts of any length and links within the file, in parts that galcen does not read, are left alone."""
    path = folder / "problem.h5"
    write_problem(path)
    plain = read_problem_file(path)
    with h5py.File(path, "r+") as file:
        file["notes"] = ["made by", "somebody"]
        file.attrs["history"] = np.array(["one", "two"], dtype=object)
        file["sources/again"] = h5py.SoftLink("/sources/ra_deg")
        file["sources/parent"] = file["/"]
    found = read_problem_file(path)
    np.testing.assert_array_equal(found.sources["ra_deg"], plain.sources["ra_deg"])
    write_problem_answer(folder / "out/answer.h5", path, {"n": 1.0}, np.zeros((2, plain.n_obs)), {})
    np.testing.assert_array_equal(
        read_problem_file(folder / "out/answer.h5").sources["ra_deg"], plain.sources["ra_deg"]
    )


def locked(folder: Path) -> None:
    """As by a program that has the file open for writing."""
    path = make(folder / "numbers.h5")
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        read_table(path, TABLE)


def without_descriptors(folder: Path) -> None:
    """As many files are open as may be."""
    path = make(folder / "numbers.h5")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.open(path, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        read_table(path, TABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def of_another_kind(folder: Path) -> None:
    """A path that is no file."""
    os.mkfifo(folder / "pipe.h5")
    read_table(folder / "pipe.h5", TABLE)


def linked_to_itself(folder: Path) -> None:
    (folder / "numbers.h5").symlink_to("numbers.h5")
    read_table(folder / "numbers.h5", TABLE)


def older(folder: Path) -> None:
    """A product of a galcen without checksums."""
    path = make(folder / "numbers.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 2
    read_table(path, TABLE)


def posterior_for_stars(folder: Path) -> None:
    """A product of another stage."""
    columns = {column.name: np.zeros(0, column.dtype) for column in POSTERIOR.columns}
    write_table(folder / "p.h5", POSTERIOR, columns, {})
    read_table(folder / "p.h5", OBSERVED)


def named(path: str):
    """A product below the folder, read."""
    return lambda folder: read_table(folder / path, TABLE)


def resealed(folder: Path) -> None:
    """A change on purpose, with new checksums as the message says."""
    path = make(folder / "numbers.h5")
    with h5py.File(path, "r+") as file:
        file["numbers/dist"][0] = 7.0
    seal(path)
    assert read_table(path, TABLE)["dist"][0] == 7.0


def copied(folder: Path) -> None:
    """A copy of the bytes is the product."""
    path = make(folder / "numbers.h5")
    (folder / "copy.h5").write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read_table(folder / "copy.h5", TABLE)["source_id"], np.arange(N_ROW))


def written_by_another(write: Callable[[Path], object]):
    """An output that another run is writing."""

    def run(folder: Path) -> None:
        (folder / "out").mkdir()
        # What the other run has there is no part of the case.
        place = folder / "busy"
        place.mkdir()
        with (place / f".numbers.h5{LOCK}").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            write(place / "numbers.h5")

    return run


def scratch(path: Path) -> None:
    with scratch_folder(path):
        raise AssertionError


def after_a_kill(write: Callable[[Path], object], is_folder: bool):
    """Remains of a run that is dead, beside the output and beside another one."""

    def run(folder: Path) -> None:
        (folder / "out").mkdir()
        for name in ("numbers.h5", "other.h5"):
            (folder / f"out/.{name}{LOCK}").write_text("elsewhere\n1\n1\n")
            part = folder / f"out/.{name}{PART}"
            if is_folder:
                part.mkdir()
                (part / "rows").write_text("half")
            else:
                part.write_text("half")
        write(folder / "out/numbers.h5")
        assert [path.name for path in (folder / "out").iterdir()] == ["numbers.h5"]

    return run


def onto_folder(folder: Path) -> None:
    (folder / "taken").mkdir()
    write_text(folder / "taken", "text")


def below_file(folder: Path) -> None:
    (folder / "file").write_text("mine")
    try:
        make(folder / "file/numbers.h5")
    except SchemaError:
        assert (folder / "file").read_text() == "mine"
        raise


def failing_halfway(folder: Path) -> None:
    """The product of before stays."""
    path = make(folder / "kept.h5")
    before = path.read_bytes()
    try:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")
    except SchemaError:
        assert path.read_bytes() == before
        assert [other.name for other in folder.iterdir()] == ["kept.h5"]
        raise


DIFFERS = ("numbers.h5", "the checksum of bytes")

DAMAGED = [
    (
        "a byte of a column inverted",
        invert(BLOCK + 7),
        ("numbers.h5", "the checksum of bytes", "make it again"),
    ),
    ("a byte of an attribute inverted", invert_at(b"pos.distance"), ("the checksum of bytes",)),
    ("a byte of a name inverted", invert_at(b"source_id"), ("the checksum of bytes",)),
    ("a byte of HDF5's own inverted", invert(9), ("numbers.h5", "the checksum of bytes")),
    ("a byte of its first eight inverted", invert(0), ("numbers.h5",)),
    ("a byte of a checksum inverted", invert(-FOOT.size - 3), ("wrong checksum",)),
    ("a byte of the length in the record inverted", invert(-FOOT.size), ("record of checksums",)),
    ("the last byte inverted", invert(-1), ("no checksums",)),
    ("the last byte lost", cut(1), ("no checksums",)),
    ("cut in the middle", cut(40000), ("truncated",)),
    ("nothing left", lambda content: content.clear(), ("no HDF5 file",)),
    (
        "a block of zeros, as of a disc that lost it",
        overwrite(BLOCK, bytes(4096)),
        ("the checksum of bytes",),
    ),
    ("text put behind it", lambda content: content.extend(b"\n"), ("no checksums",)),
    ("twice in one file", lambda content: content.extend(bytes(content)), ("record of checksums",)),
    ("an HTML page under its name", overwrite(0, b"<!doctype html>" * 9000), ("no HDF5 file",)),
]

UNREADABLE = "files that cannot be read"

CASES = [
    *(Case("damaged products", name, damaged(damage), says) for name, damage, says in DAMAGED),
    *(
        Case("products changed by hand", name, by_hand(change), says)
        for name, change, says in (
            ("a number of a column", lambda f: f["numbers/dist"].__setitem__(3, 1.0), ("numbers.h5",)),
            ("an attribute", lambda f: f.attrs.__setitem__("seed", "2"), ("numbers.h5",)),
            ("a column deleted", lambda f: f["numbers"].pop("dist"), ("numbers.h5",)),
            ("a column renamed", lambda f: f.move("numbers/dist", "numbers/d"), ("numbers.h5",)),
            ("a chunk said to be uncompressed", skip_filters, ("numbers.h5",)),
        )
    ),
    Case("products changed by hand", "new checksums given to it", resealed, outcome="taken"),
    Case("products changed by hand", "copied", copied, outcome="taken"),
    Case(
        "products changed by hand",
        "a sixth of a column filled",
        by_hand(replaced("numbers/dist", half_filled), True),
        ("12 pieces", "2 are there"),
    ),
    Case("other products", "of an older galcen", older, ("format version 2", "make it again")),
    Case(
        "other products",
        "a posterior where stars belong",
        posterior_for_stars,
        ("holds posterior, expected observed",),
    ),
    *(
        Case("products that lead elsewhere", name, by_hand(replaced("numbers/dist", item), True), says)
        for name, item, says in HOSTILE
    ),
    *(
        Case("problem files that lead elsewhere", name, problem(replaced("exposures/t_yr", item)), says)
        for name, item, says in HOSTILE
    ),
    Case(
        "problem files that lead elsewhere",
        "a link to another file in a part that is not read",
        problem(lambda f: external_link(f["sources"], "more")),
        ("another file", "sources/more"),
    ),
    Case(
        "problem files that lead elsewhere",
        "an attribute without a value",
        problem(lambda f: f.attrs.__setitem__("F_um", h5py.Empty("f8"))),
        ("F_um",),
    ),
    Case(
        "problem files that lead elsewhere", "notes, and links within the file", with_notes, outcome="taken"
    ),
    Case(
        "files that cannot be read", "open for writing elsewhere", locked, ("another program", "not damaged")
    ),
    Case(
        "files that cannot be read", "too many open files", without_descriptors, ("open files", "not damaged")
    ),
    Case(UNREADABLE, "a pipe", of_another_kind, ("no HDF5 file", "pipe")),
    Case(UNREADABLE, "a link to itself", linked_to_itself, ("numbers.h5", "cannot be read")),
    Case("files that cannot be read", "a folder", named("."), ("but a folder",)),
    Case(
        "files that cannot be read",
        "none",
        named("x.h5"),
        ("no such file",),
    ),
    *(
        Case(
            "outputs", f"another run is writing it, {name}", written_by_another(write), ("is being written",)
        )
        for name, write in (("a product", make), ("a page", lambda p: write_text(p, "x")), ("tiles", scratch))
    ),
    Case("outputs", "files that a killed run left", after_a_kill(make, False), outcome="taken"),
    Case("outputs", "folders that a killed run left", after_a_kill(make, True), outcome="taken"),
    Case("outputs", "a folder has its name", onto_folder, ("taken: cannot be written",)),
    Case("outputs", "below a file", below_file, ("cannot be written",)),
    Case(
        "outputs", "a name of 250 letters", lambda folder: write_text(folder / ("x" * 250), ""), ("too long",)
    ),
    Case("outputs", "a disc that is full halfway", failing_halfway, ("cannot be written", "No space left")),
]

test_file = table_test(CASES)
