"""The only module that names the compiler of hot arithmetic."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.types
import numpy as np

Function = TypeVar("Function", bound=Callable[..., object])
Table = np.ndarray[Any, Any]  # numbers, or a structured array: one record a row, fields by name
Record = Any  # one row of a structured array


def compiled(function: Function) -> Function:
    """Compile a numeric function at its first call, and keep the machine code on disk for the next process.

    IEEE arithmetic as written (no fast-math): the same inputs give the same bits.
    """
    return _cached(function)


def in_place(function: Function) -> Function:
    """`compiled`, for a function that makes no array and only reads and writes its arguments.

    Without reference counts of arrays: counting takes nine tenths of the time of a simulation's event, and most of
    the time to compile it. A function that makes an array is refused at compile time.
    """
    return _cached(function, _nrt=False)


def unlocked(function: Function) -> Function:
    """`in_place`, without the interpreter's lock: other threads run meanwhile."""
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


def _cached(function: Function, **options: bool) -> Function:
    """Numba looks for changes in the file of a function only, yet inlines functions of other files: so the folder of
    the cache is named after all sources of this package."""
    config = cast(Any, numba.config)
    before, config.CACHE_DIR = config.CACHE_DIR, config.CACHE_DIR or str(_folder())
    try:
        return cast(Function, cast(Any, numba.njit)(cache=True, **options)(function))
    finally:
        config.CACHE_DIR = before


@cache
def _folder() -> Path:
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return package / "__pycache__" / f"machine-code-{digest.hexdigest()[:16]}"


class Bound:
    """A compiled function for calls from Python, bound at the first call to machine code for the types of its
    arguments, which all further calls must have. The usual call looks the types up each time, which for a tuple of
    tables takes longer than the work of a short function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._code: Callable[..., Any] | None = None

    def __call__(self, *arguments: object) -> Any:
        """Call the function."""
        if self._code is None:
            type_of, dispatcher = cast(Any, numba.typeof), cast(Any, self._function)
            types = tuple(type_of(argument) for argument in arguments)
            dispatcher.compile(types)
            self._code = dispatcher.get_overload(types)
        return cast(Callable[..., Any], self._code)(*arguments)
