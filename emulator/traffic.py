"""Tasks under way: from one decision to the next, compiled.

Links and devices answer at once when they will be done, so that a task costs one event a hop, and its
last step, whose end nobody waits for, none at all.
"""

from typing import NamedTuple

import numpy as np

from emulator.calendar import add, take
from emulator.cell_tables import CellTables, has_message_room
from emulator.compiled import Record, Table, in_place
from emulator.contention import act, due_ns, enter, is_awaited, is_in_a_cell, take_done
from emulator.device import ACCEPTED, PS_PER_NS, DeviceTables, submit
from emulator.draws import message_address
from emulator.itinerary import PlanTables
from emulator.link import FULL_NS, enqueue
from emulator.link_tables import LinkTables
from emulator.occupancy import OccupancyTables, arrive, depart, has_room
from emulator.profile import TOKEN_BYTES
from emulator.queues import FOREVER_NS, unused
from emulator.serving import free

# Reasons of a failure; those of a device are its answers. Further ones come from outside.
REASONS = ("", "device queue full", "memory", "link queue full")
LINK_QUEUE_FULL = 3
DONE, MISSED, FAILED = range(3)
OUTCOMES = ("done", "missed", "failed")
LEAVE, CROSS, REACH, SERVE = range(4)  # what happens to a task next: off a place, over a link, at a device, on it
NEED_ROOM_NS = -1

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
CLOCK = np.dtype(
    [
        ("order", np.int64),  # counts what was ever scheduled
        ("pending", np.int64),
        ("unused", np.int64),  # the first unused flight; -1: none
        ("task_rows", np.int64),
        ("stage_rows", np.int64),
    ]
)
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


class Traffic(NamedTuple):
    """Everything that moves, as tables."""

    links: LinkTables
    cells: CellTables | None  # None where there are none: what is not there costs no call anything
    devices: DeviceTables
    plans: PlanTables
    occupancy: OccupancyTables
    clock: Table  # CLOCK, shape (1,)
    calendar: Table  # APPOINTMENT, shape (flights,): each flight has at most one
    arrivals: Table  # int64, shape (streams,): the place of each stream's next arrival in the order
    flights: Table  # FLIGHT, shape (flights,)
    costs: Table  # COST, shape (flights, stages): what each stage has cost so far
    measured_ns: Table  # int64, shape (flights, visits): what each visit to a device took, where it was measured
    tasks: Table  # TASK_ROW, shape (rows,): finished, to be written
    stages: Table  # STAGE_ROW, shape (rows,)


@in_place
def needs_room(traffic: Traffic) -> bool:
    """Whether one more event might not fit into some table."""
    clock = traffic.clock[0]
    return bool(
        clock.unused < 0
        or clock.task_rows == len(traffic.tasks)
        or clock.stage_rows + traffic.costs.shape[1] > len(traffic.stages)
        or unused(traffic.links.queues) < 1
        or unused(traffic.devices.queues) < 2
        or not has_room(traffic.occupancy)
        or not has_message_room(traffic.cells)
    )


@in_place
def advance(traffic: Traffic, until_ns: int, order: int) -> int:
    """Let happen what comes before (`until_ns`, `order`): when the next thing is due, or NEED_ROOM_NS.

    On any other answer there is room for one more task to set off."""
    clock = traffic.clock[0]
    while not needs_room(traffic):
        first_ns = traffic.calendar[0].at_ns if clock.pending > 0 else FOREVER_NS
        if first_ns == until_ns == FOREVER_NS and not is_awaited(traffic.cells):
            return FOREVER_NS
        if deliver(traffic, traffic.cells) or act(traffic.links, traffic.cells, min(first_ns, until_ns)):
            continue
        if first_ns > until_ns or clock.pending == 0 or (first_ns == until_ns and traffic.calendar[0].order >= order):
            return int(min(first_ns, due_ns(traffic.cells)))
        now_ns, row = take(traffic.calendar, clock.pending)
        clock.pending -= 1
        what = traffic.flights[row].next
        if what == LEAVE:
            what = leave(traffic, row, now_ns)
        elif what == REACH:
            what = reach(traffic, row, now_ns)
        if what == CROSS:
            cross(traffic, row, now_ns)
        else:
            serve(traffic, row, now_ns)
    return NEED_ROOM_NS


