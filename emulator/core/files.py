"""Atomic writes, checks and digests of files."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` when the block ends without an error: readers see the complete
    file or none.

    Raises ValueError before anything is written if the folder of `path` does not exist."""
    require_folder(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_folder(path: Path) -> None:
    """Raise ValueError unless the folder of `path` exists."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: folder must exist")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
