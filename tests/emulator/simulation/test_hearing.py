"""What a policy hears of ended tasks: what the records say, in order, never before the control node can know it, and
the same from both engines."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.registry import UserPolicy
from emulator.core.units import NS_PER_MS
from emulator.ended_task import COPIED, EndedTask
from emulator.policy import Compute, EngineName, Execution, Observation, Policy, RecordingPolicy, hear_of
from emulator.simulation import engine_state
from emulator.system import System
from emulator.task import Placement, Task, describe
from emulator.workload import Recorded
from tests.emulator.failing_systems import failing_case
from tests.emulator.simulation.test_failures import ENGINES, down, run, two_servers
from tests.emulator.stored_systems import COUNT, Measured, stored_case
from tests.emulator.systems import Fixed, judged, pairs, random_system, scatter

Case = Callable[[int], tuple[System, Policy, Compute | None]]


class Hearer:
    """Decides as another policy does; notes what it hears, and before which decision."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy
        self.heard: list[tuple[int, EndedTask]] = []  # at which decision of how many
        self.decisions_ns: list[int] = []
        self._waiting: list[EndedTask] = []

    def decide(self, observation: Observation) -> Placement:
        self.heard += [(len(self.decisions_ns), ended) for ended in self._waiting]
        self._waiting = []
        self.decisions_ns.append(observation.now_ns)
        placement: Placement = self._policy.decide(observation)
        return placement

    def hear(self, ended: EndedTask) -> None:
        self._waiting.append(ended)


