"""What a placement costs: the printed form of Li et al. (IEEE TMC 23(10), 2024), and the form with its defects mended.

Place 0 is the device, places 1 to N are the servers; K = N + 1, B is the number of slots that are computed together.
All tasks of a slot run the same network with the same placement, each from a device of its own; these devices are
alike, so that one of them stands for all.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from agents.block_placement.placed import PlacedTimes, fill
from agents.block_placement.settings import BlockPlacementSettings
from emulator.core.arrays import Flags, Floats, Ints


class SlotBatch(NamedTuple):
    """What is known of slots before they are decided. `work_flop` (B, M): c_m. `sizes_bytes` (B, M + 1): I_m, the last
    entry the size of the result. `rates` (B, M, N): R_m^n, bytes per second. `tasks` (B,): number of arrivals."""

    work_flop: Floats
    sizes_bytes: Floats
    rates: Floats
    tasks: Ints


class Carried(NamedTuple):
    """What a slot leaves to the next. `backlog_s` (B, N): work queued at each server. `energy_j` (B,): E_r."""

    backlog_s: Floats
    energy_j: Floats


class PlacementOutcome(NamedTuple):
    """What a slot's placement causes. `delays_s` (B, M): mean delay L_m of each block of a task. `costs_s` (B, M): L_m
    and its penalty. `failed` (B,): no energy was left, and the blocks' costs add up to the penalty for that. `after`:
    the state that is left."""

    delays_s: Floats
    costs_s: Floats
    failed: Flags
    after: Carried


class PlacementForm(ABC):
    """The interface of both forms."""

    returns_cost: bool  # whether what goes from a server to the device takes time
    observes_load: bool  # whether arrivals and queues belong to the observed state

    def __init__(self, settings: BlockPlacementSettings) -> None:
        self.settings = settings
        servers = np.linspace(
            settings.slowest_server_flops_per_s, settings.fastest_server_flops_per_s, settings.servers
        )
        self.flops_per_s = np.concatenate([[settings.device_flops_per_s], servers])  # (K,)

    @abstractmethod
    def outcome(self, slots: SlotBatch, before: Carried, placements: Ints) -> PlacementOutcome:
        """Return what placements, shape (B, M), cause. One slot with one state may have many placements."""

    def transfers_s(self, slots: SlotBatch) -> Floats:
        """Return the time of block m's input from place j to place k, shape (B, M, K, K): L_m^trans, eq. (3)."""
        sizes, rates = slots.sizes_bytes[:, :-1], slots.rates
        count, blocks, servers = rates.shape
        times = np.empty((count, blocks, servers + 1, servers + 1))
        times[:] = (sizes / self.settings.server_link_rate)[:, :, None, None]
        times[:, :, 0, 1:] = sizes[:, :, None] / rates
        times[:, :, 1:, 0] = times[:, :, 0, 1:] if self.returns_cost else 0.0
        diagonal = np.arange(servers + 1)
        times[:, :, diagonal, diagonal] = 0.0
        return times

    def service_s(self, slots: SlotBatch) -> Floats:
        """Return the computing time of block m at place k, shape (B, M, K): c_m / f^l and c_m / F_n, eq. (2)."""
        times: Floats = slots.work_flop[:, :, None] / self.flops_per_s
        return times

    def delay_table_s(self, slots: SlotBatch) -> Floats:
        """Return L_m of block m at place k after block m - 1 at place j, without queues, shape (B, M, K, K). The first
        block comes after the device. What the return of the result takes belongs to the last block."""
        table = self.transfers_s(slots) + self.service_s(slots)[:, :, None, :]
        if self.returns_cost:
            table[:, -1, :, 1:] += (slots.sizes_bytes[:, -1, None] / slots.rates[:, -1])[:, None, :]
        return table

    def placed_times(self, slots: SlotBatch, placements: Ints) -> PlacedTimes:
        """Return what the blocks of placements take, without queues."""
        times = PlacedTimes.empty(placements.shape)
        fill(
            slots.sizes_bytes, slots.work_flop, slots.rates, self.flops_per_s,
            self.settings.server_link_rate, self.returns_cost, placements, *times,
        )  # fmt: skip
        return times

    def costs_s(self, delays_s: Floats) -> Floats:
        """Return L_m + beta max(L_m - tau_m, 0): the terms of the reward, eq. (5)."""
        return delays_s + self.settings.late_weight * np.maximum(delays_s - self.settings.deadline_s, 0.0)

    def local_energy_j(self, slots: SlotBatch, placements: Ints) -> Floats:
        """Return the energy of the blocks that a device computes, kappa (f^l)^2 c_m, shape (B,), eq. (4)."""
        here = np.where(placements == 0, slots.work_flop, 0.0).sum(axis=1)
        energy_j: Floats = self.settings.chip_factor * self.settings.device_flops_per_s**2 * here
        return energy_j


