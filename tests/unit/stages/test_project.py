"""`galcen project`: the reference's numbers through the command, and every fault of its files."""

import csv
import re
import subprocess
import sys

import numpy as np
import pytest

from galcen.errors import ConvergenceError, SchemaError
from galcen.stages.project import run
from mapping_cases import table
from reference import reference_file

HEADER = "case,projection,distortion,detector,ra_deg,dec_deg"
ROW = "one,gnomonic,legendre,0,266.1,-29.05"


def _parameters(order=5, **changes):
    """Rows of one case, {name: values}; None leaves a name out."""
    n_term = (order + 1) * (order + 2) // 2 - 3
    rng = np.random.default_rng(order)
    names = {"ra": [266.0], "dec": [-29.0], "pa": [30.0], "Fx": [4.37e6], "Fy": [4.371e6]}
    names |= {name: rng.normal(0.0, 2.0, n_term).tolist() for name in "AB"}
    names |= {"det_r": [0.0, -90.0], "det_o_x": [-1e4, 1e4], "det_o_y": [1e4, 1e4]}
    names |= {"det_p_x": [10.0, 10.1], "det_p_y": [10.0, 9.9]} | changes
    return [f"one,{name},{k},{v!r}" for name, values in names.items() if values for k, v in enumerate(values)]


def _write(folder, sources, parameters=None, header=HEADER):
    paths = folder / "parameters.csv", folder / "sources.csv", folder / "out" / "mapped.csv"
    rows = _parameters() if parameters is None else parameters
    paths[0].write_text("\n".join(["case,name,index,value", *rows, ""]))
    paths[1].write_text("\n".join([header, *sources, ""]))
    return paths


