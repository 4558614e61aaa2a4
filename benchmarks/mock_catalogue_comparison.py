"""What the choices of the code jasmine_mockcat do to classes and distances.

`python benchmarks/mock_catalogue_comparison.py` writes docs/mock_catalogue_comparison.md. That code is not
run: each of its known choices is switched on alone in a plain form of our posterior, on stars of two cells
and on eight test stars, and the changes are listed.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen import config  # noqa: E402 - float64 first
from galcen.catalogue.distance_grid import DIST_MIN, distance_grid, grid_class, impact_parameter  # noqa: E402
from galcen.catalogue.likelihood import N_ISOCHRONE, Pieces  # noqa: E402
from galcen.catalogue.piece_sums import NOTHING, PieceTable, ln_likelihood  # noqa: E402
from galcen.catalogue.posterior import BATCH, Data, Evaluator, Options, Stars, clean  # noqa: E402
from galcen.catalogue.sampling import summarise  # noqa: E402
from galcen.catalogue.tiling import CELL_DEG, LAT_EDGE, LON_EDGE, Cell  # noqa: E402
from galcen.config.calibration import Calibration  # noqa: E402
from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF, NSC, THICK  # noqa: E402
from galcen.galaxy.frame import Frame  # noqa: E402
from galcen.galaxy.imf import LOWEST, imf  # noqa: E402
from galcen.galaxy.isochrones import Intervals  # noqa: E402
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density, sightlines  # noqa: E402
from galcen.galaxy.photometry import distance_modulus  # noqa: E402
from galcen.io.model_tables import read_tables  # noqa: E402
from galcen.stages.calibrate import BANDS, observed_stars  # noqa: E402
from galcen.stages.galaxy_model import build_galaxy  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SEED, N_STAR, FAINT = 1, 400, 12.5
ERROR = 0.1  # [mag]
DIST_MAX = 20000.0  # [pc]
THEIR_SCATTER = 0.3  # of thick disc, bar and nuclear disc, in each band [mag]
EVOLVED_SCATTER = 1.0  # what we assume for evolved stars of the thin discs [mag]
ISOCHRONE = np.array([COMPONENTS.index(name) for name in ISOCHRONE_OF])

NONE = np.nan
# Test stars: l, b [deg], J, H, Ks, their errors, parallax and error [mas].
TEST_STARS = np.array(
    [
        (-0.0625, 0.0875, 18.60, 14.45, 12.20, 0.05, 0.05, 0.05, NONE, NONE),
        (-0.0625, 0.0875, 14.20, 12.60, 11.80, 0.03, 0.03, 0.03, NONE, NONE),
        (-0.0625, 0.0875, 12.50, 11.90, 11.70, 0.03, 0.03, 0.03, 0.80, 0.10),
        (-1.0125, 0.2875, 15.00, 12.60, 11.40, 0.05, 0.05, 0.05, NONE, NONE),
        (-1.0125, 0.2875, NONE, 13.40, 12.20, NONE, 0.05, 0.05, NONE, NONE),
        (0.9875, -1.5125, 14.00, 13.20, 12.95, 0.03, 0.03, 0.03, 0.10, 0.08),
        (-0.0625, -0.0625, 17.30, 13.70, 11.80, 0.08, 0.04, 0.03, NONE, NONE),
        (0.5125, 0.1125, 17.90, 15.00, 13.60, 0.10, 0.05, 0.03, NONE, NONE),
    ]
)
# Of a separate program, from the equations of the model (converged), and of jasmine_mockcat as coded, with
# its own tables: thin discs, thick disc, bar, NSD, NSC, median distance [pc].
SEPARATE = (
    (0.0181, 0.0003, 0.1982, 0.7176, 0.0659, 8254),
    (0.9390, 0.0611, 0.0000, 0.0000, 0.0000, 2901),
    (0.9999, 0.0002, 0.0000, 0.0000, 0.0000, 1257),
    (0.2997, 0.0108, 0.6391, 0.0504, 0.0001, 7235),
    (0.0474, 0.0022, 0.5189, 0.4292, 0.0022, 8170),
    (0.1835, 0.0088, 0.8061, 0.0017, 0.0000, 7357),
    (0.0016, 0.0000, 0.0253, 0.2208, 0.7522, 8159),
    (0.4314, 0.0101, 0.5392, 0.0193, 0.0000, 7159),
)
AS_CODED = (
    (0.003, 0.001, 0.198, 0.703, 0.096, 8168),
    (0.912, 0.088, 0, 0, 0, 3067),
    (0.972, 0.028, 0, 0, 0, 1269),
    (0.026, 0.006, 0.689, 0.276, 0.003, 8108),
    (0.137, 0.009, 0.613, 0.239, 0.002, 8172),
    (0.041, 0.010, 0.948, 0.001, 0, 7821),
    (0.002, 0.000, 0.108, 0.702, 0.188, 8151),
    (0.041, 0.004, 0.399, 0.549, 0.007, 8092),
)
SEPARATE_NSC_THEIR_GRID = 0.28  # of the seventh test star: our likelihood on their distances
GROUPS = ("thin", "thick", "bar", "NSD", "NSC")

OURS, TOGETHER, WITHOUT_7 = "ours", "all together", "all but 7"
CELLS = {"nuclear disc": (-0.0625, 0.0875), "beside it": (-1.0125, 0.2875)}


CHANGES = (
    "mean abs(dp(NSD))",
    "largest dp(NSD)",
    "median D [pc]",
    "mean abs(dD50)",
    "largest dD50",
)
HEAD = """# What choices of jasmine_mockcat do to classes and distances

