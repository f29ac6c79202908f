"""What a UE's way does to its signal: distance, path loss, shadowing and sight of each site, and who serves it."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from emulator.channel.large_scale import environment, handover
from emulator.channel.large_scale.environment import base_height_m, surroundings
from emulator.channel.large_scale.path_loss import (
    Geometry,
    distance_3d_m,
    ground_m,
    los_probability,
    path_loss_db,
    shadowing_sigma_db,
)
from emulator.channel.large_scale.penetration import indoors
from emulator.channel.large_scale.random_field import rough_waves, smooth_waves, values
from emulator.channel.large_scale.track import Track, between, fine
from emulator.channel.radio import Radio
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.randomness import generator


class Propagation(NamedTuple):
    """Along a UE's way, at the instants `at_ns`, shape (k,), between which it goes at most 0.25 m: of each site, shape
    (sites, k), distance (3-D), path loss (a building's included), shadowing and line of sight. What holds before the
    first or after the last instant is what holds at it.

    `path_loss_db` + `shadowing_db` is what transmit power and antenna gain lose. `serving_site` serves from
    `serving_from_ns` on, both shape (h,); nothing is sent within `interruptions_ns`, rows of (from, until),
    shape (m, 2).
    """

    at_ns: Ints
    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags
    serving_from_ns: Ints
    serving_site: Ints
    interruptions_ns: Ints


class _Fields(NamedTuple):
    """The waves of a site's random fields, which all UEs share."""

    sight: Floats
    los: Floats
    nlos: Floats


class _Seen(NamedTuple):
    """One site, as the UE sees it along a stretch; shapes (k,)."""

    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags


class Journey:
    """The propagation of one UE, stretch by stretch: memory holds one stretch, and the values are the same however
    the way is cut.

    A site's fields are drawn from `seed` and where the site is, so that all UEs with one seed meet the same shadowing
    and sight at one place. `entity`, the UE, addresses what is the UE's own: its place in a building, and in UMa, for
    one above 13 m, the effective environment height.

    Raises ValueError when the radio's settings break a rule of `environment.require_valid` or
    `handover.require_valid`.
    """

    def __init__(self, radio: Radio, track: Track, seed: int, entity: str) -> None:
        environment.require_valid(radio)
        handover.require_valid(radio.base.handover)
        self._radio = radio
        self._row = surroundings(radio.base.environment)
        self._geometry = Geometry(base_height_m(radio), radio.ue.height_m, radio.carrier.carrier_hz)
        self._way = fine(track)
        self._fields = [self._drawn(seed, site) for site in range(len(radio.base.sites_m))]
        self._roofs = [generator(seed, entity, "roofs", site).random() for site in range(len(self._fields))]
        inside = generator(seed, entity, "penetration")
        self._inside = indoors(inside, self._row, radio.ue.penetration, radio.carrier.carrier_hz)
        self._decider: handover.Decider | None = None
        self._done_ns = 0

    def until(self, until_ns: int) -> Propagation:
        """From the end of the last stretch to `until_ns`."""
        from_ns, self._done_ns = self._done_ns, until_ns
        at_ns, points_m = between(self._way, from_ns, until_ns)
        seen = [self._seen(site, points_m) for site in range(len(self._fields))]
        distance_m, loss_db, shadowing_db, los = (np.stack(values) for values in zip(*seen, strict=True))
        strength_db = -(loss_db + shadowing_db)
        if self._decider is None:
            self._decider = handover.Decider(self._radio.base.handover, strength_db[:, 0])
        serving, interruptions_ns = self._decider.follow(at_ns, strength_db, from_ns, until_ns)
        return Propagation(at_ns, distance_m, loss_db, shadowing_db, los, *serving, interruptions_ns)

    def _drawn(self, seed: int, site: int) -> _Fields:
        row, place = self._row, self._radio.base.sites_m[site]
        entity = f"site {[float(metres) + 0.0 for metres in place]}"  # so that 0, 0.0 and -0.0 are one place
        los, nlos = (row.o2i, row.o2i) if row.o2i and self._radio.ue.penetration != "none" else (row.los, row.nlos)
        return _Fields(
            smooth_waves(generator(seed, entity, "line of sight"), row.los_correlation_m),
            rough_waves(generator(seed, entity, "shadowing in sight"), los.correlation_m),
            rough_waves(generator(seed, entity, "shadowing out of sight"), nlos.correlation_m),
        )

    def _seen(self, site: int, points_m: Floats) -> _Seen:
        row, geometry, fields = self._row, self._geometry, self._fields[site]
        away_m = points_m - np.array(self._radio.base.sites_m[site])
        distance_m: Floats = np.hypot(away_m[:, 0], away_m[:, 1])
        outside_m = np.maximum(distance_m - self._inside.depth_m, 0.0)
        los: Flags = ndtr(values(fields.sight, points_m)) < los_probability(row.name, outside_m, geometry)
        ground = ground_m(row.name, distance_m, geometry.ue_height_m, self._roofs[site])
        loss_db = path_loss_db(row.name, distance_m, geometry, los, ground) + self._inside.loss_db
        shadowing_db = np.empty(len(points_m))
        shadowing_db[los] = values(fields.los, points_m[los])
        shadowing_db[~los] = values(fields.nlos, points_m[~los])
        if row.o2i and self._radio.ue.penetration != "none":
            shadowing_db *= row.o2i.sigma_db
        else:
            shadowing_db *= shadowing_sigma_db(row.name, distance_m, geometry, los)
        return _Seen(distance_3d_m(distance_m, geometry), loss_db, shadowing_db, los)


def propagate(radio: Radio, track: Track, duration_ns: int, seed: int, entity: str) -> Propagation:
    """A UE's whole way from 0 to `duration_ns`, in one stretch (see `Journey`)."""
    return Journey(radio, track, seed, entity).until(duration_ns)
