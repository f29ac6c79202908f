"""What a client shows a broker, and how the user names both: addresses, user names, passwords, certificates."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hil.mqtt.address import Address, parse_address

DEFAULT_PORTS: Mapping[str, int] = {"mqtt": 1883, "mqtts": 8883}
PASSWORD_VARIABLE = "AIRSPLIT_BROKER_PASSWORD"  # the name of an environment variable
MAX_BYTES = 65_535  # of a user name or a password in MQTT
_WITHOUT_PORT = re.compile(r"\[[^]]*\]|[^:]*")


@dataclass(frozen=True)
class Login:
    """A user's name and password, and the context of TLS; None where the broker asks for none."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


ANONYMOUS = Login()


def open_login(
    broker: str, user: str | None = None, password_file: Path | None = None, ca_file: Path | None = None
) -> tuple[Address, Login]:
    """Return the address and the login of a broker given as HOST:PORT, mqtt://HOST or mqtts://HOST (both with or
    without a port; mqtts is MQTT over TLS).

    The password of `user` is the content of `password_file`, or else the environment variable PASSWORD_VARIABLE.
    `ca_file` holds the certificates (PEM) that the broker's must be signed by, instead of those of this machine. Raises
    ValueError, one line without the password, for bad input, OSError for a file that cannot be read.
    """
    if "@" in broker:  # not shown: it may hold a password
        raise ValueError(
            f"broker: must hold no user or password: use --user, and --password-file or {PASSWORD_VARIABLE}"
        )
    scheme, separator, place = broker.rpartition("://")
    if separator and scheme.lower() not in DEFAULT_PORTS:
        raise ValueError(f"broker={broker}: must be HOST:PORT or begin with {' or '.join(DEFAULT_PORTS)}")
    if separator:
        place = place.removesuffix("/")
        place += f":{DEFAULT_PORTS[scheme.lower()]}" if _WITHOUT_PORT.fullmatch(place) else ""
    is_secure = scheme.lower() == "mqtts"
    if ca_file is not None and not is_secure:
        raise ValueError(f"ca_file={ca_file}: must come with an address that begins with mqtts://")
    address = parse_address(place)
    return address, Login(user, _password(user, password_file), _context(ca_file) if is_secure else None)


def _password(user: str | None, file: Path | None) -> str | None:
    if user is None:
        if file is not None:
            raise ValueError(f"password_file={file}: must come with --user")
        return None
    if not 0 < len(user.encode(errors="surrogateescape")) <= MAX_BYTES:
        raise ValueError(f"user: must have 1 to {MAX_BYTES} bytes")
    if file is None:
        password = os.environ.get(PASSWORD_VARIABLE)
        if password is None:
            raise ValueError(f"user={user}: must come with a password: --password-file FILE or {PASSWORD_VARIABLE}")
    else:
        try:
            password = file.read_text(encoding="utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"password_file={file}: must be text in UTF-8") from error
    if len(password.encode(errors="surrogateescape")) > MAX_BYTES:
        raise ValueError(f"password of {user}: must have at most {MAX_BYTES} bytes")
    return password


def _context(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    with ca_file.open("rb"):  # its error names the file, that of ssl does not
        pass
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"ca_file={ca_file}: must hold certificates in PEM") from error
