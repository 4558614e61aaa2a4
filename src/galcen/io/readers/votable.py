"""VOTable, read whole by astropy once it is known to ask for nothing but itself."""

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

import numpy as np
from astropy.io import votable

from galcen.errors import SchemaError
from galcen.io.declared import NOTHING, Declaration, frame_of, julian_epoch
from galcen.io.readers import astropy_tables
from galcen.io.readers.packed import MAX_RATIO, RATIO_FROM, read_whole
from galcen.io.table_columns import Batch, RawColumn, Wanted, missing_name, select

_ORIGINS = {"MJD-origin": 2400000.5, "JD-origin": 0.0}


def read(path: Path, wanted: Wanted, hdu: int | str | None) -> Iterator[Batch]:
    """Some columns of a table of a VOTable; one of several by name or number, from 1."""
    content = read_whole(path)
    refuse_references(path, content)
    file = votable.parse(io.BytesIO(content), verify="ignore")
    tables = list(file.iter_tables())
    if not tables:
        raise SchemaError(f"{path}: the VOTable holds no table")
    # The names are what the user sees; the IDs serve references inside the file.
    names = [[field.name or field.ID for field in table.fields] for table in tables]
    if hdu is None:
        place = next((i for i, found in enumerate(names) if missing_name(found, wanted) is None), 0)
    else:
        called = [i for i, table in enumerate(tables) if hdu in (i + 1, table.name, table.ID)]
        if not called:
            raise SchemaError(
                f"{path}: no table {hdu}; it has {len(tables)}: {', '.join(t.name or '-' for t in tables)}"
            )
        place = called[0]
    table = tables[place]
    declared = _declared(path, file, table, names[place])
    plain = table.to_table(use_names_over_ids=True)
    origins = _time_origins(path, file, table, names[place])
    for batch in astropy_tables.batches(path, plain, wanted, declared):
        found = {key: column.name for key, column in select(path, plain.colnames, wanted).items()}
        yield batch._replace(
            columns={
                key: column
                if found[key] not in origins
                else _since(column, origins[found[key]], path, found[key])
                for key, column in batch.columns.items()
            }
        )


class Field(NamedTuple):
    """What a VOTable says of a column."""

    unit: str | None
    declared: Declaration
    null: float | None


def described(path: Path, content: bytes) -> dict[str, Field]:
    """What a VOTable without data says of the columns of its first table, as in Parquet of the IVOA."""
    refuse_references(path, content)
    file = votable.parse(io.BytesIO(content), verify="ignore")
    table = next(iter(file.iter_tables()), None)
    if table is None:
        return {}
    names = [field.name or field.ID for field in table.fields]
    declared = _declared(path, file, table, names)
    found = {}
    for field, name in zip(table.fields, names, strict=True):
        null = field.values.null if field.datatype not in ("char", "unicodeChar", "boolean", "bit") else None
        unit = None if field.unit is None else str(field.unit)
        found[name] = Field(unit or None, declared[name], None if null is None else float(null))
    return found


def refuse_references(path: Path, content: bytes) -> None:
    """Refuse a VOTable whose parser would be led to other files: streams elsewhere, document types, entities.

    Raises
    ------
    SchemaError
        It has one of these, or is no XML.
    """
    parser = expat.ParserCreate()

    def refuse(what: str) -> None:
        raise SchemaError(
            f"{path}: line {parser.CurrentLineNumber}: {what}, which galcen does not open; write the "
            "table with its "
            "data inside (in TOPCAT: VOTable, TABLEDATA or BINARY inline)"
        )

    # A row is a byte at least; text may have fewer letters than its arraysize.
    rooms = {"nrows": len(content), "arraysize": max(RATIO_FROM, MAX_RATIO * len(content))}

    def bounded(text: str, what: str) -> None:
        sizes = [int(size) for size in text.replace("*", "").split("x") if size.strip().isdecimal()]
        if math.prod(sizes) > rooms[what]:
            raise SchemaError(
                f"{path}: line {parser.CurrentLineNumber}: {what} = {text!r}, for which the file has "
                f"{len(content)} bytes; the file is damaged"
            )

    def element(name: str, attributes: Mapping[str, str]) -> None:
        for key in rooms:
            bounded(attributes.get(key, ""), key)
        if name.rpartition(":")[2].lower() == "stream":
            for key, value in attributes.items():
                if key.rpartition(":")[2].lower() == "href":
                    refuse(f"a STREAM whose data are elsewhere (href {value[:80]!r})")

    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = lambda *_: refuse("a document type (DOCTYPE)")
    parser.EntityDeclHandler = lambda *_: refuse("an entity declaration")
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise SchemaError(
            f"{path}: cannot be read as votable: {error}; the file is damaged, or `format` is another"
        ) from None


