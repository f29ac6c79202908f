"""The compiler of hot arithmetic, which no other module names (but `machine_code`, for its files)."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import numba
import numba.core.registry
import numba.core.types
import numba.extending
import numpy as np

from emulator.core.machine_code import COMPLETE, REMEDY, cache_folder, keep_machine_code

Function = TypeVar("Function", bound=Callable[..., object])
Table = np.ndarray[Any, Any]  # numbers, or a structured array: one record a row, fields by name
Record = Any  # one row of a structured array


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
    dispatcher = _Dispatcher(function, targetoptions={"nopython": True, **options})
    keep_machine_code(dispatcher)
    return cast(Function, dispatcher)


@cache
def announce_compiling() -> None:
    """Tell the user of a terminal, once, that the wait is for the compiler."""
    folder = cache_folder()
    if sys.stderr.isatty() and (folder is None or not (folder / COMPLETE).exists()):
        every = f"every run; {REMEDY}" if folder is None else "the first run"
        print(f"compiling for {every} (up to a minute)", file=sys.stderr)


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