The mock-catalogue code jasmine_mockcat (commit af6bede) and galcen use the same Galaxy model, but not the
same posterior. That code is not run here. Each of its known choices is switched on alone in a plain form of
our posterior, on stars drawn from our model (8 < Ks < 12.5 as observed, errors of 0.1 mag, no parallax), for
which the answer is known on average: the rows `true` and `ours` agree within the noise of so many stars.
First the mean class fractions, then their changes in percentage points. D50 is a star's median distance
[pc]; the column before it is the change of its median over the stars.
Made by `python benchmarks/mock_catalogue_comparison.py`.

1. The photometric likelihood of each component is divided by its own integral over the distance.
2. Stars are weighted by M dN/dM instead of dN/dM; here normalised over the living stars of each component.
3. dN/dM is normalised over all stars born; `2 with 3`: M dN/dM, normalised so, as the code does.
4. The nuclear disc is a double exponential of 7e8 Msun (`galaxy.nuclear_disc: exponential`); the code's
   cut at 1000 and 400 pc is left out, where the density has fallen by e^-13.
5. The posterior is a sum over 999 logarithmic distances from 10 pc to 35 kpc.
6. Every star stands at the centre of its cell.
7. The Sun is at 8200 pc, but the discs have their density of 8160 pc.
8. The Sun is 18.4 pc below the plane instead of 31.6 pc above it (`galaxy.sun_height: -25`).
9. The photometry of each band scatters by itself: by 0.3 mag for thick disc, bar, NSD and NSC (9a: what
   the code has). For thin discs the code's scatter stands in its tables, 1 to 3 mag wherever stars evolve;
   9b ASSUMES 1 mag for every thin-disc star beyond the turn-off (bluest J-Ks) and none before it.
"""
TAIL = """## What is left out