def _read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def _galcen(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from galcen.cli import main; main()", "project", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_gives_the_reference_both_ways(tmp_path):
    """All positions of the reference to 1e-6 pixel through the command line; from its pixels its directions.

    A direction is that of its pixel to 1e-6 pixel, 0.5 uas.
    """
    parameters = reference_file("reference/mapping_params.csv")
    names = HEADER.split(",")
    rows = table("mapping_pairs.csv")
    sources, there, back = (tmp_path / name for name in ("sources.csv", "there.csv", "back.csv"))
    sources.write_text("\n".join([HEADER, *(",".join(row[k] for k in names) for row in rows), ""]))
    done = _galcen("--params", parameters, "--sources", sources, "--output", there)
    assert done.returncode == 0, done.stderr
    found = _read(there)
    assert list(found[0]) == [*names, "p_um", "q_um", "x_um", "y_um", "nx_pix", "ny_pix"]
    for row, expected in zip(found, rows, strict=True):
        for name in found[0]:
            if name in names:
                assert row[name] == expected[name]
            else:
                assert abs(float(row[name]) - float(expected[name])) < (1e-6 if "pix" in name else 1e-5)
    # The reference's own table serves as sources: columns of results are replaced.
    pairs = reference_file("reference/mapping_pairs.csv")
    done = _galcen("--params", parameters, "--sources", pairs, "--output", back, "--inverse")
    assert done.returncode == 0, done.stderr
    for row, expected in zip(_read(back), rows, strict=True):
        for name in ("ra_deg", "dec_deg"):
            assert abs(float(row[name]) - float(expected[name])) < 0.5e-6 / 3600


@pytest.mark.parametrize("order", range(2, 8))
def test_there_and_back(tmp_path, order):
    """Sky to pixel to sky to pixel, whatever the number of terms; odd orders from real to ideal."""
    polynomial = ("ideal_to_real", "real_to_ideal")[order % 2]
    rng = np.random.default_rng(order)
    rows = [
        f"one,{projection},{distortion},{chip},{266 + ra!r},{-29 + dec!r}"
        for projection, distortion in (("gnomonic", "legendre"), ("equidistant", "sip"))
        for chip in (0, 1)
        for ra, dec in rng.uniform(-0.2, 0.2, (2, 2)).tolist()
    ]
    terms = {name: (0.01 * rng.normal(size=(order + 1) * (order + 2) // 2 - 3)).tolist() for name in "AB"}
    parameters, sources, there = _write(tmp_path, rows, _parameters(order, **terms))
    back, again = tmp_path / "back.csv", tmp_path / "again.csv"
    run(parameters, sources, there, polynomial=polynomial)
    run(parameters, there, back, polynomial=polynomial, is_inverse=True)
    run(parameters, back, again, polynomial=polynomial)
    for first, last in zip(_read(there), _read(again), strict=True):
        for name in ("nx_pix", "ny_pix"):
            # The right ascension is rounded to 3e-14 deg, 2e-10 pixel.
            assert abs(float(first[name]) - float(last[name])) < 4e-10
        assert abs(float(first["ra_deg"]) - float(last["ra_deg"])) < 1e-13


def test_centre_may_keep_its_shift(tmp_path):
    """Without the subtraction the boresight is shifted by -(A0 + A2)/2 of an order 2."""
    a, b = [3.0, 1.0, 2.0], [-1.0, 1.0, 5.0]
    row = ["one,gnomonic,legendre,0,266.0,-29.0"]
    paths = _write(tmp_path, row, _parameters(A=a, B=b))
    run(*paths, vanish_at_centre=False)
    found = _read(paths[2])[0]
    assert abs(float(found["x_um"]) - float(found["p_um"]) + 2.5) < 1e-9
    assert abs(float(found["y_um"]) - float(found["q_um"]) + 2.0) < 1e-9


def test_other_columns_and_names_with_commas_stay(tmp_path):
    """What is not read is handed on as it stood."""
    paths = _write(tmp_path, [f'{ROW},"a, ""b"""', "", f"{ROW},"], header=f"{HEADER},note")
    run(*paths)
    assert [row["note"] for row in _read(paths[2])] == ['a, "b"', ""]


FAULTS = {
    "unknown case": ([ROW.replace("one", "two")], {}, r"sources.csv: line 2: unknown case 'two'; .* has one"),
    "missing parameter": ([ROW], {"pa": None}, "case one: missing parameter pa"),
    "no full order": (
        [ROW],
        {"A": [0.0] * 17, "B": [0.0] * 17},
        r"17 A and B terms are no full order.*18 \(order",
    ),
    "order 8": ([ROW], {"A": [0.0] * 42, "B": [0.0] * 42}, "42 A and B terms are no full order"),
    "A and B differ": ([ROW], {"A": [0.0] * 12}, "12 A and 18 B terms"),
    "no terms": ([ROW], {"A": None, "B": None}, "missing parameters A, B of the distortion legendre"),
    "chip": (
        [ROW.replace(",0,", ",2,")],
        {},
        r"line 2 \(1 such rows\): unknown detector; the parameters have 2",
    ),
    "chip text": ([ROW.replace(",0,", ",-1,")], {}, "line 2: detector is '-1', expected a whole number"),
    "chips differ": ([ROW], {"det_r": [0.0]}, "unequal numbers of chips"),
    "projection": (
        [ROW.replace("gnomonic", "tan")],
        {},
        "unknown projection 'tan'; expected gnomonic, equidistant",
    ),
    "distortion": ([ROW.replace("legendre", "zernike")], {}, "unknown distortion 'zernike'; expected none"),
    "nan": ([ROW, ROW.replace("266.1", "nan")], {}, "line 3: ra_deg is 'nan', expected a finite number"),
    "text": ([ROW.replace("266.1", "17:44")], {}, "line 2: ra_deg is '17:44', expected a finite number"),
    "nan parameter": ([ROW], {"Fx": [float("nan")]}, "value is 'nan', expected a finite number"),
    "pixel size": (
        [ROW],
        {"det_p_x": [10.0, 0.0]},
        "det_p_x is 0, expected a pixel size from 0.1 to 1000 um",
    ),
    "focal length": (
        [ROW],
        {"Fy": [-4e6]},
        r"Fy is -4000000, expected a focal length from 10000 to 1e\+09 um",
    ),
    "declination": (
        [ROW.replace("-29.05", "-91")],
        {},
        "line 2: dec_deg is -91, expected a declination from -90 to 90 deg",
    ),
    "declination of the telescope": (
        [ROW],
        {"dec": [95.0]},
        "line .: dec is 95, expected a declination from -90 to 90 deg",
    ),
    "behind": (
        [ROW, ROW.replace("266.1", "86")],
        {},
        r"line 3 \(1 such rows\): the star is behind the telescope",
    ),
    "folds": ([ROW], {"A": [9000.0] * 18}, "case one: the distortion folds: its Jacobian is not positive"),
    "folds outside": (
        [ROW.replace("266.1", "266.5")],
        {"pa": [0.0], "A": [6000.0] + [0.0] * 17, "B": [0.0] * 18},
        "line 2 .*the distortion folds.*21000 um or more from the centre",
    ),
    "truncated": ([ROW, "one,gnomonic,lege"], {}, "line 3 has 3 fields, expected 6: is the file truncated?"),
    "no rows": ([], {}, "no rows"),
    "unknown name": ([ROW], {"Fz": [1.0]}, "unknown name 'Fz'; expected ra, dec, pa"),
    "second value": ([ROW], {"ra": [1.0, 2.0]}, r"ra has the indices \[0, 1\], expected the index 0 only"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_and_nothing_written(tmp_path, name):
    """One line that says where and what, and no output."""
    rows, changes, message = FAULTS[name]
    paths = _write(tmp_path, rows, _parameters(**changes))
    with pytest.raises(SchemaError, match=message) as caught:
        run(*paths)
    assert "\n" not in str(caught.value)
    assert not paths[2].exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("one,A,0,1.0", "A 0 of case one is given twice"),
        ("one,A,19,1.0", r"the indices of A are .*, expected 0 to 18"),
        ("one,A,x,1.0", "index is 'x', expected a whole number"),
        ("one,A,18", "has 3 fields, expected 4"),
    ],
)
def test_faulty_row_of_parameters(tmp_path, extra, message):
    """Repeated, left out, no number, cut off."""
    paths = _write(tmp_path, [ROW], [*_parameters(), extra])
    with pytest.raises(SchemaError, match=message):
        run(*paths)


def test_faulty_files(tmp_path):
    """A missing file, a missing column, a column twice, no text."""
    parameters, sources, output = _write(tmp_path, [ROW])
    with pytest.raises(SchemaError, match=r"none.csv: cannot be read: No such file"):
        run(tmp_path / "none.csv", sources, output)
    with pytest.raises(SchemaError, match="no column nx_pix, ny_pix"):
        run(parameters, sources, output, is_inverse=True)
    sources.write_text(f"{HEADER},case\n{ROW},one\n")
    with pytest.raises(SchemaError, match="a column is there twice"):
        run(parameters, sources, output)
    sources.write_bytes(b"\xff\xfe\x00,")
    with pytest.raises(SchemaError, match="not a text file"):
        run(parameters, sources, output)


def test_way_back_that_is_not_found_is_an_error(tmp_path):
    """A pixel that no ideal position leads to: X = p - A/2 + 3/2 A (p/L)^2 + ... has a least value."""
    a = {"A": [3000.0] + [0.0] * 17, "B": [0.0] * 18}
    header = HEADER.replace("ra_deg,dec_deg", "nx_pix,ny_pix")
    row = "one,gnomonic,legendre,0,-5000.0,0.0"
    paths = _write(tmp_path, [row], _parameters(**a), header=header)
    with pytest.raises((ConvergenceError, SchemaError), match=r"inverse of the distortion|folds"):
        run(*paths, is_inverse=True)


def test_command_prints_the_error_without_a_traceback(tmp_path):
    """Exit code 1 and one line."""
    parameters, sources, output = _write(tmp_path, [ROW.replace("one", "two")])
    done = _galcen("--params", parameters, "--sources", sources, "--output", output)
    assert done.returncode == 1
    assert re.fullmatch(r"galcen: error: .*unknown case 'two'.*\n", done.stderr)
