"""The compiled engine's event loop: what `simpy_engine` defines, for tasks, links, cells and devices in tables.

Links and devices say at once when they will be done, so a task costs one event per hop. Its last step, which nothing
follows, costs none, unless a failure may interrupt it.
"""

from emulator.cell.slots import ENTERED, drop_messages, enter, is_in_cell, release_message, run_slots
from emulator.cell.tables import CellTables
from emulator.core.compiled import Table, entry_point, in_place
from emulator.core.draws import message_address
from emulator.core.event_heap import pop, push
from emulator.core.fifo import FOREVER_NS, append, give_back, has_room, remove_first, take
from emulator.device import ACCEPTED, NODE_DOWN, submit
from emulator.device import clear as clear_device
from emulator.link import enqueue, reset
from emulator.link.tables import DOWN, FULL, LinkTables
from emulator.link.transmission import erased_fraction
from emulator.simulation.energy import charge_device, charge_radio
from emulator.simulation.engine_state import RETRY, WAIT, EngineState
from emulator.simulation.task_state import (
    ARRIVE,
    END,
    LINK_DOWN,
    LINK_QUEUE_FULL,
    NEXT_LEG,
    NO_COVERAGE,
    NOWHERE,
    OVERLOAD,
    SEND,
    UNKNOWN,
    VISIT,
    add_cost,
    add_energy,
    add_erasure,
    clear,
    combined_loss,
    fill_rows,
    first_token_ns,
    is_last,
    next_leg,
    service_ns,
)  # fmt: skip

WRITE_ROWS = -1  # instead of a time: the tables of rows are full
DECIDE = -2  # instead of a time: interrupted tasks wait for a new decision


@entry_point
def run_until(engine: EngineState, until_ns: int, order: int) -> int:
    """Run all events before (`until_ns`, `order`). Return the time of the next event, or WRITE_ROWS or DECIDE."""
    loop = engine.loop[0]
    while True:
        if loop.task_rows >= loop.group_rows or loop.stage_rows >= loop.group_rows:
            return WRITE_ROWS
        if engine.held[-1].first != 0:
            return DECIDE
        first_ns = engine.events[0].at_ns if loop.events > 0 else FOREVER_NS
        if first_ns == until_ns == FOREVER_NS and not is_awaited(engine.cells):
            return FOREVER_NS
        message = run_earliest_cell(engine.links, engine.cells, min(first_ns, until_ns))
        if message != 0:
            on_cell_delivery(engine, message)
            continue
        if first_ns > until_ns or loop.events == 0 or (first_ns == until_ns and engine.events[0].order >= order):
            return int(min(first_ns, next_slot_ns(engine.cells)))
        loop.now_ns, _, row = pop(engine.events, loop.events)
        loop.events -= 1
        continue_task(engine, row, loop.now_ns)


@entry_point
def start_task(
    engine: EngineState, stream: int, plan: int, number: int, now_ns: int, prompt_tokens: int, output_tokens: int,
    compute: int, attempts: int, reason: int, measured_ns: Table, measured_first_ns: int, until_ns: int,
) -> int:  # fmt: skip
    """Start a task of a stream that arrives now, then run all events before `until_ns` (`run_until`). With
    `measured_ns` its visits take these times, and the last partition's first pass `measured_first_ns`; with a `reason`
    it fails at once."""
    loop = engine.loop[0]
    loop.now_ns = now_ns
    loop.order += 1
    engine.arrival_orders[stream] = loop.order  # the stream's next arrival comes after all that is scheduled by now
    row = 0
    if has_room(engine.states, engine.store[0]):
        row = take(engine.states, engine.store[0])
    state = engine.states[row]  # row 0 without room
    state.arrival_ns, state.number = now_ns, number
    state.prompt_tokens, state.output_tokens = prompt_tokens, output_tokens
    state.reason = 0
    state.first = state.last = 0
    has_times = start_attempt(engine, row, plan, compute, attempts, measured_ns, measured_first_ns)
    begin_task(engine, row, now_ns, reason, row != 0 and has_times)
    return run_until(engine, until_ns, 0)


