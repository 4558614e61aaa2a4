"""Paths of stars on the sky: measured orbit by orbit, true, and as fitted."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galcen.io.plate_quality_schema import KINDS
from galcen.report.source_kinds import STYLES

Columns = Mapping[str, np.ndarray]
TRUE = {"color": "#000000", "lw": 1.0, "label": "true"}
FOUND = {"color": "#D55E00", "lw": 1.2, "ls": "--", "label": "fitted"}


def paths(points: Columns, curves: Columns) -> Figure:
    """A row for each star of tables `path_points` and `path_curves`: the sky, and both offsets over time."""
    stars = np.unique(curves["source_id"])
    figure, axes = plt.subplots(
        max(len(stars), 1), 3, figsize=(13, 3.6 * max(len(stars), 1)), layout="constrained", squeeze=False
    )
    for row, star in zip(axes, stars, strict=False):
        mine, line = (
            {name: values[table["source_id"] == star] for name, values in table.items()}
            for table in (points, curves)
        )
        _sky(row[0], mine, line)
        for axis, name, label in ((row[1], "a", "east"), (row[2], "d", "north")):
            axis.plot(line["t"], line[f"{name}_true"], **TRUE)
            axis.plot(line["t"], line[f"{name}_found"], **FOUND)
            axis.errorbar(mine["t"], mine[name], mine[f"{name}_error"], **_marks(mine))
            axis.set(xlabel="Julian year", ylabel=f"offset {label} [mas]")
            axis.ticklabel_format(useOffset=False)
    if not len(stars):
        for axis in axes[0]:
            axis.set_axis_off()
        axes[0, 0].text(0.0, 0.5, "no star has five parameters")
    return figure


def _sky(axis: Axes, mine: Columns, line: Columns) -> None:
    axis.plot(line["a_true"], line["d_true"], **TRUE)
    axis.plot(line["a_found"], line["d_found"], **FOUND)
    axis.errorbar(mine["a"], mine["d"], mine["d_error"], mine["a_error"], **_marks(mine))
    kind = KINDS[int(mine["kind"][0])] if len(mine["kind"]) else "not measured"
    axis.set(xlabel="offset east [mas]", ylabel="offset north [mas]", title=f"one of the {kind}")
    axis.title.set_size(10)
    axis.ticklabel_format(useOffset=False)
    axis.invert_xaxis()
    axis.legend(fontsize=8)


def _marks(mine: Columns) -> dict[str, object]:
    colour, marker = STYLES[int(mine["kind"][0])] if len(mine["kind"]) else STYLES[0]
    return {"fmt": marker, "color": colour, "ms": 3, "lw": 0.8, "label": "orbits"}
