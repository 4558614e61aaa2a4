"""Checksums of all bytes: nothing that is damaged is read in silence, and parts are read without the rest."""

import random
import subprocess
import sys

import h5py
import numpy as np
import pytest

from bit_rot import Product, flip_and_read, read_whole
from edited import edited
from galcen.errors import SchemaError
from galcen.io import sealed_file
from galcen.io.hdf5 import create, open_hdf5, open_product, read_array, write_array
from galcen.io.sealed_file import BLOCK, DIGEST, FOOT, SealedFile, seal


def write(path, n=60_000):
    """A product with all that products hold: packed, flat, empty and single values, texts, attributes."""
    rng = np.random.default_rng(1)
    with create(path, "mixed", {"stage": "test", "seed": "1"}) as file:
        write_array(file, "noise", rng.uniform(size=n))
        write_array(file, "zeros", np.zeros(n, dtype=np.int8))
        write_array(file, "empty", np.empty((0, 3)))
        file["flat"] = rng.uniform(size=500)
        file["one"] = 3.0
        file["is_true"] = np.array([True, False])
        file["names"] = np.array(["a", "bc"], dtype="S16")
        group = file.create_group("group")
        group.attrs["unit"], group.attrs["b"] = "mas", np.array([1.0, 2.0, 3.0])
        write_array(group, "few", np.arange(3))
    return path


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return write(tmp_path_factory.mktemp("product") / "mixed.h5")


def test_no_flip_is_silent(product):
    """400 bytes inverted, one at a time: data, attributes, HDF5's own, checksums."""
    counts, bad = flip_and_read([Product(product, "mixed")], 400, random.Random(2))
    assert bad == []
    assert counts["mixed"]["refused"] == 400


def test_the_command_would_see_a_silent_flip(tmp_path):
    """In a file that is sealed again after the damage, so that the checksums fit it."""
    path = write(tmp_path / "mixed.h5", n=100)
    expected = read_whole(path, "mixed")
    with edited(path) as file:
        file["flat"][7] += 1e-12
    found = read_whole(path, "mixed")
    assert [name for name in expected if found[name] != expected[name]] == ["/flat"]


def test_every_byte_of_a_small_product_counts(tmp_path):
    """Each of the file is in a block that is checked, the last and short one too."""
    path = write(tmp_path / "mixed.h5", n=10)
    content = path.read_bytes()
    expected = read_whole(path, "mixed")
    for place in range(0, len(content), 211):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(SchemaError, match=r"mixed\.h5: "):
            read_whole(path, "mixed")
    path.write_bytes(content)
    assert read_whole(path, "mixed") == expected


