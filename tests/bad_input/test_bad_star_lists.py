"""Star lists of reducers: names that are none, other shapes, other fields, wrong epochs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bad_case import Case, table_test
from galcen.config.joint_plates import parse
from galcen.stages import joint_plates
from galcen.stages.joint_plates_input import read

N_STAR = 60
EPOCHS = (2011.8, 2012.7, 2013.8)
Cells = dict[str, np.ndarray]


def field(seed: int = 3, names: str = "own", moves: bool = True) -> list[Cells]:
    """Three lists of one field, turned and shifted; names are the stars' own, or numbers of the rows."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 1000, (N_STAR, 2)), rng.normal(0, 0.5, (N_STAR, 2)) * moves
    magnitude = rng.uniform(14, 20, N_STAR)
    lists = []
    for number, epoch in enumerate(EPOCHS):
        star = rng.permutation(N_STAR)
        turn = np.exp(0.4j * number)
        z = ((place + speed * (epoch - EPOCHS[0]))[star] @ np.array([1, 1j]) - 500 - 500j) * turn
        at = np.column_stack([z.real + 530 + 20 * number, z.imag + 500])
        at += rng.normal(0, 0.02, at.shape)
        own = (
            [f"S{one:03d}" for one in star] if names == "own" else [f"N{k:06d}" for k in range(1, N_STAR + 1)]
        )
        lists.append(
            {
                "name": np.array(own),
                "m": magnitude[star],
                "t": np.full(N_STAR, epoch),
                "x": at[:, 0],
                "y": at[:, 1],
                "xe": np.full(N_STAR, 0.02),
                "ye": np.full(N_STAR, 0.02),
                "star": star,
            }
        )
    return lists


WRITTEN = ("name", "m", "t", "x", "y", "xe", "ye")


def text(cells: Cells, header: str = "# ", between: str = " ", names: tuple[str, ...] = WRITTEN) -> str:
    """A list as text."""
    lines = [header + between.join(names)] if header is not None else []
    columns = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in cells[n].tolist()] for n in names]
    return "\n".join([*lines, *(between.join(row) for row in zip(*columns, strict=True))]) + "\n"


def write(folder: Path, texts: list[str], ending: str = ".lis") -> list[Path]:
    """Files e0, e1, ..."""
    paths = [folder / f"e{number}{ending}" for number in range(len(texts))]
    for path, content in zip(paths, texts, strict=True):
        path.write_text(content)
    return paths


def solved(
    change: Callable[[list[Cells]], object] = lambda lists: None, names: str = "own", **options: object
) -> Callable[[Path], None]:
    """The lists, changed, handed to the stage."""

    def run(folder: Path) -> None:
        lists = field(names=names)
        change(lists)
        (folder / "out").mkdir()
        joint_plates.run(
            write(folder, [text(cells) for cells in lists]), folder / "out" / "solved.h5", options
        )

    return run


def matched(
    change: Callable[[list[Cells]], object] = lambda lists: None,
    names: str = "own",
    whole: float = 1.0,
    shape: Callable[[Cells], str] = text,
    ending: str = ".lis",
    **options: object,
) -> Callable[[Path], None]:
    """The lists, changed and read: rows of one star must have one name, for this part of the stars."""

    def run(folder: Path) -> None:
        lists = field(names=names)
        change(lists)
        paths = write(folder, [shape(cells) for cells in lists], ending)
        plates = read(paths, parse(options))
        truth = np.concatenate([cells["star"] for cells in lists])
        x = np.concatenate([np.round(cells["x"], 4) for cells in lists])
        # Rows come sorted; a position is that of one row alone.
        star = dict(zip(x.tolist(), truth.tolist(), strict=True))
        true = np.array([star[value] for value in plates.x.tolist()])
        together = sum(
            np.bincount(plates.star[true == one]).max() == np.count_nonzero(true == one) for one in set(true)
        )
        pure = all(len(set(true[plates.star == one].tolist())) == 1 for one in set(plates.star.tolist()))
        assert together >= whole * N_STAR
        assert pure

    return run


