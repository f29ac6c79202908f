"""The log of a station: a row of 36 bytes per event, written before the next event.

A killed station therefore loses no row, and stations do not need pyarrow. `hil.stations.real_times` reads the logs.
"""

import math
import os
import struct
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hil.stations.messages import MessageKey


class Event(IntEnum):
    """The EVENTS, FAILURES and MARKS of `emulator.realtime.station_events`, in their order, and answers."""

    WOKE = 0
    DECIDED = 1
    PUBLISHED = 2  # just before the message is handed to MQTT or UDP
    RECEIVED = 3
    DECODED = 4
    STARTED = 5
    LOADED = 6
    COMPUTED = 7
    FINISHED = 8
    DEVICE_QUEUE_FULL = 9
    MEMORY = 10
    STATION_ERROR = 11
    FIRST_TOKEN = 12
    ANSWERED = 13  # in the log alone: `size_bytes` is its choice, `answer` its loss as a float64, NaN for none

    @property
    def text(self) -> str:
        """The event's name in records."""
        return self.name.lower().replace("_", " ")


FAILURE_EVENTS = (Event.DEVICE_QUEUE_FULL, Event.MEMORY, Event.STATION_ERROR)
EVENT_ROW = np.dtype(
    [
        ("at_ns", "<i8"),  # from the start of the run
        # the first 8 bytes of the SHA-256 of the last partition's fp32 scores, or a loss as a float64; otherwise 0
        ("answer", "<u8"),
        ("job", "<u4"),
        ("size_bytes", "<u4"),
        ("exposed_bytes", "<u4"),  # of a published message: those that can get lost
        ("step", "<u2"),
        ("stage", "<u2"),
        ("event", "<u2"),
        ("unused", "<u2"),
    ]
)
_PACKED_ROW = struct.Struct("<qQIIIHHHxx")


class StationLog:
    """The open log of a station, as a context. Any thread may write."""

    def __init__(self, path: Path) -> None:
        """Create or empty the file. Raises OSError if that fails."""
        self.start_ns = 0  # start of the run by CLOCK_MONOTONIC; rows are relative to it
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def write(
        self, key: MessageKey, event: Event, at_ns: int, size_bytes: int = 0, answer: int = 0, exposed_bytes: int = 0
    ) -> None:
        """Append an event of a task at `at_ns` of CLOCK_MONOTONIC."""
        numbers = at_ns - self.start_ns, answer, key.job, size_bytes, exposed_bytes, key.step, key.stage, event
        os.write(self._file, _PACKED_ROW.pack(*numbers))

    def write_answer(self, key: MessageKey, at_ns: int, choice: int, text_loss: float | None) -> None:
        """Append a task's answer (`hil.answers.Answer`)."""
        loss = struct.pack("<d", math.nan if text_loss is None else text_loss)
        self.write(key, Event.ANSWERED, at_ns, size_bytes=choice, answer=int.from_bytes(loss, "little"))


def answer_in(row: np.void) -> tuple[int, float | None]:
    """Return the answer in a row of event ANSWERED (`hil.answers.Answer`)."""
    text_loss = float(row["answer"].view(np.float64))
    return int(row["size_bytes"]), None if math.isnan(text_loss) else text_loss


def read_log(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Return the complete rows of a station's log; no rows if there is no file."""
    data = path.read_bytes() if path.is_file() else b""
    return np.frombuffer(data[: len(data) // EVENT_ROW.itemsize * EVENT_ROW.itemsize], EVENT_ROW)
