"""Plates of any form for `joint_plates`: names are compared with positions, stars without names matched."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from galcen.astrometry.plate_identity import Identities, NamedList, identify
from galcen.astrometry.plate_matching import MatchOptions, StarList, match
from galcen.astrometry.plate_vote import PointSet, spacing
from galcen.config.joint_plates import JointPlates
from galcen.errors import ConfigError, SchemaError
from galcen.io.challenge_plates import is_challenge, read_challenge
from galcen.io.plates import Plates, Rows, assemble, check_rows, read_tables
from galcen.io.star_lists import ENDINGS, ListColumns, exposure_names, is_numbered, read_star_lists

log = logging.getLogger(__name__)

TABLE_COLUMNS = {name: name for name in ("star", "exposure", "x", "y", "sigma")}
"""Column map of tables where none is given."""

RADIUS = 2.0
"""Radius of matching where it is between these parts of the mean distance of neighbours ..."""
RADIUS_RANGE = (0.002, 0.5)
RADIUS_ELSE = 0.03
"""... and this part of it elsewhere."""

LARGEST_ORDER = 5
"""Of maps between lists, where positions ask for it."""

SMALLEST_WIDTH = 1e-9
"""Width of a field over its length below which it is a line."""

NAMED = 5
"""Names that a warning repeats."""

SCALE_SAID = 0.1
"""Difference of the scales of two lists from which on a warning asks for their units."""

FEW_MATCHED = 0.2
"""Part of a list's stars in other lists below which a warning is logged."""


def read(files: Sequence[Path], settings: JointPlates) -> Plates:
    """Plates of any form.

    Raises
    ------
    SchemaError, ConfigError
        A file, a row or an option at fault; lists that cannot be matched.
    """
    form = _form(files, settings)
    leave_out = settings.unusable_rows == "leave_out"
    if form == "challenge":
        if len(files) != 2:
            raise SchemaError(f"{files[0]}: the challenge has two files, found {len(files)}")
        source, pointing = sorted(files, key=lambda path: "pointing" in path.name)
        return read_challenge(source, pointing, settings.sigma or 1.0).plates
    if form == "lists":
        if settings.columns and settings.columns.get("exposure"):
            raise ConfigError("columns: a star list is one exposure, named by its file; leave out exposure")
        epochs = _epochs(files, settings)
        columns = ListColumns(settings.columns or {}, settings.sigma, epochs, leave_out)
        return _matched(read_star_lists(files, columns), settings, has_identities=False)
    mapped = {ours: name for ours, name in (settings.columns or TABLE_COLUMNS).items() if name is not None}
    plates = read_tables(files, mapped, settings.sigma, settings.table_format, leave_out)
    plates = _check_spread(_with_epochs(plates, settings))
    if len(plates.exposure_names) < 2 or settings.matching.common_only:
        return plates
    return _matched(_parts(plates, files[0]), settings, has_identities=True, plates=plates)


def _check_spread(plates: Plates) -> Plates:
    """Refuse an exposure whose stars are on one line, or at one place."""
    for e, name in enumerate(plates.exposure_names):
        rows = plates.exposure == e
        points = np.column_stack([plates.x[rows], plates.y[rows]])
        sizes = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if not sizes[1] > SMALLEST_WIDTH * sizes[0]:
            where = "at one place" if sizes[0] == 0 else "on one line"
            raise SchemaError(
                f"exposure {name}: all {len(points)} stars are {where}; are x and y mapped to the right "
                "columns?"
            )
    return plates


def _form(files: Sequence[Path], settings: JointPlates) -> str:
    """Form of the files: as the options say, or by endings and content."""
    if settings.format != "auto":
        return settings.format
    lists = [path.name.removesuffix(".gz").endswith(ENDINGS) for path in files]
    if any(lists) and not all(lists):
        raise SchemaError(
            f"{files[lists.index(False)]}: no star list (.lis) as the others are; if it is one, set `format` "
            "to lists"
        )
    if all(lists) or (settings.columns is not None and "exposure" not in settings.columns):
        return "lists"
    return "challenge" if all(map(is_challenge, files)) else "tables"


