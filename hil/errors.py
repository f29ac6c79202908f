"""What can be wrong with a lab rather than with a scenario."""


class MissingDependency(RuntimeError):
    """This machine or lab lacks something that was asked for: a program, a broker or a worker that
    answers. The text, one line, says what is missing and what to do about it."""


class Malformed(ValueError):
    """A message that is not what it claims to be; it is dropped and counted."""
