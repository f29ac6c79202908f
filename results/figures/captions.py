"""Titles and captions of the report's figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """What a figure shows and how to read it; `wide`: over the whole width of the page."""

    title: str
    text: str
    wide: bool = True


CAPTIONS = {
    "rate-and-placement": Caption(
        "The channel and the decisions",
        "Above, the rate of one device's link; below, the placements of its tasks under the policy with the least "
        "cost, one mark per task at its arrival. Higher rows keep more layers on the device. A policy that adapts to "
        "the channel changes rows when the rate changes.",
    ),
    "delay-cdf": Caption(
        "How long tasks take",
        "The share of all offered tasks answered within a delay. Further left is faster; a curve that ends below 1 has "
        "failed tasks. Where a curve crosses the dotted line, the deadline, is its share of tasks in time.",
    ),
    "delay-parts": Caption(
        "Where the time goes",
        "The mean delay of completed tasks, by part: computing layers, waiting for a device, loading weights, waiting "
        "in the queues of links, and transfer over the links. Policies are ordered by mean cost. For tasks with real "
        "packets, all time between two computations counts as transfer.",
    ),
    "gap-to-bound": Caption(
        "How much is left to gain",
        "How far each policy's mean cost lies above the bound. The bound is a relaxation: each task alone on an empty "
        "system, its channel known in advance. No policy that chooses among the scenario's placements costs less, and "
        "it may be out of reach. Whiskers: 95 % interval over traces, if there are five or more.",
    ),
    "quality-delay": Caption(
        "Quality against delay",
        "Mean loss of quality and mean delay of the completed tasks of each kind; lower left is better. Grey: every "
        "placement and codec if all tasks were run that way, each alone in the system; the line joins those that none "
        "beats in both. Coloured: the policies, whose tasks share devices and links. Whiskers: 95 % intervals over "
        "traces, if there are five or more.",
        wide=False,
    ),
    "energy-delay": Caption(
        "Energy against delay",
        "Mean energy and mean delay of each policy; lower left is better. Whiskers: 95 % intervals over traces, if "
        "there are five or more.",
        wide=False,
    ),
    "learning-curves": Caption(
        "Learning",
        "Return of the training episodes, averaged in 50 bins. Thin: single seeds. Thick: their mean, with its 95 % "
        "interval if there are five seeds or more.",
        wide=False,
    ),
}

# Figures of an emulation, shown in a section of their own.
EMULATION_CAPTIONS = {
    "agreement": Caption(
        "Every task twice",
        "Left, the real sojourn of each task against the simulated one; on the dashed line the two are equal. Right, "
        "real minus simulated by part, on an axis that is linear between −1 and 1 ms: marks and numbers are means over "
        "all tasks of a kind, bars span the 5th to 95th percentile of tasks; whiskers are 95 % intervals of the mean "
        "over traces, if there are five or more. The parts of a task add up to its difference. The links' part is "
        "their model's time for the real packets minus that in the simulation. Unexplained is the transfer of messages "
        "whose packets could not be identified.",
    ),
    "lateness": Caption(
        "How late packets left",
        "The share of packets that left a link later than scheduled by more than a given time. A run is invalid if a "
        "line enters the grey corner: more than one packet in a hundred is then later than the bound.",
        wide=False,
    ),
    "probes": Caption(
        "Links before the run",
        "Real packets on each link, one link at a time: left, the rate of a flood against the schedule's; right, how "
        "much longer than scheduled single small packets took from socket to socket, which is the delay of stacks, "
        "wake-ups and the relay.",
    ),
}

# Figure of answers that hosts gave, shown with their table.
QUALITY_CAPTIONS = {
    "measured-quality": Caption(
        "What losses cost in quality",
        "The loss of quality of each task's answer, measured on hosts against the whole, unharmed model on the same "
        "input, in nats a token or as a share of the answers, by the share of its packets that was lost. Squares: "
        "means of tasks with similar shares, with the 95 % interval of their sampling error. Dashed: the prediction of "
        "the quality table, with the interval of its mean.",
        wide=False,
    ),
}

# Figure of a run's sensitivity, shown in a section of its own.
SENSITIVITY_CAPTIONS = {
    "sensitivity": Caption(
        "What the result stands on",
        "Each row changes one assumption, with its present value in brackets, and nothing else. Left, the change of "
        "the mean cost of the same tasks, with its 95 % interval over traces, if there are five or more; right, the "
        "share of tasks that the policy places elsewhere. The assumptions that matter most are on top.",
    ),
}
