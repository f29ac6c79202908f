"""Time that a policy takes to decide: charged as waiting before the first leg, the same in both engines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.core.units import NS_PER_MS
from emulator.policy import EngineName, Observation, RecordingPolicy
from emulator.task import Placement, parse
from emulator.trace import constant
from emulator.workload import Recorded, Stream
from tests.emulator.failing_systems import failing_case
from tests.emulator.simulation.test_failures import ENGINES, run
from tests.emulator.stored_systems import COUNT, stored_case
from tests.emulator.systems import IMAGE, Fixed, pairs, split_at_two, with_stream


class Slow:
    """Decides as another policy does, in so much time."""

    def __init__(self, policy: Any, decision_ns: int) -> None:
        self._policy, self.decision_ns = policy, decision_ns

    def decide(self, observation: Observation) -> Placement:
        placement: Placement = self._policy.decide(observation)
        return placement


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_waits_for_its_decision(engine: EngineName, tmp_path: Path) -> None:
    """Images of 8000 bytes over a link of 8 Mbit/s, 8 ms each. The first two arrive together, so that the second waits
    for the link; the third is alone. Each begins 3 ms after its arrival."""
    system = with_stream(pairs(1), Stream("ue1", IMAGE, Recorded((0, 0, 500 * NS_PER_MS))))
    links = tuple(replace(link, trace=constant(8e6), delay_ns=0) for link in system.links)
    system = replace(system, links=links)
    policy = Fixed({("ue1", "image"): parse("edge1:0-5")})
    _, quick, _ = run(tmp_path, engine, system, policy)
    totals, slow, _ = run(tmp_path, engine, system, Slow(policy, 3 * NS_PER_MS))
    assert totals.little_error < 1e-9
    for before, after in zip(quick, slow, strict=True):
        assert after["waiting_ns"] == before["waiting_ns"] + 3 * NS_PER_MS
        assert after["sojourn_ns"] == before["sojourn_ns"] + 3 * NS_PER_MS
        assert after["transfer_ns"] == before["transfer_ns"]


@pytest.mark.parametrize("number", range(0, COUNT, 5))
@pytest.mark.parametrize("fails", [False, True])
def test_both_engines_record_the_same(number: int, fails: bool, tmp_path: Path) -> None:
    """Every fifth stored system, with and without failures; half of the times coincide with other events."""
    digests = []
    for engine in ENGINES:
        system, policy, compute = (failing_case if fails else stored_case)(number)
        decision_ns = NS_PER_MS if number % 2 else 1_234_567
        digests.append(run(tmp_path, engine, system, Slow(policy, decision_ns), compute)[2])
    assert digests[0] == digests[1]


def test_a_decision_that_is_noted_has_its_time(tmp_path: Path) -> None:
    """So that a run in real time waits as long."""
    system = pairs(1)
    noted = RecordingPolicy(Slow(split_at_two(system), 5))
    run(tmp_path, "compiled", system, noted)
    assert {decision.decision_ns for decision in noted.decisions} == {5}
