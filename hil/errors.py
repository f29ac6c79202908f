"""What can be wrong with a lab rather than with a scenario; `emulator.errors.MissingDependency` is the other half."""

from emulator.errors import MissingDependency

__all__ = ["Malformed", "MissingDependency"]


class Malformed(ValueError):
    """A message that is not what it claims to be; it is dropped and counted."""
