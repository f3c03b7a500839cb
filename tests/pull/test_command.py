"""``edgewarden bundle pull``, from the catalogue to a bundle that proved itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from edge.catalogue import read_catalogue
from edge.cli import main
from edge.errors import UsageError
from edge.fetch import require_url
from edge.templates import TEMPLATES
from tests.pull.conftest import Site

RUN = "import sys; from edge.cli import main; sys.exit(main())"
OF_URL = ("--sha256", "0" * 64, "--template", "yunet")
Catalogue = Callable[[Site], Path]


def pull(*words: object) -> int:
    try:
        return main(["bundle", "pull", *map(str, words)])
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


def test_a_bundle_comes_of_it_and_then_offline_too(
    site: Site, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--catalogue", catalogue(site), "--cache", tmp_path / "cache")
    assert pull("blocks", "--out", tmp_path / "one", *where) == 0
    manifest = open_bundle(tmp_path / "one", require_signed=False).manifest
    assert (manifest.role, manifest.license) == ("recogniser", "MIT")
    assert manifest.provenance.source == site.url
    assert manifest.file("fp32.onnx").sha256 == site.sha256
    assert main(["bundle", "verify", str(tmp_path / "one")]) == 0
    site.statuses = [500] * 9
    assert pull("blocks", "--out", tmp_path / "two", "--offline", *where, "--json") == 0
    assert json.loads(capsys.readouterr().out.split("runs here")[1].split("\n", 1)[1])
    assert len(site.seen) == 1


def test_offline_without_the_file_is_refused(
    site: Site, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--catalogue", catalogue(site), "--cache", tmp_path / "cache")
    assert pull("blocks", "--out", tmp_path / "one", "--offline", *where) == 2
    assert "not in the cache" in capsys.readouterr().err
    assert site.seen == []
    assert not (tmp_path / "one").exists()


def test_a_model_by_its_url(site: Site, tmp_path: Path) -> None:
    words = ("--url", site.url, "--sha256", site.sha256.upper(), "--template", "arcface-rgb")
    where = ("--out", tmp_path / "one", "--cache", tmp_path / "cache", "--license", "MIT")
    assert pull("mine", *words, *where) == 0
    manifest = open_bundle(tmp_path / "one", require_signed=False).manifest
    assert (manifest.name, manifest.license) == ("mine", "MIT")


def test_the_wrong_hash_leaves_no_bundle(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--url", site.url, "--sha256", "0" * 64, "--template", "arcface-rgb")
    where = ("--out", tmp_path / "one", "--cache", tmp_path / "cache")
    assert pull("mine", *words, *where) == 2
    assert "not the file that is meant" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_no_model_of_its_template_leaves_no_bundle(
    site: Site, tmp_path: Path
) -> None:
    site.content = b"not a model"
    words = ("--url", site.url, "--sha256", site.sha256, "--template", "arcface-rgb")
    where = ("--out", tmp_path / "one", "--cache", tmp_path / "cache")
    assert pull("mine", *words, *where) == 2
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no name"),
        (("yunet",), "no --out"),
        (("yunett", "--out", "x"), "Did you mean yunet?"),
        (("a", "--out", "x", "--url", "https://a/b"), "needs its hash and its template"),
        (("a", "--out", "x", "--sha256", "0" * 64), "needs its hash and its template"),
        (("a", "--out", "x", "--sha256", "12"), "64 hexadecimal digits"),
        (("a", "--out", "x", "--url", "http://a/b", *OF_URL), "over https only"),
        (("A B", "--out", "x", "--url", "https://a/b", *OF_URL), "id rule"),
    ],
)
def test_bad_words_are_refused(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pull(*words, "--cache", tmp_path / "cache") == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_said_before_anything_is_fetched(
    site: Site, catalogue: Catalogue, tmp_path: Path
) -> None:
    where = ("--catalogue", catalogue(site), "--cache", tmp_path / "cache")
    (tmp_path / "one").mkdir()
    assert pull("blocks", "--out", tmp_path / "one", *where) == 2
    assert site.seen == []


def test_the_list_names_everything_and_what_is_here(
    site: Site, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull("--list", "--cache", tmp_path) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("yunet", "sface", "MIT", "Apache-2.0", "38.7 MB"))
    where = ("--catalogue", catalogue(site), "--cache", tmp_path / "cache")
    assert pull("blocks", "--out", tmp_path / "one", *where) == 0
    capsys.readouterr()
    assert pull("--list", "--json", *where) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["blocks"]["cached"] is True
    assert listed["blocks"]["sha256"] == site.sha256


def test_our_own_catalogue_is_pinned() -> None:
    models = read_catalogue()
    assert {"yunet", "sface"} <= set(models)
    for model in models.values():
        require_url(model.url)
        assert model.url.startswith("https://media.githubusercontent.com/media/")
        commit = model.url.split("/")[6]
        assert len(commit) == 40
        int(commit, 16)
        assert model.bytes is not None
        assert model.template in TEMPLATES
        assert model.license in ("MIT", "Apache-2.0", "BSD-3-Clause")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a", "is not TOML"),
        ("[a]\ntemplate = 'yunet'", "url: Field required"),
        ("a = 1", "does not describe a"),
        (
            f"[a]\ntemplate='yunet'\nurl='https://a/b'\nsha256='{'0' * 64}'\nhash=1",
            "hash: Extra inputs",
        ),
        (
            f"[a]\ntemplate='x'\nurl='https://a/b'\nsha256='{'0' * 64}'",
            "template: Value error, expected one of",
        ),
        ("['A b']\n", "id rule"),
    ],
)
def test_a_bad_catalogue_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_catalogue(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_catalogue(tmp_path / "missing.toml")


def test_interrupted_it_leaves_what_arrived_and_goes_on_from_there(
    site: Site, catalogue: Catalogue, tmp_path: Path
) -> None:
    site.content += bytes(300_000)  # more fields that nobody reads
    path = catalogue(site)
    site.cuts, site.hold = [200_000], threading.Event()
    words = ["blocks", "--out", tmp_path / "one", "--catalogue", path, "--cache", tmp_path / "c"]
    command = [sys.executable, "-c", RUN, "bundle", "pull", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    part = tmp_path / "c" / f"{site.sha256}.part"
    for _ in range(3000):
        if part.exists() and part.stat().st_size == 200_000:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert part.stat().st_size == 200_000
    assert not (tmp_path / "one").exists()
    site.hold.set()
    site.hold = None
    pull(*words)
    assert site.seen[-1]["Range"] == "bytes=200000-"
    assert (tmp_path / "c" / site.sha256).read_bytes() == site.content
