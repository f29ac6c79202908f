"""The section `failures` of a scenario in the system that is simulated."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from emulator.system import Failure
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build, training_system
from topologies.build.emulation_scope import require_no_energy, require_no_failures
from topologies.build.run_inputs import resolved_yaml
from topologies.loading.loader import load
from topologies.schema.scenario import Scenario


def scenario_with(tmp_path: Path, *outages: str, on_failure: str = "wait") -> Scenario:
    path = tmp_path / "failing.yaml"
    path.write_text(f"{GOOD}failures:\n  on_failure: {on_failure}\n  outages: [{', '.join(outages)}]\n")
    return load(path)


def failures_in(tmp_path: Path, *outages: str) -> Sequence[Failure]:
    return build(scenario_with(tmp_path, *outages), tmp_path).failures


def test_outages_at_given_times_are_in_ns(tmp_path: Path) -> None:
    node, link = failures_in(
        tmp_path, "{node: edge1, from_s: 1, to_s: 1.5}", "{link: [gnb, edge1], from_s: 0, to_s: 1e-9}"
    )
    assert node == Failure(node="edge1", outages=((1_000_000_000, 1_500_000_000),))
    assert link == Failure(link=("gnb", "edge1"), outages=((0, 1),))


def test_the_mean_time_between_failures_holds_the_time_to_repair(tmp_path: Path) -> None:
    (failure,) = failures_in(tmp_path, "{node: edge1, mean_time_between_failures_s: 30, mean_time_to_repair_s: 2}")
    assert failure == Failure(node="edge1", up_ns=28_000_000_000, down_ns=2_000_000_000)


def test_templates_stand_for_all_copies_and_a_link_has_one_order_of_its_ends(tmp_path: Path) -> None:
    nodes = failures_in(tmp_path, '{node: "ue{i}", from_s: 0, to_s: 1}')
    links = failures_in(tmp_path, '{link: [gnb, "ue{i}"], from_s: 0, to_s: 1}')
    assert [failure.node for failure in nodes] == ["ue1", "ue2"]
    assert [failure.link for failure in links] == [("ue1", "gnb"), ("ue2", "gnb")]
    assert failures_in(tmp_path, "{link: [gnb, ue2], from_s: 0, to_s: 1}")[0].link == ("ue2", "gnb")


@pytest.mark.parametrize("on_failure", ["wait", "retry", "fail"])
def test_a_stored_scenario_has_the_same_failures(on_failure: str, tmp_path: Path) -> None:
    scenario = scenario_with(
        tmp_path,
        "{node: edge1, from_s: 0, to_s: 1}",
        '{link: ["ue{i}", gnb], mean_time_between_failures_s: 3, mean_time_to_repair_s: 1}',
        on_failure=on_failure,
    )
    stored = tmp_path / "stored.yaml"
    stored.write_text(resolved_yaml(scenario, tmp_path))
    systems = [build(each, tmp_path) for each in (scenario, load(stored))]
    assert systems[0].on_failure == systems[1].on_failure == on_failure
    assert systems[0].failures == systems[1].failures != ()


def test_agents_are_trained_without_failures(tmp_path: Path) -> None:
    assert training_system(scenario_with(tmp_path, "{node: edge1, from_s: 0, to_s: 1}"), tmp_path, 0).failures == ()


def test_real_time_refuses_failures(tmp_path: Path) -> None:
    scenario = scenario_with(tmp_path, "{node: edge1, from_s: 0, to_s: 1}")
    with pytest.raises(ValueError, match=r"^failures: must not be given to emulate in real time") as caught:
        require_no_failures(scenario)
    assert "\n" not in str(caught.value)
    require_no_failures(scenario.model_copy(update={"failures": None}))


def test_real_time_refuses_a_cost_of_energy(tmp_path: Path) -> None:
    scenario = scenario_with(tmp_path, "{node: edge1, from_s: 0, to_s: 1}")
    require_no_energy(scenario)
    counted = scenario.model_copy(update={"cost": scenario.cost.model_copy(update={"energy_s_per_j": 0.5})})
    with pytest.raises(ValueError, match=r"^cost\.energy_s_per_j=0\.5: must be 0 to emulate tasks in real time"):
        require_no_energy(counted)
    require_no_energy(counted.model_copy(update={"realtime": counted.realtime.model_copy(update={"tasks": False})}))


def test_without_the_section_nothing_fails(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(GOOD)))
    system = build(load(path), tmp_path)
    assert (system.failures, system.on_failure) == ((), "wait")
