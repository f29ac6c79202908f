"""Large-scale propagation between the sites and places: distance, path loss, shadowing and line of sight."""

from typing import NamedTuple

import numpy as np

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
from emulator.channel.large_scale.random_field import DrawWaves, SiteFields, rough_waves, smooth_waves
from emulator.channel.large_scale.sight import sight_weight, transition_width
from emulator.channel.radio import Radio
from emulator.core.arrays import Floats
from emulator.core.randomness import generator


class AtPlaces(NamedTuple):
    """Propagation between each site and each place, shape (sites, places): 3-D distance, path loss including
    penetration, shadowing, the weight of line of sight, and the antennas' gain: of site and UE towards each other, and
    the mean one of interference between them."""

    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    sight: Floats
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


class Places:
    """Propagation between the sites and a UE as a function of the UE's place.

    A site's random fields are addressed by `seed` and the site's position, and what all sites share of them by `seed`
    alone, so that all UEs of a seed have the same shadowing and line of sight at the same place. `entity`, the UE,
    addresses its own draws: its depth in a building and, in UMa above 13 m, the effective environment height.

    Raises ValueError if the settings break a rule of `environment.require_valid`.
    """

    def __init__(self, radio: Radio, seed: int, entity: str) -> None:
        environment.require_valid(radio)
        self._radio = radio
        self._row = environment_parameters(radio.base.environment)
        self._geometry = Geometry(base_height_m(radio), radio.ue.height_m, radio.carrier.carrier_hz)
        base, row = radio.base, self._row
        self._indoors = row.o2i if radio.ue.penetration != "none" else None
        los, nlos = self._indoors or row.los, self._indoors or row.nlos
        between = base.site_correlation
        self._sight = self._fields(seed, "line of sight", smooth_waves, row.los_correlation_m, base.sight_correlation)
        self._clear = self._fields(seed, "shadowing in sight", rough_waves, los.correlation_m, between)
        self._blocked = self._fields(seed, "shadowing out of sight", rough_waves, nlos.correlation_m, between)
        self._roofs = np.array([generator(seed, entity, "roofs", site).random() for site in range(len(base.sites_m))])
        inside = generator(seed, entity, "penetration")
        self._inside = draw_indoor_loss(inside, self._row, radio.ue.penetration, radio.carrier.carrier_hz)

    def at(self, points_m: Floats) -> AtPlaces:
        """Return the propagation to `points_m`, shape (places, 2). A point's values are independent of other points."""
        away_m = points_m - np.array(self._radio.base.sites_m)[:, np.newaxis]
        distance_m: Floats = np.hypot(away_m[:, :, 0], away_m[:, :, 1])
        sight = self._sight_of(points_m, distance_m)
        loss_db = self._path_loss_db(distance_m, sight)
        shadowing_db = self._shadowing_db(points_m, distance_m, sight)
        gain = antenna_gain(
            self._radio.base, directions(away_m, self._geometry.ue_height_m - self._geometry.base_height_m)
        )
        ue_db = self._radio.ue.antenna_gain_db
        return AtPlaces(
            distance_3d_m(distance_m, self._geometry),
            loss_db,
            shadowing_db,
            sight,
            gain.serving_db + ue_db,
            gain.interfering_db + min(ue_db, 0.0),
        )

    def _fields(self, seed: int, purpose: str, draw: DrawWaves, correlation_m: float, between: float) -> SiteFields:
        """Return a random field of each site."""
        sites = [site_name(place_m) for place_m in self._radio.base.sites_m]
        own = [draw(generator(seed, site, purpose), correlation_m) for site in sites]
        return SiteFields(draw(generator(seed, "all sites", purpose), correlation_m), own, between)

    def _sight_of(self, points_m: Floats, distance_m: Floats) -> Floats:
        """Return the weight of line of sight, by the distance outdoors, shape (sites, places)."""
        outside_m = np.maximum(distance_m - self._inside.depth_m, 0.0)
        probability = los_probability(self._row.name, outside_m, self._geometry)
        field = self._sight.values(points_m, np.ones(distance_m.shape, np.bool_))
        return sight_weight(field, probability, transition_width(self._row))

    def _path_loss_db(self, distance_m: Floats, sight: Floats) -> Floats:
        """Return the path loss, shape (sites, places)."""
        name, geometry = self._row.name, self._geometry
        ground = ground_m(name, distance_m, geometry.ue_height_m, self._roofs[:, np.newaxis])
        return path_loss_db(name, distance_m, geometry, sight, ground) + self._inside.loss_db

    def _shadowing_db(self, points_m: Floats, distance_m: Floats, sight: Floats) -> Floats:
        """Return the shadowing, shape (sites, places): that in line of sight plus that out of it, with weights whose
        squares sum to 1, so that its variance passes from one to the other."""
        name, geometry = self._row.name, self._geometry
        if self._indoors is None:
            sigmas_db = [shadowing_sigma_db(name, distance_m, geometry, los) for los in (True, False)]
        else:
            sigmas_db = 2 * [np.array(self._indoors.sigma_db)]
        clear_db = np.sqrt(sight) * sigmas_db[0] * self._clear.values(points_m, sight > 0)
        return clear_db + np.sqrt(1 - sight) * sigmas_db[1] * self._blocked.values(points_m, sight < 1)


def site_name(place_m: tuple[float, float]) -> str:
    """Return the entity that addresses a site's draws, so that 0, 0.0 and -0.0 are one place."""
    return f"site {[float(metres) + 0.0 for metres in place_m]}"
