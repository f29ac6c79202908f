"""What becomes known of the tasks of each run, in compiled code: the costs that fall due, and the work that is done."""

from emulator.core.compiled import Record, in_place
from emulator.simulation.engine_state import EngineState
from emulator.simulation.task_state import pass_ns
from emulator.stepping.tables import AHEAD, CHARGED, STEPS, ArrivalTables, CostWeights, EndTables


@in_place
def note_placed(
    engine: EngineState, schedule: ArrivalTables, ends: EndTables, row: int, plan: int, decision: Record
) -> None:
    """Note that the observed task is placed under a plan, -1 for one that fails."""
    task = number_of(schedule, row, decision.stream, decision.number)
    placed = ends.placed[row, task]
    placed.step, placed.plan = schedule.counts[row, STEPS], plan
    if plan >= 0:
        order(engine, schedule, ends, row, decision.stream, task, 1)


@in_place
def settle(
    engine: EngineState, schedule: ArrivalTables, ends: EndTables, weights: CostWeights, row: int, now_ns: int
) -> float:
    """Take the tasks whose end is known. Return the cost of those that ended since the last call, by `now_ns`, which is
    charged to the steps that placed them. The work of tasks of which the deciding node has heard is no longer ordered;
    the others are kept."""
    take_ended(engine, schedule, ends, weights, row)
    counts, ended = schedule.counts[row], ends.ended[row]
    due_s, kept = 0.0, 0
    for index in range(counts[AHEAD]):
        task = ended[index]
        if not task.is_charged and task.at_ns <= now_ns:
            task.is_charged = True
            due_s += task.cost_s
            charge = ends.charges[row, counts[CHARGED]]
            charge.stream, charge.cost_s = task.stream, task.cost_s
            charge.steps_ago = counts[STEPS] - ends.placed[row, task.task].step
            counts[CHARGED] += 1
        if task.heard_ns < now_ns:
            if ends.placed[row, task.task].plan >= 0:
                order(engine, schedule, ends, row, task.stream, task.task, -1)
            continue
        ended[kept] = task
        kept += 1
    counts[AHEAD] = kept
    return due_s


@in_place
def take_ended(engine: EngineState, schedule: ArrivalTables, ends: EndTables, weights: CostWeights, row: int) -> None:
    """Move the rows of tasks, whose end may lie ahead, to the table of ends."""
    counts, loop = schedule.counts[row], engine.loop[0]
    for index in range(loop.task_rows):
        task = engine.tasks[index]
        stream = ends.stream_of_plan[task.plan]
        ended = ends.ended[row, counts[AHEAD]]
        ended.stream, ended.task = stream, number_of(schedule, row, stream, task.task)
        ended.at_ns = task.arrival_ns + task.sojourn_ns
        ended.heard_ns = ended.at_ns + (0 if ends.is_own[stream] and not task.reason else ends.age_ns)
        ended.cost_s, ended.is_charged = cost_s(weights, task), False
        counts[AHEAD] += 1
    loop.task_rows = loop.stage_rows = 0


@in_place
def number_of(schedule: ArrivalTables, row: int, stream: int, number: int) -> int:
    """Return the number of a stream's task among all of the run's episode."""
    first = schedule.first[schedule.episode[row]]
    return int(first[stream] - first[0] + number)


@in_place
def order(
    engine: EngineState, schedule: ArrivalTables, ends: EndTables, row: int, stream: int, task: int, sign: int
) -> None:
    """Add a task's service times to what is ordered from its devices, or with sign -1 take them off."""
    ordered_ns = ends.ordered_ns[row, ends.decider[stream]]
    arrival = schedule.arrivals[schedule.first[schedule.episode[row], 0] + task]
    plan, prompt = engine.plans.plans[ends.placed[row, task].plan], arrival.prompt_tokens
    for number in range(plan.first_leg, plan.first_leg + plan.partitions):
        leg = engine.plans.legs[number]
        work_ns = pass_ns(leg, max(prompt, 1), prompt // 2)
        work_ns += max(0, arrival.output_tokens - 1) * pass_ns(leg, 1, prompt)
        ordered_ns[leg.device] += sign * work_ns


@in_place
def cost_s(weights: CostWeights, task: Record) -> float:
    """Return the cost of a task that ended (`Cost.of`)."""
    if task.reason:
        return weights.failure_s
    quality_loss = 0.0 if task.quality_loss != task.quality_loss else task.quality_loss  # not known: NaN
    quality_s = weights.quality_s[task.plan] * quality_loss
    energy_s = weights.energy_s_per_j * task.energy_j
    return float(task.sojourn_ns * 1e-9 + weights.erasure_s * task.erased_fraction + quality_s + energy_s)
