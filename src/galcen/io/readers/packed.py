"""Bytes of users' files, compressed or not, with bounds on what a compressed one may become."""

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Buffer

from galcen.errors import SchemaError

MAX_RATIO = 100
"""A table shrinks to a tenth; only one made to fill the memory shrinks to a thousandth."""

RATIO_FROM = 1 << 26
"""Bytes below which no ratio is asked about: small tables of few values shrink well."""

MAX_WHOLE = 1 << 30
"""Largest file, once decompressed, of a format that is read as a whole [byte]."""

_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\x1f\x9d": "Z",
}


class _Unpacked(io.RawIOBase):
    """What a gzip file becomes, refused once it is out of proportion to the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = gzip.open(path, "rb")
        self._limit = max(RATIO_FROM, MAX_RATIO * path.stat().st_size)
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            part = self._stream.read(len(view))
        except (EOFError, OSError, zlib.error) as error:
            raise SchemaError(
                f"{self._path}: the gzip file is damaged or truncated ({error}); fetch it again"
            ) from None
        self._count += len(part)
        if self._count > self._limit:
            raise SchemaError(
                f"{self._path}: becomes more than {MAX_RATIO} times as large when it is decompressed, as no "
                "table does; if it is one, unpack it yourself and give the unpacked file"
            )
        view[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed by gzip, whatever its name.

    Raises
    ------
    SchemaError
        It is compressed by another program.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise SchemaError(f"{path}: compressed by {name}, expected gzip or nothing; unpack it first")
    return head.startswith(b"\x1f\x8b")


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed by gzip where it is compressed."""
    if is_gzip(path):
        return io.BufferedReader(_Unpacked(path), 1 << 16)
    return path.open("rb")


def read_whole(path: Path, advice: str = "convert it to Parquet or FITS") -> bytes:
    """All bytes of a file of a format that cannot be read in parts.

    Raises
    ------
    SchemaError
        There are more than `MAX_WHOLE`.
    """
    with open_bytes(path) as stream:
        content = stream.read(MAX_WHOLE + 1)
    if len(content) > MAX_WHOLE:
        raise SchemaError(
            f"{path}: has more than {MAX_WHOLE >> 20} MiB, and its format can only be read as a whole; "
            f"{advice}"
        )
    return content
