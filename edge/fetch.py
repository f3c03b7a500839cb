"""Fetching one file whose hash is known, so that it can be broken off and gone on with.

What has arrived lies in the cache as ``<sha256>.part``, with a note of what the server called it;
only a file with the right hash gets its name, and nothing reads it before that.
"""

from __future__ import annotations

import http.client
import ipaddress
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Protocol

from edge import __version__
from edge.download_cache import DownloadCache, Part
from edge.errors import TransientError, UsageError

Watch = Callable[[int], None]

_TIMEOUT_S = 30.0
_CHUNK = 1 << 16
_REDIRECTS = 5
# Failures in a row, without a byte more than ever before, until it is given up.
_TRIES = 5
_WAIT_S = 0.5
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_NO_SUCH_RANGE = 416


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to fetch. bytes: its size, None where only ``most_bytes`` limits it."""

    url: str
    sha256: str
    bytes: int | None
    most_bytes: int

    @property
    def limit(self) -> int:
        """The most that may arrive."""
        return self.most_bytes if self.bytes is None else min(self.bytes, self.most_bytes)


def fetch(
    wanted: Wanted,
    cache: DownloadCache,
    *,
    proxy: str | None = None,
    watch: Watch = lambda held: None,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """The file in the cache, fetched where it is not there yet; a broken-off one is gone on with.

    proxy: URL of a proxy for https; None uses none, whatever the environment says. watch: is told
    how many bytes are there. wait: how to pass the seconds between two tries.

    Raises UsageError for a URL that is not https or leads elsewhere, for an answer that says no,
    and for a file that is not the one that is meant; TransientError where the server cannot be
    reached or breaks off again and again; StoreBusyError where another process fetches the same,
    StoreFullError where there is no room, OutputError where the cache cannot be written.
    """
    require_url(wanted.url)
    if (found := cache.find(wanted.sha256)) is not None:
        return found
    if wanted.bytes is not None and wanted.bytes > wanted.most_bytes:
        raise _too_large(wanted, f"{wanted.bytes} bytes")
    with cache.part(wanted.sha256) as part:
        before = part.size
        transfer = _Transfer(wanted, part, _opener(proxy), watch, wait)
        transfer.run()
        if part.sha256() != wanted.sha256 and (before or transfer.resumed):
            part.clear()  # what was there before may be of another file
            transfer.run()
        if (digest := part.sha256()) != wanted.sha256:
            part.clear()
            raise UsageError(
                f"{wanted.url} is not the file that is meant",
                expected=f"SHA-256 {wanted.sha256}",
                found=digest,
                remedy="It was not opened and is not kept. Check the hash and where it is from.",
            )
        return part.commit()


def require_url(url: str) -> None:
    """Raise UsageError for anything but https, or http to this machine, without a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urllib.parse.urlsplit("")
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_local(host))
    if not (secure and host) or parts.username is not None or not url.isprintable():
        raise UsageError(
            "models are fetched over https only",
            expected="https://host/path, without a user or password",
            found=f"{url!r:.200}",
        )


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _BrokenOffError(Exception):
    """Something that may go better the next time."""


class _Response(Protocol):
    status: int
    headers: Message

    def read1(self, amount: int, /) -> bytes: ...


