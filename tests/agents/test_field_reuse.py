"""Channels and agents of earlier runs are used again, and only where they would be the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from agents import training
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.isolated_tasks import IsolatedTasks
from agents.trainer import Trained, train_agent
from agents.training import train_missing, train_one
from emulator.core.cache import Cache
from emulator.layer_times import Measured
from emulator.system import LayerTimes
from tests.agents.systems import small_system
from topologies.build import build, trace_sources
from topologies.loading.loader import load

NONE_MEASURED: Measured = {}
QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
SMALL = ("duration_s=1", "training={steps: 64, traces: 1, duration_s: 1}", "hil=null", "realtime.policy=null",
         "policies=[{type: ppo, label: mine}]")  # fmt: skip


TASKS = IsolatedTasks(Episodes([small_system(1)], EpisodeSettings(2, 2, 0)))


@pytest.fixture
def trainings() -> Iterator[list[str]]:
    """Train on small episodes instead of the scenario's, which take seconds. Return the agents that were trained."""
    agents: list[str] = []

    def train(agent: str, *rest: Any) -> Trained:
        agents.append(agent)
        return train_agent(agent, TASKS, {"total_timesteps": 1}, 1, *rest[3:])

    with (
        patch.object(training, "training_systems", return_value=[]),
        patch.object(training, "prepare_episodes", return_value=TASKS),
        patch.object(training, "train_agent", side_effect=train),
    ):
        yield agents


def trained(cache: Cache, *overrides: str, measured: Measured = NONE_MEASURED) -> Trained:
    scenario = load(QUICKSTART, (*SMALL, *overrides))
    return train_missing(scenario, QUICKSTART.parent, lambda *each: None, measured, cache)["mine"]


def test_field_generated_channels_are_used_again(tmp_path: Path) -> None:
    """The second system equals the first, and nothing is generated."""
    scenario = load(QUICKSTART, SMALL)
    first = build(scenario, QUICKSTART.parent, cache=Cache(tmp_path))
    with patch.object(trace_sources, "generate", side_effect=AssertionError("generated again")):
        cache = Cache(tmp_path)
        again = build(scenario, QUICKSTART.parent, cache=cache)
        with pytest.raises(AssertionError, match="generated again"):
            build(scenario, QUICKSTART.parent)  # without a cache
    assert len(cache.reused) == 12
    for one, other in zip(first.links, again.links, strict=True):
        assert one.trace.sha256 == other.trace.sha256
        assert one.trace.lineage == other.trace.lineage
        for name, values in one.trace.columns.items():
            np.testing.assert_array_equal(values, other.trace.columns[name], strict=True)


@pytest.mark.parametrize(
    ("override", "kept"),
    [
        ("name=other", 12),
        ("cost.failure_s=3", 12),
        ("links[1].delay_ms=9", 12),
        ("links[0].delay_ms=9", 12),
        ("nodes[0].count=2", 4),
        ("duration_s=1.5", 0),
        ("seed=2", 0),
        ("cells.gnb.bandwidth_mhz=20", 0),
        ("links[0].radio.speed_mps=4", 0),
    ],
)
def test_field_channels_of_other_settings_are_others(override: str, kept: int, tmp_path: Path) -> None:
    build(load(QUICKSTART, SMALL), QUICKSTART.parent, cache=Cache(tmp_path))
    cache = Cache(tmp_path)
    system = build(load(QUICKSTART, (*SMALL, override)), QUICKSTART.parent, cache=cache)
    assert len(cache.reused) == kept
    fresh = build(load(QUICKSTART, (*SMALL, override)), QUICKSTART.parent)
    assert [link.trace.sha256 for link in system.links] == [link.trace.sha256 for link in fresh.links]


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("seed=7", True),
        ("duration_s=2", True),
        ("policies=[{type: random}, {type: ppo, label: mine}]", True),
        ("failures={outages: [{node: edge1, from_s: 0, to_s: 1}]}", True),
        ("policies=[{type: ppo, label: mine, decision_ms: 3}]", True),
        ("policies=[{type: ppo, label: mine, environment: offload}]", False),
        ("training.environment=offload", False),
        ("training.seed=2", False),
        ("training.steps=65", False),
        ("links[1].delay_ms=9", False),
        ("cost.failure_s=3", False),
        ("control.observation_age_ms=20", False),
        ("policies=[{type: ppo, label: mine, settings: {hidden: 32}}]", False),
    ],
)
def test_field_agent_is_trained_again_if_its_training_differs(
    override: str, same: bool, tmp_path: Path, trainings: list[str]
) -> None:
    first, curve = trained(Cache(tmp_path))
    cache = Cache(tmp_path)
    again, same_curve = trained(cache, override)
    assert trainings == ["ppo"] * (1 if same else 2)
    assert again.sha256 == first.sha256
    assert again.training == first.training
    assert json.dumps(same_curve) == json.dumps(curve)  # which may hold NaN
    assert set(cache.reused) == ({"agent mine", "learning curve of mine"} if same else set())


def test_field_agent_of_the_running_system_depends_on_what_decisions_take(tmp_path: Path, trainings: list[str]) -> None:
    policy = "policies=[{{type: ppo, label: mine, environment: offload, decision_ms: {}}}]"
    for decision_ms, count in ((0.1, 1), (0.1, 1), (0.2, 2)):
        trained(Cache(tmp_path), policy.format(decision_ms))
        assert len(trainings) == count


def test_field_agent_depends_on_the_files_that_the_scenario_names(tmp_path: Path, trainings: list[str]) -> None:
    profile = (QUICKSTART.parent / "profiles" / "efficientnet-lite0.json").read_text()
    for text, count in ((profile, 1), (profile, 1), (profile.replace('"flops": ', '"flops": 1', 1), 2)):
        (tmp_path / "own.json").write_text(text)
        trained(Cache(tmp_path / "cache"), f"models={{efficientnet-lite0: {tmp_path}/own.json}}")
        assert len(trainings) == count


def test_field_measured_times_are_part_of_the_training(tmp_path: Path, trainings: list[str]) -> None:
    times = {"edge1": {"efficientnet-lite0": LayerTimes((10**6,), (10**5,), (0,))}}
    for measured, count in (({}, 1), (times, 2), (times, 2)):
        trained(Cache(tmp_path), measured=measured)
        assert len(trainings) == count


def test_field_damaged_agent_is_trained_again(tmp_path: Path, trainings: list[str]) -> None:
    first, _ = trained(Cache(tmp_path))
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert trained(Cache(tmp_path))[0].sha256 == first.sha256
    assert len(trainings) == 2


def test_field_trainings_that_no_run_repeats_are_not_kept(tmp_path: Path, trainings: list[str]) -> None:
    for _ in range(2):
        trained(Cache(tmp_path), "policies=[{type: a3c, label: mine, settings: {asynchronous: true}}]")
    assert trainings == ["a3c"] * 2


def test_field_train_takes_the_agent_of_a_run(tmp_path: Path, trainings: list[str]) -> None:
    """`airsplit train` and a run share agents."""
    in_run, _ = trained(Cache(tmp_path))
    cache = Cache(tmp_path)
    alone = train_one(load(QUICKSTART, SMALL), QUICKSTART.parent, "ppo", 1, lambda *each: None, cache)
    assert set(cache.reused) == {"agent ppo", "learning curve of ppo"}
    assert alone.sha256 == in_run.sha256
    train_one(load(QUICKSTART, SMALL), QUICKSTART.parent, "ppo", 2, lambda *each: None, cache)
    assert len(trainings) == 2
