"""What every publisher keeps, the real and the fake alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import ClosedError
from edge.publish.base import Publisher
from edge.publish.fake import ListPublisher
from edge.publish.jsonl import JsonlPublisher

if TYPE_CHECKING:
    from tests.publish.conftest import Maker


@pytest.fixture(params=["jsonl", "list"])
def publisher(request: pytest.FixtureRequest, tmp_path: Path) -> Publisher:
    if request.param == "jsonl":
        return JsonlPublisher(tmp_path / "events.jsonl")
    return ListPublisher()


def test_it_delivers_only_between_open_and_close(publisher: Publisher, event: Maker) -> None:
    with pytest.raises(ClosedError, match="not open"):
        publisher.deliver(event(1))
    with publisher:
        publisher.open()
        publisher.deliver(event(1))
    publisher.close()
    with pytest.raises(ClosedError, match="not open"):
        publisher.deliver(event(2))


def test_once_discarded_it_is_closed(publisher: Publisher, event: Maker) -> None:
    publisher.open()
    publisher.discard()
    publisher.discard()
    publisher.close()
    with pytest.raises(ClosedError):
        publisher.deliver(event(1))


def test_the_list_has_what_was_delivered(event: Maker) -> None:
    with ListPublisher() as publisher:
        publisher.deliver(event(1))
        publisher.deliver(event(2))
    assert publisher.events == [event(1), event(2)]
    assert not publisher.discarded


def test_the_list_forgets_what_was_discarded(event: Maker) -> None:
    publisher = ListPublisher()
    with pytest.raises(ZeroDivisionError), publisher:
        publisher.deliver(event(1 // len(publisher.events)))
    assert publisher.discarded
    assert publisher.events == []
