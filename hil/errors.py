"""Errors of a lab. Errors of a machine are `emulator.core.errors.MissingDependency`."""

from emulator.core.errors import MissingDependency

__all__ = ["Malformed", "MissingDependency"]


class Malformed(ValueError):
    """A message that is not what it claims to be; it is dropped and counted."""
