"""Types of the functions that are told how far long work has come."""

from collections.abc import Callable
from typing import Protocol

Progress = Callable[[int, int], None]  # (done, total)


class StepProgress(Protocol):
    """Anything that can be told of the steps of a run."""

    def __call__(self, step: str, done: int, total: int, detail: str = "", /) -> None:
        """Hear that `done` of `total` parts of a step are done; the first call for a step starts it. `detail` says
        more about the work."""
