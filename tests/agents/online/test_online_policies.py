"""Policies that learn while they run find the best server, and find another one when it fails or slows down, where no
observation shows that."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.online.cusum_ucb import CusumUcb
from agents.online.features import PARTS, contexts_of, prior_of
from agents.registry import make_policy
from agents.split_inference.exact import Estimate
from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.policy import Policy
from emulator.record import records_sha256
from emulator.system import Failure, System
from emulator.task import Task
from tests.agents.observations import random_observation
from tests.agents.online.slowed import SlowedHosts, best_fixed_costs_s, costs_s, known_system, run_policy
from tests.agents.systems import CHAT, IMAGE, SERVERS, candidates_of, small_system

LEARNERS = ("linucb", "cusum-ucb")
DURATION_S = 100.0


def regret_s(folder: Path, name: str, system: System, compute: SlowedHosts) -> Floats:
    """Return the regret against the best fixed choice, summed up to each task."""
    found = costs_s(system, run_policy(folder, system, make_policy(name, {}, system), compute))
    return np.cumsum(found - best_fixed_costs_s(folder, system, compute))


@pytest.mark.parametrize("name", LEARNERS)
def test_the_regret_against_the_best_fixed_choice_grows_slower_than_time(name: str, tmp_path: Path) -> None:
    """edge1 takes six times what its profile says, the cloud three times. `exact` does not hear of it: its regret grows
    with time. The learners' is a twentieth of that, and most of it comes in the first half."""
    system = known_system(DURATION_S)
    compute = SlowedHosts(system, {"edge1": 6.0, "cloud": 3.0})
    learned, exact = regret_s(tmp_path, name, system, compute), regret_s(tmp_path, "exact", system, compute)
    half = len(exact) // 2
    assert exact[-1] - exact[half] > 0.8 * exact[half] > 0
    assert learned[-1] < 0.05 * exact[-1]
    assert learned[-1] - learned[half] < learned[half]


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_leave_a_server_that_slows_down_at_half_time(name: str, tmp_path: Path) -> None:
    system = known_system(DURATION_S)
    compute = SlowedHosts(system, {"edge1": 6.0}, DURATION_S / 2)
    learned, exact = regret_s(tmp_path, name, system, compute), regret_s(tmp_path, "exact", system, compute)
    half = len(exact) // 2
    assert learned[-1] - learned[half] < 0.05 * (exact[-1] - exact[half])


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_leave_a_server_whose_link_fails_at_half_time(name: str, tmp_path: Path) -> None:
    """The last measured rate of a link that is down is what it was, so that `exact` sends on to it and every task
    fails."""
    system = known_system(DURATION_S)
    outage = Failure(link=("gnb", "edge1"), outages=((50 * NS_PER_S, 200 * NS_PER_S),))
    system = replace(system, failures=(outage,), on_failure="fail")

    def failed_later(policy: Policy) -> float:
        rows = run_policy(tmp_path, system, policy)
        return float(np.mean([row["outcome"] == "failed" for row in rows if row["arrival_ns"] > 50 * NS_PER_S]))

    assert failed_later(make_policy("exact", {}, system)) > 0.9
    assert failed_later(make_policy(name, {}, system)) < 0.05


def test_an_alarm_follows_a_change_within_seconds(tmp_path: Path) -> None:
    """Four tasks come in a second, and a change to six times the time is found by a few of them."""
    system = known_system(DURATION_S)
    policy = make_policy("cusum-ucb", {}, system)
    assert isinstance(policy, CusumUcb)
    run_policy(tmp_path, system, policy, SlowedHosts(system, {"edge1": 6.0}, DURATION_S / 2))
    after_s = [at_ns / NS_PER_S - DURATION_S / 2 for at_ns, (*_, servers) in policy.alarms if servers == {"edge1"}]
    assert any(0 <= each < 4 for each in after_s)


@pytest.mark.parametrize("name", LEARNERS)
def test_decisions_do_not_depend_on_the_engine(name: str, tmp_path: Path) -> None:
    system, digests = small_system(duration_s=8.0), []
    for engine in ("compiled", "simpy"):
        run_policy(tmp_path, system, make_policy(name, {}, system), None, engine)
        digests.append(records_sha256([tmp_path / "tasks.parquet", tmp_path / "stages.parquet"]))
    assert digests[0] == digests[1]


def test_random_trials_belong_to_the_seed_of_the_run(tmp_path: Path) -> None:
    system = known_system(20.0)

    def placements(seed: int) -> list[Any]:
        policy = make_policy("cusum-ucb", {"random_share": 1.0}, replace(system, seed=seed))
        return [row["placement"] for row in run_policy(tmp_path, system, policy)]

    first = placements(1)
    assert placements(1) == first
    assert placements(2) != first


@pytest.mark.parametrize("kind", [IMAGE, CHAT])
def test_the_parts_of_a_candidate_add_up_to_its_estimate(kind: Any) -> None:
    rng = np.random.default_rng(5)
    candidates = candidates_of("ue1", kind, SERVERS)
    for number in range(20):
        task = Task("ue1", kind, number, 0, 30, 12) if kind is CHAT else Task("ue1", kind, number, 0)
        estimate = Estimate(random_observation(rng, task, ("ue1", *SERVERS), candidates))
        found = contexts_of(estimate, "ue1", candidates, SERVERS)
        assert found is not None
        expected = [estimate.of(placement) for placement in candidates]
        assert found.scale_ns == pytest.approx(min(expected))
        assert found.rows @ prior_of(SERVERS) * found.scale_ns == pytest.approx(expected)
        assert found.rows[0, PARTS:].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", LEARNERS)
def test_without_coverage_the_first_candidate_is_chosen(name: str) -> None:
    candidates = candidates_of("ue1", IMAGE, SERVERS)[1:]
    observation = random_observation(np.random.default_rng(1), Task("ue1", IMAGE, 0, 0), ("ue1", *SERVERS), candidates)
    observation.rates_bps = dict.fromkeys(observation.rates_bps, 0.0)
    assert make_policy(name, {"random_share": 0.0} if name == "cusum-ucb" else {}, small_system()).decide(
        observation
    ) == candidates[0]  # fmt: skip
