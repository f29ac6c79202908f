"""Large-scale propagation along a UE's track: distance, path loss, shadowing, line of sight, and serving site."""

from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale import handover
from emulator.channel.large_scale.places import Places
from emulator.channel.large_scale.track import Track, points_between, subdivide
from emulator.channel.radio import Radio
from emulator.core.arrays import Flags, Floats, Ints


class Propagation(NamedTuple):
    """Propagation to each site along a UE's track, shape (sites, k), at the instants `at_ns`, shape (k,): 3-D distance,
    path loss including penetration, shadowing, weight of line of sight, and antenna gains (see `AtPlaces`). The UE
    moves at most 0.25 m between two instants. Values are constant before the first and after the last instant.

    `path_loss_db` + `shadowing_db` is the loss without antenna gain. `serving_site` serves from `serving_from_ns` on,
    both of shape (h,). Nothing is sent within `interruptions_ns`, rows of (from, until), shape (m, 2).
    """

    at_ns: Ints
    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    sight: Floats
    serving_gain_db: Floats
    interfering_gain_db: Floats
    serving_from_ns: Ints
    serving_site: Ints
    interruptions_ns: Ints

    @property
    def los(self) -> Flags:
        """Whether the UE is in line of sight rather than out of it, shape (sites, k)."""
        return np.asarray(self.sight >= 0.5)


class PropagationStream:
    """Propagation of one UE, interval by interval, in constant memory. Values do not depend on how time is split.

    Draws are those of `Places`. Raises ValueError if the settings break a rule of `environment.require_valid` or
    `handover.require_valid`.
    """

    def __init__(self, radio: Radio, track: Track, seed: int, entity: str) -> None:
        handover.require_valid(radio.base.handover)
        self._radio = radio
        self._places = Places(radio, seed, entity)
        self._track = subdivide(track)
        self._decider: handover.HandoverDecider | None = None
        self._done_ns = 0

    def until(self, until_ns: int) -> Propagation:
        """Return the propagation from the end of the last interval to `until_ns`."""
        from_ns, self._done_ns = self._done_ns, until_ns
        at_ns, points_m = points_between(self._track, from_ns, until_ns)
        seen = self._places.at(points_m)
        strength_db = -seen.coupling_loss_db
        if self._decider is None:
            self._decider = handover.HandoverDecider(self._radio.base.handover, strength_db[:, 0])
        serving, interruptions_ns = self._decider.decide(at_ns, strength_db, from_ns, until_ns)
        return Propagation(at_ns, *seen, *serving, interruptions_ns)


def propagate(radio: Radio, track: Track, duration_ns: int, seed: int, entity: str) -> Propagation:
    """Return the propagation from 0 to `duration_ns` at once (see `PropagationStream`)."""
    return PropagationStream(radio, track, seed, entity).until(duration_ns)
