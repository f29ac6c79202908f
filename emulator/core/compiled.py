"""The only module that names the compiler of hot arithmetic."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.registry
import numba.core.types
import numba.extending
import numpy as np

Function = TypeVar("Function", bound=Callable[..., object])
Table = np.ndarray[Any, Any]  # numbers, or a structured array: one record a row, fields by name
Record = Any  # one row of a structured array

KEPT_FOLDERS = 3  # of machine code: of the present sources, and of those used last before
COMPLETE = "complete"  # name of a file in a folder of machine code that holds everything a run needs


def compiled(function: Function) -> Function:
    """Compile a numeric function at its first call, and keep the machine code on disk for the next process.

    IEEE arithmetic as written (no fast-math): the same inputs give the same bits.
    """
    return _cached(function)


def in_place(function: Function) -> Function:
    """`compiled`, for a function that only compiled code calls and that makes no array.

    Without reference counts of arrays: counting takes nine tenths of the time of a simulation's event, and most of
    the time to compile it. A function that makes an array is refused at compile time. Without a wrapper for Python,
    which takes a third of the time to compile. Its machine code is part of its callers' and is not cached.
    """
    options = {"nopython": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(Function, _InPlace(function, targetoptions=options))


def entry_point(function: Function) -> Function:
    """`in_place`, for a function that Python calls too."""
    return _cached(function, _nrt=False)


def unlocked(function: Function) -> Function:
    """`entry_point`, without the interpreter's lock: other threads run meanwhile."""
    return _cached(function, _nrt=False, nogil=True)


def c_function(name: str, answer: str, *parameters: str) -> Callable[..., Any]:
    """Return a function of the C library that compiled code can call. Types have numba's names: int32, intp, uintp (an
    address); a star after the type of the answer makes it a pointer to it."""
    types = cast(Any, numba.core.types)
    of_answer = getattr(types, answer.removesuffix("*"))
    if answer.endswith("*"):
        of_answer = types.CPointer(of_answer)
    external: Callable[..., Any] = types.ExternalFunction(
        name, of_answer(*[getattr(types, each) for each in parameters])
    )
    return external


def _memory_fence(_: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("acq_rel")
        return context.get_dummy_value()

    return cast(Any, numba.core.types).void(), generate


# In compiled code: other threads see all loads and stores before the fence before all stores after it, and all loads
# before it before all loads after it. On x86-64 processors that is always so, and the fence stops the compiler only.
memory_fence: Callable[[], None] = cast(Any, numba.extending).intrinsic(_memory_fence)


def _call_template(self: Any, args: tuple[Any, ...], kws: Mapping[str, Any]) -> Any:
    """Resolve a call from compiled code with all signed integers as int64, so that a function is compiled once and not
    again for each constant and each narrower integer that a caller passes."""
    wide = tuple(_wide(each) for each in args), {name: _wide(each) for name, each in kws.items()}
    return cast(Any, numba.core.registry.CPUDispatcher).get_call_template(self, *wide)


def _wide(each: Any) -> Any:
    types = cast(Any, numba.core.types)
    each = types.unliteral(each)
    return types.int64 if isinstance(each, types.Integer) and each.signed else each


def _refuse_call(self: Any, *_: object) -> None:
    raise TypeError(f"{self.py_func.__name__} called from Python: decorate it with entry_point")


_Dispatcher: Any = type("_Dispatcher", (numba.core.registry.CPUDispatcher,), {"get_call_template": _call_template})
_InPlace: Any = type("_InPlace", (_Dispatcher,), {"__call__": _refuse_call})


def _cached(function: Function, **options: bool) -> Function:
    """Numba looks for changes in the file of a function only, yet inlines functions of other files: so the folder of
    the cache is named after all sources of this package."""
    dispatcher = _Dispatcher(function, targetoptions={"nopython": True, **options})
    folder = cache_folder()
    if folder is not None:
        config = cast(Any, numba.config)
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            dispatcher.enable_caching()
        finally:
            config.CACHE_DIR = before
    return cast(Function, dispatcher)


@cache
def cache_folder() -> Path | None:
    """Return the folder of machine code of the present sources: in NUMBA_CACHE_DIR if that is set, otherwise in the
    package or, if that cannot be written, in the user's cache directory. None: nothing can be written, and machine code
    is kept in memory only. Remove folders of former sources except the last ones."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    chosen = cast(Any, numba.config).CACHE_DIR
    users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    for root in [Path(chosen)] if chosen else [package / "__pycache__", Path(users, "airsplit").expanduser()]:
        folder = root / f"machine-code-{digest.hexdigest()[:16]}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                os.utime(folder)
                _remove_former(root)
                return folder
    return None


def _remove_former(root: Path) -> None:
    folders = sorted(root.glob("machine-code-*"), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in folders[KEPT_FOLDERS:]:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def announce_compiling() -> None:
    """Tell the user of a terminal, once, that the wait is for the compiler."""
    folder = cache_folder()
    if sys.stderr.isatty() and (folder is None or not (folder / COMPLETE).exists()):
        print("compiling for the first run (up to a minute)", file=sys.stderr)


class Bound:
    """A compiled function for calls from Python, bound at the first call to machine code for the types of its
    arguments, which all further calls must have. The usual call looks the types up each time, which for a tuple of
    tables takes longer than the work of a short function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._code = self._bind

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._code(*arguments)

    def compile(self, *examples: Any) -> None:
        """Bind the function to machine code for arguments of the same types as the examples, without calling it."""
        announce_compiling()
        type_of, dispatcher = cast(Any, numba.typeof), cast(Any, self._function)
        types = tuple(type_of(example) for example in examples)
        dispatcher.compile(types)
        self._code = dispatcher.get_overload(types)

    def _bind(self, *arguments: Any) -> Any:
        self.compile(*arguments)
        return self._code(*arguments)
