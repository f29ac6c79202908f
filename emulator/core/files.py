"""Files that appear whole or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` when all went well: readers meet the whole file or none.

    Raises ValueError before anything is written when the folder of `path` is not there."""
    require_folder(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_folder(path: Path) -> None:
    """Raise ValueError, one line, unless the folder that `path` is to lie in is there."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: folder must exist")


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
