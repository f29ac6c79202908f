"""The best placements of slots against enumeration, in both forms."""

import numpy as np
import pytest

from agents.block_placement.environment import FORMS, problem_of
from agents.block_placement.forms import Carried
from agents.block_placement.optimum import all_placements, cheapest_chains, cheapest_now
from agents.block_placement.policies import POLICIES, myopic, viterbi
from agents.block_placement.rollout import cost_bound_s, episode_means
from agents.solvers.solution import Proof
from tests.agents.block_placement.instances import random_carried, random_settings, random_slots


@pytest.mark.parametrize("form", FORMS)
def test_viterbi_equals_enumeration(form: str) -> None:
    """In the mended form, where the slot has no tasks, so that nothing queues."""
    rng = np.random.default_rng(1)
    late = 0
    for _ in range(100):
        settings = random_settings(rng)
        model = FORMS[form](settings)
        slots = random_slots(rng, settings, 4)
        before = random_carried(rng, settings, 4)
        if form == "mended":
            slots = slots._replace(tasks=np.zeros(4, np.int64))
            before = Carried(np.zeros((4, settings.servers)), np.full(4, np.inf))
        chains = cheapest_chains(model, slots)
        every = cheapest_now(model, slots, before)
        np.testing.assert_allclose(chains.costs_s, every.costs_s, rtol=1e-12)
        outcome = model.outcome(slots, before, chains.placements)
        np.testing.assert_allclose(outcome.costs_s.sum(axis=1), chains.costs_s, rtol=1e-12)
        late += int(np.sum(outcome.delays_s > settings.deadline_s))
        assert chains.proof is (Proof.OPTIMUM if form == "printed" else Proof.RELAXATION)
    assert late > 50  # the penalty decides something


def test_no_placement_of_the_mended_form_beats_the_relaxation() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        settings = random_settings(rng)
        model, slots, before = (
            FORMS["mended"](settings),
            random_slots(rng, settings, 4),
            random_carried(rng, settings, 4),
        )
        enough = before._replace(energy_j=np.full(4, np.inf))
        assert np.all(cheapest_chains(model, slots).costs_s <= cheapest_now(model, slots, enough).costs_s * (1 + 1e-12))


def test_enumeration_has_a_limit() -> None:
    assert len(all_placements(6, 5)) == 5**6
    with pytest.raises(ValueError, match=r"^blocks=8: 5\^8 placements, must be at most 100000$"):
        all_placements(8, 5)


def test_no_policy_beats_viterbi_in_the_printed_form() -> None:
    problem = problem_of("printed", slots=20, blocks=4)
    costs = {name: episode_means(problem, choose, [1, 2]).cost_s for name, choose in POLICIES.items()}
    for name, cost_s in costs.items():
        assert np.all(cost_s >= costs["viterbi"] * (1 - 1e-12)), name
    np.testing.assert_allclose(costs["myopic"], costs["viterbi"], rtol=1e-12)
    assert np.all(costs["greedy"] < costs["random"])


def test_the_bound_of_an_episode() -> None:
    printed = problem_of("printed", slots=20, blocks=4)
    optimum = episode_means(printed, viterbi, [1, 2]).cost_s
    np.testing.assert_allclose(cost_bound_s(printed, [1, 2]), optimum, rtol=1e-12)
    for tasks in (10.0, 60.0, 120.0):  # queues outlive a slot with many
        mended = problem_of("mended", slots=20, blocks=4, servers=2, tasks_per_slot=tasks, energy_max_j=20.0)
        bound = cost_bound_s(mended, [1, 2])
        for name, choose in POLICIES.items():
            assert np.all(episode_means(mended, choose, [1, 2]).cost_s >= bound * (1 - 1e-12)), name
    light = problem_of("mended", slots=20, blocks=4, servers=2, tasks_per_slot=10.0)
    best = episode_means(light, myopic, [1, 2])
    assert not best.queued_s.any()
    np.testing.assert_allclose(best.cost_s, cost_bound_s(light, [1, 2]), rtol=1e-12)
