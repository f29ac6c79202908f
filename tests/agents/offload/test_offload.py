"""The environment of the running simulator: its episodes are runs of `Simulation`, decision for decision."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest
from gymnasium.utils.env_checker import check_env

from agents.environments import OFFLOAD
from agents.offload.environment import Offload
from agents.offload.episodes import OffloadSettings, episodes_of, system_of
from agents.offload.vector_environment import OffloadVector
from agents.split_inference.encoding import Layout
from agents.split_inference.run_encoder import RunEncoder
from emulator.core.arrays import Float32s
from emulator.core.units import NS_PER_MS
from emulator.policy import Observation, Policy
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.stepping.systems import SteppedSystems
from emulator.system import Control, Failure, System
from emulator.task import Placement
from emulator.workload import Recorded
from tests.agents.systems import powered, small_system
from tests.emulator.stored_systems import stored_case
from tests.extras import module_of_extra

QUICKSTART = str(Path(__file__).parents[3] / "topologies" / "quickstart.yaml")


def coupled_systems() -> list[System]:
    """Return two systems whose tasks wait for each other."""
    return [
        powered(small_system(seed=3, trace_seed=seed, rate_per_s=6.0, loss=0.1, queue_bytes=200_000), 0.1)
        for seed in (1, 2)
    ]


class Chosen:
    """Takes given choices one after the other, and keeps what is observed."""

    def __init__(self, layout: Layout, control: Control, choices: Sequence[int], decision_ns: int) -> None:
        self.decision_ns = decision_ns
        self._encoder, self._choices = RunEncoder(layout, control), iter(choices)
        self.hear = self._encoder.hear
        self.features: list[Float32s] = []
        self.sources: list[str] = []

    def decide(self, observation: Observation) -> Placement:
        """Return the next choice."""
        features, placements, mask = self._encoder.encode(observation)
        self.features.append(features)
        self.sources.append(observation.task.source)
        choice = next(self._choices)
        assert mask[choice]
        self._encoder.note(observation, placements[choice])
        return placements[choice]


def play(environment: Offload, episode: int, seed: int) -> tuple[list[Float32s], list[int], float]:
    """Take random candidates through an episode; return what was observed, the choices, and the whole cost."""
    rng = np.random.default_rng(seed)
    observation, info = environment.reset(seed=1, options={"episode": episode})
    seen, choices, rewards, over = [observation], list[int](), 0.0, False
    while not over:
        choices.append(int(rng.choice(np.flatnonzero(info["action_mask"]))))
        observation, reward, terminated, over, info = environment.step(choices[-1])
        assert not terminated
        rewards += reward
        seen.append(observation)
    return seen, choices, environment.outstanding_s() - rewards


def run(system: System, policy: Policy, folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all tasks of a run."""
    folder.mkdir()
    with Records(folder) as records:
        Simulation(system).run(policy, "tested", records)
    rows: list[dict[str, Any]] = pq.read_table(folder / "tasks.parquet").to_pylist()
    return rows


def cost_of(system: System, rows: list[dict[str, Any]]) -> float:
    """Return the cost of all tasks."""
    return sum(
        system.cost.of(
            row["kind"], row["sojourn_ns"], row["erased_fraction"], row["quality_loss"] or 0.0, row["energy_j"],
            row["outcome"] == "failed",
        )
        for row in rows
    )  # fmt: skip


@pytest.mark.parametrize("decision_ns", [0, NS_PER_MS])
def test_an_episode_is_a_run_of_the_simulation(tmp_path: Path, decision_ns: int) -> None:
    systems, settings = coupled_systems(), OffloadSettings(4, 7, decision_ns)
    environment = Offload(systems, settings)
    for episode in range(4):
        seen, choices, cost = play(environment, episode, decision_ns)
        policy = Chosen(environment.layout, systems[0].control, choices, decision_ns)
        system = system_of(systems, episodes_of(systems, settings)[episode])
        rows = run(system, policy, tmp_path / str(episode))
        assert len(rows) == len(choices)
        np.testing.assert_array_equal(policy.features, seen[:-1])
        assert cost == pytest.approx(cost_of(system, rows), rel=1e-12)


def test_costs_are_credited_to_the_decisions_on_their_tasks(tmp_path: Path) -> None:
    systems, settings = coupled_systems(), OffloadSettings(1, 7)
    vector, rng = OffloadVector(1, systems, settings), np.random.default_rng(4)
    tasks, choices = list[tuple[str, str, int]](), list[int]()
    found: dict[tuple[str, str, int], float] = {}
    _, info = vector.reset(seed=1)
    over = False
    while not over:
        stream, number = vector.observed(0)
        tasks.append((stream.source, stream.kind.name, number))
        choices.append(int(rng.choice(np.flatnonzero(info["action_mask"][0]))))
        _, rewards, _, truncated, info = vector.step(np.array(choices[-1:]))
        runs, steps_ago, earned = vector.credits()
        found |= {tasks[len(tasks) - 1 - ago]: -reward for ago, reward in zip(steps_ago, earned, strict=True)}
        assert not runs.any()
        assert earned.sum() == pytest.approx(rewards[0], rel=1e-12)
        over = bool(truncated[0])
    system = system_of(systems, episodes_of(systems, settings)[0])
    rows = run(system, Chosen(vector.layout, systems[0].control, choices, 0), tmp_path / "run")
    costs = {(row["source"], row["kind"], row["task"]): cost_of(system, [row]) for row in rows}
    assert len(costs) > len(found) > 0.8 * len(costs)  # the last tasks end after the episode
    assert found == pytest.approx({task: costs[task] for task in found}, rel=1e-12)


