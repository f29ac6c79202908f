"""Fading to the serving site: one process per site, created when the site first serves the UE."""

from functools import partial

import numpy as np
from scipy.constants import speed_of_light

from emulator.channel.large_scale.environment import indoor_delay_spread_ns, median_delay_spread_ns
from emulator.channel.radio import Direction, Radio
from emulator.channel.ranks import antennas, greatest_rank
from emulator.channel.small_scale.fading import FadingProcess, Receiver
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.randomness import generator


class SiteFading:
    """Power gains of a layer, by rank: for rank r of mean N - r + 1 with N receive antennas.

    The two directions of a TDD carrier have the same frequency and so the same fading, antenna by antenna as far as
    both receivers have them; those of an FDD carrier fade independently.
    """

    def __init__(self, radio: Radio, offsets_hz: Floats, seed: int, entity: str, direction: Direction) -> None:
        self._radio = radio
        self._indoors = radio.ue.penetration != "none"
        self._ranks = greatest_rank(radio, direction)
        self._receiver = Receiver(speed_of_light / radio.carrier.carrier_hz, offsets_hz, antennas(radio, direction))
        self._draws = partial(generator, seed, entity)
        self._purpose = "channel fading" if radio.carrier.tdd else f"channel fading {direction}"
        self._sites: dict[int, FadingProcess] = {}

    def layer_gains(self, site: Ints, los: Flags, travelled_m: Floats) -> Floats:
        """Return the gains of each resource block group at nondecreasing distances, shape (places, ranks, groups), for
        the serving `site` and line of sight `los` there."""
        together = np.empty((len(site), self._ranks, len(self._receiver.offsets_hz)))
        for number in np.flatnonzero(np.bincount(site)).tolist():
            here = site == number
            if here.all():
                return self._of(number).layer_gains(travelled_m, los, self._ranks)
            together[here] = self._of(number).layer_gains(travelled_m[here], los[here], self._ranks)
        return together

    def _of(self, site: int) -> FadingProcess:
        if site not in self._sites:
            purpose = f"{self._purpose} site {site}"
            self._sites[site] = FadingProcess(
                self._radio.fading, self._median_spread_ns, self._receiver, self._draws, purpose
            )
        return self._sites[site]

    def _median_spread_ns(self, los: bool) -> float:
        environment, carrier_hz = self._radio.base.environment, self._radio.carrier.carrier_hz
        if self._indoors:
            return indoor_delay_spread_ns(environment, carrier_hz)
        return median_delay_spread_ns(environment, carrier_hz, los)
