"""Whole daemons on real brokers, RTSP servers and files."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.brokers import Broker, Pki, Subscriber, make_pki, new_broker, subscribe_to
from tests.rtsp.process import RtspServer, why_no_server
from tests.service.daemon import Daemon, Place, busy_film, make_place
from tests.service.systemd import Systemd
from tests.small_world import write_models

MakeBroker = Callable[..., Broker]
Subscribe = Callable[..., Subscriber]
Start = Callable[..., Daemon]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def place(tmp_path: Path, models: Path) -> Place:
    """A site with models and no cameras."""
    return make_place(tmp_path, models)


@pytest.fixture
def busy(place: Place) -> Place:
    """A site with one camera that makes some ten events a second."""
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    place.add_rules(8)
    return place


@pytest.fixture
def make_broker(tmp_path: Path, pki: Pki) -> Iterator[MakeBroker]:
    """A running mosquitto; lines are added to its configuration, acl is the text of its rules."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    names = itertools.count()
    with ExitStack() as stack:

        def make(*lines: str, acl: str | None = None) -> Broker:
            broker = new_broker(tmp_path / f"broker-{next(names)}", pki, *lines, acl=acl)
            stack.callback(broker.kill)
            broker.start()
            return broker

        yield make


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    """A subscriber to everything; session: its id, with a session that outlives its connection."""
    with ExitStack() as stack:

        def make(broker: Broker, *, session: str = "") -> Subscriber:
            return stack.enter_context(closing(subscribe_to(broker, session=session)))

        yield make


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a daemon; killed with the test at the latest, which fails if a child outlives it."""
    with ExitStack() as stack:
        yield lambda place, **options: stack.enter_context(closing(Daemon(place.site, **options)))


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    with TemporaryDirectory() as folder, closing(Systemd(Path(folder) / "notify")) as systemd:
        yield systemd


@pytest.fixture
def rtsp() -> Iterator[Callable[..., RtspServer]]:
    """Makes real RTSP servers, killed at the end; skips where they are not installed."""
    missing = why_no_server()
    if missing is not None:
        pytest.skip(missing)
    with ExitStack() as stack:
        yield lambda **wishes: stack.enter_context(closing(RtspServer(**wishes)))