def _year(value: float | str) -> float:
    """Julian year of a year or a date."""
    if isinstance(value, str):
        from astropy.time import Time  # deferred: only for dates

        try:
            value = float(Time(value, scale="utc").jyear)
        except ValueError:
            raise ConfigError(
                f"epochs: {value!r} is no date; expected a Julian year such as 2011.83, or 2011-10-31"
            ) from None
    if not 1800 < value < 2200:
        raise ConfigError(
            f"epochs: {value:g} is no Julian year from 1800 to 2200; is it a Julian date? Give 2011.83 or "
            '"2011-10-31"'
        )
    return value


def _epochs(files: Sequence[Path], settings: JointPlates) -> dict[str, float]:
    """Epochs by the name of the exposure."""
    given = settings.epochs
    if isinstance(given, list):
        if len(given) != len(files):
            raise ConfigError(f"epochs: {len(given)} are given for {len(files)} star lists; expected as many")
        return dict(zip(exposure_names(files), map(_year, given), strict=True))
    return {name: _year(value) for name, value in given.items()}


def _with_epochs(plates: Plates, settings: JointPlates) -> Plates:
    """Plates of tables with the epochs of the options."""
    given = settings.epochs
    if not given:
        return plates
    if isinstance(given, list):
        raise ConfigError("epochs: tables have many exposures; give epochs by the names of these")
    if settings.columns and settings.columns.get("t"):
        raise ConfigError("epochs: the tables have a column t; leave one of them out")
    unknown = sorted(set(given) ^ set(plates.exposure_names))
    if unknown:
        raise ConfigError(
            f"epochs: {unknown[0]} is {'no exposure' if unknown[0] in given else 'missing'}; expected one "
            f"for "
            f"each of {', '.join(plates.exposure_names[:20])}"
        )
    return plates._replace(epoch=np.array([_year(given[name]) for name in plates.exposure_names]))


def _parts(plates: Plates, path: Path) -> list[Rows]:
    """Plates as one set of rows for each exposure."""
    out = []
    names = np.array(plates.star_names)
    for e, name in enumerate(plates.exposure_names):
        rows = np.flatnonzero(plates.exposure == e)
        columns = {
            axis: getattr(plates, axis)[rows] for axis in ("x", "y", "sigma_x", "sigma_y", "magnitude")
        }
        columns["t"] = np.full(len(rows), plates.epoch[e])
        exposure = np.full(len(rows), name)
        out.append(Rows(path, rows + 1, names[plates.star[rows]], exposure, columns, plates.unit))
    return out


def _matched(
    parts: list[Rows], settings: JointPlates, has_identities: bool, plates: Plates | None = None
) -> Plates:
    """Exposures with one name for each star.

    Parameters
    ----------
    parts
        One set of rows for each exposure.
    settings
        Options.
    has_identities
        Whether the rows of a star that has a name are all known, as in tables: then nothing is matched
        where positions do not contradict.
    plates
        The same, put together already.
    """
    for part in parts:
        part.columns.setdefault("magnitude", np.full(len(part.star), np.nan))
    # Rows at fault are refused before anything is made of them.
    for part in parts:
        check_rows(part)
    whole = plates if plates is not None else _check_spread(assemble(_apart(parts)))
    titles = [str(part.exposure[0]) for part in parts]
    most = int(np.argmax([len(part.star) for part in parts]))
    reference = most if settings.reference is None else named(titles, settings.reference)
    points = [PointSet(_place(part), part.columns["magnitude"]) for part in parts]
    radius = matching_radius(settings, points[reference].place, titles[reference], whole.unit)
    own_names = [_comparable(part.star, settings) for part in parts]
    if len(parts) < 2:
        return assemble(parts)
    lists = [
        NamedList(at, names, float(part.columns["t"][0]))
        for at, names, part in zip(points, own_names, parts, strict=True)
    ]
    known = identify(lists, reference, titles, radius, settings.matching.order or LARGEST_ORDER)
    _report(known, titles, titles[reference], whole.unit)
    if has_identities and not known.wrong and not known.numbered and not known.votes:
        return whole
    if settings.matching.common_only:
        return assemble(_believed_only(parts, own_names, known))
    _look_for_twins(parts)
    return _by_position(parts, own_names, known, titles, reference, radius, settings)


