"""Errors of the machine, the testbed or the disk, as opposed to errors in a scenario."""


class MissingDependency(RuntimeError):
    """The machine or the testbed lacks a permission, a program, a broker or a worker. The message, one line, says
    what is missing and what to do about it."""


class UnfinishedRun(RuntimeError):
    """The records of a run are complete and kept, but what is made from them is not. The message, one line, says what
    is missing, why, and the command that makes it."""
