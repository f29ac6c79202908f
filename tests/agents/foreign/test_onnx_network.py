"""Networks in ONNX decide as the arithmetic that they hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.offload.episodes import coupled_layout_of
from agents.registry import make_policy
from agents.split_inference.encoding import Layout, layout_of
from agents.split_inference.run_encoder import RunEncoder
from emulator.policy import Observation, RecordingPolicy
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Control, System
from emulator.task import Placement
from tests.agents.foreign.networks import best_of, save_linear, weights_of
from tests.agents.systems import small_system
from tests.extras import module_of_extra

ONNX = {"environment": None, "input": None, "mask_input": None, "output": None, "decision_ms": 0.0}
LAYOUTS = {"split-inference": layout_of, "offload": coupled_layout_of}


@pytest.fixture(autouse=True)
def _runtime() -> None:
    module_of_extra("onnxruntime", "onnx")


class Expected:
    """Decides by the weights that a network was made of, and keeps the numbers of its choices."""

    def __init__(self, layout: Layout, weights: Any, control: Control) -> None:
        self.encoder, self.weights = RunEncoder(layout, control), weights
        self.hear = self.encoder.hear
        self.chosen: list[int] = []

    def decide(self, observation: Observation) -> Placement:
        features, placements, mask = self.encoder.encode(observation)
        self.chosen.append(best_of(features @ self.weights, mask))
        self.encoder.note(observation, placements[self.chosen[-1]])
        return placements[self.chosen[-1]]


def policy_of(file: Path, system: System, **options: Any) -> Any:
    return make_policy("onnx", {**ONNX, "file": str(file), **options}, system)


def decisions(system: System, policy: Any, folder: Path) -> list[Placement]:
    noted = RecordingPolicy(policy)
    with Records(folder) as records:
        Simulation(system).run(noted, "one", records)
    return [each.placement for each in noted.decisions]


@pytest.mark.parametrize("environment", LAYOUTS)
@pytest.mark.parametrize("mask_bias", [None, -50.0])
def test_a_run_is_that_of_the_same_arithmetic(environment: str, mask_bias: float | None, tmp_path: Path) -> None:
    """A mask that lowers what is allowed shows that it arrives, and changes no decision."""
    system = small_system()
    layout = LAYOUTS[environment](system)
    weights = weights_of(layout.features, layout.choices)
    file = save_linear(tmp_path / "linear.onnx", weights, mask_bias)
    expected = Expected(layout, weights, system.control)
    assert decisions(system, policy_of(file, system), tmp_path) == decisions(system, expected, tmp_path)
    assert len(set(expected.chosen)) > 1


def test_the_mask_reaches_the_network(tmp_path: Path) -> None:
    """What is no number is added to the allowed choices."""
    system = small_system()
    layout = layout_of(system)
    weights = weights_of(layout.features, layout.choices)
    file = save_linear(tmp_path / "linear.onnx", weights, float("nan"))
    with pytest.raises(ValueError, match=r"linear\.onnx: must give a number for each choice, not NaN$"):
        decisions(system, policy_of(file, system), tmp_path)


def test_names_choose_inputs_and_outputs(tmp_path: Path) -> None:
    system = small_system()
    layout = layout_of(system)
    file = save_linear(tmp_path / "linear.onnx", weights_of(layout.features, layout.choices), 1.0)
    named = policy_of(file, system, input="seen", mask_input="mask", output="scores")
    assert decisions(system, named, tmp_path) == decisions(system, policy_of(file, system), tmp_path)
    with pytest.raises(ValueError, match=r"^output=logits: must be one of scores, value, which .*linear\.onnx has$"):
        policy_of(file, system, output="logits")
    with pytest.raises(ValueError, match=r"must give a score for each of the scenario's \d+ choices, not 1$"):
        policy_of(file, system, output="value")
    with pytest.raises(ValueError, match=r"^mask_input=seen: must be one of mask"):
        policy_of(file, system, mask_input="seen")


def test_decisions_take_time(tmp_path: Path) -> None:
    system = small_system()
    layout = layout_of(system)
    file = save_linear(tmp_path / "linear.onnx", weights_of(layout.features, layout.choices))
    assert policy_of(file, system, decision_ms=0.25).decision_ns == 250_000


def test_other_sizes_are_refused(tmp_path: Path) -> None:
    system = small_system()
    features, choices = layout_of(system).features, layout_of(system).choices
    coupled = coupled_layout_of(system).features
    file = save_linear(tmp_path / "wide.onnx", weights_of(features + 1, choices))
    sizes = rf"{features} \(split-inference\) or {coupled} \(offload\), not {features + 1}$"
    with pytest.raises(ValueError, match=sizes):
        policy_of(file, system)
    file = save_linear(tmp_path / "coupled.onnx", weights_of(coupled, choices))
    with pytest.raises(ValueError, match=rf"scenario, {features} \(split-inference\), not {coupled}$"):
        policy_of(file, system, environment="split-inference")
    file = save_linear(tmp_path / "few.onnx", weights_of(features, choices - 1))
    with pytest.raises(ValueError, match=rf"each of the scenario's {choices} choices, not {choices - 1}$"):
        policy_of(file, system)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "no.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"no\.onnx: must be a network in ONNX in one file") as refused:
        policy_of(file, small_system())
    assert "\n" not in str(refused.value)


def test_a_system_of_other_servers_is_refused(tmp_path: Path) -> None:
    """Fewer servers make fewer features."""
    system = small_system()
    layout = layout_of(system)
    file = save_linear(tmp_path / "linear.onnx", weights_of(layout.features, layout.choices))
    with pytest.raises(ValueError, match="must take the features"):
        policy_of(file, replace(small_system(servers=("edge1", "cloud")), seed=5))
