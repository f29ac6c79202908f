"""Trained models on workers: a worker's own copy of the weights, and models known by received settings alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hil import control_messages
from hil.deployment import LayerId, chunk, digest
from hil.mqtt.broker import Broker
from hil.runtime import Runtime, layer_bytes
from hil.scenario_models import ScenarioModel, scenario_models
from hil.testbed.coordinator import Coordinator
from hil.transfers import Transfers
from tests.hil.lab import NODE_WORKERS, expected_of, kind, split, system, task
from tests.topologies.models.small_models import save_model
from tests.topologies.models.test_sources import scenario_with
from topologies.build.conversion import profiles_of
from topologies.models.language.packages import PACKAGES
from topologies.models.language.smollm2 import plan

SMOLLM2 = LayerId("smollm2-135m", 0, 3)


def offer_of(layer: LayerId, data: bytes) -> control_messages.Offer:
    return control_messages.Offer(1, layer.model, layer.seed, layer.index, digest(data).hex(), len(data))


def test_worker_with_the_package_takes_no_weights_from_the_air() -> None:
    runtime = Runtime()
    transfers = Transfers("w1", 10**9, runtime)
    data = layer_bytes(SMOLLM2)
    assert transfers.offer(offer_of(SMOLLM2, data)).missing == ()
    assert runtime.holds(SMOLLM2, digest(data))
    other = offer_of(replace(SMOLLM2, index=4), data)
    assert transfers.offer(other).missing == (0, 1, 2, 3)  # its own layer 4 has another digest


def test_worker_without_the_package_is_sent_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = layer_bytes(SMOLLM2)
    known = PACKAGES["smollm2"]
    absent = {"smollm2": known._replace(gguf=known.gguf._replace(package="llm-nothing"))}
    monkeypatch.setattr("topologies.models.language.packages.PACKAGES", absent)
    monkeypatch.setenv("AIRSPLIT_MODELS", str(tmp_path))
    runtime = Runtime()
    monkeypatch.setattr("hil.runtime.model_plan", plan)  # without the files that the other tests have opened
    transfers = Transfers("w1", 10**9, runtime)
    offer = offer_of(SMOLLM2, data)
    assert transfers.offer(offer).missing == (0, 1, 2, 3)
    for index in range(4):
        holding = transfers.take(chunk(data, digest(data), index))
    assert holding.missing == ()
    assert runtime.holds(SMOLLM2, digest(data))


def test_memory_bounds_the_workers_own_copy_too() -> None:
    data = layer_bytes(SMOLLM2)
    runtime = Runtime()
    assert Transfers("w1", len(data) - 1, runtime).offer(offer_of(SMOLLM2, data)).error == control_messages.NO_MEMORY
    assert runtime.held_bytes == 0


@pytest.mark.parametrize(("source", "is_deployed"), [("qwen2", True), ("gpt2", False)])
def test_model_of_a_folder_runs_on_workers_that_have_no_file_of_it(
    lab: Broker, source: str, is_deployed: bool, tmp_path: Path
) -> None:
    """Also if nothing was deployed before the task, as on a worker that was started again."""
    save_model(source, tmp_path)
    scenario = scenario_with(tmp_path, {"folder": "."})
    models = scenario_models(scenario, tmp_path)
    each = replace(kind("llama-15m"), name=source, model=profiles_of(scenario, tmp_path)["mine"])
    wanted = task(each)
    whole = expected_of(wanted, models["mine"].plan)
    with Coordinator(lab.address, NODE_WORKERS, system([each]), models=models) as coordinator:
        if is_deployed:
            coordinator.deploy()
        for cut in (0, 1, 3, 5, 6):
            inference = coordinator.infer(wanted, split(each, cut))
            assert inference.failure is None
            assert inference.result is not None
            assert inference.result.tolist() == whole.tolist()


def test_another_model_of_the_name_replaces_the_first(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    save_model("qwen2", tmp_path / "a")
    save_model("qwen3", tmp_path / "b")
    runtime = Runtime()
    for folder in ("a", "b"):
        scenario = scenario_with(tmp_path, {"folder": folder})
        model = scenario_models(scenario, tmp_path)["mine"]
        layer = LayerId("mine", 0, 1)
        data = layer_bytes(layer, model.plan)
        runtime.prepare("mine", json.dumps(dict(model.settings)), model.dtype)
        assert runtime.held_bytes == 0
        runtime.load(layer, data, digest(data))
        output, _ = runtime.run("mine", 0, 1, 2, torch.ones(1, 3, 48))
        assert output.shape == (1, 3, 48)


@pytest.mark.parametrize(
    ("settings", "dtype", "message"),
    [
        ("[]", "fp32", "mine: config.json: must be a JSON object"),
        ('{"model_type": "llama", "num_hidden_layers": 100000}', "fp32", "num_hidden_layers=100000: must be"),
        ('{"model_type": "llama"}', "fp64", "mine: dtype=fp64: must be one of bf16, fp16, fp32"),
        (
            '{"model_type": "qwen2", "hidden_act": "explode", "vocab_size": 8, "hidden_size": 8,'
            ' "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}',
            "fp32",
            "must fit together",
        ),
    ],
)
def test_received_settings_that_cannot_be_used_are_one_line(settings: str, dtype: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"mine|config") as caught:
        Runtime().prepare("mine", settings, dtype)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_models_need_no_settings(tmp_path: Path) -> None:
    found: Mapping[str, ScenarioModel] = scenario_models(scenario_with(tmp_path, {"package": "smollm2"}), tmp_path)
    assert found == {}
