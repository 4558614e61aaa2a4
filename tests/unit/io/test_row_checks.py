"""Numbers that stand for missing values are told from values by their company."""

import numpy as np
import pytest

from galcen.bounds import BOUNDS, PLATE_BOUNDS, STAND_INS
from galcen.errors import SchemaError
from galcen.io.row_checks import Place, refuse_impossible, refuse_impossible_plates, stand_ins

ALL = slice(None)


def found(values: np.ndarray) -> dict[float, int]:
    """Numbers that stand for missing values, and how many there are, where any number is possible."""
    values = np.asarray(values, dtype=float)
    possible = np.zeros(len(values), dtype=bool)
    return {value: int(where.sum()) for value, _, where in stand_ins(values, np.isfinite(values), possible)}


def place(n: int) -> Place:
    """Of rows 1 to n of a table."""
    return Place("t.csv", {"pmra": "pm RA"}, np.arange(1, n + 1), np.arange(n))


@pytest.mark.parametrize(
    "value", [one.value for one in STAND_INS] + [-99.9, 999.0, 9999.99, 999999.0, 9.9999]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_of_archives_are_known_in_both_precisions(value, dtype):
    """Three of them among values far away; a column of single precision holds the nearest number."""
    values = np.random.default_rng(1).normal(0.3, 0.1, 50).astype(dtype)
    values[[3, 8, 9]] = value
    (number,) = found(values)
    assert np.float32(number) == np.float32(value)
    assert list(found(values).values()) == [3]


@pytest.mark.parametrize("digits", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [110.0, 5.0])
def test_rounded_values_are_no_stand_ins(digits, scale):
    """Of 300 tables of rounded normal values, no more than one in a hundred is found fault with."""
    rng = np.random.default_rng(digits)
    faults = sum(bool(found(np.round(rng.normal(0, scale, n), digits))) for n in (30, 300, 3000) * 100)
    assert faults <= 3


def test_one_number_of_few_digits_among_others_of_many():
    """-99 exactly among velocities of six decimals is no coincidence; among whole ones it may be."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 20.0, 40)
    assert found(np.append(values, -99.0)) == {-99.0: 1}
    assert found(np.append(np.round(values), -99.0)) == {}
    assert found(np.append(np.round(values), [-99.0] * 3)) == {-99.0: 3}
    # Among others that are as round it is one of them; three among others of many digits are too many.
    assert found(np.append(np.round(rng.normal(-99, 3.0, 400)), [-99.0] * 3)) == {}
    assert found(np.append(rng.normal(-99, 3.0, 40), [-99.0] * 3)) == {-99.0: 3}
    assert found(np.append(rng.normal(-99, 3.0, 40), -99.0)) == {}


@pytest.mark.parametrize("name", sorted(BOUNDS.keys() - {"ra", "dec"}))
def test_ends_of_a_bound_are_within_it(name):
    """And what lies beyond is refused, by row and with the table's name of the column."""
    low, high = BOUNDS[name].low, BOUNDS[name].high
    refuse_impossible(place(3), {name: np.array([low, high, np.nan])})
    for beyond in (low - 1e-5 - 1e-4 * abs(low), high * 1.001 + 1e-5):
        with pytest.raises(SchemaError, match=r"t\.csv: row 2 \(source_id 1\), column .*\(1 such rows\)"):
            refuse_impossible(place(3), {name: np.array([low, beyond, np.nan])})


@pytest.mark.parametrize(
    ("magnitudes", "is_good"),
    [
        ([0.0, 0.1, -0.6, 1.2], True),
        ([0.0], True),
        ([0.0, 12.0, 13.0], False),
        ([0.0, 0.0, 0.2], False),
        ([np.nan, 9.0], True),
    ],
)
def test_a_magnitude_of_nought_may_be_that_of_vega(magnitudes, is_good):
    columns = {"mks": np.array(magnitudes)}
    if is_good:
        refuse_impossible(place(len(magnitudes)), columns)
    else:
        with pytest.raises(SchemaError, match="column mks: 0 "):
            refuse_impossible(place(len(magnitudes)), columns)


@pytest.mark.parametrize(("ids", "row"), [([-9999, 5], 1), ([5, 0, 0], 2), ([4, -(2**63)], 2)])
def test_numbers_that_are_no_identifiers_of_gaia(ids, row):
    with pytest.raises(SchemaError, match=f"row {row} .*column gaia_source_id"):
        refuse_impossible(place(len(ids)), {"gaia_source_id": np.array(ids)})
    refuse_impossible(place(3), {"gaia_source_id": np.array([-1, 0, 2**62])})


def test_positions_on_plates():
    """Bounds of plates, and values that only a whole plate tells from others."""
    rng = np.random.default_rng(2)
    good = {"x": rng.uniform(0, 100, 30), "y": rng.uniform(0, 100, 30), "sigma_x": np.full(30, 0.01)}
    exposure = np.repeat(["a", "b", "c"], 10)
    # One star of each exposure may be the origin.
    for name in "xy":
        good[name][[0, 10, 20]] = 0.0
    refuse_impossible_plates(place(30), exposure, good)
    for name, value in (("x", 1e10), ("sigma_x", 500.0), ("sigma_x", 1e-12)):
        wrong = {**good, name: good[name].copy()}
        wrong[name][4] = value
        with pytest.raises(SchemaError, match=f"row 5 .*column {name}"):
            refuse_impossible_plates(place(30), exposure, wrong)
    wrong = {name: np.where(np.arange(30) == 1, 0.0, values) for name, values in good.items() if name in "xy"}
    with pytest.raises(SchemaError, match=r"row 1 .*2 such rows"):
        refuse_impossible_plates(place(30), exposure, good | wrong)
    assert PLATE_BOUNDS["t"].low < 1885
