"""What products say of their making, and of the making of what they were made from.

Every product states its stage, the version of that stage, its options and the sha256 of its inputs. Its
attribute `lineage` hands on what the inputs state of themselves: the versions of all stages before, their
options, and the sha256 of every file of which a run has just one. So a stage can see whether its inputs
belong together without looking at anything but them; `galcen.io.lineage_checks` compares them.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from galcen import config
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import read_attributes
from galcen.io.provenance import canonical, file_sha256

IN_PARTS = frozenset({"ingest", "simulate", "complete", "posterior", "draw", "expose", "plate"})
"""Stages that make a file for each tile or block of orbits; all others make one for a run."""

OF_TILES = frozenset({"ingest", "simulate", "complete", "posterior", "draw"})
"""Stages that make a file for each tile."""

SEVERAL_PRODUCTS = frozenset({"simulate", "survey_sources", "expose"})
"""Stages that make more than one kind of product."""

IN_PIECES = frozenset({"survey", "plate", "solver", "extinction"})
"""Sections of which a stage gets only the options that it uses."""

HANDED_ON = {"truth": frozenset({"draw", "footprint", "tiling", "catalogue"})}
"""Sections that a stage uses, where it is given more: what it does not use binds nobody after it."""

Configuration = dict[str, Any]


class Record(NamedTuple):
    """What a product, and all that it was made from, were made with."""

    versions: Mapping[str, int]
    """Version of each stage."""
    configuration: Configuration
    """Sections of the configuration."""
    files: Mapping[str, str]
    """sha256 of the files of which a run has one: products by kind, and tables of the user."""
    uses: frozenset[str]
    """Kinds of the products that it was made from directly."""


class Origin(NamedTuple):
    """One input and what it says of itself."""

    path: Path
    product: str
    kind: str
    """Its stage or, if that makes several products, its product; empty for a file that says nothing."""
    stage: str
    sha256: str
    release: str
    """Version of galcen."""
    source: str
    """sha256 of galcen's sources."""
    record: Record
    inputs: str
    """sha256 of what it was made from, by path; JSON."""
    tile: str = ""
    """Name of the tile that it is of; empty where it says none."""

    @property
    def is_only_one(self) -> bool:
        """Whether a run has one such file."""
        return bool(self.stage) and self.stage not in IN_PARTS

    @property
    def files(self) -> Mapping[str, str]:
        """The files of which a run has one: those behind it and, if it is such, itself."""
        own = {self.kind: self.sha256} if self.is_only_one else {}
        return {**self.record.files, **own}


NOTHING = Record({}, {}, {}, frozenset())