The code's own isochrone tables (masses rounded to three decimals, the white-dwarf row at 30 mag), its
faint limit of each band with the renormalisation that belongs to it, its choice of rows (chi-square below
10) and 1000 linear masses, and the scatter of each row as tabulated: none can be had from a stated
assumption. What is left between `all together` and the code's own numbers, which are those of a run of it on
the eight test stars, is theirs and that of the assumption of 9b.
"""


class Part(NamedTuple):
    """Some of the stars of the isochrones, with a scatter added in quadrature in each band [mag]."""

    table: PieceTable
    scatter: np.ndarray  # by isochrone

    @classmethod
    def build(cls, intervals: Intervals, scatter: np.ndarray) -> "Part":
        """Cut the isochrones into pieces."""
        return cls(PieceTable.build(Pieces.build(intervals, ERROR)), scatter)


class Inference(NamedTuple):
    """One way to compute the posterior."""

    galaxy: Galaxy
    parts: tuple[Part, ...]
    ln_factor: np.ndarray  # of each component
    divides_by_integral: bool = False  # the likelihood of each component, over the distances
    has_their_grid: bool = False
    uses_centre: bool = False  # of the cell, instead of the star's place


class Result(NamedTuple):
    """Class probabilities (thin, thick, bar, NSD, NSC) and median distance [pc] of each star."""

    probability: np.ndarray
    median: np.ndarray


def main() -> None:
    """Compare and write the page."""
    tables, _ = read_tables()
    settings = config.parse({})
    galaxy = build_galaxy(settings.galaxy, settings.extinction, tables)
    samples = {name: cell_sample(galaxy, *place) for name, place in CELLS.items()}
    lon, lat, columns = TEST_STARS[:, 0], TEST_STARS[:, 1], TEST_STARS[:, 2:].T
    test = Stars(np.arange(8), columns[:3], columns[3:6], columns[6], columns[7], np.full(8, NONE))
    samples["test"] = (lon, lat, test, np.full(8, -1))
    disc = settings.galaxy.model_copy(update={"nuclear_disc": "exponential"})
    ways = dict(inferences(galaxy, build_galaxy(disc, settings.extinction, tables)))
    results = {
        (way, name): infer(how, *sample[:3]) for way, how in ways.items() for name, sample in samples.items()
    }
    product = {name: infer_by_product(galaxy, *sample[:3]) for name, sample in samples.items()}
    lines = [HEAD]
    for name in CELLS:
        lines += cell_table(name, samples[name][3], {way: results[way, name] for way in ways})
    lines += test_tables({way: results[way, "test"] for way in ways})
    lines += check(galaxy, results, product)
    (ROOT / "docs/mock_catalogue_comparison.md").write_text("\n".join([*lines, TAIL]))


def cell_sample(galaxy: Galaxy, lon: float, lat: float) -> tuple[np.ndarray, np.ndarray, Stars, np.ndarray]:
    """Stars of one cell, drawn from the model and observed with errors, and their true components."""
    cell = Cell(
        *(round((x - edge) / CELL_DEG - 0.5) for x, edge in ((lon, LON_EDGE), (lat, LAT_EDGE))), lon, lat
    )
    choices = Calibration(
        n_star=N_STAR, faint=FAINT, error=ERROR, varied_fraction=0, missing_fraction=0, parallax_fraction=0
    )
    columns = observed_stars(galaxy, choices, [cell], DIST_MAX, SEED)
    stars = Stars(
        columns["source_id"],
        np.stack([columns[name] for name in BANDS]),
        np.stack([columns[f"{name}_error"] for name in BANDS]),
        columns["parallax_obs"],
        columns["parallax_obs_error"],
        columns["ruwe"],
    )
    return columns["glon"], columns["glat"], stars, columns["true_comp"]


def inferences(galaxy: Galaxy, exponential: Galaxy) -> Iterator[tuple[str, Inference]]:
    """Ours, each of their choices alone, and all together; `exponential` has their nuclear disc."""
    none = np.zeros(N_ISOCHRONE)
    scatter = np.where(np.arange(N_ISOCHRONE) >= THICK, THEIR_SCATTER, 0.0)
    massive, ln_mass_fraction = mass_weighted(galaxy)
    by_mass = (Part.build(massive, none),)
    ours = Inference(galaxy, (Part.build(galaxy.intervals, none),), np.zeros(len(COMPONENTS)))
    yield OURS, ours
    yield "1: likelihood divided by its integral over D", ours._replace(divides_by_integral=True)
    yield "2: mass weight M dN/dM", ours._replace(parts=by_mass)
    yield "3: normalised over all stars born", ours._replace(ln_factor=np.log(living_fraction(galaxy)))
    yield "2 with 3", ours._replace(parts=by_mass, ln_factor=ln_mass_fraction)
    yield "4: NSD a double exponential", ours._replace(galaxy=exponential)
    yield "5: 999 logarithmic distances to 35 kpc", ours._replace(has_their_grid=True)
    yield "6: centre of the cell", ours._replace(uses_centre=True)
    yield "7: 8200 pc, with 8160 pc in the discs", ours._replace(galaxy=_framed(galaxy, 8200.0, 25.0))
    yield "8: tilt of the wrong sign", ours._replace(galaxy=_framed(galaxy, 8160.0, -25.0))
    yield (
        "9a: scatter of 0.3 mag, not thin discs",
        ours._replace(parts=(Part.build(galaxy.intervals, scatter),)),
    )
    yield (
        "9b: scatter of 1 mag, evolved thin discs",
        ours._replace(parts=evolved_scatter(galaxy.intervals, none)),
    )
    yield "9a with 9b", ours._replace(parts=evolved_scatter(galaxy.intervals, scatter))
    together = Inference(
        _framed(exponential, 8200.0, -25.0),
        evolved_scatter(massive, scatter),
        ln_mass_fraction,
        divides_by_integral=True,
        has_their_grid=True,
        uses_centre=True,
    )
    yield TOGETHER, together
    yield WITHOUT_7, together._replace(galaxy=_framed(exponential, 8160.0, -25.0))


def _framed(galaxy: Galaxy, sun_distance: float, sun_height: float) -> Galaxy:
    frame = Frame(sun_distance, sun_height, galaxy.frame.sun_velocity)
    return replace(galaxy, frame=frame)


def living_fraction(galaxy: Galaxy) -> np.ndarray:
    """Part of the stars born that live, by component."""
    intervals = galaxy.intervals
    last = np.asarray(intervals.mass_high)[np.asarray(intervals.start)[1:] - 1]
    return np.asarray(imf(galaxy.bar).number_below_exact(last))


def mass_weighted(galaxy: Galaxy) -> tuple[Intervals, np.ndarray]:
    """Intervals weighted by mass, of unit sum, and ln of the part of the mass born that lives."""
    intervals, stars = galaxy.intervals, imf(galaxy.bar)
    low, high = np.asarray(intervals.mass_low), np.asarray(intervals.mass_high)
    comp = np.asarray(intervals.comp)
    mass = 0.5 * (low + high)
    # The first interval of each is wide: its mean mass is not its middle.
    first = (low == LOWEST) & (high > LOWEST)
    mass[first] = stars.mean_mass * stars.mass_below(high[first]) / stars.number_below_exact(high[first])
    weight = np.asarray(intervals.weight) * mass
    total = np.bincount(comp, weight)
    return replace(intervals, weight=weight / total[comp]), np.log(
        total * living_fraction(galaxy) / stars.mean_mass
    )


def evolved_scatter(intervals: Intervals, scatter: np.ndarray) -> tuple[Part, Part]:
    """The stars before and after the turn-off of the thin discs; the latter scatter by `EVOLVED_SCATTER`.

    The turn-off is the bluest J-Ks above 0.5 Msun.
    """
    comp = np.asarray(intervals.comp)
    colour = np.asarray(intervals.mag_low)[0] - np.asarray(intervals.mag_low)[2]
    mass = np.asarray(intervals.mass_low)
    evolved = np.zeros(len(comp), dtype=bool)
    for i in range(THICK):
        mine = np.flatnonzero((comp == i) & (mass > 0.5))
        evolved[mine[np.argmin(colour[mine]) :]] = True
    weight = np.asarray(intervals.weight)
    before, after = (replace(intervals, weight=np.where(w, weight, 0.0)) for w in (~evolved, evolved))
    later = np.where(np.arange(N_ISOCHRONE) < THICK, EVOLVED_SCATTER, scatter)
    return Part.build(before, scatter), Part.build(after, later)


def infer(how: Inference, lon: np.ndarray, lat: np.ndarray, stars: Stars) -> Result:
    """Classes and median distances of stars, star by star on the grid of each."""
    data, _ = clean(stars, Options(ERROR, dist_max=DIST_MAX))
    if how.uses_centre:
        line = sightlines(how.galaxy, lon, lat)
        lon, lat = np.asarray(line.cell_lon_deg), np.asarray(line.cell_lat_deg)
    line = sightlines(how.galaxy, lon, lat)
    grids = grid_class(impact_parameter(how.galaxy.frame, np.asarray(line.lon), np.asarray(line.lat)))
    n_star = len(lon)
    result = Result(np.empty((len(GROUPS), n_star)), np.empty(n_star))
    for grid in np.unique(grids):
        rows = np.flatnonzero(grids == grid)
        some = line.take(rows)
        dist = _distances(how, some, int(grid))
        density = _density(how, data.take(rows), some, dist)
        summary = summarise(np.zeros((len(rows), 2, 1)), dist, density, np.zeros(len(rows)))
        result.probability[:, rows] = grouped(np.asarray(summary.probability))
        result.median[rows] = np.asarray(summary.quantile)[1]
    return result


def _distances(how: Inference, line: Sightlines, grid: int) -> np.ndarray:
    if how.has_their_grid:
        return np.tile(np.geomspace(DIST_MIN, 35000.0, 1000)[:999], (len(line.lon), 1))
    return distance_grid(how.galaxy.frame, line.lon, line.lat, grid, DIST_MAX).dist


def _density(how: Inference, data: Data, line: Sightlines, dist: np.ndarray) -> np.ndarray:
    """p(i, D), each star's in its own unit."""
    prior = np.log(np.maximum(number_density(how.galaxy, line, dist), 1e-300)) + 2 * np.log(dist)
    target = data.mag[:, :, None] - np.asarray(extinction(line, dist)) - np.asarray(distance_modulus(dist))
    by_isochrone = np.stack([np.logaddexp.reduce(prior[ISOCHRONE == i]) for i in range(N_ISOCHRONE)])
    # Of the likelihood what matters under the prior, and, to be integrated by itself, what matters without.
    weights = [by_isochrone, np.zeros_like(by_isochrone)] if how.divides_by_integral else [by_isochrone]
    like = np.max([_likelihood(how.parts, data, target, weight) for weight in weights], axis=0)
    if how.divides_by_integral:
        top = np.maximum(like.max(axis=2, keepdims=True), NOTHING)
        like = (
            like
            - top
            - np.log(np.maximum(np.trapezoid(np.exp(like - top), dist[None], axis=2), 1e-300))[..., None]
        )
    excess = (data.parallax[:, None] - 1000.0 / dist) * data.inverse_parallax_error[:, None]
    ln_p = prior + like[ISOCHRONE] - 0.5 * excess**2 + how.ln_factor[:, None, None]
    return np.exp(ln_p - ln_p.max(axis=(0, 2))[:, None])


