"""The one place that names the compiler of hot arithmetic."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.types
import numpy as np

Function = TypeVar("Function", bound=Callable[..., object])
Table = np.ndarray[Any, Any]  # numbers, or a structured array: one record a thing, its fields by name
Record = Any  # one of a structured array's records


def compiled(function: Function) -> Function:
    """Compile a numeric function to machine code at its first call, and keep it on disk for the next.

    IEEE arithmetic as written (no fast-math): the same inputs give the same bits.
    """
    return _cached(function)


def in_place(function: Function) -> Function:
    """`compiled`, for a function that makes no array and only reads and writes those that it is given.

    Its arrays are then not counted as they are passed on: nine tenths of the time of a simulation's
    event otherwise, and most of the time to compile it. Making an array in it is an error at compile time.
    """
    return _cached(function, _nrt=False)


def unlocked(function: Function) -> Function:
    """`in_place`, for a function that runs for long: other threads of the interpreter go on meanwhile."""
    return _cached(function, _nrt=False, nogil=True)


def c_function(name: str, answer: str, *parameters: str) -> Callable[..., Any]:
    """A function of the C library for compiled code to call; types by numba's names: int32, intp, uintp (an address).
    A star behind the answer's: a pointer to it."""
    types = cast(Any, numba.core.types)
    of_answer = getattr(types, answer.removesuffix("*"))
    if answer.endswith("*"):
        of_answer = types.CPointer(of_answer)
    external: Callable[..., Any] = types.ExternalFunction(
        name, of_answer(*[getattr(types, each) for each in parameters])
    )
    return external


def _cached(function: Function, **options: bool) -> Function:
    """Numba looks for changes in a function's own file only, yet inlines what it calls from others: the
    folder of its cache is named after all sources of this package."""
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


def bound(function: Function, *examples: object) -> Function:
    """The machine code of a compiled function for arguments of the examples' types. Calling it does not
    look the types up again, which for a tuple of tables takes longer than the work of a short function."""
    type_of, dispatcher = cast(Any, numba.typeof), cast(Any, function)
    types = tuple(type_of(example) for example in examples)
    dispatcher.compile(types)
    return cast(Function, dispatcher.get_overload(types))
