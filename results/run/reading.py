"""Damaged files are bad input: one line that names the file, whichever library reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Inside, `path` is read; what a reader makes of a damaged file becomes a ValueError of one line with the path."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: must be as airsplit wrote it ({reason})") from error
