"""Errors of the machine or the testbed, as opposed to errors in a scenario."""


class MissingDependency(RuntimeError):
    """The machine or the testbed lacks a permission, a program, a broker or a worker. The message, one line, says
    what is missing and what to do about it."""
