"""The page and its plots: whole without any other file, safe, and drawn by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.plots import RED, Bar, Curve, Histogram, bars, curves, histograms, matrix
from calibration.report import Block, Gallery, Plot, Section, Table, render_page, require_page
from edge.errors import MissingExtraError, OutputError

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
# Nothing that a browser would fetch: no addresses but names of formats.
_FETCHED = re.compile(r'(?:src|href)\s*=\s*"(?!data:|#)|url\((?!#)|@import')


def plots() -> dict[str, str]:
    x = np.logspace(-4, 0, 20)
    return {
        "bars": bars({"size": [Bar(name="fp32", value=4.0), Bar(name="int8", value=1, color=RED)]}),
        "curves": curves(
            [Curve(name="a", x=x, y=1 - x, low=0.9 - x, high=1.1 - x), Curve(name="b", x=x, y=x)],
            x="FMR",
            y="FNMR",
            log_x=True,
            marks={"chosen": (1e-2, 0.5)},
        ),
        "histograms": histograms(
            [Histogram(name=f"t{i}", edges=range(5), counts=[1, 9, 4, 0], marks={}) for i in (1, 2)]
        ),
        "matrix": matrix([[5, 1], [0, 7]], ["live", "spoof"], x="said", y="is"),
    }


def page() -> bytes:
    blocks: list[Block] = [
        Table(headings=["who", "n"], rows=[["<b>x</b>", 3], [None, 2.5]], states=["good", "bad"]),
        *(Plot(svg=svg, alt=name) for name, svg in plots().items()),
        Gallery(pictures=[("red", np.full((32, 32, 3), (0, 0, 255), np.uint8))]),
    ]
    sections = [Section(title="All of it", text="One.\n\nTwo & three.", blocks=blocks)]
    return render_page(
        "A <report>", lead="Fine.", facts={"cpu": "x"}, sections=sections, created=NOON
    )


@pytest.mark.parametrize("name", ["bars", "curves", "histograms", "matrix"])
def test_a_plot_is_one_svg_with_its_words_as_text(name: str) -> None:
    svg = plots()[name]
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    words = {"bars": "fp32", "curves": "chosen", "histograms": "t2", "matrix": "spoof"}
    assert words[name] in "".join(root.itertext())
    assert plots()[name] == svg


def test_many_bars_are_cut_to_what_can_be_read() -> None:
    svg = bars({"loss": [Bar(name=f"layer{i:03d}", value=i) for i in range(100)]})
    assert "layer039" in svg
    assert "layer040" not in svg


def test_the_page_needs_no_other_file_and_is_the_same_for_the_same_values() -> None:
    text = page().decode()
    assert not _FETCHED.search(text)
    assert "<script" not in text
    assert page().decode() == text


def test_texts_are_escaped_and_cells_say_what_they_hold() -> None:
    text = page().decode()
    assert "<title>A &lt;report&gt;</title>" in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "<p>Two &amp; three.</p>" in text
    assert '<td class="number">2.5</td>' in text
    assert "2026-01-01 12:00 UTC" in text


def test_every_element_is_closed() -> None:
    open_: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "img", "br"):
                open_.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert open_.pop() == tag

    Balance().feed(page().decode())
    assert open_ == []


def test_a_browser_draws_it(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium (apt-get install chromium)")
    (tmp_path / "page.html").write_bytes(page())
    picture = tmp_path / "page.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    words += ["--window-size=1000,2400", f"--screenshot={picture}", f"--user-data-dir={tmp_path}/p"]
    subprocess.run(
        [browser, *words, (tmp_path / "page.html").as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    seen = cv2.imread(str(picture))
    assert seen is not None
    assert seen.shape[:2] == (2400, 1000)
    # The red picture of the gallery and the red bar are on it.
    red = (seen[..., 2] > 240) & (seen[..., 1] < 20) & (seen[..., 0] < 20)
    assert red.sum() > 500
    assert ((seen == (0x00, 0x5E, 0xD5)).all(axis=2)).sum() > 100


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_page_is_refused_before_the_work_where_it_cannot_be_made(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    require_page(None)
    require_page(page)
    with pytest.raises(OutputError, match="no such folder"):
        require_page(tmp_path / "gone" / "page.html")
    page.touch()
    with pytest.raises(OutputError, match="not taken"):
        require_page(page)
    monkeypatch.setitem(sys.modules, missing, None)
    require_page(None)
    with pytest.raises(MissingExtraError, match=rf"{missing}.*edgewarden\[export\]"):
        require_page(tmp_path / "other.html")
