"""Fetching from a real server that breaks off, lies or refuses."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from edge.download_cache import DownloadCache
from edge.errors import EdgewardenError, OutputError, StoreBusyError, TransientError, UsageError
from edge.fetch import Wanted, fetch, require_url
from tests.pull.conftest import Site

BIG = bytes(range(256)) * 4000


@pytest.fixture
def cache(tmp_path: Path) -> DownloadCache:
    return DownloadCache(tmp_path / "cache")


def wanted(site: Site, *, size: bool = True, sha256: str = "", most: int = 1 << 30) -> Wanted:
    return Wanted(
        url=site.url,
        sha256=sha256 or site.sha256,
        bytes=len(site.content) if size else None,
        most_bytes=most,
    )


def get(site: Site, cache: DownloadCache, **changes: object) -> Path:
    return fetch(wanted(site, **changes), cache, wait=lambda seconds: None)  # type: ignore[arg-type]


def left(cache: DownloadCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir()) if cache.folder.is_dir() else []


def test_what_was_fetched_once_needs_no_server(site: Site, cache: DownloadCache) -> None:
    heard: list[int] = []
    path = fetch(wanted(site), cache, watch=heard.append)
    assert path.read_bytes() == site.content
    assert left(cache) == [site.sha256]
    assert heard[0] == 0
    assert heard[-1] == len(site.content)
    assert get(site, cache) == path
    assert len(site.seen) == 1
    assert site.seen[0]["Accept-Encoding"] == "identity"
    assert (cache.folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_damaged_file_in_the_cache_is_fetched_anew(site: Site, cache: DownloadCache) -> None:
    path = get(site, cache)
    path.write_bytes(b"damaged")
    assert get(site, cache).read_bytes() == site.content
    assert len(site.seen) == 2


@pytest.mark.parametrize("etag", ['"one"', ""])
def test_what_broke_off_is_gone_on_with(site: Site, cache: DownloadCache, etag: str) -> None:
    site.content, site.cuts, site.etag = BIG, [100_000, 300_000], etag
    assert get(site, cache).read_bytes() == BIG
    assert [one.get("Range") for one in site.seen] == [None, "bytes=100000-", "bytes=400000-"]
    assert [one.get("If-Range") for one in site.seen] == [None, *([etag or None] * 2)]
    assert left(cache) == [site.sha256]


def test_a_later_process_goes_on_too(site: Site, cache: DownloadCache) -> None:
    site.content, site.cuts = BIG, [100_000, 0, 0, 0, 0, 0]
    with pytest.raises(TransientError, match="cannot be fetched now") as caught:
        get(site, cache)
    assert caught.value.exit_code == 1
    assert left(cache) == [f"{site.sha256}.part", f"{site.sha256}.part.json"]
    site.cuts.clear()
    assert get(site, cache).read_bytes() == BIG
    assert site.seen[-1]["Range"] == "bytes=100000-"
    assert left(cache) == [site.sha256]


def test_another_file_under_the_same_url_is_not_mixed_in(site: Site, cache: DownloadCache) -> None:
    site.content, site.cuts = BIG[::-1], [100_000, 0, 0, 0, 0, 0]
    meant = Wanted(
        url=site.url, sha256=Site(content=BIG).sha256, bytes=len(BIG), most_bytes=1 << 30
    )
    with pytest.raises(TransientError):
        fetch(meant, cache, wait=lambda seconds: None)
    site.content, site.etag = BIG, '"two"'
    site.cuts.clear()
    assert fetch(meant, cache).read_bytes() == BIG
    assert site.seen[-1]["If-Range"] == '"one"'


def test_a_wrong_part_from_a_server_without_names_is_fetched_anew(
    site: Site, cache: DownloadCache
) -> None:
    site.content, site.etag = BIG, ""
    cache.folder.mkdir()
    (cache.folder / f"{site.sha256}.part").write_bytes(b"of another file")
    assert get(site, cache).read_bytes() == BIG
    assert [one.get("Range") for one in site.seen] == ["bytes=15-", None]


def test_a_server_without_ranges_starts_anew(site: Site, cache: DownloadCache) -> None:
    site.content, site.ranges, site.cuts = BIG, False, [100_000]
    assert get(site, cache).read_bytes() == BIG
    assert site.seen[1]["Range"] == "bytes=100000-"


def test_a_range_that_the_file_does_not_have_starts_anew(site: Site, cache: DownloadCache) -> None:
    site.content = BIG
    cache.folder.mkdir()
    (cache.folder / f"{site.sha256}.part").write_bytes(BIG + BIG)
    assert get(site, cache, size=False).read_bytes() == BIG
    assert [one.get("Range") for one in site.seen] == [f"bytes={2 * len(BIG)}-", None]


def test_a_part_that_is_whole_needs_its_name_alone(site: Site, cache: DownloadCache) -> None:
    cache.folder.mkdir()
    (cache.folder / f"{site.sha256}.part").write_bytes(site.content)
    assert get(site, cache).read_bytes() == site.content
    assert site.seen == []


def test_an_answer_with_another_part_is_not_used(site: Site, cache: DownloadCache) -> None:
    site.content, site.cuts = BIG, [100_000]
    site.headers = {"Content-Range": f"bytes 5-{len(BIG) - 1}/{len(BIG)}"}
    assert get(site, cache).read_bytes() == BIG
    assert [one.get("Range") for one in site.seen] == [None, "bytes=100000-", None]


def test_the_wrong_file_is_not_kept(site: Site, cache: DownloadCache) -> None:
    with pytest.raises(UsageError, match="is not the file that is meant") as caught:
        get(site, cache, sha256="0" * 64)
    assert site.sha256 in str(caught.value)
    assert caught.value.exit_code == 2
    assert left(cache) == []
    assert len(site.seen) == 1


@pytest.mark.parametrize("stated", [True, False])
def test_another_size_is_refused_and_an_endless_file_is_not_read(
    site: Site, cache: DownloadCache, stated: bool
) -> None:
    right = wanted(site)
    site.content, site.stated_length = site.content + b"more", stated
    with pytest.raises(UsageError, match="larger than it may be"):
        fetch(right, cache)
    assert left(cache) == []
    site.content = site.content[:100]
    if stated:
        with pytest.raises(UsageError, match=r"found 100 bytes"):
            fetch(right, cache)
    else:
        with pytest.raises(TransientError, match="the end after 100 bytes"):
            fetch(right, cache, wait=lambda seconds: None)


def test_no_more_is_fetched_than_allowed(site: Site, cache: DownloadCache) -> None:
    for size in (True, False):
        with pytest.raises(UsageError, match="larger than it may be"):
            get(site, cache, size=size, most=100)
    assert left(cache) == []


@pytest.mark.parametrize("status", [404, 403, 410, 204])
def test_a_no_is_taken_for_a_no(site: Site, cache: DownloadCache, status: int) -> None:
    site.statuses = [status]
    with pytest.raises(UsageError, match=f"status {status}"):
        get(site, cache)
    assert len(site.seen) == 1
    assert left(cache) == []


def test_a_busy_server_is_asked_again_but_not_for_ever(site: Site, cache: DownloadCache) -> None:
    site.statuses = [503, 429, 500]
    waited: list[float] = []
    assert fetch(wanted(site), cache, wait=waited.append).read_bytes() == site.content
    assert len(waited) == 3
    assert all(0.5 * 2**n <= seconds <= 2**n for n, seconds in enumerate(waited))
    site.statuses = [503] * 20
    with pytest.raises(TransientError, match="status 503"):
        fetch(wanted(site, sha256="1" * 64), cache, wait=waited.append)
    assert len(site.statuses) == 15


def test_nobody_there_is_worth_another_try_later(cache: DownloadCache) -> None:
    away = Wanted(url="http://127.0.0.1:9/x", sha256="0" * 64, bytes=1, most_bytes=10)
    with pytest.raises(TransientError, match="refused"):
        fetch(away, cache, wait=lambda seconds: None)


@pytest.mark.parametrize(
    "target", ["http://example.org/x", "file:///etc/passwd", "ftp://127.0.0.1/x"]
)
def test_a_redirection_cannot_lead_where_a_url_may_not(
    site: Site, cache: DownloadCache, target: str
) -> None:
    site.redirects = {"/model.onnx": target}
    with pytest.raises(EdgewardenError) as caught:
        get(site, cache)
    assert isinstance(caught.value, UsageError)
    assert left(cache) == []


def test_a_redirection_keeps_the_range_and_a_circle_ends(site: Site, cache: DownloadCache) -> None:
    site.content, site.cuts = BIG, [100_000]
    site.redirects = {"/model.onnx": f"http://localhost:{site.port}/moved"}
    assert get(site, cache).read_bytes() == BIG
    assert site.seen[-1]["Range"] == "bytes=100000-"
    site.redirects = {"/model.onnx": "/model.onnx"}
    with pytest.raises(UsageError, match="status 302"):
        get(site, cache, sha256="2" * 64)


def test_a_packed_answer_is_refused(site: Site, cache: DownloadCache) -> None:
    site.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(UsageError, match="comes packed"):
        get(site, cache)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/x", "ftp://example.org/x", "file:///x", "/x", "https:///x", ""),
        *("https://user:secret@example.org/x", "https://[::1/x", "https://a/\nx", "https://a:b/"),
    ],
)
def test_only_https_is_fetched(url: str) -> None:
    with pytest.raises(UsageError, match="over https only"):
        require_url(url)


def test_https_and_this_machine_are_fine() -> None:
    for url in ("https://example.org/x", "http://localhost:80/x", "http://[::1]/x"):
        require_url(url)


def test_the_environments_proxy_is_not_used(
    site: Site, cache: DownloadCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(site, cache).read_bytes() == site.content


def test_two_processes_do_not_write_one_part(site: Site, cache: DownloadCache) -> None:
    with cache.part(site.sha256), pytest.raises(StoreBusyError, match="another process"):
        get(site, cache)


def test_a_part_that_another_process_finishes_meanwhile_is_left_alone(
    site: Site, cache: DownloadCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cache.part(site.sha256) as part:
        part.append(site.content)
    lock, finished = fcntl.flock, cache.folder / site.sha256

    def finish_first(file: Any, how: int) -> None:
        (cache.folder / f"{site.sha256}.part").rename(finished)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    with pytest.raises(StoreBusyError, match="another process"), cache.part(site.sha256) as part:
        part.clear()
    assert finished.read_bytes() == site.content


def test_a_link_in_place_of_the_part_is_not_followed(
    site: Site, cache: DownloadCache, tmp_path: Path
) -> None:
    cache.folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    (cache.folder / f"{site.sha256}.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError):
        get(site, cache)
    assert (tmp_path / "precious").read_text() == "mine"


def _fetch_within(site_url: str, sha256: str, folder: Path, most_file: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_file, most_file))
    want = Wanted(url=site_url, sha256=sha256, bytes=len(BIG), most_bytes=1 << 30)
    try:
        fetch(want, DownloadCache(folder), wait=lambda seconds: None)
    except EdgewardenError as exc:
        os._exit(0 if type(exc).__name__ == "StoreFullError" and exc.exit_code == 1 else 3)
    os._exit(4)


def test_without_room_what_arrived_stays(site: Site, cache: DownloadCache) -> None:
    site.content = BIG
    limit = 300_000
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch_within, args=(site.url, site.sha256, cache.folder, limit)
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    assert (cache.folder / f"{site.sha256}.part").stat().st_size <= limit
    assert get(site, cache).read_bytes() == BIG
    assert "Range" in site.seen[-1]


def test_the_cache_that_cannot_be_made_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="file"):
        get(site, DownloadCache(tmp_path / "file" / "cache"))


def test_a_server_that_stands_still_holds_nothing_up_once_it_goes_on(
    site: Site, cache: DownloadCache
) -> None:
    site.hold = threading.Event()
    site.hold.set()
    assert get(site, cache).read_bytes() == site.content
