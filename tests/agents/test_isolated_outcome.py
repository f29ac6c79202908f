from statistics import fmean

import pytest

from agents.split_inference.bound import bounds
from agents.split_inference.isolated_outcome import SOURCE, fixed_choices
from emulator.link import Link
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.task import parse
from tests.agents.systems import small_system
from tests.emulator.systems import judged


def _idle(link: Link, now_ns: int, size_bytes: int) -> int:
    delivery = Link.standalone(link.spec, 0).enqueue(now_ns, size_bytes)
    assert delivery is not None
    return delivery.arrival_ns


def test_costs_of_every_choice_are_those_of_its_tasks_alone() -> None:
    system = judged(small_system(11, rate_per_s=2.0, duration_s=2.0), 11)
    network = Network(system)
    rows = fixed_choices(system).to_pylist()
    assert {row["kind"] for row in rows} == set(system.kinds)
    for row in rows:
        kind = system.kinds[row["kind"]]
        tasks = [task for task in system.tasks() if task.kind == kind]
        delays, costs = [], []
        for task in tasks:
            place = parse(row["placement"].replace(SOURCE, task.source))
            assert place in system.placements[task.source, kind.name]
            table = system.quality[kind.name]
            loss = sum(max(0.0, table.loss(part.first, kind.codec_of(part))) for part in place[1:])
            delays.append(sojourn_ns(network, task, place, _idle))
            costs.append(delays[-1] * 1e-9 + system.cost.quality_s[kind.name] * loss)
        assert row["delay_ms"] == pytest.approx(fmean(delays) * 1e-6)
        assert row["cost_s"] == pytest.approx(fmean(costs))


def test_no_choice_beats_the_bound() -> None:
    system = judged(small_system(12, rate_per_s=2.0, duration_s=2.0), 12)
    bound: dict[str, list[float]] = {name: [] for name in system.kinds}
    for row in bounds(system).to_pylist():
        bound[row["kind"]].append(row["bound_s"])
    for row in fixed_choices(system).to_pylist():
        assert row["cost_s"] >= fmean(bound[row["kind"]]) * (1 - 1e-9)
