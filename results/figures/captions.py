"""What each figure of the report shows, and how to read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """What a figure shows and how to read it; `wide` figures take the whole width."""

    title: str
    text: str
    wide: bool = True


CAPTIONS = {
    "rate-and-placement": Caption(
        "The channel and the decisions",
        "Above, what the link of one device can carry; below, where its tasks ran under the policy with the least "
        "cost, one mark per task at its arrival. Rows higher up keep more layers on the device. A policy that heeds "
        "the channel changes rows when the rate does.",
    ),
    "delay-cdf": Caption(
        "How long tasks take",
        "The share of all offered tasks answered within a delay. Further left is faster, and a curve that ends below 1 "
        "has lost tasks. Where a curve crosses the dotted line is its share of tasks in time.",
    ),
    "delay-parts": Caption(
        "Where the time goes",
        "The mean delay of completed tasks, by part: layers being computed, waiting for a device, loading weights, "
        "waiting for a link, and crossing the links. Policies in the order of their mean cost. Of tasks with real "
        "packets, all between two computations is on the links.",
    ),
    "gap-to-bound": Caption(
        "How much is left to gain",
        "How far each policy's mean cost lies above the bound. The bound is a relaxation: each task alone on an empty "
        "system, its channel known beforehand. No policy that chooses among the scenario's placements can be "
        "left of 0, and none need be able to get there. "
        "Whiskers: 95 % interval over traces, where there are five or more.",
    ),
    "energy-delay": Caption(
        "Energy against delay",
        "Mean energy and mean delay of each policy; towards the lower left is better. Whiskers: 95 % intervals over "
        "traces, where there are five or more.",
        wide=False,
    ),
    "learning-curves": Caption(
        "Learning",
        "Return of the training episodes, averaged in 50 bins. Thin: single seeds. Thick: their mean, with its 95 % "
        "interval where there are five seeds or more.",
        wide=False,
    ),
}

# Of an emulation, in a section of their own.
EMULATION_CAPTIONS = {
    "agreement": Caption(
        "Every task twice",
        "Left, the real sojourn of each task against the simulated one: on the dashed line the two are equal. Right, "
        "real less simulated by part, on an axis that is linear between −1 and 1 ms: marks and numbers are means over "
        "all tasks of a kind, bars hold nine tenths of the tasks; whiskers are 95 % intervals of the mean over traces, "
        "where there are five or more. The parts of a task add up to its difference. That of the links is what their "
        "model answers for the real packets, less what it did in the simulation; unexplained are the ways of messages "
        "whose packets could not be told from others'.",
    ),
    "lateness": Caption(
        "How late packets left",
        "The share of packets that left a link later than the schedule by more than a time. No line may enter the grey "
        "corner: the run is invalid where one packet in a hundred is later than the bound.",
        wide=False,
    ),
    "probes": Caption(
        "Links before the run",
        "What real packets met on each link, one after the other: left, the rate of a flood against the schedule's; "
        "right, how much longer single small packets took from socket to socket than the schedule says, which is what "
        "stacks, wake-ups and the relay add.",
    ),
}
