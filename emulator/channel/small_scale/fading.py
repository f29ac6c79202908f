"""Small-scale fading by a link's settings, in and out of line of sight."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from emulator.channel.radio import Fading, Profile
from emulator.channel.small_scale.delay_profile import rayleigh, rice, tapped_delay_line
from emulator.channel.small_scale.multipath import Multipath
from emulator.channel.small_scale.nakagami import Nakagami
from emulator.channel.small_scale.scattering import Draws
from emulator.core.arrays import Flags, Floats


class Gains(Protocol):
    """A process of power gains over distance travelled, at G frequencies."""

    def layer_gains(self, travelled_m: Floats, ranks: int) -> Floats:
        """Return the power gains of a layer at distances (from 0 m, nondecreasing within a call) for ranks 1 to
        `ranks`, shape (places, ranks, G)."""


class Receiver(NamedTuple):
    """The receiver: frequency offsets from the carrier, shape (G,), and antennas with independent fading."""

    wavelength_m: float
    offsets_hz: Floats
    branches: int


class Constant(NamedTuple):
    """No fading: the gain is the number of antennas that a layer has."""

    receiver: Receiver

    def layer_gains(self, travelled_m: Floats, ranks: int) -> Floats:
        """Return the number of branches left by the other layers, shape (places, ranks, G)."""
        left = (self.receiver.branches - np.arange(ranks, dtype=np.float64))[:, None]
        return np.repeat(left[None], len(travelled_m), axis=0).repeat(len(self.receiver.offsets_hz), axis=2)


class FadingProcess:
    """Fading along the track of a UE that is sometimes in line of sight.

    Each of the two states has its own process, which continues while the other state holds; if the settings make both
    equal, there is one process. `draws(purpose, index)` returns a generator of the entity, e.g.
    `partial(generator, seed, entity)`; `purpose` identifies the radio path.
    """

    def __init__(
        self,
        fading: Fading,
        median_spread_ns: Callable[[bool], float],
        receiver: Receiver,
        draws: Callable[[str, int], np.random.Generator],
        purpose: str,
    ):
        blocked = _kind(fading, median_spread_ns, False)
        in_sight = _kind(fading, median_spread_ns, True)
        self._blocked = _process(blocked, fading, receiver, partial(draws, f"{purpose} out of sight"))
        self._in_sight = self._blocked
        if in_sight != blocked:
            self._in_sight = _process(in_sight, fading, receiver, partial(draws, f"{purpose} in sight"))
        self._frequencies = len(receiver.offsets_hz)

    def layer_gains(self, travelled_m: Floats, los: Flags, ranks: int) -> Floats:
        """Return the power gains of a layer at distances, nondecreasing within a call, for ranks 1 to `ranks`, shape
        (places, ranks, G); the mean for rank r is `branches` - r + 1. `los`, shape (places,): whether in line of
        sight."""
        if self._in_sight is self._blocked or not los.any():
            return self._blocked.layer_gains(travelled_m, ranks)
        together = np.empty((len(travelled_m), ranks, self._frequencies))
        together[los] = self._in_sight.layer_gains(travelled_m[los], ranks)
        together[~los] = self._blocked.layer_gains(travelled_m[~los], ranks)
        return together


class _Kind(NamedTuple):
    profile: Profile
    spread_ns: float


def _kind(fading: Fading, median_spread_ns: Callable[[bool], float], los: bool) -> _Kind:
    profile = fading.profile
    if profile == "auto":
        profile = "tdl-d" if los else "tdl-c"
    if not profile.startswith("tdl"):
        return _Kind(profile, 0.0)
    return _Kind(profile, median_spread_ns(los) if fading.delay_spread_ns is None else fading.delay_spread_ns)


def _process(kind: _Kind, fading: Fading, receiver: Receiver, draws: Draws) -> Gains:
    if kind.profile == "none":
        return Constant(receiver)
    if kind.profile == "nakagami":
        return Nakagami(fading.nakagami_m, *receiver, draws)
    if kind.profile == "rayleigh":
        return Multipath(rayleigh(), *receiver, draws)
    if kind.profile == "rice":
        return Multipath(rice(fading.rice_k_db), *receiver, draws)
    return Multipath(tapped_delay_line(kind.profile, kind.spread_ns), *receiver, draws)
