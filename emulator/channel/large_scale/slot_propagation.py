"""Large-scale propagation at the slots of one UE."""

from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale.propagation import Propagation
from emulator.core.arrays import Flags, Floats, Ints


class SlotPropagation(NamedTuple):
    """Large-scale propagation to the serving site at the starts of slots, shape (slots,). `serving_loss_db` is its path
    loss plus shadowing minus antenna gain; `interfering_loss_db` that of all sites, with the mean gain of interference,
    shape (sites, slots)."""

    site: Ints
    distance_m: Floats
    path_loss_db: Floats
    shadowing_db: Floats
    los: Flags
    serving_loss_db: Floats
    interfering_loss_db: Floats


def propagation_at(propagation: Propagation, at_ns: Ints) -> SlotPropagation:
    """Return the propagation at ascending instants: losses and distance interpolated linearly between the points of the
    track, line of sight and serving site of the last point. A value depends on its own instant only."""
    last_point = np.maximum(np.searchsorted(propagation.at_ns, at_ns, side="right") - 1, 0)
    switch = np.searchsorted(propagation.serving_from_ns, at_ns, side="right") - 1
    site = propagation.serving_site[switch].astype(np.int64)
    loss_db = propagation.path_loss_db + propagation.shadowing_db
    interfering_db = loss_db - propagation.interfering_gain_db
    return SlotPropagation(
        site,
        _along(propagation, propagation.distance_m, site, at_ns),
        _along(propagation, propagation.path_loss_db, site, at_ns),
        _along(propagation, propagation.shadowing_db, site, at_ns),
        propagation.los[site, last_point],
        _along(propagation, loss_db - propagation.serving_gain_db, site, at_ns),
        np.stack([np.interp(at_ns, propagation.at_ns, of_site) for of_site in interfering_db]),
    )


def _along(propagation: Propagation, values: Floats, site: Ints, at_ns: Ints) -> Floats:
    """Interpolate the serving site's values between the points of the track, shape as `at_ns`."""
    found = np.empty(len(at_ns))
    for number in np.flatnonzero(np.bincount(site)).tolist():
        here = site == number
        found[here] = np.interp(at_ns[here], propagation.at_ns, values[number])
    return found
