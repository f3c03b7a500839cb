"""``edgewarden demo`` alone, on a small pack: the daemon, a real broker, and what arrived there."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import publish

from edge.cli import local_broker, main
from edge.config import load_site
from edge.media import open_video, read_image
from edge.ops.lock import StateLock
from tests.brokers import Broker, free_port, subscribe_to
from tests.demo.conftest import ANNA, STRANGER, Pack
from tests.service.daemon import Daemon, wait_until

Demo = Callable[..., int]
Said = pytest.CaptureFixture[str]


def found(demo: Demo, capsys: Said, *words: object) -> tuple[int, dict[str, Any]]:
    code = demo("--json", *words)
    said = capsys.readouterr()
    assert said.out, said.err
    return code, json.loads(said.out)


def test_everybody_is_right_and_every_event_arrives(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, broker: Broker
) -> None:
    listener = subscribe_to(broker)
    code, told = found(demo, capsys, "--broker", f"127.0.0.1:{broker.port}")
    listener.close()
    assert code == 0
    assert told["right"] is True
    assert told["committed"] == told["received"] == len(listener.first_ids) > 6
    assert all(event["data"]["synthetic"] for event in listener.events if ".face." in event["type"])
    people = {person["person"]: person for person in told["people"]}
    assert people["anna"]["said"] == ["anna"]
    assert people["nobody"]["said"] == ["unknown"]
    assert [deed["told"] is not None for deed in told["deeds"]] == [True, True]
    assert told["frames"] == 160
    assert 0 < told["latency_s"]["p50"] <= told["latency_s"]["p99"]
    assert longest_fraction(told) <= 4
    out = tmp_path / "out"
    kept = [json.loads(line)["id"] for line in (out / "events.jsonl").read_text().splitlines()]
    assert sorted(kept) == sorted(listener.first_ids)
    with open_video(out / "seen.mp4") as reader:
        assert len(list(reader)) == 160
    assert min(read_image(out / "seen.jpg").shape[:2]) >= 320


def longest_fraction(value: Any) -> int:
    """The most digits that stand after the point in a number of a document."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = len(repr(value).partition(".")[2]) if isinstance(value, float) else 0
    return max([own, *map(longest_fraction, parts)])


def test_a_broker_keeps_nothing_of_a_demo(
    pack: Pack, demo: Demo, tmp_path: Path, broker: Broker
) -> None:
    during = subscribe_to(broker)
    assert demo("--broker", f"127.0.0.1:{broker.port}") == 0
    wait_until(
        lambda: during.said("/availability")[-1:] == during.said("/lobby/status")[-1:] == [""]
    )
    during.close()
    assert during.said("/availability") == ["online", "stopped", ""]
    after = subscribe_to(broker)
    publish.single(
        "edgewarden/last", "said", qos=1, retain=True, hostname="127.0.0.1", port=broker.port
    )
    wait_until(lambda: after.said("/last") == ["said"])
    after.close()
    assert [message.topic for message in after.messages] == ["edgewarden/last"]
    site = load_site(tmp_path / "out" / "site.toml")
    assert site.mqtt is not None
    assert site.mqtt.port == broker.port  # which is still there for whoever runs the site


def test_the_site_file_that_is_left_runs(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.demo_pack._PORT", free_port())
    assert demo() == 0
    assert "run --config" in capsys.readouterr().out
    site = tmp_path / "out" / "site.toml"
    assert load_site(site).mqtt is None
    assert [camera.loop for camera in load_site(site).cameras] == [True]
    with closing(Daemon(site)) as daemon:
        daemon.wait_live("lobby")
        daemon.wait(lambda status: status["health"] == "ok" and status["outbox"] > 0)
        main(["doctor", "--config", str(site), "--json"])
        found = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)}
        assert found["daemon"] == found["camera lobby"] == found["gallery"] == "ok"
        daemon.stop()


def test_a_broker_is_started_where_none_is(
    pack: Pack, demo: Demo, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.demo_pack._PORT", free_port())
    assert demo() == 0
    said = capsys.readouterr().out
    assert "started for the demo" in said
    assert "synthetic" in said
    assert "1 of 1 enrolled" in said


def test_without_any_broker_events_go_to_a_file_and_it_is_said(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cli.demo_pack._PORT", free_port())
    monkeypatch.setattr(local_broker, "_ELSEWHERE", str(tmp_path / "mosquitto"))
    monkeypatch.setenv("PATH", str(tmp_path))
    code, told = found(demo, capsys)
    assert code == 0
    assert told["received"] is None
    assert told["broker"] == "none"
    assert any("apt-get install mosquitto" in note for note in told["notes"])
    lines = (tmp_path / "out" / "events.jsonl").read_text().splitlines()
    assert len(lines) == told["committed"]


def test_a_stranger_who_is_named_is_a_failure(
    pack: Pack, demo: Demo, capsys: Said, broker: Broker
) -> None:
    pack.show(ANNA, ANNA)
    assert demo("--broker", f"localhost:{broker.port}") == 1
    assert "WRONG name" in capsys.readouterr().out


def test_somebody_enrolled_who_is_not_recognised_is_a_failure(
    pack: Pack, demo: Demo, capsys: Said, broker: Broker
) -> None:
    pack.show(STRANGER, STRANGER)
    code, told = found(demo, capsys, "--broker", f"127.0.0.1:{broker.port}")
    assert code == 1
    assert [person["right"] for person in told["people"]] == [False, True]


def test_a_broker_that_is_not_there_is_told_before_anything_is_done(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said
) -> None:
    assert demo("--broker", f"127.0.0.1:{free_port()}") == 1
    assert "no broker at 127.0.0.1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_open_broker_is_told_before_anything_is_done(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, broker: Broker
) -> None:
    assert demo("--broker", f"127.0.0.1:{broker.tls_port}") == 1
    assert "lets anybody in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["--broker", "host:port"], ["--broker", ""], ["--twice"]])
def test_words_that_mean_nothing_are_refused(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, words: list[str]
) -> None:
    assert demo(*words) == 2
    assert words[0] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_no_demo_made_is_never_replaced(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert demo() == 2
    assert "no demo made it" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_is_taken(pack: Pack, demo: Demo, tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "out").mkdir()
    assert demo("--broker", f"127.0.0.1:{broker.port}") == 0
    assert (tmp_path / "out" / "seen.mp4").exists()
    assert demo("--broker", f"127.0.0.1:{broker.port}") == 0


def test_a_demo_that_is_at_work_keeps_its_folder(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, broker: Broker
) -> None:
    address = f"127.0.0.1:{broker.port}"
    assert demo("--broker", address) == 0
    with StateLock(tmp_path / "out" / "state"):
        assert demo("--broker", address) == 2
        assert (tmp_path / "out" / "seen.mp4").exists()
    assert demo("--broker", address) == 0


@pytest.mark.parametrize("part", ["demo/clip.mp4", "demo/truth.json", "bundles/world-face"])
def test_a_pack_that_lacks_something_is_refused(
    pack: Pack, demo: Demo, tmp_path: Path, capsys: Said, part: str
) -> None:
    (pack.folder / part).rename(tmp_path / "elsewhere")
    assert demo() == 2
    error = capsys.readouterr().err
    assert Path(part).name in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
