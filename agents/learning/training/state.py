"""The state of a training, from which it goes on: arrays by name, and plain data for JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


class TrainingState(NamedTuple):
    """The state of a training, or of a part of it. Names of arrays begin with the names of the parts, with dots."""

    arrays: Arrays
    data: dict[str, Any]

    def part(self, name: str) -> "TrainingState":
        """Return the state of a part. Raises KeyError if there is none."""
        prefix = f"{name}."
        arrays = {key.removeprefix(prefix): each for key, each in self.arrays.items() if key.startswith(prefix)}
        return TrainingState(arrays, self.data[name])


def joined(**parts: TrainingState) -> TrainingState:
    """Return the state of a whole from those of its parts."""
    arrays = {f"{name}.{key}": each for name, part in parts.items() for key, each in part.arrays.items()}
    return TrainingState(arrays, {name: part.data for name, part in parts.items()})


@runtime_checkable
class Resumable(Protocol):
    """A vector environment, or any other part of a training, whose state can be stored."""

    def state(self) -> TrainingState:
        """Return a copy of all that later steps depend on."""

    def restore(self, state: TrainingState) -> None:
        """Go on from a state of such an object. Raises KeyError or ValueError for a state of another form."""


def assign(target: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
    """Copy values into an array. Raises ValueError unless shapes and kinds of numbers are equal."""
    if target.shape != values.shape or target.dtype != values.dtype:
        raise ValueError(f"{values.dtype}{values.shape} must be {target.dtype}{target.shape}")
    target[...] = values


def generators_data(generators: Sequence[np.random.Generator]) -> list[Any]:
    """Return the states of generators as plain data."""
    return [generator.bit_generator.state for generator in generators]


def restored_generators(data: Sequence[Any]) -> list[np.random.Generator]:
    """Return generators (PCG64, NumPy's default) with these states."""
    generators = [np.random.default_rng(0) for _ in data]
    for generator, state in zip(generators, data, strict=True):
        generator.bit_generator.state = state
    return generators
