"""Where a UE goes: its section of a scenario as the emulator's track."""

import math
from pathlib import Path

import numpy as np

from emulator.channel.large_scale.recorded_track import load_track
from emulator.channel.large_scale.track import Track, static, to_and_fro, waypoints
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S, ns_from_s
from topologies.schema.radio import RadioSection, RingSection

Place = tuple[float, float]


def track_of(section: RadioSection, duration_ns: int, seed: int, ue: str, folder: Path) -> Track:
    """The way of a UE for at least `duration_ns`. What is drawn of it is addressed by seed and UE; relative paths
    start from `folder`. Raises ValueError, one line, for a file that is not a recorded track."""
    pause_ns = ns_from_s(section.pause_s)
    if section.track is not None:
        return load_track(folder / section.track)
    if section.at_m is not None:
        return static(*section.at_m)
    if section.waypoints_m is not None:
        return waypoints(section.waypoints_m, section.speed_mps, pause_ns)
    if section.to_and_fro_m is not None:
        return to_and_fro(section.to_and_fro_m, section.speed_mps, duration_ns, pause_ns)
    length_m = section.speed_mps * duration_ns / NS_PER_S
    return waypoints(wander(section.ring or RingSection(), length_m, seed, ue), section.speed_mps, pause_ns)


def wander(ring: RingSection, length_m: float, seed: int, ue: str) -> tuple[Place, ...]:
    """Points spread evenly over a ring, the straight way through them at least `length_m` long and nowhere nearer to
    the centre than the ring is: random waypoints (Johnson and Maltz, "Dynamic source routing in ad hoc wireless
    networks", Mobile Computing, 1996). A longer way begins as a shorter one does."""
    rng = generator(seed, ue, "way")
    centre = np.array(ring.about_m)
    places = [_place(rng, ring)]
    walked_m = 0.0
    while walked_m < length_m or len(places) < 2:
        following = _place(rng, ring)
        if _nearest_m(places[-1], following) >= ring.nearest_m:
            walked_m += math.dist(places[-1], following)
            places.append(following)
    return tuple((float(x), float(y)) for x, y in np.array(places) + centre)


def _place(rng: np.random.Generator, ring: RingSection) -> Place:
    """Even over the area of the ring about the origin."""
    area, turn = rng.random(2)
    radius_m = math.sqrt(ring.nearest_m**2 + area * (ring.farthest_m**2 - ring.nearest_m**2))
    return radius_m * math.cos(2 * math.pi * turn), radius_m * math.sin(2 * math.pi * turn)


def _nearest_m(start: Place, stop: Place) -> float:
    """How near the straight way between two places comes to the origin."""
    (ax, ay), (dx, dy) = start, (stop[0] - start[0], stop[1] - start[1])
    squared = dx * dx + dy * dy
    part = 0.0 if squared == 0 else min(max(-(ax * dx + ay * dy) / squared, 0.0), 1.0)
    return math.hypot(ax + part * dx, ay + part * dy)
