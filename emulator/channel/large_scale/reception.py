"""Propagation as the slots of one UE meet it."""

from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale.propagation import Propagation
from emulator.core.arrays import Flags, Floats, Ints


class Reception(NamedTuple):
    """Large-scale propagation at the starts of some slots, that to the serving site of shape (slots,);
    `coupling_loss_db`, path loss and shadowing less the antenna's gain, is that to each site, (sites, slots)."""

    site: Ints
    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags
    coupling_loss_db: Floats

    @property
    def serving_loss_db(self) -> Floats:
        """The coupling loss to the serving site, shape (slots,)."""
        return self.coupling_loss_db[self.site, np.arange(len(self.site))]


def received(propagation: Propagation, antenna_gain_db: float, at_ns: Ints) -> Reception:
    """Propagation at ascending instants: losses and distance linearly between the points of the path, line of
    sight and serving site as they last were. A value depends on its own instant alone."""
    last_point = np.maximum(np.searchsorted(propagation.at_ns, at_ns, side="right") - 1, 0)
    switch = np.searchsorted(propagation.serving_from_ns, at_ns, side="right") - 1
    site = propagation.serving_site[switch].astype(np.int64)
    loss_db = propagation.path_loss_db + propagation.shadowing_db - antenna_gain_db
    return Reception(
        site,
        _along(propagation, propagation.distance_m, site, at_ns),
        _along(propagation, propagation.path_loss_db, site, at_ns),
        _along(propagation, propagation.shadowing_db, site, at_ns),
        propagation.los[site, last_point],
        np.stack([np.interp(at_ns, propagation.at_ns, of_site) for of_site in loss_db]),
    )


def _along(propagation: Propagation, values: Floats, site: Ints, at_ns: Ints) -> Floats:
    """Of the serving site, between the points of the path; shape as `at_ns`."""
    found = np.empty(len(at_ns))
    for number in np.flatnonzero(np.bincount(site)).tolist():
        here = site == number
        found[here] = np.interp(at_ns[here], propagation.at_ns, values[number])
    return found
