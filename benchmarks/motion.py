"""Handovers of straight drives through a hexagonal layout of sites, compared with the borders of cells that they cross.

    python -m benchmarks.motion

prints, for each environment and speed: handovers per border crossed (a border: the nearest site changes); stays of less
than a second at a site, as a share of the handovers; the share of the time at a site that is more than 6 dB weaker than
the best; and the share of half-seconds in which the loss to a site changes by 15 dB or more.
"""

from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale.handover import HandoverDecider
from emulator.channel.large_scale.places import Places
from emulator.channel.radio import Base, Environment, Radio
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S

SPACINGS_M: dict[Environment, float] = {"umi": 200.0, "uma": 500.0}
SPEEDS_KMH = (30, 60, 120)
RINGS = 3  # of sites about the one in the middle: 37 sites
STEP_M = 0.5
DRIVES = 60
SHORT_NS = NS_PER_S
WEAK_DB = 6.0
LEAP_DB = 15.0


class Drive(NamedTuple):
    """A straight way through the layout, at points that are `STEP_M` apart: strength of each site, shape (sites, k),
    and number of the nearest site, shape (k,)."""

    strength_db: Floats
    nearest: Ints


class Counts(NamedTuple):
    """What happens on one or more drives; the last two are shares."""

    crossings: int
    handovers: int
    short_stays: int
    weak: float
    leaps: float


def radio_of(environment: Environment) -> Radio:
    """Return the default settings with sites on a hexagonal grid."""
    spacing_m, across = SPACINGS_M[environment], range(-RINGS, RINGS + 1)
    cells = [(column, row) for column in across for row in across if abs(column + row) <= RINGS]
    sites_m = tuple((spacing_m * (column + row / 2), spacing_m * row * np.sqrt(3) / 2) for column, row in cells)
    return Radio(base=Base(environment=environment, sites_m=sites_m))


def line_m(spacing_m: float, seed: int) -> Floats:
    """Return the points of a line of four site distances, shape (k, 2). Its direction is uniform, and so is its middle
    within the area of one cell."""
    rng = generator(seed, "drive", "line")
    angle, (column, row) = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5, 2)
    middle_m = spacing_m * np.array([column + row / 2, row * np.sqrt(3) / 2])
    along_m = np.arange(-2 * spacing_m, 2 * spacing_m, STEP_M)
    return np.asarray(middle_m + along_m[:, np.newaxis] * np.array([np.cos(angle), np.sin(angle)]))


def nearest_site(radio: Radio, points_m: Floats) -> Ints:
    """Return the number of the site that is nearest to each point, shape (k,)."""
    away_m = points_m[:, np.newaxis] - np.array(radio.base.sites_m)
    return np.asarray(np.argmin(np.linalg.norm(away_m, axis=2), axis=1))


def drive(radio: Radio, seed: int) -> Drive:
    """Return a drive along the line of the seed, with the random fields of the seed."""
    points_m = line_m(SPACINGS_M[radio.base.environment], seed)
    found = Places(radio, seed, "ue").at(points_m)
    return Drive(-found.coupling_loss_db, nearest_site(radio, points_m))


def counts_of(radio: Radio, driven: Drive, kmh: float) -> Counts:
    """Count what happens on a drive at a constant speed."""
    strength_db, points = driven.strength_db, driven.strength_db.shape[1]
    step_ns = round(STEP_M / (kmh / 3.6) * NS_PER_S)
    at_ns = np.arange(points) * step_ns
    decider = HandoverDecider(radio.base.handover, strength_db[:, 0])
    serving, _ = decider.decide(at_ns, strength_db, 0, points * step_ns)
    site = serving.site[np.searchsorted(serving.from_ns, at_ns, side="right") - 1]
    behind_db = strength_db.max(axis=0) - strength_db[site, np.arange(points)]
    half_second = round(0.5 * NS_PER_S / step_ns)
    leaps_db = np.abs(strength_db[:, half_second:] - strength_db[:, :-half_second])
    return Counts(
        crossings=int(np.count_nonzero(np.diff(driven.nearest))),
        handovers=len(serving.site) - 1,
        short_stays=int((np.diff(serving.from_ns[1:]) < SHORT_NS).sum()),
        weak=float((behind_db > WEAK_DB).mean()),
        leaps=float((leaps_db >= LEAP_DB).mean()),
    )


def main() -> None:
    """Print the table of the module's docstring."""
    print("environment  km/h  crossings  handovers  per crossing  stays < 1 s  > 6 dB weaker  leaps of 15 dB")
    for environment in SPACINGS_M:
        radio = radio_of(environment)
        driven = [drive(radio, seed) for seed in range(DRIVES)]
        for kmh in SPEEDS_KMH:
            counts = np.array([counts_of(radio, each, kmh) for each in driven])
            crossings, handovers, short_stays = counts[:, :3].sum(axis=0)
            weak, leaps = counts[:, 3:].mean(axis=0)
            print(
                f"{environment:11}{kmh:6}{crossings:11.0f}{handovers:11.0f}{handovers / crossings:14.2f}"
                f"{short_stays / handovers:13.1%}{weak:15.1%}{leaps:16.1%}"
            )


if __name__ == "__main__":
    main()
