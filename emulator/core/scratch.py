"""Arrays in an unnamed file of the folder for temporary files: memory holds only what was used last.

The file vanishes with the last of its arrays. Its pages are the kernel's to write out and to take back (`release`), so
the memory of a run does not grow with the length of its traces.
"""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Columns

PIECE_ROWS = 262_144  # of long arrays, read and written at a time
SEGMENT_BYTES = 16 * 1024 * 1024  # of the file, at least, that are mapped at a time
LARGE_BYTES = 16 * 1024 * 1024  # from this on, an array of its own is in a file
ALIGNMENT = 64


def scratch_folder() -> Path:
    """Return the folder for unnamed files: TMPDIR, or /var/tmp, which is on a disk where /tmp may be memory."""
    large = Path("/var/tmp")
    if "TMPDIR" not in os.environ and os.access(large, os.W_OK | os.X_OK):
        return large
    return Path(tempfile.gettempdir())


class Scratch:
    """Room for arrays in one unnamed file, which is made with the first and grows with them."""

    def __init__(self) -> None:
        self._file: int | None = None  # its descriptor
        self._size = self._used = 0
        self._current: weakref.ref[_Segment] | None = None

    def empty(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array of `count` values, zeros so far. Raises OSError, naming the folder, if it cannot be written
        or its disk is full."""
        size_bytes = count * np.dtype(dtype).itemsize
        folder = scratch_folder()
        try:
            if self._file is None:
                with tempfile.TemporaryFile(dir=folder) as file:
                    self._file = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._file)
            segment, start = self._room(self._file, size_bytes)
            # a write to a full disk through the mapping would end the process
            os.posix_fallocate(self._file, segment.offset + start, max(size_bytes, 1))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        self._used = start + size_bytes
        return np.frombuffer(segment, dtype, count, start)

    def _room(self, file: int, size_bytes: int) -> "tuple[_Segment, int]":
        segment = self._current() if self._current is not None else None
        start = -(-self._used // ALIGNMENT) * ALIGNMENT
        if segment is None or start + size_bytes > len(segment):
            length = -(-max(SEGMENT_BYTES, self._size, size_bytes) // mmap.PAGESIZE) * mmap.PAGESIZE
            os.ftruncate(file, self._size + length)
            segment = _Segment(file, length, offset=self._size)
            segment.place(self, self._size)
            self._current = weakref.ref(segment)
            self._size += length
            start = 0
        return segment, start


class _Segment(mmap.mmap):
    """A part of the file in the address space; arrays keep it."""

    scratch: Scratch
    offset: int

    def place(self, scratch: Scratch, offset: int) -> None:
        """Set the file and where the segment begins in it."""
        self.scratch, self.offset = scratch, offset
        self.address = int(np.frombuffer(self, np.uint8).__array_interface__["data"][0])


def _segment_of(array: npt.NDArray[Any]) -> _Segment | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, _Segment) else None


def empty_beside(array: npt.NDArray[Any], count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array in the same file as another, or in memory as the other."""
    segment = _segment_of(array)
    return np.empty(count, dtype) if segment is None else segment.scratch.empty(count, dtype)


def empty(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array in memory or, if it is large, in a file of its own."""
    is_large = count * np.dtype(dtype).itemsize >= LARGE_BYTES
    return Scratch().empty(count, dtype) if is_large else np.empty(count, dtype)


def release(*arrays: npt.NDArray[Any]) -> None:
    """Let the kernel take back the memory of arrays in scratch files; their values stay. Does nothing to others."""
    for array in arrays:
        segment = _segment_of(array)
        if segment is not None and array.nbytes:
            first = array.__array_interface__["data"][0] - segment.address
            start = first // mmap.PAGESIZE * mmap.PAGESIZE
            segment.madvise(mmap.MADV_DONTNEED, start, min(first + array.nbytes, len(segment)) - start)


def joined(pieces: Iterable[Columns], rows: int, scratch: Scratch | None) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of all pieces one after the other, `rows` rows, in the scratch file or in memory. Raises
    ValueError unless all pieces have the same columns and types."""
    columns: dict[str, npt.NDArray[Any]] = {}
    done = 0
    for piece in pieces:
        if not columns:
            make = np.empty if scratch is None else scratch.empty
            columns = {name: make(rows, values.dtype) for name, values in piece.items()}
        if {name: values.dtype for name, values in piece.items()} != {n: v.dtype for n, v in columns.items()}:
            raise ValueError(f"columns {', '.join(piece)}: must have the same types in every piece")
        stop = done + len(next(iter(piece.values()), ()))
        for name, values in piece.items():
            columns[name][done:stop] = values
            release(columns[name][done:stop])
        done = stop
    return columns


class Resident:
    """The memory of arrays in scratch files that a run reads from front to back: it is given back after each `limit`
    bytes that have passed."""

    def __init__(self, arrays: Iterable[npt.NDArray[Any]], bytes_per_ns: float, limit: int = 2 * SEGMENT_BYTES) -> None:
        found = (_segment_of(array) for array in arrays)
        self._segments = tuple({id(segment): segment for segment in found if segment is not None}.values())
        self._step_ns = round(limit / bytes_per_ns) if self._segments and bytes_per_ns > 0 else 0
        self._next_ns = self._step_ns or 2**63

    def pass_until(self, now_ns: int) -> None:
        """Give memory back if enough has passed before `now_ns`."""
        if now_ns >= self._next_ns:
            for segment in self._segments:
                segment.madvise(mmap.MADV_DONTNEED)
            self._next_ns = now_ns + self._step_ns
