from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.config import TcpAddress, UnixAddress
from edge.errors import UsageError
from edge.ops.exporter import Exporter
from edge.ops.health import Health, HealthReport
from edge.ops.metrics import Metrics

if TYPE_CHECKING:
    from tests.ops.conftest import WaitFor


ANY_PORT = TcpAddress("127.0.0.1", 0)


class Serve(Protocol):
    def __call__(
        self, health: Health = ..., *, at: TcpAddress | UnixAddress = ..., client_s: float = ...
    ) -> Exporter: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start exporters, which are stopped in the end."""
    metrics = Metrics()

    with ExitStack() as stack:

        def start(
            health: Health = Health.OK,
            *,
            at: TcpAddress | UnixAddress = ANY_PORT,
            client_s: float = 5.0,
        ) -> Exporter:
            report = HealthReport(health, ("why",))
            exporter = Exporter(at, metrics=metrics.text, health=lambda: report, client_s=client_s)
            return stack.enter_context(exporter)

        yield start


def connect(exporter: Exporter) -> socket.socket:
    address = exporter.address
    if isinstance(address, UnixAddress):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(address.path))
        client.settimeout(10)
        return client
    return socket.create_connection((address.host, address.port), timeout=10)


def is_sent_away(client: socket.socket) -> bool:
    """Whether the next thing to come is the end, after all that was sent or without it."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def request(exporter: Exporter, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and body."""
    http = HTTPConnection("localhost")
    http.sock = connect(exporter)
    http.request(method, path)
    answer = http.getresponse()
    body = answer.read().decode()
    http.close()
    return answer.status, answer.headers["Content-Type"], body


def answers(exporter: Exporter) -> bool:
    """Whether there is room for one more client, and it gets its page."""
    try:
        return request(exporter, "/metrics")[0] == 200
    except ConnectionError:
        return False


def test_prometheus_reads_what_is_served(serve: Serve) -> None:
    status, kind, body = request(serve(), "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(body)}
    assert "edgewarden_process_resident_bytes" in names


def test_ipv6_will_do(serve: Serve) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    assert request(serve(at=TcpAddress("::1", 0)), "/metrics")[0] == 200


def test_a_unix_socket_will_do_and_goes_away(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    exporter = serve(at=UnixAddress(path))
    assert exporter.address == UnixAddress(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert request(exporter, "/metrics")[0] == 200
    exporter.stop()
    assert not path.exists()


@pytest.mark.parametrize(
    ("health", "status"),
    [
        (Health.STARTING, 503),
        (Health.OK, 200),
        (Health.DEGRADED, 200),
        (Health.FAILED, 503),
        (Health.STOPPING, 503),
    ],
)
def test_health_is_told_in_the_status_too(serve: Serve, health: Health, status: int) -> None:
    found, kind, body = request(serve(health), "/health")
    assert (found, kind) == (status, "application/json")
    assert json.loads(body) == {"health": health.value, "reasons": ["why"]}


def test_a_query_changes_nothing_and_other_pages_are_not_there(serve: Serve) -> None:
    exporter = serve()
    assert request(exporter, "/metrics?x=1")[0] == 200
    assert request(exporter, "/")[0] == 404
    assert request(exporter, "/metrics/..")[0] == 404
    assert request(exporter, "/metrics", "POST")[0] == 501


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x00\xff" * 20 + b"\n",
        b"GET\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\n" + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET //[ HTTP/1.0\r\n\r\n",
        b"GET http://[/metrics HTTP/1.0\r\n\r\n",
        b"",
    ],
)
def test_garbage_ends_with_its_sender(serve: Serve, sent: bytes) -> None:
    exporter = serve()
    with connect(exporter) as client:
        client.sendall(sent)
    assert request(exporter, "/metrics")[0] == 200
    assert exporter.fault is None


def test_a_client_that_leaves_in_the_middle_is_not_missed(serve: Serve, wait_for: WaitFor) -> None:
    exporter = serve()
    for _ in range(20):
        client = connect(exporter)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        client.close()

    wait_for(lambda: answers(exporter))
    assert exporter.fault is None


def test_where_there_is_room_nobody_waits_for_the_slow(serve: Serve) -> None:
    exporter = serve(client_s=3600)
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(connect(exporter)).sendall(b"GET /metrics HTT")
        assert request(exporter, "/metrics")[0] == 200


def test_slow_clients_keep_nobody_out_for_long(serve: Serve, wait_for: WaitFor) -> None:
    exporter = serve(client_s=1.0)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(exporter)) for _ in range(8)]
        for client in slow:
            assert is_sent_away(client)
        wait_for(lambda: answers(exporter))


def test_a_client_that_drips_is_sent_away_all_the_same(serve: Serve, wait_for: WaitFor) -> None:
    exporter = serve(client_s=0.3)
    with connect(exporter) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n")

        def drip() -> bool:
            try:
                client.sendall(b"a: b\r\n")
            except OSError:
                return True
            return False

        wait_for(drip)


def test_too_many_clients_are_sent_away_at_once(serve: Serve) -> None:
    exporter = serve(client_s=60)
    with ExitStack() as stack:
        there = [stack.enter_context(connect(exporter)) for _ in range(8)]
        with connect(exporter) as ninth:
            assert is_sent_away(ninth)
        there[0].sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert there[0].recv(12) == b"HTTP/1.0 200"


def test_stopping_does_not_wait_for_clients(serve: Serve) -> None:
    exporter = serve(client_s=3600)
    with connect(exporter) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n")
        exporter.stop()
        assert is_sent_away(client)
    exporter.stop()


def test_it_can_be_started_again(serve: Serve) -> None:
    exporter = serve()
    exporter.start()
    exporter.stop()
    exporter.start()
    assert request(exporter, "/health")[0] == 200


def test_a_taken_port_is_refused(serve: Serve) -> None:
    address = serve().address
    assert isinstance(address, TcpAddress)
    with pytest.raises(UsageError, match=f"cannot be served at {address}.*in use"):
        serve(at=address)


def test_a_taken_socket_is_refused(serve: Serve, tmp_path: Path) -> None:
    address = UnixAddress(tmp_path / "metrics.sock")
    first = serve(at=address)
    with pytest.raises(UsageError, match="somebody listens"):
        serve(at=address)
    assert request(first, "/health")[0] == 200


def test_an_error_nobody_expected_is_kept_and_comes_out_at_the_end(wait_for: WaitFor) -> None:
    def broken() -> str:
        raise LookupError("a bug")

    exporter = Exporter(ANY_PORT, metrics=broken, health=lambda: HealthReport(Health.OK))
    exporter.start()
    with connect(exporter) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_for(lambda: exporter.fault)
    with pytest.raises(LookupError, match="a bug"):
        exporter.stop()
