"""Reports as one HTML page that needs no other file: facts, tables, plots, pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

from edge import __version__
from edge.durable import require_new_file
from edge.extras import needing
from edge.types import ByteImage

_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings. A cell that is a number is set to the right; None is a dash.

    states: by row, what is to be marked ``good``, ``open`` or ``bad``; the words stay what matters.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    states: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One SVG of ``calibration.plots``. alt: what it shows, for whoever cannot see it."""

    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures, uint8 ``[H, W, 3]`` BGR, each with its words."""

    pictures: Sequence[tuple[str, ByteImage]]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One large picture, uint8 ``[H, W, 3]`` BGR. alt: what it shows, for whoever cannot see it."""

    picture: ByteImage
    alt: str
    caption: str = ""


Block = Table | Plot | Gallery | Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, a paragraph or two in plain words, and what they are about."""

    title: str
    text: str = ""
    blocks: Sequence[Block] = field(default_factory=tuple)


def require_page(path: Path | None) -> None:
    """Refuse a page that could not be made or written, before the work; None asks for none.

    Raises OutputError, and MissingExtraError without Jinja2 and Matplotlib.
    """
    if path is None:
        return
    with needing("a page with plots"):
        import_module("jinja2")
        import_module("matplotlib")
    require_new_file(path)


def render_page(
    title: str,
    *,
    lead: str,
    facts: Mapping[str, object],
    sections: Sequence[Section],
    created: datetime | None = None,
) -> bytes:
    """The page as UTF-8. lead: the outcome in one sentence. Texts are escaped.

    Raises ImportError without Jinja2, which the extra ``export`` brings.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    environment.filters["picture"] = _picture
    environment.tests["number"] = lambda value: isinstance(value, int | float)
    template = environment.from_string(_PAGE)
    when = created or datetime.now(timezone.utc)
    return template.render(
        title=title,
        lead=lead,
        facts=facts,
        sections=[_with_kinds(section) for section in sections],
        created=f"{when:%Y-%m-%d %H:%M} UTC",
        version=__version__,
    ).encode("utf-8")


def _with_kinds(section: Section) -> dict[str, object]:
    kinds = {Table: "table", Plot: "plot", Gallery: "gallery", Sheet: "sheet"}
    blocks = [(kinds[type(block)], block) for block in section.blocks]
    return {"title": section.title, "text": section.text, "blocks": blocks}


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _picture(image: ByteImage) -> str:
    from edge.media.jpeg import encode_jpeg

    data = base64.b64encode(encode_jpeg(image, quality=_JPEG_QUALITY)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --good: #00684b;
  --open: #8a5a00; --bad: #b3370a; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; color: var(--ink);
  background: #fff; font: 15px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .4rem; padding-top: .9rem;
  border-top: 1px solid var(--line); }
.lead { font-size: 1.1rem; margin: 0 0 1.4rem; }
p { max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.good td:first-child { border-left: 4px solid var(--good); padding-left: .6rem; }
tr.open td:first-child { border-left: 4px solid var(--open); padding-left: .6rem; }
tr.bad td:first-child { border-left: 4px solid var(--bad); padding-left: .6rem; }
figure { margin: 1rem 0; } figure svg, .sheet { max-width: 100%; height: auto; display: block; }
figcaption, caption { color: var(--soft); font-size: .9rem; text-align: left;
  caption-side: bottom; padding-top: .3rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr));
  gap: .7rem; }
.pictures img { width: 100%; display: block; border: 1px solid var(--line); }
.pictures span { font-size: .82rem; color: var(--soft); overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { body { max-width: none; padding: 0; } section { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="lead">{{ lead }}</p>
<dl>
{% for name, value in facts.items() %}
<dt>{{ name }}</dt><dd>{{ value|cell }}</dd>
{% endfor %}
</dl>
{% for section in sections %}
<section>
<h2>{{ section.title }}</h2>
{% for paragraph in section.text.split("\\n\\n") if paragraph %}
<p>{{ paragraph }}</p>
{% endfor %}
{% for kind, block in section.blocks %}
{% if kind == "table" %}
<div class="scroll"><table>
{% if block.caption %}<caption>{{ block.caption }}</caption>{% endif %}
<thead><tr>
{% for heading in block.headings %}
{% set numbers = block.rows and block.rows[0][loop.index0] is number %}
<th{% if numbers %} class="number"{% endif %} scope="col">{{ heading }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in block.rows %}
<tr{% if loop.index0 < block.states|length %} class="{{ block.states[loop.index0] }}"{% endif %}>
{% for value in row %}
<td{% if value is number %} class="number"{% endif %}>{{ value|cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% elif kind == "plot" %}
<figure role="img" aria-label="{{ block.alt }}">{{ block.svg|safe }}
{% if block.caption %}<figcaption>{{ block.caption }}</figcaption>{% endif %}
</figure>
{% elif kind == "sheet" %}
<figure><img class="sheet" src="{{ block.picture|picture }}" alt="{{ block.alt }}">
{% if block.caption %}<figcaption>{{ block.caption }}</figcaption>{% endif %}
</figure>
{% else %}
<figure>
<div class="pictures">
{% for words, image in block.pictures %}
<div><img src="{{ image|picture }}" alt="{{ words }}"><span>{{ words }}</span></div>
{% endfor %}
</div>
{% if block.caption %}<figcaption>{{ block.caption }}</figcaption>{% endif %}
</figure>
{% endif %}
{% endfor %}
</section>
{% endfor %}
<footer>Edgewarden {{ version }}, {{ created }}</footer>
</body>
</html>
"""
