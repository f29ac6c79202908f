"""What a station writes down: a row of 32 bytes for each event, in the file before the next one happens.

So a killed station loses no row, and no station has to carry pyarrow; `hil.stations.real_times` reads the files of all.
"""

import os
import struct
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hil.stations.messages import MessageKey


class Event(IntEnum):
    """The EVENTS and FAILURE_EVENTS of `emulator.realtime.station_events`, in their order."""

    WOKE = 0
    PUBLISHED = 1
    RECEIVED = 2
    DECODED = 3
    STARTED = 4
    LOADED = 5
    COMPUTED = 6
    FINISHED = 7
    DEVICE_QUEUE_FULL = 8
    MEMORY = 9
    STATION_ERROR = 10

    @property
    def text(self) -> str:
        """As records call it."""
        return self.name.lower().replace("_", " ")


FAILURE_EVENTS = (Event.DEVICE_QUEUE_FULL, Event.MEMORY, Event.STATION_ERROR)
EVENT_ROW = np.dtype(
    [
        ("at_ns", "<i8"),  # of the run
        ("answer", "<u8"),  # what the last partition computed: the head of the SHA-256 of its fp32 scores; otherwise 0
        ("job", "<u4"),
        ("size_bytes", "<u4"),
        ("step", "<u2"),
        ("stage", "<u2"),
        ("event", "<u2"),
        ("unused", "<u2"),
    ]
)
_PACKED_ROW = struct.Struct("<qQIIHHHxx")


class StationLog:
    """A station's file of rows, as a context. Any thread may write."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew. Raises OSError where that cannot be."""
        self.start_ns = 0  # of the run, by CLOCK_MONOTONIC: rows are relative to it
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def write(self, key: MessageKey, event: Event, at_ns: int, size_bytes: int = 0, answer: int = 0) -> None:
        """Something happened to a task at `at_ns` of CLOCK_MONOTONIC."""
        os.write(
            self._file, _PACKED_ROW.pack(at_ns - self.start_ns, answer, key.job, size_bytes, key.step, key.stage, event)
        )


def read_log(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """The rows that a station wrote, as far as it got; none where there is no file."""
    data = path.read_bytes() if path.is_file() else b""
    return np.frombuffer(data[: len(data) // EVENT_ROW.itemsize * EVENT_ROW.itemsize], EVENT_ROW)
