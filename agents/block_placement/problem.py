"""Episodes of the block placement problem: what is drawn, and what is observed."""

from collections.abc import Sequence

import numpy as np

from agents.block_placement.blocks import block_chain
from agents.block_placement.forms import Carried, PlacementForm, SlotBatch
from agents.block_placement.settings import BlockPlacementSettings
from emulator.core.arrays import Float32s, Floats
from topologies.profiles import load_profile

FEATURE_LIMIT = 10.0  # features beyond it are cut off


class BlockPlacement:
    """A form of the problem with its networks. Environments and policies share it; it holds no state.

    Raises ValueError (one line) for an unknown network, or one with fewer layers than blocks.
    """

    def __init__(self, form: PlacementForm) -> None:
        self.form = form
        self.settings = form.settings
        chains = [block_chain(load_profile(name), form.settings.blocks) for name in form.settings.networks]
        self._work_flop = np.array([chain.work_flop for chain in chains])  # (networks, M)
        self._sizes_bytes = np.array([chain.sizes_bytes for chain in chains])  # (networks, M + 1)
        self.places = form.settings.servers + 1
        self.features = form.settings.blocks * (2 + form.settings.servers) + 1
        if form.observes_load:
            self.features += 1 + form.settings.servers

    def draw(self, generators: Sequence[np.random.Generator]) -> SlotBatch:
        """Return the slots of an episode for each generator: arrays of shape (T + 1, B, ...). The last slot is seen
        and not decided."""
        count, blocks, servers = self.settings.slots + 1, self.settings.blocks, self.settings.servers
        fadings, networks, tasks = [], [], []
        for rng in generators:
            fadings.append(rng.random((count, blocks, servers)))
            networks.append(rng.integers(len(self.settings.networks), size=count))
            tasks.append(rng.poisson(self.settings.tasks_per_slot, count))
        chosen = np.stack(networks, axis=1)
        rates = rates_of(self.settings, np.stack(fadings, axis=1))
        return SlotBatch(self._work_flop[chosen], self._sizes_bytes[chosen], rates, np.stack(tasks, axis=1))

    def fresh(self, count: int) -> Carried:
        """Return the state before an episode: empty queues, full batteries."""
        return Carried(np.zeros((count, self.settings.servers)), np.full(count, self.settings.energy_max_j))

    def observe(self, slots: SlotBatch, carried: Carried) -> Float32s:
        """Return the observed state, shape (B, features): `slot_features` and, of what earlier slots left, the share of
        energy and in the mended form each server's queue in slots."""
        return self.observe_carried(self.slot_features(slots), carried)

    def slot_features(self, slots: SlotBatch) -> Float32s:
        """Return what is observed of slots by themselves, shape (..., features): c_m and I_m over their largest values,
        R_m^n from -1 at `rate_min` to 1 at `rate_max`; in the mended form also the number of tasks less its mean, in
        standard deviations."""
        settings, shape = self.settings, slots.tasks.shape
        middle, half = (settings.rate_max + settings.rate_min) / 2, (settings.rate_max - settings.rate_min) / 2
        columns = [
            slots.work_flop / self._work_flop.max(),
            slots.sizes_bytes[..., :-1] / self._sizes_bytes.max(),
            ((slots.rates - middle) / (half or 1.0)).reshape(*shape, -1),
        ]
        if self.form.observes_load:
            deviations = (slots.tasks - settings.tasks_per_slot) / settings.tasks_per_slot**0.5
            columns.append(deviations[..., None])
        return np.concatenate(columns, axis=-1).astype(np.float32)

    def observe_carried(self, features: Float32s, carried: Carried) -> Float32s:
        """Return the observed state, given the features of the slots, (B, features of `slot_features`)."""
        seen = np.empty((len(features), self.features), dtype=np.float32)
        count = features.shape[1]
        seen[:, :count] = features
        seen[:, count] = carried.energy_j / (self.settings.energy_max_j or 1.0)
        if self.form.observes_load:
            seen[:, count + 1 :] = carried.backlog_s / self.settings.slot_s
        return np.clip(seen, -FEATURE_LIMIT, FEATURE_LIMIT, out=seen)


def rates_of(settings: BlockPlacementSettings, uniforms: Floats) -> Floats:
    """Return rates in bytes per second, eq. (3): B log2(1 + p |h|^2 / (N_0 B)) / 8. |h|^2 is exponential (Rayleigh
    fading), limited to the gains of the rates from `rate_min` to `rate_max`; `uniforms` in [0, 1) select its quantiles.
    """
    noise_w = settings.noise_w_per_hz * settings.bandwidth_hz
    limits = np.array([settings.rate_min, settings.rate_max])
    gains = (2 ** (8 * limits / settings.bandwidth_hz) - 1) * noise_w / settings.power_w / settings.mean_gain
    above_least, above_most = np.exp(-gains)  # probabilities of larger gains
    gain = -settings.mean_gain * np.log(above_least - uniforms * (above_least - above_most))
    rates: Floats = settings.bandwidth_hz * np.log2(1 + settings.power_w * gain / noise_w) / 8
    return rates
