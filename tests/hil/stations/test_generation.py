"""Text that is generated through two nodes' layers, each with its own key-value cache, message by message."""

import struct
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from emulator.task import Partition, Task, TaskKind
from hil.mqtt.address import Address
from hil.mqtt.broker import Broker
from hil.stations.event_log import Event
from hil.stations.layers import NodeLayers
from hil.stations.messages import MessageKey
from hil.stations.planning import make_schedule
from hil.stations.schedule import Schedule, StationModel
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system, run
from tests.topologies.models.small_models import save_model
from topologies.models.chain import Chain, ModelPlan, Session
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.profiles import cached_profile
from topologies.models.registry import model_plan, plan_input
from topologies.profiles import load_profile

TOKENS = 64
NO_BROKER = Address("127.0.0.1", 1)


def schedule_of(
    of: TaskKind,
    *parts: Partition,
    models: dict[str, StationModel] | None = None,
    broker: Address = NO_BROKER,
) -> Schedule:
    system = make_system([of], {"ue1": FAST, "edge1": FAST, "edge2": FAST})
    task = Task("ue1", of, 0, 0, 7, TOKENS)
    addresses = free_addresses(["ue1", "edge1", "edge2"])
    return make_schedule(system, [(task, parts)], addresses, broker, models=models)


def text_of(schedule: Schedule, layers: dict[str, NodeLayers]) -> list[int]:
    """Return the tokens in the result's message, after every pass has gone through the nodes' layers."""
    job = schedule.jobs[0]
    placement = schedule.plan(job).placement
    x = layers[placement[0].node].input(job)
    for step in range(schedule.steps(job)):
        for stage, (node, *_) in enumerate(placement):
            key = MessageKey(0, step, stage)
            output, _ = layers[node].run(job, key, x)
            layers[node].record_answer(job, key, output)
            leg = schedule.next_leg(job, step, stage)
            message = layers[node].encode(job, key, leg, output)
            if leg.stage < len(placement) and leg.step < schedule.steps(job):
                x = layers[placement[leg.stage].node].decode(job, message)
    return list(struct.unpack(f"<{TOKENS}i", message.data))


def greedy(plan: ModelPlan, prompt: torch.Tensor) -> list[int]:
    """Return the text of the whole model without any cache."""
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(0)
    tokens = prompt
    for _ in range(TOKENS):
        tokens = torch.cat([tokens, chain(tokens)[:, -1:].argmax(-1)], dim=1)
    return tokens[0, prompt.shape[1] :].tolist()


@pytest.mark.parametrize("nodes", [("edge1", "edge2"), ("edge1", "edge2", "edge1"), ("edge1",)])
def test_text_through_caches_is_that_of_the_whole_model(nodes: tuple[str, ...]) -> None:
    of = kind("llama-15m")
    bounds = {1: (0, 8), 2: (0, 4, 8), 3: (0, 2, 5, 8)}[len(nodes)]
    parts = [Partition(node, bounds[index], bounds[index + 1]) for index, node in enumerate(nodes)]
    schedule = schedule_of(of, *parts)
    layers = {node: NodeLayers(schedule, node) for node in set(nodes)}
    plan = model_plan("llama-15m")
    prompt = plan_input(plan, schedule.jobs[0].input_seed, tokens=7)
    assert text_of(schedule, layers) == greedy(plan, prompt)
    assert all(not each._sessions for each in layers.values())


def test_text_of_the_trained_model_through_two_nodes_is_that_of_the_whole_model() -> None:
    """SmolLM2, cut in its middle: 64 tokens, each of which crosses twice."""
    of = kind("smollm2-135m")
    schedule = schedule_of(of, Partition("edge1", 0, 16), Partition("edge2", 16, 32))
    layers = {node: NodeLayers(schedule, node) for node in ("edge1", "edge2")}
    plan = model_plan("smollm2-135m")
    assert text_of(schedule, layers) == greedy(plan, plan_input(plan, schedule.jobs[0].input_seed, tokens=7))


@pytest.mark.timeout(900)
def test_text_of_two_processes_is_that_of_the_whole_model(amqtt: Broker, tmp_path: Path) -> None:
    """Two stations, each with its own cache, and a broker between them. Each pass has the whole model's scores."""
    of = kind("smollm2-135m")
    schedule = schedule_of(of, Partition("edge1", 0, 16), Partition("edge2", 16, 32), broker=amqtt.address)
    plan = model_plan("smollm2-135m")
    prompt = plan_input(plan, schedule.jobs[0].input_seed, tokens=7)
    finished = run(schedule, tmp_path, 150)
    assert finished.waiting == ()
    found = [row["answer"] for step in range(TOKENS) for row in finished.rows_of(0, Event.COMPUTED, 1, step)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as stations: the last bit depends on it
    tokens, digests = cached_greedy(plan, prompt)
    text = greedy(plan, prompt)
    torch.set_num_threads(threads)
    assert tokens == text
    assert found == digests


def cached_greedy(plan: ModelPlan, prompt: torch.Tensor) -> tuple[list[int], list[int]]:
    """Return the text of the whole model with one cache, and the digest of each token's scores, as stations log it."""
    chain, session = Chain(plan, 0, len(plan.layers)), Session()
    chain.materialise(0)
    tokens, digests, x = [], [], prompt
    for _ in range(TOKENS):
        scores = chain(x, session)[:, -1]
        digests.append(int.from_bytes(sha256(scores.numpy().tobytes()).digest()[:8], "little"))
        x = scores.argmax(-1, keepdim=True)
        tokens.append(int(x))
    return tokens, digests


def test_text_of_a_folders_model_is_generated_from_its_weights(tmp_path: Path) -> None:
    save_model("qwen3", tmp_path)
    folder = ModelFolder(tmp_path)
    profile = load_profile(str(cached_profile("mine", folder.config, "fp32")))
    of = replace(kind("llama-15m"), name="mine", model=profile)
    models = {"mine": StationModel(str(tmp_path), "fp32")}
    schedule = schedule_of(of, Partition("edge1", 0, 3), Partition("edge2", 3, 6), models=models)
    layers = {node: NodeLayers(schedule, node) for node in ("edge1", "edge2")}
    plan = folder_plan("mine", folder)
    assert text_of(schedule, layers) == greedy(plan, plan_input(plan, schedule.jobs[0].input_seed, tokens=7))
