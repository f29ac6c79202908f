"""Deadlines of tasks: on the whole, on the time to first token, and on the time per token."""

from typing import Protocol

NO_DEADLINE_NS = 2**62  # longer than any run
DEADLINES = ("total", "ttft", "token")


class HasDeadlines(Protocol):
    """The deadlines of a kind's tasks; those on tokens are of language models."""

    @property
    def deadline_ns(self) -> int:
        """On the time from arrival to result."""

    @property
    def deadline_ttft_ns(self) -> int:
        """On the time to first token."""

    @property
    def deadline_token_ns(self) -> int:
        """On the mean time of each further token."""


def missed_deadlines(kind: HasDeadlines, sojourn_ns: int, ttft_ns: int | None, token_ns: int | None) -> str:
    """Return the deadlines that a completed task has missed, of DEADLINES, joined by `+`; empty if it met all. A time
    that the task does not have is None and misses nothing."""
    times_ns = (sojourn_ns, ttft_ns, token_ns)
    most_ns = (kind.deadline_ns, kind.deadline_ttft_ns, kind.deadline_token_ns)
    return "+".join(
        name
        for name, time_ns, limit_ns in zip(DEADLINES, times_ns, most_ns, strict=True)
        if time_ns is not None and time_ns > limit_ns
    )


def time_per_token_ns(sojourn_ns: int, ttft_ns: int | None, output_tokens: int) -> int | None:
    """Return the mean time of each output token after the first, rounded up; None unless there are at least two.

    (Sojourn - time to first token) / (output tokens - 1), the time per output token of serving systems: the result's
    way to the source is part of it.
    """
    if ttft_ns is None or output_tokens < 2:
        return None
    return -((ttft_ns - sojourn_ns) // (output_tokens - 1))
