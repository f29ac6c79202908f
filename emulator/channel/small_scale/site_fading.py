"""Fading to the serving site: one process per site, created when the site first serves the UE."""

from functools import partial

import numpy as np
from scipy.constants import speed_of_light

from emulator.channel.large_scale.environment import indoor_delay_spread_ns, median_delay_spread_ns
from emulator.channel.radio import Direction, Radio, SettingError
from emulator.channel.small_scale.fading import FadingProcess, Receiver
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.randomness import generator


class SiteFading:
    """Power gains of one layer, with mean `mean_gain`.

    The two directions of a TDD carrier have the same frequency and so the same fading; those of an FDD carrier fade
    independently. Separating L layers costs the receiver L - 1 of its branches (zero forcing: Winters, Salz, Gitlin,
    "The impact of antenna diversity on the capacity of wireless communication systems", IEEE Trans. Commun. 42, 1994).

    Raises ValueError if there are more layers than branches.
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
        self._sites: dict[int, FadingProcess] = {}

    @property
    def mean_gain(self) -> float:
        """Number of branches left for each layer."""
        return float(self._receiver.branches)

    def gains(self, site: Ints, los: Flags, travelled_m: Floats) -> Floats:
        """Return the gains of each resource block group at nondecreasing distances, shape (places, groups), for the
        serving `site` and line of sight `los` there. A UE in a building is never in line of sight (TR 38.901
        Table 7.5-6: O2I has no K factor)."""
        los = los & (not self._indoors)
        together = np.empty((len(site), len(self._receiver.offsets_hz)))
        for number in np.flatnonzero(np.bincount(site)).tolist():
            here = site == number
            if here.all():
                return self._of(number).gains(travelled_m, los)
            together[here] = self._of(number).gains(travelled_m[here], los[here])
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
