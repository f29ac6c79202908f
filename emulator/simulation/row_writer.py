"""Rows of finished tasks on their way from compiled tables to the records."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from emulator.core.compiled import Table
from emulator.deadlines import DEADLINES, missed_deadlines, time_per_token_ns
from emulator.ended_task import EndedTask, ended_task
from emulator.policy import Execution
from emulator.record import ROW_GROUP_ROWS, Records
from emulator.simulation.costs import PARTS, Tally
from emulator.simulation.engine_state import EngineState
from emulator.simulation.plans import Plans
from emulator.simulation.task_state import COSTS, REASONS, UNKNOWN
from emulator.system import Cost
from emulator.task import Task

OUTCOMES = ("done", "missed", "failed")
DONE, MISSED, FAILED = range(3)
# By the sum of 1, 2 and 4 for a missed deadline on the whole, the first token, the time per token.
MISSED_NAMES = tuple(
    "+".join(name for bit, name in enumerate(DEADLINES) if number >> bit & 1) for number in range(1 << len(DEADLINES))
)
Value = TypeVar("Value")


class FinishedRows:
    """Writes the rows of one run, with names instead of numbers, in groups of `ROW_GROUP_ROWS`."""

    def __init__(self, plans: Plans, label: str, records: Records) -> None:
        self._plans, self._label, self._records = plans, label, records
        self._reasons = list(REASONS)
        self._computes: list[tuple[str, tuple[str, ...]]] = [("modelled", ())]  # how times are known, and the workers
        self._quality_losses: dict[tuple[str, str, int], float] = {}  # measured, of tasks that are not written yet
        self.tally = Tally()

    def code_of_reason(self, reason: str) -> int:
        """Return the number of a reason."""
        return _code(self._reasons, reason)

    def code_of_compute(self, execution: Execution) -> int:
        """Return the number of what the columns `compute` and `worker` say of an execution."""
        return _code(self._computes, (execution.compute, tuple(execution.workers)))

    def note_quality(self, task: Task, loss: float) -> None:
        """Take the measured loss of quality of a task's answer for its row, unless a simulated link loses a part of its
        activations."""
        self._quality_losses[task.source, task.kind.name, task.number] = loss

    def write(self, engine: EngineState, *, at_end: bool = False) -> None:
        """Write full groups of rows; at the end of the run all rows."""
        for name, table, write in (
            ("task_rows", engine.tasks, self._write_tasks),
            ("stage_rows", engine.stages, self._write_stages),
        ):
            count = int(engine.loop[name][0])
            while count >= ROW_GROUP_ROWS or (at_end and count):
                group = min(count, ROW_GROUP_ROWS)
                write(table[:group])
                table[: count - group] = table[group:count].copy()
                count -= group
            engine.loop[name] = count

    def ended(self, rows: Table, cost: Cost) -> Iterator[EndedTask]:
        """Yield the tasks of rows that are not written yet."""
        for values in rows.tolist():
            row = dict(zip(rows.dtype.names, values, strict=True))
            stream, placement = self._plans.placements[row["plan"]]
            lengths = row["prompt_tokens"], row["output_tokens"]
            task = Task(stream.source, stream.kind, row["task"], row["arrival_ns"], *lengths)
            key = (stream.source, stream.kind.name, task.number)
            ttft_ns = None if row["ttft_ns"] == UNKNOWN else row["ttft_ns"]
            token_ns = time_per_token_ns(row["sojourn_ns"], ttft_ns, task.output_tokens)
            missed = missed_deadlines(task.kind, row["sojourn_ns"], ttft_ns, token_ns)
            outcome = FAILED if row["reason"] else MISSED if missed else DONE
            loss = None if math.isnan(row["quality_loss"]) else row["quality_loss"]
            if key in self._quality_losses and row["reason"] == 0 and row["erased_fraction"] == 0:
                loss = self._quality_losses[key]
            known = {"outcome": OUTCOMES[outcome], "reason": self._reasons[row["reason"]], "quality_loss": loss}
            yield ended_task(task, placement, cost, row | known)

    def _write_tasks(self, rows: Table) -> None:
        parts_ns = sum(_exact_sum(rows[name]) for name in PARTS)
        last_ns = int((rows["arrival_ns"] + rows["sojourn_ns"]).max())
        self.tally.add(len(rows), parts_ns, _exact_sum(rows["sojourn_ns"]), last_ns)
        sojourn_ns, ttft_ns = rows["sojourn_ns"], rows["ttft_ns"]
        token_ns = _times_per_token_ns(rows)
        failed = rows["reason"] != 0
        late = np.stack([sojourn_ns, ttft_ns, token_ns], 1) > self._plans.tables.plans["deadlines_ns"][rows["plan"]]
        missed = np.where(failed, 0, late @ (1 << np.arange(len(DEADLINES))))
        outcome = np.where(failed, FAILED, np.where(missed > 0, MISSED, DONE))
        has_tokens = self._plans.tables.plans["per_token"][rows["plan"]]
        placements = [plan.placement for plan in self._plans.names]
        self._records.tasks.extend(
            self._keys(rows)
            | _costs(rows)
            | {"quality_loss": self._losses(rows)}
            | {name: rows[name] for name in ("task", "arrival_ns", "sojourn_ns", "attempts")}
            | {name: pa.array(rows[name], mask=~has_tokens) for name in ("prompt_tokens", "output_tokens")}
            | {
                "ttft_ns": pa.array(ttft_ns, mask=ttft_ns == UNKNOWN),
                "token_ns": pa.array(token_ns, mask=token_ns == UNKNOWN),
                "placement": _named(placements, rows["plan"]),
                "deadline_met": outcome == DONE,
                "outcome": _named(OUTCOMES, outcome),
                "missed": _named(MISSED_NAMES, missed),
                "reason": _named(self._reasons, rows["reason"]),
            }
        )

    def _losses(self, rows: Table) -> pa.Array:
        """Return the loss of quality of each task: measured, else modelled, else null."""
        losses = rows["quality_loss"].copy()
        if self._quality_losses:
            for index, row in enumerate(rows):
                plan = self._plans.names[row["plan"]]
                measured = self._quality_losses.pop((plan.source, plan.kind, int(row["task"])), None)
                if measured is not None and row["reason"] == 0 and row["erased_fraction"] == 0:
                    losses[index] = measured
        return pa.array(losses, mask=np.isnan(losses))

    def _write_stages(self, rows: Table) -> None:
        stages = [stage for plan in self._plans.names for stage in plan.stages]
        first_stage = np.cumsum([0, *(len(plan.stages) for plan in self._plans.names)])
        which = first_stage[rows["plan"]] + rows["stage"]
        self._records.stages.extend(
            self._keys(rows)
            | _costs(rows)
            | {name: rows[name] for name in ("task", "stage")}
            | {
                "node": _named([stage.node for stage in stages], which),
                "first_layer": np.array([stage.first_layer for stage in stages])[which],
                "stop_layer": np.array([stage.stop_layer for stage in stages])[which],
                "codec": _named([stage.codec for stage in stages], which),
                "worker": self._worker_names(rows),
            }
        )

    def _worker_names(self, rows: Table) -> pa.DictionaryArray:
        """Return the worker of each row of a stage."""
        most = max(len(workers) for _, workers in self._computes) + 1
        names = [name for _, workers in self._computes for name in (*workers, *[""] * (most - len(workers)))]
        return _named(names, rows["compute"] * most + np.minimum(rows["stage"], most - 1))

    def _keys(self, rows: Table) -> dict[str, Any]:
        """Return the columns that rows of tasks and of stages share."""
        plans = self._plans.names
        return {
            "policy": _named([self._label], np.zeros(len(rows), np.int64)),
            "source": _named([plan.source for plan in plans], rows["plan"]),
            "kind": _named([plan.kind for plan in plans], rows["plan"]),
            "compute": _named([compute for compute, _ in self._computes], rows["compute"]),
        }


def _costs(rows: Table) -> dict[str, Any]:
    """Return the columns of costs; a quality that is not known is null."""
    return {name: rows[name] for name in COSTS} | {
        "quality_loss": pa.array(rows["quality_loss"], mask=np.isnan(rows["quality_loss"]))
    }


def _named(names: Sequence[str], which: Table) -> pa.DictionaryArray:
    """Return the name of each row: `names[which]`."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    of_name = np.array([codes[name] for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(of_name[which]), pa.array(list(codes), pa.string()))


def _times_per_token_ns(rows: Table) -> Table:
    """Return `time_per_token_ns` of each row; UNKNOWN where it is None."""
    further = rows["output_tokens"] - 1
    exists = (rows["ttft_ns"] != UNKNOWN) & (further >= 1)
    return np.where(exists, -((rows["ttft_ns"] - rows["sojourn_ns"]) // np.maximum(further, 1)), UNKNOWN)


def _exact_sum(times_ns: Table) -> int:
    """Return a sum that may not fit in 64 bits, as of tasks that wait for years; of at most 2^31 times."""
    return (int((times_ns >> 32).sum()) << 32) + int((times_ns & 0xFFFF_FFFF).sum())


def _code(values: list[Value], value: Value) -> int:
    """Return the place of a value in a list that grows with every new one."""
    if value not in values:
        values.append(value)
    return values.index(value)
