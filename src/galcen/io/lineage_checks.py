"""Compare what the inputs of a stage say of themselves with what it is asked for, and with one another."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from galcen.errors import SchemaError
from galcen.io.lineage import IN_PARTS, IN_PIECES, OF_TILES, SEVERAL_PRODUCTS, Configuration, Origin

SHOWN = 12
"""Characters of a sha256 that a message shows."""

PLACE = frozenset({"footprint", "tiling"})
"""Sections that may differ between tiles, as a footprint may grow: the tiles themselves are compared."""

OF_NO_MATTER = frozenset({"run", "tables", "version"})
"""Keys that change no result: names and places."""


class Group(NamedTuple):
    """Inputs of one kind that say the same of themselves."""

    origins: list[Origin]

    @property
    def first(self) -> Origin:
        """The one that a message names."""
        return self.origins[0]

    @property
    def label(self) -> str:
        """The files, as a message names them."""
        more = len(self.origins) - 1
        return f"{self.first.path}" + (f" (and {more} more files)" if more else "")


class Difference(NamedTuple):
    """A key that two configurations have and disagree in."""

    key: str
    one: Any
    other: Any


def check_origins(
    stage: str, asked: Configuration, origins: Sequence[Origin], versions: Mapping[str, int]
) -> None:
    """Refuse inputs that do not belong to what is asked for, or not together.

    Parameters
    ----------
    stage
        The stage that uses them.
    asked
        Its options, normalised.
    origins
        Its inputs.
    versions
        Version of every stage of this galcen.

    Raises
    ------
    SchemaError
        Names the file, what it says, what was expected, and what to do.
    """
    groups = _groups(origins)
    _refuse_silent(origins)
    for group in groups:
        _check_versions(group, versions)
        for found in differences(group.first.record.configuration, asked, _free(group)):
            raise SchemaError(
                f"{group.label}: made with {found.key} = {_shown(found.one)}, but {_named(stage)} is asked "
                f"for {_shown(found.other)}; {_remedy(group)}, or ask for what it was made with"
            )
    _check_releases(groups)
    for number, group in enumerate(groups):
        for other in groups[:number]:
            _check_files(group, other)
            free = _free(group) | _free(other)
            of = (group.first.record.configuration, other.first.record.configuration)
            for found in differences(*of, free):
                raise SchemaError(
                    f"{group.label}: made with {found.key} = {_shown(found.one)}, but {other.label} with "
                    f"{_shown(found.other)}; {_remedy(group)}"
                )
    _check_direct(origins)


def differences(
    one: Configuration, other: Configuration, free: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    """Keys that both configurations have and disagree in; sections that are `free` are left out."""
    for name in sorted(one.keys() & other.keys() - free - OF_NO_MATTER):
        yield from _different(name, one[name], other[name], depth=2 if name in IN_PIECES else 1)


def _different(key: str, one: Any, other: Any, depth: int) -> Iterator[Difference]:  # noqa: ANN401
    """Differences below a key; down to `depth`, a key that only one side has was not used by the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        if depth <= 0 and one.keys() != other.keys():
            yield Difference(key, one, other)
            return
        for name in sorted(one.keys() & other.keys()):
            yield from _different(f"{key}.{name}", one[name], other[name], depth - 1)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _different(f"{key}.{place}", *pair, depth=0)
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield Difference(key, one, other)


def _groups(origins: Sequence[Origin]) -> list[Group]:
    """Inputs that say anything of themselves, those that say the same together, the largest groups first."""
    found: dict[tuple[str, str, int], list[Origin]] = defaultdict(list)
    for origin in origins:
        if origin.stage:
            # Records of equal text are one object.
            found[origin.kind, origin.release, id(origin.record)].append(origin)
    return sorted(map(Group, found.values()), key=lambda group: -len(group.origins))


def _refuse_silent(origins: Sequence[Origin]) -> None:
    """Refuse a file that says nothing of its making among tiles, or blocks, that do."""
    speaking = {origin.product: origin for origin in origins if origin.stage in IN_PARTS}
    for origin in origins:
        if not origin.stage and origin.product in speaking:
            other = speaking[origin.product]
            raise SchemaError(
                f"{origin.path}: does not say how it was made, as {other.path} does; delete it and make it "
                f"again with galcen {_named(other.stage)}"
            )


def _free(group: Group) -> frozenset[str]:
    return PLACE if group.first.stage in OF_TILES else frozenset()


def _check_versions(group: Group, versions: Mapping[str, int]) -> None:
    """Refuse what a stage made that has changed its results since."""
    for stage, version in sorted(group.first.record.versions.items()):
        if versions.get(stage) != version:
            own = stage == group.first.stage
            what = "made by" if own else "comes from a product of"
            raise SchemaError(
                f"{group.label}: {what} version {version} of the stage {_named(stage)}, but this galcen has "
                f"{versions.get(stage, 'no such stage')}, whose results differ; "
                + (_remedy(group) if own else f"run {_named(stage)} and all stages after it again")
            )


def _check_releases(groups: Sequence[Group]) -> None:
    """Refuse tiles, or blocks, of different releases of galcen."""
    releases: dict[str, Group] = {}
    for group in groups:
        other = releases.setdefault(group.first.kind, group)
        if other.first.release != group.first.release:
            raise SchemaError(
                f"{group.label}: made by galcen {group.first.release or 'of no known version'}, but "
                f"{other.label} by {other.first.release or 'one of no known version'}; {_remedy(group)}"
            )


def _check_files(group: Group, other: Group) -> None:
    """Refuse inputs behind which there are different files of one kind."""
    one, two = group.first, other.first
    for kind in sorted(one.files.keys() & two.files.keys()):
        if one.files[kind] == two.files[kind]:
            continue
        # A file is right by itself; it is what was made from another one that is out of date.
        if two.is_only_one and kind == two.kind:
            late, early, is_itself = group, other, True
        elif one.is_only_one and kind == one.kind:
            late, early, is_itself = other, group, True
        else:
            late, early, is_itself = group, other, False
        shown = (late.first.files[kind][:SHOWN], early.first.files[kind][:SHOWN])
        what = kind if " " in kind else f"product {kind}"
        than = f"that in {early.first.path}" if is_itself else early.label
        raise SchemaError(
            f"{late.label}: made from another {what} (sha256 {shown[0]}...) than {than} (sha256 "
            f"{shown[1]}...); {_remedy(late)}"
        )


def _check_direct(origins: Sequence[Origin]) -> None:
    """Refuse an input that was made from other files of a kind that is here, too."""
    present = {origin.kind: [] for origin in origins if origin.stage}
    for origin in origins:
        if origin.stage:
            present[origin.kind].append(origin)
    for kind, sources in present.items():
        heirs = [origin for origin in origins if kind in origin.record.uses]
        if not heirs:
            continue
        used = {digest for heir in heirs for digest in json.loads(heir.inputs).values()}
        for source in sources:
            if source.sha256 not in used:
                raise SchemaError(
                    f"{heirs[0].path}: was not made from {source.path} as it is now (sha256 "
                    f"{source.sha256[:SHOWN]}... is not among its inputs); {_remedy(Group(heirs))}"
                )


def _remedy(group: Group) -> str:
    """What to do about files that do not fit."""
    what = "it" if len(group.origins) == 1 else "them"
    stage = group.first.stage
    beside = ", with what else that stage made," if stage in SEVERAL_PRODUCTS else ""
    return f"delete {what}{beside} and make {what} again with galcen {_named(stage)}"


def _named(stage: str) -> str:
    return stage.replace("_", "-")


def _shown(value: Any) -> str:  # noqa: ANN401
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
