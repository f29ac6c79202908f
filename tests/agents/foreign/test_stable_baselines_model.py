"""Models of Stable-Baselines3 and sb3-contrib decide as their own `predict` does, among what is allowed."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import gymnasium
import numpy as np
import pytest
from pydantic import ValidationError

from agents.foreign.stable_baselines_model import ALGORITHMS, load_model
from agents.offload.environment import Offload
from agents.offload.episodes import OffloadSettings, coupled_layout_of
from agents.registry import make_policy
from agents.split_inference.run_encoder import RunEncoder
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement
from tests.agents.foreign.test_onnx_network import decisions
from tests.agents.systems import small_system
from tests.extras import module_of_extra
from topologies.schema.policies import StableBaselinesSection


@pytest.fixture(scope="module")
def system() -> System:
    return small_system()


def model_of(algorithm: str, system: System) -> Any:
    """Return a model that was not trained; scores of its choices differ all the same."""
    package = module_of_extra(ALGORITHMS[algorithm].package, "baselines")
    policy = "MlpLstmPolicy" if algorithm == "RecurrentPPO" else "MlpPolicy"
    few = {"buffer_size": 100} if "DQN" in algorithm else {}
    model = getattr(package, algorithm)(policy, Offload([system], OffloadSettings(1, 0)), seed=3, device="cpu", **few)
    for name, values in model.policy.named_parameters():  # initial ones are nearly equal for all choices
        if name.startswith("action_net"):
            values.data *= 100
    return model


def options_of(file: Path, algorithm: str) -> dict[str, Any]:
    given = {"type": "sb3", "file": str(file), "algorithm": algorithm, "trust": True, "decision_ms": 0.0}
    section = StableBaselinesSection.model_validate(given)
    return section.model_dump(exclude={"type", "label"})


def save(model: Any, folder: Path) -> Path:
    file = folder / "model.zip"
    model.save(file)
    return file


def test_every_algorithm_of_the_schema_is_known() -> None:
    assert get_args(StableBaselinesSection.model_fields["algorithm"].annotation) == tuple(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_where_all_is_allowed_the_choice_is_that_of_predict(algorithm: str, system: System, tmp_path: Path) -> None:
    model = model_of(algorithm, system)
    file = save(model, tmp_path)
    scores, layout = load_model(file, options_of(file, algorithm), system)
    state: Any = None
    chosen = set()
    for features in np.random.default_rng(0).uniform(-2, 2, (20, layout.features)).astype(np.float32):
        expected, state = model.predict(features, state=state, deterministic=True)
        chosen.add(int(expected))
        assert np.argmax(scores(features, np.ones(layout.choices, np.bool_))) == expected
    assert len(chosen) > 1


class Predicting:
    """Decides by MaskablePPO's `predict`, which takes the mask."""

    def __init__(self, model: Any, system: System) -> None:
        self.model, self.encoder = model, RunEncoder(coupled_layout_of(system), system.control)
        self.hear = self.encoder.hear

    def decide(self, observation: Observation) -> Placement:
        features, placements, mask = self.encoder.encode(observation)
        placement = placements[int(self.model.predict(features, action_masks=mask, deterministic=True)[0])]
        self.encoder.note(observation, placement)
        return placement


def test_a_run_is_that_of_predict_with_masks(system: System, tmp_path: Path) -> None:
    model = model_of("MaskablePPO", system)
    file = save(model, tmp_path)
    loaded = make_policy("sb3", options_of(file, "MaskablePPO"), system)
    expected = Predicting(model, system)
    assert decisions(system, loaded, tmp_path) == decisions(system, expected, tmp_path)


def test_algorithms_without_masks_take_candidates_alone(system: System, tmp_path: Path) -> None:
    """The best of all choices is none of the candidates of UE 1, which may compute nowhere else."""
    alone = {key: each[:1] if key[0] == "ue1" else each for key, each in system.placements.items()}
    local = {placements[0] for (source, _), placements in alone.items() if source == "ue1"}
    model = model_of("DQN", system)
    file = save(model, tmp_path)
    loaded = make_policy("sb3", options_of(file, "DQN"), replace(system, placements=alone))
    placed = decisions(replace(system, placements=alone), loaded, tmp_path)
    assert {each for each in placed if each[0].node == "ue1"} == local


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (gymnasium.spaces.Box(-1, 1, (3,)), "must take the features of an environment of the scenario, .*, not 3$"),
        (gymnasium.spaces.Box(-1, 1, (3, 2)), r"must observe the features alone, shape \(features,\), not Box"),
    ],
)
def test_other_observations_are_refused(
    space: gymnasium.Space[Any], message: str, system: System, tmp_path: Path
) -> None:
    class Other(gymnasium.Env[Any, Any]):
        observation_space, action_space = space, gymnasium.spaces.Discrete(4)

    model = module_of_extra("stable_baselines3", "baselines").PPO("MlpPolicy", Other(), n_steps=2, batch_size=2)
    file = save(model, tmp_path)
    with pytest.raises(ValueError, match=message):
        make_policy("sb3", options_of(file, "PPO"), system)


def test_a_model_of_another_algorithm_is_refused_in_one_line(system: System, tmp_path: Path) -> None:
    file = save(model_of("DQN", system), tmp_path)
    with pytest.raises(ValueError, match=r"model\.zip: must be a model that PPO\.save wrote") as refused:
        make_policy("sb3", options_of(file, "PPO"), system)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_trusted_is_refused() -> None:
    with pytest.raises(ValidationError, match="must have trust: true: files of Stable-Baselines3 are pickles"):
        StableBaselinesSection(type="sb3", file="model.zip", algorithm="PPO")
