"""What every run of the global solution needs around the solver: ranks, checkpoints, progress, gathering."""

import hashlib
import json
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array, Key

import galcen
from galcen.astrometry.iterative.device import description
from galcen.astrometry.iterative.options import Hooks, Place, Progress
from galcen.astrometry.iterative.problem import Problem, State, start
from galcen.astrometry.iterative.result import Iteration
from galcen.io.claims import claimed
from galcen.io.solver_checkpoint import Saved, load, save
from galcen.parallel.comm import World, aborting, world
from galcen.parallel.devices import make_deterministic, tie

NO_PART_OF_THE_IDENTITY = ("max_outer", "products")
"""Options that may differ when a solution goes on: one that did not settle may be given more steps, and
another machine may have a GPU."""

LEAST_CHI2, MOST_CHI2 = 0.25, 4.0
"""Of chi2/dof: outside, the errors of the measurements are wrong by a factor of two or more."""

log = logging.getLogger(__name__)


@contextmanager
def running(n_rank: int | None) -> Iterator[World]:
    """The ranks, each with its device; an error on one ends all. Enter it before JAX has computed anything.

    Raises
    ------
    ConfigError
        There are not `n_rank` ranks.
    """
    ranks, root = world(n_rank), logging.getLogger("galcen")
    with aborting(ranks):
        if ranks.rank:
            root.setLevel(logging.WARNING)
        device = tie(ranks)
        if device is not None:
            make_deterministic()
        log.info("%d rank(s), rank 0 on %s; %s", ranks.size, _named(device), ranks.reduction_path)
        yield ranks


@contextmanager
def sole_writer(output: Path, ranks: World) -> Iterator[None]:
    """Refuse a solution that another run is at work on, which would share its checkpoint."""
    with claimed(output) if ranks.rank == 0 else nullcontext():
        yield


def _named(device: str | None) -> str:
    return "the CPU" if device is None else f"GPU {device}"


def tell_products(ranks: World, place: Place) -> None:
    """Log which ranks make the products with the system on what; call it on all ranks."""
    everyone = ranks.gather(f"{socket.gethostname()}: {description(place)}") or []
    for text in dict.fromkeys(everyone):
        members = ", ".join(str(rank) for rank, other in enumerate(everyone) if other == text)
        log.info("products with the system, rank(s) %s on %s", members, text)


def warn_of_idle(ranks: World, n_orbit: int) -> None:
    """Warn of ranks that have no orbit; call it on all ranks with their numbers of orbits."""
    shares = ranks.gather(n_orbit) or []
    if 0 in shares:
        log.warning(
            "%d of %d ranks have no orbit: a rank needs one at least, so start %d ranks at most",
            shares.count(0),
            ranks.size,
            sum(shares),
        )


def identity(options: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Hash of all that a solution depends on: options, sha256 of the inputs, version of galcen."""
    kept = {name: value for name, value in options.items() if name not in NO_PART_OF_THE_IDENTITY}
    text = json.dumps([kept, dict(inputs), galcen.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def checkpoint_folder(output: Path) -> Path:
    """Where the checkpoints of a solution lie: beside its output."""
    return output.with_name(f"{output.name}.checkpoint")


def hooks(
    problem: Problem, ranks: World, folder: Path, run_identity: str, probe_key: Key[Array, ""] | None
) -> Hooks:
    """Progress lines, and checkpoints in `folder`, from which the solution goes on if it can."""
    numbers = [orbit.number for orbit in problem.orbits]

    def keep(progress: Progress) -> None:
        save(folder, run_identity, len(progress.history), to_saved(progress, numbers), ranks)

    found = load(folder, run_identity, numbers, ranks)
    resume = None if found is None else to_progress(found, problem)
    if not all(ranks.share(resume is not None)):
        resume = None
    if resume is not None:
        log.info("going on after %d steps, from %s", len(resume.history), folder)
    return Hooks(report if ranks.rank == 0 else None, keep, resume, probe_key)


def warn_of_errors(chi2: float, dof: float, what: str) -> None:
    """Warn where residuals are far from what the errors of the measurements say."""
    ratio = chi2 / max(dof, 1)
    if not LEAST_CHI2 < ratio < MOST_CHI2:
        log.warning(
            "%s: chi2/dof is %.3g, expected about 1: residuals are %.3g times the stated errors; are these "
            "in another unit, or do outliers need `robust`?",
            what,
            ratio,
            np.sqrt(ratio),
        )


def report(step: Iteration) -> None:
    """One line of the log for an outer step."""
    seconds = step.seconds_linearise + step.seconds_solve
    rate = step.n_obs * step.n_product / max(step.seconds_solve, 1e-9)
    log.info(
        "step %d: chi2 %.8g of %d measurements, largest step %.2g sigma, median %.2g, %d products to %.1g, "
        "%.2f s, %.2g measurements/s",
        step.number,
        step.chi2,
        step.n_obs,
        step.largest_step,
        step.median_step,
        step.n_product,
        step.residual,
        seconds,
        rate,
    )


def to_saved(progress: Progress, numbers: Sequence[int]) -> Saved:
    """Arrays of a checkpoint."""
    state = progress.state
    shared = {"source": state.source, "unit": state.unit, "chip": state.chip}
    shared |= {"source_noise": progress.source_noise, "n_weights": np.array([progress.n_weights])}
    columns = zip(*progress.history, strict=True)
    shared |= dict(zip(map(_column, Iteration._fields), map(np.array, columns), strict=False))
    parts = zip(state.exposure, progress.weight, progress.exposure_noise, strict=True)
    names = ("exposure", "weight", "exposure_noise")
    return Saved(
        shared, {n: dict(zip(names, part, strict=True)) for n, part in zip(numbers, parts, strict=True)}
    )


def to_progress(saved: Saved, problem: Problem) -> Progress | None:
    """The way back; None, with a warning, where the arrays do not fit the problem."""
    shared, first = saved.shared, start(problem)
    orbits = [saved.orbits[orbit.number] for orbit in problem.orbits]
    state = State(shared["source"], shared["unit"], shared["chip"], tuple(o["exposure"] for o in orbits))
    shapes = [[np.shape(part) for part in (*one[:3], *one.exposure)] for one in (state, first)]
    if shapes[0] != shapes[1]:
        # Cannot be with the same identity; a solver must not start from it all the same.
        log.warning("the checkpoint has other unknowns; the solution starts from the beginning")
        return None
    history = [shared[_column(name)].tolist() for name in Iteration._fields if _column(name) in shared]
    return Progress(
        state=state,
        weight=tuple(orbit["weight"] for orbit in orbits),
        n_weights=int(shared["n_weights"][0]),
        source_noise=shared["source_noise"],
        exposure_noise=tuple(orbit["exposure_noise"] for orbit in orbits),
        history=tuple(Iteration(*row) for row in zip(*history, strict=True)),
    )


def _column(name: str) -> str:
    return f"history_{name}"


def gathered(
    ranks: World, numbers: Sequence[int], parts: Mapping[str, Sequence[np.ndarray]]
) -> dict[int, dict[str, np.ndarray]] | None:
    """What belongs to orbits, of all ranks, by ascending number of the orbit; on rank 0, None on the others.

    Parameters
    ----------
    numbers
        Of the rank's own orbits.
    parts
        Arrays by name, one for each of them.
    """
    own = {n: {name: values[i] for name, values in parts.items()} for i, n in enumerate(numbers)}
    everyone = ranks.gather(own)
    if everyone is None:
        return None
    orbits = {number: arrays for piece in everyone for number, arrays in piece.items()}
    return dict(sorted(orbits.items()))
