"""Arrays of bytes in the IDX format of the MNIST data sets (LeCun, Cortes, Burges, "The MNIST database of handwritten
digits"), compressed with gzip."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTES = 0x08  # the third byte of the magic number; the fourth is the number of dimensions


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the array of a file, which must have the given shape; no more than that is ever decompressed.

    Raises ValueError, one line, for a file that is not gzip, is truncated, has more data than its shape says, or has
    another type or shape; OSError if it cannot be read.
    """
    header = bytes((0, 0, UNSIGNED_BYTES, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    count = int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            found = file.read(len(header))
            if found != header:
                raise ValueError(f"{path}: header={found.hex()}: must be {header.hex()}, bytes of shape {shape}")
            data = file.read(count)
            surplus = file.read(1)  # reads to the end, where gzip checks the digest
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: must be a complete gzip file: {error}") from None
    if len(data) != count or surplus:
        raise ValueError(f"{path}: must have {count} bytes after its header, not {'more' if surplus else len(data)}")
    return np.frombuffer(data, np.uint8).reshape(shape)
