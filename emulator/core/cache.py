"""Results of earlier runs, in files of the user's cache folder, found by a digest of everything that they depend on."""

import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from emulator.core.files import file_sha256
from emulator.core.machine_code import code_key
from emulator.core.sources import sources_sha256, versions_now
from emulator.core.user_folders import VARIABLE, cache_in_home, is_own

REMEDY = f"set {VARIABLE} to a folder that can be written, or to nothing"
LIMIT_BYTES = 4_000_000_000
DISK_SHARE = 0.25  # of the disk space that is free without the cache: the cache takes at most as much
KEPT_SHARE = 0.9  # of the limit, when the files that were used longest ago are removed

SETTINGS = (  # variables that affect rounding
    "ATEN_CPU_CAPABILITY",
    "GLIBC_TUNABLES",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NUMBA_DISABLE_JIT",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)

LOG = logging.getLogger("airsplit.cache")
Value = TypeVar("Value")


def user_cache() -> "Cache":
    """Return the cache in the folder that AIRSPLIT_CACHE names, or else in the user's cache directory. It keeps nothing
    if the variable is empty, if there is no home, or if others can write to the folder of the user's cache directory.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Cache(Path(named).absolute() if named else None)
    with suppress(OSError, RuntimeError):
        home = cache_in_home()
        if not home.exists() or is_own(home):
            return Cache(home)
    return Cache()


class Cache:
    """Files in a folder, which any number of processes can share; without a folder nothing is found and nothing kept.

    A file appears complete. Its name has the digest of its bytes, so that a damaged one is removed and made anew. The
    files that were used longest ago are removed beyond `limit_bytes` or a share of the free disk space. No failure of
    the folder ends a run. `reused` has the SHA-256 of the files of others that were used, by what they hold.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = None if folder is None else folder / "results"
        self._limit_bytes = limit_bytes
        self._is_writable = True
        self._unchecked_bytes = limit_bytes  # that were kept since files were last counted
        self._made: set[Path] = set()
        self.reused: dict[str, str] = {}

    def get(
        self,
        what: str,
        inputs: Sequence[object],
        suffix: str,
        make: Callable[[], Value],
        load: Callable[[Path], Value],
        save: Callable[[Value, Path], None],
    ) -> Value:
        """Return the kept result of the inputs, or else make one and keep it.

        `inputs` are all that it depends on besides code and machine, as plain data; `load` and `save` read and write
        its file, which has that suffix. Raises only what `make` raises.
        """
        if self._folder is None:
            return make()
        key = digest_of(inputs)
        place, pattern = self._folder / key[:2], f"{key}-*.{suffix}"
        with suppress(OSError, ValueError):  # there may be none; another process may remove it at any time
            found = _find(place, pattern)
            value = load(found)
            if found not in self._made:
                self.reused[what] = _digest_in(found)
            return value
        value = make()
        if self._is_writable:
            try:
                self._keep(place, pattern, lambda path: save(value, path))
            except (OSError, ValueError) as error:  # ValueError: of a checkpoint that cannot be written
                self._is_writable = False
                reason = error.strerror if isinstance(error, OSError) else error
                LOG.warning("%s: results are not kept for later runs: %s; %s", self._folder, reason, REMEDY)
        return value

    def _keep(self, place: Path, pattern: str, save: Callable[[Path], None]) -> None:
        place.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        self._make_room(place.parent)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            partial = Path(folder) / pattern.replace("*", "partial")
            save(partial)
            self._unchecked_bytes += partial.stat().st_size
            made = place / pattern.replace("*", file_sha256(partial))
            partial.replace(made)
            self._made.add(made)

    def _make_room(self, folder: Path) -> None:
        """After each tenth of the limit that was kept, remove the files that were used longest ago, if there are too
        many."""
        if self._unchecked_bytes < (1 - KEPT_SHARE) * self._limit_bytes:
            return
        self._unchecked_bytes = 0
        files = []
        for path in folder.rglob("*.*"):
            with suppress(OSError):  # another process may have removed it
                files.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        allowed = min(self._limit_bytes, int(DISK_SHARE * (total + shutil.disk_usage(folder).free)))
        if total > allowed:
            for _, size, path in sorted(files):
                if total > KEPT_SHARE * allowed:
                    path.unlink(missing_ok=True)
                    total -= size


def digest_of(inputs: Sequence[object]) -> str:
    """Return a digest of inputs, plain data, with the code and the machine: of all that a result depends on."""
    text = json.dumps([_environment_sha256(), *inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _environment_sha256() -> str:
    """Return a digest of our sources, the libraries' versions, and what affects rounding: the processor, the C library,
    and variables."""
    settings = [platform.libc_ver(), *(os.environ.get(name) for name in SETTINGS)]
    return hashlib.sha256(f"{sources_sha256()} {code_key()} {versions_now()} {settings}".encode()).hexdigest()


def _find(place: Path, pattern: str) -> Path:
    """Return the file of a result, which is then the one used last. Raises FileNotFoundError if there is none."""
    for found in sorted(place.glob(pattern)):
        if found.is_file() and file_sha256(found) == _digest_in(found):
            with suppress(OSError):  # of a folder that can only be read
                os.utime(found)
            return found
        found.unlink()
    raise FileNotFoundError(place / pattern)


def _digest_in(path: Path) -> str:
    return path.stem.rpartition("-")[2]