def _likelihood(
    parts: tuple[Part, ...], data: Data, target: np.ndarray, ln_largest: np.ndarray
) -> np.ndarray:
    """Ln L of each isochrone; each is bounded by itself, so that none is left out beside a better one."""
    total = np.full(ln_largest.shape, -np.inf)
    for part in parts:
        for i in range(N_ISOCHRONE):
            alone = np.full(ln_largest.shape, NOTHING)
            alone[i] = ln_largest[i]
            inverse = np.asarray(data.inverse_error)
            with np.errstate(divide="ignore"):
                wider = np.where(inverse > 0, 1.0 / np.hypot(1.0 / inverse, part.scatter[i]), 0.0)
            seen = inverse > 0
            ratio = np.log(np.where(seen, wider, 1.0) / np.where(seen, inverse, 1.0)).sum(axis=0)
            found, _ = ln_likelihood(part.table, target, wider, alone)
            total[i] = np.logaddexp(total[i], found[i] + ratio[:, None])
    return total


def grouped(probability: np.ndarray) -> np.ndarray:
    """Thin discs together, then thick, bar, NSD, NSC."""
    return np.stack([probability[:THICK].sum(axis=0), *probability[THICK : NSC + 1]])


def infer_by_product(galaxy: Galaxy, lon: np.ndarray, lat: np.ndarray, stars: Stars) -> Result:
    """The same by the posterior of the product, `exact`."""
    evaluator = Evaluator(galaxy, Options(ERROR, dist_max=DIST_MAX))
    data, _ = clean(stars, evaluator.options)
    line = sightlines(galaxy, lon, lat)
    grids = evaluator.classes(line, data)
    result = Result(np.empty((len(GROUPS), len(lon))), np.empty(len(lon)))
    for grid in np.unique(grids):
        members = np.flatnonzero(grids == grid)
        for start in range(0, len(members), BATCH):
            mine = members[start : start + BATCH]
            rows = np.resize(mine, BATCH)
            curves = evaluator.curves(data.take(rows), line.take(rows), int(grid))
            summary = summarise(np.zeros((BATCH, 2, 1)), curves.dist, curves.density, curves.ln_scale)
            result.probability[:, mine] = grouped(np.asarray(summary.probability))[:, : len(mine)]
            result.median[mine] = np.asarray(summary.quantile)[1, : len(mine)]
    return result


