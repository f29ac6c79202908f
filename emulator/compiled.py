"""The one place that names the compiler of hot arithmetic."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a numeric function to machine code at its first call, and keep it on disk for the next.

    IEEE arithmetic as written (no fast-math): the same inputs give the same bits.
    """
    return cast(Function, numba.njit(cache=True)(function))
