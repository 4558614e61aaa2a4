"""Which GPU a rank computes on, and how. Settles it before JAX starts, and does not import JAX."""

import logging
import os
import re
import socket
from pathlib import Path

from galcen.parallel.comm import World

DETERMINISTIC = "xla_gpu_deterministic_ops"
"""Flag of XLA: no sum whose order depends on how the threads of a GPU come."""

log = logging.getLogger(__name__)


def visible() -> list[str]:
    """NVIDIA GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES has for them."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        names = [path.name for path in Path("/dev").glob("nvidia*")]
        return [str(i) for i in range(sum(bool(re.fullmatch(r"nvidia\d+", name)) for name in names))]
    devices = [name.strip() for name in chosen.split(",")]
    # CUDA ignores everything after the first name that it does not know; -1 is the usual one.
    bad = next((i for i, name in enumerate(devices) if name in ("", "-1")), len(devices))
    return devices[:bad]


def tie(world: World) -> str | None:
    """Give this rank one of its machine's GPUs, in turn; call it on all ranks, before JAX has started.

    Returns
    -------
    The GPU's name in CUDA_VISIBLE_DEVICES; None: the rank computes on the CPU.
    """
    devices, host = visible(), socket.gethostname()
    if world.size == 1:
        return devices[0] if devices else None
    device = devices[world.local_rank % len(devices)] if devices else None
    everyone = world.share((host, device))
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        if everyone.count((host, device)) > 1:
            # Perhaps a different GPU of the same name, where Slurm shows each task just its own. If not, the
            # first rank must not take the memory of the others.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    elif any(other is not None for _, other in everyone):
        log.warning(
            "rank %d: no GPU on %s, though other ranks have one; it computes on the CPU and the others wait "
            "for it. Start ranks on GPU nodes only, with --gpus-per-node in the profile",
            world.rank,
            host,
        )
    return device


def make_deterministic() -> None:
    """Ask for the same bits from a GPU each time; before JAX has started. A choice in XLA_FLAGS is kept."""
    flags = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{DETERMINISTIC}=true".strip()
