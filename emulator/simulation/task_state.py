"""State of one task in flight, for compiled code: its leg, what it does now, and its costs so far."""

import numpy as np

from emulator.core.compiled import Record, Table, entry_point, in_place
from emulator.device import PS_PER_NS
from emulator.record import ENERGY_PARTS
from emulator.simulation.plans import PlanTables
from emulator.simulation.quality import loss_at

# Reasons of a failure; those up to NODE_DOWN are answers of a device. A `Compute` adds others.
REASONS = ("", "device queue full", "memory", "node down", "link queue full", "no coverage", "link down", "overload")
NODE_DOWN, LINK_QUEUE_FULL, NO_COVERAGE, LINK_DOWN, OVERLOAD = 3, 4, 5, 6, 7
# Actions: begin the next leg, send the message over a link, be at the link's end, queue the partition, end.
NEXT_LEG, SEND, ARRIVE, VISIT, END = range(5)
NOWHERE = -1
UNKNOWN = -1  # time to first token

STATE = np.dtype(
    [
        ("plan", np.int64),
        ("number", np.int64),
        ("arrival_ns", np.int64),
        ("prompt_tokens", np.int64),
        ("output_tokens", np.int64),
        ("compute", np.int64),
        ("attempts", np.int64),
        ("reason", np.int64),
        # its leg
        ("step", np.int64),  # pass through the partitions
        ("stage", np.int64),  # -1 before the first
        ("leg", np.int64),
        ("size_bytes", np.int64),
        ("acknowledged_bytes", np.int64),
        ("lost_fraction", np.float64),  # of its message's other bytes, on all links so far
        ("began_ns", np.int64),  # when its message was sent
        ("hop", np.int64),
        ("stop_hop", np.int64),
        # what it does now
        ("then", np.int64),  # its action when its event comes
        ("order", np.int64),  # of its event or its message in a cell; NOWHERE: it has none
        ("resource", np.int64),  # the link or, counted on after the links, the device that it is in; NOWHERE: in none
        ("asked_ns", np.int64),  # when it asked for this hop or visit
        ("start_ns", np.int64),  # when its transmission or computing begins
        ("load_ns", np.int64),
        ("stop_ns", np.int64),  # until then a failure of the resource interrupts it
        ("erased_fraction", np.float64),
        ("ttft_ns", np.int64),
        # `measured`: its visits take measured times, a queue in another table from `first` to `last`; the last
        # partition's first pass takes `first_token_ns`
        ("measured", np.bool_),
        ("first_token_ns", np.int64),
        ("first", np.int64),
        ("last", np.int64),
        ("next", np.int64),  # task in the same queue for a restoration, or the next unused state
    ]
)
TIMES = ("waiting_ns", "load_ns", "service_ns", "transfer_ns", "link_waiting_ns")
COSTS = (*TIMES, "energy_j", *ENERGY_PARTS, "erased_fraction", "quality_loss")
COST = np.dtype(
    [(name, np.int64 if name in TIMES else np.float64) for name in COSTS]
    + [("exposed_bytes", np.int64)]  # sent, and not acknowledged
)
TASK_ROW = np.dtype(
    [
        ("plan", np.int64),
        ("task", np.int64),
        ("arrival_ns", np.int64),
        ("prompt_tokens", np.int64),
        ("output_tokens", np.int64),
        *COST.descr,
        ("sojourn_ns", np.int64),
        ("ttft_ns", np.int64),
        ("reason", np.int64),
        ("attempts", np.int64),
        ("compute", np.int64),
    ]
)
STAGE_ROW = np.dtype([("plan", np.int64), ("task", np.int64), ("stage", np.int64), *COST.descr, ("compute", np.int64)])


@in_place
def next_leg(plans: PlanTables, state: Record, now_ns: int) -> int:
    """Begin the next leg, in the order of `emulator.legs.legs`. Return SEND if it has a message, otherwise VISIT."""
    plan = plans.plans[state.plan]
    state.stage += 1
    if state.stage == plan.partitions and state.step + 1 < steps(state, plan):
        state.step += 1
        state.stage = 0
    again = plan.partitions + 1 if state.step > 0 and state.stage < plan.partitions else 0
    state.leg = plan.first_leg + again + state.stage
    leg = plans.legs[state.leg]
    state.size_bytes = message_bytes(leg, state)
    protected = leg.acknowledged_fixed + leg.acknowledged_prompt * state.prompt_tokens
    state.acknowledged_bytes = min(state.size_bytes, protected)
    state.lost_fraction = 0.0
    state.began_ns = now_ns
    state.hop, state.stop_hop = leg.first_hop, leg.stop_hop
    return SEND if state.size_bytes > 0 and state.hop < state.stop_hop else VISIT


@in_place
def message_bytes(leg: Record, state: Record) -> int:
    """Return the size of a leg's message (`LegTemplate.size_bytes`)."""
    size_bytes = leg.prompt_bytes * state.prompt_tokens + leg.output_bytes * state.output_tokens
    return int(size_bytes if size_bytes else leg.fixed_bytes)


@in_place
def steps(state: Record, plan: Record) -> int:
    """Return how often the task goes through its partitions."""
    return max(1, state.output_tokens) if plan.again else 1


