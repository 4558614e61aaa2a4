"""`snakemake --lint` with the findings that are not needed here, each with its reason.

Also the shell commands of all rules, see `shell_commands`. Lists what is left and fails if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

from shell_commands import commands, faults

NEEDLESS = {
    "Mixed rules and functions in same snakefile": "common.smk holds no rules",
    "Environment variable PATH used": "every process has a PATH",
    "Path composition with '+'": "none is composed",
    "Absolute path": "the linter takes text such as units for paths",
    "Param options is a prefix of input or output file but hardcoded": "JSON text, not a path",
    "Param folder is a prefix of input or output file but hardcoded": "a folder of declared outputs",
}


def main() -> int:
    """Run the linter and print what is not listed above."""
    snakemake = Path(sys.executable).parent / "snakemake"
    done = subprocess.run([snakemake, "--lint"], capture_output=True, text=True, check=False)
    findings = re.findall(r"^\s+\* (.+?):\n", done.stdout + done.stderr, flags=re.MULTILINE)
    left = [f for f in findings if not any(f.startswith(known) for known in NEEDLESS)]
    sys.stdout.write(f"snakemake --lint: {len(findings)} findings, {len(left)} of them needed\n")
    sys.stdout.writelines(f"  {finding}\n" for finding in left)
    unsafe = [
        f"{path}: rule {command.rule}: {fault}"
        for path in [Path("Snakefile"), *sorted(Path("workflow").rglob("*.smk"))]
        for command in commands(path)
        for fault in faults(command.text)
    ]
    sys.stdout.write(f"shell commands: {len(unsafe)} faults\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in unsafe)
    return 1 if left or unsafe else 0


if __name__ == "__main__":
    sys.exit(main())
