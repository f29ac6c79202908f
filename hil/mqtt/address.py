"""The address of a broker or a station."""

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
    try:
        if ":" in host:
            IPv6Address(host)
        is_host = bool(host.encode("idna"))
    except (AddressValueError, UnicodeError):
        is_host = False
    if not is_host or not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        raise ValueError(f"broker={text}: must be HOST:PORT, or [HOST]:PORT with an IPv6 address")
    return Address(host, int(port))


def listen(address: Address) -> socket.socket:
    """Return a socket that listens at an address. Raises OSError if it cannot."""
    return socket.create_server(address, family=socket.AF_INET6 if ":" in address.host else socket.AF_INET)