@pytest.mark.parametrize("number", [1, 3, 4, 7, 9, 11, 19, 43])
def test_episodes_of_random_systems_are_runs(tmp_path: Path, number: int) -> None:
    system = stored_case(number)[0]
    environment = Offload([system], OffloadSettings(1, number))
    seen, choices, cost = play(environment, 0, number)
    policy = Chosen(environment.layout, system.control, choices, 0)
    same = system_of([system], episodes_of([system], OffloadSettings(1, number))[0])
    rows = run(same, policy, tmp_path / "run")
    np.testing.assert_array_equal(policy.features, seen[:-1])
    assert cost == pytest.approx(cost_of(same, rows), rel=1e-12)


def test_environments_side_by_side_equal_scalar_ones() -> None:
    systems, settings = coupled_systems(), OffloadSettings(6, 7)
    vector = OffloadVector(3, systems, settings)
    scalars = [Offload(systems, settings) for _ in range(3)]
    rng = np.random.default_rng(1)
    observations, info = vector.reset(seed=5)
    firsts = [scalar.reset(seed=5 + index) for index, scalar in enumerate(scalars)]
    np.testing.assert_array_equal(observations, [observation for observation, _ in firsts])
    over = np.zeros(3, np.bool_)
    for _ in range(300):
        actions = rng.integers(vector.layout.choices, size=3)  # some are no candidates
        observations, rewards, _, truncated, info = vector.step(actions)
        for index, scalar in enumerate(scalars):
            if over[index]:
                observation, own = scalar.reset()
                reward, ended = 0.0, False
            else:
                observation, reward, _, ended, own = scalar.step(actions[index])
            np.testing.assert_array_equal(observations[index], observation)
            np.testing.assert_array_equal(info["action_mask"][index], own["action_mask"])
            assert (rewards[index], truncated[index]) == (reward, ended)
            assert info["elapsed_s"][index] == own["elapsed_s"]
        over = truncated


def test_a_choice_that_is_no_candidate_costs_a_failure() -> None:
    system = small_system(arrivals=Recorded((0,), (5,), (2,)))
    fewer = {**system.placements, ("ue1", "image"): system.placements["ue1", "image"][:-1]}
    system = replace(system, placements=fewer, streams=system.streams[:1] + system.streams[2:])
    environment = Offload([system], OffloadSettings(1))
    _, info = environment.reset(seed=1)
    assert np.flatnonzero(~info["action_mask"]).tolist() == [len(fewer["ue2", "image"]) - 1]
    assert environment.step(int(np.argmin(info["action_mask"])))[1] == -system.cost.failure_s


def test_an_episode_that_was_run_to_its_end_is_over() -> None:
    environment = Offload([small_system()], OffloadSettings(1))
    environment.reset(seed=1)
    environment.outstanding_s()
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)
    environment.reset()


def test_a_selected_episode_counts_in_the_order_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is the only one that begins."""
    environment = Offload(coupled_systems(), OffloadSettings(6, 7))
    begun: list[int] = []
    begin = SteppedSystems.begin

    def noting(runs: SteppedSystems, run: int, episode: int) -> None:
        begun.append(episode)
        begin(runs, run, episode)

    monkeypatch.setattr(SteppedSystems, "begin", noting)
    for selected in (None, 3):
        environment.reset(seed=5)
        environment.reset(options=None if selected is None else {"episode": selected})
        environment.reset()
    assert begun[3:] == [begun[0], 3, begun[2]]


def test_checkers_pass() -> None:
    environment = gymnasium.make(OFFLOAD, scenario=QUICKSTART, episodes=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment.unwrapped)
    module_of_extra("stable_baselines3.common.env_checker", "baselines").check_env(environment.unwrapped)


def test_gymnasium_makes_the_vector_environment() -> None:
    environment = gymnasium.make_vec(OFFLOAD, num_envs=2, scenario=QUICKSTART, episodes=2)
    assert isinstance(environment.unwrapped, OffloadVector)


def test_systems_that_cannot_be_stepped_together_are_refused() -> None:
    one, other = coupled_systems()
    with pytest.raises(ValueError, match="traces and seeds only"):
        Offload([one, replace(other, cost=replace(other.cost, failure_s=3.0))], OffloadSettings(1))
    with pytest.raises(ValueError, match="failures: must be none"):
        Offload([replace(one, failures=(Failure("edge1", up_ns=1, down_ns=1),))], OffloadSettings(1))
    with pytest.raises(ValueError, match=r"episode=0.5: must be in 0\.\.5"):
        Offload([one], OffloadSettings(6)).reset(options={"episode": 0.5})
    with pytest.raises(ValueError, match=r"episode=6: must be in 0\.\.5"):
        Offload([one], OffloadSettings(6)).reset(options={"episode": 6})
    with pytest.raises(ValueError, match="must be 1 numbers in 0"):
        environment = Offload([one], OffloadSettings(1))
        environment.reset(seed=1)
        environment.step(-1)
