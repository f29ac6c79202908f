"""The compiled step: place the observed task of each run, and run each system until its next task arrives."""

from emulator.core.compiled import Record, Table, entry_point, in_place
from emulator.core.event_heap import pop, push
from emulator.core.fifo import FOREVER_NS
from emulator.simulation.engine_state import EngineState
from emulator.simulation.event_loop import run_until, start_task
from emulator.simulation.task_state import OVERLOAD
from emulator.stepping.ends import note_placed, settle
from emulator.stepping.tables import CHARGED, DUE, SCHEDULED, STEPS, ArrivalTables, CostWeights, EndTables, run_of


@entry_point
def step_all(
    runs: EngineState,
    schedule: ArrivalTables,
    ends: EndTables,
    weights: CostWeights,
    plans: Table,
    decisions: Table,
    nothing_measured: Table,
) -> None:
    """Start the observed task of each run under its plan, or let it fail where the plan is -1, then run until the next
    task arrives: the next decision. In a run that has just begun the plan is ignored, and one that is over stays."""
    for row in range(len(plans)):
        decision = decisions[row]
        schedule.counts[row, CHARGED] = 0
        if decision.is_over:
            continue
        engine = run_of(runs, row)
        before_ns = decision.now_ns
        if decision.is_first:
            for stream in range(schedule.next.shape[1]):
                await_next(schedule, row, stream)
        else:
            note_placed(engine, schedule, ends, row, plans[row], decision)
            next_ns = schedule.due[row, 0].at_ns if schedule.counts[row, DUE] > 0 else FOREVER_NS
            plan, reason = max(plans[row], ends.first_plan[decision.stream]), OVERLOAD if plans[row] < 0 else 0
            start_task(
                engine, decision.stream, plan, decision.number, before_ns, decision.prompt_tokens,
                decision.output_tokens, 0, 1, reason, nothing_measured, 0, next_ns,
            )  # fmt: skip
        observe_next(engine, schedule, row, decision)
        decision.is_first = False
        decision.elapsed_ns = decision.now_ns - before_ns
        decision.cost_s = settle(engine, schedule, ends, weights, row, decision.now_ns)
        schedule.counts[row, STEPS] += 1


@entry_point
def outstanding_s(runs: EngineState, schedule: ArrivalTables, ends: EndTables, weights: CostWeights, row: int) -> float:
    """Run one system until all its tasks have ended; return the cost that was not due yet."""
    engine = run_of(runs, row)
    schedule.counts[row, CHARGED] = 0
    run_until(engine, FOREVER_NS, 0)
    return float(settle(engine, schedule, ends, weights, row, FOREVER_NS))


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
