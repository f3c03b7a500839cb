"""Who speaks to whom: the password, and the TLS context that proves both sides."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.config import Mqtt

# The port of MQTT over TLS (IANA: secure-mqtt); there it is used without a ca_file too.
TLS_PORT = 8883

_MOST_PASSWORD_BYTES = 65535


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails: nobody else holds it by then."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (OSError, ValueError):
            self.close()
            raise


class Credentials:
    """The files of ``[mqtt]``, read anew for every connection: they may be renewed meanwhile.

    folder: where systemd keeps this unit's credentials; one that has the name of a file under
    ``[mqtt]`` stands for it.
    """

    def __init__(self, settings: Mqtt, folder: Path | None) -> None:
        self._settings = settings
        self._folder = folder

    @property
    def use_tls(self) -> bool:
        """Whether the connection is encrypted: by a ca_file, a client certificate or the port."""
        settings = self._settings
        return (
            settings.ca_file is not None
            or settings.client_cert is not None
            or settings.port == TLS_PORT
        )

    def password(self) -> str | None:
        """The password, without the line's end. Raises OSError or ValueError."""
        path = self._found(self._settings.password_file)
        if path is None:
            return None
        raw = path.read_bytes().rstrip(b"\r\n")
        if not raw or len(raw) > _MOST_PASSWORD_BYTES:
            raise ValueError(f"{path}: expected a password of 1 to {_MOST_PASSWORD_BYTES} bytes")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            # Without the cause: that would carry the bytes of the password along.
            raise ValueError(f"{path}: expected UTF-8") from None

    def tls(self) -> ssl.SSLContext:
        """A context that trusts ca_file (omitted: the system's) and checks the host's name.

        Raises OSError, which ssl.SSLError is, or ValueError.
        """
        context = ssl.create_default_context(cafile=self._found(self._settings.ca_file))
        context.sslsocket_class = _Socket
        certificate = self._found(self._settings.client_cert)
        if certificate is not None:
            # A password is given so that OpenSSL asks nobody for that of an encrypted key.
            context.load_cert_chain(certificate, self._found(self._settings.client_key), "")
        return context

    def _found(self, path: Path | None) -> Path | None:
        if path is None or self._folder is None:
            return path
        credential = self._folder / path.name
        return credential if credential.is_file() else path
