"""Errors that are more than a ValueError: of the machine, the testbed or the disk; and of an input with several
mistakes."""

from collections.abc import Iterable


class MissingDependency(RuntimeError):
    """The machine or the testbed lacks a permission, a program, a broker or a worker. The message, one line, says
    what is missing and what to do about it."""


class UnfinishedRun(RuntimeError):
    """The records of a run are complete and kept, but what is made from them is not. The message, one line, says what
    is missing, why, and the command that makes it."""


class Mistakes(ValueError):
    """The mistakes of one input. The message has a line for each: `lines`."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(" ".join(line.split()) for line in lines)
        super().__init__("\n".join(self.lines))