@in_place
def start_attempt(
    engine: EngineState, row: int, plan: int, compute: int, attempts: int, measured_ns: Table, measured_first_ns: int
) -> bool:
    """Put a task before the first leg of a plan; False if its measured times find no room."""
    state = engine.states[row]
    state.plan, state.compute, state.attempts = plan, compute, attempts
    state.step, state.stage, state.then = 0, -1, NEXT_LEG
    state.order, state.resource = NOWHERE, NOWHERE
    for stage in range(engine.plans.plans[plan].partitions + 1):
        clear(engine.costs[row, stage])
    forget_measured(engine, row)
    state.measured, state.first_token_ns = len(measured_ns) > 0, measured_first_ns
    state.ttft_ns = UNKNOWN
    for visit in range(len(measured_ns)):
        if not has_room(engine.measured, engine.measured_store[0]):
            return False
        entry = take(engine.measured, engine.measured_store[0])
        engine.measured[entry].value = measured_ns[visit]
        append(engine.measured, state, entry)
    return True


@in_place
def begin_task(engine: EngineState, row: int, now_ns: int, reason: int, has_room: bool) -> None:
    """Let a task begin its first leg when the decision is taken. With a `reason` it fails at once; without room in the
    tables too."""
    decision_ns = engine.loop[0].decision_ns
    if reason:
        fail_task(engine, row, now_ns, reason)
    elif not has_room:
        fail_task(engine, row, now_ns, OVERLOAD)
    elif decision_ns > 0:
        engine.costs[row, 0].waiting_ns += decision_ns
        engine.loop[0].order += 1
        schedule(engine, row, now_ns + decision_ns, engine.loop[0].order)
    else:
        continue_task(engine, row, now_ns)


@in_place
def continue_task(engine: EngineState, row: int, now_ns: int) -> None:
    """Do the action that the task's event is for."""
    state = engine.states[row]
    then = state.then
    state.order = NOWHERE
    if then == ARRIVE:
        then = on_arrival(engine, row, now_ns)
    if then == NEXT_LEG:
        charge_visit(engine, row)
        then = next_leg(engine.plans, state, now_ns)
    if then == SEND:
        state.asked_ns = now_ns
        send_message(engine, row, now_ns)
    elif then == VISIT:
        state.asked_ns = now_ns
        queue_partition(engine, row, now_ns)
    elif then == END:
        charge_visit(engine, row)
        end_task(engine, row, now_ns)


@in_place
def send_message(engine: EngineState, row: int, now_ns: int) -> None:
    """Hand the task's message to the next link of its route."""
    state = engine.states[row]
    plan = engine.plans.plans[state.plan]
    link = engine.plans.hops[state.hop]
    number = message_address(plan.key, state.number, state.step, state.stage)
    loop = engine.loop[0]
    loop.order += 1
    state.resource, state.order, state.stop_ns = link, loop.order, FOREVER_NS
    if is_in_cell(engine.cells, link):
        answer = enter(
            engine.links,
            engine.cells,
            link,
            now_ns,
            state.size_bytes,
            state.acknowledged_bytes,
            number,
            row,
            loop.order,
        )
        if answer != ENTERED:
            on_refusal(engine, row, now_ns, answer)
        return
    sizes = state.size_bytes, state.acknowledged_bytes
    start_ns, release_ns, arrival_ns, erased = enqueue(engine.links, link, now_ns, *sizes, number)
    if start_ns < 0:
        on_refusal(engine, row, now_ns, start_ns)
        return
    on_sent(engine, row, start_ns, release_ns, arrival_ns, erased)


@in_place
def on_cell_delivery(engine: EngineState, message_row: int) -> None:
    """Schedule the arrival of a message that a cell has sent."""
    message = engine.cells.messages[message_row]
    erased = erased_fraction(message)
    on_sent(engine, message.owner, message.start_ns, message.release_ns, message.arrival_ns, erased)
    release_message(engine.cells, message_row)


