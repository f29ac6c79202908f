"""What can be wrong with a machine or a lab rather than with a scenario."""


class MissingDependency(RuntimeError):
    """This machine or lab lacks something that was asked for: a right, a program, a broker or a worker that
    answers. The text, one line, says what is missing and what to do about it."""
