"""Messages between the relay's handle and its process over a Unix socket: Python objects and open descriptors."""

import pickle
import socket
from collections.abc import Sequence
from typing import Any

_LENGTH_BYTES = 8


def send(to: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Send an object and copies of descriptors. Raises OSError if the other end is closed."""
    body = pickle.dumps(message)
    header = len(body).to_bytes(_LENGTH_BYTES, "little")
    if descriptors:
        socket.send_fds(to, [header], list(descriptors))
    else:
        to.sendall(header)
    to.sendall(body)


def receive(source: socket.socket) -> tuple[Any, list[int]]:
    """Receive the next object and its descriptors. Raises OSError if the other end is closed."""
    header, descriptors, _, _ = socket.recv_fds(source, _LENGTH_BYTES, 2)
    header += _receive_exactly(source, _LENGTH_BYTES - len(header))
    return pickle.loads(_receive_exactly(source, int.from_bytes(header, "little"))), descriptors


def _receive_exactly(source: socket.socket, size_bytes: int) -> bytes:
    parts = []
    while size_bytes > 0:
        part = source.recv(min(size_bytes, 1 << 20))
        if not part:
            raise ConnectionError("the other end is closed")
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)
