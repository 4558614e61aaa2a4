"""What the commands that measure share: where and when, and a page whose tables they replace."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def machine() -> str:
    """Processor, memory, date and commit, for the line above a table."""
    rows = Path("/proc/cpuinfo").read_text().splitlines()
    names = [row.split(":")[1].strip() for row in rows if row.startswith("model name")]
    pages = int(Path("/proc/meminfo").read_text().split()[1])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    name = names[0] if names else platform.processor()
    return (
        f"{len(names)} cores of an {name}, {pages / 2**20:.0f} GiB; {datetime.now(UTC):%Y-%m-%d}; "
        f"commit {commit}"
    )


def replace_part(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- end of name -->`."""
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(first)
    _, _, after = rest.partition(last)
    page.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")
