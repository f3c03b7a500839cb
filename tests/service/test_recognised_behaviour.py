"""What people do, recognised by a real model, as the daemon tells it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.service.daemon import Place, read_events, wait_until
from tests.small_behaviour import add_behaviour, scenes
from tests.small_world import film

if TYPE_CHECKING:
    from tests.service.conftest import Start


# Four models are loaded twice before the last word.
PATIENCE_S = 120.0


def told(place: Place) -> list[tuple[str, str]]:
    """Label and phase of what people were recognised to do so far."""
    return [
        (event["data"]["label"], event["data"]["phase"])
        for event in read_events(place.outbox)
        if event["type"] == "edgewarden.behaviour.recognised.v1"
    ]


def test_a_live_camera_tells_a_fall_and_a_reload_what_else_to_tell(
    place: Place, start: Start
) -> None:
    add_behaviour(place)
    path = film(place.folder / "yard.mp4", scenes(("moving", 60)), fps=10.0)
    place.add_camera("yard", path)
    place.add('[[rules]]\nid = "fallen"\non = ["behaviour.recognised"]\nlabels = ["fall"]\n')
    daemon = start(place)
    daemon.wait(lambda status: status["cameras"]["yard"]["state"] == "live", seconds=PATIENCE_S)
    wait_until(lambda: ("fall", "started") in told(place), seconds=PATIENCE_S)
    alerts = [e for e in read_events(place.outbox) if e["type"] == "edgewarden.alert.raised.v1"]
    assert [alert["data"]["rule"] for alert in alerts[:1]] == ["fallen"]
    assert set(alerts[0]["data"]["models"]) == {"person", "behaviour"}
    place.edit('labels = ["fall"]', 'labels = ["fell"]')
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "names a behaviour that is not told" in daemon.log, seconds=PATIENCE_S)
    place.edit('labels = ["fell"]', 'labels = ["walk"]')
    place.add('[behaviour]\nreport = ["walk"]\nconfidence = 0.5\n')
    count = len(told(place))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(told(place)) > count, seconds=PATIENCE_S)
    assert told(place)[count] == ("fall", "ended")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert ("walk", "started") not in told(place)
