"""One task under way: where it is in its plan, what it takes and carries next, and what it has cost so far."""

import numpy as np

from emulator.core.compiled import Record, Table, in_place
from emulator.device import PS_PER_NS
from emulator.profile import TOKEN_BYTES
from emulator.simulation.plans import PlanTables

# Reasons of a failure; those of a device are its answers. Further ones come from outside.
REASONS = ("", "device queue full", "memory", "link queue full", "no coverage")
LINK_QUEUE_FULL, NO_COVERAGE = 3, 4
DONE, MISSED, FAILED = range(3)
OUTCOMES = ("done", "missed", "failed")
LEAVE, CROSS, REACH, SERVE = range(4)  # what happens to a task next: off a place, over a link, at a device, on it

FLIGHT = np.dtype(
    [
        ("plan", np.int64),
        ("number", np.int64),
        ("arrival_ns", np.int64),
        ("prompt_tokens", np.int64),
        ("output_tokens", np.int64),
        ("compute", np.int64),
        ("attempts", np.int64),
        ("measured", np.bool_),
        ("reason", np.int64),
        ("step", np.int64),
        ("stage", np.int64),  # -1 before the first
        ("next", np.int64),
        ("hop", np.int64),
        ("stop_hop", np.int64),
        ("began_ns", np.int64),  # when the message under way was sent
        ("size_bytes", np.int64),
        ("unused", np.int64),  # the next unused row; -1 after the last
    ]
)
TIMES = ("waiting_ns", "load_ns", "service_ns", "transfer_ns", "link_waiting_ns")
COSTS = (*TIMES, "energy_j", "erased_fraction")
COST = np.dtype([(name, np.int64 if name in TIMES else np.float64) for name in COSTS])
TASK_ROW = np.dtype(
    [
        ("plan", np.int64),
        ("task", np.int64),
        ("arrival_ns", np.int64),
        *COST.descr,
        ("sojourn_ns", np.int64),
        ("outcome", np.int64),
        ("reason", np.int64),
        ("attempts", np.int64),
        ("compute", np.int64),
    ]
)
STAGE_ROW = np.dtype([("plan", np.int64), ("task", np.int64), ("stage", np.int64), *COST.descr, ("compute", np.int64)])


@in_place
def leave(plans: PlanTables, flight: Record, now_ns: int) -> int:
    """A task goes on from where it is: to the next partition, into the next pass, or back to the source."""
    plan = plans.plans[flight.plan]
    stages = plans.stages[plan.first_stage : plan.first_stage + plan.partitions + 2]
    if flight.stage < 0:
        size_bytes = input_bytes(flight, plan)
    elif flight.stage + 1 < plan.partitions:
        tokens = flight.prompt_tokens if plan.tokens and flight.step == 0 else 1
        size_bytes = stages[flight.stage].output_bytes * tokens
    else:
        size_bytes = result_bytes(flight, plan)
    flight.stage += 1
    way = stages[flight.stage]
    if flight.stage == plan.partitions and flight.step + 1 < steps(flight, plan):
        flight.step += 1
        flight.stage = 0
        way = stages[plan.partitions + 1]
        size_bytes = TOKEN_BYTES
    flight.began_ns = now_ns
    flight.size_bytes = size_bytes
    flight.hop, flight.stop_hop = way.first_hop, way.stop_hop
    return SERVE if size_bytes == 0 or flight.hop == flight.stop_hop else CROSS


