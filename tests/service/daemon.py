"""The daemon as a process of its own, and sites for it to run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DaemonAbsentError, TransientError
from edge.events.cloudevents import to_json
from edge.ops.control_client import ask
from edge.store.outbox import SqliteOutbox
from edge.types import Event
from tests.brokers import PASSWORD, USER, Broker, Pki
from tests.small_world import SIDE, World, film, make_world, portrait

COMMAND = Path(sysconfig.get_path("scripts")) / "edgewarden"
PATIENCE_S = 30.0


def wait_until(
    condition: Callable[[], object],
    *,
    seconds: float = PATIENCE_S,
    otherwise: Callable[[], str] = lambda: "it did not become true in time",
) -> None:
    """Wait for something to become true; where it does not in time, fail and say ``otherwise``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


class Place(World):
    """A small world whose site file is put together from parts."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def outbox(self) -> Path:
        return self.state / "outbox.db"

    def add(self, text: str) -> None:
        """Write more to the site file."""
        with self.site.open("a") as file:
            file.write(text)

    def add_camera(self, name: str, source: object, *, loop: bool = True) -> None:
        self.add(f'[[cameras]]\nid = "{name}"\nsource = "{source}"\nloop = {str(loop).lower()}\n')

    def add_broker(self, broker: Broker, pki: Pki) -> None:
        """The TLS port, with the right password."""
        (self.folder / "mqtt.password").write_text(PASSWORD + "\n")
        self.add(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.tls_port}\nusername = "{USER}"\n'
            f'password_file = "mqtt.password"\nca_file = "{pki.ca}"\n'
        )

    def add_rules(self, count: int) -> None:
        """So many rules that each raise an alert for every stranger."""
        for number in range(count):
            self.add_rule(f"rule-{number}")

    def add_rule(self, name: str) -> None:
        """A rule that raises an alert for every stranger."""
        self.add(f'[[rules]]\nid = "{name}"\non = ["face.unknown"]\n')


def make_place(folder: Path, models: Path) -> Place:
    world = make_world(folder, models)
    return Place(world.folder, world.site)


def busy_film(path: Path, *, person: int = 1, fps: float = 60.0) -> Path:
    """Somebody who comes and goes: a new track every 1.3 seconds."""
    there, away = portrait(person), np.zeros((SIDE, SIDE, 3), np.uint8)
    return film(path, [there] * 30 + [away] * 50, fps=fps)


def calm_film(path: Path, *, person: int = 1) -> Path:
    """Somebody who stays, with a moment of somebody else in every round."""
    return film(path, [portrait(person)] * 60, fps=15.0)


class Daemon:
    """``edgewarden run`` on a site file, with all that it and its children say.

    environment: variables beside those of this process. words: further arguments. program: what
    is started instead of ``edgewarden``.
    """

    def __init__(
        self,
        site: Path,
        *,
        environment: Mapping[str, str] | None = None,
        level: str = "info",
        words: Sequence[str] = (),
        program: Sequence[str] = (str(COMMAND),),
    ) -> None:
        self.socket = site.parent / "state" / "control.sock"
        self.process = subprocess.Popen(
            [*program, "--log-level", level, "run", "--config", str(site), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=site.parent,
            env={**os.environ, **(environment or {})},
        )
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, name="daemon-log")
        self._listener.start()

    @property
    def log(self) -> str:
        return self._said.decode("utf-8", errors="replace")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            while data := os.read(said.fileno(), 65536):
                self._said += data

    def status(self) -> dict[str, Any]:
        answer = ask(self.socket, "status")
        assert isinstance(answer, dict)
        return answer

    def wait(self, condition: Callable[[dict[str, Any]], object], *, seconds: float = 30) -> None:
        """Wait until its status is as wanted."""

        def holds() -> bool:
            assert self.process.poll() is None, self.log
            try:
                status = self.status()
            except (DaemonAbsentError, TransientError):
                return False
            return status["pid"] == self.process.pid and bool(condition(status))

        wait_until(holds, seconds=seconds, otherwise=self._tell)

    def _tell(self) -> str:
        """What may explain that a state did not come."""
        try:
            status: object = self.status()
        except (DaemonAbsentError, TransientError) as error:
            status = error
        return f"it did not become true in time\n{status}\n{self.log}"

    def wait_live(self, *cameras: str) -> None:
        """Wait until these cameras are live; without any, until all are."""
        self.wait(
            lambda s: (
                s["health"] != "starting"
                and all(s["cameras"][name]["state"] == "live" for name in cameras or s["cameras"])
            )
        )

    def wait_reconnected(self, camera: str, tries: int) -> None:
        """Wait until a camera is live after so many attempts beyond the first."""
        self.wait(
            lambda status: (
                status["cameras"][camera]["state"] == "live"
                and status["cameras"][camera]["reconnects"] >= tries
            )
        )

    def wait_said(self, text: str, *, times: int = 1) -> None:
        """Wait until its log holds this so many times."""
        wait_until(lambda: self.log.count(text) >= times)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As the kernel would for want of memory; its children have ended too when this returns."""
        self.process.kill()
        self._gone(PATIENCE_S)

    def stop(self, *, seconds: float = PATIENCE_S) -> None:
        """A clean end, within so many seconds."""
        self.signal(signal.SIGTERM)
        assert self._gone(seconds) == 0, self.log

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()

    def _gone(self, seconds: float) -> int:
        code = self.process.wait(seconds)
        # What it writes to is closed only once nobody holds it any more.
        self._listener.join(PATIENCE_S)
        assert not self._listener.is_alive(), "a child of the daemon lives on"
        return code


def keep_what_is_committed(path: Path) -> None:
    """Make an outbox that copies every event into a table of its own, in the very transaction that
    commits it; ``read_outbox`` reads it as ``kept``."""
    with SqliteOutbox(path):
        pass  # whoever opens it makes its tables
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM events")
        connection.execute(
            "CREATE TRIGGER keep AFTER INSERT ON events BEGIN"
            " INSERT INTO kept SELECT * FROM events WHERE node_sequence = new.node_sequence; END"
        )


def read_outbox(path: Path, *, table: str = "events") -> dict[int, bytes]:
    """What stands in an outbox, as it would be published, by node_sequence."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute(f"SELECT id, source, type, subject, time, data FROM {table}")
        events = [
            Event(id, source, type, subject, time, json.loads(data))
            for id, source, type, subject, time, data in rows
        ]
    finally:
        connection.close()
    return {event.node_sequence: to_json(event) for event in events}


def last_numbers(path: Path) -> dict[str, int]:
    """The last number that the outbox gave out for each source, and for the node under ""."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(connection.execute("SELECT source, last FROM sequences").fetchall())
    finally:
        connection.close()


def children_of(pid: int) -> set[int]:
    """Every process that came from this one."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text()
            parent = int(text.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        waiting += (fresh := parents.get(waiting.pop(), []))
        found.update(fresh)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only its exit code."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def counts(pid: int) -> tuple[int, int]:
    """Threads and file descriptors of a process, without what is open for a moment only."""
    looks = []
    for _ in range(10):
        looks.append((len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))))
        time.sleep(0.02)
    return min(threads for threads, _ in looks), min(fds for _, fds in looks)


def read_events(path: Path) -> list[dict[str, Any]]:
    """What stands in an outbox, in order; nothing where there is none yet."""
    if not path.exists():
        return []
    with suppress(sqlite3.OperationalError):
        return [json.loads(text) for _, text in sorted(read_outbox(path).items())]
    return []
