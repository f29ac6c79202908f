"""Atomic writes, checks and digests of files."""

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

DIGEST_BYTES = 2**20  # read at a time
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # errors of a write that can name another file than the written one


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` when the block ends without an error: readers see the complete
    file or none.

    Raises ValueError before anything is written if `path` cannot be a file's, and OSError with `path` if a write fails.
    """
    _require_place(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path, partial):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Raise every OSError of a write to `path` with this path: libraries leave it out, or name the `partial` file."""
    try:
        yield
    except OSError as error:
        named = error.filename is not None and Path(os.fsdecode(error.filename)) != partial
        if error.errno is None or (named and error.errno not in NO_SPACE):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the right to write `path` until the block ends, or the process. Raises ValueError, with the path, if another
    process on this machine holds it."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    with socket.socket(socket.AF_UNIX) as held:  # its name is in no file system: a killed process leaves nothing
        try:
            held.bind(f"\0airsplit-{name}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise ValueError(f"{path}: another process writes it: wait for its end, or name another file") from error
        yield


def require_writable(path: Path) -> None:
    """Raise ValueError or OSError, with a path, unless a file can be written at `path`."""
    _require_place(path)
    require_new_files(path.parent)


def require_folder(path: Path) -> None:
    """Raise ValueError or OSError, with a path, unless the folder of `path` exists and takes new files."""
    _require_parent(path)
    require_new_files(path.parent)


def require_new_files(folder: Path) -> None:
    """Raise OSError, with the path, unless a file can be written in `folder`."""
    try:
        with TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"airsplit")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _require_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"{path}: folder must exist")


def _require_place(path: Path) -> None:
    """Raise ValueError unless the folder of `path` exists, and `path` itself is a file or nothing."""
    _require_parent(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: must be a file, not a folder or device")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(DIGEST_BYTES):
            digest.update(piece)
    return digest.hexdigest()
