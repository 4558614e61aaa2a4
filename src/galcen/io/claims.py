"""Outputs that appear whole or not at all, and that two runs never write at once.

While `NAME` is being written, two hidden files lie beside it: `.NAME.galcen-part`, which is renamed to `NAME`
in the end, and `.NAME.galcen-lock`, which its writer holds locked (`flock`) and which names host and process.
The kernel frees the lock of a process that dies, however it dies; so whoever gets the lock of an output knows
that its writer is dead, and removes what that left. Every run looks through the folders that it writes to for
such remains. On file systems without locks, or with locks that other hosts do not see, the name of host and
process decides, and a writer on another host counts as alive.
"""

import fcntl
import functools
import inspect
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from galcen.errors import SchemaError

P = ParamSpec("P")
R = TypeVar("R")

LOCK, PART = ".galcen-lock", ".galcen-part"

MOUNTS = Path("/proc/self/mounts")

LOCAL_LOCKS = {"nolock", "localflock", "local_lock=flock", "local_lock=all"}
"""Options of mounts of NFS and Lustre whose locks other hosts do not see."""

_held: set[Path] = set()
"""Outputs that this process is writing."""

_swept: set[Path] = set()
"""Folders that this process has looked through."""

log = logging.getLogger(__name__)


class Owner(NamedTuple):
    """A process that writes, as its lock file names it."""

    host: str
    process: int
    start: str
    """When the process began, in the kernel's count: numbers of processes are used again."""

    @classmethod
    def this_process(cls) -> "Owner":
        """Who is running this."""
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()) or "")

    @classmethod
    def of(cls, descriptor: int) -> "Owner | None":
        """The owner that an open lock file names; None where it names none."""
        words = os.pread(descriptor, 1000, 0).decode(errors="replace").split("\n")
        if len(words) < 3 or not words[1].isdigit():
            return None
        return cls(words[0], int(words[1]), words[2])

    def is_dead(self) -> bool:
        """Whether the process is surely gone; one of another host never is."""
        if self.host != socket.gethostname():
            return False
        return _start_of(self.process) != (self.start or None)

    def __str__(self) -> str:
        """For messages."""
        return f"process {self.process} on {self.host}"


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the lock of an output; within the block this process may claim it again.

    Raises
    ------
    SchemaError
        Another run is writing it, or its folder cannot be written to.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        key = path.parent.resolve() / path.name
        is_held = key in _held
        if not is_held:
            _sweep(key.parent)
            descriptor = _acquire(key, path)
            _held.add(key)
    except OSError as error:
        raise SchemaError(f"{path}: cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        if not is_held:
            _held.discard(key)
            _release(key, descriptor)
            _remove_empty(missing)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that were made for an output that then was not written, the deepest first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # something is in it
            return


def claiming(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that holds the locks of its outputs for as long as it runs; `names` are its arguments.

    So a second run on the same output is refused at once, not when the first has its result.
    """

    def decorate(run: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(run)

        @functools.wraps(run)
        def claimed_run(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs).arguments
            with ExitStack() as stack:
                for name in names:
                    stack.enter_context(claimed(given[name]))
                return run(*args, **kwargs)

        return claimed_run

    return decorate


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A file of another name beside `path`, renamed to it only if the block succeeds.

    It is not forced to the disc (`fsync`): what a machine loses when it loses its power, the reader finds.

    Raises
    ------
    SchemaError
        The file cannot be written (no permission, a full disc), or another run is writing it.
    """
    with claimed(path):
        temporary = _beside(path, PART)
        try:
            # The kernel takes the mask of the user off these permissions.
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise SchemaError(f"{path}: cannot be written: {error}") from error
        finally:
            _remove(temporary)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside the output `path`, which it is for; removed when the block ends.

    Raises
    ------
    SchemaError
        It cannot be made, or another run is writing the output.
    """
    with claimed(path):
        folder = _beside(path, PART)
        try:
            folder.mkdir()
        except OSError as error:
            raise SchemaError(f"{path}: cannot be written: {error}") from error
        try:
            yield folder
        finally:
            _remove(folder)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}{ending}")


def _acquire(path: Path, named: Path) -> int:
    """Descriptor of the locked lock file of an output; `named` is how the user calls it."""
    lock = _beside(path, LOCK)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _is_free(descriptor, path.parent):
                raise SchemaError(
                    f"{named}: is being written by another run of galcen "
                    f"({Owner.of(descriptor) or 'which has just begun'}); wait until that has ended, or stop "
                    f"it; if there is surely no such process any more, remove {lock}"
                )
            if _is_still(descriptor, lock):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, "\n".join(map(str, [*Owner.this_process(), ""])).encode(), 0)
                _remove(_beside(path, PART))
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _release(path: Path, descriptor: int) -> None:
    # Removed while it is locked: who waits for this file sees that it is no longer that of the name.
    _beside(path, LOCK).unlink(missing_ok=True)
    os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what dead processes left in a folder; once for each folder and process."""
    if folder in _swept:
        return
    _swept.add(folder)
    for lock in folder.glob(f".*{LOCK}"):
        try:
            _remove_remains(lock)
        except OSError as error:
            log.warning("%s: left by another run, cannot be removed: %s", lock, error.strerror)


def _remove_remains(lock: Path) -> None:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # its owner has just ended
        return
    try:
        if _is_free(descriptor, lock.parent) and _is_still(descriptor, lock):
            part = lock.with_name(lock.name.removesuffix(LOCK) + PART)
            if part.exists():
                log.info("%s: removed, left by a run that was killed", part)
            _remove(part)
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_free(descriptor: int, folder: Path) -> bool:
    """Whether a lock file is locked by nobody alive; it then is by this process, where there are locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        are_seen = False
    else:
        are_seen = not LOCAL_LOCKS & _mount_options(folder)
    owner = None if are_seen else Owner.of(descriptor)
    return owner is None or owner.is_dead()


def _is_still(descriptor: int, lock: Path) -> bool:
    """Whether an open lock file still has its name, which its owner removes in the end."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


def _mount_options(folder: Path) -> set[str]:
    """Options of the mount that a folder lies on; none where the system does not tell."""
    try:
        rows = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return set()
    found = [(len(row[1]), row[3]) for row in rows if folder.is_relative_to(row[1])]
    return set(max(found)[1].split(",")) if found else set()


def _start_of(process: int) -> str | None:
    """When a process of this machine began; None for one that is not there."""
    try:
        # The name of the command, in brackets, may hold blanks.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
