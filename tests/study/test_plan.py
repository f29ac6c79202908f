"""Cells of a study: which there are, and what their digests depend on."""

from pathlib import Path
from typing import Any

import pytest

from airsplit.study.digests import CODE, LIBRARIES, policy_contents
from airsplit.study.plan import StudyPlan, plan_study
from tests.study.small import PPO, write_study
from topologies.loading.study import load_study
from topologies.schema.policies import CustomSection


def planned(folder: Path, *overrides: str, **keys: Any) -> StudyPlan:
    return plan_study(load_study(write_study(folder, **keys), overrides))


def digests(plan: StudyPlan, policy: str = "") -> set[str]:
    return {each.cell.digest for each in plan.cells if policy in ("", each.cell.label)}


def test_policies_that_are_not_trained_run_once_a_channel(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    found = [(each.cell.label, each.channel_seed, each.arrival_seed, each.training_seed) for each in plan.cells[:8]]
    assert found == [
        ("random", 1, 1, None), ("pool1", 1, 1, None), ("ppo", 1, 1, 1), ("ppo", 1, 1, 2),
        ("random", 2, 2, None), ("pool1", 2, 2, None), ("ppo", 2, 2, 1), ("ppo", 2, 2, 2),
    ]  # fmt: skip
    assert [each.parameters["delay"] for each in plan.cells] == [1] * 8 + [30] * 8
    assert len(digests(plan)) == 16 and len(plan.trainings) == 4  # the delay is trained on, the channel is not
    assert {each.cell.training for each in plan.cells} == {"", *plan.trainings}


def test_agents_are_shared_where_nothing_is_different_for_them(tmp_path: Path) -> None:
    plan = planned(tmp_path, grid={"duration_s": [1, 2]})
    assert len(digests(plan)) == 16 and len(plan.trainings) == 2


def test_seeds_of_arrivals_are_run_on_every_channel(tmp_path: Path) -> None:
    seeds = {"channel": [3, 4], "arrivals": [8, 9]}
    plan = planned(tmp_path, grid={}, seeds=seeds, policies=["random"], repetitions=2)
    found = [(each.channel_seed, each.arrival_seed, each.repetition) for each in plan.cells]
    assert found == [(c, a, r) for c in (3, 4) for a in (8, 9) for r in (0, 1)]
    drawn = [each.cell.inputs.scenario for each in plan.cells]
    assert [each.channel_seed for each in drawn] == [3] * 4 + [4] * 4
    assert [each.seed for each in drawn[::2]] == [8, 9, 8, 9]
    assert len({each.seed for each in drawn}) == 4 and drawn[1].seed == drawn[5].seed


def test_digests_depend_on_what_a_cell_depends_on(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    other = {"type": "ppo", "settings": {"total_timesteps": 4096}}
    assert digests(planned(tmp_path, policies=[PPO])) == digests(plan, "ppo")  # not on other policies
    changed = planned(tmp_path, policies=["random", other])
    assert digests(changed, "random") == digests(plan, "random")
    assert not digests(changed, "ppo") & digests(plan)
    assert not digests(planned(tmp_path, "cost.failure_s=2")) & digests(plan)
    assert digests(planned(tmp_path, variants={"a": {}, "b": {}})) == digests(plan)  # nor on names alone
    assert not digests(planned(tmp_path, bound=False)) & digests(plan)


def test_digests_depend_on_the_contents_of_files(tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals.json"
    changed = {"tasks[0].arrivals": {"recorded": {"file": "arrivals.json"}}}
    keys: dict[str, Any] = {"set": changed, "policies": ["random"], "grid": {}}
    arrivals.write_text('{"arrival_ns": [5]}')
    before = digests(planned(tmp_path, **keys))
    assert digests(planned(tmp_path, **keys)) == before
    arrivals.write_text('{"arrival_ns": [6]}')
    assert not digests(planned(tmp_path, **keys)) & before


def test_digests_depend_on_files_that_options_name(tmp_path: Path) -> None:
    (tmp_path / "mine_with_data.py").write_text("class Mine:\n    def __init__(self, **_): ...\n")
    section = {"type": "mine_with_data:Mine", "options": {"data": {"file": "w.txt"}, "note": "x" * 5000}}
    found = []
    for weights in ("1", "2", "1"):
        (tmp_path / "w.txt").write_text(weights)
        found.append(digests(planned(tmp_path, policies=[section], grid={})))
    assert found[0] == found[2] and not found[0] & found[1]


def test_digests_of_built_in_policies_ignore_modules_of_their_name(tmp_path: Path) -> None:
    before = digests(planned(tmp_path, policies=[{"type": "greedy"}], grid={}))
    (tmp_path / "greedy.py").write_text("no Python")
    assert digests(planned(tmp_path, policies=[{"type": "greedy"}], grid={})) == before


def test_digests_depend_on_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "installed_policies"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(str(package.parent))
    section = CustomSection(type="installed_policies:Mine")
    before = policy_contents(section, tmp_path)
    (package / "other.py").write_text("X = 1\n")
    assert policy_contents(section, tmp_path) != before


@pytest.mark.parametrize("name", ["results/statistics.py", "airsplit/study/execution.py"])
def test_digests_depend_on_the_code_that_makes_facts(name: str) -> None:
    assert any(name.startswith(f"{folder}/") for folder in CODE)
    assert {"onnxruntime", "stable-baselines3", "sb3-contrib", "pandas", "pyarrow"} <= {*LIBRARIES}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"grid": {"unit": {"path": "seed", "values": [1]}}},
            "small.yaml: grid.unit: must have another name, cells.csv",
        ),
        ({"policies": [{"type": "ppo", "settings": {"gama": 1}}]}, "small.yaml: policies[0]: settings.gama: "),
        (
            {"policies": [{"type": "no_such:Class"}]},
            "small.yaml: policies[0]: type=no_such:Class: must be a class that",
        ),
    ],
)
def test_impossible_policies_are_said_before_anything_runs(tmp_path: Path, keys: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        planned(tmp_path, **keys)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