class _Transfer:
    """Requests until everything is there. resumed: whether part of it came from a later one."""

    def __init__(
        self,
        wanted: Wanted,
        part: Part,
        opener: urllib.request.OpenerDirector,
        watch: Watch,
        wait: Callable[[float], None],
    ) -> None:
        self._wanted = wanted
        self._part = part
        self._opener = opener
        self._watch = watch
        self._wait = wait
        self.resumed = False

    def run(self) -> None:
        # How far it ever came, or a server that always breaks off there would be asked for ever.
        failures, farthest = 0, self._part.size
        while True:
            try:
                self._attempt()
                return
            except (_BrokenOffError, OSError, http.client.HTTPException) as exc:
                failures = 1 if self._part.size > farthest else failures + 1
                farthest = max(farthest, self._part.size)
                if failures >= _TRIES:
                    raise self._given_up(exc) from exc
            self._wait(_WAIT_S * 2**failures * random.uniform(0.5, 1))

    def _attempt(self) -> None:
        held = self._part.size
        if held and held == self._wanted.bytes:
            return
        if held >= self._wanted.limit:
            self._part.clear()
            held = 0
        try:
            response = self._opener.open(self._request(held), timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as exc:
            with exc:
                raise self._refusal(exc) from exc
        except urllib.error.URLError as exc:
            if isinstance(exc.reason, ssl.SSLCertVerificationError):
                raise UsageError(
                    f"{self._wanted.url} has a certificate that is not trusted here",
                    found=exc.reason.verify_message,
                ) from exc
            raise
        with response:
            self._begin(response, held)
            self._receive(response)

    def _request(self, held: int) -> urllib.request.Request:
        headers = {"User-Agent": f"edgewarden/{__version__}", "Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
            if validator := self._part.validator(self._wanted.url):
                headers["If-Range"] = validator
        return urllib.request.Request(self._wanted.url, headers=headers)

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        if error.code == _NO_SUCH_RANGE and self._part.size:
            self._part.clear()
            return _BrokenOffError("a file that ends before what is there already")
        if error.code in _RETRIED:
            return _BrokenOffError(f"status {error.code}")
        return UsageError(
            f"{self._wanted.url} cannot be fetched",
            expected="a file",
            found=f"status {error.code} {error.reason}",
            remedy="Check the URL, or whether the model has moved.",
        )

    def _begin(self, response: _Response, held: int) -> None:
        """Settle where the answer's bytes belong and whether they can be the whole file."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise UsageError(
                f"{self._wanted.url} comes packed, so it is not the file that is meant",
                expected="the file as it is",
                found=f"Content-Encoding {response.headers['Content-Encoding']}",
            )
        if response.status == http.HTTPStatus.PARTIAL_CONTENT and held:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
                self._part.clear()
                raise _BrokenOffError("another part than was asked for")
            self.resumed = True
        elif response.status == http.HTTPStatus.OK:
            self._part.clear()
            self._part.remember(self._wanted.url, _validator(response.headers))
        else:
            raise UsageError(
                f"{self._wanted.url} cannot be fetched",
                expected="a file",
                found=f"status {response.status}",
            )
        length = response.headers.get("Content-Length", "")
        total = self._part.size + int(length) if length.isdecimal() else None
        if total is not None and total > self._wanted.limit:
            self._part.clear()
            raise _too_large(self._wanted, f"{total} bytes")
        if None not in (total, self._wanted.bytes) and total != self._wanted.bytes:
            self._part.clear()
            raise UsageError(
                f"{self._wanted.url} is not the file that is meant",
                expected=f"{self._wanted.bytes} bytes",
                found=f"{total} bytes",
            )

    def _receive(self, response: _Response) -> None:
        self._watch(self._part.size)
        length = response.headers.get("Content-Length", "")
        missing = int(length) if length.isdecimal() else None
        while data := response.read1(_CHUNK):
            if self._part.size + len(data) > self._wanted.limit:
                self._part.clear()
                raise _too_large(self._wanted, "more")
            self._part.append(data)
            self._watch(self._part.size)
            if missing is not None:
                missing -= len(data)
        if missing or (self._wanted.bytes or 0) > self._part.size:
            raise _BrokenOffError(f"the end after {self._part.size} bytes")

    def _given_up(self, error: Exception) -> TransientError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return TransientError(
            f"{self._wanted.url} cannot be fetched now",
            expected="a server that answers",
            found=str(reason) or type(reason).__name__,
            remedy="Try again later: what has arrived is kept and gone on with.",
        )


def _validator(headers: Message) -> str | None:
    """What the server calls this very content, if it is good for asking for a part of it."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _too_large(wanted: Wanted, found: str) -> UsageError:
    return UsageError(
        f"{wanted.url} is larger than it may be",
        expected=f"at most {wanted.limit} bytes",
        found=found,
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A few, and none to where a URL may not lead in the first place."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            require_url(newurl)
        except UsageError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(proxy: str | None) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS alone: neither files nor FTP, and no proxy that nobody named."""
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ]
    if proxy is not None:
        handlers.append(urllib.request.ProxyHandler({"https": proxy}))
    for handler in handlers:
        opener.add_handler(handler)
    return opener
