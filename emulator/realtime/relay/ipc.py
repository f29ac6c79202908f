"""What the relay's handle and its process say to each other over a Unix socket: objects, and open descriptors."""

import pickle
import socket
from collections.abc import Sequence
from typing import Any

_LENGTH_BYTES = 8


def send(to: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Send an object, and copies of descriptors. Raises OSError where nobody listens."""
    body = pickle.dumps(message)
    header = len(body).to_bytes(_LENGTH_BYTES, "little")
    if descriptors:
        socket.send_fds(to, [header], list(descriptors))
    else:
        to.sendall(header)
    to.sendall(body)


def receive(source: socket.socket) -> tuple[Any, list[int]]:
    """The next object, and the descriptors that came with it. Raises OSError where the other end is closed."""
    header, descriptors, _, _ = socket.recv_fds(source, _LENGTH_BYTES, 2)
    header += _exactly(source, _LENGTH_BYTES - len(header))
    return pickle.loads(_exactly(source, int.from_bytes(header, "little"))), descriptors


def _exactly(source: socket.socket, size_bytes: int) -> bytes:
    parts = []
    while size_bytes > 0:
        part = source.recv(min(size_bytes, 1 << 20))
        if not part:
            raise ConnectionError("the other end is closed")
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)
