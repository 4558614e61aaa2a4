"""What astropy's metadata of a table say of its columns: masks, units, and the frames of coordinates."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from galcen.io.declared import Declaration, frame_of, from_keywords


class _SameForAll(defaultdict[str, Declaration]):
    """Declarations by column, the table's own for those that have none."""

    def __init__(self, table: Declaration) -> None:
        super().__init__(lambda: table)

    def get(self, key: str, default: Any = None) -> Declaration:  # noqa: ANN401
        return self[key]


def declarations(meta: Mapping[str, Any], where: str) -> Mapping[str, Declaration]:
    """What a table's metadata state of the coordinates in each of its columns.

    Parameters
    ----------
    meta
        Metadata of an astropy table, with `__serialized_columns__` where there are any.
    where
        The file.
    """
    keywords = meta.get("keywords")
    plain = dict(meta)
    if isinstance(keywords, Mapping):  # of IPAC tables
        plain |= {
            key: item["value"]
            for key, item in keywords.items()
            if isinstance(item, Mapping) and "value" in item
        }
    found = _SameForAll(from_keywords(plain, f"{where}: its metadata"))
    for name, item in (meta.get("__serialized_columns__") or {}).items():
        if "SkyCoord" in str(item.get("__class__", "")):
            equinox = _year(item.get("equinox"))
            frame = frame_of(item.get("frame", "icrs"), equinox, f"{where}: column {name}")
            for part in item.values():
                if isinstance(part, Mapping) and "name" in part:
                    found[part["name"]] = Declaration(frame)
            for part in ("ra", "dec", "l", "b", "lon", "lat", "pm_ra_cosdec", "pm_dec"):
                found[f"{name}.{part}"] = Declaration(frame)
    return found


def _year(item: Any) -> object:  # noqa: ANN401
    """The year in the metadata of a time, or what stands there instead."""
    if isinstance(item, Mapping):
        item = item.get("value", item.get("jyear", item.get("jyear_str", item.get("byear_str"))))
    return getattr(item, "value", item)


def masks(meta: Mapping[str, Any]) -> dict[str, str]:
    """Columns that are masks of others -> by the name of the column they mask."""
    return {
        item["data"]["name"]: item["mask"]["name"]
        for item in (meta.get("__serialized_columns__") or {}).values()
        if "MaskedColumn" in str(item.get("__class__", ""))
        and all(isinstance(item.get(part), Mapping) and "name" in item[part] for part in ("data", "mask"))
    }
