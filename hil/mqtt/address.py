"""The address of a broker or a station."""

import re
import socket
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

LAST_PORT = 65_535


class Address(NamedTuple):
    """The host and port that a broker or a station listens at."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address of a text HOST:PORT; an IPv6 address may stand in brackets. Raises ValueError for any other
    text."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    if not _is_host(host) or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        raise ValueError(f"broker={text}: must be HOST:PORT, or [HOST]:PORT with an IPv6 address")
    return Address(host, int(port))


def _is_host(text: str) -> bool:
    try:
        if ":" in text:
            IPv6Address(text)
            return True
        return bool(text.encode("idna")) and re.fullmatch(r"[\w.-]+", text) is not None
    except (AddressValueError, UnicodeError):
        return False


def listen(address: Address) -> socket.socket:
    """Return a socket that listens at an address. Raises OSError if it cannot."""
    return socket.create_server(address, family=socket.AF_INET6 if ":" in address.host else socket.AF_INET)
