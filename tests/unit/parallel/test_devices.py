"""Which GPU a rank gets, by what it sees."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from galcen.parallel import devices


def _world(local_rank, others, size=4):
    """A rank among others, given as (machine, GPU)."""
    return SimpleNamespace(
        rank=local_rank, size=size, local_rank=local_rank, share=lambda own: [own, *others]
    )


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(devices.socket, "gethostname", lambda: "here")
    for name in ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        monkeypatch.setenv(name, "to be removed after the test")
        monkeypatch.delenv(name)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("0,1", ["0", "1"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b"]), ("", []), ("1,-1,0", ["1"])],
)
def test_the_choice_of_the_environment_is_kept(monkeypatch, chosen, names):
    """Everything after a name that means nothing does not count, as in CUDA."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert devices.visible() == names
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.visible() == []


def test_all_gpus_of_the_machine_count_without_a_choice(monkeypatch):
    names = ["nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"]
    monkeypatch.setattr(Path, "glob", lambda *_: [Path("/dev") / name for name in names])
    assert devices.visible() == ["0", "1"]


@pytest.mark.parametrize(("local_rank", "device"), [(0, "2"), (1, "5"), (2, "2")])
def test_ranks_take_the_gpus_in_turn(monkeypatch, local_rank, device):
    """A GPU that several ranks share is not filled by the first."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert devices.tie(_world(local_rank, [("here", "2"), ("there", "5")])) == device
    assert devices.os.environ["CUDA_VISIBLE_DEVICES"] == device
    assert ("XLA_PYTHON_CLIENT_PREALLOCATE" in devices.os.environ) is (device == "2")


def test_a_rank_without_a_gpu_among_others_says_so(monkeypatch, caplog):
    """Not where no rank has one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.tie(_world(1, [("there", None)])) is None
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        assert devices.tie(_world(1, [("there", "0")])) is None
    assert "rank 1: no GPU on here" in caplog.text


def test_jax_is_not_imported():
    """It would start before its GPU is chosen."""
    program = "import sys, galcen.parallel.devices; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "--xla_gpu_deterministic_ops=true"),
        ("--xla_dump_to=there", "--xla_dump_to=there --xla_gpu_deterministic_ops=true"),
        ("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),
    ],
)
def test_sums_in_one_order_are_asked_for(monkeypatch, before, after):
    """Besides other flags; not where the user has chosen."""
    monkeypatch.setenv("XLA_FLAGS", before or "")
    if before is None:
        monkeypatch.delenv("XLA_FLAGS")
    devices.make_deterministic()
    assert devices.os.environ["XLA_FLAGS"] == after