class Scored(Measured):
    """Hosts that also measure what an answer loses in quality."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        return super().execute(task, placement)._replace(quality_loss=0.25)


def judged_case(number: int) -> tuple[System, Policy, Compute | None]:
    system = judged(random_system(number), number)
    system = replace(system, cost=replace(system.cost, erasure_s=0.3, energy_s_per_j=0.01))
    return system, scatter(system), Scored(number)


def heard_ns(system: System, ended: EndedTask) -> int:
    """When the control node hears of an end."""
    is_own = ended.task.source == system.control.node and ended.outcome != "failed"
    return ended.end_ns + (0 if is_own else system.control.age_ns)


@pytest.mark.parametrize("case", [stored_case, failing_case, judged_case])
@pytest.mark.parametrize("number", range(0, COUNT, 13))
def test_both_engines_tell_the_same_and_what_the_records_say(case: Case, number: int, tmp_path: Path) -> None:
    told, digests = [], []
    for engine in ENGINES:
        system, policy, compute = case(number)
        plain = run(tmp_path, engine, system, policy, compute)[2]
        hearer = Hearer(case(number)[1])
        _, rows, digest = run(tmp_path, engine, system, hearer, case(number)[2])
        assert digest == plain  # hearing changes nothing by itself
        told.append(hearer.heard)
        digests.append(digest)
        is_as_recorded(system, rows, hearer)
    assert told[0] == told[1]
    assert digests[0] == digests[1]


def is_as_recorded(system: System, rows: list[dict[str, Any]], hearer: Hearer) -> None:
    """Each task that the control node heard of before the last decision was told once, before the first decision after
    that, with the values of its row."""
    streams = [(stream.source, stream.kind.name) for stream in system.streams]
    expected = []
    by_key = {(row["source"], row["kind"], row["task"]): row for row in rows}
    for decision, ended in hearer.heard:
        task = ended.task
        row = by_key[task.source, task.kind.name, task.number]
        assert (task.arrival_ns, describe(ended.placement)) == (row["arrival_ns"], row["placement"])
        assert all(getattr(ended, name) == row[name] for name in ("outcome", "reason", *COPIED))
        assert ended.end_ns == row["arrival_ns"] + row["sojourn_ns"]
        loss = (row["erased_fraction"], row["quality_loss"] or 0.0, row["energy_j"])
        assert ended.cost_s == system.cost.of(row["kind"], row["sojourn_ns"], *loss, row["outcome"] == "failed")
        first = next(place for place, now_ns in enumerate(hearer.decisions_ns) if now_ns > heard_ns(system, ended))
        assert decision == first
        place = streams.index((task.source, task.kind.name))
        expected.append((heard_ns(system, ended), ended.end_ns, place, task.number))
    assert expected == sorted(expected)
    last_ns = hearer.decisions_ns[-1]
    ends_ns = [row["arrival_ns"] + row["sojourn_ns"] + system.control.age_ns for row in rows]
    assert len(expected) >= sum(end_ns < last_ns for end_ns in ends_ns)
    assert len(set(expected)) == len(expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("node", "known_ms", "outage"), [("ue1", 63, ()), ("edge1", 73, ()), ("ue1", 30, (20, 40))])
def test_the_end_of_a_task_is_heard_when_the_control_node_can_know_it(
    node: str, known_ms: int, outage: tuple[int, int] | tuple[()], engine: EngineName, tmp_path: Path
) -> None:
    """The result is at the UE at 63 ms, or the server fails at 20 ms; everything is heard 10 ms later, but not by the
    node that the result comes to. A decision at that very instant comes too early."""
    failures = (down(*outage, node="edge1"),) if outage else ()
    system = two_servers(*failures, on_failure="fail")
    arrivals_ns = (0, known_ms * NS_PER_MS, known_ms * NS_PER_MS + 1)
    stream = replace(system.streams[0], arrivals=Recorded(arrivals_ns))
    hearer = Hearer(FirstAway())
    control = replace(system.control, node=node, age_ns=10 * NS_PER_MS)
    run(tmp_path, engine, replace(system, streams=(stream,), control=control), hearer)
    assert [(decision, ended.task.number) for decision, ended in hearer.heard] == [(2, 0)]


class FirstAway:
    """The first candidate for the first task, the second for all others."""

    def decide(self, observation: Observation) -> Placement:
        return observation.candidates[min(observation.task.number, 1)]


def test_rows_that_were_written_meanwhile_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of four rows instead of 65,536."""
    system, policy, compute = stored_case(0)
    whole = Hearer(policy)
    run(tmp_path, "compiled", system, whole, compute)
    monkeypatch.setattr(engine_state, "ROW_GROUP_ROWS", 4)
    monkeypatch.setattr("emulator.simulation.row_writer.ROW_GROUP_ROWS", 4)
    parted = Hearer(stored_case(0)[1])
    run(tmp_path, "compiled", system, parted, compute)
    assert len(whole.heard) > 20
    assert parted.heard == whole.heard


def test_wrappers_pass_on_what_is_heard(tmp_path: Path) -> None:
    system, policy, _ = stored_case(0)
    inner = Hearer(policy)
    run(tmp_path, "compiled", system, RecordingPolicy(UserPolicy("m:C", inner, system)))
    plain = Hearer(policy)
    run(tmp_path, "compiled", system, plain)
    assert inner.heard == plain.heard
    assert hear_of(RecordingPolicy(UserPolicy("m:C", Fixed({}), system))) is None


class Raises(FirstAway):
    """Fails at what it hears."""

    def hear(self, ended: EndedTask) -> None:
        raise KeyError(ended.task.number)


def test_an_error_in_hear_is_one_line(tmp_path: Path) -> None:
    system, _, _ = stored_case(0)
    with pytest.raises(ValueError, match=r"^type=m:C: hear raised KeyError: 0, raised at .*test_hearing\.py:\d+$"):
        run(tmp_path, "compiled", system, UserPolicy("m:C", Raises(), system))


def test_hear_is_a_method() -> None:
    policy = FirstAway()
    policy.hear = 3  # type: ignore[attr-defined]  # what a user may do
    with pytest.raises(ValueError, match=r"^type=m:C: hear=3: must be a method hear\(ended\)$"):
        UserPolicy("m:C", policy, pairs(1))
