"""The multi-agent form of the running system: what each UE knows, decides and pays is what happens in a run."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from agents.offload.environment import Offload
from agents.offload.episodes import OffloadSettings, episodes_of, system_of
from agents.split_inference.encoding import Layout
from agents.split_inference.learned import actor_logits
from emulator.core.arrays import Flags, Float32s
from emulator.system import System
from emulator.workload import Recorded
from tests.agents.offload.test_offload import QUICKSTART, Chosen, cost_of, coupled_systems, run
from tests.agents.systems import small_system
from tests.extras import module_of_extra

module_of_extra("pettingzoo", "multi-agent")
parallel: Any = module_of_extra("agents.offload.parallel", "multi-agent")
checks: Any = module_of_extra("pettingzoo.test", "multi-agent")

SYSTEMS = coupled_systems()
SETTINGS = OffloadSettings(2, 7)
Actor = Callable[[Float32s, Flags], int]


def controlled(node: str | None, age_ns: int) -> list[System]:
    """Return the systems with decisions at a node, None for the source of each task."""
    return [replace(each, control=replace(each.control, node=node, age_ns=age_ns)) for each in SYSTEMS]


def shared(layout: Layout) -> Flags:
    """Return which inputs are the same whoever decides: all but the work that a deciding node itself has ordered."""
    return np.array([not name.startswith("ordered") for name in layout.inputs])


def actor_of(layout: Layout) -> Actor:
    """Return an actor with random weights, the same for all UEs, which ignores what is not the same for all."""
    features, choices = layout.features, layout.choices
    rng = np.random.default_rng(5)
    weights = {
        "actor.0.weight": (rng.normal(size=(choices, features)) * shared(layout)).astype(np.float32),
        "actor.0.bias": np.zeros(choices, np.float32),
    }
    return lambda seen, mask: int(actor_logits(weights, seen, mask).argmax())


def play(environment: Any, episode: int) -> tuple[list[Float32s], list[int], dict[str, float]]:
    """Let all UEs of an episode use one actor. Return what was seen and chosen for each task, and what each UE paid."""
    actor = actor_of(environment.layout)
    seen, choices, paid = list[Float32s](), list[int](), dict.fromkeys(environment.possible_agents, 0.0)
    observations, infos = environment.reset(seed=1, options={"episode": episode})
    while environment.agents:
        placing = environment.observed
        actions = {agent: actor(observations[agent], infos[agent]["action_mask"]) for agent in environment.agents}
        assert {agent: action for agent, action in actions.items() if agent != placing and action} == {}
        seen.append(observations[placing])
        choices.append(actions[placing])
        observations, rewards, terminated, truncated, infos = environment.step(actions)
        assert not any(terminated.values())
        assert len(set(truncated.values())) == 1
        paid = {agent: paid[agent] - reward for agent, reward in rewards.items()}
    late = environment.outstanding_s()
    return seen, choices, {agent: paid[agent] + late[agent] for agent in paid}


@pytest.mark.parametrize("episode", range(2))
def test_each_ue_sees_and_pays_what_it_does_in_a_run(tmp_path: Path, episode: int) -> None:
    age_ns = SYSTEMS[0].control.age_ns
    seen, choices, paid = play(parallel.OffloadParallel(SYSTEMS, SETTINGS), episode)
    of_ues = []
    for node in (None, "ue1", "ue2"):
        systems = controlled(node, age_ns)
        system = system_of(systems, episodes_of(systems, SETTINGS)[episode])
        layout = Offload(systems, SETTINGS).layout
        policy = Chosen(layout, systems[0].control, choices, 0)
        rows = run(system, policy, tmp_path / str(node))
        assert {ue: cost_of(system, [row for row in rows if row["source"] == ue]) for ue in paid} == pytest.approx(paid)
        of_ues.append((policy.features, policy.sources))
    (own, sources), *others = of_ues
    np.testing.assert_array_equal(own, seen)
    for ue, (features, _) in zip(("ue1", "ue2"), others, strict=True):
        mine, known = np.array(sources) == ue, shared(layout)
        np.testing.assert_array_equal(np.array(features)[mine][:, known], np.array(seen)[mine][:, known])
        assert not np.array_equal(
            np.array(features)[~mine][:, known], np.array(seen)[~mine][:, known]
        )  # it hears later
        assert np.all(np.array(features)[mine] >= np.array(seen)[mine])  # it would have ordered others' work too


def test_ues_with_one_actor_record_what_the_control_node_does_if_both_know_the_same(tmp_path: Path) -> None:
    """Without age everybody knows everything but the orders of others."""
    systems = controlled("gnb", 0)
    environment, several = Offload(systems, SETTINGS), parallel.OffloadParallel(systems, SETTINGS)
    seen, choices, paid = play(several, 1)
    actor, observed, taken, rewards, over = actor_of(environment.layout), [], [], 0.0, False
    observation, info = environment.reset(options={"episode": 1})
    while not over:
        observed.append(observation)
        taken.append(actor(observation, info["action_mask"]))
        observation, reward, _, over, info = environment.step(taken[-1])
        rewards += reward
    known = shared(environment.layout)
    np.testing.assert_array_equal(np.array(observed)[:, known], np.array(seen)[:, known])
    assert taken == choices
    assert sum(paid.values()) == pytest.approx(environment.outstanding_s() - rewards, rel=1e-12)
    records: list[Any] = []
    for each in (systems, controlled(None, 0)):
        system = system_of(each, episodes_of(each, SETTINGS)[1])
        records.append(
            run(system, Chosen(environment.layout, each[0].control, choices, 0), tmp_path / str(len(records)))
        )
    assert records[0] == records[1]


def test_what_others_do_changes_nothing() -> None:
    one, other = (parallel.OffloadParallel(SYSTEMS, SETTINGS) for _ in range(2))
    rng = np.random.default_rng(3)
    one.reset(seed=4)
    other.reset(seed=4)
    while one.agents:
        actions = {agent: int(rng.integers(one.layout.choices)) for agent in one.agents}
        found, alone = one.step(actions), other.step({other.observed: actions[other.observed]})
        assert found[1] == alone[1]
        np.testing.assert_array_equal(list(found[0].values()), list(alone[0].values()))


def test_a_choice_that_is_no_candidate_is_paid_by_its_ue() -> None:
    system = small_system(arrivals=Recorded((0,), (5,), (2,)))
    images = [system.placements[ue, "image"] for ue in ("ue1", "ue2")]
    fewer = {("ue1", "image"): images[0], ("ue2", "image"): images[1][:-1]}
    system = replace(system, placements=fewer, streams=system.streams[::2])
    environment = parallel.OffloadParallel([system], OffloadSettings(1))
    environment.reset(seed=1)
    environment.step({"ue1": 0})
    assert environment.observed == "ue2"
    _, rewards, *_ = environment.step({"ue2": environment.layout.choices - 1})
    assert rewards["ue2"] == -system.cost.failure_s
    assert rewards["ue1"] > -system.cost.failure_s


def test_the_checkers_of_pettingzoo_pass() -> None:
    checks.parallel_api_test(parallel.OffloadParallel(SYSTEMS, SETTINGS))
    checks.parallel_seed_test(lambda: parallel.OffloadParallel(SYSTEMS, SETTINGS))
    conversions: Any = module_of_extra("pettingzoo.utils", "multi-agent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the conversion itself, about spaces and rendering
        checks.api_test(conversions.parallel_to_aec(parallel.OffloadParallel(SYSTEMS, SETTINGS)), num_cycles=100)


def test_masks_are_those_that_gymnasium_samples_with() -> None:
    """And every sampled action can be taken: rewards are those of candidates, not of failed tasks."""
    environment = parallel.OffloadParallel(SYSTEMS, SETTINGS)
    _, infos = environment.reset(seed=1)
    while environment.agents:
        spaces = {ue: environment.action_space(ue) for ue in environment.agents}
        actions = {ue: int(space.sample(infos[ue]["action_mask"])) for ue, space in spaces.items()}
        assert infos[environment.observed]["action_mask"][actions[environment.observed]]
        assert sum(actions.values()) == actions[environment.observed]
        infos = environment.step(actions)[-1]


def test_wrong_use_is_one_line() -> None:
    environment = parallel.parallel_env(QUICKSTART, episodes=2)
    assert environment.possible_agents == [f"ue{number}" for number in range(1, 7)]
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset first"):
        environment.step({})
    environment.reset(seed=1)
    with pytest.raises(ValueError, match=r"^actions=\{\}: must have one of ue\d$"):
        environment.step({})
    with pytest.raises(ValueError, match=r"episode=2: must be in 0\.\.1"):
        environment.reset(options={"episode": 2})
