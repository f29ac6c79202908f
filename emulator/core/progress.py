"""Types of the functions that are told how far long work has come."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, total)
StepProgress = Callable[[str, int, int], None]  # (step, done, total); the first call for a step starts it
