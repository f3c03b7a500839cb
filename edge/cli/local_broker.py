"""A broker of one's own for a measurement: mosquitto on the loopback, for as long as it takes."""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.config import Mqtt
from edge.errors import TransientError, UsageError

_START_S = 5.0
_PR_SET_PDEATHSIG = 1
# Where Debian keeps it, which is not on every user's path.
_ELSEWHERE = "/usr/sbin/mosquitto"


@contextmanager
def local_broker() -> Iterator[Mqtt]:
    """The ``[mqtt]`` of a mosquitto without password or TLS, ended at exit.

    Raises UsageError where none is installed, TransientError where it does not start.
    """
    program = shutil.which("mosquitto") or shutil.which(_ELSEWHERE)
    if program is None:
        raise UsageError(
            "there is no broker",
            expected="[mqtt] in the site file, or mosquitto installed here",
            remedy="sudo apt-get install mosquitto",
        )
    port = _free_port()
    with TemporaryDirectory(prefix="edgewarden-broker-") as folder:
        config = Path(folder) / "mosquitto.conf"
        # Only root could become another user, who would be out of reach of what ends it with us.
        config.write_text(
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        )
        with subprocess.Popen(
            [program, "-c", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for who measures, and ends it last
            preexec_fn=_dying_with_us(),
        ) as process:
            try:
                _await(port, process)
                yield Mqtt(host="127.0.0.1", port=port)
            finally:
                process.kill()


def _dying_with_us() -> Callable[[], None]:
    """For the child between fork and exec: even a killed parent leaves no broker behind."""
    prctl = ctypes.CDLL(None).prctl  # found before the fork, after which nothing may be loaded
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TransientError("mosquitto does not start", remedy="Try it by hand: mosquitto -v")
