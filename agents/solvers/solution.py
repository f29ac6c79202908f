"""The result of a solver: a placement, its cost, and what that cost proves."""

from enum import StrEnum
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


class Proof(StrEnum):
    """What a value proves of the least cost: `optimum`, it is the least cost; `feasible`, the placement keeps all
    constraints, so the least cost is at most the value (an upper bound); `relaxation`, the placement may break a
    constraint, and the least cost is at least the value (a lower bound)."""

    OPTIMUM = "optimum"
    FEASIBLE = "feasible"
    RELAXATION = "relaxation"


class Infeasible(ValueError):
    """No placement satisfies all constraints."""


class Solution(NamedTuple):
    """A placement and its cost: `placement[m]` is the place of layer (block) m; `value` is in the unit of the costs."""

    placement: tuple[int, ...]
    value: float
    proof: Proof

    @classmethod
    def optimum(cls, placement: ArrayLike, value: float) -> Self:
        """Return a solution with the least cost. Raises Infeasible if the cost is infinite."""
        return cls(places(placement, value), float(value), Proof.OPTIMUM)


def places(placement: ArrayLike, value: float) -> tuple[int, ...]:
    """Return a placement as integers. Raises Infeasible if its cost is infinite."""
    if np.isinf(value):
        raise Infeasible("no placement has a finite cost")
    return tuple(np.asarray(placement, dtype=int).tolist())


def cost_array(name: str, values: ArrayLike, *shape: int) -> FloatArray:
    """Return costs as an array of a shape; a size of -1 may be any. Raises ValueError (one line) for another shape, and
    for a cost that is negative or no number. An infinite cost forbids what it belongs to."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != len(shape) or any(size not in {-1, of} for size, of in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if size == -1 else str(size) for size in shape)
        raise ValueError(f"{name}: must have the shape ({wanted}), not {found.shape}")
    if not np.all(found >= 0):
        raise ValueError(f"{name}: must not be negative, nor NaN")
    return found
