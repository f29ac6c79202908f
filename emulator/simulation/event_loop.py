"""All tasks under way (`flight`): what happens to which of them when, from one decision to the next, compiled.

Links and devices answer at once when they will be done, so that a task costs one event a hop, and its
last step, whose end nobody waits for, none at all.
"""

from typing import NamedTuple

import numpy as np

from emulator.cell.slots import ENTERED, act, due_ns, enter, is_awaited, is_in_a_cell, take_done
from emulator.cell.tables import CellTables, has_message_room
from emulator.cell.transmission import free
from emulator.core.compiled import Table, in_place
from emulator.core.draws import message_address
from emulator.core.event_heap import add, take
from emulator.core.fifo import FOREVER_NS, unused
from emulator.device import ACCEPTED, DeviceTables, submit
from emulator.link import enqueue
from emulator.link.tables import NO_COVERAGE_NS, LinkTables
from emulator.simulation.occupancy import OccupancyTables, arrive, depart, has_room
from emulator.simulation.plans import PlanTables
from emulator.simulation.task_steps import (
    CROSS,
    LEAVE,
    LINK_QUEUE_FULL,
    NO_COVERAGE,
    REACH,
    SERVE,
    clear,
    either,
    is_last,
    leave,
    service_ns,
    sum_up,
)

NEED_ROOM_NS = -1

CLOCK = np.dtype(
    [
        ("order", np.int64),  # counts what was ever scheduled
        ("pending", np.int64),
        ("unused", np.int64),  # the first unused flight; -1: none
        ("task_rows", np.int64),
        ("stage_rows", np.int64),
    ]
)


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
            what = leave(traffic.plans, traffic.flights[row], now_ns)
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
def cross(traffic: Traffic, row: int, now_ns: int) -> None:
    """Hand the message to the next link of its way."""
    flight = traffic.flights[row]
    plan = traffic.plans.plans[flight.plan]
    link = traffic.plans.hops[flight.hop]
    message = message_address(plan.message, flight.number, flight.step, flight.stage)
    clock = traffic.clock[0]
    clock.order += 1
    if is_in_a_cell(traffic.cells, link):
        answer = enter(traffic.links, traffic.cells, link, now_ns, flight.size_bytes, message, row, clock.order)
        if answer != ENTERED:
            drop(traffic, row, now_ns, answer)
        return
    start_ns, release_ns, arrival_ns, erased = enqueue(traffic.links, link, now_ns, flight.size_bytes, message)
    if start_ns < 0:
        drop(traffic, row, now_ns, start_ns)
        return
    crossed(traffic, row, start_ns - now_ns, release_ns - start_ns, arrival_ns, erased, clock.order)


@in_place
def drop(traffic: Traffic, row: int, now_ns: int, answer: int) -> None:
    """The next link does not take the message, and its answer says why: the task fails."""
    flight = traffic.flights[row]
    traffic.costs[row, flight.stage].transfer_ns += now_ns - flight.began_ns
    flight.reason = NO_COVERAGE if answer == NO_COVERAGE_NS else LINK_QUEUE_FULL
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
    taken_ns = service_ns(traffic.plans, flight, traffic.measured_ns[row])
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
    count = max(plan.partitions, flight.stage + 1)
    stages = traffic.stages[clock.stage_rows : clock.stage_rows + count]
    sum_up(traffic.tasks[clock.task_rows], stages, traffic.costs[row], flight, plan.deadline_ns, now_ns)
    clock.task_rows += 1
    clock.stage_rows += count
    flight.unused = clock.unused
    clock.unused = row
