"""Chains within a budget of energy against every placement."""

from itertools import product

import numpy as np
import pytest

from agents.solvers.battery import feasible_placement, relaxed_placement
from agents.solvers.solution import Infeasible, Proof
from agents.solvers.viterbi import ChainCosts


def random_chain(rng: np.random.Generator, blocks: int, places: int, step: float | None = None) -> ChainCosts:
    shapes = (blocks, places), (blocks - 1, places, places), (places,), (places,)
    if step is None:
        return ChainCosts.checked(*(rng.exponential(1.0, shape) for shape in shapes))
    return ChainCosts.checked(*(step * rng.integers(0, 8, shape) for shape in shapes))


def least_within(costs: ChainCosts, energies: ChainCosts, budget: float) -> float:
    blocks, places = costs.nodes.shape
    paths = product(range(places), repeat=blocks)
    return min((costs.of(path) for path in paths if energies.of(path) <= budget * (1 + 1e-9)), default=np.inf)


def test_whole_steps_give_the_optimum() -> None:
    rng = np.random.default_rng(9)
    binding = 0
    for _ in range(150):
        blocks, places = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        costs, energies = random_chain(rng, blocks, places), random_chain(rng, blocks, places, 0.1)
        budget = 0.1 * int(rng.integers(0, 40))
        truth = least_within(costs, energies, budget)
        for solver in (feasible_placement, relaxed_placement):
            if np.isinf(truth):
                with pytest.raises(Infeasible, match="within budget="):
                    solver(costs, energies, budget, 0.1)
                continue
            found = solver(costs, energies, budget, 0.1)
            assert found.value == pytest.approx(truth, rel=1e-12)
            assert costs.of(found.placement) == pytest.approx(truth, rel=1e-12)
            assert energies.of(found.placement) <= budget * (1 + 1e-9)
            assert found.proof is Proof.OPTIMUM
            binding += truth > least_within(costs, energies, np.inf)
    assert binding > 20


def test_other_energies_give_bounds_on_both_sides() -> None:
    rng = np.random.default_rng(10)
    proofs = set()
    for _ in range(150):
        blocks, places = int(rng.integers(1, 5)), int(rng.integers(2, 4))
        costs, energies = random_chain(rng, blocks, places), random_chain(rng, blocks, places)
        budget = float(rng.uniform(0, 2 * blocks))
        truth = least_within(costs, energies, budget)
        try:
            above = feasible_placement(costs, energies, budget, 0.3)
        except Infeasible:
            pass
        else:
            assert above.proof is Proof.FEASIBLE
            assert above.value >= truth * (1 - 1e-12)
            assert above.value == pytest.approx(costs.of(above.placement), rel=1e-12)
            assert energies.of(above.placement) <= budget * (1 + 1e-9)
        try:
            below = relaxed_placement(costs, energies, budget, 0.3)
        except Infeasible:
            assert np.isinf(truth)
        else:
            proofs.add(below.proof)
            assert below.value <= truth * (1 + 1e-12)
            if below.proof is Proof.OPTIMUM:
                assert below.value == pytest.approx(truth, rel=1e-12)
    assert proofs == {Proof.OPTIMUM, Proof.RELAXATION}


def test_finer_steps_close_the_gap() -> None:
    rng = np.random.default_rng(11)
    costs, energies = random_chain(rng, 5, 3), random_chain(rng, 5, 3)
    truth = least_within(costs, energies, 6.0)
    gaps = [feasible_placement(costs, energies, 6.0, step).value - truth for step in (0.2, 0.05, 0.001)]
    assert gaps[0] >= gaps[1] >= gaps[2] == pytest.approx(0, abs=1e-12)


def test_bad_arguments() -> None:
    chain = ChainCosts.checked(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"^energies: must have the shapes of costs$"):
        feasible_placement(chain, ChainCosts.checked(np.ones((3, 2)), np.ones((2, 2))), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"^step=0, budget=1\.0: must be finite, above 0"):
        relaxed_placement(chain, chain, 1.0, 0)
    with pytest.raises(ValueError, match=r"^step=inf, budget=1\.0: must be finite"):
        feasible_placement(chain, chain, 1.0, np.inf)


@pytest.mark.parametrize("step", [1e6, 1e12])
def test_a_coarse_step_hides_no_energy(step: float) -> None:
    """One block, of an energy above the budget: rounded up it is a whole step, rounded down nothing is proved."""
    costs, energies = (ChainCosts.checked([[each]], np.ones((1, 1))) for each in (7.0, 1.0))
    with pytest.raises(Infeasible, match=r"within budget=0\.5"):
        feasible_placement(costs, energies, 0.5, step)
    assert relaxed_placement(costs, energies, 0.5, step) == ((0,), 7.0, Proof.RELAXATION)


def test_an_infinite_energy_forbids() -> None:
    costs = ChainCosts.checked([[1.0, 5.0]], np.ones((2, 2)))
    energies = ChainCosts.checked([[np.inf, 1.0]], np.ones((2, 2)))
    assert feasible_placement(costs, energies, 3.0, 1.0) == ((1,), 5.0, Proof.OPTIMUM)
