"""Tracks of UEs: static, through waypoints, or recorded."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emulator.channel.radio import SettingError
from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S

Points = tuple[tuple[float, float], ...]

MAX_PASSES = 100_000  # to and fro; more passes would need too much memory


@dataclass(frozen=True, eq=False)
class Track:
    """Places `points_m`, shape (n, 2), of a UE at the instants `at_ns`, shape (n,), which start at 0. The UE moves
    straight and with constant speed between two instants, and stands still after the last.

    Raises ValueError if the instants do not ascend from 0, or a place is not finite.
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
        """Lengths of the straight pieces, shape (n - 1,)."""
        steps_m = np.diff(self.points_m, axis=0)
        return np.asarray(np.hypot(steps_m[:, 0], steps_m[:, 1]))


class FineTrack(NamedTuple):
    """A track whose pieces are divided into equal parts. Its points are numbered from 0; `first`, shape (n,), has the
    numbers of the original points."""

    track: Track
    first: Ints


class SpeedProfile(NamedTuple):
    """Speed from each instant to the next, and distance travelled by the instant; shapes (n,)."""

    from_ns: Ints
    mps: Floats
    travelled_m: Floats


class TrackPoints(NamedTuple):
    """Points of a fine track: ascending instants, shape (k,), and places, shape (k, 2)."""

    at_ns: Ints
    points_m: Floats


def static(x_m: float, y_m: float) -> Track:
    """Return the track of a UE that stands still."""
    return Track(np.zeros(1, np.int64), np.array([[x_m, y_m]]))


def waypoints(points_m: Points, speed_mps: float, pause_ns: int = 0) -> Track:
    """Return a track at constant speed from point to point, with a pause at each except the first and last. Raises
    ValueError if there is no point, the speed is not above 0, or the pause is below 0."""
    return _along(list(points_m), speed_mps, pause_ns)


def to_and_fro(points_m: Points, speed_mps: float, duration_ns: int, pause_ns: int = 0) -> Track:
    """Return the track of `waypoints`, then back through the same points, and so on, for at least `duration_ns`. Raises
    ValueError as `waypoints` does, and for more than `MAX_PASSES` passes."""
    once = waypoints(points_m, speed_mps, pause_ns)
    passes = _passes("track.to_and_fro_m", int(once.at_ns[-1]), duration_ns)
    there, back = list(points_m), list(points_m[::-1])
    visited = there + [point for number in range(1, passes) for point in (back if number % 2 else there)[1:]]
    return _along(visited, speed_mps, pause_ns)


def there_and_back(track: Track, duration_ns: int) -> Track:
    """Return the track, then back along it at the same speeds, and so on, for at least `duration_ns`. Raises
    ValueError for more than `MAX_PASSES` passes."""
    pass_ns = int(track.at_ns[-1])
    there = (track.at_ns[1:], track.points_m[1:])
    back = ((pass_ns - track.at_ns)[-2::-1], track.points_m[-2::-1])
    at_ns, points_m = [track.at_ns[:1]], [track.points_m[:1]]
    for number in range(_passes("track.after_track", pass_ns, duration_ns)):
        in_pass_ns, places_m = back if number % 2 else there
        at_ns.append(number * pass_ns + in_pass_ns)
        points_m.append(places_m)
    return Track(np.concatenate(at_ns), np.concatenate(points_m))


def speed_profile(track: Track, scatter_mps: float) -> SpeedProfile:
    """Return the speed at which a UE moves through the fading, sqrt(v^2 + scatter^2), where `scatter_mps` is the
    apparent speed of the surroundings of a UE that stands still."""
    lengths_s = np.diff(track.at_ns) / NS_PER_S
    mps = np.hypot(track.lengths_m / lengths_s, scatter_mps)
    return SpeedProfile(track.at_ns, np.append(mps, scatter_mps), np.concatenate([[0.0], np.cumsum(mps * lengths_s)]))


def travelled_m(speed: SpeedProfile, at_ns: Ints) -> Floats:
    """Return the distance travelled through the fading by the instants `at_ns`, shape (k,): the exact integral of the
    speed."""
    piece = np.searchsorted(speed.from_ns, at_ns, side="right") - 1
    return speed.travelled_m[piece] + speed.mps[piece] * ((at_ns - speed.from_ns[piece]) / NS_PER_S)


def subdivide(track: Track, step_m: float = 0.25) -> FineTrack:
    """Divide the track into parts of at most `step_m` and at least 1 ns."""
    parts = np.maximum(1, np.minimum(np.ceil(track.lengths_m / step_m), np.diff(track.at_ns))).astype(np.int64)
    return FineTrack(track, np.concatenate([[0], np.cumsum(parts)]))


def points_between(cut: FineTrack, from_ns: int, until_ns: int) -> TrackPoints:
    """Return the points from the last at or before `from_ns` to the first at or after `until_ns` (or the last of all).
    A point does not depend on the interval."""
    numbers = np.arange(_last_before(cut, from_ns), _first_after(cut, until_ns) + 1)
    pieces = len(cut.first) - 1
    if pieces == 0:
        return TrackPoints(cut.track.at_ns, cut.track.points_m)
    piece = np.minimum(np.searchsorted(cut.first, numbers, side="right") - 1, pieces - 1)
    part, parts = numbers - cut.first[piece], np.diff(cut.first)[piece]
    whole, rest = np.divmod(np.diff(cut.track.at_ns)[piece], parts)  # part x length / parts, rounded down, in 64 bits
    at_ns = cut.track.at_ns[piece] + part * whole + part * rest // parts
    steps_m = np.diff(cut.track.points_m, axis=0)[piece]
    return TrackPoints(at_ns, cut.track.points_m[piece] + steps_m * (part / parts)[:, np.newaxis])


def _last_before(cut: FineTrack, at_ns: int) -> int:
    """Return the number of the last point at or before an instant."""
    piece = int(np.searchsorted(cut.track.at_ns, at_ns, side="right")) - 1
    if piece == len(cut.first) - 1:
        return int(cut.first[-1])
    start_ns, stop_ns = (int(edge) for edge in cut.track.at_ns[piece : piece + 2])
    first, after = (int(number) for number in cut.first[piece : piece + 2])
    return first + ((at_ns - start_ns + 1) * (after - first) - 1) // (stop_ns - start_ns)


def _first_after(cut: FineTrack, at_ns: int) -> int:
    """Return the number of the first point at or after an instant, or of the last point."""
    piece = int(np.searchsorted(cut.track.at_ns, at_ns, side="left")) - 1
    if piece < 0:
        return 0
    if piece == len(cut.first) - 1:
        return int(cut.first[-1])
    start_ns, stop_ns = (int(edge) for edge in cut.track.at_ns[piece : piece + 2])
    first, after = (int(number) for number in cut.first[piece : piece + 2])
    return first - (-(at_ns - start_ns) * (after - first) // (stop_ns - start_ns))


def _passes(setting: str, pass_ns: int, duration_ns: int) -> int:
    """Return how many passes of a way last for `duration_ns`; 1 for a way without length."""
    passes = 1 if pass_ns == 0 else -(-duration_ns // pass_ns)
    if passes > MAX_PASSES:
        least_ns = -(-duration_ns // MAX_PASSES)
        rule = f"one way must last {least_ns / NS_PER_MS:g} ms or more, not {pass_ns / NS_PER_MS:g}"
        raise SettingError(setting, f"{passes} passes", rule)
    return passes


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
