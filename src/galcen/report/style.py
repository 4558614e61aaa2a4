"""How the figures look: one palette that survives grey print and colour blindness."""

import base64
import io

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from galcen.galaxy.components import COMPONENTS

# Five groups of components: Okabe-Ito colours of distinct lightness, and a line style each.
GROUPS = {
    "thin discs": (range(7), "#56B4E9", "-"),
    "thick disc": ((7,), "#000000", ":"),
    "bar": ((8,), "#D55E00", "--"),
    "nuclear disc": ((9,), "#0072B2", "-."),
    "nuclear cluster": ((10,), "#F0E442", "-"),
    "halo": ((11,), "#999999", ":"),
}
assert sorted(i for members, _, _ in GROUPS.values() for i in members) == list(range(len(COMPONENTS)))

plt.rcParams.update(
    {
        "figure.dpi": 110,
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "image.cmap": "cividis",
    }
)


def png(figure: Figure) -> str:
    """A figure as the source of an HTML image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
