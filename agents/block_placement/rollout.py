"""Episodes under a policy, for comparison."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.block_placement.forms import SlotBatch, slots_at
from agents.block_placement.optimum import cheapest_chains, cheapest_now
from agents.block_placement.policies import Choose, Situation
from agents.block_placement.problem import BlockPlacement
from emulator.core.arrays import Floats
from emulator.core.randomness import generator


class EpisodeMeans(NamedTuple):
    """Means over the tasks of an episode, one entry for each episode, shape (episodes,).

    `cost_s`: minus the reward. `delay_s`: the delay of all blocks of a task that did not fail (NaN if all failed);
    `edge_s` and `device_s`: its parts on servers and on the device. `energy_j`: used by a device in the episode.
    `failed`: share of tasks that failed. `queued_s`: mean queue of a server at the end of a slot, in seconds of its
    work.
    """

    cost_s: Floats
    delay_s: Floats
    edge_s: Floats
    device_s: Floats
    energy_j: Floats
    failed: Floats
    queued_s: Floats


def episode_means(problem: BlockPlacement, choose: Choose, seeds: Sequence[int]) -> EpisodeMeans:
    """Run one episode for each seed. All policies meet the same channels, networks and arrivals."""
    episode = draw_episodes(problem, seeds)
    rng = generator(seeds[0], "block placement", "policy")
    carried = problem.fresh(len(seeds))
    sums, queued_s = np.zeros((len(seeds), 5)), np.zeros(len(seeds))
    for t in range(problem.settings.slots):
        slots = slots_at(episode, t)
        placements = choose(Situation(problem, slots, carried, rng))
        outcome = problem.form.outcome(slots, carried, placements)
        carried = outcome.after
        queued_s += carried.backlog_s.mean(axis=1) / problem.settings.slots
        delays_s = np.where(outcome.failed[:, None], 0.0, outcome.delays_s)
        edge_s = np.where(placements > 0, delays_s, 0.0).sum(axis=1)
        delay_s = delays_s.sum(axis=1)
        parts = (outcome.costs_s.sum(axis=1), delay_s, edge_s, delay_s - edge_s, outcome.failed)
        sums += slots.tasks[:, None] * np.stack(parts, axis=1)
    cost_s, *delays_s, failed = (sums / episode.tasks[:-1].sum(axis=0)[:, None]).T
    with np.errstate(invalid="ignore"):
        delay_s, edge_s, device_s = np.array(delays_s) / (1 - failed)
    energy_j = problem.settings.energy_max_j - carried.energy_j
    return EpisodeMeans(cost_s, delay_s, edge_s, device_s, energy_j, failed, queued_s)


def cost_bound_s(problem: BlockPlacement, seeds: Sequence[int]) -> Floats:
    """Return a lower bound of any policy's mean cost of a task in the episodes of `episode_means`, shape (episodes,):
    every slot is placed by itself as well as possible, with empty queues and a full battery.

    In the printed form it is the optimum. In the mended form longer queues and less energy only add to a slot's cost,
    or let it fail at the cost of a failure; so a policy is optimal if it is myopic and no queue outlives a slot. Raises
    ValueError (one line) for a mended form with too many placements to enumerate.
    """
    episode, fresh = draw_episodes(problem, seeds), problem.fresh(len(seeds))
    sums = np.zeros(len(seeds))
    for t in range(problem.settings.slots):
        slots = slots_at(episode, t)
        if problem.form.observes_load:
            costs_s = np.minimum(cheapest_now(problem.form, slots, fresh).costs_s, problem.settings.failure_s)
        else:
            costs_s = cheapest_chains(problem.form, slots).costs_s
        sums += slots.tasks * costs_s
    bound_s: Floats = sums / episode.tasks[:-1].sum(axis=0)
    return bound_s


def draw_episodes(problem: BlockPlacement, seeds: Sequence[int]) -> SlotBatch:
    """Return the test episodes of these seeds."""
    return problem.draw([generator(seed, "block placement", "test episode") for seed in seeds])
