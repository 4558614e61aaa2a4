"""Magnitudes in the wrong column are found by colours that no field of stars has."""

import numpy as np
import pytest

from galcen.errors import SchemaError
from galcen.io.plausibility import MedianCheck

NAMES = {"ra": "RA", "dec": "DE", "mj": "Jmag", "mh": "Hmag", "mks": "Kmag"}


def reddened(n: int = 500, excess: float = 1.0) -> dict[str, np.ndarray]:
    """Giants behind E(J-H) = `excess`, by a law of E(J-H) / E(H-Ks) = 1.7, with errors."""
    rng = np.random.default_rng(1)
    mks, noise = rng.uniform(8, 14, n), rng.normal(0, 0.1, (2, n))
    mh = mks + 0.15 + excess / 1.7 + noise[0]
    return {"mks": mks, "mh": mh, "mj": mh + 0.6 + excess + noise[1]}


def judge(stars: dict[str, np.ndarray]) -> None:
    check = MedianCheck("s.csv", NAMES)
    half = len(next(iter(stars.values()))) // 2
    for part in (slice(None, half), slice(half, None)):
        check.look_at({name: values[part] for name, values in stars.items()})
    check.judge()


@pytest.mark.parametrize("excess", [0.0, 0.3, 1.0, 4.0])
def test_fields_of_stars_pass(excess):
    """Giants with any reddening, and hot stars without."""
    judge(reddened(excess=excess))
    blue = reddened()
    judge({"mks": blue["mks"], "mh": blue["mks"] - 0.05, "mj": blue["mks"] - 0.15})


@pytest.mark.parametrize(
    "wrong",
    [
        {"mj": "mh", "mh": "mj"},
        {"mh": "mj"},
        {"mj": "mks", "mks": "mj"},
        {"mh": "mks", "mks": "mh"},
    ],
)
def test_a_band_in_another_s_column_is_refused(wrong):
    """J and H exchanged, J in the H column, J and Ks, H and Ks exchanged; the column map is told."""
    stars = reddened()
    mixed = {**stars, **{to: stars[source] for to, source in wrong.items()}}
    with pytest.raises(SchemaError, match=r"s\.csv: the median colours.*mj: Jmag, mh: Hmag, mks: Kmag"):
        judge(mixed)


def test_a_handful_of_odd_stars_is_no_reason():
    """Fewer than 20 stars, or no common stars, are not judged."""
    stars = reddened(10)
    judge({**stars, "mj": stars["mh"], "mh": stars["mj"]})
    judge({"mj": stars["mj"], "mks": stars["mks"]})
    judge({**stars, "mh": np.full(10, np.nan)})