@in_place
def set_off(
    traffic: Traffic, stream: int, plan: int, number: int, now_ns: int, prompt_tokens: int, output_tokens: int,
    compute: int, attempts: int, reason: int, measured_ns: Table, until_ns: int, order: int,
) -> int:  # fmt: skip
    """A task arrives and has been decided upon: send it on its way, and advance. There must be room.

    Where its visits to devices were measured, `measured_ns` says what each took; with a `reason` it
    has failed and ends here."""
    clock = traffic.clock[0]
    arrive(traffic.occupancy, now_ns)
    row = clock.unused
    flight = traffic.flights[row]
    clock.unused = flight.unused
    flight.plan, flight.number, flight.arrival_ns = plan, number, now_ns
    flight.prompt_tokens, flight.output_tokens = prompt_tokens, output_tokens
    flight.compute, flight.attempts, flight.reason = compute, attempts, reason
    flight.measured = len(measured_ns) > 0
    for visit in range(len(measured_ns)):
        traffic.measured_ns[row, visit] = measured_ns[visit]
    for index in range(traffic.costs.shape[1]):
        clear(traffic.costs[row, index])
    flight.step, flight.stage, flight.next = 0, -1, LEAVE
    if reason:
        finish(traffic, row, now_ns)
    else:  # it moves when its arrival does; the stream's next arrival comes after all that is scheduled by now
        add(traffic.calendar, clock.pending, now_ns, traffic.arrivals[stream], row)
        clock.pending += 1
    clock.order += 1
    traffic.arrivals[stream] = clock.order
    return advance(traffic, until_ns, order)


@in_place
def leave(traffic: Traffic, row: int, now_ns: int) -> int:
    """A task goes on from where it is: to the next partition, into the next pass, or back to the source."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    stages = traffic.plans.stages[plan.first_stage : plan.first_stage + plan.partitions + 2]
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
def cross(traffic: Traffic, row: int, now_ns: int) -> None:
    """Hand the message to the next link of its way."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    link = traffic.plans.hops[flight.hop]
    message = message_address(plan.message, flight.number, flight.step, flight.stage)
    clock = traffic.clock[0]
    clock.order += 1
    if is_in_a_cell(traffic.cells, link):
        if not enter(traffic.links, traffic.cells, link, now_ns, flight.size_bytes, message, row, clock.order):
            drop(traffic, row, now_ns)
        return
    start_ns, release_ns, arrival_ns, erased = enqueue(traffic.links, link, now_ns, flight.size_bytes, message)
    if start_ns == FULL_NS:
        drop(traffic, row, now_ns)
        return
    crossed(traffic, row, start_ns - now_ns, release_ns - start_ns, arrival_ns, erased, clock.order)


@in_place
def drop(traffic: Traffic, row: int, now_ns: int) -> None:
    """The next link's queue has no room for the message: the task fails."""
    flight = traffic.flights[row]
    traffic.costs[row, flight.stage].transfer_ns += now_ns - flight.began_ns
    flight.reason = LINK_QUEUE_FULL
    finish(traffic, row, now_ns)


@in_place
def deliver(traffic: Traffic, cells: CellTables | None) -> bool:
    """Hand on a message that a cell has sent; False: there is none."""
    if cells is None:
        return False
    place = take_done(cells)
    if place == 0:
        return False
    each = cells.messages[place]
    waited_ns, sent_ns = each.start_ns - each.asked_ns, each.release_ns - each.start_ns
    erased = each.erased_bytes / each.size_bytes
    crossed(traffic, each.who, waited_ns, sent_ns, each.arrival_ns, erased, each.order)
    free(cells, place)
    return True


