from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from edge.config import Mqtt, Site, load_site
from edge.errors import UsageError
from edge.schedule import Schedule
from edge.site.source import SourceKind

Load = Callable[[str], Site]

WHOLE = """
[site]
id = "hq"                            # ids: ^[a-z0-9][a-z0-9_-]{0,63}$
node = "gate-01"                     # this device
state_dir = "/var/lib/edgewarden"    # outbox, gallery, audit, media
cache_dir = "/var/cache/edgewarden"
timezone = "Asia/Shanghai"           # for schedules; omitted: the system's

[models]                             # folders of bundles; only detector is required
detector = "bundles/yunet-n"
recogniser = "bundles/reid-0095"
landmarks = "bundles/landmarks-0009" # for detectors without landmarks
person = "bundles/yolox-nano"
require_signed = true
trusted_keys = ["keys/release.pub"]

[recognition]                        # omitted: the bundle's own operating point
threshold = 0.49
margin = 0.05

[[cameras]]
id = "door"
source = "rtsp://host/stream"
loop = false                         # files only
fps = 10                             # most frames per second to analyse; omitted: all
[cameras.zones]
entrance = [[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]]   # fractions of the frame

[[rules]]
id = "stranger-at-night"
on = ["face.unknown"]
cameras = ["door"]                   # omitted: all
zones = ["entrance"]
people = ["*"]
schedule = "Mon-Sun 22:00-06:00"
cooldown_s = 60
severity = "alert"                   # info | warning | alert

[mqtt]                               # omitted: events stay in the outbox
host = "127.0.0.1"
port = 8883
version = "5"                        # or "3.1.1"
username = "gate-01"
password_file = "mqtt.password"
ca_file = "ca.pem"
client_cert = "cam.pem"
client_key = "cam.key"
"""


def test_the_whole_contract_loads(load: Load, tmp_path: Path) -> None:
    site = load(WHOLE)
    assert (site.site.id, site.site.node) == ("hq", "gate-01")
    assert site.site.state_dir == Path("/var/lib/edgewarden")
    assert site.tz == ZoneInfo("Asia/Shanghai")
    assert site.models.recogniser == tmp_path / "bundles/reid-0095"
    assert site.models.liveness is None
    assert site.models.require_signed
    assert site.models.trusted_keys == (tmp_path / "keys/release.pub",)
    assert (site.recognition.threshold, site.recognition.margin) == (0.49, 0.05)

    (door,) = site.cameras
    assert (door.id, door.fps, door.loop) == ("door", 10.0, False)
    assert (door.source.kind, door.source.location) == (SourceKind.RTSP, "rtsp://host/stream")
    assert door.zones == {"entrance": ((0.1, 0.2), (0.9, 0.2), (0.9, 0.9))}

    (rule,) = site.rules
    assert (rule.id, rule.on, rule.people) == ("stranger-at-night", ("face.unknown",), ("*",))
    assert (rule.cameras, rule.zones) == (("door",), ("entrance",))
    assert rule.schedule == Schedule.parse("Mon-Sun 22:00-06:00")
    assert (rule.cooldown_s, rule.severity) == (60.0, "alert")

    assert site.mqtt == Mqtt(
        host="127.0.0.1",
        port=8883,
        version="5",
        username="gate-01",
        password_file=tmp_path / "mqtt.password",
        ca_file=tmp_path / "ca.pem",
        client_cert=tmp_path / "cam.pem",
        client_key=tmp_path / "cam.key",
    )


def test_what_is_left_out_has_the_stated_defaults(load_more: Load, tmp_path: Path) -> None:
    site = load_more(
        "[[cameras]]\nid = 'door'\nsource = 'door.mp4'\n[[rules]]\nid='r'\n"
        "on=['face.unknown', 'system.camera_lost']\n[mqtt]\nhost='broker'"
    )
    assert site.site.state_dir == Path("/var/lib/edgewarden")
    assert site.site.cache_dir == Path("/var/cache/edgewarden")
    assert site.tz is None
    assert site.models.detector == tmp_path / "bundles/yunet-n"
    assert site.models.require_signed
    assert site.models.trusted_keys == ()
    assert (site.recognition.threshold, site.recognition.margin) == (None, 0.05)
    assert (site.cameras[0].fps, site.cameras[0].loop, site.cameras[0].zones) == (None, False, {})
    rule = site.rules[0]
    assert (rule.cameras, rule.zones, rule.people, rule.schedule) == (None, None, ("*",), None)
    assert (rule.cooldown_s, rule.severity) == (0.0, "alert")
    assert site.mqtt == Mqtt(host="broker", port=8883, version="5")


def test_without_cameras_rules_and_broker(load_more: Load) -> None:
    site = load_more("")
    assert (site.cameras, site.rules, site.mqtt) == ((), (), None)


def test_relative_paths_count_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "site.toml").write_text(
        "cameras = [{id = 'a', source = '../clips/a.mp4', loop = true}]\n"
        "[site]\nid = 'hq'\nnode = 'n'\nstate_dir = 'state'\n[models]\ndetector = 'd'\n"
    )
    monkeypatch.chdir(tmp_path)
    site = load_site(Path("etc/site.toml"))
    assert site.site.state_dir == tmp_path / "etc" / "state"
    assert site.models.detector == tmp_path / "etc" / "d"
    assert site.cameras[0].source.location == os.path.join(tmp_path, "etc", "../clips/a.mp4")


def test_a_site_cannot_be_changed(load: Load) -> None:
    site = load(WHOLE)
    with pytest.raises(ValidationError, match="frozen"):
        site.site.id = "other"  # type: ignore[misc]  # the point of the test


def test_no_credentials_show_in_a_site(load_more: Load) -> None:
    site = load_more(
        "[[cameras]]\nid = 'a'\nsource = 'rtsp://ann:s3cret@host:554/live?token=s3cret'"
    )
    for shown in (repr(site), str(site), str(site.cameras[0].source)):
        assert "s3cret" not in shown
        assert "ann" not in shown
    assert "rtsp://***@host:554/live?***" in repr(site)
    assert site.cameras[0].source.location == "rtsp://ann:s3cret@host:554/live?token=s3cret"


def test_a_camera_is_found_by_id_and_a_miss_names_the_nearest(load: Load, load_more: Load) -> None:
    assert load(WHOLE).camera("door").fps == 10
    with pytest.raises(UsageError, match=r"found 'dor'. Did you mean 'door'\?"):
        load(WHOLE).camera("dor")
    with pytest.raises(UsageError, match="None is known here"):
        load_more("").camera("door")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert load_site(path).site.id == "hq"
