"""Where a camera's frames come from, with its credentials kept out of every text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import UsageError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]{1,5})?")
_EXPECTED = "an rtsp, rtsps, http or https URL, a file or folder, 'v4l2:/dev/video0' or 'csi:0'"


class SourceKind(str, Enum):
    """How a source is opened."""

    RTSP = "rtsp"
    HTTP = "http"
    V4L2 = "v4l2"
    CSI = "csi"
    FILE = "file"


_KIND_OF_SCHEME = {
    "rtsp": SourceKind.RTSP,
    "rtsps": SourceKind.RTSP,
    "http": SourceKind.HTTP,
    "https": SourceKind.HTTP,
}


@dataclass(frozen=True, slots=True, repr=False)
class SourceAddress:
    """One source.

    location: the URL with its credentials (rtsp, http), the device's path (v4l2), the sensor's
    number (csi), or the path of a file or folder of images. ``str`` and ``repr`` are masked.
    """

    kind: SourceKind
    location: str

    @classmethod
    def parse(cls, text: str, *, folder: Path | None = None) -> SourceAddress:
        """Read a source; a relative path counts from ``folder``. Raises UsageError."""
        if not text.strip() or not text.isprintable():
            raise _refusal(text)
        url = _URL.match(text)
        if url is not None:
            return cls(_url_kind(text, url.group(1).lower()), text)
        if text.startswith("v4l2:"):
            if not text.startswith("v4l2:/"):
                raise _refusal(text, "Name the device's path: v4l2:/dev/video0.")
            return cls(SourceKind.V4L2, text.removeprefix("v4l2:"))
        if text.startswith("csi:"):
            if re.fullmatch(r"csi:[0-9]{1,3}", text) is None:
                raise _refusal(text, "Name the sensor's number: csi:0.")
            return cls(SourceKind.CSI, text.removeprefix("csi:"))
        if text.startswith("/dev/video"):
            raise _refusal(text, f"A V4L2 camera is written 'v4l2:{text}'.")
        return cls(SourceKind.FILE, str(Path(text) if folder is None else folder / text))

    @property
    def masked(self) -> str:
        """The source as text that may be shown: without user, password and query."""
        if self.kind in (SourceKind.V4L2, SourceKind.CSI):
            return f"{self.kind.value}:{self.location}"
        return self.location if self.kind is SourceKind.FILE else mask_credentials(self.location)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"SourceAddress({self.masked!r})"


def mask_credentials(text: str) -> str:
    """Any text with what may be a user, a password or a token replaced by ``***``.

    Passwords are often not percent-encoded, so all up to the last ``@`` goes; and cameras take
    credentials in queries and even in paths (``/user=admin&password=…``).
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "***@" + text.rpartition("@")[2] if "@" in text else text
    _, at, shown = rest.rpartition("@")
    host, path, query = _cut(shown)
    # Not a host and a port: perhaps user:password with the @ forgotten.
    host = host if _HOST_AND_PORT.fullmatch(host) else "***"
    path = "/***" if "=" in path else path
    return f"{scheme.rpartition('@')[2]}://{'***' + at if at else ''}{host}{path}{query and '?***'}"


def _cut(text: str) -> tuple[str, str, str]:
    """Host and port, path, and what follows the path, of a URL without scheme and user."""
    path_at = min((i for i in map(text.find, "/?#") if i >= 0), default=len(text))
    query_at = min((i for i in map(text.find, "?#") if i >= 0), default=len(text))
    return text[:path_at], text[path_at:query_at], text[query_at:]


def _url_kind(text: str, scheme: str) -> SourceKind:
    kind = _KIND_OF_SCHEME.get(scheme)
    if kind is None:
        near = get_close_matches(scheme, _KIND_OF_SCHEME, 1)
        raise _refusal(text, f"Did you mean {near[0]}://?" if near else "")
    remedy = "Write reserved characters of a user name or password as %40 for @, %2F for /, …"
    if " " in text:
        raise _refusal(text, remedy)
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        # Its text may quote a piece of the password, so it is not kept as the cause.
        raise _refusal(text, remedy) from None
    if not whole:
        raise _refusal(text, remedy if "@" in text else "")
    return kind


def _refusal(text: str, remedy: str = "") -> UsageError:
    return UsageError(
        "the source cannot be read",
        expected=_EXPECTED,
        found=repr(mask_credentials(text)),
        remedy=remedy,
    )
