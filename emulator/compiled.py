"""The one place that names the compiler of hot arithmetic."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., object])
Table = np.ndarray[Any, Any]  # a structured array: one record a thing, its fields by name


def compiled(function: Function) -> Function:
    """Compile a numeric function to machine code at its first call, and keep it on disk for the next.

    IEEE arithmetic as written (no fast-math): the same inputs give the same bits.
    """
    return cast(Function, numba.njit(cache=True)(function))


def bound(function: Function, *examples: object) -> Function:
    """The machine code of a compiled function for arguments of the examples' types. Calling it does not
    look the types up again, which for a tuple of tables takes longer than the work of a short function."""
    type_of, dispatcher = cast(Any, numba.typeof), cast(Any, function)
    types = tuple(type_of(example) for example in examples)
    dispatcher.compile(types)
    return cast(Function, dispatcher.get_overload(types))
