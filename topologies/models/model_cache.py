"""The folder of the user's cache that holds converted and downloaded models."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emulator.core.errors import MissingDependency
from emulator.core.user_folders import VARIABLE, cache_in_home, is_own

MODELS_VARIABLE = "AIRSPLIT_MODELS"  # names the folder itself
PARTIAL = ".partial-"  # folders that are being filled
REMEDY = f"set {MODELS_VARIABLE} to a folder that can be written"


def models_folder() -> Path:
    """Return the folder for models, which exists: the one that AIRSPLIT_MODELS names, or else `models` in the folder
    that AIRSPLIT_CACHE names, or else in our folder in the user's cache directory.

    Raises MissingDependency if it cannot be written, or others can write to it.
    """
    try:
        folder = _named_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise MissingDependency(f"models need a cache folder: {reason}; {REMEDY}") from error
    if not is_own(folder):
        raise MissingDependency(f"{folder}: must be a folder that no other user can write to; {REMEDY}")
    return folder


def _named_folder() -> Path:
    if named := os.environ.get(MODELS_VARIABLE):
        return Path(named).absolute()
    cache = os.environ.get(VARIABLE)
    return (Path(cache).absolute() if cache else cache_in_home()) / "models"


def kept_folder(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder of that name among the models; if there is none, one that `fill` fills.

    The folder appears complete: an interrupted `fill` leaves none, and of several processes that fill it at the same
    time all return the one that was complete first. What a killed process left is removed by the next one.

    Raises what `fill` raises; MissingDependency if the folder cannot
    be written.
    """
    folder = models_folder()
    kept = folder / name
    if kept.is_dir():
        return kept
    try:
        with (
            _without_leftovers(folder),
            tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder, ignore_cleanup_errors=True) as partial,
        ):
            made = Path(partial) / name
            made.mkdir()
            fill(made)
            _publish(made, kept)
    except OSError as error:
        raise MissingDependency(f"{folder}: model cannot be kept: {error.strerror}; {REMEDY}") from error
    return kept


@contextmanager
def _without_leftovers(folder: Path) -> Iterator[None]:
    """Hold a lock of the folder that all who fill share. Where nobody else does, first remove what killed ones left."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # others are filling, or the file system has no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in folder.glob(f"{PARTIAL}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _publish(made: Path, kept: Path) -> None:
    try:
        made.rename(kept)
    except OSError:
        if not kept.is_dir():  # else another process was faster
            raise
        shutil.rmtree(made)
