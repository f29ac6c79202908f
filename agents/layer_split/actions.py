"""What an agent can do to a split: move it, or choose it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.core.arrays import Ints


class Actions(Protocol):
    """A set of actions."""

    def targets(self, max_split: int) -> Ints:
        """Return the split after each action, shape (max_split, actions): row i is for split i + 1."""


@dataclass(frozen=True)
class Moves:
    """Moves by -reach to +reach layers, in this order; a move beyond an end stops there. Raises ValueError for a reach
    below 1."""

    reach: int = 1

    def __post_init__(self) -> None:
        if self.reach < 1:
            raise ValueError(f"reach={self.reach}: must be at least 1")

    def targets(self, max_split: int) -> Ints:
        """Return the split after each action, shape (max_split, 2 reach + 1)."""
        found: Ints = np.arange(1, max_split + 1)[:, None] + np.arange(-self.reach, self.reach + 1)
        return found.clip(1, max_split)


@dataclass(frozen=True)
class AnySplit:
    """Action k chooses split k + 1, whatever the split is."""

    def targets(self, max_split: int) -> Ints:
        """Return the split after each action, shape (max_split, max_split)."""
        return np.tile(np.arange(1, max_split + 1), (max_split, 1))
