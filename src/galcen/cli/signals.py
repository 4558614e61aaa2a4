"""What happens to a command that is told to stop."""

import os
import signal
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGHUP)
"""Sent by batch systems at the end of the time of a job, and by a terminal that is closed."""


def clean_up_when_stopped() -> None:
    """Make a signal to stop an exit like any other: what is half written is removed.

    The exit code is 128 plus the number of the signal, as of a process without a handler in a shell. A signal
    that is ignored already, as under nohup, stays so.
    """
    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _: FrameType | None) -> None:
    name = signal.Signals(number).name
    # Not through sys.stderr: the signal may have arrived in the middle of one of its lines.
    os.write(2, f"galcen: stopped by {name}; what was being written is removed\n".encode())
    raise SystemExit(128 + number)