def cell_table(name: str, comp: np.ndarray, found: dict[str, Result]) -> list[str]:
    """Mean class fractions and their changes, changes of p(NSD) and of the median distance."""
    ours = found[OURS]
    true = grouped(np.eye(len(COMPONENTS))[:, comp]).mean(axis=1)
    lines = [
        f"## {len(comp)} stars of the cell at l = {CELLS[name][0]}, b = {CELLS[name][1]} deg, {name}",
        "",
        _row("", *(f"{group} [%]" for group in GROUPS), *CHANGES),
        _row(*["---"] * (1 + len(GROUPS) + len(CHANGES))),
        _row("true", *(f"{100 * x:.1f}" for x in true), *[""] * len(CHANGES)),
        _row(
            OURS,
            *(f"{100 * x:.1f}" for x in ours.probability.mean(axis=1)),
            *[""] * 2,
            f"{np.median(ours.median):,.0f}",
            *[""] * 2,
        ),
    ]
    for way, other in found.items():
        if way == OURS:
            continue
        change = other.probability - ours.probability
        nuclear, shift = change[GROUPS.index("NSD")], other.median - ours.median
        lines.append(
            _row(
                way,
                *(f"{100 * x:+.2f}" for x in change.mean(axis=1)),
                f"{np.abs(nuclear).mean():.3f}",
                f"{nuclear[np.abs(nuclear).argmax()]:+.3f}",
                f"{np.median(other.median) - np.median(ours.median):+,.0f}",
                f"{np.abs(shift).mean():,.0f}",
                f"{shift[np.abs(shift).argmax()]:+,.0f}",
            )
        )
    single = [way for way in found if ": " in way]
    nuclear = [np.abs(found[w].probability - ours.probability)[GROUPS.index("NSD")].mean() for w in single]
    shift = [np.abs(found[way].median - ours.median).mean() for way in single]
    return [
        *lines,
        "",
        "Of single choices the largest mean change of p(NSD) is that of "
        f"*{single[int(np.argmax(nuclear))]}*, of D50 that of *{single[int(np.argmax(shift))]}*.",
        "",
    ]


