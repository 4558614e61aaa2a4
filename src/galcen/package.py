"""What identifies the program itself: the digest of its sources and, in a clone, the commit.

Neither needs git: what a product says of the program must not depend on which commands a machine has.
"""

import functools
import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@functools.cache
def source_digest() -> str:
    """sha256 of all Python files of the package, with their names."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*.py")):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def git_commit() -> str:
    """Commit that the source tree was last set to; empty if the package lies in no source tree of its own.

    A package that was installed into a folder of somebody else's repository says nothing of theirs. Whether
    files were changed since is seen by `source_digest`.
    """
    root = FOLDER.parents[1]
    try:
        is_ours = FOLDER.parent.name == "src" and 'name = "galcen"' in (root / "pyproject.toml").read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    return commit_of(root) if is_ours else ""


def commit_of(root: Path) -> str:
    """Commit of the repository whose root this folder is; empty if it is none."""
    try:
        folder = root / ".git"
        if folder.is_file():
            # A working tree beside its repository: the file names the folder.
            folder = root / folder.read_text().removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return _hash(head)
        name = head.removeprefix("ref:").strip()
        shared = folder / "commondir"
        places = [folder, folder / shared.read_text().strip()] if shared.is_file() else [folder]
        for place in places:
            if (place / name).is_file():
                return _hash((place / name).read_text().strip())
        packed = (places[-1] / "packed-refs").read_text().splitlines()
        return next((_hash(line.split()[0]) for line in packed if line.endswith(f" {name}")), "")
    except (OSError, UnicodeDecodeError):
        return ""


def _hash(text: str) -> str:
    return text if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else ""