def _apart(parts: list[Rows]) -> list[Rows]:
    """The same rows with every star by itself: what is checked does not depend on names."""
    return [
        part._replace(
            star=np.array(
                [f"{part.exposure[0]}:{row}:{own}" for row, own in zip(part.row, part.star, strict=True)]
            )
        )
        for part in parts
    ]


def _place(part: Rows) -> np.ndarray:
    return np.column_stack([part.columns["x"], part.columns["y"]])


def _comparable(names: np.ndarray, settings: JointPlates) -> np.ndarray:
    """Names that may be another list's too; empty for others."""
    if settings.matching.names == "ignore":
        return np.full(len(names), "")
    return np.where(is_numbered(names), "", names)


def matching_radius(settings: JointPlates, place: np.ndarray, title: str, unit: str) -> float:
    """Radius within which stars are found again [unit of x], as given or by the distances of the stars."""
    if settings.matching.radius is not None:
        return settings.matching.radius
    apart = spacing(place)
    if RADIUS_RANGE[0] * apart <= RADIUS <= RADIUS_RANGE[1] * apart:
        return RADIUS
    radius = float(f"{RADIUS_ELSE * apart:.2g}")
    log.info(
        "matching.radius: %g %s, as the stars of %s are %.3g apart",
        radius,
        unit or "units of x",
        title,
        apart,
    )
    return radius


def _believed_only(parts: list[Rows], own_names: list[np.ndarray], known: Identities) -> list[Rows]:
    """Star lists without the stars whose names are mere numbers, or not believed."""
    lost = {item.list for item in known.numbered}
    wrong = {(item.list, item.name) for item in known.wrong}
    out = []
    for e, (part, names) in enumerate(zip(parts, own_names, strict=True)):
        kept = np.array([name != "" and (e, name) not in wrong for name in names.tolist()]) & (e not in lost)
        columns = {name: values[kept] for name, values in part.columns.items()}
        if not kept.any():
            raise SchemaError(
                f"{part.path}: matching.common_only leaves no star of the list, as none has a name that is "
                "believed; leave common_only out to match by position"
            )
        out.append(Rows(part.path, part.row[kept], part.star[kept], part.exposure[kept], columns, part.unit))
    return out


def _by_position(
    parts: list[Rows],
    own_names: list[np.ndarray],
    known: Identities,
    titles: list[str],
    reference: int,
    radius: float,
    settings: JointPlates,
) -> Plates:
    """Exposures whose stars without believed names are matched by position and magnitude."""
    lost = {item.list for item in known.numbered}
    wrong = {(item.list, item.name) for item in known.wrong}
    identity = [
        np.array(
            [
                name if name and known.believed[e].any() and e not in lost and (e, name) not in wrong else ""
                for name in names.tolist()
            ]
        )
        for e, names in enumerate(own_names)
    ]
    common = sorted({name for names in identity for name in names.tolist()} - {""})
    number = {name: place for place, name in enumerate(common)}
    lists = [
        StarList(
            _place(part),
            part.columns["magnitude"] - (known.offset[e] if known.placed[e] is not None else 0.0),
            np.array([number.get(name, -1) for name in identity[e].tolist()]),
            float(part.columns["t"][0]),
            known.placed[e],
        )
        for e, part in enumerate(parts)
    ]
    unknown = sum(int(np.isnan(part.magnitude).sum()) for part in lists)
    if 0 < unknown < sum(len(part.magnitude) for part in lists):
        log.warning("%d stars have no magnitude: stars are matched by position alone", unknown)
    wanted = settings.matching
    order = wanted.order or max(2, known.order)
    ids = match(lists, reference, titles, MatchOptions(radius, wanted.magnitude, order))
    called: dict[int, str] = {}
    for part, title, names, of_row in zip(parts, titles, identity, ids, strict=True):
        for star, name, own in zip(of_row.tolist(), names.tolist(), part.star.tolist(), strict=True):
            if name in number:
                called[star] = name
            called.setdefault(star, f"{title}:{own}")
    _report_matches(ids, titles)
    renamed = [
        part._replace(star=np.array([called[star] for star in of_row.tolist()]))
        for part, of_row in zip(parts, ids, strict=True)
    ]
    return assemble(renamed)


