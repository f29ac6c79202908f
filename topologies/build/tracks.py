"""Conversion of a UE's movement to the emulator's track."""

import math
from pathlib import Path

import numpy as np

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.large_scale.recorded_track import load_track
from emulator.channel.large_scale.track import Track, static, there_and_back, to_and_fro, waypoints
from emulator.channel.radio import SettingError
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S, ns_from_s
from topologies.schema.cells import CellSection
from topologies.schema.radio import MOVEMENT_KEYS, RadioSection, RingSection

Position = tuple[float, float]  # x and y in m


def track_of(section: RadioSection, duration_ns: int, seed: int, ue: str, folder: Path) -> Track:
    """Return the track of a UE for at least `duration_ns`. Random tracks are addressed by seed and UE; relative paths
    start from `folder`. Raises ValueError (one line) if the file is not a recorded track."""
    speed_mps, pause_ns = section.speed_mps or 0.0, ns_from_s(section.pause_s or 0.0)
    if section.track is not None:
        track = load_track(folder / section.track)
        return there_and_back(track, duration_ns) if section.after_track == "return" else track
    if section.at_m is not None:
        return static(*section.at_m)
    if section.waypoints_m is not None:
        return waypoints(section.waypoints_m, speed_mps, pause_ns)
    if section.to_and_fro_m is not None:
        return to_and_fro(section.to_and_fro_m, speed_mps, duration_ns, pause_ns)
    length_m = speed_mps * duration_ns / NS_PER_S
    return waypoints(random_waypoints(section.ring or RingSection(), length_m, seed, ue), speed_mps, pause_ns)


def require_long_enough(section: RadioSection, track: Track, key: str, duration_ns: int) -> None:
    """Raise ValueError (one line) if a recorded track ends before `duration_ns`, the value of `key`, and the section
    does not say how the UE then moves."""
    if section.track is not None and section.after_track is None and track.at_ns[-1] < duration_ns:
        lasts_s, needed_s = int(track.at_ns[-1]) / NS_PER_S, duration_ns / NS_PER_S
        raise ValueError(
            f"track={section.track}: must last as long as {key}, {needed_s:g} s, and lasts {lasts_s:g} s;"
            f" shorten {key}, take a longer track, or give after_track: stay or return"
        )


def require_in_hall(section: RadioSection, track: Track, cell: CellSection) -> None:
    """Raise SettingError if a UE can leave the hall of its cell, which lies about the middle of the sites."""
    floor_m = environment_parameters(cell.environment).floor_m
    if floor_m is None:
        return
    sites_m = np.array(cell.sites_m)
    middle_m = (sites_m.min(axis=0) + sites_m.max(axis=0)) / 2
    (key,) = (name for name in MOVEMENT_KEYS if getattr(section, name) is not None)
    points_m = track.points_m
    if section.ring is not None:  # what it can draw, rather than what it drew
        key = "ring.farthest_m"
        points_m = np.array(section.ring.about_m) + section.ring.farthest_m * np.array([(-1, -1), (1, 1)])
    if (np.abs(points_m - middle_m) > np.array(floor_m) / 2).any():
        hall = f"the hall, {floor_m[0]:g} x {floor_m[1]:g} m about [{middle_m[0]:g}, {middle_m[1]:g}]"
        raise SettingError(f"track.{key}", "", f"must keep the UE in {hall}")


def random_waypoints(ring: RingSection, length_m: float, seed: int, ue: str) -> tuple[Position, ...]:
    """Return random waypoints (Johnson and Maltz, "Dynamic source routing in ad hoc wireless networks", Mobile
    Computing, 1996), uniform over a ring. The path is at least `length_m` long and never closer to the centre than the
    ring. A longer path begins with the shorter one of the same seed."""
    rng = generator(seed, ue, "way")
    centre = np.array(ring.about_m)
    points = [_random_point(rng, ring)]
    walked_m = 0.0
    while walked_m < length_m or len(points) < 2:
        following = _random_point(rng, ring)
        if _distance_to_origin_m(points[-1], following) >= ring.nearest_m:
            walked_m += math.dist(points[-1], following)
            points.append(following)
    return tuple((float(x), float(y)) for x, y in np.array(points) + centre)


def _random_point(rng: np.random.Generator, ring: RingSection) -> Position:
    """Draw a point, uniform over the area of the ring around the origin."""
    area, turn = rng.random(2)
    radius_m = math.sqrt(ring.nearest_m**2 + area * (ring.farthest_m**2 - ring.nearest_m**2))
    return radius_m * math.cos(2 * math.pi * turn), radius_m * math.sin(2 * math.pi * turn)


def _distance_to_origin_m(start: Position, stop: Position) -> float:
    """Return the distance of a straight segment from the origin."""
    (ax, ay), (dx, dy) = start, (stop[0] - start[0], stop[1] - start[1])
    squared = dx * dx + dy * dy
    fraction = 0.0 if squared == 0 else min(max(-(ax * dx + ay * dy) / squared, 0.0), 1.0)
    return math.hypot(ax + fraction * dx, ay + fraction * dy)
