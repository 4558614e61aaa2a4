"""Checksums of every byte of a file, at its end: whatever is damaged is refused before it is believed.

A sealed file is an HDF5 file with a record behind it, which HDF5 does not look at: eight bytes of sha256 of
each block of 32 KiB, and a foot with the length of the file and the sha256 of the record itself. A reader
checks the blocks that it touches, so a part of a large file is read without the rest, and HDF5 never sees a
damaged byte: data, attributes, shapes and masks of filters are all covered alike.
"""

import errno
import fcntl
import hashlib
import io
import os
import stat
import struct
import sys
from pathlib import Path

from typing_extensions import Buffer

from galcen.errors import SchemaError

BLOCK = 1 << 15
"""Bytes that have one checksum."""

DIGEST = 8
"""Bytes of a checksum."""

MAGIC = b"galcen seal v1\n\n"
FOOT = struct.Struct("<QQ32s16s")
"""Length of the file without the record, length of a block, sha256 of the record, `MAGIC`."""

KEPT_BLOCKS = 64
"""Blocks that stay in memory: HDF5 reads its metadata in many small pieces."""


def digests(content: Buffer) -> bytes:
    """Checksums of consecutive blocks; the last one may be short."""
    view = memoryview(content)
    return b"".join(
        hashlib.sha256(view[start : start + BLOCK]).digest()[:DIGEST] for start in range(0, len(view), BLOCK)
    )


def append_seal(descriptor: int) -> None:
    """Write the checksums of a file behind it.

    Parameters
    ----------
    descriptor
        Of the file, open for reading and writing.
    """
    n_byte = os.fstat(descriptor).st_size
    found = bytearray()
    for start in range(0, n_byte, 64 * BLOCK):
        found += digests(_read(descriptor, start, min(64 * BLOCK, n_byte - start)))
    record = bytes(found) + FOOT.pack(n_byte, BLOCK, _of_record(found, n_byte, BLOCK), MAGIC)
    done = 0
    while done < len(record):
        done += os.pwrite(descriptor, record[done:], n_byte + done)


def seal(path: Path) -> None:
    """Give a file new checksums, in place of those it has: for those who change a product on purpose."""
    with path.open("r+b") as stream:
        foot = _foot(stream.fileno())
        if foot is not None:
            stream.truncate(foot[0])
        append_seal(stream.fileno())


class Damage(Exception):
    """Says which bytes are not what was written."""


