"""The comparison of the plate analysis with the truth in numbers."""

from collections.abc import Mapping

import numpy as np

from galcen.io.plate_quality_schema import KINDS
from galcen.mapping.catalogue_covariance import PARAMETERS

Columns = Mapping[str, np.ndarray]
Table = tuple[list[str], list[list[str]], str]

VERDICTS = {1: "pass", 0: "FAIL", -1: "-"}


def positions(pulls: Columns) -> Table:
    """Head, rows and note of the positions in the orbits: all orbits, by class, estimate and axis."""
    rows = []
    for estimate, label in enumerate(("marginal", "variational")):
        for kind, name in enumerate(KINDS):
            for axis, direction in enumerate(("east", "north")):
                mine = (pulls["kind"] == kind) & (pulls["estimate"] == estimate) & (pulls["axis"] == axis)
                mine &= pulls["n"] > 0
                if mine.any():
                    rows.append(
                        [name, label, direction, *_over_orbits({c: v[mine] for c, v in pulls.items()})]
                    )
    head = ["sources", "errors", "axis", "per orbit", "rms error [mas]", "stated [mas]"]
    head += ["mean pull", "width", "width, local", "orbits that pass"]
    note = (
        "Pulls are (estimate - truth) / error. Local pulls are without the shift, turn and stretch that all "
        "sources of an orbit have in common, as references leave it. An orbit passes with a mean within four "
        "standard deviations (the common part allowed for), a local width within four of 1, and a "
        "Kolmogorov-Smirnov p above 0.001: one in a thousand fails by chance. Errors of a reference's "
        "catalogue entry recur in every orbit."
    )
    return head, rows, note


def motions(motion: Columns, still: tuple[float, int]) -> Table:
    """The same of the five parameters and of the weighted means of artificial sources.

    Parameters
    ----------
    motion
        Table `quality_motion`.
    still
        Chi-square of the artificial sources' positions about their weighted means, and degrees of freedom.
    """
    rows = []
    for i in np.flatnonzero(motion["n"] > 0):
        row = {name: values[i] for name, values in motion.items()}
        number = int(row["parameter"])
        rows.append(
            [
                KINDS[int(row["kind"])],
                PARAMETERS[number] if number < len(PARAMETERS) else f"mean {'ad'[number - len(PARAMETERS)]}",
                f"{int(row['n']):,}",
                f"{row['rms']:.4f}",
                f"{row['error']:.4f}",
                f"{row['mean']:+.3f}",
                f"{row['width']:.3f}",
                f"{row['local_width']:.3f} ({row['width_limit']:.3f})",
                f"{row['local_p']:.2g}",
                f"{row['frame']:+.4f} ({row['frame_error']:.4f})",
                VERDICTS[int(row["passes"])],
            ]
        )
    head = ["sources", "quantity", "number", "rms error", "stated", "mean pull", "width"]
    head += ["width, local (limit)", "p", "shift of all", "verdict"]
    note = (
        "mas and mas/yr. Sources whose orbits alone give all five. The shift of all sources comes with the "
        "error that the references leave it. Did artificial sources stay? Their positions scatter about "
        f"their weighted means with chi2 {still[0]:,.0f} for {still[1]:,} degrees of freedom."
    )
    return head, rows, note


def _over_orbits(pulls: Columns) -> list[str]:
    number = pulls["n"]

    def rms(name: str) -> float:
        return float(np.sqrt(np.average(pulls[name] ** 2, weights=number)))

    judged = pulls["passes"] >= 0
    return [
        f"{number.mean():,.0f}",
        f"{rms('rms'):.3f}",
        f"{np.median(pulls['error']):.3f}",
        f"{np.average(pulls['mean'], weights=number):+.3f}",
        f"{rms('width'):.3f}",
        f"{rms('local_width'):.3f}",
        f"{np.count_nonzero(pulls['passes'] == 1)} of {np.count_nonzero(judged)}",
    ]
