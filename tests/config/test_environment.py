from __future__ import annotations

import pytest

from edge.config import Environment, read_environment
from edge.errors import UsageError


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        ({}, Environment(log_level="warning")),
        ({"EDGEWARDEN_LOG": ""}, Environment()),
        ({"EDGEWARDEN_LOG": "DEBUG"}, Environment(log_level="debug")),
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
