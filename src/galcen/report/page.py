"""The report as one HTML page that needs no network and no other file."""

import html
from collections.abc import Iterable

STYLE = """
body{font-family:system-ui,sans-serif;max-width:1150px;margin:2em auto;padding:0 1em;color:#222;line-height:1.45}
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}
img{max-width:100%}table{border-collapse:collapse}td,th{padding:.2em .9em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}p.note{color:#555}pre{background:#f5f5f5;padding:.6em;overflow-x:auto}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page."""
    body = "\n".join(sections)
    return (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def figure(heading: str, source: str, note: str) -> str:
    """A figure with what it shows."""
    return f"<h2>{html.escape(heading)}</h2><img alt='{html.escape(heading)}' src='{source}'><p class='note'>{note}</p>"


def table(heading: str, head: list[str], rows: list[list[str]], note: str = "") -> str:
    """A table of text."""
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    return f"<h2>{html.escape(heading)}</h2><table><tr>{top}</tr>{cells}</table><p class='note'>{note}</p>"
