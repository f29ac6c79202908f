"""The load of other sites: when each is on, and the uplink interference of their UEs.

A site is on in whole periods of `Base.load_period_ns`, with probability `Base.load`. Each period has one draw, so a
higher load only adds periods. While a site is on, it transmits, and one of its UEs after the other sends. Draws are
addressed by seed and the site's place: all UEs of a seed see the same neighbours.
"""

from dataclasses import replace

import numpy as np

from emulator.channel.large_scale.budget import milliwatts, per_subcarrier_dbm, uplink_power_dbm
from emulator.channel.large_scale.places import Places, site_name
from emulator.channel.numerology import prbs, slot_ns
from emulator.channel.radio import Base, Radio
from emulator.core.arrays import Flags, Floats, Ints
from emulator.core.compiled import entry_point
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key, generator

TURN_SLOTS = 10  # for which one UE of a site sends: about the time between two reports of its buffer
CANDIDATES = 128  # places drawn about a site; its UEs are those that it serves


class Activity:
    """When each site is on."""

    def __init__(self, base: Base, seed: int) -> None:
        names = [site_name(place_m) for place_m in base.sites_m]
        self._keys = np.array([draw_key(seed, name, "load") for name in names])
        lead = [generator(seed, name, "load").random() for name in names]
        self._lead_ns = (np.array(lead) * base.load_period_ns).astype(np.int64)  # periods of sites start apart
        self._load, self._period_ns = base.load, base.load_period_ns

    def on(self, at_ns: Ints) -> Flags:
        """Return whether each site is on at ascending instants, shape (sites, instants)."""
        on: Flags = held_draws(self._keys, self._lead_ns, self._period_ns, at_ns) < self._load
        return on


class UplinkInterference:
    """Interference of the other sites' UEs at a site's receiver, on one subcarrier.

    The UEs of a site are drawn once: of places spread evenly over a disc about it, those where no other site is
    stronger. The disc is the circle about the hexagon of a regular layout, whose radius is the distance to the nearest
    site over sqrt(3). They stand outdoors, are like the UE in all else, and send on the whole band at their power
    control. They change every TURN_SLOTS slots.
    """

    def __init__(self, radio: Radio, seed: int) -> None:
        names = [site_name(place_m) for place_m in radio.base.sites_m]
        self._activity = Activity(radio.base, seed)
        self._keys = np.array([draw_key(seed, name, "uplink turns") for name in names])
        self._turn_ns = TURN_SLOTS * slot_ns(radio.carrier.mu)
        self.received_mw, self.ues = population(radio, seed)

    def at(self, site: Ints, at_ns: Ints) -> Floats:
        """Return the interference in mW at the receiver of `site` at ascending instants, shape (instants,)."""
        starts = np.zeros(len(self._keys), np.int64)
        draws = held_draws(self._keys, starts, self._turn_ns, at_ns)
        sending = (draws * self.ues[:, np.newaxis]).astype(np.int64)
        each_mw = self.received_mw[np.arange(len(self._keys))[:, np.newaxis], sending, site]
        total_mw: Floats = (each_mw * self._activity.on(at_ns)).sum(axis=0)
        return total_mw


def population(radio: Radio, seed: int) -> tuple[Floats, Ints]:
    """Return the power that each site receives on a subcarrier from each UE of the others in mW, shape (sites of the
    UEs, CANDIDATES, receiving sites), 0 beyond the number of a site's UEs, which is the second array, shape (sites,). A
    site's own UEs are no interference: 0."""
    sites_m, resource_blocks = radio.base.sites_m, prbs(radio.carrier)
    received_mw, ues = np.zeros((len(sites_m), CANDIDATES, len(sites_m))), np.zeros(len(sites_m), np.int64)
    if len(sites_m) == 1:
        return received_mw, ues
    places = Places(replace(radio, ue=replace(radio.ue, penetration="none")), seed, "UEs of neighbours")
    for site in range(len(sites_m)):
        seen = places.at(draw_places(sites_m, site, seed))
        own = np.flatnonzero(seen.coupling_loss_db.argmin(axis=0) == site)
        sent_dbm = uplink_power_dbm(radio.ue, radio.carrier.mu, resource_blocks, seen.coupling_loss_db[site, own])
        received_dbm = per_subcarrier_dbm(sent_dbm, resource_blocks) - seen.interfering_loss_db[:, own]
        received_mw[site, : len(own)] = milliwatts(received_dbm).T
        received_mw[site, :, site] = 0.0
        ues[site] = len(own)
    return received_mw, ues


def draw_places(sites_m: tuple[tuple[float, float], ...], site: int, seed: int) -> Floats:
    """Draw CANDIDATES places about a site, even in area, shape (CANDIDATES, 2)."""
    away_m = np.delete(np.array(sites_m), site, axis=0) - sites_m[site]
    farthest_m = np.hypot(away_m[:, 0], away_m[:, 1]).min() / np.sqrt(3)
    rank, turn = generator(seed, site_name(sites_m[site]), "places of UEs").random((2, CANDIDATES))
    distance_m, angle = farthest_m * np.sqrt(rank), 2 * np.pi * turn
    places_m: Floats = np.array(sites_m[site]) + (distance_m * [np.cos(angle), np.sin(angle)]).T
    return places_m


def held_draws(keys: Ints, lead_ns: Ints, period_ns: int, at_ns: Ints) -> Floats:
    """Return a draw from [0, 1) for each key and each period, at ascending instants from 0, shape (keys, instants). The
    periods of a key start `lead_ns` before 0."""
    draws = np.empty((len(keys), len(at_ns)))
    _hold_draws(keys, lead_ns, period_ns, at_ns, draws)
    return draws


@entry_point
def _hold_draws(keys: Ints, lead_ns: Ints, period_ns: int, at_ns: Ints, draws: Floats) -> None:
    for row in range(len(keys)):
        until_ns, draw = -1, 0.0
        for column in range(len(at_ns)):
            if at_ns[column] >= until_ns:
                period = (at_ns[column] + lead_ns[row]) // period_ns
                until_ns = (period + 1) * period_ns - lead_ns[row]
                draw = uniform(keys[row], period, 0, 0)
            draws[row, column] = draw