def _report(known: Identities, titles: list[str], reference: str, unit: str) -> None:
    """What was found of names and positions, in the log."""
    unit = unit or "units of x"
    for item in known.numbered:
        example = item.example
        log.warning(
            "star list %s: of %d names that other lists have too, %d are at other places there (star %s is "
            "%.5g "
            "%s away): they are taken for running numbers, and its stars are matched by position",
            *(titles[item.list], item.n_shared, item.n_shared - item.n_agree, example.name, example.distance),
            unit,
        )
    if known.wrong:
        shown = [
            f"star {item.name} in {titles[item.list]} by {item.distance:.4g} {unit}" for item in known.wrong
        ]
        more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
        log.warning(
            "%d names are at other places than in the other lists and are not believed; these stars are "
            "matched "
            "by position: %s%s",
            *(len(shown), ", ".join(shown[:NAMED]), more),
        )
    for e, won in known.votes.items():
        log.info(
            "star list %s is placed by its bright stars: turned by %.2f deg, scale %.5g%s; %d come "
            "together, %.2g "
            "would by chance",
            *(titles[e], won.turn_deg, won.scale, ", mirrored" if won.is_mirrored else ""),
            *(won.n_together, won.expected),
        )
        if won.is_mirrored:
            log.warning(
                "star list %s is a mirror image of the others; are its x and y swapped, or does its x rise "
                "the "
                "other way?",
                titles[e],
            )
        if abs(np.log(won.scale)) > SCALE_SAID:
            log.warning(
                "star list %s: a unit of its x is %.4g of that of the other lists; is it in another unit? "
                "Its "
                "plate takes that up, and its errors must be in its own unit",
                *(titles[e], won.scale),
            )
    log.info("star lists in the plane of %s: maps of order %d", reference, known.order)


def _report_matches(ids: list[np.ndarray], titles: list[str]) -> None:
    """How many stars are in how many lists; a warning for a list that has few in common."""
    count = np.bincount(np.bincount(np.concatenate(ids)))
    seen = [f"{n} in {k}" for k, n in enumerate(count.tolist()) if k and n]
    log.info("stars by number of lists that have them: %s", ", ".join(seen))
    times = np.bincount(np.concatenate(ids))
    for title, of_row in zip(titles, ids, strict=True):
        part = float((times[of_row] > 1).mean())
        if part < FEW_MATCHED:
            log.warning(
                "star list %s: %.0f per cent of its stars are in other lists; is matching.radius too "
                "small, or is "
                "the list much deeper than the others?",
                *(title, 100 * part),
            )


def _look_for_twins(parts: list[Rows]) -> None:
    """Warn of stars that are in one list twice, at places that differ by less than their errors."""
    for part in parts:
        place = _place(part)
        error = np.sqrt(part.columns["sigma_x"] ** 2 + part.columns["sigma_y"] ** 2)
        if len(place) < 2:
            continue
        distance, partner = cKDTree(place).query(place, k=2)
        row = np.flatnonzero(distance[:, 1] < np.minimum(error, error[partner[:, 1]]))
        if len(row):
            one, two = int(row[0]), int(partner[row[0], 1])
            log.warning(
                "%s: %d stars are closer to another one than their errors, such as %s (row %d) and %s (row "
                "%d): "
                "is a star in the list twice? One of them is matched",
                *(part.path, len(row), part.star[one], part.row[one], part.star[two], part.row[two]),
            )


def named(names: Sequence[str], wanted: str) -> int:
    """Place of an exposure; its file's name serves too.

    Raises
    ------
    ConfigError
        There is no such exposure.
    """
    for name in (wanted, *(wanted.removesuffix(ending) for ending in ENDINGS)):
        if name in names:
            return list(names).index(name)
    raise ConfigError(f"reference: no exposure {wanted}; there are {', '.join(names[:20])}")