@in_place
def on_sent(engine: EngineState, row: int, start_ns: int, release_ns: int, arrival_ns: int, erased: float) -> None:
    """Schedule the arrival of a task's message at the end of a link; end the task there and then if nothing follows."""
    state = engine.states[row]
    state.start_ns, state.stop_ns, state.erased_fraction = start_ns, release_ns, erased
    state.then = ARRIVE
    last = state.hop + 1 == state.stop_hop and state.stage == engine.plans.plans[state.plan].partitions
    if last and not engine.loop[0].may_fail:
        on_arrival(engine, row, arrival_ns)
        end_task(engine, row, arrival_ns)
    else:
        schedule(engine, row, arrival_ns, state.order)


@in_place
def on_arrival(engine: EngineState, row: int, now_ns: int) -> int:
    """Charge the link that the task's message has crossed; return the task's next step."""
    state = engine.states[row]
    cost = engine.costs[row, state.stage]
    cost.link_waiting_ns += state.start_ns - state.asked_ns
    charge_radio(cost, engine.plans.radios[engine.plans.hops[state.hop]], state.stop_ns - state.start_ns)
    state.lost_fraction = combined_loss(state.lost_fraction, state.erased_fraction)
    state.resource = NOWHERE
    state.hop += 1
    if state.hop < state.stop_hop:
        return SEND
    add_erasure(cost, state)
    cost.transfer_ns += now_ns - state.began_ns
    if state.stage == engine.plans.plans[state.plan].partitions:
        return END
    return VISIT


@in_place
def queue_partition(engine: EngineState, row: int, now_ns: int) -> None:
    """Queue the task's partition at its device; end the task there and then if nothing follows."""
    state = engine.states[row]
    leg = engine.plans.legs[state.leg]
    taken_ns = engine.measured[state.first].value if state.measured else service_ns(engine.plans, state)
    answer, start_ns, load_ns, finish_ns = submit(
        engine.devices, leg.device, now_ns, leg.first_layer, leg.stop_layer, taken_ns
    )
    state.resource = len(engine.links.links) + leg.device
    if answer != ACCEPTED:
        if answer == NODE_DOWN:
            on_interruption(engine, row, now_ns)
        else:
            engine.costs[row, state.stage].waiting_ns += (
                now_ns - state.asked_ns
            )  # waiting for a restoration before this refusal
            state.resource = NOWHERE
            fail_task(engine, row, now_ns, answer)
        return
    state.start_ns, state.load_ns, state.stop_ns = start_ns, load_ns, finish_ns
    last = is_last(engine.plans, state)
    if last and not engine.loop[0].may_fail:
        charge_visit(engine, row)
        end_task(engine, row, finish_ns)
        return
    state.then = END if last else NEXT_LEG
    engine.loop[0].order += 1
    schedule(engine, row, finish_ns, engine.loop[0].order)


@in_place
def charge_visit(engine: EngineState, row: int) -> None:
    """Add the costs of the visit that the task has finished, if it has finished one."""
    state = engine.states[row]
    if state.resource == NOWHERE:
        return
    leg = engine.plans.legs[state.leg]
    cost = engine.costs[row, state.stage]
    busy_ns = state.stop_ns - state.start_ns
    cost.waiting_ns += state.start_ns - state.asked_ns
    cost.load_ns += state.load_ns
    cost.service_ns += busy_ns - state.load_ns
    charge_device(cost, leg.consumer, engine.devices.devices[leg.device].busy_power_w, busy_ns)
    computed_ns = first_token_ns(engine.plans, state)
    if computed_ns != UNKNOWN:
        state.ttft_ns = state.start_ns + state.load_ns + computed_ns - state.arrival_ns
    if state.measured:
        give_back(engine.measured, engine.measured_store[0], remove_first(engine.measured, state))
    state.resource = NOWHERE


