"""Machine code on disk, for the next process: in a folder named after the sources that it was compiled from."""

import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Any, cast

import llvmlite.binding
import numba
import numba.core.caching
import numba.core.codegen

from emulator.core.sources import ROOT, package_sha256
from emulator.core.user_folders import cache_in_home, is_own

KEPT_FOLDERS = 3  # of machine code: those used last stay, however long ago
KEPT_S = 7 * 24 * 3600  # others stay for a week: of processors, versions or installations that share the folder
COMPLETE = "complete"  # name of a file in a folder of machine code that holds everything a run needs
REMEDY = "set NUMBA_CACHE_DIR to a folder that can be written"

LOG = logging.getLogger("airsplit.machine_code")


def keep_machine_code(dispatcher: Any) -> None:
    """Let a compiled function load its machine code from disk, or save it there.

    Numba alone looks for changes in the file of a function, yet it inlines functions of other files, and it has several
    folders to fall back to. So the folder is `cache_folder()` alone, and each function's code also depends on all
    sources of its own package. A file that cannot be read is compiled anew, one that cannot be written is left out.
    """
    folder = cache_folder()
    if folder is not None and Path(getfile(dispatcher.py_func)).is_relative_to(ROOT):
        dispatcher._cache = _Cache(dispatcher.py_func)


@cache
def cache_folder() -> Path | None:
    """Return the folder of machine code of the present sources, this processor and this compiler; None if no folder
    can be written: then machine code is kept in memory.

    The folder is in NUMBA_CACHE_DIR if that is set; otherwise in the package, in the user's cache directory, or in the
    folder for temporary files: the first that is complete, even if it cannot be written, else the first that can be
    written. Remove folders of former sources that were not used for a while.
    """
    name = f"machine-code-{code_key()[:16]}"
    for root in _roots():
        if os.access(root / name / COMPLETE, os.R_OK) and os.access(root / name, os.R_OK | os.X_OK) and _trusted(root):
            return _used(root / name)
    for root in _roots():
        with suppress(OSError):
            root.mkdir(mode=0o777 if _named(root) else 0o700, parents=True, exist_ok=True)
            if _trusted(root):
                (root / name).mkdir(exist_ok=True)
                if os.access(root / name, os.W_OK | os.X_OK):
                    return _used(root / name)
    return None


def code_key() -> str:
    """Return a digest of everything that machine code depends on: sources that other packages inline, Python, compiler
    and processor."""
    config, llvm, codegen = (cast(Any, each) for each in (numba.config, llvmlite.binding, numba.core.codegen))
    processor = config.CPU_NAME or llvm.get_host_cpu_name()
    features = codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    compiler = f"{sys.implementation.cache_tag} {numba.__version__} {llvmlite.__version__}"
    return hashlib.sha256(f"{package_sha256('emulator')} {compiler} {processor} {features}".encode()).hexdigest()


def _roots() -> Iterator[Path]:
    chosen = cast(Any, numba.config).CACHE_DIR
    if chosen:
        yield Path(chosen)
        return
    yield Path(__file__).parents[1] / "__pycache__"
    with suppress(RuntimeError):  # HOME is not set and the user has no entry in passwd
        yield cache_in_home()
    yield _in_temporary()


def _named(root: Path) -> bool:
    """Return whether the user or the installation names the folder: who may write there is their decision."""
    return bool(cast(Any, numba.config).CACHE_DIR) or root.is_relative_to(ROOT)


def _trusted(root: Path) -> bool:
    """Return whether machine code in a folder may be run: only this user can have written it, or it is `_named`."""
    return is_own(root) or _named(root)


def _in_temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"airsplit-{os.geteuid()}"


def _used(folder: Path) -> Path:
    """Note that the folder was used, and remove those beside it that were not used for long. Return the folder."""
    with suppress(OSError):
        os.utime(folder)
        others = sorted(folder.parent.glob("machine-code-*"), key=lambda each: each.stat().st_mtime, reverse=True)
        for former in others[KEPT_FOLDERS:]:
            if time.time() - former.stat().st_mtime > KEPT_S:
                shutil.rmtree(former, ignore_errors=True)
    return folder


class _Place:
    """Where the machine code of a function lies: what numba calls a locator."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._py_file = getfile(function)  # numba names the file in its warnings
        self._first_line = function.__code__.co_firstlineno
        self._parts = Path(self._py_file).relative_to(ROOT).with_suffix("").parts

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str((cache_folder() or Path()) / ".".join(self._parts))

    def get_source_stamp(self) -> str:
        return package_sha256(self._parts[0])

    def get_disambiguator(self) -> str:
        return str(self._first_line)


def _place(self: Any, function: Callable[..., object]) -> None:
    """Choose the place of a function's machine code without regard to numba's settings, which name other folders."""
    self._lineno = function.__code__.co_firstlineno
    self._locator = _Place(function)
    self._filename_base = self.get_filename_base(function.__qualname__, sys.abiflags)


def _load(self: Any, signature: Any, target: Any) -> Any:
    """Return the machine code for a signature; None if there is none or if its file is damaged."""
    try:
        return _Numbas.load_overload(self, signature, target)
    except Exception:  # the bytes of a damaged file can raise anything
        with suppress(OSError):
            self.flush()
        return None


def _save(self: Any, signature: Any, code: Any) -> None:
    try:
        _Numbas.save_overload(self, signature, code)
    except OSError as error:
        _warn_once(f"machine code is not kept: {error.filename or cache_folder()}: {error.strerror}; {REMEDY}")


@cache
def _warn_once(message: str) -> None:
    LOG.warning(message)


_Numbas: Any = cast(Any, numba.core.caching).FunctionCache
_Placed: Any = type("_Placed", (cast(Any, numba.core.caching).CompileResultCacheImpl,), {"__init__": _place})
_Cache: Any = type("_Cache", (_Numbas,), {"_impl_class": _Placed, "load_overload": _load, "save_overload": _save})
