"""SINR of each resource block group, slot by slot, from propagation, fading, noise and interference.

Other sites and their UEs interfere while a site is on, with power that is flat over the band and does not fade.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.channel import ranks
from emulator.channel.air.full_buffer import Columns
from emulator.channel.air.slot import UNLIMITED_PRBS, Received
from emulator.channel.bursts import BurstShare
from emulator.channel.duplex import symbols
from emulator.channel.large_scale.budget import (
    milliwatts,
    noise_dbm,
    per_subcarrier_dbm,
    uplink_limit_prbs,
    uplink_power_dbm,
)
from emulator.channel.large_scale.neighbours import Activity, UplinkInterference
from emulator.channel.large_scale.propagation import PropagationStream
from emulator.channel.large_scale.slot_propagation import SlotPropagation, propagation_at
from emulator.channel.large_scale.track import Track, speed_profile, travelled_m
from emulator.channel.numerology import group_offsets_hz, prbs, slot_ns, subcarrier_hz
from emulator.channel.radio import Direction, Radio
from emulator.channel.small_scale.site_fading import SiteFading
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator


class Slots(NamedTuple):
    """Slots at the receiver, and descriptive columns with a value per slot."""

    received: Received
    description: Columns


class Signal:
    """The signal of one direction between a base station and a UE, from time 0. Memory holds the last slots only.

    Raises ValueError if the settings, or the settings and the direction, break a rule.
    """

    def __init__(self, radio: Radio, track: Track, seed: int, entity: str, direction: Direction) -> None:
        ranks.require_valid(radio)
        self._radio, self._direction = radio, direction
        self._layer_shares = ranks.layer_shares(radio, direction)
        self._propagation = PropagationStream(radio, track, seed, entity)
        self._speed = speed_profile(track, radio.fading.scatter_mps)
        self._slot_ns = slot_ns(radio.carrier.mu)
        self._done = 0
        self._pattern = symbols(radio.carrier, direction)
        self._fading = SiteFading(radio, group_offsets_hz(radio.carrier), seed, entity, direction)
        self._activity = Activity(radio.base, seed)
        self._interference: UplinkInterference | None = None
        if direction == "uplink" and radio.base.noise_rise_db is None:
            self._interference = UplinkInterference(radio, seed)
        self._bursts: BurstShare | None = None
        if radio.bursts is not None:
            self._bursts = BurstShare(radio.bursts, generator(seed, entity, f"channel bursts {direction}"))

    def next_slots(self, slots: int) -> Slots:
        """Return the next `slots` slots. Values do not depend on how the slots are split into calls."""
        edges_ns = np.arange(self._done, self._done + slots + 1, dtype=np.int64) * self._slot_ns
        self._done += slots
        at_ns = edges_ns[:-1]
        propagation = self._propagation.until(int(edges_ns[-1]))
        at_slots = propagation_at(propagation, at_ns)
        seen = at_slots.los & (self._radio.ue.penetration == "none")  # Table 7.5-6: in a building, no K factor
        sinr = self._fading.layer_gains(at_slots.site, seen, travelled_m(self._speed, at_ns))
        together = np.einsum("ij->i", sinr[:, 0])  # much faster than a mean of few values
        fading_db = 10 * np.log10(together / (sinr.shape[2] * ranks.antennas(self._radio, self._direction)))
        shares = self._layer_shares[seen.astype(np.int64)]
        sinr *= (self._mean_sinr(at_slots, edges_ns)[:, None] * shares)[:, :, None]
        data_symbols = self._symbols(edges_ns, propagation.interruptions_ns)
        received = Received(sinr, self._limit_prbs(at_slots), data_symbols)
        return Slots(received, self._description(at_slots, fading_db))

    def _mean_sinr(self, at_slots: SlotPropagation, edges_ns: Ints) -> Floats:
        """Return the linear SINR of a single layer at fading gain 1 with all blocks granted, shape (slots,)."""
        power = self._downlink if self._direction == "downlink" else self._uplink
        signal_mw, noise_mw = power(at_slots, edges_ns[:-1])
        if self._bursts is not None and self._radio.bursts is not None:
            over_noise = 10 ** (self._radio.bursts.power_db / 10)
            noise_mw = noise_mw + self._noise_mw() * over_noise * self._bursts.of(edges_ns)
        return signal_mw / noise_mw

    def _limit_prbs(self, at_slots: SlotPropagation) -> Floats:
        """Return the resource blocks that the sender's power suffices for, shape (slots,)."""
        if self._direction == "downlink":
            return np.full(len(at_slots.site), UNLIMITED_PRBS)
        return uplink_limit_prbs(self._radio.ue, self._radio.carrier.mu, at_slots.serving_loss_db)

    def _downlink(self, at_slots: SlotPropagation, at_ns: Ints) -> tuple[Floats, Floats]:
        """Return signal, and noise plus other sites' interference, on one subcarrier at the UE, shape (slots,) each."""
        signal_mw = milliwatts(self._site_dbm() - at_slots.serving_loss_db)
        interfering = self._activity.on(at_ns)
        interfering[at_slots.site, np.arange(len(at_ns))] = False
        received_mw = milliwatts(self._site_dbm() - at_slots.interfering_loss_db)
        return signal_mw, self._noise_mw() + (received_mw * interfering).sum(axis=0)

    def _uplink(self, at_slots: SlotPropagation, at_ns: Ints) -> tuple[Floats, Floats]:
        """Return signal, and noise plus interference, on one subcarrier at the base station, shape (slots,) each."""
        carrier = self._radio.carrier
        loss_db = at_slots.serving_loss_db
        sent_dbm = uplink_power_dbm(self._radio.ue, carrier.mu, prbs(carrier), loss_db)
        return milliwatts(per_subcarrier_dbm(sent_dbm, prbs(carrier)) - loss_db), self._uplink_noise_mw(at_slots, at_ns)

    def _uplink_noise_mw(self, at_slots: SlotPropagation, at_ns: Ints) -> Floats:
        """Return noise plus the interference of other sites' UEs on one subcarrier, shape (slots,)."""
        if self._interference is not None:
            return self._noise_mw() + self._interference.at(at_slots.site, at_ns)
        rise_db = self._radio.base.noise_rise_db or 0.0
        return np.full(len(at_ns), self._noise_mw() * 10 ** (rise_db / 10))

    def _site_dbm(self) -> float:
        """Return a site's transmit power on one subcarrier."""
        return float(per_subcarrier_dbm(np.array(self._radio.base.tx_power_dbm), prbs(self._radio.carrier)))

    def _noise_mw(self) -> float:
        """Return the receiver's noise power on one subcarrier."""
        receiver = self._radio.ue if self._direction == "downlink" else self._radio.base
        width_hz = subcarrier_hz(self._radio.carrier.mu)
        return float(milliwatts(np.array(noise_dbm(width_hz, receiver.noise_figure_db))))

    def _symbols(self, edges_ns: Ints, interruptions_ns: Ints) -> Ints:
        """Return the data symbols of the TDD pattern, 0 in slots that overlap a handover's interruption, shape
        (slots,)."""
        slots = edges_ns[:-1] // self._slot_ns
        in_pattern = self._pattern[slots % len(self._pattern)]
        begins_ns, ends_ns = interruptions_ns.T
        ended = np.searchsorted(ends_ns, edges_ns[:-1], side="right")  # interruptions that ended by the slot's start
        begun = np.searchsorted(begins_ns, edges_ns[1:], side="left")  # interruptions that began before its end
        return np.where(begun > ended, 0, in_pattern)

    def _description(self, at_slots: SlotPropagation, fading_db: Floats) -> Columns:
        """Return the descriptive columns, rounded to 0.01: further digits would only show rounding errors."""
        exact = {
            "rsrp_dbm": self._site_dbm() - at_slots.serving_loss_db,
            "path_loss_db": at_slots.path_loss_db,
            "shadowing_db": at_slots.shadowing_db,
            "fading_db": fading_db,
            "distance_m": at_slots.distance_m,
        }
        columns: Columns = {name: hundredths(values) for name, values in exact.items()}
        return {**columns, "los": at_slots.los, "serving": at_slots.site.astype(np.int8)}


def hundredths(values: Floats) -> npt.NDArray[np.float32]:
    """Round to 0.01, shape as `values`."""
    return np.round(values, 2).astype(np.float32)