@in_place
def crossed(
    traffic: Traffic, row: int, waited_ns: int, sent_ns: int, arrival_ns: int, erased: float, order: int
) -> None:
    """It is known when the message has crossed its link, which was asked as number `order` of all that happens."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    cost = traffic.costs[row, flight.stage]
    link = traffic.plans.hops[flight.hop]
    cost.link_waiting_ns += waited_ns
    cost.energy_j += traffic.plans.radio_w[link] * sent_ns * 1e-9
    cost.erased_fraction = either(cost.erased_fraction, erased)
    flight.hop += 1
    if flight.hop == flight.stop_hop and flight.stage == plan.partitions:
        cost.transfer_ns += arrival_ns - flight.began_ns
        finish(traffic, row, arrival_ns)
        return
    flight.next = CROSS if flight.hop < flight.stop_hop else REACH
    clock = traffic.clock[0]
    add(traffic.calendar, clock.pending, arrival_ns, order, row)
    clock.pending += 1


@in_place
def reach(traffic: Traffic, row: int, now_ns: int) -> int:
    """The message has crossed its last link."""
    flight = traffic.flights[row]
    traffic.costs[row, flight.stage].transfer_ns += now_ns - flight.began_ns
    return SERVE


@in_place
def serve(traffic: Traffic, row: int, now_ns: int) -> None:
    """The message is where it is needed: queue the next partition there, or be done."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    if flight.stage == plan.partitions:
        finish(traffic, row, now_ns)
        return
    stage = traffic.plans.stages[plan.first_stage + flight.stage]
    taken_ns = service_ns(traffic, row)
    answer, start_ns, load_ns, finish_ns = submit(
        traffic.devices, stage.device, now_ns, stage.first_layer, stage.stop_layer, taken_ns
    )
    if answer != ACCEPTED:
        flight.reason = answer
        finish(traffic, row, now_ns)
        return
    cost = traffic.costs[row, flight.stage]
    cost.waiting_ns += start_ns - now_ns
    cost.load_ns += load_ns
    cost.service_ns += taken_ns
    cost.energy_j += traffic.devices.devices[stage.device].busy_power_w * (load_ns + taken_ns) * 1e-9
    if is_last(traffic.plans, flight):
        finish(traffic, row, finish_ns)
        return
    flight.next = LEAVE
    schedule(traffic, row, finish_ns)


@in_place
def service_ns(traffic: Traffic, row: int) -> int:
    """What this visit to a device takes: one pass, or all where no other device runs a part of them."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    stage = traffic.plans.stages[plan.first_stage + flight.stage]
    prompt = flight.prompt_tokens
    if flight.measured:
        return int(traffic.measured_ns[row, flight.step * plan.partitions + flight.stage])
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
def schedule(traffic: Traffic, row: int, at_ns: int) -> None:
    """Let what is `next` for the flight happen at `at_ns`."""
    clock = traffic.clock[0]
    clock.order += 1
    add(traffic.calendar, clock.pending, at_ns, clock.order, row)
    clock.pending += 1


@in_place
def finish(traffic: Traffic, row: int, now_ns: int) -> None:
    """The task ends at `now_ns`: put its rows where the writer finds them, and give its flight back."""
    clock, flight = traffic.clock[0], traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    depart(traffic.occupancy, now_ns)
    task = traffic.tasks[clock.task_rows]
    clock.task_rows += 1
    clear(task)
    for index in range(max(plan.partitions, flight.stage + 1)):
        cost = traffic.costs[row, index]
        stage = traffic.stages[clock.stage_rows]
        clock.stage_rows += 1
        stage.plan, stage.task, stage.stage, stage.compute = flight.plan, flight.number, index, flight.compute
        copy_cost(stage, cost)
        add_cost(task, cost)
    task.plan, task.task, task.arrival_ns = flight.plan, flight.number, flight.arrival_ns
    task.sojourn_ns = now_ns - flight.arrival_ns
    task.outcome = FAILED if flight.reason else DONE if task.sojourn_ns <= plan.deadline_ns else MISSED
    task.reason, task.attempts, task.compute = flight.reason, flight.attempts, flight.compute
    flight.unused = clock.unused
    clock.unused = row


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