def test_tables(found: dict[str, Result]) -> list[str]:
    """P(NSD) and median distance of the test stars; all choices together beside the code's own numbers."""
    n_star = len(TEST_STARS)
    lines = [
        "## Eight test stars",
        "",
        "p(NSD) and median distance [pc]. The stars stand at centres of cells: choice 6 changes nothing.",
        "",
        _row("", *(f"P{k + 1}" for k in range(n_star))),
        _row(*["---"] * (1 + n_star)),
    ]
    nuclear = GROUPS.index("NSD")
    for way, result in found.items():
        pairs = zip(result.probability[nuclear], result.median, strict=True)
        lines.append(_row(way, *(f"{p:.3f}, {d:.0f}" for p, d in pairs)))
    lines += [_row("jasmine_mockcat", *(f"{row[nuclear]:.3f}, {row[-1]}" for row in AS_CODED)), ""]
    shown = (OURS, TOGETHER, WITHOUT_7)
    lines += [
        "Thin / thick / bar / NSD / NSC and median distance [pc]:",
        "",
        _row("star", *shown, "jasmine_mockcat as coded"),
        _row(*["---"] * 5),
    ]
    for k in range(n_star):
        cells = [_classes(r.probability[:, k], r.median[k]) for r in map(found.get, shown)]
        lines.append(_row(f"P{k + 1}", *cells, _classes(AS_CODED[k][:5], AS_CODED[k][5])))
    theirs = np.array(AS_CODED)
    lines += [
        "",
        "Sum over the classes of abs(difference) to jasmine_mockcat as coded, mean of the eight stars: "
        + ", ".join(
            f"{np.abs(found[way].probability.T - theirs[:, :5]).sum(axis=1).mean():.2f} ({way})"
            for way in shown
        )
        + ". Of abs(difference) of the median distances [pc]: "
        + ", ".join(f"{np.abs(found[way].median - theirs[:, 5]).mean():.0f} ({way})" for way in shown)
        + ". Their distances of P1, P4, P5 and P8 suggest 8160 pc, that is no part of choice 7; the classes "
        "of P7, which lies in the cluster, depend on how nodes 67 pc apart fall about it.",
        "",
    ]
    return lines


