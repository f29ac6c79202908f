"""Agents for tasks that are alone: repeatability of training, results, checkpoints and settings."""

import json
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from agents import training
from agents.learning.heads import Shape
from agents.learning.networks import SeparateNetworks
from agents.learning.settings import PpoSettings, changed, check_settings
from agents.registry import make_policy
from agents.split_inference.checkpoint import METADATA_KEY, Checkpoint, require_unseen
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.isolated_tasks import IsolatedTasks
from agents.split_inference.learned import Learned, actor_logits
from agents.trainer import train_agent
from agents.training import TrainingFiles, train_missing, train_one
from emulator.core.cache import Cache
from emulator.policy import decision_ns_of
from emulator.profile import ModelProfile
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import System
from emulator.task import Task
from tests.agents.systems import CHAT, CONVNET, IMAGE, small_system
from topologies.loading.loader import load

EPISODES = Episodes([small_system(1), small_system(2)], EpisodeSettings(24, 16, 3))
TASKS = IsolatedTasks(EPISODES)
BRIEF = {"total_timesteps": 4_096, "num_envs": 16}
QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"


def train(agent: str, seed: int) -> tuple[Checkpoint, list[dict[str, Any]]]:
    return train_agent(agent, TASKS, BRIEF, seed, silent)


@cache
def trained(agent: str) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """Return an agent that tests share, and its curve."""
    return train(agent, 1)


def silent(*_: object) -> None:
    """Ignore progress."""


def test_curve_has_the_usual_diagnostics() -> None:
    ppo, a3c = trained("ppo")[1], trained("a3c")[1]
    assert all(point["approx_kl"] > -1e-6 and 0 <= point["clipfrac"] <= 1 for point in ppo)
    assert all(point["approx_kl"] is point["clipfrac"] is None for point in a3c)
    assert all(point["explained_variance"] <= 1 for point in ppo + a3c)


@pytest.mark.parametrize("agent", ["ppo", "a2c", "a3c"])
def test_the_same_seed_trains_the_same_agent(agent: str) -> None:
    torch.set_num_threads(2)
    before = torch.random.get_rng_state()
    first, curve = train(agent, 7)
    assert torch.equal(torch.random.get_rng_state(), before)  # training draws from its own generators only
    assert torch.get_num_threads() == 2
    assert first.training.threads == 1
    torch.rand(3)
    torch.set_num_threads(1)
    second, again = train(agent, 7)
    assert first.sha256 == second.sha256
    assert curve == again
    assert train(agent, 8)[0].sha256 != first.sha256


def test_asynchronous_workers_learn_too() -> None:
    _, curve = train_agent("a3c", TASKS, {"total_timesteps": 20_000, "asynchronous": True, "workers": 2}, 1, silent)
    assert curve[-1]["episode_return"] > curve[0]["episode_return"] + 1


@pytest.mark.parametrize("agent", ["ppo", "a2c", "a3c"])
def test_agent_learns_a_nearly_optimal_policy(agent: str) -> None:
    """On a constant channel the best choice is the table's maximum."""
    system = small_system(1)
    links = tuple(
        replace(link, trace=replace(link.trace, columns={"capacity_bits": np.full(400, 30_000 * (1 + number % 3))}))
        for number, link in enumerate(system.links)
    )
    episodes = Episodes([replace(system, links=links)], EpisodeSettings(16, 16, 0))
    checkpoint, _ = train_agent(agent, IsolatedTasks(episodes), {"total_timesteps": 40_000}, 1, silent)
    table = episodes.table()
    rows = [row for row in range(len(table.masks)) if table.rewards[row].any()]
    chosen = actor_logits(checkpoint.weights, table.observations[rows], table.masks[rows]).argmax(axis=1)
    found = np.mean([table.rewards[row, action] for row, action in zip(rows, chosen, strict=True)])
    best = table.rewards[rows].max(axis=1).mean()
    uniform = table.rewards[rows].mean()
    assert found - best > 0.1 * (uniform - best)  # at most a tenth of the loss of random choices


