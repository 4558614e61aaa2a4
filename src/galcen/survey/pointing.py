"""The plan of a survey: which orbits, which fields, when, and where each exposure points.

Orbits are planned one after the other, since the next node hangs on what was observed before; the scatter of
an exposure hangs on its number alone.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt32

from galcen.errors import ConfigError
from galcen.survey.coverage import Camera, triad
from galcen.survey.ephemeris import sun_direction
from galcen.survey.nodes import Ledger, Window, orthonormal, square
from galcen.survey.orbit import JULIAN_YEAR_S, Orbit
from galcen.survey.visibility import Limits, culmination, half_arc, revolutions
from galcen.threefry import normals, signed_uniform, stream

EXPOSURES_PER_ORBIT = 100_000
"""Identifiers of exposures are the orbit times this, plus the number in the orbit."""

FIELDS_PER_NODE = 4
RANDOM_TURN_DEG = 10.0
SCATTER_SIGMAS = 10.0


class Pattern(NamedTuple):
    """What is done in every orbit."""

    n_field: int = 4
    n_exposure: int = 6  # of a field, at most
    step_deg: float = 0.275
    position_angle: str = "sun_shield"  # or fixed, random
    position_angle_deg: float = 58.6
    exposure_s: float = 12.5
    repetition_s: float = 13.7
    slew_small_s: float = 115.0
    slew_large_s: float = 220.0
    pointing_scatter_arcsec: float = 3.0
    twist_scatter_arcsec: float = 18.0

    @property
    def n_node(self) -> int:
        """Nodes visited in an orbit."""
        return -(-self.n_field // FIELDS_PER_NODE)


class Task(NamedTuple):
    """What there is to observe, and with what."""

    orbit: Orbit
    span: tuple[float, float]  # [Julian year TCB]
    nodes: Float[np.ndarray, "n_node 3"]
    window: Window
    camera: Camera
    limits: Limits
    pattern: Pattern


class Plan(NamedTuple):
    """The orbits of a survey, and their fields."""

    start: Float[np.ndarray, "n_orbit n_field"]  # of the first exposure, seconds from `t`
    t: Float[np.ndarray, " n_orbit"]  # middle of the observations, Julian year TCB
    season: Int[np.ndarray, " n_orbit"]
    node_axes: Float[np.ndarray, "n_orbit 3 3"]  # of the first node
    axes: Float[np.ndarray, "n_orbit n_field 3 3"]
    n_exposure: Int[np.ndarray, " n_orbit"]  # of each field


class Exposures(NamedTuple):
    """Single exposures, in the order of orbits and times."""

    exposure_id: Int[np.ndarray, " n_exp"]
    orbit: Int[np.ndarray, " n_exp"]
    field: Int[np.ndarray, " n_exp"]
    t: Float[np.ndarray, " n_exp"]  # middle, Julian year TCB
    axes: Float[np.ndarray, "n_exp 3 3"]


def make_plan(task: Task, n_orbit: int, root: UInt32[np.ndarray, " 2"]) -> Plan:
    """Plan a survey.

    Parameters
    ----------
    task
        What there is to observe.
    n_orbit
        Orbits with exposures, spread evenly over those that can see the fields.
    root
        Words of the stream of random position angles.

    Raises
    ------
    ConfigError
        The Sun is never in its place, the fields never rise above the Earth's limb for long enough, or there
        are fewer such revolutions than orbits asked for.
    """
    times, seasons = _possible(task, n_orbit)
    ledger = Ledger.empty(task.window, task.nodes, task.pattern.step_deg, task.camera)
    rows = []
    for number in range(n_orbit):
        turn = RANDOM_TURN_DEG * signed_uniform(*stream(root, number), 0)
        node_axes = _node_axes(task, times[number], turn)
        squares = square(node_axes, task.pattern.step_deg)
        chosen, visits = [], []
        for k in range(task.pattern.n_node):
            fields = squares[:, : task.pattern.n_field - FIELDS_PER_NODE * k]
            node = ledger.least_observed(fields) if len(task.nodes) > 1 else 0
            chosen.append(node)
            visits.append(fields[node])
            # Now, so that the orbit's next node is another one.
            ledger.add(node, fields[node], task.pattern.n_exposure)
        axes = np.concatenate(visits)
        t, start, n_exposure = _timetable(task, times[number], task.nodes[chosen[0]], axes)
        for node, fields in zip(chosen, visits, strict=True):
            ledger.add(node, fields, n_exposure - task.pattern.n_exposure)
        rows.append((start, t, seasons[number], node_axes[chosen[0]], axes, n_exposure))
    return Plan(*(np.stack(column) for column in zip(*rows, strict=True)))


def exposures(
    plan: Plan, pattern: Pattern, orbits: Int[np.ndarray, " n"], root: UInt32[np.ndarray, " 2"]
) -> Exposures:
    """The exposures of some orbits, with the scatter of their pointing and twist.

    Parameters
    ----------
    plan
        The whole plan.
    pattern
        As the plan was made with.
    orbits
        Numbers of the orbits.
    root
        Words of the stream of the scatter.
    """
    n_field = plan.axes.shape[1]
    in_orbit = n_field * plan.n_exposure[orbits]
    orbit = np.repeat(orbits, in_orbit)
    number = np.arange(in_orbit.sum()) - np.repeat(np.cumsum(in_orbit) - in_orbit, in_orbit)
    field, turn = np.divmod(number, plan.n_exposure[orbit])
    identifier = EXPOSURES_PER_ORBIT * orbit + number
    seconds = plan.start[orbit, field] + turn * pattern.repetition_s + 0.5 * pattern.exposure_s
    score = np.empty((3, len(identifier)))
    normals(root, identifier, np.arange(3), score)
    arcsec = np.radians(1 / 3600)
    shift = score[:2, :, None] * pattern.pointing_scatter_arcsec * arcsec
    twist = score[2, :, None] * pattern.twist_scatter_arcsec * arcsec
    x, y, z = (plan.axes[orbit, field, k] for k in range(3))
    moved = orthonormal(x, y, z + shift[0] * x + shift[1] * y)
    x, y, z = (moved[:, k] for k in range(3))
    # With the position angle the Y axis turns from north to east, which is towards -X.
    turned = orthonormal(np.cos(twist) * x + np.sin(twist) * y, np.cos(twist) * y - np.sin(twist) * x, z)
    return Exposures(identifier, orbit, field, plan.t[orbit] + seconds / JULIAN_YEAR_S, turned)


def _possible(task: Task, n_orbit: int) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Culminations of the middle of the fields, and seasons, of the orbits to plan."""
    middle = task.nodes.mean(axis=0)
    middle /= np.linalg.norm(middle)
    margin = np.degrees(np.arccos(np.clip(task.nodes @ middle, -1, 1)).max()) + scatter_deg(task.pattern)
    margin += np.sqrt(0.5) * task.pattern.step_deg
    limits = task.limits
    turns = revolutions(task.orbit, task.span, middle, limits, margin)
    ra, dec = np.degrees(np.arctan2(middle[1], middle[0])) % 360, np.degrees(np.arcsin(middle[2]))
    fields = f"the fields around ra = {ra:.2f}, dec = {dec:+.2f} deg"
    years = f"between {task.span[0]:.2f} and {task.span[1]:.2f}"
    sunny = turns.season >= 0
    if not sunny.any():
        raise ConfigError(
            f"survey.plan: no season {years}: the Sun is never {limits.sun_min_deg:g} to "
            f"{limits.sun_max_deg:g} deg from {fields}; choose other years, or change sun_min_deg "
            "and sun_max_deg"
        )
    t, season = turns.t[sunny], turns.season[sunny]
    slews = task.pattern.slew_small_s * (task.pattern.n_field - 1)
    if len(task.nodes) > 1:
        slews += (task.pattern.slew_large_s - task.pattern.slew_small_s) * (task.pattern.n_node - 1)
    needed = slews + task.pattern.n_field * task.pattern.repetition_s
    # From the first node's culmination all other fields of the orbit may be twice as far as from the middle.
    arc = 2 * half_arc(task.orbit, t, middle, limits, 2 * margin)
    seen = arc >= needed
    if not seen.any():
        raise ConfigError(
            f"survey.plan: {task.pattern.n_field} fields with one exposure each take {needed:.0f} s of an "
            f"orbit, but {fields} are {limits.earth_deg:g} deg above the Earth's limb for {arc.max():.0f} s "
            "at most; "
            "take fewer fields_per_orbit or shorter slews, or change earth_avoidance_deg or duty"
        )
    if seen.sum() < n_orbit:
        raise ConfigError(
            f"survey.plan: n_orbits = {n_orbit}, but only {seen.sum()} revolutions {years} can observe "
            f"{fields}; take fewer, or more years"
        )
    chosen = np.flatnonzero(seen)[((np.arange(n_orbit) + 0.5) * seen.sum() / n_orbit).astype(np.int64)]
    return t[chosen], season[chosen]


