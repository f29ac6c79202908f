"""A chain of blocks over places within a budget of energy: the trellis of `viterbi` with a coordinate of energy.

The energies become whole numbers of a step. Rounded up, every placement found keeps the budget; rounded down, every
placement that keeps the budget is looked at. So the least cost lies between both values.
"""

import numpy as np

from agents.solvers.solution import FloatArray, Infeasible, Proof, Solution, places
from agents.solvers.viterbi import ChainCosts

NEAR = 1e-9  # relative: an energy so close to a whole number of steps is that number


def feasible_placement(costs: ChainCosts, energies: ChainCosts, budget: float, step: float) -> Solution:
    """Return a placement within the budget that has the least cost if each energy is rounded up to whole steps.

    `energies` has the shapes of `costs`; an infinite one forbids what it belongs to. The value is an optimum if all
    energies are whole steps, else that of a feasible placement: the least cost is at most the value. Raises Infeasible
    if no placement keeps the budget with rounded energies. Takes O(M K² budget/step).
    """
    exact = all(np.array_equal(_steps(each, step, np.ceil), _steps(each, step, np.floor)) for each in energies)
    placement, value = _solve(costs, energies, budget, step, np.ceil)
    return Solution(placement, value, Proof.OPTIMUM if exact else Proof.FEASIBLE)


def relaxed_placement(costs: ChainCosts, energies: ChainCosts, budget: float, step: float) -> Solution:
    """Return a placement that has the least cost if each energy is rounded down to whole steps.

    The value is an optimum if the placement keeps the budget, else a relaxation: the least cost is at least the value.
    Raises Infeasible if no placement keeps the budget even so. Otherwise as `feasible_placement`.
    """
    placement, value = _solve(costs, energies, budget, step, np.floor)
    kept = energies.of(placement) <= budget * (1 + NEAR)
    return Solution(placement, value, Proof.OPTIMUM if kept else Proof.RELAXATION)


def _solve(
    costs: ChainCosts, energies: ChainCosts, budget: float, step: float, rounding: np.ufunc
) -> tuple[tuple[int, ...], float]:
    if not (0 < step < np.inf and 0 <= budget < np.inf):
        raise ValueError(f"step={step}, budget={budget}: must be finite, above 0 and not negative")
    if [each.shape for each in costs] != [each.shape for each in energies]:
        raise ValueError("energies: must have the shapes of costs")
    nodes, edges, entry, leave = (_steps(each, step, rounding) for each in energies)
    size = int(_steps(np.array(budget), step, np.floor)) + 1
    blocks, count = costs.nodes.shape
    least = np.full((count, size), np.inf)  # by last place and spent steps
    least[:, 0] = costs.entry
    least = np.stack([_spent(least[k], entry[k] + nodes[0, k]) + costs.nodes[0, k] for k in range(count)])
    choices = []
    for block in range(1, blocks):
        arrivals = np.empty((count, count, size))  # from, to, spent
        for j, k in np.ndindex(count, count):
            spent = edges[block - 1, j, k] + nodes[block, k]
            arrivals[j, k] = _spent(least[j], spent) + costs.edges[block - 1, j, k] + costs.nodes[block, k]
        choices.append(arrivals.argmin(axis=0))
        least = arrivals.min(axis=0)
    least = np.stack([_spent(least[k], leave[k]) + costs.leave[k] for k in range(count)])
    place, spent = (int(index) for index in np.unravel_index(least.argmin(), least.shape))
    value = float(least[place, spent])
    if np.isinf(value):
        raise Infeasible(f"no placement has a finite cost within budget={budget}")
    spent -= int(leave[place])
    path = [place]
    for block in range(blocks - 1, 0, -1):
        before = int(choices[block - 1][place, spent])
        spent -= int(edges[block - 1, before, place] + nodes[block, place])
        place = before
        path.append(place)
    return places(path[::-1], value), value


def _steps(energies: FloatArray, step: float, rounding: np.ufunc) -> FloatArray:
    """Return energies in whole steps."""
    ratio = np.where(np.isinf(energies), 0.0, energies) / step
    whole = np.rint(ratio)
    near = np.abs(ratio - whole) <= NEAR * whole
    return np.where(np.isinf(energies), np.inf, np.where(near, whole, rounding(ratio)))


def _spent(costs: FloatArray, steps: float) -> FloatArray:
    """Return costs by spent steps after some more have been spent, shape (size,)."""
    size = len(costs)
    moved = np.full(size, np.inf)
    if steps < size:
        moved[int(steps) :] = costs[: size - int(steps)]
    return moved
