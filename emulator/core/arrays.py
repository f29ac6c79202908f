"""Array types by the kind of their numbers, and tables in reserved address space."""

import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
Columns = Mapping[str, npt.NDArray[Any]]  # of equal length, by name

_MAP_NORESERVE = 0x4000  # asm-generic/mman.h; Python 3.11 has no name for it


def is_integer(value: object) -> bool:
    """Return whether a value is one whole number, of Python or as an array without dimensions, and no truth value."""
    found = np.asarray(value)
    return found.ndim == 0 and np.issubdtype(found.dtype, np.integer)


def reserved(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a table of zeros of which only the rows that are used take memory: the kernel backs a page at its
    first use. Raises OSError if the process has not so much address space."""
    size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = mmap.mmap(-1, max(size_bytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)


def reserved_copy(table: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """Return a reserved table of the same size with the same first `rows`."""
    copy = reserved(table.shape, table.dtype)
    copy[:rows] = table[:rows]
    return copy
