"""Invert single bytes of the products of a finished run, and see that none of it is read in silence.

Each flip inverts one byte of a copy of a product, which is then read whole by galcen's own readers. It is
refused (one line of galcen's), harmless (what is read is the same), or one of what must not be: silent (other
content without an error), a foreign error, or a reader that does not come back. A third of the flips may hit
any byte, a third the first 8 KiB, where HDF5 keeps its own numbers, and a third the record of checksums.

    python benchmarks/bit_rot.py results/tiny results/survey --flips 2000 --write docs/faults.md
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from galcen.errors import GalcenError
from galcen.io.hdf5 import open_product, read_array
from galcen.io.hdf5_guard import attribute
from galcen.io.sealed_file import BLOCK, DIGEST, FOOT
from measured import machine, replace_part

OUTCOMES = ("refused", "harmless", "silent", "foreign error", "no return")

PATIENCE = 60
"""Seconds after which a reader is said not to come back."""

HEAD = 8192
"""Bytes of a third of the flips."""


class Product(NamedTuple):
    """A file to be damaged."""

    path: Path
    kind: str


def read_whole(path: Path, kind: str) -> dict[str, Any]:
    """Everything in a product: bytes, type and shape of every array, and every attribute."""
    found: dict[str, Any] = {}

    def keep(item: h5py.Group | h5py.Dataset) -> None:
        for name in item.attrs:
            value = attribute(item, name)
            found[f"{item.name}@{name}"] = repr(value.tolist() if isinstance(value, np.ndarray) else value)
        if isinstance(item, h5py.Dataset):
            values = read_array(item.parent, item.name.rpartition("/")[2])
            found[item.name] = str(values.dtype), values.shape, values.tobytes()
            return
        for name in item:
            keep(item[name])

    with open_product(path, kind) as file:
        keep(file["/"])
    return found


def products_in(folders: list[Path]) -> list[Product]:
    """All products in some folders."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.h5")):
        if not path.name.startswith("."):
            with h5py.File(path) as file:
                found.append(Product(path, str(file.attrs["product"])))
    return found


def place_of_flip(n_byte: int, chance: random.Random) -> int:
    """A byte: one of all, of the first ones, or of the record of checksums at the end."""
    n_record = FOOT.size + DIGEST * -(-n_byte // BLOCK)
    first, last = chance.choice([(0, n_byte), (0, min(HEAD, n_byte)), (n_byte - n_record, n_byte)])
    return chance.randrange(max(first, 0), last)


def outcome_of(path: Path, kind: str, expected: dict[str, Any]) -> tuple[str, str]:
    """What a reader makes of a file, and its message."""
    try:
        with _in_time():
            found = read_whole(path, kind)
    except GalcenError as error:
        return ("foreign error" if "\n" in str(error) else "refused"), str(error)
    except TimeoutError:
        return "no return", f"more than {PATIENCE} s"
    except Exception as error:
        return "foreign error", f"{type(error).__name__}: {error}"
    return ("harmless" if found == expected else "silent"), ""


def flip_and_read(
    products: list[Product], n_flip: int, chance: random.Random
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Outcomes by kind of product, and a line for each that must not be; kinds take turns."""
    kinds: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        kinds[product.kind].append(product)
    counts, bad = {kind: Counter() for kind in kinds}, []
    expected: dict[Path, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "product.h5"
        for number in range(n_flip):
            kind = list(kinds)[number % len(kinds)]
            source = chance.choice(kinds[kind]).path
            if source not in expected:
                expected[source] = read_whole(source, kind)
            content = bytearray(source.read_bytes())
            place = place_of_flip(len(content), chance)
            content[place] ^= 0xFF
            copy.write_bytes(content)
            outcome, message = outcome_of(copy, kind, expected[source])
            counts[kind][outcome] += 1
            if outcome not in OUTCOMES[:2]:
                bad.append(f"{source}, byte {place}: {outcome} {message}")
    return counts, bad


@contextmanager
def _in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    """Flip, count, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="folders with products")
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    asked = parser.parse_args()
    products = products_in(asked.results)
    begin = time.perf_counter()
    counts, bad = flip_and_read(products, asked.flips, random.Random(asked.seed))
    seconds = time.perf_counter() - begin
    head = ["| product | flips |" + "".join(f" {name} |" for name in OUTCOMES), "|---|" + "---|" * 6]
    rows = [
        f"| {kind} | {sum(count.values())} |" + "".join(f" {count[name]} |" for name in OUTCOMES)
        for kind, count in sorted({**counts, "all": sum(counts.values(), Counter())}.items())
    ]
    told = f"{asked.flips} flips over {len(products)} files, seed {asked.seed}, {seconds:.0f} s; {machine()}."
    text = "\n".join([told, "", *head, *rows])
    sys.stdout.write("\n".join([text, *bad]) + "\n")
    if asked.write:
        replace_part(asked.write, "bit rot", text)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
