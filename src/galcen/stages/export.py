"""Write a truth catalogue, or part of it, as FITS, VOTable or Parquet."""

import logging
from pathlib import Path

from astropy.io import fits, votable
from astropy.table import QTable, Table

from galcen.errors import ConfigError
from galcen.io.claims import atomic
from galcen.io.truth import Cone, Magnitudes, read_truth

FORMATS = {
    ".fits": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
    ".pq": "parquet",
}

log = logging.getLogger(__name__)


def run(
    catalogue: Path,
    output: Path,
    *,
    columns: list[str] | None = None,
    cone: Cone | None = None,
    components: list[str] | None = None,
    tile: str | None = None,
    magnitudes: Magnitudes | None = None,
) -> None:
    """Read what `galcen.io.truth.read_truth` selects and write it; the ending of `output` says how."""
    form = FORMATS.get(output.suffix.lower())
    if form is None:
        raise ConfigError(f"{output}: unknown ending; expected one of {', '.join(FORMATS)}")
    table = read_truth(
        catalogue, columns=columns, cone=cone, components=components, tile=tile, magnitudes=magnitudes
    )
    with atomic(output) as temporary:
        write(table, temporary, form)
    log.info("wrote %d stars to %s", len(table), output)


def write(table: QTable, path: Path, form: str) -> None:
    """Write with the unit, the UCD and the description of every column."""
    plain = Table(table)
    for name in plain.colnames:
        if plain[name].dtype.itemsize == 1:
            # Neither FITS nor VOTable has signed integers of one byte.
            plain[name] = plain[name].astype("i2")
        plain[name].description = table[name].info.description
        plain[name].meta = dict(table[name].info.meta or {})
    made_by = {name: str(table.meta.get(name, "")) for name in ("galcen_version", "git_commit", "seed")}
    plain.meta = {}
    if form == "votable":
        document = votable.from_table(plain, table_id="truth")
        document.version = "1.4"
        document.description = "galcen truth catalogue: " + ", ".join(f"{k} {v}" for k, v in made_by.items())
        document.to_xml(str(path), tabledata_format="binary2")
    elif form == "fits":
        _write_fits(plain, path, made_by)
    else:
        plain.meta = dict(table.meta)
        plain.write(path, format="parquet", overwrite=True)


def _write_fits(table: Table, path: Path, made_by: dict[str, str]) -> None:
    """As astropy writes it, with the keywords that others look for: TUCDn and TCOMMn."""
    table.write(path, format="fits", overwrite=True)
    with fits.open(path, mode="update") as hdus:
        header = hdus[1].header
        for number, name in enumerate(table.colnames, start=1):
            header[f"TUCD{number}"] = table[name].meta.get("ucd", "")
            header[f"TCOMM{number}"] = table[name].description
        for keyword, name in (("GALCEN", "galcen_version"), ("COMMIT", "git_commit"), ("SEED", "seed")):
            header[keyword] = made_by[name]
