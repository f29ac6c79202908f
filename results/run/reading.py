"""Turn errors of the reading libraries into one line that names the damaged file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise ValueError (one line with the path) for any error of a library that reads `path` inside."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: must be as airsplit wrote it ({reason})") from error
