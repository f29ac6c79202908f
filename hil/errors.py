"""Errors of messages; `MissingDependency` is for brokers, workers and machines."""

from emulator.core.errors import MissingDependency

__all__ = ["Malformed", "MissingDependency"]


class Malformed(ValueError):
    """A message violates its format; the receiver drops and counts it."""
