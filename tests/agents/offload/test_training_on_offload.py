"""Agents that are trained in the running simulator, and their checkpoints in runs."""

from collections import defaultdict
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.learning.settings import COUPLED_DEFAULTS, DEFAULTS
from agents.offload.coupled_tasks import CoupledTasks
from agents.offload.environment import Offload
from agents.offload.episodes import OffloadSettings, episodes_of, system_of
from agents.offload.vector_environment import OffloadVector
from agents.registry import make_policy
from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.encoding import SOURCE
from agents.split_inference.learned import actor_logits
from agents.split_inference.run_encoder import RunEncoder
from agents.split_inference.sampling import Sampler
from agents.trainer import train_agent
from agents.training import train_missing
from emulator.core.arrays import Float32s
from emulator.core.cache import Cache
from emulator.core.units import NS_PER_MS
from emulator.ended_task import EndedTask
from emulator.policy import Observation, hear_of
from emulator.system import System
from emulator.task import Placement
from tests.agents.offload.test_offload import QUICKSTART, cost_of, coupled_systems, run
from tests.agents.systems import small_system
from topologies.loading.loader import load

SYSTEMS = tuple(coupled_systems())
TASKS = CoupledTasks(SYSTEMS, OffloadSettings(4, 7, NS_PER_MS))
BRIEF = {"total_timesteps": 2_048, "num_envs": 8, "num_steps": 16}
SMALL = ("tasks[0].cuts=[13]", "training={steps: 1024, traces: 1, duration_s: 2}", "hil=null", "realtime.policy=null")


def silent(*_: object) -> None:
    """Ignore progress."""


@cache
def trained() -> Checkpoint:
    """Return an agent that tests share."""
    return train_agent("ppo", TASKS, BRIEF, 1, silent)[0]


class Watched:
    """Keeps the features and choices of a policy."""

    def __init__(self, checkpoint: Checkpoint, system: System, decision_ms: float) -> None:
        self._policy = make_policy("ppo", {"decision_ms": decision_ms}, system, checkpoint)
        self._encoder = RunEncoder(checkpoint.layout, system.control)
        self.decision_ns = getattr(self._policy, "decision_ns", 0)
        self.features: list[Float32s] = []
        self.choices: list[int] = []

    def decide(self, observation: Observation) -> Placement:
        """Return the policy's decision."""
        placement, seen = self._policy.decide(observation), self._encoder.encode(observation)
        self._encoder.note(observation, placement)
        self.features.append(seen.features)
        self.choices.append(seen.placements.index(placement))
        return placement

    def hear(self, ended: EndedTask) -> None:
        """Tell both."""
        for hear in (hear_of(self._policy), self._encoder.hear):
            assert hear is not None
            hear(ended)


def played(checkpoint: Checkpoint, episode: int) -> tuple[list[Float32s], list[int]]:
    """Return what the actor sees and chooses in an episode of the environment."""
    environment, choices = Offload(SYSTEMS, TASKS.settings), list[int]()
    sampler = Sampler(episodes_of(SYSTEMS, TASKS.settings)[episode].seed)
    features, info = environment.reset(options={"episode": episode})
    seen, over = [features], False
    while not over:
        stream, number = environment.observed()
        logits = actor_logits(checkpoint.weights, features, info["action_mask"])
        choices.append(sampler.choose(stream.source, stream.kind.name, number, logits))
        features, _, _, over, info = environment.step(choices[-1])
        seen.append(features)
    return seen[:-1], choices


def test_a_checkpoint_decides_in_a_run_as_in_the_environment(tmp_path: Path) -> None:
    costs, lengths = [], set()
    trained().save(tmp_path / "agent.safetensors")
    checkpoint = Checkpoint.load(tmp_path / "agent.safetensors")
    for number, episode in enumerate(episodes_of(SYSTEMS, TASKS.settings)):
        system = system_of(SYSTEMS, episode)
        policy = Watched(checkpoint, system, decision_ms=1.0)
        rows = run(system, policy, tmp_path / str(number))
        seen, choices = played(checkpoint, number)
        np.testing.assert_array_equal(policy.features, seen)
        assert policy.choices == choices
        costs.append(cost_of(system, rows))
        lengths.add(len(rows))
    assert len(lengths) > 1
    for _ in range(2):  # repeatable
        assert TASKS.mean_return(checkpoint.weights) == pytest.approx(-np.mean(costs), rel=1e-12)


@pytest.mark.parametrize("agent", ["ppo", "a2c", "a3c"])
def test_the_curve_has_the_returns_of_whole_episodes(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes have different lengths; their rewards are added here."""
    step, sums, ended, taken = OffloadVector.step, defaultdict[int, Any](lambda: np.zeros(4)), list[Any](), count(4, 4)

    def watched(vector: OffloadVector, actions: Any) -> Any:
        found, now, earned = step(vector, actions), next(taken), sums[id(vector)]
        earned += found[1]
        ended.extend((now, each) for each in earned[found[3]].tolist())
        earned[found[3]] = 0
        return found

    monkeypatch.setattr(OffloadVector, "step", watched)
    _, curve = train_agent(agent, TASKS, {"total_timesteps": 4_096, "num_envs": 4, "num_steps": 4}, 1, silent)
    assert len(ended) > 20
    before = 0
    for point in curve:
        returns = [earned for at, earned in ended if before < at <= point["step"]]
        assert point["episode_return"] == pytest.approx(np.mean(returns) if returns else np.nan, nan_ok=True)
        before = point["step"]
    assert "reward_mean" not in curve[0]


def test_an_agent_is_stopped_by_the_cost_of_whole_episodes() -> None:
    validation = CoupledTasks((small_system(seed=3, trace_seed=9, rate_per_s=6.0),), OffloadSettings(3, 1))
    settings = {**BRIEF, "total_timesteps": 40_000, "learning_rate": 3e-3}
    checkpoint, curve = train_agent("ppo", TASKS, settings, 1, silent, validation=validation, patience=3)
    scores = [point["validation_return"] for point in curve]
    best = int(np.argmax(scores))
    assert best == len(scores) - 4
    assert curve[-1]["step"] < 39_000
    assert scores[best] == pytest.approx(validation.mean_return(checkpoint.weights), rel=1e-12)
    assert {part for link in validation.systems[0].links for part in link.trace.lineage} <= set(
        checkpoint.training.lineage
    )


def test_a_checkpoint_of_queues_needs_their_nodes() -> None:
    with pytest.raises(ValueError, match="node edge2, node cloud"):
        make_policy("ppo", {}, small_system(servers=("edge1",)), trained())


def test_agents_of_a_scenario_are_trained_where_it_says() -> None:
    policies = "policies=[{type: ppo}, {type: ppo, label: coupled, environment: offload, decision_ms: 0.25}]"
    scenario = load(Path(QUICKSTART), [*SMALL, policies])
    agents = train_missing(scenario, Path(QUICKSTART).parent, silent, {}, Cache())
    alone, coupled = agents["ppo"][0], agents["coupled"][0]
    assert alone.layout.queues == ()
    assert alone.training.settings["num_steps"] == DEFAULTS["ppo"].num_steps
    assert coupled.layout.queues == (SOURCE, "edge1", "edge2", "cloud")
    assert coupled.training.settings["num_steps"] == COUPLED_DEFAULTS["ppo"].num_steps
    assert coupled.training.settings["environment"] == "offload"
    assert coupled.training.settings["decision_ns"] == 250_000
    assert set(coupled.training.lineage) == set(alone.training.lineage)
