"""The best placements of slots against enumeration, in both forms."""

from dataclasses import replace

import numpy as np
import pytest

from agents.block_placement.environment import FORMS, problem_of
from agents.block_placement.fixed import best_fixed
from agents.block_placement.forms import Carried, slots_at
from agents.block_placement.optimum import all_placements, cheapest_chains, cheapest_now
from agents.block_placement.policies import POLICIES, Situation, all_device, myopic, viterbi
from agents.block_placement.rollout import cost_bound_s, episode_means
from agents.solvers.solution import Proof
from emulator.core.randomness import generator
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
    """Though some batteries let all placements fail, which may cost less than any chain."""
    rng, failed = np.random.default_rng(2), 0
    for _ in range(100):
        settings = replace(random_settings(rng), failure_s=float(rng.uniform(0.1, 2)))
        model, slots, before = (
            FORMS["mended"](settings),
            random_slots(rng, settings, 4),
            random_carried(rng, settings, 4),
        )
        best = cheapest_now(model, slots, before).costs_s
        assert np.all(cheapest_chains(model, slots).costs_s <= best * (1 + 1e-12))
        failed += int(np.sum(np.isclose(best, settings.failure_s)))
    assert failed


@pytest.mark.parametrize("form", FORMS)
def test_the_best_fixed_placement_equals_enumeration(form: str) -> None:
    """On the slots from which it is chosen, each with empty queues."""
    problem = problem_of(form, slots=4, blocks=3, servers=2, deadline_s=0.1, tasks_per_slot=200)
    one = slots_at(problem.draw([np.random.default_rng(1)]), 0)
    (chosen,) = best_fixed(problem, 10, 7)(Situation(problem, one, problem.fresh(1), np.random.default_rng(1)))
    rounds = [generator(7, "block placement", "fixed placement", number) for number in range(3)]
    drawn = problem.draw(rounds)
    totals = {}
    for placement in map(tuple, all_placements(3, 3)):
        totals[placement] = 0.0
        for slot in range(5):
            outcome = problem.form.outcome(slots_at(drawn, slot), problem.fresh(3), np.tile(placement, (3, 1)))
            weights = drawn.tasks[slot] if form == "mended" else 1
            totals[placement] += float(np.sum(weights * outcome.costs_s.sum(axis=1)))
    assert totals[tuple(chosen)] == pytest.approx(min(totals.values()), rel=1e-12)


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


def test_a_task_that_fails_has_no_delay() -> None:
    """All on the device: its work over its speed, however many tasks fail."""
    kept, short = problem_of("mended", slots=20), problem_of("mended", slots=20, energy_max_j=100.0)
    whole, some = (episode_means(problem, all_device, [1, 2]) for problem in (kept, short))
    assert not whole.failed.any()
    assert np.all((some.failed > 0) & (some.failed < 1))
    np.testing.assert_allclose(some.delay_s, whole.delay_s, rtol=1e-12)
    np.testing.assert_allclose(some.cost_s - whole.cost_s, some.failed * (10 - whole.cost_s), rtol=1e-9)
    assert np.isnan(episode_means(problem_of("mended", slots=2, energy_max_j=0.0), all_device, [1]).delay_s)
