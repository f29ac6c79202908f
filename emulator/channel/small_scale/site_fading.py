"""Fading to whichever site serves: a process for each site, made when the UE first hangs on it."""

from functools import partial

import numpy as np
from scipy.constants import speed_of_light

from emulator.channel.large_scale.environment import indoor_delay_spread_ns, median_delay_spread_ns
from emulator.channel.radio import Direction, Radio, SettingError
from emulator.channel.small_scale.fading import Receiver, SmallScale
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.randomness import generator


class SiteFading:
    """Power gains of one layer, of mean `mean_gain`.

    The two directions of a TDD carrier share a frequency, and so their fading; those of an FDD carrier fade
    independently. To tell L layers apart takes the receiver L - 1 of its branches (zero forcing: Winters, Salz,
    Gitlin, "The impact of antenna diversity on the capacity of wireless communication systems", IEEE Trans.
    Commun. 42, 1994).

    Raises ValueError when there are more layers than branches.
    """

    def __init__(self, radio: Radio, offsets_hz: Floats, seed: int, entity: str, direction: Direction) -> None:
        layers, branches = radio.carrier.layers, radio.fading.branches
        if layers > branches:
            raise SettingError("carrier.layers", layers, f"must be at most fading.branches, {branches}")
        self._radio = radio
        self._indoors = radio.ue.penetration != "none"
        self._receiver = Receiver(speed_of_light / radio.carrier.carrier_hz, offsets_hz, branches - layers + 1)
        self._draws = partial(generator, seed, entity)
        self._purpose = "channel fading" if radio.carrier.tdd else f"channel fading {direction}"
        self._sites: dict[int, SmallScale] = {}

    @property
    def mean_gain(self) -> float:
        """The branches that are left for each layer."""
        return float(self._receiver.branches)

    def gains(self, site: Ints, los: Flags, travelled_m: Floats) -> Floats:
        """Of each resource block group at places of the way (nondecreasing), to the site and in the state of sight
        that hold there, shape (places, groups). Nobody in a building is in sight (TR 38.901 Table 7.5-6: O2I has
        no K factor)."""
        los = los & (not self._indoors)
        together = np.empty((len(site), len(self._receiver.offsets_hz)))
        for number in np.flatnonzero(np.bincount(site)).tolist():
            here = site == number
            if here.all():
                return self._of(number).gains(travelled_m, los)
            together[here] = self._of(number).gains(travelled_m[here], los[here])
        return together

    def _of(self, site: int) -> SmallScale:
        if site not in self._sites:
            purpose = f"{self._purpose} site {site}"
            self._sites[site] = SmallScale(
                self._radio.fading, self._median_spread_ns, self._receiver, self._draws, purpose
            )
        return self._sites[site]

    def _median_spread_ns(self, los: bool) -> float:
        environment, carrier_hz = self._radio.base.environment, self._radio.carrier.carrier_hz
        if self._indoors:
            return indoor_delay_spread_ns(environment, carrier_hz)
        return median_delay_spread_ns(environment, carrier_hz, los)
