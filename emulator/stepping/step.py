"""The compiled step: place the observed task of each run, and run each system until its next task arrives."""

from emulator.core.compiled import Record, Table, entry_point, in_place
from emulator.core.event_heap import pop, push
from emulator.core.fifo import FOREVER_NS
from emulator.simulation.engine_state import EngineState
from emulator.simulation.event_loop import run_until, start_task
from emulator.simulation.task_state import OVERLOAD
from emulator.stepping.tables import AHEAD, DUE, SCHEDULED, ArrivalTables, CostWeights, run_of


@entry_point
def step_all(
    runs: EngineState,
    schedule: ArrivalTables,
    weights: CostWeights,
    plans: Table,
    decisions: Table,
    nothing_measured: Table,
) -> None:
    """Start the observed task of each run under its plan, or let it fail where the plan is -1, then run until the next
    task arrives: the next decision. In a run that has just begun the plan is ignored, and one that is over stays."""
    for row in range(len(plans)):
        decision = decisions[row]
        if decision.is_over:
            continue
        engine = run_of(runs, row)
        before_ns = decision.now_ns
        if decision.is_first:
            for stream in range(schedule.next.shape[1]):
                await_next(schedule, row, stream)
        else:
            next_ns = schedule.due[row, 0].at_ns if schedule.counts[row, DUE] > 0 else FOREVER_NS
            plan = plans[row] if plans[row] >= 0 else weights.first_plan[decision.stream]
            start_task(
                engine, decision.stream, plan, decision.number, before_ns, decision.prompt_tokens,
                decision.output_tokens, 0, 1, OVERLOAD if plans[row] < 0 else 0, nothing_measured, 0, next_ns,
            )  # fmt: skip
        observe_next(engine, schedule, row, decision)
        decision.is_first = False
        decision.elapsed_ns = decision.now_ns - before_ns
        decision.cost_s = cost_due_s(engine, schedule, weights, row, decision.now_ns)


@entry_point
def outstanding_s(runs: EngineState, schedule: ArrivalTables, weights: CostWeights, row: int) -> float:
    """Run one system until all its tasks have ended; return the cost that was not due yet."""
    engine = run_of(runs, row)
    run_until(engine, FOREVER_NS, 0)
    return cost_due_s(engine, schedule, weights, row, FOREVER_NS)


@in_place
def await_next(schedule: ArrivalTables, row: int, stream: int) -> None:
    """Put the next task of a stream on the heap; of equal times the first put comes first."""
    counts, index = schedule.counts[row], schedule.next[row, stream]
    if index < schedule.stop[schedule.episode[row], stream]:
        counts[SCHEDULED] += 1
        push(schedule.due[row], counts[DUE], schedule.arrivals[index].at_ns, counts[SCHEDULED], stream)
        counts[DUE] += 1


@in_place
def observe_next(engine: EngineState, schedule: ArrivalTables, row: int, decision: Record) -> None:
    """Run until the next task arrives, and note it. The episode is over if none arrives before its end: at the first
    arrival after the end or, without one, at the end itself, where the last task is observed once more."""
    counts = schedule.counts[row]
    if counts[DUE] == 0:
        decision.is_over = True
        decision.now_ns = max(decision.now_ns, schedule.duration_ns)
        run_until(engine, decision.now_ns, 0)
        return
    now_ns, _, stream = pop(schedule.due[row], counts[DUE])
    counts[DUE] -= 1
    run_until(engine, now_ns, engine.arrival_orders[stream])
    index = schedule.next[row, stream]
    schedule.next[row, stream] = index + 1
    await_next(schedule, row, stream)
    arrival = schedule.arrivals[index]
    decision.is_over = now_ns >= schedule.duration_ns
    decision.stream, decision.number = stream, index - schedule.first[schedule.episode[row], stream]
    decision.now_ns = now_ns
    decision.prompt_tokens, decision.output_tokens = arrival.prompt_tokens, arrival.output_tokens


@in_place
def cost_due_s(engine: EngineState, schedule: ArrivalTables, weights: CostWeights, row: int, now_ns: int) -> float:
    """Take the tasks that ended. Return the cost of those that ended by `now_ns`, and note that of each stream; keep
    the others, whose end is known already, for later."""
    counts, ended, loop = schedule.counts[row], schedule.ended[row], engine.loop[0]
    for index in range(loop.task_rows):
        task = engine.tasks[index]
        last = ended[counts[AHEAD]]
        last.at_ns, last.cost_s = task.arrival_ns + task.sojourn_ns, cost_s(weights, task)
        last.stream = weights.stream[task.plan]
        counts[AHEAD] += 1
    loop.task_rows = loop.stage_rows = 0
    due_s, kept, of_streams = 0.0, 0, schedule.due_s[row]
    for stream in range(len(of_streams)):
        of_streams[stream] = 0.0
    for index in range(counts[AHEAD]):
        task_end = ended[index]
        if task_end.at_ns <= now_ns:
            due_s += task_end.cost_s
            of_streams[task_end.stream] += task_end.cost_s
        else:
            ended[kept] = task_end
            kept += 1
    counts[AHEAD] = kept
    return due_s


@in_place
def cost_s(weights: CostWeights, task: Record) -> float:
    """Return the cost of a task that ended (`Cost.of`)."""
    if task.reason:
        return weights.failure_s
    quality_loss = 0.0 if task.quality_loss != task.quality_loss else task.quality_loss  # not known: NaN
    quality_s = weights.quality_s[task.plan] * quality_loss
    energy_s = weights.energy_s_per_j * task.energy_j
    return float(task.sojourn_ns * 1e-9 + weights.erasure_s * task.erased_fraction + quality_s + energy_s)
