"""HDF5 products appear whole or not at all, and are refused when damaged, foreign or older."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from edited import edited
from galcen.errors import SchemaError
from galcen.io.hdf5 import CHUNK_ROWS, create, open_product, read_table, write_table
from galcen.io.schema import FORMAT_VERSION, OBSERVED, Column, Table

TABLE = Table(
    "numbers",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "identifier"),
        Column("dist", "f8", "pc", "pos.distance", "distance"),
        Column("comp", "i1", "", "meta.code.class", "component"),
        Column("flags", "i4", "", "meta.code.qual", "bit field"),
    ),
)


def rows(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    dist = rng.uniform(0, 2e4, n)
    dist[::3] = np.nan
    return {
        "source_id": 2**53 - 1 - np.arange(n),
        "dist": dist,
        "comp": rng.integers(-1, 12, n).astype(np.int8),
        "flags": rng.integers(0, 2**31 - 1, n).astype(np.int32),
    }


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.h5"
    write_table(path, TABLE, rows(20000), {"stage": "test"})
    return path


def leftovers(path: Path) -> list[str]:
    """Everything beside a file, hidden files included."""
    return sorted(other.name for other in path.parent.iterdir() if other != path)


@pytest.mark.parametrize("n", [0, 1, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_a_table_survives_the_file(tmp_path, n):
    """To the last bit and type, NaN and identifiers near 2^53 included; also an empty one."""
    path = tmp_path / "deep" / "folder" / "numbers.h5"
    write_table(path, TABLE, rows(n), {})
    got = read_table(path, TABLE)
    for column in TABLE.columns:
        assert got[column.name].dtype == np.dtype(column.dtype)
        np.testing.assert_array_equal(got[column.name], rows(n)[column.name])
    assert leftovers(path) == []


def test_the_same_table_gives_the_same_bytes(tmp_path, product):
    """Neither time nor a temporary name gets into the file."""
    again = tmp_path / "again.h5"
    write_table(again, TABLE, rows(20000), {"stage": "test"})
    assert again.read_bytes() == product.read_bytes()


def test_every_column_carries_its_meaning(product):
    """Unit, UCD and description stand in the file, the version and product at its root."""
    with h5py.File(product) as file:
        assert dict(file.attrs) == {
            "format": "galcen",
            "format_version": FORMAT_VERSION,
            "product": "numbers",
            "stage": "test",
        }
        for column in TABLE.columns:
            attributes = dict(file["numbers"][column.name].attrs)
            assert attributes == {
                "unit": column.unit,
                "ucd": column.ucd,
                "description": column.description,
            }


def test_a_product_can_be_read_by_others(product):
    """The mask of the folder's users applies, not the privacy of temporary files."""
    assert product.stat().st_mode & 0o777 == 0o644


def test_a_failing_block_leaves_nothing_behind(tmp_path):
    path = tmp_path / "numbers.h5"
    with pytest.raises(ZeroDivisionError), create(path, "numbers", {}) as file:
        file["half"] = np.arange(1000)
        raise ZeroDivisionError
    assert not path.exists()
    assert leftovers(path) == []


def test_a_failing_block_keeps_the_earlier_file(product):
    before = product.read_bytes()
    with pytest.raises(ZeroDivisionError), create(product, "numbers", {}) as file:
        file["half"] = np.arange(1000)
        raise ZeroDivisionError
    assert product.read_bytes() == before
    assert leftovers(product) == []


def test_the_file_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "numbers.h5"
    with create(path, "numbers", {}) as file:
        file["whole"] = np.arange(1000)
        file.flush()
        assert not path.exists()
    assert path.exists()


