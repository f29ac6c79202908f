"""The best placements of slots, each by itself."""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from agents.block_placement.forms import Carried, PlacementForm, SlotBatch, slots_at
from agents.solvers.solution import Proof
from agents.solvers.viterbi import ChainCosts, cheapest_path
from emulator.core.arrays import Floats, Ints

MOST_PLACEMENTS = 100_000  # that are enumerated


class BestPlacements(NamedTuple):
    """Placements of slots, shape (B, M), their costs, shape (B,), and what these prove."""

    placements: Ints
    costs_s: Floats
    proof: Proof


def cheapest_chains(form: PlacementForm, slots: SlotBatch) -> BestPlacements:
    """Return the placements of least cost where nothing queues and energy suffices, by Viterbi's algorithm, in
    O(M K^2) a slot.

    In the printed form they are optimal, for any episode: its reward couples neither slots nor, in a slot, blocks that
    are not neighbours. In the mended form their cost is a relaxation: queues and batteries only add to it, unless the
    tasks fail; so no more than `failure_s` is counted.
    """
    tables = form.costs_s(form.delay_table_s(slots))
    nodes = np.zeros((tables.shape[1], tables.shape[2]))
    solutions = [cheapest_path(ChainCosts.checked(nodes, table[1:], table[0, 0])) for table in tables]
    placements = np.array([solution.placement for solution in solutions])
    costs_s = np.array([solution.value for solution in solutions])
    if form.observes_load:
        return BestPlacements(placements, np.minimum(costs_s, form.settings.failure_s), Proof.RELAXATION)
    return BestPlacements(placements, costs_s, Proof.OPTIMUM)


def cheapest_now(form: PlacementForm, slots: SlotBatch, before: Carried) -> BestPlacements:
    """Return the placements of least cost in these slots, queues and batteries included, whatever they leave to later
    slots: the best of all K^M. Raises ValueError (one line) if there are more than `MOST_PLACEMENTS`."""
    every = all_placements(slots.work_flop.shape[1], len(form.flops_per_s))
    best, costs = [], []
    for row in range(len(slots.tasks)):
        one = slice(row, row + 1)
        state = Carried(before.backlog_s[one], before.energy_j[one])
        totals = form.outcome(slots_at(slots, one), state, every).costs_s.sum(axis=1)
        best.append(every[np.argmin(totals)])
        costs.append(totals.min())
    return BestPlacements(np.array(best), np.array(costs), Proof.FEASIBLE if form.observes_load else Proof.OPTIMUM)


@lru_cache(maxsize=4)
def all_placements(blocks: int, places: int) -> Ints:
    """Return all placements, shape (K^M, M). Raises ValueError (one line) if there are too many to enumerate."""
    if places**blocks > MOST_PLACEMENTS:
        raise ValueError(f"blocks={blocks}: {places}^{blocks} placements, must be at most {MOST_PLACEMENTS}")
    every = np.array(list(product(range(places), repeat=blocks)))
    every.flags.writeable = False
    return every
