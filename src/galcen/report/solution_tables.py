"""The comparison of the solution of all orbits with the truth in numbers."""

from collections.abc import Mapping

import numpy as np

from galcen.io.comparison_schema import ALL
from galcen.io.plate_quality_schema import KINDS
from galcen.mapping.catalogue_covariance import PARAMETERS
from galcen.report.plate_tables import VERDICTS, Table

Columns = Mapping[str, np.ndarray]


def parameters(motion: Columns) -> Table:
    """Head, rows and note of the five parameters, table `quality_motion`."""
    rows = []
    for row in _rows(motion, motion["n"] > 0):
        rows.append(
            [
                KINDS[int(row["kind"])],
                PARAMETERS[int(row["parameter"])],
                f"{int(row['n']):,}",
                f"{row['rms']:.4f}",
                f"{row['error']:.4f}",
                f"{row['mean']:+.3f} ({row['mean_limit']:.3f})",
                f"{row['width']:.3f}",
                f"{row['local_width']:.3f} ({row['width_limit']:.3f})",
                f"{row['local_p']:.2g}",
                VERDICTS[int(row["passes"])],
            ]
        )
    head = ["sources", "quantity", "number", "rms error", "stated", "mean pull (limit)", "width"]
    head += ["width, local (limit)", "p", "verdict"]
    note = (
        "mas and mas/yr. Sources that the measurements determine. Local pulls are without the shift, turn "
        "and stretch that all sources have in common, as the references leave it."
    )
    return head, rows, note


def together(joint: Columns, zero: Columns, numbers: Mapping[str, float]) -> Table:
    """All parameters together and the zero point of the parallaxes, by class, and of the whole solution."""
    ratio, error = numbers["chi2"] / numbers["dof"], 1e3 * numbers["mean_parallax_error"]
    verdicts = [VERDICTS[int(numbers[f"{name}_passes"])] for name in ("chi2", "mean_parallax")]
    zero_point = _uas(numbers, "mean_parallax_zero")
    rows = [
        ["chi2 / dof", "all", f"{numbers['dof']:,.0f}", f"{ratio:.5f}", "1", verdicts[0]],
        ["mean parallax - truth [uas]", "all", "", zero_point, f"+- {error:.3f}", verdicts[1]],
    ]
    for row in _rows(zero, zero["n"] > 0):
        name, error = "parallax zero point, weighted [uas]", f"+- {1e3 * row['error']:.3f}"
        rows.append([name, *_who(row), _uas(row, "zero"), error, VERDICTS[int(row["passes"])]])
    for row in _rows(joint, joint["n"] > 0):
        name, expected = "joint error e C^-1 e / 5", f"{row['expected']:.4f} (limit {row['limit']:.4f})"
        rows.append([name, *_who(row), f"{row['joint']:.4f}", expected, VERDICTS[int(row["passes"])]])
    note = (
        "Errors of means hold what all sources have in common, by the covariance that the references leave."
    )
    return ["quantity", "sources", "number", "value", "expected", "verdict"], rows, note


def patterns(power: Columns) -> Table:
    """Power of low-order patterns over the field, table `compared_power`."""
    rows = []
    for row in _rows(power, power["n_term"] > 0):
        degree = int(row["degree"])
        rows.append(
            [
                PARAMETERS[int(row["parameter"])],
                "all" if degree == ALL else str(degree),
                f"{1e3 * row['rms']:.3f}",
                f"{1e3 * row['expected']:.3f}",
                f"{row['chi2']:.1f} / {int(row['n_term'])}",
                f"{row['p']:.2g}",
                VERDICTS[int(row["passes"])],
            ]
        )
    head = ["quantity", "degree", "rms", "expected", "chi2 / terms", "p", "verdict"]
    note = (
        "uas and uas/yr. Legendre polynomials of the place fitted to estimate minus truth. The expectation "
        "knows what sources have in common up to degree 1; beyond, their errors are taken as independent."
    )
    return head, rows, note


def _rows(columns: Columns, wanted: np.ndarray) -> list[dict[str, float]]:
    return [{name: values[i] for name, values in columns.items()} for i in np.flatnonzero(wanted)]


def _who(row: Mapping[str, float]) -> tuple[str, str]:
    """Class of sources, and their number."""
    return "all" if row["kind"] == ALL else KINDS[int(row["kind"])], f"{int(row['n']):,}"


def _uas(row: Mapping[str, float], name: str) -> str:
    return f"{1e3 * row[name]:+.3f}"