def check(galaxy: Galaxy, results: dict[tuple[str, str], Result], product: dict[str, Result]) -> list[str]:
    """How well this page's plain posterior agrees with the product and with numbers of others."""
    pairs = [(results[OURS, name], product[name]) for name in product]
    classes = max(np.abs(plain.probability - fast.probability).max() for plain, fast in pairs)
    distances = max(np.abs(plain.median / fast.median - 1).max() for plain, fast in pairs)
    separate = np.array(SEPARATE)
    test = results[OURS, "test"]
    on_theirs = results["5: 999 logarithmic distances to 35 kpc", "test"].probability[GROUPS.index("NSC"), 6]
    factors = ", ".join(f"{x:.3f}" for x in living_fraction(galaxy)[:10])
    return [
        "## Checks",
        "",
        f"- The plain posterior of this page against the product (`exact`), all stars: classes within "
        f"{classes:.1e}, median distances within {distances:.1e}.",
        f"- The test stars against a separate program: classes within "
        f"{np.abs(test.probability.T - separate[:, :5]).max():.4f}, median distances within "
        f"{np.abs(test.median - separate[:, 5]).max():.1f} pc.",
        f"- P7 with choice 5: p(NSC) = {on_theirs:.2f}; the separate program found {SEPARATE_NSC_THEIR_GRID} "
        f"on these distances, and 0.75 converged.",
        f"- Choice 3, factors of thin1 to thin7, thick, bar, NSD: {factors}.",
        "",
    ]


def _classes(probability: np.ndarray, median: float) -> str:
    return " / ".join(f"{p:.3f}" for p in probability) + f", {median:.0f}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
