"""RTSP servers as a test wants them: a real one, and some that are none."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("server.py")
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst; Gst.init(None);"
    "raise SystemExit(not all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay'))))"
)


def why_no_server() -> str | None:
    """What is missing for a real server; None where nothing is."""
    try:
        done = subprocess.run([PYTHON, "-c", _PROBE], capture_output=True, check=False)
    except FileNotFoundError:
        return f"there is no {PYTHON}"
    if done.returncode:
        return "GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0 python3-gi …)"
    return None


def why_no_tls() -> str | None:
    """What a real server lacks to speak TLS; None where nothing is missing."""
    probe = (
        "from gi.repository import Gio;"
        "raise SystemExit(not Gio.TlsBackend.get_default().supports_tls())"
    )
    done = subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False)
    return "GLib has no TLS (apt-get install glib-networking)" if done.returncode else None


class RtspServer:
    """GStreamer's RTSP server with test pictures at ``url``. port 0: a free one.

    user and password: who may see it; None for everybody. certificate: a PEM file with its key, for
    RTSP over TLS.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        codec: str = "h264",
        size: tuple[int, int] = (320, 240),
        fps: int = 15,
        user: str | None = None,
        password: str | None = None,
        certificate: Path | None = None,
    ) -> None:
        self._scheme = "rtsp" if certificate is None else "rtsps"
        wish = {
            **{"port": port, "codec": codec, "size": size, "fps": fps},
            **{"user": user, "password": password},
            "certificate": None if certificate is None else str(certificate),
        }
        # Its file of plugins is made anew where it cannot be kept, which takes seconds.
        self.process = subprocess.Popen(
            [PYTHON, str(SCRIPT), json.dumps(wish)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = int(self._read())

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/stream"

    def resize(self, width: int, height: int) -> None:
        """Change the size of the pictures in the middle of the stream."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"size {width} {height}\n")
        self.process.stdin.flush()
        assert self._read() == "changed"

    def freeze(self) -> None:
        """It stands still: its sockets stay open, and nothing comes."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it: its connections are closed."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, "the RTSP server did not start"
        return line


class WrongServer:
    """Takes connections at ``port`` and does with each what ``answer`` does, in its own thread.

    answer: returns bytes for a request, None to say nothing.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None], *, port: int = 0) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="wrong-server")]
        self._threads[0].start()

    def close(self) -> None:
        close_all(self._socket, self._threads, self._open)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connected)
            thread = threading.Thread(target=self._serve, args=(connected,), name="wrong-serving")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket) -> None:
        with suppress(OSError):
            while request := connected.recv(65536):
                reply = self._answer(request)
                if reply is not None:
                    connected.sendall(reply)


def silent(_request: bytes) -> None:
    """Takes everything and says nothing."""


def garbage(_request: bytes) -> bytes:
    """Answers with bytes that are no RTSP."""
    return os.urandom(4096)


class Relay:
    """Passes everything between those who connect to ``url`` and the server at a port.

    noise: what comes from the server is replaced by as many random bytes.
    """

    def __init__(self, server_port: int) -> None:
        self.noise = False
        self._server_port = server_port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/stream"

    def close(self) -> None:
        close_all(self._socket, self._threads, self._open)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._open += [client, server]
            for give, take in ((client, server), (server, client)):
                thread = threading.Thread(
                    target=self._pass, args=(give, take, give is server), name="relaying"
                )
                self._threads.append(thread)
                thread.start()

    def _pass(self, give: socket.socket, take: socket.socket, from_server: bool) -> None:
        with suppress(OSError):
            while data := give.recv(65536):
                take.sendall(os.urandom(len(data)) if self.noise and from_server else data)
        for end in (give, take):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def close_all(
    listening: socket.socket, threads: list[threading.Thread], connected: list[socket.socket]
) -> None:
    """End a server of threads; the first of them accepts, and adds to the others."""
    listening.shutdown(socket.SHUT_RDWR)
    threads[0].join()
    for end in connected:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for thread in threads[1:]:
        thread.join()
    for end in [listening, *connected]:
        end.close()