def _declared(path: Path, file: Any, table: Any, names: list[str]) -> dict[str, Declaration]:  # noqa: ANN401
    """Frame and epoch of each column: of the COOSYS that it or its group refers to, or of the only one."""
    systems = {system.ID: _of_system(path, system) for system in _coordinate_systems(file)}
    of_id: dict[str, str] = {}
    for group in table.iter_groups():
        if group.ref in systems:
            of_id |= {entry.ref: group.ref for entry in group.entries if hasattr(entry, "ref")}
    distinct = set(systems.values())
    only = next(iter(distinct)) if len(distinct) == 1 else NOTHING
    if len(distinct) > 1:
        listed = ", ".join(
            f"{name}: {one.frame}, epoch {one.epoch or 'unstated'}" for name, one in systems.items()
        )
        only = Declaration(doubt=f"the file declares several COOSYS ({listed}) and its columns refer to none")
    found = {}
    for field, name in zip(table.fields, names, strict=True):
        ref = field.ref if field.ref in systems else of_id.get(field.ID)
        found[name] = systems[ref] if ref in systems else only
    return found


def _coordinate_systems(file: Any) -> Iterator[Any]:  # noqa: ANN401
    """All COOSYS of a file."""
    yield from file.iter_coosys()


def _of_system(path: Path, system: Any) -> Declaration:  # noqa: ANN401
    """What a COOSYS states."""
    where = f"{path}: COOSYS {system.ID}"
    frame = frame_of(system.system, system.equinox, where)
    is_besselian = frame is not None and frame.name.startswith("fk4")
    return Declaration(frame, None if not system.epoch else julian_epoch(system.epoch, where, is_besselian))


def _time_origins(path: Path, file: Any, table: Any, names: list[str]) -> dict[str, float]:  # noqa: ANN401
    """Origin [JD] of the times in each column that refers to a TIMESYS with one."""
    systems = {
        system.ID: system.timeorigin for system in file.iter_timesys() if system.timeorigin is not None
    }
    origins = {}
    for field, name in zip(table.fields, names, strict=True):
        if field.ref in systems:
            text = str(systems[field.ref])
            try:
                origins[name] = _ORIGINS[text] if text in _ORIGINS else float(text)
            except ValueError:
                raise SchemaError(
                    f"{path}: TIMESYS {field.ref} has the timeorigin {text!r}, expected a Julian date"
                ) from None
    return origins


def _since(column: RawColumn, origin: float, path: Path, name: str) -> RawColumn:
    """Times since an origin [JD] as dates [JD]; years that are dates already stay."""
    values, unit = column.values, (column.unit or "").strip()
    if values.dtype.kind != "f":
        return column
    if unit in ("yr", "a"):
        is_date = (values > 1800) & (values < 2200)
        return column._replace(
            values=np.where(is_date, values, 2000.0 + (origin - 2451545.0) / 365.25 + values)
        )
    if unit == "d":
        return column._replace(values=origin + values)
    raise SchemaError(f"{path}: column {name} has a TIMESYS and the unit {unit or 'none'}, expected d or yr")
