"""Everything that a site file may not say, and what the refusal tells."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.config import Camera, Mqtt, Rule, Site, SiteSection, load_site
from edge.errors import SiteFileError
from edge.ids import ID_RULE
from edge.site.problems import field_problems, reference_problems
from edge.site.sections import Section

Refuse = Callable[[str], str]

CAMERA = "[[cameras]]\nid = 'door'\nsource = 'door.mp4'\n"
BEHAVIOUR_BLOCK = "[[cameras.behaviours]]\n"
BEHAVIOUR = CAMERA + "zones.yard = [[0, 0], [1, 0], [1, 1]]\n" + BEHAVIOUR_BLOCK
RULE = "[[rules]]\nid = 'r'\non = ['face.unknown']\n"
MQTT = "[mqtt]\nhost = 'broker'\n"
ZONE = "3 to 256 points of a polygon whose edges do not cross"

# After the smallest site file: what is added, and the problem that it makes.
REFUSED = {
    # keys
    "typo in a section": (
        "[recognition]\nthreshhold = 0.5",
        "recognition.threshhold: expected a known key; found the key 'threshhold'. "
        "Did you mean 'threshold'?",
    ),
    "typo in a camera": (
        CAMERA + "zonse = {}",
        "cameras[0].zonse: expected a known key; found the key 'zonse'. Did you mean 'zones'?",
    ),
    "typo in the name of a section": (
        "[recogniton]\nmargin = 0.1",
        "recogniton: expected a known key; found the key 'recogniton'. Did you mean 'recognition'?",
    ),
    "a key like no other": (
        "[recognition]\nx = 1",
        "recognition.x: expected a known key; found the key 'x'. Known here: threshold, margin.",
    ),
    "an odd key": (
        "[recognition]\n'a b' = 1",
        "recognition.'a b': expected a known key; found the key 'a b'. "
        "Known here: threshold, margin.",
    ),
    "a required key missing": (
        "[[cameras]]\nid = 'door'",
        "cameras[0].source: expected this key, which is required; found nothing",
    ),
    # numbers
    "a negative threshold": (
        "[recognition]\nthreshold = -0.1",
        "recognition.threshold: expected a number above 0 and up to 1; found -0.1",
    ),
    "a threshold of nothing": (
        "[recognition]\nthreshold = 0",
        "recognition.threshold: expected a number above 0 and up to 1; found 0",
    ),
    "a threshold above one": (
        "[recognition]\nthreshold = 1.01",
        "recognition.threshold: expected a number above 0 and up to 1; found 1.01",
    ),
    "a threshold that is no number": (
        "[recognition]\nthreshold = nan",
        "recognition.threshold: expected a number above 0 and up to 1; found nan",
    ),
    "a threshold that is true": (
        "[recognition]\nthreshold = true",
        "recognition.threshold: expected a number above 0 and up to 1; found true",
    ),
    "a threshold in quotes": (
        "[recognition]\nthreshold = '0.5'",
        "recognition.threshold: expected a number above 0 and up to 1; found '0.5'",
    ),
    "a negative margin": (
        "[recognition]\nmargin = -0.01",
        "recognition.margin: expected a number in 0..1; found -0.01",
    ),
    "a margin without end": (
        "[recognition]\nmargin = inf",
        "recognition.margin: expected a number in 0..1; found inf",
    ),
    "no frames at all": (
        CAMERA + "fps = 0",
        "cameras[0].fps: expected a number above 0; found 0",
    ),
    "frames without end": (
        CAMERA + "fps = inf",
        "cameras[0].fps: expected a number above 0; found inf",
    ),
    "more frames than a float can count": (
        CAMERA + f"fps = {10**400}",
        "cameras[0].fps: expected a number above 0; found a very large number",
    ),
    "a cooldown before the alert": (
        RULE + "cooldown_s = -1",
        "rules[0].cooldown_s: expected seconds, 0 or more; found -1",
    ),
    "a cooldown for ever": (
        RULE + "cooldown_s = inf",
        "rules[0].cooldown_s: expected seconds, 0 or more; found inf",
    ),
    "port 0": (
        MQTT + "port = 0",
        "mqtt.port: expected a whole number from 1; found 0",
    ),
    "port 65536": (
        MQTT + "port = 65536",
        "mqtt.port: expected a whole number up to 65535; found 65536",
    ),
    "a broken port": (
        MQTT + "port = 1883.5",
        "mqtt.port: expected a whole number; found 1883.5",
    ),
    "port true": (MQTT + "port = true", "mqtt.port: expected a whole number; found true"),
    # words
    "a truth in quotes": (
        CAMERA + "loop = 'yes'",
        "cameras[0].loop: expected true or false; found 'yes'",
    ),
    "a truth as a number": (
        CAMERA + "loop = 1",
        "cameras[0].loop: expected true or false; found 1",
    ),
    "an unknown severity": (
        RULE + "severity = 'high'",
        "rules[0].severity: expected 'info', 'warning' or 'alert'; found 'high'",
    ),
    "an MQTT version that is a number": (
        MQTT + "version = 5",
        "mqtt.version: expected '5' or '3.1.1'; found 5",
    ),
    "an empty user name": (
        MQTT + "username = ' '",
        "mqtt.username: expected a text that is not empty; found ' '",
    ),
    "a broker with a scheme": (
        "[mqtt]\nhost = 'mqtt://ann:pw@broker'",
        "mqtt.host: expected the broker's host name or address, alone; found 'mqtt://***@broker'",
    ),
    "a certificate without its key": (
        MQTT + "client_cert = 'cam.pem'",
        "mqtt: expected client_cert and client_key together; found only client_cert",
    ),
    "a key without its certificate": (
        MQTT + "client_key = 'cam.key'",
        "mqtt: expected client_cert and client_key together; found only client_key",
    ),
    "a password without its user": (
        MQTT + "password_file = 'mqtt.password'",
        "mqtt: expected username beside password_file; found only password_file",
    ),
    # lists and tables
    "one camera as a table": (
        "[cameras]\nid = 'door'",
        "cameras: expected a list; found a table. Begin each one with [[cameras]].",
    ),
    "a section as a list": ("[[mqtt]]\nhost = 'a'", "mqtt: expected a table; found a list of 1"),
    "a list as a text": (
        RULE + "cameras = 'door'",
        "rules[0].cameras: expected a list; found 'door'",
    ),
    "an empty list": (
        RULE + "people = []",
        "rules[0].people: expected at least one; found an empty list",
    ),
    "nothing to act on": (
        "[[rules]]\nid = 'r'\non = []",
        "rules[0].on: expected at least one; found an empty list",
    ),
    "a date for a folder": (
        "[recognition]\nthreshold = 1979-05-27",
        "recognition.threshold: expected a number above 0 and up to 1; found a date",
    ),
    # ids
    "a camera id against the rule": (
        "[[cameras]]\nid = 'Front Door'\nsource = 'a.mp4'",
        f"cameras[0].id: expected an id: {ID_RULE}; found 'Front Door'. 'front-door' would do",
    ),
    "a reserved camera id": (
        "[[cameras]]\nid = '_node'\nsource = 'a.mp4'",
        f"cameras[0].id: expected an id: {ID_RULE}; found '_node'. "
        "'_node' is reserved for events of Edgewarden itself",
    ),
    "an id that is a number": (
        "[[cameras]]\nid = 1\nsource = 'a.mp4'",
        "cameras[0].id: expected an id; found 1",
    ),
    "a person against the rule": (
        RULE + "people = ['a', 'Ann B.']",
        f"rules[0].people[1]: expected an id: {ID_RULE}; found 'Ann B.'. 'ann-b' would do",
    ),
    "two cameras of one id": (
        CAMERA + CAMERA,
        "cameras[1].id: expected an id of its own; found 'door', which is also cameras[0]",
    ),
    "three rules of one id": (
        RULE + RULE + RULE,
        "rules[1].id: expected an id of its own; found 'r', which is also rules[0]\n"
        "rules[2].id: expected an id of its own; found 'r', which is also rules[0]",
    ),
    # what rules name
    "an unknown camera": (
        CAMERA + RULE + "cameras = ['door', 'dor']",
        "rules[0].cameras[1]: expected the id of a camera; found 'dor'. Did you mean 'door'?",
    ),
    "a camera where there is none": (
        RULE + "cameras = ['door']",
        "rules[0].cameras[0]: expected the id of a camera; found 'door'. None is known here.",
    ),
    "an unknown zone": (
        CAMERA + "zones.entrance = [[0, 0], [1, 0], [1, 1]]\n" + RULE + "zones = ['entrence']",
        "rules[0].zones[0]: expected a zone of a camera that the rule watches; "
        "found 'entrence'. Did you mean 'entrance'?",
    ),
    "a zone of a camera that the rule does not watch": (
        CAMERA
        + "zones.entrance = [[0, 0], [1, 0], [1, 1]]\n"
        + "[[cameras]]\nid = 'yard'\nsource = 'y.mp4'\nzones.gate = [[0, 0], [1, 0], [1, 1]]\n"
        + RULE
        + "cameras = ['yard']\nzones = ['entrance']",
        "rules[0].zones[0]: expected a zone of a camera that the rule watches; "
        "found 'entrance'. Known here: gate.",
    ),
    "an unknown event": (
        "[[rules]]\nid = 'r'\non = ['face.unkown']",
        "rules[0].on[0]: expected an event type as family.name; found 'face.unkown'. "
        "Did you mean 'face.unknown'?",
    ),
    # values with a syntax of their own
    "a schedule that cannot be read": (
        RULE + "schedule = 'Monday 8-12'",
        "rules[0].schedule: expected days and times such as 'Mon-Fri 22:00-06:00' or "
        "'Mon,Wed 08:00-12:00, Sun'; found 'monday' in 'Monday 8-12'",
    ),
    "an unknown source": (
        "[[cameras]]\nid = 'a'\nsource = 'rstp://ann:pw@host/1'",
        "cameras[0].source: expected an rtsp, rtsps, http or https URL, a file or folder, "
        "'v4l2:/dev/video0' or 'csi:0'; found 'rstp://***@host/1'. Did you mean rtsp://?",
    ),
    "a stream in a loop": (
        "[[cameras]]\nid = 'a'\nsource = 'rtsp://host/1'\nloop = true",
        "cameras[0].loop: expected false, since only files loop; found true",
    ),
    "an empty path": (
        MQTT + "ca_file = ''",
        "mqtt.ca_file: expected a path; a relative one counts from the folder of the site file; "
        "found ''",
    ),
    # zones
    "a zone of two points": (
        CAMERA + "zones.a = [[0, 0], [1, 1]]",
        f"cameras[0].zones.a: expected {ZONE}; found 2 points",
    ),
    "a zone whose edges cross": (
        CAMERA + "zones.a = [[0, 0], [1, 1], [1, 0], [0, 1]]",
        f"cameras[0].zones.a: expected {ZONE}; found the edges from point 0 and from point 2 meet",
    ),
    "a zone in pixels": (
        CAMERA + "zones.a = [[0, 0], [1, 0], [0.5, 120]]",
        "cameras[0].zones.a[2]: expected [x, y], each a fraction of the frame in 0..1; "
        "found [0.5, 120]",
    ),
    "a point of three numbers": (
        CAMERA + "zones.a = [[0, 0], [1, 0, 1], [1, 1]]",
        "cameras[0].zones.a[1]: expected [x, y], each a fraction of the frame in 0..1; "
        "found [1, 0, 1]",
    ),
    # behaviours
    "a kind that is none": (
        BEHAVIOUR + "kind = 'line_crosing'\nid = 'b'",
        "cameras[0].behaviours[0].kind: expected the kind of a behaviour; found 'line_crosing'. "
        "Did you mean 'line_crossing'?",
    ),
    "a behaviour of no kind": (
        BEHAVIOUR + "id = 'b'",
        "cameras[0].behaviours[0].kind: expected this key, which is required; found nothing. "
        "Known here: intrusion, line_crossing, loitering.",
    ),
    "a kind that is a number": (
        BEHAVIOUR + "kind = 1\nid = 'b'",
        "cameras[0].behaviours[0].kind: expected the kind of a behaviour; found '1'. "
        "Known here: intrusion, line_crossing, loitering.",
    ),
    "a typo in a behaviour": (
        BEHAVIOUR + "kind = 'intrusion'\nid = 'b'\nzone = 'yard'\nshedule = 'Sat'",
        "cameras[0].behaviours[0].shedule: expected a known key; found the key 'shedule'. "
        "Did you mean 'schedule'?",
    ),
    "a key of another kind": (
        BEHAVIOUR + "kind = 'intrusion'\nid = 'b'\nzone = 'yard'\nline = [[0, 0], [1, 1]]",
        "cameras[0].behaviours[0].line: expected a known key; found the key 'line'. "
        "Known here: kind, id, zone, schedule.",
    ),
    "loitering for no time": (
        BEHAVIOUR + "kind = 'loitering'\nid = 'b'\nzone = 'yard'\nseconds = 0",
        "cameras[0].behaviours[0].seconds: expected a number above 0; found 0",
    ),
    "a line of one point": (
        BEHAVIOUR + "kind = 'line_crossing'\nid = 'b'\nline = [[0, 0]]",
        "cameras[0].behaviours[0].line: expected [[x, y], [x, y]], two points apart; "
        "found a list of 1",
    ),
    "a line of no length": (
        BEHAVIOUR + "kind = 'line_crossing'\nid = 'b'\nline = [[0.5, 0.5], [0.5, 0.5]]",
        "cameras[0].behaviours[0].line: expected [[x, y], [x, y]], two points apart; "
        "found a list of 2",
    ),
    "a line in pixels": (
        BEHAVIOUR + "kind = 'line_crossing'\nid = 'b'\nline = [[0, 0], [640, 1]]",
        "cameras[0].behaviours[0].line[1]: expected [x, y], each a fraction of the frame in 0..1; "
        "found [640, 1]",
    ),
    "a direction that is none": (
        BEHAVIOUR + "kind = 'line_crossing'\nid = 'b'\nline = [[0, 0], [1, 1]]\ndirection = 'up'",
        "cameras[0].behaviours[0].direction: expected 'left_to_right', 'right_to_left' or 'both'; "
        "found 'up'",
    ),
    "a zone that the camera does not have": (
        BEHAVIOUR + "kind = 'intrusion'\nid = 'b'\nzone = 'yrad'",
        "cameras[0].behaviours[0].zone: expected a zone of this camera; found 'yrad'. "
        "Did you mean 'yard'?",
    ),
    "two behaviours with one id": (
        BEHAVIOUR
        + "kind = 'intrusion'\nid = 'b'\nzone = 'yard'\n"
        + BEHAVIOUR_BLOCK
        + "kind = 'loitering'\nid = 'b'\nzone = 'yard'\nseconds = 9",
        "cameras[0].behaviours[1].id: expected an id of its own; "
        "found 'b', which is also cameras[0].behaviours[0]",
    ),
    "a rule on what no camera looks for": (
        BEHAVIOUR
        + "kind = 'intrusion'\nid = 'b'\nzone = 'yard'\n"
        + "[[rules]]\nid = 'r'\non = ['behaviour.intrusion', 'behaviour.loitering']",
        "rules[0].on[1]: expected a behaviour that a camera which the rule watches looks for; "
        "found 'behaviour.loitering'. Say so in its [[cameras.behaviours]].",
    ),
    "a rule on what only another camera looks for": (
        BEHAVIOUR
        + "kind = 'intrusion'\nid = 'b'\nzone = 'yard'\n"
        + "[[cameras]]\nid = 'hall'\nsource = 'hall.mp4'\n"
        + "[[rules]]\nid = 'r'\non = ['behaviour.intrusion']\ncameras = ['hall']",
        "rules[0].on[0]: expected a behaviour that a camera which the rule watches looks for; "
        "found 'behaviour.intrusion'. Say so in its [[cameras.behaviours]].",
    ),
    "behaviours that are no tables": (
        CAMERA + "behaviours = [7]",
        "cameras[0].behaviours[0]: expected a table; found 7",
    ),
    "a point that is true": (
        CAMERA + "zones.a = [[0, 0], [true, 0], [1, 1]]",
        "cameras[0].zones.a[1]: expected [x, y], each a fraction of the frame in 0..1; "
        "found [true, 0]",
    ),
    "a zone id against the rule": (
        CAMERA + "zones.'the door' = [[0, 0], [1, 0], [1, 1]]",
        f"cameras[0].zones.'the door': expected an id: {ID_RULE}; found 'the door'. "
        "'the-door' would do",
    ),
    "zones as a list": (CAMERA + "zones = []", "cameras[0].zones: expected a table; found []"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_refused_at_its_place(refuse_more: Refuse, text: str, problem: str) -> None:
    assert refuse_more(text) == problem


def test_an_unknown_time_zone_names_the_nearest(refuse: Refuse) -> None:
    text = "[site]\nid='a'\nnode='b'\ntimezone='{}'\n[models]\ndetector='d'"
    for zone, remedy in {
        "Asia/Shangai": "Did you mean 'Asia/Shanghai'?",
        "../etc/passwd": "",
        "Asia": "",
    }.items():
        said = refuse(text.format(zone))
        assert (
            f"site.timezone: expected a time zone such as 'Europe/Berlin'; found '{zone}'" in said
        )
        assert remedy in said


def test_an_empty_file_misses_what_is_required(refuse: Refuse) -> None:
    assert refuse("").splitlines() == [
        ": 2 problems",
        "  site: expected this key, which is required; found nothing",
        "  models: expected this key, which is required; found nothing",
    ]


def test_all_problems_of_all_sections_are_told_at_once(refuse_more: Refuse) -> None:
    said = refuse_more(
        "[recognition]\nmargin = 2\nthreshold = -1\n"
        "[[cameras]]\nid = 'door'\nsource = 'door.mp4'\nfps = -1\nzones.a = [[0, 0]]\n"
        "[[cameras]]\nid = 'door'\nsource = 'csi:x'\n"
        "[[rules]]\nid = 'r'\non = ['x']\ncameras = ['yard']\n"
        "[[rules]]\nid = 'q'\non = ['face.unknown']\nzones = ['b']\n"
    )
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "recognition.threshold",
        "recognition.margin",
        "cameras[0].fps",
        "cameras[0].zones.a",
        "cameras[1].source",
        "rules[0].on[0]",
        "cameras[1].id",
        "rules[0].cameras[0]",
        "rules[1].zones[0]",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[site]\nid = hq\n", r"line 2, column 6"),
        ("[site]\nid = 'hq'\nid = 'b'\n", r"line 3, column \d+"),
        ("[site]\nid = 'hq", r"line 2, column \d+"),
        ("[site", r"line 1, column \d+"),
        ("a = " + "[" * 100_000, "line|nested too deeply"),
        ("a = " + "9" * 5000, r"line 1, column \d+"),
    ],
    ids=["no quotes", "twice", "open quote", "open table", "nested", "huge number"],
)
def test_a_toml_error_has_its_line_and_column(refuse: Refuse, text: str, found: str) -> None:
    said = refuse(text)
    assert said.startswith(" is not TOML")
    assert re.search(found, said)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"none.toml cannot be read.*No such file.*--config"):
        load_site(tmp_path / "none.toml")
    with pytest.raises(SiteFileError, match="Is a directory"):
        load_site(tmp_path)
    (tmp_path / "site.toml").write_bytes(b"[site]\nid = '\xff'")
    with pytest.raises(SiteFileError, match="not text; expected UTF-8; found byte 13 is not"):
        load_site(tmp_path / "site.toml")


def test_no_credentials_show_in_a_refusal_or_its_traceback(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        "[site]\nid='a'\nnode='b'\n[models]\ndetector='d'\n"
        "[[cameras]]\nid='a'\nsourse='rtsp://ann:s3cret@host/1'\n"
        "[[cameras]]\nid='b'\nsource='rtsp://ann:s3cret#s3cret/s3cret@host/1'\n"
        "[[cameras]]\nid='c'\nsource=['rtsp://ann:s3cret@host/1']\n"
        "[[cameras]]\nid='d'\nsource='rtsp://ann:s3cret/host/1'\n"
        "[[cameras]]\nid='rtsp://ann:s3cret@host/1'\nsource='a.mp4'\n"
        "[[rules]]\nid='r'\non=['rtsp://ann:s3cret@host/1']\nschedule='rtsp://ann:s3cret@host/1'\n"
        "[[cameras]]\nid='e'\nsource='ftp://host/user=ann&password=s3cret'\n"
    )
    with pytest.raises(SiteFileError) as caught:
        load_site(path)
    told = "".join(traceback.format_exception(caught.value))
    assert "cameras[5].source" in told
    assert "s3cret" not in told
    assert "ann" not in told


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.sampled_from(["", "*", "door", "face.unknown", "5", "rtsp://h/1", "csi:0", "Mon"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def some_of(section: type[Section]) -> st.SearchStrategy[dict[str, object]]:
    """Tables with keys of a section and values of any kind."""
    return st.dictionaries(st.sampled_from(sorted(section.model_fields)), VALUES, max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_a_file_holds_is_loaded_or_refused(data: st.DataObject) -> None:
    whole = data.draw(
        st.fixed_dictionaries(
            {
                "site": some_of(SiteSection),
                "cameras": st.lists(some_of(Camera), max_size=2) | VALUES,
                "rules": st.lists(some_of(Rule), max_size=2) | VALUES,
                "mqtt": some_of(Mqtt),
            }
        )
    )
    assert all(str(problem) for problem in reference_problems(whole))
    with pytest.raises(ValidationError) as caught:  # models are missing
        Site.model_validate(whole)
    told = [str(problem) for problem in field_problems(caught.value)]
    assert "models: expected this key, which is required; found nothing" in told


def test_a_camera_without_a_name_beside_a_rule_on_behaviours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[site]\nid = "a"\n[[cameras]]\nid = []\n'
        '[[rules]]\ncameras = ["x"]\non = ["behaviour.loitering"]\n'
    )
    with pytest.raises(SiteFileError):
        load_site(path)