def test_a_part_is_read_without_the_rest(product, tmp_path):
    """Damage elsewhere does not matter to it."""
    path = tmp_path / "mixed.h5"
    content = bytearray(product.read_bytes())
    with h5py.File(product) as file:
        chunks = [file["noise"].id.get_chunk_info(k) for k in range(file["noise"].id.get_num_chunks())]
    content[chunks[-1].byte_offset + chunks[-1].size // 2] ^= 0xFF
    path.write_bytes(content)
    with h5py.File(product) as file, open_product(path, "mixed") as other:
        np.testing.assert_array_equal(other["noise"][:100], file["noise"][:100])
    with pytest.raises(SchemaError, match="the checksum of bytes"), open_product(path, "mixed") as other:
        read_array(other, "noise")


def test_an_error_that_is_passed_over_is_told_in_the_end(product, tmp_path):
    """Also where the block goes on after it."""
    path = tmp_path / "mixed.h5"
    content = bytearray(product.read_bytes())
    content[4 * BLOCK] ^= 0xFF
    path.write_bytes(content)
    reached = False
    with (
        pytest.raises(SchemaError, match=r"mixed\.h5: damaged, the checksum"),
        open_product(path, "mixed") as file,
    ):
        try:
            file["noise"][...]
        except OSError:
            reached = True
    assert reached


def test_plain_h5py_reads_a_sealed_file(product):
    """The checksums stand behind what HDF5 looks at; they take eight bytes for each 32 KiB."""
    with h5py.File(product) as file:
        n_byte = file.id.get_filesize()
        assert file["flat"].shape == (500,)
    record = product.stat().st_size - sealed_length(product)
    assert record == FOOT.size + DIGEST * -(-sealed_length(product) // BLOCK)
    assert n_byte >= sealed_length(product)


def sealed_length(path):
    """Bytes of the HDF5 file itself, by the record."""
    return FOOT.unpack(path.read_bytes()[-FOOT.size :])[0]


def test_a_file_changed_on_purpose_gets_new_checksums(product, tmp_path):
    """By the command that the error names; once more changes nothing."""
    path = tmp_path / "mixed.h5"
    path.write_bytes(product.read_bytes())
    with h5py.File(path, "r+") as file:
        file["flat"][3] = 5.0
        file["more"] = np.arange(5000)
    with pytest.raises(SchemaError, match=r"mixed\.h5: "):
        read_whole(path, "mixed")
    command = [sys.executable, "-m", sealed_file.__name__, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert read_whole(path, "mixed")["/more"][1] == (5000,)
    content = path.read_bytes()
    seal(path)
    assert path.read_bytes() == content


def test_a_file_of_others_is_read_without_checksums_and_checked_with_them(product, tmp_path):
    """A problem file may be made by anybody; an answer, which may be one, has checksums."""
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = np.arange(3)
    with open_hdf5(plain) as file:
        np.testing.assert_array_equal(read_array(file, "x"), np.arange(3))
    broken = tmp_path / "broken.h5"
    content = bytearray(product.read_bytes())
    content[5 * BLOCK] ^= 0xFF
    broken.write_bytes(content)
    with pytest.raises(SchemaError, match="the checksum of bytes"), open_hdf5(broken) as file:
        read_array(file, "noise")


def test_a_file_that_is_cut_while_it_is_read_is_refused(product, tmp_path):
    path = tmp_path / "mixed.h5"
    path.write_bytes(product.read_bytes())
    with (
        pytest.raises(SchemaError, match="it was cut while it was read"),
        open_product(path, "mixed") as file,
    ):
        path.write_bytes(product.read_bytes()[: 2 * BLOCK])
        read_array(file, "noise")


@pytest.mark.parametrize(
    ("number", "words"),
    [(5, "Input/output error; .* try again before it is deleted"), (116, "Stale file handle; .* try again")],
)
def test_an_error_of_the_disc_is_not_called_damage(product, monkeypatch, number, words):
    """EIO and ESTALE: the file may be whole."""
    with pytest.raises(SchemaError, match=words) as caught, open_product(product, "mixed") as file:
        monkeypatch.setattr(sealed_file, "_read", failing(number))
        read_array(file, "noise")
    assert "damaged" not in str(caught.value)
    assert "make it again" not in str(caught.value)


def failing(number):
    """Reading that fails with an error of the system."""

    def read(*_):
        raise OSError(number, {5: "Input/output error", 116: "Stale file handle"}[number])

    return read


def test_a_signal_as_the_file_is_read_ends_the_program(product, monkeypatch):
    """HDF5 would take it for an error of its own."""

    def read(*_):
        raise SystemExit(143)

    with pytest.raises(SystemExit), open_product(product, "mixed") as file:
        monkeypatch.setattr(sealed_file, "_read", read)
        read_array(file, "noise")


def test_a_process_that_met_damage_ends_in_order(product, tmp_path):
    """HDF5 frees what is left of it when Python has ended already."""
    for place in (9, 3000, 5 * BLOCK):
        content = bytearray(product.read_bytes())
        content[place] ^= 0xFF
        (tmp_path / "broken.h5").write_bytes(content)
        text = "from bit_rot import *; print(outcome_of(Path(sys.argv[1]), 'mixed', {})[0])"
        done = subprocess.run(
            [sys.executable, "-c", text, str(tmp_path / "broken.h5")],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")


def test_blocks_are_read_once_where_hdf5_reads_in_small_pieces(product, monkeypatch):
    """Those of its metadata stay in memory."""
    count = 0
    read = sealed_file._read

    def counted(*arguments):
        nonlocal count
        count += 1
        return read(*arguments)

    with SealedFile(product, "") as stream:
        monkeypatch.setattr(sealed_file, "_read", counted)
        piece = bytearray(100)
        for place in range(0, BLOCK, 1000):
            stream.seek(place)
            stream.readinto(piece)
            assert bytes(piece[:100]) == product.read_bytes()[place : place + 100][:100]
    assert count == 1