FULL_DISC = """
import resource, sys
from pathlib import Path
import numpy as np
from galcen.errors import SchemaError
from galcen.io.hdf5 import write_table
from galcen.io.schema import Column, Table

table = Table("numbers", (Column("dist", "f8", "pc", "pos.distance", "distance"),))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    write_table(Path(sys.argv[1]), table, {"dist": np.random.default_rng(7).uniform(size=100_000)}, {})
except SchemaError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_full_disc_is_one_error_and_leaves_nothing_behind(product):
    """A limit on the size of files stands for the disc; in a process of its own, lest it crash ours."""
    before = product.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISC, str(product)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"refused: {product}: cannot be written" in done.stderr
    assert product.read_bytes() == before
    assert leftovers(product) == []


@pytest.mark.parametrize("part", [0.0, 1e-4, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_refused(product, part):
    content = product.read_bytes()
    product.write_bytes(content[: int(part * len(content))])
    with pytest.raises(
        SchemaError,
        match=r"numbers\.h5: (no HDF5 file, or a truncated one|has no checksums: it is truncated)",
    ) as caught:
        read_table(product, TABLE)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_without_rows_is_refused(tmp_path):
    """By any number of bytes."""
    path = tmp_path / "numbers.h5"
    write_table(path, TABLE, rows(0), {})
    content = path.read_bytes()
    for lost in range(1, len(content), 97):
        path.write_bytes(content[:-lost])
        with pytest.raises(SchemaError, match="truncated"):
            read_table(path, TABLE)


@pytest.mark.parametrize("column", [column.name for column in TABLE.columns])
def test_a_damaged_chunk_is_refused(product, column):
    """The message names the file and the bytes."""
    with h5py.File(product) as file:
        chunk = file["numbers"][column].id.get_chunk_info(0)
    content = bytearray(product.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    product.write_bytes(content)
    with pytest.raises(
        SchemaError, match=r"numbers\.h5: .*the checksum of bytes \d+ to \d+ differs"
    ) as caught:
        read_table(product, TABLE)
    first, last = map(int, re.search(r"bytes (\d+) to (\d+)", str(caught.value)).groups())
    assert first <= middle + 7
    assert last >= middle


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("nowhere.h5", None, "no such file"), ("text.h5", b"source_id,dist\n", "no HDF5 file")],
)
def test_what_is_no_hdf5_file_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SchemaError, match=f"{name}: {words}"):
        read_table(tmp_path / name, TABLE)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="no HDF5 file"):
        read_table(tmp_path, TABLE)


def test_another_product_is_refused_by_name(product):
    with pytest.raises(SchemaError, match=r"numbers\.h5: holds numbers, expected observed"):
        read_table(product, OBSERVED)


def test_a_foreign_hdf5_file_is_refused(tmp_path):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["numbers/dist"] = np.arange(3.0)
    with pytest.raises(SchemaError, match=r"foreign\.h5: holds no galcen product, expected numbers"):
        read_table(path, TABLE)


@pytest.mark.parametrize("version", [FORMAT_VERSION - 1, FORMAT_VERSION + 1])
def test_another_format_version_is_refused(product, version):
    """Older and newer, with both versions and what to do."""
    with edited(product) as file:
        file.attrs["format_version"] = version
    expected = f"format version {version}, this galcen reads {FORMAT_VERSION}; make it again"
    with pytest.raises(SchemaError, match=expected), open_product(product, "numbers"):
        pass


def test_a_missing_table_or_column_is_named(product):
    with edited(product) as file:
        del file["numbers"]["dist"]
    with pytest.raises(SchemaError, match=r"numbers\.h5: table numbers has no column dist"):
        read_table(product, TABLE)
    with edited(product) as file:
        del file["numbers"]
    with pytest.raises(SchemaError, match=r"numbers\.h5: no table numbers"):
        read_table(product, TABLE)


def test_a_column_of_another_length_is_named(product):
    with edited(product) as file:
        del file["numbers"]["dist"]
        file["numbers"]["dist"] = np.zeros(19999)
    with pytest.raises(SchemaError, match="column dist has 19999 rows, expected 20000"):
        read_table(product, TABLE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda columns: columns.pop("dist"), "differ from the schema.*dist"),
        (lambda columns: columns.update(extra=np.zeros(5)), "differ from the schema.*extra"),
        (lambda columns: columns.update(dist=np.zeros(4)), r"column dist has shape \(4,\), expected \(5,\)"),
        (lambda columns: columns.update(dist=np.zeros((5, 2))), r"column dist has shape \(5, 2\)"),
    ],
)
def test_columns_that_the_schema_does_not_declare_are_not_written(tmp_path, change, words):
    path = tmp_path / "numbers.h5"
    columns = rows(5)
    change(columns)
    with pytest.raises(SchemaError, match=words):
        write_table(path, TABLE, columns, {})
    assert not path.exists()
    assert leftovers(path) == []


def test_an_identifier_held_as_float_is_not_written(tmp_path):
    """It may have lost digits already; numpy's message names the two types."""
    path = tmp_path / "numbers.h5"
    with pytest.raises(TypeError, match=r"float64.*int64"):
        write_table(path, TABLE, {**rows(5), "source_id": np.arange(5.0)}, {})
    assert leftovers(path) == []
