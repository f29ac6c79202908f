"""Where a UE is: standing, on a way through given points, or on a recorded one."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emulator.channel.radio import SettingError
from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S

Points = tuple[tuple[float, float], ...]

MOST_WAYS = 100_000  # to and fro: more, and the points that are so near would fill the memory


@dataclass(frozen=True, eq=False)
class Track:
    """A UE's places `points_m`, shape (n, 2), at the instants `at_ns`, shape (n,), from 0 on; between two instants
    straight and even, after the last it stands still.

    Raises ValueError when the instants do not ascend from 0, or a place is not finite.
    """

    at_ns: Ints
    points_m: Floats

    def __post_init__(self) -> None:
        if self.points_m.shape != (len(self.at_ns), 2):
            raise ValueError(f"track.points_m: shape {self.points_m.shape}: must be ({len(self.at_ns)}, 2)")
        if not len(self.at_ns) or self.at_ns[0] != 0:
            raise ValueError("track.at_ns: must begin at 0")
        late = np.flatnonzero(np.diff(self.at_ns) <= 0)
        if len(late):
            row = int(late[0]) + 1
            raise ValueError(f"track.at_ns: row {row}: {self.at_ns[row]}: must be above the one before")
        if not np.isfinite(self.points_m).all():
            raise ValueError("track.points_m: must be finite")

    @property
    def lengths_m(self) -> Floats:
        """Of each straight piece, shape (n - 1,)."""
        steps_m = np.diff(self.points_m, axis=0)
        return np.asarray(np.hypot(steps_m[:, 0], steps_m[:, 1]))


class FineTrack(NamedTuple):
    """A track whose pieces are cut into equal parts; its points are numbered from 0 on: `first`, shape (n,), is the
    number of each of the track's own."""

    track: Track
    first: Ints


class Pace(NamedTuple):
    """A speed that holds from each instant to the next, and the way travelled by that instant; shapes (n,)."""

    from_ns: Ints
    mps: Floats
    passed_m: Floats


class Stretch(NamedTuple):
    """Points of a fine track: instants, shape (k,), ascending, and places, shape (k, 2)."""

    at_ns: Ints
    points_m: Floats


def static(x_m: float, y_m: float) -> Track:
    """A UE that stays where it is."""
    return Track(np.zeros(1, np.int64), np.array([[x_m, y_m]]))


def waypoints(points_m: Points, speed_mps: float, pause_ns: int = 0) -> Track:
    """At even speed from point to point, with a pause at each but the first, to the last. Raises ValueError unless
    there is a point, the speed is above 0 and the pause not below."""
    return _along(list(points_m), speed_mps, pause_ns)


