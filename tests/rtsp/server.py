"""An RTSP server of test pictures, for Debian's own Python, which has GStreamer's bindings.

    /usr/bin/python3 server.py '{"codec": "h264", "size": [320, 240], "fps": 15, …}'

Prints its port, then obeys lines on its standard input: ``size W H`` changes the size of the
pictures in the middle of the stream. Ends with its standard input.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402  # after the versions are set

ENCODERS = {
    "h264": (
        # In slices, each slice of a key frame would be sent with a header of its own, as if it were
        # a picture of its own.
        "video/x-raw,format=I420 ! x264enc tune=zerolatency sliced-threads=false"
        " speed-preset=ultrafast bitrate=400 key-int-max={gop}"
        " ! rtph264pay config-interval=-1 name=pay0 pt=96"
    ),
    "h265": (
        "video/x-raw,format=I420 ! x265enc tune=zerolatency speed-preset=ultrafast"
        " key-int-max={gop} ! rtph265pay config-interval=-1 name=pay0 pt=96"
    ),
    "mjpeg": "video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26",
    "vp8": "video/x-raw,format=I420 ! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96",
}


def pipeline_of(wish: dict[str, Any]) -> str:
    width, height = wish["size"]
    encoder = ENCODERS[wish["codec"]].format(gop=wish["fps"])
    return (
        f"( videotestsrc is-live=true pattern=ball ! capsfilter name=size"
        f" caps=video/x-raw,width={width},height={height},framerate={wish['fps']}/1"
        f" ! {encoder} )"
    )


def speak_tls(server: Any, certificate: str) -> None:
    auth = GstRtspServer.RTSPAuth()
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    # Without credentials, and with a certificate of the server's alone.
    anonymous = GstRtspServer.RTSPToken()
    anonymous.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "anyone")
    auth.set_default_token(anonymous)
    auth.set_tls_authentication_mode(Gio.TlsAuthenticationMode.NONE)
    server.set_auth(auth)


def require_user(factory: Any, server: Any, user: str, password: str) -> None:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(wish_methods())
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def wish_methods() -> Any:
    from gi.repository import GstRtsp

    return GstRtsp.RTSPAuthMethod.DIGEST


def main() -> None:
    wish = json.loads(sys.argv[1])
    Gst.init(None)
    loop = GLib.MainLoop()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wish["port"]))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline_of(wish))
    factory.set_shared(True)
    playing: list[Any] = []
    factory.connect("media-configure", lambda _, media: playing.append(media.get_element()))
    if wish.get("user"):
        require_user(factory, server, wish["user"], wish["password"])
    if wish.get("certificate"):
        speak_tls(server, wish["certificate"])
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("anyone", "media.factory.access", True)
        permissions.add_permission_for_role("anyone", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/stream", factory)
    if not server.attach(None):
        sys.exit("the port is taken")

    def obey(channel: Any, _condition: Any) -> bool:
        line = channel.readline()
        if not line:
            loop.quit()
            return False
        word, width, height = line.split()
        assert word == "size"
        caps = f"video/x-raw,width={width},height={height},framerate={wish['fps']}/1"
        for element in playing:
            element.get_by_name("size").set_property("caps", Gst.Caps.from_string(caps))
        print("changed", flush=True)
        return True

    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, obey)
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
