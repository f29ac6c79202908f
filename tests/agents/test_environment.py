"""The environments: Gymnasium's checker, comparison with the simulation, and vector equal to scalar."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agents.environments import SPLIT_INFERENCE
from agents.registry import make_policy
from agents.split_inference.environment import SplitInference
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.units import NS_PER_MS
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Ramp
from emulator.task import Task, describe
from emulator.workload import Recorded, Stream
from tests.agents.systems import powered, small_system
from tests.emulator.strategies import nothing
from tests.extras import module_of_extra

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
EPISODES = Episodes([small_system(1), small_system(2)], EpisodeSettings(6, 5, 3))


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of a quickstart with channels of a second."""
    data = yaml.safe_load(QUICKSTART.read_text())
    file = tmp_path_factory.mktemp("scenario") / "quickstart.yaml"
    file.write_text(yaml.safe_dump(data | {"duration_s": 1, "training": {"traces": 1, "duration_s": 1}}))
    return str(file)


def test_gymnasiums_checker_passes(scenario: str) -> None:
    environment = gymnasium.make(SPLIT_INFERENCE, scenario=scenario, episodes=2, steps=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment.unwrapped)


def test_the_checker_of_stable_baselines3_passes(scenario: str) -> None:
    checker = module_of_extra("stable_baselines3.common.env_checker", "baselines")
    checker.check_env(gymnasium.make(SPLIT_INFERENCE, scenario=scenario, episodes=2, steps=3).unwrapped)


def test_gymnasium_makes_the_vector_environment(scenario: str) -> None:
    environment = gymnasium.make_vec(SPLIT_INFERENCE, num_envs=3, scenario=scenario, episodes=2, steps=3)
    assert isinstance(environment.unwrapped, SplitInferenceVector)
    assert environment.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP


