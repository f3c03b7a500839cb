"""The figures that ship with the pack, and the page of the documentation that shows them.

The figures of every model lie in the pack beside the bundles that they are of. The page shows just
these: what stands between its two marks is made of them alone, and a test holds both together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.durable import make_folder, replace_file
from edge.errors import BundleError, MediaError, UsageError
from edge.media.jpeg import encode_jpeg
from edge.strict_json import read_strict_json
from export.reference.evaluation.names import NAMES
from export.reference.evaluation.run import Evaluation

FIGURES = "figures.json"
BEGIN = "<!-- figures: edgewarden reference evaluate --write-docs writes what follows -->"
END = "<!-- end of figures -->"
_MOST_BYTES = 1 << 20
_MOST_PICTURE = 120_000
_QUALITIES = (88, 80, 70, 60, 50)
_HASHES = ("sha256", "recipe_sha256", "data_sha256")

Figures = dict[str, Any]


def read_figures(pack: Path) -> Figures:
    """What a pack's folder says of its models, by recipe; nothing where it says nothing yet.

    Raises BundleError where the file is damaged.
    """
    path = pack / FIGURES
    if not path.exists():
        return {}
    try:
        values = read_strict_json(path.read_bytes(), limit=_MOST_BYTES)
        models = values["models"] if isinstance(values, dict) else None
    except (OSError, ValueError, KeyError) as exc:
        raise _damaged(path, str(exc)) from exc
    if not isinstance(models, dict):
        raise _damaged(path, type(models).__name__)
    return models


def record(evaluation: Evaluation, pack: Path) -> Figures:
    """Put what was measured into the pack's figures, in place of what was there of these models;
    all figures as they are then. Raises BundleError, OutputError or StoreFullError."""
    known = read_figures(pack) | evaluation.to_json()["models"]
    models = {name: known[name] for name in NAMES if name in known}
    text = json.dumps({"format": "1.0", "models": models}, indent=1, ensure_ascii=False)
    replace_file(pack / FIGURES, f"{text}\n".encode())
    return models


def require_docs(page: Path) -> None:
    """Refuse a page that cannot take figures, before the work. Raises UsageError."""
    _around(page)


def write_docs(page: Path, figures: Figures, evaluation: Evaluation) -> None:
    """Write the figures into a page, and what was drawn into the folder of its name beside it.

    Raises UsageError where the page lacks its marks, OutputError or StoreFullError.
    """
    before, after = _around(page)
    folder = page.with_suffix("")
    make_folder(folder)
    for model in evaluation.models:
        for name, plot in model.plots.items():
            replace_file(folder / f"{name}.svg", plot.svg.encode())
        for name, sheet in model.sheets.items():
            replace_file(folder / f"{name}.jpg", _small(sheet.picture))
    replace_file(page, f"{before}{block(figures, folder.name)}{after}".encode())


def block(figures: Mapping[str, Any], folder: str) -> str:
    """What stands between the marks. folder: where the pictures are, from the page."""
    if not figures:
        return "\n\nNothing was measured yet.\n\n"
    parts = [_overview(figures)]
    for model in figures.values():
        parts.append(f"### {model['title']}\n\nMeasured on {model['data']}.")
        parts += [_table(table) for table in model["tables"]]
        pictures = [(f"{name}.svg", alt) for name, alt in model["plots"].items()]
        pictures += [(f"{name}.jpg", alt) for name, alt in model["sheets"].items()]
        parts += [f"![{alt}]({folder}/{file})\n\n*{alt}.*" for file, alt in pictures]
    return "\n\n" + "\n\n".join(parts) + "\n\n"


def _overview(figures: Mapping[str, Any]) -> str:
    rows = []
    for model in figures.values():
        for one in model["figures"]:
            state = {True: "met", False: "**not met**", None: ""}[one["met"]]
            rows.append((model["title"], one["name"], one["value"], _span(one), _goal(one), state))
    used = {bundle["name"]: bundle for model in figures.values() for bundle in model["bundles"]}
    bundles = [
        (f"`{name}`", one["recipe"], one["variant"], *(f"`{one[key][:12]}`" for key in _HASHES))
        for name, one in used.items()
    ]
    headings = ("model", "measure", "value", "95 % interval", "goal", "")
    return (
        _markdown(headings, rows)
        + "\n\nMeasured were these bundles, with the variant that the machine chose; the first "
        "digits of each SHA-256:\n\n"
        + _markdown(("bundle", "recipe", "variant", "manifest", "recipe", "data"), bundles)
    )


def _span(one: Mapping[str, Any]) -> str:
    return "" if one["low"] is None else f"{_cell(one['low'])} to {_cell(one['high'])}"


def _goal(one: Mapping[str, Any]) -> str:
    for sign, key in (("≥", "at_least"), ("≤", "at_most")):
        if one[key] is not None:
            return f"{sign} {one[key]:.4g}" + (", all of the interval" if one["surely"] else "")
    return ""


def _table(table: Mapping[str, Any]) -> str:
    return f"{table['caption']}:\n\n{_markdown(table['headings'], table['rows'])}"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "—" if value is None else str(value)


def _small(picture: Any) -> bytes:
    """The picture as a JPEG file of at most 120 kB."""
    for quality in _QUALITIES:
        data = encode_jpeg(picture, quality=quality)
        if len(data) <= _MOST_PICTURE:
            return data
    raise MediaError(
        "a picture is too large for the documentation",
        expected=f"{_MOST_PICTURE} bytes at most",
        found=f"{len(data)} bytes",
    )


def _around(page: Path) -> tuple[str, str]:
    """What comes before the figures, the mark with it, and what comes after."""
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read {page}", expected="a page of text", found=str(exc)) from exc
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(
            f"{page} has no place for figures",
            expected=f"a line {BEGIN} and after it a line {END}",
        )
    return before + begin, end + after


def _damaged(path: Path, found: str) -> BundleError:
    return BundleError(
        f"{path} holds no figures",
        expected="what edgewarden reference evaluate writes",
        found=found,
        remedy="Remove it, and measure again.",
    )
