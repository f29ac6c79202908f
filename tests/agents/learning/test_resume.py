"""A training that was killed goes on as if it had not been."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.block_placement.forms import MendedForm
from agents.block_placement.problem import BlockPlacement
from agents.block_placement.settings import BlockPlacementSettings
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.layer_split.environment import problem_of
from agents.layer_split.setting import MENDED
from agents.layer_split.vector_environment import LayerSplitVector
from agents.learning import a3c, fast_ppo
from agents.learning.heads import MakeEnvironment
from agents.learning.settings import A3cSettings, PpoSettings
from agents.learning.training.state_store import StateStore
from agents.learning.training.supervision import Supervision, TrainingPoint
from agents.learning.training.validation import Validation
from agents.learning.training.weights import Weights
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.vector_environment import SplitInferenceVector
from tests.agents.learning import killed
from tests.agents.learning.problems import TwoStates
from tests.agents.systems import small_system


@pytest.mark.parametrize(
    ("name", "environments"),
    [*((name, "two states") for name in killed.TRAININGS), ("fast ppo", "offload"), ("a3c, three workers", "offload")],
)
def test_a_killed_training_goes_on_to_the_bit(name: str, environments: str, tmp_path: Path) -> None:
    """Parameters and curve equal those of a training that nothing interrupted."""
    train, make, file = killed.TRAININGS[name], killed.ENVIRONMENTS[environments], tmp_path / "state"
    program = [sys.executable, "-m", "tests.agents.learning.killed", name, environments, str(file)]
    ended = subprocess.run(program, cwd=Path(__file__).parents[3], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    points: list[TrainingPoint] = []
    supervision = Supervision((points.append,), StateStore(file, {}, resume=True))
    found, curve = train(make, supervision)
    expected, whole = train(make, Supervision())
    assert points[0].done > 15  # it did not begin anew
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values, strict=True)
    assert repr(curve) == repr(whole)  # NaN equals itself in text


def test_saving_changes_nothing(tmp_path: Path) -> None:
    saved, _ = fast_ppo.train(
        TwoStates, killed.PPO, 1, Supervision(store=StateStore(tmp_path / "state", {}, every_s=0))
    )
    plain, _ = fast_ppo.train(TwoStates, killed.PPO, 1)
    assert all(np.array_equal(saved[name], plain[name]) for name in plain)


def interrupted(file: Path) -> Path:
    """Write the state of a training of killed.PPO with seed 1 before its last update."""
    fast_ppo.train(TwoStates, killed.PPO, 1, Supervision(store=StateStore(file, {"on": "this"}, every_s=0)))
    return file


def resumed(file: Path, settings: PpoSettings = killed.PPO, seed: int = 1, inputs: str = "this") -> None:
    store = StateStore(file, {"on": inputs}, resume=True)
    fast_ppo.train(TwoStates, settings, seed, Supervision(store=store))


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    file = interrupted(tmp_path / "state")
    good = file.read_bytes()
    for damaged in (b"", b"PK\x03\x04 a zip", good[: len(good) // 2], good.replace(b"airsplit.", b"elsewise.")):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state: must be a training's state .*: leave --resume out") as caught:
            resumed(file)
        assert "\n" not in str(caught.value)
    file.write_bytes(good)
    resumed(file)


def test_a_state_whose_values_have_changed_is_refused(tmp_path: Path) -> None:
    """A bit of a weight, and a number among the data: both can be read."""
    file = interrupted(tmp_path / "state")
    good = file.read_bytes()
    flipped = bytearray(good)
    flipped[-4] ^= 1
    for changed in (bytes(flipped), good.replace(b'{\\"done\\": ', b'{\\"done\\":-')):
        assert changed != good
        file.write_bytes(changed)
        with pytest.raises(ValueError, match=r"state that airsplit wrote \(its values have changed\): leave --resume"):
            resumed(file)


def test_a_state_is_written_under_one_other_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next save replaces what a killed one leaves."""
    written: list[str] = []
    replace_file = Path.replace

    def watched(partial: Path, target: Path) -> Path:
        written.extend(path.name for path in tmp_path.iterdir())
        return replace_file(partial, target)

    monkeypatch.setattr(Path, "replace", watched)
    interrupted(tmp_path / "state")
    assert set(written) == {"state", ".state.partial"}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    file = interrupted(tmp_path / "state")
    with pytest.raises(ValueError, match=r"state: must be of the same training; hidden differ: leave --resume out"):
        resumed(file, replace(killed.PPO, hidden=9))
    with pytest.raises(ValueError, match=r"state: must be of the same training; on, seed differ: leave"):
        resumed(file, seed=2, inputs="that")
    with pytest.raises(ValueError, match=r"none: must be the state of a training that was interrupted: leave"):
        resumed(tmp_path / "none")


def test_asynchronous_workers_are_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^settings\.asynchronous=True: must be false for a training that is resumed"):
        a3c.train(TwoStates, A3cSettings(100, asynchronous=True), 1, Supervision(store=StateStore(tmp_path / "s", {})))


ENVIRONMENTS: dict[str, MakeEnvironment] = {
    "split inference": partial(SplitInferenceVector, episodes=Episodes([small_system(1)], EpisodeSettings(4, 5, 0))),
    "offload": killed.ENVIRONMENTS["offload"],
    "layer split": lambda count: LayerSplitVector(count, problem_of("scalars", MENDED, None)),
    "block placement": partial(
        BlockPlacementVector, problem=BlockPlacement(MendedForm(BlockPlacementSettings(slots=5)))
    ),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_goes_on_from_its_state(name: str) -> None:
    """In an episode's middle: rewards and observations of twenty further steps, over ends of episodes."""

    def steps(environment: Any, count: int) -> list[Any]:
        return [np.concatenate([np.ravel(each) for each in environment.step(next(actions))[:4]]) for _ in range(count)]

    first: Any = ENVIRONMENTS[name](3)
    second: Any = ENVIRONMENTS[name](3)
    first.reset(seed=4)
    second.reset(seed=9)
    first.action_space.seed(0)
    drawn = [first.action_space.sample() for _ in range(23)]
    actions = iter(drawn)
    steps(first, 3)
    second.restore(first.state())
    expected = steps(first, 20)
    actions = iter(drawn[3:])
    np.testing.assert_array_equal(steps(second, 20), expected)


def test_an_environment_without_a_state_is_named(tmp_path: Path) -> None:
    class Stateless(TwoStates):
        state = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match=r"^Stateless: must have state\(\) and restore\(\) to be resumed$"):
        fast_ppo.train(Stateless, killed.PPO, 1, Supervision(store=StateStore(tmp_path / "state", {}, every_s=0)))


def test_validation_goes_on_too(tmp_path: Path) -> None:
    """Scores of a training that a copy of its own state interrupts in every update."""

    def score(weights: Weights) -> float:
        return float(weights["critic.4.bias"][0])

    validation = Validation(score, 1_000)
    expected, whole = fast_ppo.train(TwoStates, killed.PPO, 1, Supervision(validation=validation))
    file = tmp_path / "state"
    fast_ppo.train(TwoStates, killed.PPO, 1, Supervision(store=StateStore(file, {}, every_s=0), validation=validation))
    resuming = Supervision(store=StateStore(file, {}, resume=True), validation=validation)
    found, curve = fast_ppo.train(TwoStates, killed.PPO, 1, resuming)
    assert repr(curve) == repr(whole)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
