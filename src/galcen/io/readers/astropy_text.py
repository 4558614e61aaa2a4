"""Tables of text that describe themselves: ECSV, IPAC, CDS and MRT, read whole by astropy."""

from collections.abc import Iterator
from pathlib import Path

from astropy.table import Table

from galcen.errors import SchemaError
from galcen.io.readers import astropy_tables
from galcen.io.readers.packed import read_whole
from galcen.io.table_columns import Batch, Wanted


def read(path: Path, wanted: Wanted, form: str) -> Iterator[Batch]:
    """Some columns of a table, by astropy's reader of that name."""
    try:
        text = read_whole(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path}: is not UTF-8 text ({error}); is `format` another?") from None
    if not text.strip():
        raise SchemaError(f"{path}: the table is empty; expected a header and at least one star")
    # As lines, astropy looks neither for a file of this name nor for compression.
    table = Table.read(text.splitlines(), format=form, **({} if form == "ascii.ecsv" else {"guess": False}))
    yield from astropy_tables.batches(path, table, wanted)