@in_place
def service_ns(plans: PlanTables, flight: Record, measured_ns: Table) -> int:
    """What this visit to a device takes: one pass, or all where no other device runs a part of them."""
    plan = plans.plans[flight.plan]
    stage = plans.stages[plan.first_stage + flight.stage]
    prompt = flight.prompt_tokens
    if flight.measured:
        return int(measured_ns[flight.step * plan.partitions + flight.stage])
    if not plan.tokens:
        return pass_ns(stage, 1, 0)
    first_ns = pass_ns(stage, prompt, prompt // 2)
    if plan.partitions > 1:
        return first_ns if flight.step == 0 else pass_ns(stage, 1, prompt + flight.step)
    for step in range(1, flight.output_tokens):
        first_ns += pass_ns(stage, 1, prompt + step)
    return first_ns


@in_place
def pass_ns(stage: Record, tokens: int, context: int) -> int:
    """`Device.service_ns` of a stage's layers."""
    return int(stage.fixed_ns + tokens * (stage.token_ps + context * stage.context_ps) // PS_PER_NS)


@in_place
def steps(flight: Record, plan: Record) -> int:
    """How often the task goes through its partitions."""
    return max(1, flight.output_tokens) if plan.tokens and plan.partitions > 1 else 1


@in_place
def is_last(plans: PlanTables, flight: Record) -> bool:
    """Whether nothing follows this service, so that its end needs no event."""
    plan = plans.plans[flight.plan]
    if flight.stage + 1 < plan.partitions or flight.step + 1 < steps(flight, plan):
        return False
    home = plans.stages[plan.first_stage + plan.partitions]
    return bool(home.first_hop == home.stop_hop or result_bytes(flight, plan) == 0)


@in_place
def input_bytes(flight: Record, plan: Record) -> int:
    """What goes from the source to the first partition."""
    tokens_bytes = flight.prompt_tokens * TOKEN_BYTES
    return int(tokens_bytes if tokens_bytes else plan.input_bytes)


@in_place
def result_bytes(flight: Record, plan: Record) -> int:
    """What goes from the last partition back to the source."""
    tokens_bytes = flight.output_tokens * TOKEN_BYTES
    return int(tokens_bytes if tokens_bytes else plan.result_bytes)


@in_place
def sum_up(task: Record, stages: Table, costs: Table, flight: Record, deadline_ns: int, now_ns: int) -> None:
    """The rows of a task that ends at `now_ns`: its own, and one for each stage that it has costs of."""
    clear(task)
    for index in range(len(stages)):
        stage = stages[index]
        stage.plan, stage.task, stage.stage, stage.compute = flight.plan, flight.number, index, flight.compute
        copy_cost(stage, costs[index])
        add_cost(task, costs[index])
    task.plan, task.task, task.arrival_ns = flight.plan, flight.number, flight.arrival_ns
    task.sojourn_ns = now_ns - flight.arrival_ns
    task.outcome = FAILED if flight.reason else DONE if task.sojourn_ns <= deadline_ns else MISSED
    task.reason, task.attempts, task.compute = flight.reason, flight.attempts, flight.compute


@in_place
def clear(cost: Record) -> None:
    """No cost at all."""
    cost.waiting_ns = cost.load_ns = cost.service_ns = cost.transfer_ns = cost.link_waiting_ns = 0
    cost.energy_j = cost.erased_fraction = 0.0


@in_place
def copy_cost(row: Record, cost: Record) -> None:
    """The costs of a stage, as a row's."""
    row.waiting_ns, row.load_ns, row.service_ns = cost.waiting_ns, cost.load_ns, cost.service_ns
    row.transfer_ns, row.link_waiting_ns = cost.transfer_ns, cost.link_waiting_ns
    row.energy_j, row.erased_fraction = cost.energy_j, cost.erased_fraction


@in_place
def add_cost(total: Record, cost: Record) -> None:
    """The costs of a stage, added to a row's."""
    total.waiting_ns += cost.waiting_ns
    total.load_ns += cost.load_ns
    total.service_ns += cost.service_ns
    total.transfer_ns += cost.transfer_ns
    total.link_waiting_ns += cost.link_waiting_ns
    total.energy_j += cost.energy_j
    total.erased_fraction = either(total.erased_fraction, cost.erased_fraction)


@in_place
def either(one: float, other: float) -> float:
    """The fraction that is lost where one part of it is lost first and, of the rest, another."""
    return 1.0 - (1.0 - one) * (1.0 - other)
