"""What a reload does to behaviours that go on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.service.daemon import Place, calm_film, read_events, wait_until

if TYPE_CHECKING:
    from tests.service.conftest import Start


def told(place: Place) -> list[tuple[str, str]]:
    """Behaviour and phase of the intrusions so far."""
    return [
        (event["data"]["behaviour"], event["data"]["phase"])
        for event in read_events(place.outbox)
        if event["type"] == "edgewarden.behaviour.intrusion.v1"
    ]


def test_a_reload_ends_what_goes_on_and_looks_for_what_it_says_now(
    place: Place, start: Start
) -> None:
    place.add_camera("door", calm_film(place.folder / "film.mp4"))
    place.add(
        "zones.all = [[0, 0], [1, 0], [1, 1], [0, 1]]\n"
        '[[cameras.behaviours]]\nkind = "intrusion"\nid = "first"\nzone = "all"\n'
    )
    daemon = start(place)
    wait_until(lambda: ("first", "started") in told(place))
    place.edit('id = "first"', 'id = "second"')
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: ("second", "started") in told(place))
    events = told(place)
    assert events[events.index(("second", "started")) - 1] == ("first", "ended")
    assert ("first", "started") not in events[events.index(("second", "started")) :]
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert told(place)[-1] == ("second", "ended")