class SealedFile(io.RawIOBase):
    """A file to read, whose blocks are checked as they are read; without a seal it is read as it is.

    `failure` is what went wrong first; it stays, since HDF5 may pass over an error of its file.

    Parameters
    ----------
    path
        The file.
    missing
        What to do where there is none, for the message.
    is_checked
        False: the seal is not looked at.

    Raises
    ------
    SchemaError
        The file is missing, no file, not to be read, or open for writing in another program.
    """

    def __init__(self, path: Path, missing: str, is_checked: bool = True) -> None:
        super().__init__()
        self.path = path
        self.failure: BaseException | None = None
        self._place = 0
        self._kept: dict[int, bytes] = {}
        self.is_sealed = False
        """Whether the file has checksums."""
        self._digests = b""
        self._descriptor = _open(path, missing)
        try:
            _share(self._descriptor, path)
            self._size = os.fstat(self._descriptor).st_size
            if is_checked:
                self._load()
        except OSError as error:
            self.close()
            raise SchemaError(f"{path}: {_unreadable(error)}") from None
        except BaseException:
            self.close()
            raise

    def explain(self) -> SchemaError | None:
        """What went wrong, in words for the user; None where nothing did.

        Raises
        ------
        BaseException
            It was no fault of the file, such as a signal that arrived as it was read.
        """
        if self.failure is None:
            return None
        if isinstance(self.failure, Damage):
            return SchemaError(f"{self.path}: damaged, {self.failure}; delete it and make it again")
        if isinstance(self.failure, OSError):
            return SchemaError(f"{self.path}: {_unreadable(self.failure)}")
        raise self.failure

    def close(self) -> None:
        """Close the file; again is harmless."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def readable(self) -> bool:
        """As every file to read."""
        return True

    def seekable(self) -> bool:
        """HDF5 jumps."""
        return True

    def tell(self) -> int:
        """Place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; the end is that of the HDF5 file, the record behind it is not seen."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer with checked bytes.

        Raises
        ------
        OSError
            They are damaged or cannot be read; again at every later call.
        """
        view = memoryview(buffer).cast("B")
        try:
            if self.failure is None and len(view):
                self._fill(view)
        except EOFError as error:
            raise OSError(str(error)) from None
        except BaseException as error:
            # A signal may arrive here, too, and HDF5 would take its exception for one of its own.
            self.failure = error.with_traceback(None)
        if self.failure is not None:
            raise OSError(str(self.failure))
        self._place += len(view)
        return len(view)

    def _fill(self, view: memoryview) -> None:
        start, stop = self._place, self._place + len(view)
        if stop > self._size:
            error = Damage if self.is_sealed else EOFError
            raise error(f"bytes {start} to {stop} are wanted, but it ends at {self._size}")
        if not self.is_sealed:
            view[:] = _read(self._descriptor, start, len(view))
            return
        first, last = start // BLOCK, -(-stop // BLOCK)
        missing = [number for number in range(first, last) if number not in self._kept]
        fresh = self._checked(missing[0], missing[-1] + 1) if missing else {}
        for number in range(first, last):
            block = fresh[number] if number in fresh else self._kept[number]
            low, high = max(start, number * BLOCK), min(stop, (number + 1) * BLOCK)
            view[low - start : high - start] = block[low - number * BLOCK : high - number * BLOCK]
        # Those in the middle were wanted whole, for data that are not read again.
        self._kept |= {number: bytes(fresh[number]) for number in (first, last - 1) if number in fresh}
        while len(self._kept) > KEPT_BLOCKS:
            del self._kept[next(iter(self._kept))]

    def _checked(self, first: int, last: int) -> dict[int, memoryview]:
        """Consecutive blocks by number, read and checked."""
        start = first * BLOCK
        content = memoryview(_read(self._descriptor, start, min(last * BLOCK, self._size) - start))
        blocks = {}
        for number in range(first, last):
            block = content[(number - first) * BLOCK : (number + 1 - first) * BLOCK]
            if digests(block) != self._digests[number * DIGEST : (number + 1) * DIGEST]:
                last_byte = number * BLOCK + len(block) - 1
                raise Damage(f"the checksum of bytes {number * BLOCK} to {last_byte} differs")
            blocks[number] = block
        return blocks

    def _load(self) -> None:
        """Read the record, if there is one."""
        foot = _foot(self._descriptor)
        if foot is None:
            return
        n_byte, block, expected = foot
        n_digest = -(-n_byte // BLOCK) * DIGEST
        if block != BLOCK or n_byte + n_digest + FOOT.size != self._size:
            raise SchemaError(
                f"{self.path}: damaged, its record of checksums does not fit it; delete it and make it again"
            )
        found = _read(self._descriptor, n_byte, n_digest)
        if _of_record(found, n_byte, block) != expected:
            raise SchemaError(
                f"{self.path}: damaged, its record of checksums has a wrong checksum itself; delete it and "
                "make it again"
            )
        self._digests, self._size, self.is_sealed = found, n_byte, True


def _open(path: Path, missing: str) -> int:
    """Descriptor of a file to read; `missing` is what to do where there is none."""
    try:
        # Without O_NONBLOCK a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise SchemaError(f"{path}: no such file; {missing}") from None
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path}: {_unreadable(error)}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise SchemaError(
            f"{path}: no HDF5 file, but a {'folder' if stat.S_ISDIR(mode) else 'device or pipe'}"
        )
    return descriptor


def _share(descriptor: int, path: Path) -> None:
    """Take the lock that programs with HDF5 hold while they write; refuse a file that one of them writes."""
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SchemaError(
            f"{path}: is open for writing in another program; close it there, or wait; it is not damaged"
        ) from None
    except OSError:  # a file system without locks
        pass


def _unreadable(error: Exception) -> str:
    """Why a file cannot be read, and what to do, when that says nothing of its content."""
    number = getattr(error, "errno", None)
    what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    if number in (errno.EACCES, errno.EPERM):
        return f"{what}; ask its owner for the permission"
    if number in (errno.EMFILE, errno.ENFILE):
        return f"{what}; raise the limit of open files (ulimit -n), the file is not damaged"
    if number in (errno.ENAMETOOLONG, errno.ELOOP) or number is None:
        return f"{what}; give another path"
    return f"{what}; the disc or the network failed and the file may be whole: try again before it is deleted"


def _read(descriptor: int, start: int, n_byte: int) -> bytes:
    """So many bytes; those at the end of the file are missing only where it has become shorter."""
    parts = []
    while n_byte:
        part = os.pread(descriptor, n_byte, start)
        if not part:
            raise Damage(f"it ends at byte {start}: it was cut while it was read")
        parts.append(part)
        start, n_byte = start + len(part), n_byte - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _foot(descriptor: int) -> tuple[int, int, bytes] | None:
    """Length of the content, length of a block and sha256 of the record; None for a file without a record."""
    n_byte = os.fstat(descriptor).st_size
    if n_byte < FOOT.size:
        return None
    length, block, digest, magic = FOOT.unpack(_read(descriptor, n_byte - FOOT.size, FOOT.size))
    return (length, block, digest) if magic == MAGIC else None


def _of_record(found: bytes | bytearray, n_byte: int, block: int) -> bytes:
    return hashlib.sha256(bytes(found) + struct.pack("<QQ", n_byte, block) + MAGIC).digest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        seal(Path(name))
