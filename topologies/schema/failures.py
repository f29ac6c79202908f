"""Section `failures`: when nodes and links are down, and what becomes of the tasks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emulator.core.units import ns_from_s
from topologies.schema.base import NodeName, NotNegative, Positive, Section, require_exactly_one, section_error

MeanTime = Annotated[float, Field(ge=1e-3, le=1e6)]
TIMES = ("from_s", "to_s", "mean_time_between_failures_s", "mean_time_to_repair_s")


class OutageSection(Section):
    """Outages of a node, or of both directions of a link: one at given times, or repeated ones at random. A node takes
    its links with it, and its device loses the loaded weights."""

    node: NodeName | None = None
    """Name of a node; a name with `{i}` means all copies, each with times of its own."""
    link: Annotated[tuple[NodeName, NodeName], Field(strict=False)] | None = None
    """The two nodes, as in `between` of `links`."""
    from_s: NotNegative | None = None
    """Time of the failure."""
    to_s: Positive | None = None
    """Time of the restoration."""
    mean_time_between_failures_s: MeanTime | None = None
    """Mean time from one failure to the next: exponential time up, then exponential time down."""
    mean_time_to_repair_s: MeanTime | None = None
    """Mean time down."""

    @property
    def interval_s(self) -> tuple[float, float] | None:
        """Return the given time down, from its start up to its end; None for random times."""
        return None if self.from_s is None or self.to_s is None else (self.from_s, self.to_s)

    @property
    def means_s(self) -> tuple[float, float] | None:
        """Return the means of the random times up and down; None for given times."""
        between_s, repair_s = self.mean_time_between_failures_s, self.mean_time_to_repair_s
        return None if between_s is None or repair_s is None else (between_s - repair_s, repair_s)

    @model_validator(mode="after")
    def _times(self) -> Self:
        require_exactly_one(self, "node", "link")
        given = [getattr(self, name) is not None for name in TIMES]
        if given not in ([True, True, False, False], [False, False, True, True]):
            raise section_error(f"must give either {TIMES[0]} and {TIMES[1]}, or {TIMES[2]} and {TIMES[3]}")
        if self.interval_s is not None and ns_from_s(self.interval_s[0]) >= ns_from_s(self.interval_s[1]):
            raise section_error("from_s must be before to_s")
        if self.means_s is not None and self.means_s[0] <= 0:
            raise section_error(f"{TIMES[2]} must be above {TIMES[3]}, which is a part of it")
        return self


class FailuresSection(Section):
    """Failures of nodes and links, in simulations alone: agents are trained without them, and bounds ignore them."""

    outages: Annotated[tuple[OutageSection, ...], Field(strict=False, min_length=1)]
    """When which node or link is down."""
    on_failure: Literal["wait", "retry", "fail"] = "wait"
    """What a task does when it meets a failure: wait for the restoration, be placed again by the policy, or fail."""

    @model_validator(mode="after")
    def _random_times_once(self) -> Self:
        drawn = [frozenset(each.link or (each.node,)) for each in self.outages if each.means_s is not None]
        for index, ends in enumerate(drawn):
            if ends in drawn[:index]:
                name = " - ".join(sorted(filter(None, ends)))
                raise section_error(f"outages must have one entry with random times for {name}, not several")
        return self
