"""Bound how often something is done, whatever arrives: answers, statuses, log lines."""

import logging
import threading
import time

from hil.errors import Malformed


class RateLimit:
    """Allow `per_s` events a second on average, and `burst` at once. Safe from any thread."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._tokens, self._at_s = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def allow(self) -> bool:
        """Return whether one more event may happen now, and count it if so."""
        with self._lock:
            now_s = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
            self._at_s = now_s
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class LimitedLog:
    """Log warnings, at most 10 at once and one a second; a line says how many before it were left out."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._limit = RateLimit(burst=10, per_s=1)
        self._left_out = 0

    def warn(self, text: str) -> None:
        """Log one line."""
        if self._limit.allow():
            more = f" ({self._left_out} lines before this one left out)" if self._left_out else ""
            self._left_out = 0
            self._log.warning("%s%s", " ".join(text.split()), more)
        else:
            self._left_out += 1


class DroppedMessages:
    """Count the messages that a process drops, and log why."""

    def __init__(self, log: logging.Logger, name: str) -> None:
        self.count = 0
        self.log = LimitedLog(log)
        self._name = name
        self._lock = threading.Lock()

    def add(self, error: Malformed) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1
        self.log.warn(f"{self._name}: dropped a message: {error}")
