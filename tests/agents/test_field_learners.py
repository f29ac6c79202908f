"""What learners ask of the environments: masks as a method, cheap further environments, and pickling."""

import pickle
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gymnasium
import numpy as np
import pytest
import yaml

from agents.environments import SPLIT_INFERENCE
from agents.split_inference import environment as environments
from agents.split_inference.environment import SplitInference
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.vector_environment import SplitInferenceVector
from tests.agents.systems import small_system

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"


def episodes() -> Episodes:
    return Episodes([small_system(1), small_system(2)], EpisodeSettings(6, 5, 3))


def test_field_action_masks_are_the_method_that_maskable_ppo_calls() -> None:
    environment = SplitInference(episodes())
    _, info = environment.reset(seed=1)
    for action in (0, 3, 1):
        np.testing.assert_array_equal(environment.action_masks(), info["action_mask"])
        assert environment.action_masks().dtype == np.bool_
        *_, info = environment.step(action)
    environment.action_masks()[:] = False  # a copy: changes nothing
    np.testing.assert_array_equal(environment.action_masks(), info["action_mask"])


def test_field_action_masks_of_the_vector_environment() -> None:
    vector = SplitInferenceVector(3, episodes())
    _, info = vector.reset(seed=1)
    for _ in range(8):
        np.testing.assert_array_equal(vector.action_masks(), info["action_mask"])
        *_, info = vector.step(np.zeros(3, dtype=np.int64))


def test_field_second_environment_of_equal_contents_generates_no_channel(tmp_path: Path) -> None:
    """A copy of the file elsewhere has the same contents; another value is another scenario."""
    data = yaml.safe_load(QUICKSTART.read_text())
    data["training"] = {"traces": 1, "duration_s": 1}
    data["duration_s"] = 1
    files = [tmp_path / name for name in ("one.yaml", "copy.yaml", "other.yaml")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        file.write_text(yaml.safe_dump({**data, "training": {**data["training"], "seed": seed}}))
    first = environments.episodes_of(str(files[0]), 2, 3, 0)
    with patch.object(environments, "training_systems", side_effect=AssertionError("generated again")):
        assert environments.episodes_of(str(files[1]), 2, 3, 0) is first
        environment = gymnasium.make(SPLIT_INFERENCE, scenario=str(files[0]), episodes=2, steps=3)
        with pytest.raises(AssertionError, match="generated again"):
            gymnasium.make(SPLIT_INFERENCE, scenario=str(files[2]), episodes=2, steps=3)
        with pytest.raises(AssertionError, match="generated again"):
            gymnasium.make(SPLIT_INFERENCE, scenario=str(files[0]), episodes=2, steps=4)
    observation, _ = environment.reset(options={"episode": 1})
    np.testing.assert_array_equal(observation, first.rows(1).observations[0])


def test_field_environment_of_a_changed_file_is_new(tmp_path: Path) -> None:
    """The files that a scenario names are part of its contents."""
    profile = QUICKSTART.parent / "profiles" / "alexnet.json"
    data = yaml.safe_load(QUICKSTART.read_text())
    data |= {"duration_s": 1, "training": {"traces": 1, "duration_s": 1}}
    data["models"] = {**data.get("models", {}), data["tasks"][0]["model"]: "own.json"}
    shutil.copyfile(profile.with_name(f"{data['tasks'][0]['model']}.json"), tmp_path / "own.json")
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(data))
    made = [environments.episodes_of(str(tmp_path / "scenario.yaml"), 2, 3, 0) for _ in range(2)]
    text = (tmp_path / "own.json").read_text()
    (tmp_path / "own.json").write_text(text.replace('"flops": ', '"flops": 1', 1))
    assert made[0] is made[1]
    assert environments.episodes_of(str(tmp_path / "scenario.yaml"), 2, 3, 0) is not made[0]


@pytest.mark.parametrize("when", ["new", "in an episode"])
@pytest.mark.parametrize("kind", ["scalar", "vector"])
def test_field_environments_pickle(kind: str, when: str) -> None:
    """A copy from a pickle goes on as the original does."""
    scalar, vector = SplitInference(episodes()), SplitInferenceVector(2, episodes())
    original: Any = scalar if kind == "scalar" else vector
    action: Any = 2 if kind == "scalar" else np.full(2, 2)
    if when == "in an episode":
        original.reset(seed=7)
        original.step(action)
    data = pickle.dumps(original)
    assert len(data) < 2_000_000  # no address space of networks
    copy = pickle.loads(data)
    if when == "new":
        original.reset(seed=9)
        copy.reset(seed=9)
    for one, other in zip(original.step(action)[:4], copy.step(action)[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(original.reset()[0], copy.reset()[0])
    with pytest.raises(ValueError, match="must be"):
        copy.step(action + 99)
