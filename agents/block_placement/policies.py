"""Policies that do not learn: the baselines of Li et al. (IEEE TMC 23(10), 2024) and ours."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from agents.block_placement.forms import Carried, SlotBatch
from agents.block_placement.optimum import cheapest_chains, cheapest_now
from agents.block_placement.problem import BlockPlacement
from emulator.core.arrays import Ints


class Situation(NamedTuple):
    """What a policy may know: the problem, the slots to decide, what earlier slots left, and draws of its own."""

    problem: BlockPlacement
    slots: SlotBatch
    carried: Carried
    rng: np.random.Generator


Choose = Callable[[Situation], Ints]  # returns placements, shape (B, M)


def random_places(situation: Situation) -> Ints:
    """Place every block at random (RPDI)."""
    problem = situation.problem
    return situation.rng.integers(problem.places, size=(len(situation.slots.tasks), problem.settings.blocks))


def even_split(situation: Situation) -> Ints:
    """Give every place as many consecutive blocks (APDI)."""
    blocks, places = situation.problem.settings.blocks, situation.problem.places
    return np.tile(np.arange(blocks) * places // blocks, (len(situation.slots.tasks), 1))


def least_loaded(situation: Situation) -> Ints:
    """Place each block on the server with the least load (greedy): its queue and the earlier blocks of the slot, in
    seconds of its work; of equals, the first."""
    form, slots = situation.problem.form, situation.slots
    loads_s = situation.carried.backlog_s.copy()
    work_s = slots.tasks[:, None, None] * form.service_s(slots)[:, :, 1:]  # (B, M, N)
    rows = np.arange(len(loads_s))
    placements = np.empty(work_s.shape[:2], dtype=np.int64)
    for m in range(work_s.shape[1]):
        server = np.argmin(loads_s, axis=1)
        loads_s[rows, server] += work_s[rows, m, server]
        placements[:, m] = server + 1
    return placements


def all_device(situation: Situation) -> Ints:
    """Place all blocks on the device."""
    return np.zeros((len(situation.slots.tasks), situation.problem.settings.blocks), dtype=np.int64)


def best_server(situation: Situation) -> Ints:
    """Place all blocks on one server: that with the least cost if nothing queues."""
    form, slots = situation.problem.form, situation.slots
    table = form.costs_s(form.delay_table_s(slots))  # (B, M, K, K)
    here = np.arange(1, situation.problem.places)
    totals = table[:, 0, 0, 1:] + table[:, 1:, here, here].sum(axis=1)
    return np.tile(np.argmin(totals, axis=1)[:, None] + 1, (1, table.shape[1]))


def viterbi(situation: Situation) -> Ints:
    """Place the blocks optimally as if nothing queued."""
    return cheapest_chains(situation.problem.form, situation.slots).placements


def myopic(situation: Situation) -> Ints:
    """Place the blocks optimally for their own slot, queues included, by enumeration."""
    return cheapest_now(situation.problem.form, situation.slots, situation.carried).placements


POLICIES: Mapping[str, Choose] = {
    "random": random_places,
    "even-split": even_split,
    "greedy": least_loaded,
    "all-device": all_device,
    "best-server": best_server,
    "viterbi": viterbi,
    "myopic": myopic,
}
