"""Large-scale propagation between the sites and places: distance, path loss, shadowing and line of sight."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from emulator.channel.large_scale import environment
from emulator.channel.large_scale.antenna import antenna_gain, directions
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
from emulator.channel.radio import Radio
from emulator.core.arrays import Flags, Floats
from emulator.core.randomness import generator


class AtPlaces(NamedTuple):
    """Propagation between each site and each place, shape (sites, places): 3-D distance, path loss including
    penetration, shadowing, line of sight, and the antennas' gain: of site and UE towards each other, and the mean one
    of interference between them."""

    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags
    serving_gain_db: Floats
    interfering_gain_db: Floats

    @property
    def coupling_loss_db(self) -> Floats:
        """The loss between a UE and a site that serves it."""
        return self.path_loss_db + self.shadowing_db - self.serving_gain_db

    @property
    def interfering_loss_db(self) -> Floats:
        """The loss between a UE and a site that does not serve it."""
        return self.path_loss_db + self.shadowing_db - self.interfering_gain_db


class _Fields(NamedTuple):
    """Waves of a site's random fields, which are the same for all UEs."""

    sight: Floats
    los: Floats
    nlos: Floats


class Places:
    """Propagation between the sites and a UE as a function of the UE's place.

    A site's random fields are addressed by `seed` and the site's position, so that all UEs of a seed have the same
    shadowing and line of sight at the same place. `entity`, the UE, addresses its own draws: its depth in a building
    and, in UMa above 13 m, the effective environment height.

    Raises ValueError if the settings break a rule of `environment.require_valid`.
    """

    def __init__(self, radio: Radio, seed: int, entity: str) -> None:
        environment.require_valid(radio)
        self._radio = radio
        self._row = environment_parameters(radio.base.environment)
        self._geometry = Geometry(base_height_m(radio), radio.ue.height_m, radio.carrier.carrier_hz)
        self._fields = [self._draw_fields(seed, site) for site in range(len(radio.base.sites_m))]
        self._roofs = [generator(seed, entity, "roofs", site).random() for site in range(len(self._fields))]
        inside = generator(seed, entity, "penetration")
        self._inside = draw_indoor_loss(inside, self._row, radio.ue.penetration, radio.carrier.carrier_hz)

    def at(self, points_m: Floats) -> AtPlaces:
        """Return the propagation to `points_m`, shape (places, 2). A point's values are independent of other points."""
        seen = [self._of(site, points_m) for site in range(len(self._fields))]
        away_m = points_m - np.array(self._radio.base.sites_m)[:, np.newaxis]
        gain = antenna_gain(
            self._radio.base, directions(away_m, self._geometry.ue_height_m - self._geometry.base_height_m)
        )
        ue_db = self._radio.ue.antenna_gain_db
        distance_m, loss_db, shadowing_db, los = (np.stack(values) for values in zip(*seen, strict=True))
        return AtPlaces(
            distance_m,
            loss_db,
            shadowing_db,
            los,
            gain.serving_db + ue_db,
            gain.interfering_db + min(ue_db, 0.0),
        )

    def _draw_fields(self, seed: int, site: int) -> _Fields:
        row, entity = self._row, site_name(self._radio.base.sites_m[site])
        los, nlos = (row.o2i, row.o2i) if row.o2i and self._radio.ue.penetration != "none" else (row.los, row.nlos)
        return _Fields(
            smooth_waves(generator(seed, entity, "line of sight"), row.los_correlation_m),
            rough_waves(generator(seed, entity, "shadowing in sight"), los.correlation_m),
            rough_waves(generator(seed, entity, "shadowing out of sight"), nlos.correlation_m),
        )

    def _of(self, site: int, points_m: Floats) -> tuple[Floats, Floats, Floats, Flags]:
        """Return distance, path loss, shadowing and line of sight to one site, shapes (places,)."""
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
        return distance_3d_m(distance_m, geometry), loss_db, shadowing_db, los


def site_name(place_m: tuple[float, float]) -> str:
    """Return the entity that addresses a site's draws, so that 0, 0.0 and -0.0 are one place."""
    return f"site {[float(metres) + 0.0 for metres in place_m]}"