def spoil(column: str, values: object, number: int = 1, row: object = 4) -> Callable[[list[Cells]], None]:
    """Other values in a row of a column of one list."""

    def change(lists: list[Cells]) -> None:
        cells = lists[number][column]
        if isinstance(values, str) and not cells.dtype.kind == "U":
            cells = cells.astype(object)
        cells[row] = values
        lists[number][column] = cells

    return change


def unmeasured(column: str, value: object, *also: str) -> Callable[[Path], None]:
    """Five rows of a list that were not measured, to be left out; what they say has no part in the result."""

    def run(folder: Path) -> None:
        lists = field()
        for name in (column, *also):
            spoil(name, value, 1, slice(4, 9))(lists)
        paths = write(folder, [text(cells) for cells in lists])
        plates = read(paths, parse({"unusable_rows": "leave_out"}))
        count = np.bincount(plates.exposure)
        assert count.tolist() == [N_STAR, N_STAR if column == "m" else N_STAR - 5, N_STAR]
        if column == "m":
            assert np.isnan(plates.magnitude[plates.exposure == 1]).sum() == 5
        kept = field()[1]["x"] if column == "m" else np.delete(field()[1]["x"], slice(4, 9))
        assert set(plates.x[plates.exposure == 1]) == set(np.round(kept, 4))

    return run


def exchange(lists: list[Cells]) -> None:
    """Two names of one list change places."""
    names = lists[1]["name"]
    names[[4, 9]] = names[[9, 4]]


def swap_axes(lists: list[Cells]) -> None:
    """One list has x and y the wrong way round."""
    lists[1]["x"], lists[1]["y"] = lists[1]["y"], lists[1]["x"]


def in_arcsec(lists: list[Cells]) -> None:
    """One list in another unit."""
    for column in ("x", "y", "xe", "ye"):
        lists[2][column] = 0.05 * lists[2][column]


def another_field(lists: list[Cells]) -> None:
    """One list of other stars."""
    other = field(99, names="numbers")[1]
    lists[1].update({column: other[column] for column in ("x", "y", "m")})


def on_a_grid(lists: list[Cells]) -> None:
    """Stars on the corners of squares."""
    grid = 100.0 * np.stack(np.divmod(np.arange(N_STAR), 8), axis=1)
    for cells in lists:
        cells["x"], cells["y"] = grid[cells["star"], 0], grid[cells["star"], 1] + 0.01


def renamed(spelling: Callable[[int], str]) -> Callable[[list[Cells]], None]:
    """Running numbers in some spelling."""

    def change(lists: list[Cells]) -> None:
        for cells in lists:
            cells["name"] = np.array([spelling(row) for row in range(1, N_STAR + 1)])

    return change


def own_spelling(lists: list[Cells]) -> None:
    """Names that no two lists share."""
    for number, cells in enumerate(lists):
        cells["name"] = np.array([f"{number}-{name}" for name in cells["name"]])


def one_epoch(lists: list[Cells]) -> None:
    """The same epoch in all lists."""
    for cells in lists:
        cells["t"][:] = 2019.75


def drop(column: str) -> Callable[[Cells], str]:
    """A list without a column."""
    return lambda cells: text(cells, names=tuple(name for name in WRITTEN if name != column))


def with_units(cells: Cells) -> str:
    """A line of units below the names, commas between."""
    lines = text(cells, header="", between=",").splitlines()
    return "\n".join([lines[0], ",mag,yr,[pix],[pix],[pix],[pix]", *lines[1:]]) + "\n"


def as_sextractor(cells: Cells) -> str:
    """Names of columns one a line with their numbers."""
    head = [f"#  {at} {name}   Something of it  [pixel]" for at, name in enumerate(WRITTEN, 1)]
    return "\n".join([*head, *text(cells).splitlines()[1:]]) + "\n"


