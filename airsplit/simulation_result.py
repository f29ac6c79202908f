"""Simulate a system under one policy, without a scenario's report: for experiments in Python code."""

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from airsplit.finished_run import read_records
from emulator.policy import EngineName, Policy, Totals, require_policy
from emulator.record import Records
from emulator.system import System

if TYPE_CHECKING:
    import pandas as pd

    from emulator.simulation.simpy_engine import UserProcess


class SimulationResult(NamedTuple):
    """Records of a simulation, with the columns of `FinishedRun.tasks` and `FinishedRun.stages`, and totals."""

    tasks: "pd.DataFrame"
    stages: "pd.DataFrame"
    totals: Totals


def simulate(
    system: System,
    policy: str | Policy,
    *,
    processes: "Sequence[UserProcess]" = (),
    engine: EngineName | None = None,
    label: str | None = None,
    folder: str | PathLike[str] | None = None,
) -> SimulationResult:
    """Simulate all tasks of `system` under a policy, to the end of the last task.

    `processes` are SimPy processes of your own: functions that take the running `SimpyEngine` and yield events of its
    `env`; they may make links and devices fail, change rates, and add load. What a process raises ends the simulation.
    With processes the SimPy engine runs, otherwise the compiled one unless `engine` is `simpy`: both record the same.

    `policy` is an object with a method `decide(observation)`, or the name of a policy without settings: `exact`,
    `random`, `module:Class`. `label` names it in the records; default: the name or class. With `folder`,
    tasks.parquet and stages.parquet are kept there. Raises ValueError for bad arguments, and if the policy's decisions
    cannot be carried out.
    """
    from agents.registry import UserPolicy, make_policy
    from emulator.simulation import Simulation

    if not isinstance(system, System):
        raise ValueError(f"system: must be a system, as the method `system` of a scenario returns, not {_kind(system)}")
    if not isinstance(processes, Sequence) or not all(callable(process) for process in processes):
        raise ValueError("processes: must be a list of functions")
    if not isinstance(label, str | None):
        raise ValueError(f"label={label!r}: must be text")
    if not isinstance(policy, str):
        require_policy("policy", policy)
    name = policy if isinstance(policy, str) else _kind(policy)
    if policy in ("fixed", "replay"):
        raise ValueError(f"policy={policy}: must be a policy without settings; {policy} is run from a scenario")
    decider = make_policy(policy, {}, system) if isinstance(policy, str) else UserPolicy(name, policy, system)
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()) if folder is None else folder)
        place.mkdir(parents=True, exist_ok=True)
        with Records(place) as records:
            totals = Simulation(system, None, engine, processes).run(decider, label or name, records)
        return SimulationResult(read_records(place / "tasks.parquet"), read_records(place / "stages.parquet"), totals)


def _kind(value: object) -> str:
    return type(value).__name__