def test_the_vector_environment_equals_the_scalar_one_step_by_step() -> None:
    vector = SplitInferenceVector(4, EPISODES)
    scalar = SyncVectorEnv([lambda: SplitInference(EPISODES)] * 4, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert vector.observation_space == scalar.observation_space
    assert vector.action_space == scalar.action_space
    rng = np.random.default_rng(0)
    ends = 0
    choices = EPISODES.layout.choices
    seeds: list[int | list[int | None] | None] = [5, None, 9, [3, 1, 4, 1]]
    for seed in seeds:  # None continues the order of the seed before
        both = [environment.reset(seed=seed) for environment in (vector, scalar)]
        for _ in range(40):
            assert_same(both[0][0], both[1][0])
            same_infos(both[0][1], both[1][1])
            actions = rng.integers(choices, size=4)
            results = [environment.step(actions) for environment in (vector, scalar)]
            for one, other in zip(results[0][1:4], results[1][1:4], strict=True):
                assert_same(one, other)
            ends += int(results[0][3].sum())
            both = [(result[0], result[4]) for result in results]
    assert ends > 20


def assert_same(one: np.ndarray, other: np.ndarray) -> None:
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


def same_infos(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def test_returned_arrays_do_not_change_later() -> None:
    vector = SplitInferenceVector(2, EPISODES)
    observations, _ = vector.reset(seed=1)
    kept = observations.copy()
    first = vector.step(np.zeros(2, dtype=np.int64))
    copies = [array.copy() for array in first[:4]]
    vector.step(np.ones(2, dtype=np.int64))
    np.testing.assert_array_equal(observations, kept)
    for array, copy in zip(first[:4], copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_invalid_action_changes_nothing() -> None:
    vector = SplitInferenceVector(2, EPISODES)
    twin = SplitInferenceVector(2, EPISODES)
    for environment in (vector, twin):
        environment.reset(seed=4)
    for wrong in ([0, 99], [-1, 0], [0, 0, 0]):
        with pytest.raises(ValueError, match=r"actions=.* must be 2 numbers in 0\.\.22"):
            vector.step(np.array(wrong))
    np.testing.assert_array_equal(vector.step(np.zeros(2, int))[0], twin.step(np.zeros(2, int))[0])
    scalar = SplitInference(EPISODES)
    scalar.reset(seed=4)
    with pytest.raises(ValueError, match=r"action=23: must be in 0\.\.22"):
        scalar.step(23)


def test_stepping_past_the_end_asks_for_a_reset() -> None:
    environment = SplitInference(EPISODES)
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)
    environment.reset(seed=0)
    results = [environment.step(0) for _ in range(5)]
    assert [truncated for _, _, _, truncated, _ in results] == [False] * 4 + [True]
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)


def test_seeds_choose_the_episodes() -> None:
    environment = SplitInference(EPISODES)
    orders = []
    for seed in (1, 2, 1):
        first, _ = environment.reset(seed=seed)
        orders.append([first.tobytes()] + [environment.reset()[0].tobytes() for _ in range(40)])
    assert orders[0] == orders[2] != orders[1]
    assert len(set(orders[0])) == 6  # all episodes occur, in some order


def test_masked_choice_has_the_reward_of_a_failure() -> None:
    system = small_system()
    few = {key: places[:3] if key[0] == "ue1" else places for key, places in system.placements.items()}
    episodes = Episodes([replace(system, placements=few)], EpisodeSettings(20, 5, 0))
    number = next(n for n in range(20) if episodes.episode(n).source == "ue1")
    environment = SplitInference(episodes)
    _, info = environment.reset(options={"episode": number})
    assert info["action_mask"].tolist() == [True] * 3 + [False] * 20
    deadline_s = episodes.episode(number).tasks[0].kind.deadline_ns * 1e-9
    _, reward, _, _, info = environment.step(7)
    assert reward == -system.cost.failure_s / deadline_s
    assert info["sojourn_ns"] == -1


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("loss", [0.0, 0.2], ids=["no loss", "loss"])
def test_rewards_and_sojourns_equal_the_simulation(tmp_path: Path, loss: float, dark: bool) -> None:
    """Compare each choice of each task with a simulation of the episode's arrivals."""
    system = small_system(4, ramp=Ramp(20 * NS_PER_MS, 9 * NS_PER_MS), loss=loss, queue_bytes=12_000)
    system = powered(system, 0.2)
    if dark:
        first, *others = system.links
        system = replace(system, links=(replace(first, trace=nothing(first.trace)), *others))
    episodes = Episodes([system], EpisodeSettings(3, 8, 1))
    for number in range(3):
        source, tasks = episodes.episode(number).source, episodes.episode(number).tasks[:8]
        rows = episodes.rows(number)
        for action in range(episodes.layout.choices):
            streams = tuple(
                Stream(source, kind, recorded_of([task for task in tasks if task.kind is kind]))
                for kind in {task.kind.name: task.kind for task in tasks}.values()
            )
            chosen = {
                (source, t.kind.name, t.number): describe(episodes.placement(number, i, action))
                for i, t in enumerate(tasks)
            }
            decisions = tmp_path / "decisions.jsonl"
            decisions.write_text(
                "".join(
                    f'{{"source": "{s}", "kind": "{k}", "task": {n}, "placement": "{p}"}}\n'
                    for (s, k, n), p in chosen.items()
                )
            )
            alone = replace(system, streams=streams, duration_ns=2**62)
            with Records(tmp_path) as records:
                Simulation(alone).run(make_policy("replay", {"file": str(decisions)}, alone), "replay", records)
            found = {(row["kind"], row["task"]): row for row in pq.read_table(tmp_path / "tasks.parquet").to_pylist()}
            for step, task in enumerate(tasks):
                row = found[task.kind.name, task.number]
                assert rows.sojourns_ns[step, action] == row["sojourn_ns"]
                loss, failed = row["quality_loss"] or 0.0, row["outcome"] == "failed"
                cost_s = system.cost.of(
                    row["kind"], row["sojourn_ns"], row["erased_fraction"], loss, row["energy_j"], failed
                )
                assert rows.rewards[step, action] == -cost_s / (task.kind.deadline_ns * 1e-9)


def recorded_of(tasks: list[Task]) -> Recorded:
    return Recorded(
        tuple(task.arrival_ns for task in tasks),
        tuple(task.prompt_tokens for task in tasks),
        tuple(task.output_tokens for task in tasks),
    )


def test_observations_do_not_depend_on_the_future() -> None:
    """Channels that differ only after a task's arrival give the same observation."""
    system = small_system(1, 1)
    episodes = Episodes([system], EpisodeSettings(1, 1, 0))
    arrival_ns = episodes.episode(0).tasks[0].arrival_ns
    known_ns = arrival_ns - system.control.age_ns
    links = []
    for link in system.links:
        slot = known_ns % link.trace.period_ns // link.trace.slot_ns + 1
        bits = np.roll(link.trace.capacity_bits, -slot)
        bits[: len(bits) // 2] *= 3  # the half period that comes next
        trace = replace(link.trace, columns={"capacity_bits": np.roll(bits, slot)})
        links.append(replace(link, trace=trace))
    changed = Episodes([replace(system, links=tuple(links))], EpisodeSettings(1, 1, 0))
    assert changed.episode(0).tasks[0].arrival_ns == arrival_ns
    np.testing.assert_array_equal(changed.rows(0).observations[0], episodes.rows(0).observations[0])
    assert not np.array_equal(changed.rows(0).rewards[0], episodes.rows(0).rewards[0])


def test_different_systems_and_short_recordings_are_refused() -> None:
    with pytest.raises(ValueError, match="systems: must agree"):
        Episodes([small_system(1), small_system(1, servers=("edge1",))], EpisodeSettings())
    few = small_system(1, arrivals=Recorded((1, 2, 3)))
    with pytest.raises(ValueError, match=r"tasks: ue\d must ask for more than 6 tasks to train on, not 6"):
        Episodes([few], EpisodeSettings(1, 6, 0)).rows(0)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_wrong_number_of_episodes_steps_or_environments_is_named(value: int) -> None:
    for name in ("episodes", "steps"):
        with pytest.raises(ValueError, match=f"^{name}={value}: must be a whole number of at least 1$"):
            EpisodeSettings(**{name: value})
    with pytest.raises(ValueError, match=f"^num_envs={value}: must be a whole number of at least 1$"):
        SplitInferenceVector(value, EPISODES)


@pytest.mark.parametrize("options", [{"episode": 6}, {"episode": -1}, {"episode": 0.5}, {"episodes": 1}])
def test_an_unknown_episode_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be \{'episode': 0\.\.5\}$"):
        SplitInference(EPISODES).reset(options=options)


def test_an_action_may_be_an_array_without_dimensions() -> None:
    """Policies of Stable-Baselines3 return such ones."""
    environment = SplitInference(EPISODES)
    environment.reset(seed=1)
    action: Any = np.array(0)
    environment.step(action)


@pytest.mark.parametrize("action", [0.5, 1.0, True, None, "a", [0]])
def test_an_action_is_a_whole_number(action: int) -> None:
    environment, vector = SplitInference(EPISODES), SplitInferenceVector(2, EPISODES)
    environment.reset(seed=1)
    vector.reset(seed=1)
    with pytest.raises(ValueError, match="must be in 0"):
        environment.step(action)
    for actions in ([action, action], action):
        with pytest.raises(ValueError, match="must be 2 numbers in 0"):
            vector.step(np.array(actions))


def test_a_vector_environment_is_reset_first_with_a_seed_for_each() -> None:
    vector = SplitInferenceVector(2, EPISODES)
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
        vector.step(np.zeros(2, np.int64))
    seeds: Any
    for seeds in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match=r"must be a number, or a list of 2$"):
            vector.reset(seed=seeds)