@in_place
def is_last(plans: PlanTables, state: Record) -> bool:
    """Return whether the task ends with this visit: no partition follows, and no result is sent."""
    plan = plans.plans[state.plan]
    if state.stage + 1 < plan.partitions or state.step + 1 < steps(state, plan):
        return False
    result = plans.legs[plan.first_leg + plan.partitions]
    return bool(result.first_hop == result.stop_hop or message_bytes(result, state) == 0)


@in_place
def service_ns(plans: PlanTables, state: Record) -> int:
    """Return what the task's visit takes, by the profile: one pass, or all if they never leave the node."""
    plan, leg = plans.plans[state.plan], plans.legs[state.leg]
    prompt = state.prompt_tokens
    if not plan.per_token:
        return pass_ns(leg, 1, 0)
    if state.step > 0:
        return pass_ns(leg, 1, prompt + state.step)
    total_ns = pass_ns(leg, prompt, prompt // 2)
    if not plan.again:
        for step in range(1, state.output_tokens):
            total_ns += pass_ns(leg, 1, prompt + step)
    return total_ns


@in_place
def first_token_ns(plans: PlanTables, state: Record) -> int:
    """Return how long the task's visit computes until the first output token is known; UNKNOWN if the token is not a
    result of this visit."""
    plan = plans.plans[state.plan]
    if not plan.per_token or state.output_tokens == 0 or state.step > 0 or state.stage + 1 < plan.partitions:
        return UNKNOWN
    if state.measured:
        return int(state.first_token_ns)
    return pass_ns(plans.legs[state.leg], state.prompt_tokens, state.prompt_tokens // 2)


@in_place
def pass_ns(leg: Record, tokens: int, context: int) -> int:
    """`Device.service_ns` of a leg's layers."""
    return int(leg.fixed_ns + tokens * (leg.token_ps + context * leg.context_ps) // PS_PER_NS)


@in_place
def fill_rows(plans: PlanTables, task: Record, stages: Table, costs: Table, state: Record, now_ns: int) -> None:
    """Fill the rows of a task that ends at `now_ns`: its own, and one for each of `stages`."""
    plan = plans.plans[state.plan]
    clear(task)
    for index in range(len(stages)):
        stage = stages[index]
        stage.plan, stage.task, stage.stage, stage.compute = state.plan, state.number, index, state.compute
        leg = plans.legs[plan.first_leg + index]
        costs[index].quality_loss = loss_at(plans.levels, leg.first_level, leg.stop_level, costs[index].erased_fraction)
        clear(stage)
        add_cost(stage, costs[index])
        stage.erased_fraction = costs[index].erased_fraction  # not rounded by a sum
        add_cost(task, costs[index])
        if state.reason or not plan.judged:
            task.quality_loss = stage.quality_loss = np.nan
    task.plan, task.task, task.arrival_ns = state.plan, state.number, state.arrival_ns
    task.prompt_tokens, task.output_tokens = state.prompt_tokens, state.output_tokens
    task.sojourn_ns = now_ns - state.arrival_ns
    task.ttft_ns = UNKNOWN if state.reason else state.ttft_ns
    task.reason, task.attempts, task.compute = state.reason, state.attempts, state.compute


@in_place
def clear(cost: Record) -> None:
    """Set all costs to zero."""
    cost.waiting_ns = cost.load_ns = cost.service_ns = cost.transfer_ns = cost.link_waiting_ns = 0
    cost.exposed_bytes = 0
    cost.energy_j = cost.erased_fraction = cost.quality_loss = 0.0
    cost.energy_ue_radio_j = cost.energy_ue_compute_j = cost.energy_edge_j = cost.energy_cloud_j = 0.0


@in_place
def add_cost(total: Record, cost: Record) -> None:
    """Add the costs of a stage."""
    total.waiting_ns += cost.waiting_ns
    total.load_ns += cost.load_ns
    total.service_ns += cost.service_ns
    total.transfer_ns += cost.transfer_ns
    total.link_waiting_ns += cost.link_waiting_ns
    add_energy(total, cost)
    total.erased_fraction = combined_loss(total.erased_fraction, cost.erased_fraction)
    total.quality_loss += cost.quality_loss


@in_place
def add_energy(total: Record, cost: Record) -> None:
    """Add the energy of a stage and its parts."""
    total.energy_j += cost.energy_j
    total.energy_ue_radio_j += cost.energy_ue_radio_j
    total.energy_ue_compute_j += cost.energy_ue_compute_j
    total.energy_edge_j += cost.energy_edge_j
    total.energy_cloud_j += cost.energy_cloud_j


@entry_point
def combined_loss(one: float, other: float) -> float:
    """Return the lost fraction if first the fraction `one` is lost and then, of the rest, `other`."""
    return 1.0 - (1.0 - one) * (1.0 - other)


@in_place
def add_erasure(cost: Record, state: Record) -> None:
    """Add the message of the task's leg to the erased share of what its stage sent unacknowledged, in bytes."""
    exposed_bytes = state.size_bytes - state.acknowledged_bytes
    if exposed_bytes > 0:
        cost.exposed_bytes += exposed_bytes
        cost.erased_fraction += (state.lost_fraction - cost.erased_fraction) * (exposed_bytes / cost.exposed_bytes)