class PrintedForm(PlacementForm):
    """The equations as printed. They differ from what the paper describes, and from a system, in four points.

    A block at the device costs its computation only (eq. 2), so its input comes back from a server for nothing. The
    result comes back for nothing. The device pays transmission power for every transfer of an offloaded block (eq. 4),
    those between two servers included. Nothing waits for a server, whose load the baselines balance all the same.
    Moreover the reward does not depend on the remaining energy, which is only observed; here it ends at 0.
    """

    returns_cost = False
    observes_load = False

    def outcome(self, slots: SlotBatch, before: Carried, placements: Ints) -> PlacementOutcome:
        """Return what placements, shape (B, M), cause; `before.backlog_s` is without effect."""
        transfers_s, _, delays_s = self.placed_times(slots, placements)
        energy_j = self.local_energy_j(slots, placements) + self.settings.power_w * transfers_s.sum(axis=1)
        after = Carried(np.zeros_like(before.backlog_s), np.maximum(before.energy_j - energy_j, 0.0))
        return PlacementOutcome(delays_s, self.costs_s(delays_s), np.zeros(len(placements), np.bool_), after)


class MendedForm(PlacementForm):
    """The form with the four defects mended.

    What comes back from a server takes as long as what goes there; so does the result. The device pays for what it
    sends itself, and nothing for receiving. Each server has a queue that outlives the slot: consecutive blocks on one
    server wait once, before the first of them, for the mean work in the queue during the slot. A placement that the
    remaining energy cannot pay fails at the cost `failure_s` and changes neither energy nor queues.
    """

    returns_cost = True
    observes_load = True

    def outcome(self, slots: SlotBatch, before: Carried, placements: Ints) -> PlacementOutcome:
        """Return what placements, shape (B, M), cause."""
        row = np.arange(len(placements))
        transfers_s, services_s, delays_s = self.placed_times(slots, placements)
        arriving_s = np.zeros((len(placements), len(self.flops_per_s)))
        work_s = slots.tasks[:, None] * services_s
        for m in range(placements.shape[1]):
            arriving_s[row, placements[:, m]] += work_s[:, m]
        waits_s, left_s = fluid_queue(before.backlog_s, arriving_s[:, 1:], self.settings.slot_s)
        waits_s = np.concatenate([np.zeros((len(placements), 1)), waits_s], axis=1)  # each device serves one task
        previous = previous_places(placements)
        enters = placements != previous
        delays_s += np.where(enters, np.take_along_axis(waits_s, placements, axis=1), 0.0)

        sent_s = np.where(previous == 0, transfers_s, 0.0).sum(axis=1)
        energy_j = self.local_energy_j(slots, placements) + self.settings.power_w * sent_s
        failed = energy_j > before.energy_j
        costs_s = np.where(failed[:, None], self.settings.failure_s / placements.shape[1], self.costs_s(delays_s))
        unused_s = np.maximum(before.backlog_s - self.settings.slot_s, 0.0)
        after = Carried(
            np.where(failed[:, None], unused_s, left_s), np.where(failed, before.energy_j, before.energy_j - energy_j)
        )
        return PlacementOutcome(delays_s, costs_s, failed, after)


def slots_at(slots: SlotBatch, index: int | slice) -> SlotBatch:
    """Return the entries of the arrays at an index of their first dimension."""
    return SlotBatch(slots.work_flop[index], slots.sizes_bytes[index], slots.rates[index], slots.tasks[index])


def previous_places(placements: Ints) -> Ints:
    """Return the place of each block's input, shape (B, M): that of the block before, for the first the device."""
    previous = np.zeros_like(placements)
    previous[:, 1:] = placements[:, :-1]
    return previous


def fluid_queue(backlog_s: Floats, arriving_s: Floats, slot_s: float) -> tuple[Floats, Floats]:
    """Return the mean queue during a slot and the queue at its end, in seconds of work: `arriving_s` comes evenly over
    the slot, and the server works whenever there is work. So queue(t) = max(backlog + (arriving / slot - 1) t, 0)."""
    growth_s = arriving_s - slot_s
    end_s = backlog_s + growth_s
    emptied = end_s < 0  # then after the share backlog / -growth of the slot
    draining = np.where(emptied, -growth_s, 1.0)
    mean_s = np.where(emptied, backlog_s**2 / (2 * draining), backlog_s + growth_s / 2)
    return mean_s, np.maximum(end_s, 0.0)
