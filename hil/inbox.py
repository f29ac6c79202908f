"""The messages that wait for a worker: bounded in number and bytes, without repeats."""

import threading
from collections import deque
from typing import NamedTuple

from hil.control_messages import AnyMessage

MAX_WAITING = 1_024
MAX_WAITING_BYTES = 512 * 2**20


class Waiting(NamedTuple):
    """A decoded message, the bytes that it came in, and the time that decoding took."""

    payload: bytes
    message: AnyMessage
    decode_ns: int


class Inbox:
    """A queue from the network's thread to the worker's."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._payloads: set[bytes] = set()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, waiting: Waiting) -> bool:
        """Add a message. Return False if it was not added, because there is no room or because the same message waits
        already: no message is sent twice for a purpose."""
        with self._changed:
            size = self._bytes + len(waiting.payload)
            if waiting.payload in self._payloads or len(self._waiting) >= MAX_WAITING or size > MAX_WAITING_BYTES:
                return False
            self._waiting.append(waiting)
            self._payloads.add(waiting.payload)
            self._bytes = size
            self._changed.notify()
            return True

    def get(self, timeout_s: float) -> Waiting | None:
        """Return the next message, or None if there is none in time or the inbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            if self._closed or not self._waiting:
                return None
            waiting = self._waiting.popleft()
            self._payloads.remove(waiting.payload)
            self._bytes -= len(waiting.payload)
            return waiting

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """End the waiting, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
