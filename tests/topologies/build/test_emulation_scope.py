"""The part of a scenario that `airsplit emulate` runs."""

from itertools import islice
from pathlib import Path

import pytest
import yaml

from agents.evaluation import policies_of
from emulator.record import Records
from emulator.simulation import Simulation
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.emulation_scope import emulated_system, with_one_policy, without_tasks
from topologies.loading.loader import load
from topologies.schema.scenario import Scenario


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return load(path)


def with_realtime(scenario: Scenario, **keys: object) -> Scenario:
    return scenario.model_copy(update={"realtime": scenario.realtime.model_copy(update=keys)})


def test_policy_is_that_of_the_option_then_of_the_scenario_then_the_first(scenario: Scenario) -> None:
    assert with_one_policy(scenario, None).labels == ("random",)
    assert with_one_policy(with_realtime(scenario, policy="pool1"), None).labels == ("pool1",)
    chosen = with_one_policy(with_realtime(scenario, policy="random"), "pool1")
    assert (chosen.labels, chosen.realtime.policy, chosen.hil) == (("pool1",), "pool1", None)
    with pytest.raises(ValueError, match="--policy best: must be the label of a policy: random, pool1"):
        with_one_policy(scenario, "best")


def test_scenario_with_one_policy_can_be_stored_and_loaded(scenario: Scenario, tmp_path: Path) -> None:
    stored = tmp_path / "stored.yaml"
    stored.write_text(yaml.safe_dump(with_one_policy(scenario, "pool1").model_dump(mode="json", exclude_defaults=True)))
    assert load(stored).labels == ("pool1",)


def test_emulated_system_has_the_same_channels_and_the_first_tasks(scenario: Scenario, tmp_path: Path) -> None:
    whole = build(scenario, tmp_path)
    part = emulated_system(with_realtime(scenario, duration_s=1.0), whole)
    assert part.links == whole.links
    assert part.duration_ns == 1_000_000_000
    for stream, same in zip(whole.streams, part.streams, strict=True):
        tasks = list(same.tasks(part.seed, part.duration_ns))
        assert tasks == list(islice(stream.tasks(whole.seed, whole.duration_ns), len(tasks)))
    assert emulated_system(with_realtime(scenario, duration_s=9.0), whole).duration_ns == whole.duration_ns


def test_emulated_system_without_tasks_runs(scenario: Scenario, tmp_path: Path) -> None:
    idle = emulated_system(without_tasks(scenario), build(scenario, tmp_path))
    assert (idle.streams, idle.placements) == ((), {})
    ((_, policy),) = policies_of(with_one_policy(scenario, "random"), tmp_path, idle, {}).items()
    with Records(tmp_path) as records:
        assert Simulation(idle).run(policy, "random", records).tasks == 0