def read_origin(path: Path, sha256: str) -> Origin:
    """What a file says of its making; one that cannot be read says nothing, and its reader will tell why.

    Raises
    ------
    SchemaError
        The file contradicts itself.
    """
    names = ("stage", "stage_version", "product", "galcen_version", "source", "seed")
    names = (*names, "configuration", "lineage", "inputs", "tile")
    stated = {name: str(value) for name, value in read_attributes(path, names).items()}
    stage, product = stated.get("stage", ""), stated.get("product", "")
    if not stage:
        return Origin(path, product, "", "", sha256, "", "", NOTHING, "{}")
    try:
        record = _record(
            stage, *(stated.get(name, "") for name in ("stage_version", "configuration", "lineage", "seed"))
        )
        _refuse_no_texts(stated["inputs"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        fault = error if isinstance(error, _ContradictionError) else _unreadable(stated)
        raise SchemaError(
            f"{path}: {fault}; the file is damaged or was changed after it was made: delete it and make it "
            "again"
        ) from None
    return Origin(
        path,
        product,
        product if stage in SEVERAL_PRODUCTS else stage,
        stage,
        sha256,
        stated.get("galcen_version", ""),
        stated.get("source", ""),
        record,
        stated["inputs"],
        stated.get("tile", ""),
    )


class _ContradictionError(ValueError):
    """Two attributes of a file that say different things."""


def _unreadable(stated: Mapping[str, str]) -> str:
    """Which of the attributes is none that galcen writes."""
    if not stated.get("stage_version", "").isdecimal():
        return f"attribute stage_version is {stated.get('stage_version', 'missing')!r}, expected a number"
    for name in ("configuration", "lineage", "inputs"):
        try:
            is_good = isinstance(json.loads(stated[name]), dict)
        except (KeyError, ValueError, RecursionError):
            is_good = False
        if not is_good:
            return f"attribute {name} is {stated.get(name, 'missing')[:40]!r}, expected an object in JSON"
    return "attribute lineage or inputs lacks what galcen writes there"


@functools.lru_cache(maxsize=256)
def _refuse_no_texts(inputs: str) -> None:
    """Refuse inputs that are not given by name and sha256."""
    if not all(isinstance(sha256, str) for sha256 in json.loads(inputs).values()):
        raise ValueError(inputs)


@functools.lru_cache(maxsize=256)
def _record(stage: str, version: str, configuration: str, lineage: str, seed: str) -> Record:
    """The record of a product; cached, since the tiles of a run have the same."""
    own, before = json.loads(configuration), json.loads(lineage)
    if seed != str(own.get("seed", "")):
        raise _ContradictionError(
            f"attribute seed is {seed or 'missing'}, but {own.get('seed', 'missing')} in the attribute "
            "configuration"
        )
    together = merged(before["configuration"], handed_on(stage, own))
    try:
        # Options that were left out, or are new, have their defaults.
        together = normalised(together, stage)
    except ConfigError:
        # This galcen knows an option no more. The others can be compared all the same.
        pass
    return Record(
        {**before["versions"], stage: int(version)},
        together,
        dict(before["files"]),
        frozenset(before["uses"]),
    )


def handed_on(stage: str, options: Configuration) -> Configuration:
    """The options of a stage that what is made from its product has to agree with."""
    kept = HANDED_ON.get(stage)
    return {name: value for name, value in options.items() if kept is None or name in kept}


def normalised(options: Mapping[str, Any], stage: str) -> Configuration:
    """Sections of the configuration with all their defaults, so that those of two files can be compared.

    Raises
    ------
    ConfigError
        An option is none.
    """
    known = set(config.Config.model_fields)
    whole = {name: value for name, value in options.items() if name in known - IN_PIECES}
    pieces = {name: value for name, value in options.items() if name in known & IN_PIECES}
    parsed = config.parse(whole, f"options of {stage.replace('_', '-')}")
    return parsed.model_dump(mode="json", include=set(whole)) | pieces


def merged(one: Configuration, other: Configuration) -> Configuration:
    """Both; sections that are known in pieces are put together, and the second counts where both have one."""
    together = {**one, **other}
    for name in one.keys() & other.keys():
        pieces = one[name], other[name]
        if all(isinstance(piece, dict) for piece in pieces):
            together[name] = merged(*pieces)
    return together


def lineage_text(origins: Iterable[Origin], user_files: Mapping[str, str]) -> str:
    """The attribute `lineage` of a product that is made from these."""
    versions, configuration = {}, {}
    files, uses = dict(user_files), set()
    records = {id(origin.record): origin.record for origin in origins}
    for record in records.values():
        versions |= record.versions
        configuration = merged(configuration, record.configuration)
    for origin in origins:
        files |= origin.files
        uses.add(origin.kind)
    return canonical(
        {"versions": versions, "configuration": configuration, "files": files, "uses": sorted(uses - {""})}
    )


def hash_files(paths: Sequence[Path]) -> dict[Path, str]:
    """sha256 of each file.

    Raises
    ------
    SchemaError
        A file is missing or cannot be read.
    """
    try:
        return {path: file_sha256(path) for path in paths}
    except FileNotFoundError as error:
        raise SchemaError(f"{error.filename}: no such file; run the stage that makes it") from None
    except OSError as error:
        raise SchemaError(f"{error.filename}: cannot be read: {error.strerror}") from None


Hashes = Callable[[Sequence[Path]], Mapping[Path, str]]
