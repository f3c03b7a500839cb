"""The sections of the site file for whoever looks after the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Site, TcpAddress, UnixAddress
from edge.errors import UsageError
from edge.site.listen import parse_listen

Load = Callable[[str], Site]
Refuse = Callable[[str], str]


def test_without_the_sections_nothing_is_served_and_the_socket_is_in_the_state_folder(
    load_more: Load,
) -> None:
    site = load_more("")
    assert site.metrics is None
    assert site.control_socket == Path("/var/lib/edgewarden/control.sock")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", TcpAddress("127.0.0.1", 9464)),
        ("localhost:1", TcpAddress("127.0.0.1", 1)),
        ("127.9.9.9:65535", TcpAddress("127.9.9.9", 65535)),
        ("[::1]:9464", TcpAddress("::1", 9464)),
        ("unix:/run/edgewarden/metrics.sock", UnixAddress(Path("/run/edgewarden/metrics.sock"))),
    ],
)
def test_an_address_of_this_device_is_read(
    load_more: Load, text: str, address: TcpAddress | UnixAddress
) -> None:
    site = load_more(f"[metrics]\nlisten = '{text}'")
    assert site.metrics is not None
    assert site.metrics.listen == address
    assert str(address) == text.replace("localhost", "127.0.0.1")


def test_relative_sockets_count_from_the_folder_of_the_file(
    load_more: Load, tmp_path: Path
) -> None:
    site = load_more("[metrics]\nlisten = 'unix:m.sock'\n[control]\nsocket = 'c.sock'")
    assert site.metrics is not None
    assert site.metrics.listen == UnixAddress(tmp_path / "m.sock")
    assert site.control_socket == tmp_path / "c.sock"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:9464 ",
        "127.0.0.1:٣",
        "127.1:9464",
        "0.0.0.0:9464",
        "192.168.1.7:9464",
        "[::]:9464",
        "[::ffff:127.0.0.1]:9464",
        "::1:9464",
        "[::1:9464",
        "camera.local:9464",
        "unix:",
        "unix: ",
        "unix:/run/\a",
        "http://127.0.0.1:9464",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected '127\.0\.0\.1:9464'"):
        parse_listen(text)


@pytest.mark.parametrize(("host", "port"), [("0.0.0.0", 80), ("::", 80), ("127.0.0.1", 65536)])
def test_no_such_address_can_be_made_by_other_ways(host: str, port: int) -> None:
    with pytest.raises(UsageError, match="no address to serve metrics at"):
        TcpAddress(host, port)


def test_the_site_file_says_where_the_address_is_wrong(refuse_more: Refuse) -> None:
    assert refuse_more("[metrics]\nlisten = '0.0.0.0:9464'") == (
        "metrics.listen: expected '127.0.0.1:9464', '[::1]:9464' or "
        "'unix:/run/edgewarden/metrics.sock'; found '0.0.0.0:9464'. "
        "Let an agent on this device carry the metrics further."
    )
    assert refuse_more("[metrics]\nlisten = 9464").endswith(
        "expected an address as text; found 9464"
    )
    assert "found nothing" in refuse_more("[metrics]")
    assert "Did you mean 'socket'?" in refuse_more("[control]\nsock = 'a'")
    assert "secret" not in refuse_more("[metrics]\nlisten = 'rtsp://me:secret@host'")
