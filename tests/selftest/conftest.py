"""Self-tests of real daemons in the small world."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from edge.ops.control_client import ask
from tests.brokers import Pki, make_pki
from tests.selftest.bench import Bench
from tests.selftest.supplies import Supplies, make_supplies
from tests.service.conftest import make_broker, models, subscribe
from tests.service.daemon import Daemon, Place, make_place

__all__ = ["make_broker", "models", "subscribe"]

ROOT = Path(__file__).resolve().parents[2]

Start = Callable[..., Daemon]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A place and supplies, to be copied: to make bundles takes longer than most tests."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "place").mkdir()
    make_place(folder / "place", models)
    make_supplies(folder / "supplies")
    return folder


@pytest.fixture
def place(tmp_path: Path, made: Path) -> Place:
    """A site with models and no cameras."""
    folder = tmp_path / "place"
    shutil.copytree(made / "place", folder)
    return Place(folder, folder / "site.toml")


@pytest.fixture
def supplies(tmp_path: Path, made: Path) -> Supplies:
    shutil.copytree(made / "supplies", tmp_path / "supplies")
    return Supplies(tmp_path / "supplies")


@pytest.fixture
def bench(place: Place, supplies: Supplies) -> Iterator[Callable[..., Bench]]:
    """Deploys the site in this process. delivery: where events go."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(Bench(place, supplies, **options)))


@pytest.fixture
def start(supplies: Supplies) -> Iterator[Start]:
    """Starts a daemon whose self-test shows ``supplies``; killed with the test at the latest."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    program = [sys.executable, "-m", "tests.selftest.program", str(supplies.folder)]

    def make(place: Place, **options: Any) -> Daemon:
        daemon = Daemon(place.site, program=program, environment={"PYTHONPATH": path}, **options)
        return stack.enter_context(closing(daemon))

    with ExitStack() as stack:
        yield make


@pytest.fixture
def run() -> Run:
    """Runs a self-test in a daemon; its report."""

    def ask_for(daemon: Daemon, *, timeout_s: float = 60.0) -> dict[str, Any]:
        daemon.wait(lambda status: status["health"] != "starting", seconds=240)
        report = ask(
            daemon.socket, "selftest", arguments={"timeout_s": timeout_s}, timeout_s=timeout_s + 30
        )
        assert isinstance(report, dict)
        return report

    return ask_for