def test_policy_in_numpy_equals_network_in_torch() -> None:
    checkpoint, _ = trained("ppo")
    layout = EPISODES.layout
    model = SeparateNetworks(Shape(layout.features, 1, layout.choices), 64, torch.Generator().manual_seed(0))
    names = {name.removeprefix("actor."): torch.from_numpy(value) for name, value in checkpoint.weights.items()}
    model.actor.load_state_dict(names)
    table = EPISODES.table()
    with torch.no_grad():
        expected = model.actor(torch.from_numpy(table.observations)).numpy()
    for row in range(0, len(table.masks), 7):
        found = actor_logits(checkpoint.weights, table.observations[row], table.masks[row])
        np.testing.assert_allclose(found[table.masks[row]], expected[row][table.masks[row]], rtol=1e-4, atol=1e-5)
        assert np.all(np.isneginf(found[~table.masks[row]]))


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    checkpoint, _ = trained("a3c")
    checkpoint.save(tmp_path / "a3c.safetensors")
    loaded = Checkpoint.load(tmp_path / "a3c.safetensors")
    assert loaded.sha256 == checkpoint.sha256
    assert loaded.training == checkpoint.training
    assert loaded.layout == checkpoint.layout
    assert [path.name for path in tmp_path.iterdir()] == ["a3c.safetensors"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint, _ = trained("ppo")
    path = tmp_path / "ppo.safetensors"
    checkpoint.save(path)
    good = path.read_bytes()
    renamed = good.replace(b"airsplit.", b"elsewise.")
    for damaged in (b"", b"PK\x03\x04 a zip", good[:-5], good[:-3] + bytes(3), renamed):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"ppo\.safetensors: ") as caught:
            Checkpoint.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="none: must be a checkpoint"):
        Checkpoint.load(tmp_path / "none")


def test_a_checkpoint_for_another_system_is_refused() -> None:
    checkpoint, _ = trained("ppo")
    with pytest.raises(ValueError, match="ppo: checkpoint does not match the scenario: node edge2, node cloud"):
        make_policy("ppo", {}, small_system(servers=("edge1",)), checkpoint)


def test_a_checkpoint_of_the_other_agent_is_refused() -> None:
    checkpoint, _ = trained("a3c")
    with pytest.raises(ValueError, match=r"^type=ppo: must have a checkpoint of ppo, not of a3c$"):
        make_policy("ppo", {}, small_system(), checkpoint)


def test_checkpoint_must_match_servers_and_models() -> None:
    checkpoint, _ = trained("ppo")
    system = small_system()
    edge3 = replace(system.nodes["edge1"], name="edge3")
    with pytest.raises(ValueError, match=r"ppo: checkpoint does not match the scenario: new node edge3: must be"):
        make_policy("ppo", {}, replace(system, nodes={**system.nodes, "edge3": edge3}), checkpoint)
    more = small_system(ues=3)
    assert isinstance(make_policy("ppo", {}, more, checkpoint), Learned)  # UEs share their actions

    def with_model(model: ModelProfile) -> System:
        kinds = {"image": replace(IMAGE, model=model), "chat": CHAT}
        streams = tuple(replace(stream, kind=kinds[stream.kind.name]) for stream in system.streams)
        return replace(system, streams=streams)

    with pytest.raises(ValueError, match=r"scenario: model other of image \(trained with convnet\): must be"):
        make_policy("ppo", {}, with_model(replace(CONVNET, name="other")), checkpoint)
    heavier = replace(CONVNET, layers=(*CONVNET.layers[:3], replace(CONVNET.layers[3], flops=1)))
    with pytest.raises(ValueError, match=r"scenario: model convnet of image \(trained with other layers\): must be"):
        make_policy("ppo", {}, with_model(heavier), checkpoint)


