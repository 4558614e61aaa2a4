"""Parquet, in batches of rows, with the metadata that astropy, the IVOA and others write into it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from astropy.table import meta as table_meta

from galcen.errors import SchemaError
from galcen.io.declared import Declaration, from_keywords
from galcen.io.readers import serialized, votable
from galcen.io.readers.packed import RATIO_FROM
from galcen.io.table_columns import Batch, RawColumn, Wanted, from_arrow, select

MAX_RATIO = 1000
"""Columns of one value shrink much more than whole tables do."""


def read(path: Path, wanted: Wanted, batch_rows: int) -> Iterator[Batch]:
    """Some columns of a Parquet file."""
    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        chosen = select(path, schema.names, wanted)
        described = _metadata(schema)
        declared, units = _declared(path, schema, described), _units(schema, described)
        of_votable = _of_votable(path, schema)
        of = serialized.masks(described.get("meta", {}))
        hidden = {c.name: of[c.name] for c in chosen.values() if of.get(c.name) in schema.names}
        needed = [*dict.fromkeys([*(column.name for column in chosen.values()), *hidden.values()])]
        _check_sizes(path, file.metadata, needed)
        first = 1
        for batch in file.iter_batches(batch_rows, columns=needed, use_threads=False):
            columns = {}
            for key, column in chosen.items():
                cells = batch.column(column.name)
                if column.name in hidden:
                    # Astropy writes a masked column as two; the values under the mask mean nothing.
                    cells = pc.if_else(batch.column(hidden[column.name]), pa.scalar(None, cells.type), cells)
                unit, stated = units.get(column.name), declared.get(column.name)
                if (field := of_votable.get(column.name)) is not None:
                    unit, stated = field.unit or unit, field.declared.filled(stated)
                    cells = _without(cells, field.null)
                columns[key] = RawColumn(from_arrow(cells, column, first), unit, stated)
            if batch.num_rows:
                yield Batch(first, columns)
            first += batch.num_rows
        if first - 1 != file.metadata.num_rows:
            raise SchemaError(
                f"{path}: declares {file.metadata.num_rows} rows, has {first - 1}; the file is damaged"
            )


def _check_sizes(path: Path, metadata: Any, names: list[str]) -> None:  # noqa: ANN401 - pyarrow's type
    """Refuse sizes that the file cannot hold."""
    size, total = path.stat().st_size, 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        total += group.num_rows
        for j in range(group.num_columns):
            chunk = group.column(j)
            if chunk.path_in_schema not in names:
                continue
            packed, plain = chunk.total_compressed_size, chunk.total_uncompressed_size
            begin = chunk.dictionary_page_offset or chunk.data_page_offset
            is_absurd = plain > RATIO_FROM and plain > MAX_RATIO * packed
            if packed < 0 or plain < 0 or begin < 0 or begin + packed > size or is_absurd:
                raise SchemaError(
                    f"{path}: column {chunk.path_in_schema} declares {packed} bytes that become {plain}, "
                    "in a file of "
                    f"{size}; the file is damaged"
                )
    if total != metadata.num_rows:
        raise SchemaError(
            f"{path}: declares {metadata.num_rows} rows, its parts {total}; the file is damaged"
        )


def _metadata(schema: pa.Schema) -> dict[str, Any]:
    """Astropy's description of the table; empty where there is none."""
    header = (schema.metadata or {}).get(b"table_meta_yaml")
    return {} if header is None else table_meta.get_header_from_yaml(header.decode().split("\n"))


def _of_votable(path: Path, schema: pa.Schema) -> Mapping[str, votable.Field]:
    """What the VOTable says that the IVOA's convention puts into the metadata."""
    content = (schema.metadata or {}).get(b"IVOA.VOTable-Parquet.content")
    return {} if content is None else votable.described(path, content)


def _without(cells: pa.Array, null: float | None) -> pa.Array:
    """Numbers of which one stands for no value."""
    if null is None or not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        return cells
    is_null = pc.fill_null(pc.equal(pc.cast(cells, pa.float64(), safe=False), null), False)
    return pc.if_else(is_null, pa.scalar(None, cells.type), cells)


def _units(schema: pa.Schema, described: Mapping[str, Any]) -> dict[str, str]:
    """Units by column: Parquet knows none, astropy and others write them as metadata."""
    units = {
        field.name: field.metadata[b"unit"].decode() for field in schema if b"unit" in (field.metadata or {})
    }
    return units | {
        item["name"]: str(item["unit"]) for item in described.get("datatype", ()) if "unit" in item
    }


def _declared(path: Path, schema: pa.Schema, described: Mapping[str, Any]) -> Mapping[str, Declaration]:
    """Frames and epochs by column."""
    plain = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (schema.metadata or {}).items()
        if len(value) < 100
    }
    meta = dict(described.get("meta", {}))
    found = serialized.declarations({**plain, **meta}, str(path))
    for field in schema:
        own = {key.decode(): value.decode(errors="replace") for key, value in (field.metadata or {}).items()}
        stated = from_keywords(own, f"{path}: column {field.name}")
        if stated != Declaration():
            found[field.name] = stated.filled(found[field.name])  # type: ignore[index]
    return found
