"""The best placement that never changes: the rule that a learner has to beat."""

import numpy as np

from agents.block_placement.forms import PlacementForm, SlotBatch, slots_at
from agents.block_placement.optimum import all_placements
from agents.block_placement.policies import Choose
from agents.block_placement.problem import BlockPlacement
from agents.solvers.viterbi import ChainCosts, cheapest_path
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator


def best_fixed(problem: BlockPlacement, steps: int, seed: int) -> Choose:
    """Return the policy that always has the placement of least mean cost over some slots, drawn for this
    purpose, each with empty queues and a full battery. Raises ValueError (one line) for a mended form with
    too many placements to enumerate."""
    rounds = -(-steps // problem.settings.slots)
    drawn = problem.draw([generator(seed, "block placement", "fixed placement", number) for number in range(rounds)])
    slots = SlotBatch._make(column.reshape(-1, *column.shape[2:]) for column in drawn)
    placement = _of_all(problem, slots) if problem.form.observes_load else _of_chains(problem.form, slots)
    return lambda situation: np.tile(placement, (len(situation.slots.tasks), 1))


def _of_chains(form: PlacementForm, slots: SlotBatch) -> Ints:
    """Return the cheapest chain, whose mean cost is that of the mean costs of its blocks."""
    table: Floats = form.costs_s(form.delay_table_s(slots)).mean(axis=0)
    nodes = np.zeros(table.shape[::2])
    return np.array(cheapest_path(ChainCosts.checked(nodes, table[1:], table[0, 0])).placement)


def _of_all(problem: BlockPlacement, slots: SlotBatch) -> Ints:
    """Return the cheapest of all placements."""
    every, fresh = all_placements(problem.settings.blocks, problem.places), problem.fresh(1)
    totals_s = np.zeros(len(every))
    for number in range(len(slots.tasks)):
        one = slots_at(slots, slice(number, number + 1))
        totals_s += slots.tasks[number] * problem.form.outcome(one, fresh, every).costs_s.sum(axis=1)
    best: Ints = every[np.argmin(totals_s)]
    return best
