from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.site.source import SourceAddress, SourceKind, mask_credentials

FOLDER = Path("/etc/site")


@pytest.mark.parametrize(
    ("text", "kind", "location"),
    [
        ("rtsp://host/stream", SourceKind.RTSP, "rtsp://host/stream"),
        (
            "rtsps://a:b%40c@[fe80::1]:554/1?x=1",
            SourceKind.RTSP,
            "rtsps://a:b%40c@[fe80::1]:554/1?x=1",
        ),
        ("RTSP://HOST", SourceKind.RTSP, "RTSP://HOST"),
        ("http://host:8080/mjpeg", SourceKind.HTTP, "http://host:8080/mjpeg"),
        ("https://host/mjpeg", SourceKind.HTTP, "https://host/mjpeg"),
        ("v4l2:/dev/video0", SourceKind.V4L2, "/dev/video0"),
        ("csi:0", SourceKind.CSI, "0"),
        ("clips/a b@c.mp4", SourceKind.FILE, "/etc/site/clips/a b@c.mp4"),
        ("../pictures", SourceKind.FILE, "/etc/site/../pictures"),
        ("/srv/a.mp4", SourceKind.FILE, "/srv/a.mp4"),
        ("http://host/a@b", SourceKind.HTTP, "http://host/a@b"),
        ("10:00.mp4", SourceKind.FILE, "/etc/site/10:00.mp4"),
    ],
)
def test_sources_are_told_apart(text: str, kind: SourceKind, location: str) -> None:
    source = SourceAddress.parse(text, folder=FOLDER)
    assert (source.kind, source.location) == (kind, location)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", ""),
        (" ", ""),
        ("a\nb.mp4", ""),
        ("a\0.mp4", ""),
        ("rtsp://", ""),
        ("rtsp:///stream", ""),
        ("rtsp://host:0/stream", ""),
        ("rtsp://host:99999/stream", "%40"),
        ("rtsp://ann:a#b@host/stream", "%40"),
        ("rtsp://ann:a/b@host/stream", "%40"),
        ("rtsp://ann:a b@host/stream", "%40"),
        ("rtsp://[fe80::1/stream", "%40"),
        ("rstp://host/stream", "Did you mean rtsp://?"),
        ("file:///srv/a.mp4", ""),
        ("v4l2:0", "v4l2:/dev/video0"),
        ("csi:", "csi:0"),
        ("csi:-1", "csi:0"),
        ("csi:/dev/video0", "csi:0"),
        ("/dev/video0", "'v4l2:/dev/video0'"),
    ],
)
def test_what_is_no_source_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(UsageError, match="an rtsp, rtsps, http or https URL") as caught:
        SourceAddress.parse(text, folder=FOLDER)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("door.mp4", "door.mp4"),
        ("rtsp://host/stream", "rtsp://host/stream"),
        ("rtsp://host:554/stream", "rtsp://host:554/stream"),
        ("rtsp://[fe80::1]:554/stream", "rtsp://[fe80::1]:554/stream"),
        ("rtsp://ann:pw@host/stream", "rtsp://***@host/stream"),
        ("rtsp://ann@host", "rtsp://***@host"),
        ("rtsp://ann:p@w@host/stream", "rtsp://***@host/stream"),
        ("rtsp://ann:p/w@host/stream", "rtsp://***@host/stream"),
        ("rtsp://ann:p://w@host/stream", "rtsp://***@host/stream"),
        ("rtsp://ann:pw/stream", "rtsp://***/stream"),
        ("http://host/1?user=ann&pw=pw", "http://host/1?***"),
        ("http://host/1#pw", "http://host/1?***"),
        ("http://host?pw", "http://host?***"),
        ("rtsp://host/user=ann&password=pw", "rtsp://host/***"),
        ("ann:pw@rtsp://host", "rtsp://host"),
        ("ann:pw@broker", "***@broker"),
    ],
)
def test_credentials_are_masked(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://ann:pw@host/1", "rtsp://***@host/1"),
        ("v4l2:/dev/video0", "v4l2:/dev/video0"),
        ("csi:1", "csi:1"),
        ("a@b.mp4", "/etc/site/a@b.mp4"),
    ],
)
def test_a_source_shows_itself_masked(text: str, masked: str) -> None:
    source = SourceAddress.parse(text, folder=FOLDER)
    assert (source.masked, str(source)) == (masked, masked)
    assert repr(source) == f"SourceAddress({masked!r})"
