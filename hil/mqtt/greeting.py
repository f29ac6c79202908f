"""Ask a broker whether it lets a client in, and why not: CONNECT and CONNACK of MQTT 3.1.1, then DISCONNECT.

An MQTT client library tells neither the reasons apart nor whether the other end speaks MQTT at all.
"""

import secrets
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress

from hil.mqtt.address import Address
from hil.mqtt.login import ANONYMOUS, PASSWORD_VARIABLE, Login

GREETING_S = 5.0
CONNACK = b"\x20\x02"
DISCONNECT = b"\xe0\x00"
TLS_ALERT = b"\x15\x03"
CLEAN_SESSION, HAS_PASSWORD, HAS_USER = 0x02, 0x40, 0x80
NO_RIGHTS = (4, 5)
REFUSALS: Mapping[int, str] = {  # MQTT 3.1.1, table 3.1
    1: "unacceptable protocol version",
    2: "client identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}


class BrokerRefuses(ConnectionError):
    """A broker cannot be reached or does not let a client in. The message, one line, has host, port and reason."""


def greet(broker: Address, login: Login = ANONYMOUS) -> None:
    """Log in to a broker and leave again. Raises BrokerRefuses, within about GREETING_S for each of the host's
    addresses, unless the broker lets the client in."""
    try:
        plain = socket.create_connection(broker, GREETING_S)
    except OSError as error:
        raise BrokerRefuses(f"cannot reach broker {broker}: {_reason(error)}") from error
    deadline_s = time.monotonic() + GREETING_S
    with plain, _secured(plain, broker, login.tls) as connection:
        try:
            connection.sendall(_connect_packet(login))
            answer = _receive(connection, 4, deadline_s)
        except TimeoutError as error:
            raise BrokerRefuses(
                f"broker {broker} does not speak MQTT: no answer to its greeting within {GREETING_S:g} s"
            ) from error
        except ConnectionError:
            answer = b""
        except OSError as error:
            raise BrokerRefuses(f"broker {broker} refuses: {_reason(error)}") from error
        if problem := _problem(answer, login):
            raise BrokerRefuses(f"broker {broker} {problem}")
        with suppress(OSError):  # it may have left us already
            connection.sendall(DISCONNECT)


def _secured(plain: socket.socket, broker: Address, tls: ssl.SSLContext | None) -> socket.socket:
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=broker.host)
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefuses(f"broker {broker} has a certificate that is not valid: {error.verify_message}") from error
    except OSError as error:
        raise BrokerRefuses(
            f"broker {broker} does not speak TLS: {_reason(error)} (mqtt:// is MQTT without TLS)"
        ) from error


def _connect_packet(login: Login) -> bytes:
    flags, fields = CLEAN_SESSION, [f"airsplit-{secrets.token_hex(4)}"]
    if login.user is not None:
        flags, fields = flags | HAS_USER, [*fields, login.user]
        if login.password is not None:
            flags, fields = flags | HAS_PASSWORD, [*fields, login.password]
    body = b"\x00\x04MQTT\x04" + struct.pack("!BH", flags, round(2 * GREETING_S))
    for each in fields:
        data = each.encode(errors="surrogateescape")
        body += struct.pack("!H", len(data)) + data
    return b"\x10" + _length(len(body)) + body


def _length(size: int) -> bytes:
    """Return a size in MQTT's encoding: 7 bits a byte, the lowest first."""
    digits = [size & 127]
    while size := size >> 7:
        digits[-1] |= 128
        digits.append(size & 127)
    return bytes(digits)


def _receive(connection: socket.socket, size: int, deadline_s: float) -> bytes:
    """Return the next `size` bytes, fewer if the connection ends. Raises TimeoutError at the deadline."""
    received = b""
    while len(received) < size:
        connection.settimeout(max(deadline_s - time.monotonic(), 1e-3))
        part = connection.recv(size - len(received))
        if not part:
            break
        received += part
    return received


def _problem(answer: bytes, login: Login) -> str:
    """Return what an answer says against the client; nothing if it is let in."""
    if not answer:
        hint = "" if login.tls else " (mqtts:// is MQTT over TLS)"
        return f"does not speak MQTT: it closes the connection{hint}"
    if answer.startswith(TLS_ALERT):
        return "speaks TLS: its address must begin with mqtts://"
    if not answer.startswith(CONNACK) or len(answer) < 4:
        return f"does not speak MQTT: it answers {answer!r}"
    code = answer[3]
    if not code:
        return ""
    hint = (
        f" (--user NAME, and --password-file or {PASSWORD_VARIABLE})"
        if login.user is None and code in NO_RIGHTS
        else ""
    )
    return f"refuses: {REFUSALS.get(code, f'code {code}')}{hint}"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__
