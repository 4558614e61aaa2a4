"""One number in many rows of a column whose other values do not repeat."""

from collections.abc import Iterator

import numpy as np

from galcen.bounds import BANDS, DISTANCES
from galcen.io.sample import Finding, Sample

MEASURED = (*BANDS, "hw", "parallax", "pmra", "pmdec", "radial_velocity", "ruwe", *DISTANCES)
"""Errors are left out: many are as large as a floor."""

FEWEST_ROWS = 3

TIMES_OTHERS = 5
"""A number that stands in more rows than so many times any other."""


def judge_repeats(sample: Sample) -> Iterator[Finding]:
    """Numbers for missing values that are nobody's custom, such as -1 or 0."""
    for name in MEASURED:
        (values,) = sample.together(name)
        numbers, counts = np.unique(values, return_counts=True)
        if len(numbers) < 2:
            continue
        most = int(np.argmax(counts))
        others = int(np.delete(counts, most).max())
        if counts[most] >= FEWEST_ROWS and counts[most] > TIMES_OTHERS * others:
            yield Finding(
                f"column {sample.names[name]}: {numbers[most]:.10g} stands in {counts[most]} of "
                f"{len(values)} rows, any other number in {others} at most; if it stands for a missing "
                "value, list it under `missing_values`",
                is_impossible=False,
            )


JUDGES = (judge_repeats,)
