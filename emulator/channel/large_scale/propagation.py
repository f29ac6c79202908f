"""Large-scale propagation along a UE's track: distance, path loss, shadowing, line of sight, and serving site."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from emulator.channel.large_scale import environment, handover
from emulator.channel.large_scale.environment import base_height_m, environment_parameters
from emulator.channel.large_scale.path_loss import (
    Geometry,
    distance_3d_m,
    ground_m,
    los_probability,
    path_loss_db,
    shadowing_sigma_db,
)
from emulator.channel.large_scale.penetration import draw_indoor_loss
from emulator.channel.large_scale.random_field import field_values, rough_waves, smooth_waves
from emulator.channel.large_scale.track import Track, points_between, subdivide
from emulator.channel.radio import Radio
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.randomness import generator


class Propagation(NamedTuple):
    """Propagation to each site along a UE's track, shape (sites, k), at the instants `at_ns`, shape (k,): 3-D distance,
    path loss including penetration, shadowing, and line of sight. The UE moves at most 0.25 m between two instants.
    Values are constant before the first and after the last instant.

    `path_loss_db` + `shadowing_db` is the loss without antenna gain. `serving_site` serves from `serving_from_ns` on,
    both of shape (h,). Nothing is sent within `interruptions_ns`, rows of (from, until), shape (m, 2).
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
    """Waves of a site's random fields, which are the same for all UEs."""

    sight: Floats
    los: Floats
    nlos: Floats


class _SitePropagation(NamedTuple):
    """Propagation to one site; shapes (k,)."""

    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags


class PropagationStream:
    """Propagation of one UE, interval by interval, in constant memory. Values do not depend on how time is split.

    A site's random fields are addressed by `seed` and the site's position, so that all UEs of a seed have the same
    shadowing and line of sight at the same place. `entity`, the UE, addresses its own draws: its depth in a building
    and, in UMa above 13 m, the effective environment height.

    Raises ValueError if the settings break a rule of `environment.require_valid` or `handover.require_valid`.
    """

    def __init__(self, radio: Radio, track: Track, seed: int, entity: str) -> None:
        environment.require_valid(radio)
        handover.require_valid(radio.base.handover)
        self._radio = radio
        self._row = environment_parameters(radio.base.environment)
        self._geometry = Geometry(base_height_m(radio), radio.ue.height_m, radio.carrier.carrier_hz)
        self._track = subdivide(track)
        self._fields = [self._draw_fields(seed, site) for site in range(len(radio.base.sites_m))]
        self._roofs = [generator(seed, entity, "roofs", site).random() for site in range(len(self._fields))]
        inside = generator(seed, entity, "penetration")
        self._inside = draw_indoor_loss(inside, self._row, radio.ue.penetration, radio.carrier.carrier_hz)
        self._decider: handover.HandoverDecider | None = None
        self._done_ns = 0

    def until(self, until_ns: int) -> Propagation:
        """Return the propagation from the end of the last interval to `until_ns`."""
        from_ns, self._done_ns = self._done_ns, until_ns
        at_ns, points_m = points_between(self._track, from_ns, until_ns)
        seen = [self._propagation_of(site, points_m) for site in range(len(self._fields))]
        distance_m, loss_db, shadowing_db, los = (np.stack(values) for values in zip(*seen, strict=True))
        strength_db = -(loss_db + shadowing_db)
        if self._decider is None:
            self._decider = handover.HandoverDecider(self._radio.base.handover, strength_db[:, 0])
        serving, interruptions_ns = self._decider.decide(at_ns, strength_db, from_ns, until_ns)
        return Propagation(at_ns, distance_m, loss_db, shadowing_db, los, *serving, interruptions_ns)

    def _draw_fields(self, seed: int, site: int) -> _Fields:
        row, place = self._row, self._radio.base.sites_m[site]
        entity = f"site {[float(metres) + 0.0 for metres in place]}"  # so that 0, 0.0 and -0.0 are one place
        los, nlos = (row.o2i, row.o2i) if row.o2i and self._radio.ue.penetration != "none" else (row.los, row.nlos)
        return _Fields(
            smooth_waves(generator(seed, entity, "line of sight"), row.los_correlation_m),
            rough_waves(generator(seed, entity, "shadowing in sight"), los.correlation_m),
            rough_waves(generator(seed, entity, "shadowing out of sight"), nlos.correlation_m),
        )

    def _propagation_of(self, site: int, points_m: Floats) -> _SitePropagation:
        row, geometry, fields = self._row, self._geometry, self._fields[site]
        away_m = points_m - np.array(self._radio.base.sites_m[site])
        distance_m: Floats = np.hypot(away_m[:, 0], away_m[:, 1])
        outside_m = np.maximum(distance_m - self._inside.depth_m, 0.0)
        los: Flags = ndtr(field_values(fields.sight, points_m)) < los_probability(row.name, outside_m, geometry)
        ground = ground_m(row.name, distance_m, geometry.ue_height_m, self._roofs[site])
        loss_db = path_loss_db(row.name, distance_m, geometry, los, ground) + self._inside.loss_db
        shadowing_db = np.empty(len(points_m))
        shadowing_db[los] = field_values(fields.los, points_m[los])
        shadowing_db[~los] = field_values(fields.nlos, points_m[~los])
        if row.o2i and self._radio.ue.penetration != "none":
            shadowing_db *= row.o2i.sigma_db
        else:
            shadowing_db *= shadowing_sigma_db(row.name, distance_m, geometry, los)
        return _SitePropagation(distance_3d_m(distance_m, geometry), loss_db, shadowing_db, los)


def propagate(radio: Radio, track: Track, duration_ns: int, seed: int, entity: str) -> Propagation:
    """Return the propagation from 0 to `duration_ns` at once (see `PropagationStream`)."""
    return PropagationStream(radio, track, seed, entity).until(duration_ns)
