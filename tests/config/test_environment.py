from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.config import (
    Environment,
    preferred_keras_backend,
    read_environment,
    tensorflow_environment,
)
from edge.errors import UsageError


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        ({}, Environment(log_level="warning")),
        ({"EDGEWARDEN_LOG": ""}, Environment()),
        ({"EDGEWARDEN_LOG": "DEBUG"}, Environment(log_level="debug")),
        ({"NOTIFY_SOCKET": "@a/b"}, Environment(notify_socket="@a/b")),
        ({"WATCHDOG_USEC": "30000000"}, Environment(watchdog_s=30.0)),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())}, Environment(watchdog_s=1e-6)),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, Environment()),
        ({"CREDENTIALS_DIRECTORY": "/run/c"}, Environment(credentials_directory=Path("/run/c"))),
        ({"JOURNAL_STREAM": "9:12345"}, Environment(journal_stream=(9, 12345))),
        (
            dict.fromkeys(
                ["NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"], ""
            ),
            Environment(),
        ),
    ],
)
def test_what_the_environment_asks_for(variables: dict[str, str], environment: Environment) -> None:
    assert read_environment(variables) == environment


def test_an_unknown_level_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"found 'warn'. Did you mean 'warning'\?"):
        read_environment({"EDGEWARDEN_LOG": "warn"})


def test_the_process_has_an_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWARDEN_LOG", "error")
    assert read_environment().log_level == "error"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WATCHDOG_USEC", "soon"),
        ("WATCHDOG_USEC", "0"),
        ("WATCHDOG_USEC", "-1"),
        ("WATCHDOG_PID", "me"),
        ("JOURNAL_STREAM", "9"),
        ("JOURNAL_STREAM", "9:x"),
    ],
)
def test_what_systemd_would_not_say_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be read.*found '{text}'"):
        read_environment({name: text})


def test_kerass_backend_is_only_asked_for_while_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with preferred_keras_backend("torch") as chosen:
        assert chosen == os.environ["KERAS_BACKEND"] == "torch"
    assert "KERAS_BACKEND" not in os.environ
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with preferred_keras_backend("torch") as chosen:
        assert chosen == "jax"
    assert os.environ["KERAS_BACKEND"] == "jax"
    assert "KERAS_BACKEND" not in tensorflow_environment()
    assert tensorflow_environment()["PATH"] == os.environ["PATH"]
