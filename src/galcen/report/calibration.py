"""How often posteriors of stars of known truth are right: ranks, reliability curves, tables of the tests."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galcen.catalogue import calibration as kernel
from galcen.galaxy.components import COMPONENTS
from galcen.report import page
from galcen.report.style import GROUPS, png

N_RANK_BIN = 20
N_COLUMN = 4
RELIABILITY = ("probability given", "part of the stars")


def sections(sample: kernel.Sample) -> list[str]:
    """Figures and tables of the report."""
    return [
        page.figure(
            "Calibration: ranks of the true distances",
            png(rank_histograms(sample)),
            "Rank of the true distance among draws from the posterior, of stars drawn from the model. It is "
            "uniform if posteriors are right; grey: 95 per cent of the bins; p: Kolmogorov-Smirnov.",
        ),
        page.figure(
            "Calibration: reliability of the classes",
            png(reliability_by_class(sample)),
            "Part of the stars that belong to a class against the probability they were given, with "
            "binomial errors.",
        ),
        page.figure(
            "Calibration: reliability by magnitude and reddening",
            png(reliability_by_group(sample)),
            "The same in bins of observed magnitude and of the map's reddening, components put together.",
        ),
        _rank_table(sample),
        _class_table(sample),
    ]


def rank_histograms(sample: kernel.Sample) -> Figure:
    """One panel for each group of stars."""
    members = kernel.groups(sample)
    tests = kernel.uniformity(sample.rank, members)
    figure, axes = _panels(len(members), 2.1, "rank of the true distance", "stars per bin")
    for axis, (name, rows) in zip(axes, members.items(), strict=False):
        expected = len(rows) / N_RANK_BIN
        spread = 1.96 * np.sqrt(expected * (1 - 1 / N_RANK_BIN))
        axis.axhspan(expected - spread, expected + spread, color="#DDDDDD")
        axis.hist(sample.rank[rows], np.linspace(0, 1, N_RANK_BIN + 1), histtype="step", color="#0072B2")
        axis.set(title=f"{name}: p = {tests[name].p_value:.2g}", xlim=(0, 1), ylim=(0, None))
        axis.title.set_size(9)
    return figure


def reliability_by_class(sample: kernel.Sample) -> Figure:
    """One panel for each component that has stars."""
    present = [i for i, p in enumerate(sample.probability) if p.sum() > kernel.LEAST_EXPECTED]
    figure, axes = _panels(len(present), 2.5, *RELIABILITY)
    for axis, i in zip(axes, present, strict=False):
        _curve(axis, sample.probability[i], sample.comp == i, COMPONENTS[i], "#0072B2", "-")
        axis.set_title(COMPONENTS[i], size=9)
    return figure


def reliability_by_group(sample: kernel.Sample) -> Figure:
    """One panel for each bin of magnitude and of reddening, one curve for each group of components."""
    members = {**kernel.magnitude_groups(sample), **kernel.reddening_groups(sample)}
    figure, axes = _panels(len(members), 2.7, *RELIABILITY)
    for axis, (name, rows) in zip(axes, members.items(), strict=False):
        for label, (components, colour, style) in GROUPS.items():
            probability = sample.probability[np.ix_(list(components), rows)].sum(axis=0)
            if probability.sum() > kernel.LEAST_EXPECTED:
                is_class = np.isin(sample.comp[rows], list(components))
                _curve(axis, probability, is_class, label, colour, style)
        axis.set_title(name, size=9)
    if members:
        axes[0].legend(fontsize=7)
    return figure


def _curve(
    axis: Axes, probability: np.ndarray, is_class: np.ndarray, label: str, colour: str, style: str
) -> None:
    curve = kernel.reliability(probability, is_class)
    mean = curve.expected / curve.n_star
    axis.plot([0, 1], [0, 1], color="#999999", lw=0.8)
    axis.errorbar(
        mean,
        curve.found / curve.n_star,
        curve.error / curve.n_star,
        color=colour,
        ls=style,
        marker="o",
        ms=3,
        lw=1,
        label=label,
    )
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.05, 1.05))


def _panels(count: int, height: float, x_label: str, y_label: str) -> tuple[Figure, np.ndarray]:
    """Panels in rows of `N_COLUMN`; those too many are hidden."""
    n_row = max(1, -(-count // N_COLUMN))
    figure, axes = plt.subplots(
        n_row, N_COLUMN, figsize=(13, height * n_row), layout="constrained", squeeze=False
    )
    figure.supxlabel(x_label, size=10)
    figure.supylabel(y_label, size=10)
    flat = axes.ravel()
    for axis in flat[count:]:
        axis.set_visible(False)
    return figure, flat


def _rank_table(sample: kernel.Sample) -> str:
    members = kernel.groups(sample)
    tests = kernel.uniformity(sample.rank, members)
    rows = []
    for name, test in tests.items():
        pulls = kernel.class_pulls(sample, members[name])
        rms = f"{np.sqrt(np.mean(pulls**2)):.2f}" if len(pulls) else "-"
        largest = f"{pulls[np.abs(pulls).argmax()]:+.1f}" if len(pulls) else "-"
        rows.append(
            [
                name,
                f"{test.n_star:,}",
                f"{test.statistic:.4f}",
                f"{test.p_value:.3g}",
                str(len(pulls)),
                rms,
                largest,
            ]
        )
    head = ["stars", "number", "KS statistic", "p", "pulls of classes", "rms", "largest"]
    return page.table(
        "Calibration: tests",
        head,
        rows,
        "Ranks of the distances, and pulls (found - expected) / error of the stars of every class and bin "
        "of probability that expects more than ten.",
    )


def _class_table(sample: kernel.Sample) -> str:
    members = {"all": np.arange(len(sample.comp))}
    members |= kernel.magnitude_groups(sample) | kernel.reddening_groups(sample)
    numbers = {name: kernel.class_numbers(sample, rows) for name, rows in members.items()}
    rows = []
    for i, component in enumerate(COMPONENTS):
        cells = []
        for expected, error, found in numbers.values():
            is_enough = error[i] ** 2 > kernel.LEAST_VARIANCE
            pull = f" ({(found[i] - expected[i]) / error[i]:+.1f})" if is_enough else ""
            cells.append(f"{found[i]:,} / {expected[i]:,.1f}{pull}")
        rows.append([component, *cells])
    return page.table(
        "Calibration: stars of each class",
        ["component", *numbers],
        rows,
        "True number / sum of the probabilities, and the pull where that expects enough stars.",
    )
