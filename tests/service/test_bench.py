"""``edgewarden bench cameras``: how soon a decision is acknowledged, through a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from edge.cli import local_broker, main
from tests.service.daemon import COMMAND, Place, children_of, is_alive, wait_until
from tests.small_world import film, portrait

if TYPE_CHECKING:
    from tests.brokers import Pki
    from tests.service.conftest import MakeBroker, Subscribe


def bench(place: Place, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    frames = [portrait(1) for _ in range(45)]
    for number, frame in enumerate(frames):  # something moves, or nobody would look
        frame[:40, number * 6 : number * 6 + 40] = 255
    clip = film(place.folder / "clip.mp4", frames)
    capsys.readouterr()
    command = ["bench", "cameras", str(clip), "--config", str(place.site), "--json", *words]
    assert main(command) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_decisions_go_to_the_broker_of_the_site_as_what_they_are(
    place: Place,
    pki: Pki,
    make_broker: MakeBroker,
    subscribe: Subscribe,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker = make_broker()
    everything = subscribe(broker)
    place.add_broker(broker, pki)
    told = bench(place, capsys, "--cameras", "2", "--seconds", "3")
    assert [one["cameras"] for one in told["cameras"]] == [1, 2]
    for one in told["cameras"]:
        assert one["decisions"] > 0
        assert 0 < one["p50_s"] <= one["p99_s"]
    sources = {event["source"] for event in everything.events}
    assert sources == {f"edgewarden/hq/gate-bench/camera-{n}" for n in (1, 2)}
    assert all(event["data"]["synthetic"] for event in everything.events)
    assert not place.outbox.exists()


def test_a_site_without_a_broker_gets_one_for_the_time(
    place: Place, make_broker: MakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """make_broker skips this where there is no mosquitto."""
    told = bench(place, capsys, "--cameras", "1", "--seconds", "2")
    assert told["cameras"][0]["decisions"] > 0


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_cut_off_it_ends_quietly_and_leaves_nothing(
    place: Place, make_broker: MakeBroker, number: signal.Signals, said: str, early: bool
) -> None:
    """Ctrl-C goes to every process of the terminal. make_broker skips this without mosquitto."""
    clip = film(place.folder / "clip.mp4", [portrait(1)] * 45)
    (folder := place.folder / "temporary").mkdir()
    words = ["bench", "cameras", str(clip), "--config", str(place.site), "--seconds", "60"]
    with subprocess.Popen(
        [str(COMMAND), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder)},
    ) as process:
        # The broker comes first, then what starts the capture processes, then these.
        wait_until(lambda: len(children_of(process.pid)) >= (2 if early else 4))
        started = children_of(process.pid)
        os.killpg(process.pid, number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert output.decode() == f"edgewarden: {said}; what was not finished was not kept\n"
    wait_until(lambda: not any(map(is_alive, started)))
    assert list(folder.iterdir()) == []


def test_without_any_broker_it_says_what_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(place.folder))
    monkeypatch.setattr(local_broker, "_ELSEWHERE", str(place.folder / "mosquitto"))
    assert main(["bench", "cameras", "x.mp4", "--config", str(place.site)]) == 2
    assert "apt-get install mosquitto" in capsys.readouterr().err


def test_a_file_that_does_not_play_is_told(
    place: Place, make_broker: MakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "cameras", "absent.mp4", "--config", str(place.site)]) == 2
    assert "absent.mp4" in capsys.readouterr().err