def scatter_deg(pattern: Pattern) -> float:
    """How far the scatter may carry an exposure from its field [deg]."""
    return SCATTER_SIGMAS * pattern.pointing_scatter_arcsec / 3600


def _node_axes(task: Task, t: float, random_turn_deg: float) -> Float[np.ndarray, "n_node 3 3"]:
    """Triads at the nodes, with the position angle of an orbit."""
    pattern, at_zero = task.pattern, triad(task.nodes, np.zeros(len(task.nodes)))
    if pattern.position_angle == "sun_shield":
        sun = sun_direction(np.array([t]))[0]
        # At position angle 0, -X is east and +Y north.
        angle = np.degrees(np.arctan2(-at_zero[:, 0] @ sun, at_zero[:, 1] @ sun))
    else:
        turn = random_turn_deg if pattern.position_angle == "random" else 0.0
        angle = np.full(len(task.nodes), pattern.position_angle_deg + turn)
    return triad(task.nodes, angle)


def _timetable(
    task: Task, t: float, node: Float[np.ndarray, " 3"], axes: Float[np.ndarray, "n_field 3 3"]
) -> tuple[float, Float[np.ndarray, " n_field"], int]:
    """Middle of the observations, starts of the fields [s from it], and exposures of each field."""
    pattern, directions = task.pattern, axes[:, 2]
    apart = np.arccos(np.clip((directions[1:] * directions[:-1]).sum(axis=1), -1.0, 1.0))
    is_near = apart <= np.sqrt(2) * task.camera.radius
    slews = np.where(is_near, pattern.slew_small_s, pattern.slew_large_s)
    margin = np.degrees(np.arccos(np.clip(directions @ node, -1.0, 1.0)).max()) + scatter_deg(pattern)
    middle = culmination(task.orbit, np.array([t]), node)
    arc = 2 * half_arc(task.orbit, middle, node, task.limits, margin)[0]
    each = pattern.n_field * pattern.repetition_s
    n_exposure = min(pattern.n_exposure, int((arc - slews.sum()) / each))
    ends = np.cumsum(n_exposure * pattern.repetition_s + np.append(0.0, slews))
    start = ends - n_exposure * pattern.repetition_s
    return middle[0], start - 0.5 * ends[-1], n_exposure
