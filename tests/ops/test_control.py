from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from edge.errors import DaemonAbsentError, StoreFullError, TransientError, UsageError
from edge.ops.control import ControlServer, Handler, Request
from edge.ops.control_client import ask

if TYPE_CHECKING:
    from tests.ops.conftest import WaitFor

ROOT = Path(__file__).resolve().parents[2]


def refuse(request: Request) -> object:
    raise UsageError("no such site file", found=str(request["path"]), remedy="Name another.")


def fail(request: Request) -> object:
    raise StoreFullError("no room")


def broken(request: Request) -> object:
    raise LookupError("a bug")


HANDLERS: dict[str, Handler] = {
    "status": lambda request: {"health": "ok", "pid": os.getpid()},
    "echo": dict,
    "refuse": refuse,
    "fail": fail,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(path: Path) -> Iterator[ControlServer]:
    with ControlServer(path, handlers=HANDLERS) as server:
        yield server


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def exchange(path: Path, sent: bytes) -> dict[str, object]:
    with connect(path) as client, client.makefile("rb") as answers:
        client.sendall(sent)
        answer = json.loads(answers.readline())
    assert isinstance(answer, dict)
    return answer


@pytest.mark.usefixtures("server")
def test_the_daemon_answers_and_only_its_user_may_ask(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ask(path, "status") == {"health": "ok", "pid": os.getpid()}
    assert ask(path, "echo", arguments={"a": [1, "é"], "command": "x"}) == {
        "a": [1, "é"],
        "command": "echo",
    }


@pytest.mark.usefixtures("server")
def test_a_refusal_comes_through_with_its_kind(path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such site file; found a\.toml\. Name another\."):
        ask(path, "refuse", arguments={"path": "a.toml"})
    with pytest.raises(TransientError, match="no room"):
        ask(path, "fail")
    with pytest.raises(UsageError, match="Did you mean 'status'"):
        ask(path, "statsu")
    assert ask(path, "status")


@pytest.mark.usefixtures("server")
def test_one_connection_may_ask_more_than_once_and_in_pieces(path: Path) -> None:
    with connect(path) as client, client.makefile("rb") as answers:
        client.sendall(b'{"command": "status"}\n{"command": "echo"}\n{"comm')
        assert json.loads(answers.readline())["result"]["health"] == "ok"
        assert json.loads(answers.readline())["result"] == {"command": "echo"}
        client.sendall(b'and": "echo", "a": 1}\n')
        assert json.loads(answers.readline())["result"]["a"] == 1


def test_what_takes_long_is_answered_when_it_is_done_and_keeps_nobody_waiting(path: Path) -> None:
    slow: list[Future[object]] = [Future(), Future()]
    handlers = {**HANDLERS, "slow": lambda request: slow[int(str(request["n"]))]}
    with (
        ControlServer(path, handlers=handlers, client_s=0.1),
        connect(path) as first,
        connect(path) as second,
        first.makefile("rb") as told_first,
        second.makefile("rb") as told_second,
    ):
        first.sendall(b'{"command": "slow", "n": 0}\n{"command": "echo"}\n')
        second.sendall(b'{"command": "slow", "n": 1}\n')
        for _ in range(4):  # longer than one may ask for nothing
            time.sleep(0.05)
            assert ask(path, "status")
        slow[1].set_exception(UsageError("not so", remedy="Otherwise."))
        assert json.loads(told_second.readline()) == {
            "ok": False,
            "error": "not so. Otherwise.",
            "exit_code": 2,
        }
        slow[0].set_result("done")
        assert json.loads(told_first.readline())["result"] == "done"
        assert json.loads(told_first.readline())["result"] == {"command": "echo"}


def test_what_takes_too_long_is_said_to_go_on(path: Path) -> None:
    never: Future[object] = Future()
    handlers = {**HANDLERS, "slow": lambda request: never}
    with ControlServer(path, handlers=handlers, answer_s=0.1):
        with pytest.raises(TransientError, match="it takes longer, and goes on"):
            ask(path, "slow")
        assert ask(path, "status")


def test_who_waits_may_leave(path: Path) -> None:
    slow: Future[object] = Future()
    with ControlServer(path, handlers={**HANDLERS, "slow": lambda request: slow}):
        with connect(path) as client:
            client.sendall(b'{"command": "slow"}\n')
            assert ask(path, "status")
        slow.set_result("for nobody")
        assert ask(path, "status")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"status\n",
        b"[]\n",
        b"{}\n",
        b'{"command": 1}\n',
        b'{"command": "status", "command": "status"}\n',
        b'{"command": "status", "a": NaN}\n',
        b"\xff\xfe\n",
        b"[" * 60_000 + b"\n",
    ],
)
def test_what_is_no_request_is_refused(path: Path, sent: bytes) -> None:
    answer = exchange(path, sent)
    assert (answer["ok"], answer["exit_code"]) == (False, 2)
    assert "the request cannot be read" in str(answer["error"])
    assert ask(path, "status")


@pytest.mark.usefixtures("server")
def test_a_request_without_end_is_refused_and_ends_the_connection(path: Path) -> None:
    with connect(path) as client:
        client.sendall(b"x" * 65_537)
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
    assert b"more than 65536 bytes" in answer


@pytest.mark.usefixtures("server")
def test_idle_clients_keep_nobody_waiting(path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(connect(path)).sendall(b'{"comm')
        assert ask(path, "status")


@pytest.mark.usefixtures("server")
def test_too_many_clients_are_sent_away(path: Path, wait_for: WaitFor) -> None:
    with ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(connect(path))
        with connect(path) as one_more:
            assert one_more.recv(1) == b""

    def has_room_again() -> bool:
        try:
            return ask(path, "status") is not None
        except TransientError:
            return False

    wait_for(has_room_again)


def test_a_client_that_asks_nothing_is_sent_away(path: Path) -> None:
    with ControlServer(path, handlers=HANDLERS, client_s=0.1), connect(path) as client:
        assert client.recv(1) == b""


def test_stopping_ends_every_connection_and_takes_the_socket_away(
    server: ControlServer, path: Path
) -> None:
    server.start()
    with connect(path) as client:
        server.stop()
        assert client.recv(1) == b""
    server.stop()
    assert not path.exists()
    with pytest.raises(DaemonAbsentError, match=r"no daemon is running.*control\.sock"):
        ask(path, "status")
    server.start()
    assert ask(path, "status")


@pytest.mark.usefixtures("server")
def test_the_socket_of_a_live_daemon_is_not_taken(path: Path) -> None:
    with pytest.raises(UsageError, match="somebody listens"):
        ControlServer(path, handlers=HANDLERS).start()
    assert ask(path, "status")


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from edge.ops.control import ControlServer;"
        "ControlServer(Path(sys.argv[1]), handlers={}).start(); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=False)
    assert dead.returncode == -9
    assert path.is_socket()
    with pytest.raises(DaemonAbsentError):
        ask(path, "status")
    with ControlServer(path, handlers=HANDLERS):
        assert ask(path, "status")


def test_a_socket_that_has_become_another_daemons_is_left_alone(
    server: ControlServer, path: Path
) -> None:
    path.unlink()
    with ControlServer(path, handlers=HANDLERS):
        server.stop()
        assert ask(path, "status")


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(UsageError, match="something that is no socket"):
        ControlServer(path, handlers=HANDLERS).start()
    assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found No such file or directory"):
        ControlServer(tmp_path / "a" / "control.sock", handlers=HANDLERS).start()


def test_paths_may_be_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 120)
    folder.mkdir()
    with ControlServer(folder / "control.sock", handlers=HANDLERS):
        assert ask(folder / "control.sock", "status")


def test_another_user_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    # Below /tmp, because no other user gets into tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="edgewarden-control-"))
    path = folder / "control.sock"
    script = (
        "import os, socket, sys; os.setuid(65534); client = socket.socket(socket.AF_UNIX);"
        "client.connect(sys.argv[1]);"
        'client.sendall(b\'{"command": "status"}\\n\'); print(client.recv(100))'
    )
    try:
        folder.chmod(0o755)
        with ControlServer(path, handlers=HANDLERS):
            for mode in (0o600, 0o666):
                path.chmod(mode)
                other = subprocess.run(
                    [sys.executable, "-c", script, str(path)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert '"ok"' not in other.stdout
                assert ("PermissionError" in other.stderr) is (mode == 0o600)
        assert "user 65534 may not speak with the daemon" in caplog.text
    finally:
        shutil.rmtree(folder)


def test_who_may_not_ask_is_told(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    script = (
        "import os, sys; from pathlib import Path; from edge.errors import UsageError;"
        "from edge.ops.control_client import ask\n"
        "os.setuid(65534)\n"
        "try: ask(Path(sys.argv[1]), 'status')\n"
        "except UsageError as error: print(error)"
    )
    path = tmp_path / "control.sock"
    with ControlServer(path, handlers=HANDLERS):
        other = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "this user may not speak with the daemon" in other.stdout
    assert "as root" in other.stdout


def test_a_daemon_that_does_not_answer_is_not_waited_for(path: Path) -> None:
    release = Event()
    with ControlServer(path, handlers={"slow": lambda request: release.wait(10)}):
        with pytest.raises(TransientError, match=r"found none within 0\.2 s"):
            ask(path, "slow", timeout_s=0.2)
        release.set()
        assert ask(path, "slow") is True


@pytest.mark.parametrize("said", [b"", b"hello\n", b"[]\n", b'{"ok": 1}\n', b'{"ok": true'])
def test_an_answer_that_is_none_is_told(path: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(said)

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(TransientError, match="does not answer"):
            ask(path, "status")
        thread.join()


def test_an_error_nobody_expected_ends_it_and_comes_out_at_the_end(
    path: Path, wait_for: WaitFor
) -> None:
    server = ControlServer(path, handlers={"broken": broken})
    server.start()
    with pytest.raises(TransientError, match="does not answer"):
        ask(path, "broken")
    wait_for(lambda: server.fault)
    with pytest.raises(LookupError, match="a bug"):
        server.stop()
    assert not path.exists()
