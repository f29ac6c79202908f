"""SINR of each resource block group, slot by slot, from propagation, fading, noise and interference.

Other sites interfere steadily: each with its mean power times its load, the same over the band, without fading.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.channel.air.full_buffer import Columns
from emulator.channel.bursts import BurstShare
from emulator.channel.duplex import symbols
from emulator.channel.large_scale.budget import milliwatts, noise_dbm, per_subcarrier_dbm, uplink_power_dbm
from emulator.channel.large_scale.propagation import Journey
from emulator.channel.large_scale.reception import Reception, received
from emulator.channel.large_scale.track import Track, pace, travelled_m
from emulator.channel.numerology import group_offsets_hz, prbs, slot_ns, subcarrier_hz
from emulator.channel.radio import Direction, Radio
from emulator.channel.small_scale.site_fading import SiteFading
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator


class Slots(NamedTuple):
    """Some slots as the receiver meets them: the SINR of each resource block group, linear, shape (slots, groups);
    the data symbols of this direction, 0 where it is not served; and what describes them, a value a slot."""

    sinr: Floats
    symbols: Ints
    described: Columns


class Signal:
    """One direction between a base station and a UE, from time 0 on. Memory holds the slots that were last asked for.

    Raises ValueError when the radio's settings, or they and the direction, break a rule.
    """

    def __init__(self, radio: Radio, track: Track, seed: int, entity: str, direction: Direction) -> None:
        self._radio, self._direction = radio, direction
        self._journey = Journey(radio, track, seed, entity)
        self._pace = pace(track, radio.fading.scatter_mps)
        self._slot_ns = slot_ns(radio.carrier.mu)
        self._done = 0
        self._pattern = symbols(radio.carrier, direction)
        self._fading = SiteFading(radio, group_offsets_hz(radio.carrier), seed, entity, direction)
        self._bursts: BurstShare | None = None
        if radio.bursts is not None:
            self._bursts = BurstShare(radio.bursts, generator(seed, entity, f"channel bursts {direction}"))

    def next_slots(self, slots: int) -> Slots:
        """As many slots after those of the last call; how calls cut them changes no value."""
        edges_ns = np.arange(self._done, self._done + slots + 1, dtype=np.int64) * self._slot_ns
        self._done += slots
        at_ns = edges_ns[:-1]
        propagation = self._journey.until(int(edges_ns[-1]))
        here = received(propagation, self._radio.base.antenna_gain_db, at_ns)
        way_m = travelled_m(self._pace, at_ns)
        gains = self._fading.gains(here.site, here.los, way_m)
        fading_db = 10 * np.log10(gains.mean(axis=1) / self._fading.mean_gain)
        gains *= self._sinr_of_gain_one(here, edges_ns)[:, None]
        return Slots(gains, self._symbols(edges_ns, propagation.interruptions_ns), self._described(here, fading_db))

    def _sinr_of_gain_one(self, here: Reception, edges_ns: Ints) -> Floats:
        """Linear, of one layer, shape (slots,)."""
        signal_mw, disturbed_mw = self._downlink(here) if self._direction == "downlink" else self._uplink(here)
        if self._bursts is not None and self._radio.bursts is not None:
            over_noise = 10 ** (self._radio.bursts.power_db / 10)
            disturbed_mw = disturbed_mw + self._noise_mw() * over_noise * self._bursts.of(edges_ns)
        return signal_mw / (disturbed_mw * self._radio.carrier.layers)

    def _downlink(self, here: Reception) -> tuple[Floats, Floats]:
        """Signal, and noise with the other sites' interference, on one subcarrier, shape (slots,) each."""
        received_mw = milliwatts(self._site_dbm() - here.coupling_loss_db)
        signal_mw = received_mw[here.site, np.arange(len(here.site))]
        return signal_mw, self._noise_mw() + self._radio.base.load * (received_mw.sum(axis=0) - signal_mw)

    def _uplink(self, here: Reception) -> tuple[Floats, Floats]:
        """The same at the base station."""
        carrier = self._radio.carrier
        loss_db = here.serving_loss_db
        sent_dbm = uplink_power_dbm(self._radio.ue, carrier.mu, prbs(carrier), loss_db)
        disturbed_mw = self._noise_mw() * 10 ** (self._radio.base.noise_rise_db / 10)
        return milliwatts(per_subcarrier_dbm(sent_dbm, prbs(carrier)) - loss_db), np.full(len(loss_db), disturbed_mw)

    def _site_dbm(self) -> float:
        """What a site sends on one subcarrier."""
        return float(per_subcarrier_dbm(np.array(self._radio.base.tx_power_dbm), prbs(self._radio.carrier)))

    def _noise_mw(self) -> float:
        """The receiver's noise on one subcarrier."""
        receiver = self._radio.ue if self._direction == "downlink" else self._radio.base
        width_hz = subcarrier_hz(self._radio.carrier.mu)
        return float(milliwatts(np.array(noise_dbm(width_hz, receiver.noise_figure_db))))

    def _symbols(self, edges_ns: Ints, interruptions_ns: Ints) -> Ints:
        """Those of the TDD pattern, none in a slot that a handover's interruption touches, shape (slots,)."""
        slots = edges_ns[:-1] // self._slot_ns
        found = self._pattern[slots % len(self._pattern)]
        begins_ns, ends_ns = interruptions_ns.T
        over = np.searchsorted(ends_ns, edges_ns[:-1], side="right")  # interruptions that ended by the slot's start
        begun = np.searchsorted(begins_ns, edges_ns[1:], side="left")  # those that began before its end
        return np.where(begun > over, 0, found)

    def _described(self, here: Reception, fading_db: Floats) -> Columns:
        """Kept to 0.01: more would describe the arithmetic, and not the channel."""
        serving_loss_db = here.serving_loss_db
        exact = {
            "rsrp_dbm": self._site_dbm() - serving_loss_db,
            "path_loss_db": here.path_loss_db,
            "shadowing_db": here.shadowing_db,
            "fading_db": fading_db,
            "distance_m": here.distance_m,
        }
        columns: Columns = {name: hundredths(values) for name, values in exact.items()}
        return {**columns, "los": here.los, "serving": here.site.astype(np.int8)}


def hundredths(values: Floats) -> npt.NDArray[np.float32]:
    """Rounded to 0.01, shape as `values`."""
    return np.round(values, 2).astype(np.float32)