def to_and_fro(points_m: Points, speed_mps: float, duration_ns: int, pause_ns: int = 0) -> Track:
    """As `waypoints`, then back by the same points, again and again, for at least `duration_ns`. Raises ValueError as
    `waypoints` does, and where that would be more than `MOST_WAYS` ways."""
    once = waypoints(points_m, speed_mps, pause_ns)
    there_ns = int(once.at_ns[-1])
    ways = 1 if there_ns == 0 else -(-duration_ns // there_ns)
    if ways > MOST_WAYS:
        least_ns = -(-duration_ns // MOST_WAYS)
        raise SettingError(
            "track.to_and_fro_m",
            f"{len(points_m)} points",
            f"one way must last {least_ns / NS_PER_MS:g} ms or more, not {there_ns / NS_PER_MS:g}",
        )
    there, back = list(points_m), list(points_m[::-1])
    visited = there + [point for way in range(1, ways) for point in (back if way % 2 else there)[1:]]
    return _along(visited, speed_mps, pause_ns)


def pace(track: Track, scatter_mps: float) -> Pace:
    """How fast a UE moves through the fading: sqrt(v^2 + scatter^2), where `scatter_mps` is how fast the
    surroundings move past a UE that stands still."""
    lengths_s = np.diff(track.at_ns) / NS_PER_S
    mps = np.hypot(track.lengths_m / lengths_s, scatter_mps)
    return Pace(track.at_ns, np.append(mps, scatter_mps), np.concatenate([[0.0], np.cumsum(mps * lengths_s)]))


def travelled_m(paced: Pace, at_ns: Ints) -> Floats:
    """The way through the fading by the instants `at_ns`, shape (k,): the integral of the pace, exact."""
    piece = np.searchsorted(paced.from_ns, at_ns, side="right") - 1
    return paced.passed_m[piece] + paced.mps[piece] * ((at_ns - paced.from_ns[piece]) / NS_PER_S)


def fine(track: Track, step_m: float = 0.25) -> FineTrack:
    """The track in parts at most `step_m` long, yet of at least 1 ns."""
    parts = np.maximum(1, np.minimum(np.ceil(track.lengths_m / step_m), np.diff(track.at_ns))).astype(np.int64)
    return FineTrack(track, np.concatenate([[0], np.cumsum(parts)]))


def between(cut: FineTrack, from_ns: int, until_ns: int) -> Stretch:
    """The fine track's points from the last at or before `from_ns` to the first at or after `until_ns`, or the last
    of all. A point is the same in whatever stretch it is met."""
    numbers = np.arange(_last_before(cut, from_ns), _first_after(cut, until_ns) + 1)
    pieces = len(cut.first) - 1
    if pieces == 0:
        return Stretch(cut.track.at_ns, cut.track.points_m)
    piece = np.minimum(np.searchsorted(cut.first, numbers, side="right") - 1, pieces - 1)
    part, parts = numbers - cut.first[piece], np.diff(cut.first)[piece]
    whole, rest = np.divmod(np.diff(cut.track.at_ns)[piece], parts)  # part x length / parts, rounded down, in 64 bits
    at_ns = cut.track.at_ns[piece] + part * whole + part * rest // parts
    steps_m = np.diff(cut.track.points_m, axis=0)[piece]
    return Stretch(at_ns, cut.track.points_m[piece] + steps_m * (part / parts)[:, np.newaxis])


def _last_before(cut: FineTrack, at_ns: int) -> int:
    """The greatest number of a point at or before an instant."""
    piece = int(np.searchsorted(cut.track.at_ns, at_ns, side="right")) - 1
    if piece == len(cut.first) - 1:
        return int(cut.first[-1])
    start_ns, stop_ns = (int(edge) for edge in cut.track.at_ns[piece : piece + 2])
    first, after = (int(number) for number in cut.first[piece : piece + 2])
    return first + ((at_ns - start_ns + 1) * (after - first) - 1) // (stop_ns - start_ns)


def _first_after(cut: FineTrack, at_ns: int) -> int:
    """The least number of a point at or after an instant, or that of the last point."""
    piece = int(np.searchsorted(cut.track.at_ns, at_ns, side="left")) - 1
    if piece < 0:
        return 0
    if piece == len(cut.first) - 1:
        return int(cut.first[-1])
    start_ns, stop_ns = (int(edge) for edge in cut.track.at_ns[piece : piece + 2])
    first, after = (int(number) for number in cut.first[piece : piece + 2])
    return first - (-(at_ns - start_ns) * (after - first) // (stop_ns - start_ns))


def _along(points_m: list[tuple[float, float]], speed_mps: float, pause_ns: int) -> Track:
    if not points_m:
        raise ValueError("track.points_m=(): must have at least one point")
    if not 0 < speed_mps < np.inf:
        raise ValueError(f"track.speed_mps={speed_mps:g}: must be finite and above 0")
    if pause_ns < 0:
        raise ValueError(f"track.pause_ns={pause_ns}: must be at least 0")
    places = np.array(points_m)
    moved = np.append(True, (np.diff(places, axis=0) != 0).any(axis=1))
    places = places[moved]
    lengths_m = np.hypot(*np.diff(places, axis=0).T)
    walks_ns = np.maximum(1, np.rint(lengths_m / speed_mps * NS_PER_S)).astype(np.int64)
    if pause_ns == 0:
        return Track(np.concatenate([[0], np.cumsum(walks_ns)]), places)
    steps_ns = np.stack([walks_ns, np.full(len(walks_ns), pause_ns)], axis=1).ravel()[:-1]
    return Track(np.concatenate([[0], np.cumsum(steps_ns)]), np.repeat(places, 2, axis=0)[1:-1])