@in_place
def schedule(engine: EngineState, row: int, at_ns: int, order: int) -> None:
    """Schedule the task's next event."""
    loop = engine.loop[0]
    engine.states[row].order = order
    push(engine.events, loop.events, at_ns, order, row)
    loop.events += 1


@in_place
def on_refusal(engine: EngineState, row: int, now_ns: int, answer: int) -> None:
    """Fail the task whose message the next link refuses, or interrupt it if the link is down."""
    state = engine.states[row]
    if answer == DOWN:
        on_interruption(engine, row, now_ns)
        return
    state.resource = NOWHERE
    engine.costs[row, state.stage].transfer_ns += now_ns - state.began_ns
    fail_task(engine, row, now_ns, LINK_QUEUE_FULL if answer == FULL else NO_COVERAGE)


@in_place
def on_interruption(engine: EngineState, row: int, now_ns: int) -> None:
    """Apply `on_failure` to a task whose link or device is down."""
    state, on_failure = engine.states[row], engine.loop[0].on_failure
    state.order = NOWHERE
    if on_failure == WAIT:
        state.then = SEND if state.resource < len(engine.links.links) else VISIT
        append(engine.states, engine.held[state.resource], row)
    elif on_failure == RETRY:
        append(engine.states, engine.held[-1], row)
    else:
        fail_interrupted(engine, row, now_ns)


@entry_point
def fail_interrupted(engine: EngineState, row: int, now_ns: int) -> None:
    """Fail a task whose resource is down."""
    state = engine.states[row]
    cost = engine.costs[row, state.stage]
    at_link = state.resource < len(engine.links.links)
    state.resource = NOWHERE
    if at_link:
        cost.transfer_ns += now_ns - state.began_ns
    else:
        cost.waiting_ns += now_ns - state.asked_ns
    fail_task(engine, row, now_ns, LINK_DOWN if at_link else NODE_DOWN)


@entry_point
def restart_task(
    engine: EngineState, row: int, plan: int, now_ns: int, compute: int, attempts: int, reason: int, measured_ns: Table,
    measured_first_ns: int,
) -> None:  # fmt: skip
    """Start a task again under another plan. The time so far counts as waiting, the energy stays."""
    state, spent = engine.states[row], engine.costs[0, 0]
    clear(spent)
    for stage in range(engine.plans.plans[state.plan].partitions + 1):
        add_cost(spent, engine.costs[row, stage])
    has_times = start_attempt(engine, row, plan, compute, attempts, measured_ns, measured_first_ns)
    add_energy(engine.costs[row, 0], spent)
    engine.costs[row, 0].waiting_ns = now_ns - state.arrival_ns
    begin_task(engine, row, now_ns, reason, has_times)


@entry_point
def next_undecided(engine: EngineState) -> int:
    """Return a task that waits for a new decision, and let it wait no longer; 0 if there is none."""
    return remove_first(engine.states, engine.held[-1])


@entry_point
def fail_resources(engine: EngineState, resources: Table, now_ns: int) -> None:
    """Let links and devices fail, then interrupt the tasks in them: one resource after another, and the tasks of one in
    the order of their events."""
    links = len(engine.links.links)
    engine.loop[0].now_ns = now_ns
    for resource in resources:
        if resource >= links:
            clear_device(engine.devices, resource - links, now_ns)
            engine.devices.devices[resource - links].down = True
        else:
            if is_in_cell(engine.cells, resource):
                drop_messages(engine.links, engine.cells, resource, now_ns)
            else:
                reset(engine.links, resource)
            engine.links.links[resource].down = True
    for resource in resources:
        interrupt_tasks(engine, resource, now_ns)
    loop = engine.loop[0]
    count, loop.events = loop.events, 0
    for index in range(count):  # keep the events of other tasks; writes stay behind reads
        at_ns, order, row = engine.events[index].at_ns, engine.events[index].order, engine.events[index].task
        if engine.states[row].order == order:
            push(engine.events, loop.events, at_ns, order, row)
            loop.events += 1