@pytest.mark.parametrize("header", ["[" * 200_000, None], ids=["nested", "digest"])
def test_invalid_header_is_one_line(tmp_path: Path, header: str | None) -> None:
    checkpoint, _ = trained("ppo")
    path = tmp_path / "ppo.safetensors"
    data = {"layout": checkpoint.layout.as_data(), "training": checkpoint.training._asdict(), "sha256": 7}
    save_file(dict(checkpoint.weights), path, metadata={METADATA_KEY: header or json.dumps(data)})
    with pytest.raises(ValueError, match=r"ppo\.safetensors: must be a checkpoint that airsplit wrote") as caught:
        Checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    checkpoint, _ = trained("ppo")
    with pytest.raises(ValueError, match=r"none/ppo\.safetensors: folder must exist$"):
        checkpoint.save(tmp_path / "none" / "ppo.safetensors")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ValueError, match=r"taken: must be a file, not a folder or device") as caught:
        checkpoint.save(tmp_path / "taken")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_training_and_test_share_no_trace() -> None:
    trained, other = small_system(1), small_system(5)
    with pytest.raises(ValueError, match="training must share no data"):
        train_agent("ppo", TASKS, {"total_timesteps": 10}, 1, silent, tested=[other, trained])
    checkpoint, _ = train_agent("ppo", TASKS, {"total_timesteps": 10}, 1, silent, tested=[other])
    require_unseen(checkpoint, other)
    with pytest.raises(ValueError, match="ppo: trace ue1-gnb: must share no lineage"):
        require_unseen(checkpoint, trained)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"speed": 1}, r"settings\.speed: must be one of total_timesteps, "),
        ({"total_timesteps": 1.5}, r"settings\.total_timesteps=1\.5: must be a whole number of at least 1"),
        ({"total_timesteps": 0}, r"settings\.total_timesteps=0: must be a whole number of at least 1"),
        ({"hidden": 0}, r"settings\.hidden=0: must be a whole number of at least 1"),
        ({"hidden": ""}, r"settings\.hidden='': must be a whole number of at least 1"),
        ({"update_epochs": True}, r"settings\.update_epochs=True: must be a whole number of at least 1"),
        ({"clip_coef": "much"}, r"settings\.clip_coef='much': must be a number from 0 to 1e\+30"),
        ({"gamma": True}, r"settings\.gamma=True: must be a number from 0 to 1"),
        ({"gae_lambda": 1.5}, r"settings\.gae_lambda=1\.5: must be a number from 0 to 1"),
        ({"clip_coef": -1}, r"settings\.clip_coef=-1: must be a number from 0 to 1e\+30"),
        ({"clip_coef": float("nan")}, r"settings\.clip_coef=nan: must be a number from 0 to 1e\+30"),
        ({"clip_coef": float("inf")}, r"settings\.clip_coef=inf: must be a number from 0 to 1e\+30"),
        ({"learning_rate": 10**400}, r"settings\.learning_rate=10+: must be a number from 0 to 1e\+30"),
    ],
)
def test_invalid_setting_is_named(values: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as caught:
        check_settings("ppo", values)
    assert "\n" not in str(caught.value)
    check_settings("ppo", {"gamma": 1, "update_epochs": 2})
    assert changed(PpoSettings(), {"gamma": 1, "update_epochs": 2}) == PpoSettings(gamma=1, update_epochs=2)


def test_settings_depend_on_the_agent() -> None:
    with pytest.raises(ValueError, match=r"settings\.workers=0: must be a whole number of at least 1"):
        check_settings("a3c", {"workers": 0})
    with pytest.raises(ValueError, match=r"settings\.workers: must be one of total_timesteps, num_envs"):
        check_settings("ppo", {"workers": 1})
    with pytest.raises(ValueError, match=r"settings\.asynchronous=1: must be true or false"):
        check_settings("a3c", {"asynchronous": 1})
    with pytest.raises(ValueError, match=r"agent=dqn: must be ppo, a2c, a3c"):
        check_settings("dqn", {})
    check_settings("a3c", {"asynchronous": True, "total_timesteps": 1, "workers": 1})


def test_settings_are_checked_before_any_episode() -> None:
    scenario = load(
        QUICKSTART, ["policies=[{type: a3c, settings: {workers: 0}}]", "hil.policies=[a3c]", "realtime.policy=a3c"]
    )
    reports: list[tuple[str, int, int]] = []
    with pytest.raises(ValueError, match=r"settings\.workers=0"):
        train_missing(scenario, QUICKSTART.parent, lambda *each: reports.append(each), {}, Cache())
    with pytest.raises(ValueError, match=r"settings\.workers=0"):
        train_one(scenario, QUICKSTART.parent, "a3c", 1, lambda *each: reports.append(each), Cache())
    assert reports == []


@pytest.mark.parametrize("agent", ["ppo", "a3c"])
@pytest.mark.parametrize("total_timesteps", [1, 9_000, 152 * 128])
def test_progress_ends_at_its_total(agent: str, total_timesteps: int) -> None:
    reports: list[tuple[str, int, int, str]] = []
    settings = (
        {"total_timesteps": total_timesteps, "update_epochs": 1}
        if agent == "ppo"
        else {"total_timesteps": total_timesteps}
    )
    _, curve = train_agent(agent, TASKS, settings, 1, lambda *each: reports.append(each))
    what, done, total, detail = reports[-1]
    assert (what, done) == (agent, total)
    assert detail.endswith(" steps/s")
    assert curve[-1]["step"] == total
    assert sum(done == total for _, done, total, _ in reports) == 1


@pytest.mark.parametrize("agent", ["ppo", "a3c"])
def test_weights_that_are_not_finite_are_refused(agent: str) -> None:
    with pytest.raises(ValueError, match=f"^{agent}: settings must keep the weights finite"):
        train_agent(agent, TASKS, {"total_timesteps": 9_000, "learning_rate": 1e30}, 1, silent)


def test_training_for_a_source_without_links() -> None:
    """Every choice but the own device is masked."""
    system = small_system(1, ues=1)
    nodes = {"ue1": system.nodes["ue1"]}
    placements = {key: candidates[:1] for key, candidates in system.placements.items()}
    control = replace(system.control, node="ue1")
    alone = replace(system, nodes=nodes, links=(), placements=placements, control=control)
    episodes = Episodes([alone], EpisodeSettings(4, 4, 0))
    checkpoint, _ = train_agent("a3c", IsolatedTasks(episodes), {"total_timesteps": 10}, 1, silent)
    task = Task("ue1", IMAGE, 0, 0)
    observation = DelayedObservation(task, 0, Network(alone), placements["ue1", "image"])
    assert make_policy("a3c", {}, alone, checkpoint).decide(observation) == placements["ue1", "image"][0]


def test_an_asynchronous_agent_is_trained_without_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EpisodeSettings", partial(EpisodeSettings, 8, 8))  # 64 take seconds
    changes = [
        "tasks[0].cuts=[13]",
        "training.steps=512",
        "training.traces=1",
        "training.duration_s=2",
        "duration_s=1",
        "hil=null",
    ]
    changes += ["policies=[{type: a3c, settings: {asynchronous: true, workers: 1}}]", "realtime.policy=a3c"]
    scenario, files = load(QUICKSTART, changes), TrainingFiles(tmp_path / "state", save_every_s=0)
    train_one(scenario, QUICKSTART.parent, "a3c", 1, silent, Cache(), files)
    (tmp_path / "state").write_bytes(b"of another")
    with pytest.raises(ValueError, match=r"^settings\.asynchronous=True: must be false for a training that is resumed"):
        train_one(scenario, QUICKSTART.parent, "a3c", 1, silent, Cache(), replace(files, resume=True))


def test_missing_agents_of_a_scenario_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EpisodeSettings", partial(EpisodeSettings, 8, 8))  # 64 take seconds
    changes = ["tasks[0].cuts=[13]", "training.steps=2048", "training.traces=2", "training.duration_s=10"]
    scenario = load(QUICKSTART, changes)
    reports: list[tuple[Any, ...]] = []
    agents = train_missing(scenario, QUICKSTART.parent, lambda *each: reports.append(each), {}, Cache())
    assert set(agents) == {"ppo", "a2c", "a3c"}
    assert {name for name, *_ in reports} == {"episodes", "ppo", "a2c", "a3c"}
    assert all(done <= total for _, done, total, *_ in reports)
    for label, (checkpoint, curve) in agents.items():
        assert checkpoint.training.agent == label
        assert {"agent", "seed", "step", "episode_return"} <= curve[0].keys()
        json.dumps(curve)


def test_deciding_needs_no_torch(tmp_path: Path) -> None:
    checkpoint, _ = trained("ppo")
    checkpoint.save(tmp_path / "ppo.safetensors")
    code = f"""
import sys
from pathlib import Path
from agents.split_inference.checkpoint import Checkpoint
from agents.registry import make_policy
import agents.training, agents.split_inference.bound
from agents.learning.settings import check_settings
from tests.agents.systems import small_system
check_settings("a3c", {{"workers": 2}})
make_policy("ppo", {{}}, small_system(1), Checkpoint.load(Path({str(tmp_path / "ppo.safetensors")!r})))
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""
    run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_learned_policy_chooses_a_candidate() -> None:
    checkpoint, _ = trained("ppo")
    system = small_system(9)
    network, places = Network(system), system.placements["ue1", "image"]
    policy = make_policy("ppo", {}, system, checkpoint)
    task = Task("ue1", IMAGE, 0, 10**9)
    assert policy.decide(DelayedObservation(task, 10**9, network, places)) in places
    few = places[5:6]
    assert policy.decide(DelayedObservation(task, 10**9, network, few)) == few[0]


def test_a_learned_policy_takes_the_time_that_the_scenario_gives() -> None:
    checkpoint, _ = trained("a2c")
    assert decision_ns_of(make_policy("a2c", {"decision_ms": 0.25}, small_system(), checkpoint)) == 250_000
    scenario = load(QUICKSTART, ["policies=[{type: a2c}]", "hil=null", "realtime.policy=a2c"])
    (section,) = scenario.policies
    assert section.model_dump()["decision_ms"] == 0.1
    with pytest.raises(ValueError, match=r"policies\[0\]\.decision_ms=-1"):
        load(QUICKSTART, ["policies=[{type: a2c, decision_ms: -1}]", "hil=null", "realtime.policy=a2c"])
