"""Where metrics are served: a loopback address or a Unix socket, never the network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from edge.errors import UsageError

_UNIX = "unix:"
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):([0-9]{1,5})")
_EXPECTED = "'127.0.0.1:9464', '[::1]:9464' or 'unix:/run/edgewarden/metrics.sock'"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A loopback address. host: an IP address. port: 0 lets the system choose.

    Raises UsageError for any other address.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not (_is_loopback(self.host) and 0 <= self.port <= 65535):
            raise _refusal(f"{self.host}:{self.port}")

    @property
    def is_ipv6(self) -> bool:
        """Whether the socket is one of the family IPv6."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


ListenAddress = TcpAddress | UnixAddress


def parse_listen(text: str, *, folder: Path | None = None) -> ListenAddress:
    """Read an address; a relative path counts from ``folder``.

    Raises UsageError for what is none, and for addresses that other machines could reach.
    """
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path.strip() or not path.isprintable():
            raise _refusal(text)
        return UnixAddress(Path(path) if folder is None else folder / path)
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match[3]) == 0:
        raise _refusal(text)
    host = match[1] or match[2]
    return TcpAddress("127.0.0.1" if host == "localhost" else host, int(match[3]))


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return False  # versions of Python disagree about these
    return address.is_loopback


def _refusal(found: str) -> UsageError:
    return UsageError(
        "this is no address to serve metrics at",
        expected=_EXPECTED,
        found=repr(found),
        remedy="Let an agent on this device carry the metrics further.",
    )