@in_place
def interrupt_tasks(engine: EngineState, resource: int, now_ns: int) -> None:
    """Interrupt all tasks that are in a resource, in the order of their events."""
    last_order = NOWHERE
    while True:
        chosen = 0
        for row in range(1, engine.store[0].used):
            state = engine.states[row]
            inside = state.resource == resource and state.order > last_order and state.stop_ns > now_ns
            if inside and (chosen == 0 or state.order < engine.states[chosen].order):
                chosen = row
        if chosen == 0:
            return
        last_order = engine.states[chosen].order
        on_interruption(engine, chosen, now_ns)


@entry_point
def restore_resources(engine: EngineState, resources: Table, now_ns: int) -> None:
    """Restore links and devices, and let the tasks go on that wait for them."""
    links = len(engine.links.links)
    engine.loop[0].now_ns = now_ns
    for resource in resources:
        if resource >= links:
            engine.devices.devices[resource - links].down = False
        else:
            engine.links.links[resource].down = False
    for resource in resources:
        row = remove_first(engine.states, engine.held[resource])
        while row != 0:
            if resource < links:
                send_message(engine, row, now_ns)
            else:
                queue_partition(engine, row, now_ns)
            row = remove_first(engine.states, engine.held[resource])


@in_place
def fail_task(engine: EngineState, row: int, now_ns: int, reason: int) -> None:
    """End a task that fails."""
    engine.states[row].reason = reason
    end_task(engine, row, now_ns)


@in_place
def end_task(engine: EngineState, row: int, now_ns: int) -> None:
    """End a task at `now_ns`: append its rows to `tasks` and `stages`, and free its state."""
    loop, state = engine.loop[0], engine.states[row]
    plan = engine.plans.plans[state.plan]
    count = max(plan.partitions, state.stage + 1)
    stages = engine.stages[loop.stage_rows : loop.stage_rows + count]
    fill_rows(engine.plans, engine.tasks[loop.task_rows], stages, engine.costs[row], state, now_ns)
    loop.task_rows += 1
    loop.stage_rows += count
    forget_measured(engine, row)
    state.resource = state.order = NOWHERE
    if row != 0:
        give_back(engine.states, engine.store[0], row)


@in_place
def forget_measured(engine: EngineState, row: int) -> None:
    """Give back the measured times of visits that the task does not make."""
    state = engine.states[row]
    while state.first != 0:
        give_back(engine.measured, engine.measured_store[0], remove_first(engine.measured, state))


@in_place
def is_awaited(cells: CellTables) -> bool:
    """Return whether a task's message is in a cell."""
    awaited = False
    for index in range(len(cells.cells)):
        awaited = awaited or cells.cells[index].waiting > 0 or cells.sent[index].first != 0
    return awaited


@in_place
def next_slot_ns(cells: CellTables) -> int:
    """Return the start of the next slot that a cell has to decide."""
    first_ns = FOREVER_NS
    for cell in cells.cells:
        first_ns = min(first_ns, cell.next_ns)
    return int(first_ns)


@in_place
def run_earliest_cell(links: LinkTables, cells: CellTables, limit_ns: int) -> int:
    """Decide the pending slots of all cells before `limit_ns`, in order of time and, at one instant, of the cells,
    until one has sent a task's message; return the message's row, or 0 if no slot is left."""
    for index in range(len(cells.cells)):
        if cells.sent[index].first != 0:
            return remove_first(cells.messages, cells.sent[index])
    while True:
        chosen = -1
        for index in range(len(cells.cells)):
            if chosen < 0 or cells.cells[index].next_ns < cells.cells[chosen].next_ns:
                chosen = index
        if chosen < 0 or cells.cells[chosen].next_ns >= limit_ns:
            return 0
        until_ns = limit_ns
        for index in range(len(cells.cells)):
            other = cells.cells[index]
            if index != chosen and other.waiting > 0:  # a cell in which nothing waits sends nothing
                until_ns = min(until_ns, other.next_ns + (index > chosen))
        row = run_slots(links, cells, chosen, until_ns)
        if row != 0:
            return row