SPELLINGS: dict[str, Callable[[int], str]] = {
    "N000001": lambda row: f"N{row:06d}",
    "1": str,
    "id-0003": lambda row: f"id-{row:04d}",
    "hexadecimal": lambda row: f"0x{row:04x}",
    "S0001": lambda row: f"S{row:04d}",
    "roundabout": lambda row: f"src_{row}_of_{N_STAR}",
}
NUMBERS = "names that are running numbers"
FEW = "a few wrong names"
SHAPE = "shapes of star lists"
LISTS = "star lists that do not belong together"
EPOCH = "epochs of star lists"
VALUES = "values of star lists"

CASES = [
    *(
        Case(
            NUMBERS,
            spelling,
            matched(renamed(made)),
            ("running numbers", "star list e1", "matched by position"),
            "warned",
        )
        for spelling, made in SPELLINGS.items()
    ),
    Case(NUMBERS, "star_12, flystar's own", matched(renamed(lambda row: f"star_{row}")), (), "taken"),
    Case(NUMBERS, "ignored by option", matched(names="numbers", matching={"names": "ignore"}), (), "taken"),
    Case(
        NUMBERS,
        "only common names wanted",
        solved(names="numbers", matching={"common_only": True}),
        ("common_only leaves no star",),
    ),
    Case(
        FEW,
        "two names exchanged in one of three lists",
        matched(exchange),
        ("2 names are at other places", "in e1", "not believed"),
        "warned",
    ),
    Case(
        FEW,
        "names differ in every list",
        matched(own_spelling),
        (),
        "taken",
    ),
    Case(SHAPE, "no # before the names of columns", matched(shape=lambda c: text(c, header="")), (), "taken"),
    Case(SHAPE, ".calib", matched(shape=lambda c: text(c, header=""), ending=".calib"), (), "taken"),
    Case(SHAPE, "commas", matched(shape=lambda c: text(c, between=",")), (), "taken"),
    Case(SHAPE, "tabs", matched(shape=lambda c: text(c, header="", between="\t")), (), "taken"),
    Case(SHAPE, "a line of units", matched(shape=with_units), (), "taken"),
    Case(SHAPE, "header of SExtractor", matched(shape=as_sextractor), (), "taken"),
    Case(
        SHAPE,
        "no names of columns, mapped by their numbers",
        matched(
            names="numbers",
            shape=lambda c: "\n".join(text(c).splitlines()[1:]),
            ending=".dat",
            columns={
                "star": None,
                "magnitude": "2",
                "t": "3",
                "x": "4",
                "y": "5",
                "sigma_x": "6",
                "sigma_y": "7",
            },
        ),
        (),
        "taken",
    ),
    Case(
        SHAPE,
        "no names of columns, no map",
        matched(shape=lambda c: "\n".join(text(c).splitlines()[1:])),
        ("e0.lis", "no line of column names", '"columns"'),
    ),
    Case(SHAPE, "no column of errors", matched(shape=drop("xe")), ("e0.lis", "no column xe", "`sigma`")),
    Case(SHAPE, "no column of errors, sigma given", matched(shape=drop("xe"), sigma=0.02), (), "taken"),
    Case(SHAPE, "no column of magnitudes", matched(shape=drop("m")), (), "taken"),
    Case(SHAPE, "no names of stars", matched(shape=drop("name")), (), "taken"),
    Case(
        SHAPE,
        "a column mapped that is not there",
        matched(columns={"x": "xpos"}),
        ("no column xpos", "e0.lis"),
    ),
    Case(SHAPE, "an unknown name in the map", matched(columns={"xx": "x"}), ("unknown name xx", "sigma_x")),
    Case(SHAPE, "an empty list", matched(shape=lambda c: ""), ("e0.lis", "no line of column names")),
    Case(
        SHAPE,
        "a list of names of columns alone",
        matched(shape=lambda c: text(c).splitlines()[0]),
        ("no stars",),
    ),
    Case(SHAPE, "cut short", matched(shape=lambda c: text(c)[:-9]), ("row 60", "cells, expected 7")),
    Case(
        LISTS,
        "one of another field",
        matched(another_field, names="numbers"),
        ("star list e1", "same field?"),
    ),
    Case(
        LISTS,
        "stars on a regular grid without names",
        matched(on_a_grid, names="numbers", matching={"names": "ignore"}),
        ("several maps fit alike",),
    ),
    Case(
        LISTS,
        "x and y swapped in one, no names",
        matched(swap_axes, names="numbers", matching={"names": "ignore"}),
        ("mirror image", "star list e1"),
        "warned",
    ),
    Case(
        LISTS,
        "one in arcseconds, no names",
        matched(in_arcsec, names="numbers", matching={"names": "ignore"}),
        ("another unit", "star list e2"),
        "warned",
    ),
    Case(
        EPOCH, "one epoch for lists whose stars moved", solved(one_epoch), ("look like motions", "`epochs`")
    ),
    Case(EPOCH, "no column t", matched(shape=drop("t")), ("e0.lis", "no column t", '"epochs"')),
    Case(
        EPOCH,
        "no column t, dates given",
        matched(shape=drop("t"), epochs=["2011-10-19", 2012.7, 2013.8]),
        (),
        "taken",
    ),
    Case(
        EPOCH,
        "fewer epochs than lists",
        matched(shape=drop("t"), epochs=[2011.8]),
        ("epochs: 1", "3 star lists"),
    ),
    Case(
        EPOCH,
        "a Julian date",
        matched(shape=drop("t"), epochs=[2455853.5, 2456183.5, 2456589.5]),
        ("2.45585e+06", "Julian year"),
    ),
    Case(
        EPOCH,
        "in the list and by option, not alike",
        matched(epochs={"e1": 2015.0}),
        ("e1.lis", "2015", '"t": null'),
    ),
    Case(EPOCH, "for a list that is not there", matched(epochs={"e9": 2015.0}), ("e9", "there are e0")),
    Case(VALUES, "errors of zero", matched(spoil("xe", 0.0)), ("e1.lis", "row 5", "sigma_x is 0.0")),
    Case(VALUES, "a position that is no number", matched(spoil("x", "abc")), ("e1.lis: row 5", "'abc'")),
    Case(VALUES, "a position that is missing", matched(spoil("x", np.nan)), ("e1.lis: row 5", "x is nan")),
    Case(
        VALUES,
        "a name twice in a list",
        matched(spoil("name", "S001", 1, slice(3, 5))),
        ("e1.lis", '"star": null'),
    ),
    Case(VALUES, "x and y are the same column", matched(columns={"y": "x"}), ("e0", "on one line")),
    Case(VALUES, "a magnitude of 99.999", matched(spoil("m", 99.999)), ("row 5", "`unusable_rows`")),
    *(
        Case(
            VALUES,
            f"{example}, left out by request",
            unmeasured(column, value, *also),
            ("e1.lis", "5 of 60 rows", "row 5"),
            "warned",
        )
        for example, column, value, also in (
            ("errors of 0", "xe", 0.0, ()),
            ("errors of -1", "ye", -1.0, ()),
            ("errors of 9.9999", "xe", 9.9999, ("ye",)),
            ("errors of 99.999", "xe", 99.999, ("ye",)),
            ("errors that are missing", "xe", np.nan, ()),
            ("positions that are missing", "x", np.nan, ()),
            ("positions of 0", "x", 0.0, ("y",)),
            ("positions of -999", "x", -999.0, ("y",)),
            ("positions of stars alone", "y", "*******", ()),
            ("magnitudes of 99.999", "m", 99.999, ()),
        )
    ),
    Case(
        VALUES,
        "no row with an error, rows left out",
        matched(spoil("xe", 0.0, 1, slice(None)), unusable_rows="leave_out"),
        ("e1.lis", "no row has a position and an error"),
    ),
    Case(
        VALUES,
        "some magnitudes missing",
        matched(spoil("m", np.nan)),
        ("1 stars have no magnitude",),
        "warned",
    ),
]

test_star_lists = table_test(CASES)
