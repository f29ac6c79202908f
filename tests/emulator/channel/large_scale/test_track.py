"""Tracks of UEs: points, subdivision, and distance travelled."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.large_scale.recorded_track import load_track
from emulator.channel.large_scale.track import (
    Track,
    points_between,
    speed_profile,
    static,
    subdivide,
    to_and_fro,
    travelled_m,
    waypoints,
)

SECOND_NS = 10**9


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    steps_ns = draw(st.lists(st.integers(1, 3 * SECOND_NS), max_size=5))
    metres = st.floats(-20, 20).map(lambda value: round(value, 2))
    points_m = [[draw(metres), draw(metres)] for _ in range(len(steps_ns) + 1)]
    return Track(np.cumsum([0, *steps_ns]), np.array(points_m))


def place(track: Track, at_ns: float) -> list[float]:
    """Interpolate linearly; the last place holds."""
    return [float(np.interp(at_ns, track.at_ns, track.points_m[:, axis])) for axis in (0, 1)]


@given(track=tracks())
def test_subdividing_keeps_the_track(track: Track) -> None:
    end_ns = int(track.at_ns[-1])
    at_ns, points_m = points_between(subdivide(track), 0, end_ns)
    assert at_ns[0] == 0
    assert at_ns[-1] == end_ns
    assert (np.diff(at_ns) > 0).all()
    # a piece is cut into parts of at least 1 ns
    assert (np.hypot(*np.diff(points_m, axis=0).T) <= np.where(np.diff(at_ns) > 1, 0.25 + 1e-9, np.inf)).all()
    kept = np.isin(track.at_ns, at_ns)
    assert kept.all()
    speed_per_ns = max(np.hypot(*np.diff(track.points_m, axis=0).T) / np.diff(track.at_ns), default=0.0)
    # an instant is rounded to whole ns, hence the place at it by the way of one ns
    for now_ns, point in zip(at_ns, points_m, strict=True):
        assert np.hypot(*(np.array(place(track, now_ns)) - point)) <= speed_per_ns + 1e-9


@given(track=tracks(), edges=st.lists(st.integers(0, 20 * SECOND_NS), min_size=1, max_size=6))
def test_points_between_covers_the_interval(track: Track, edges: list[int]) -> None:
    """Compared with all points: from the last at or before the start to the first at or after the end."""
    cut = subdivide(track)
    at_ns, points_m = points_between(cut, 0, max(20 * SECOND_NS, int(track.at_ns[-1])))
    for from_ns, until_ns in zip([0, *sorted(edges)], sorted(edges), strict=False):
        first = np.flatnonzero(at_ns <= from_ns)[-1]
        later = np.flatnonzero(at_ns >= until_ns)
        last = later[0] if len(later) else len(at_ns) - 1
        stretch = points_between(cut, from_ns, until_ns)
        assert np.array_equal(stretch.at_ns, at_ns[first : last + 1])
        assert np.array_equal(stretch.points_m, points_m[first : last + 1])


@given(track=tracks(), scatter_mps=st.floats(0, 3))
def test_distance_travelled_is_the_integral_of_the_speed(track: Track, scatter_mps: float) -> None:
    """Compared with a sum over all pieces, with a UE that stands still after the last."""
    at_ns = np.linspace(0, int(track.at_ns[-1]) + SECOND_NS, 7).astype(np.int64)
    for now_ns, found in zip(at_ns, travelled_m(speed_profile(track, scatter_mps), at_ns), strict=True):
        total = max(0, now_ns - track.at_ns[-1]) / 1e9 * scatter_mps
        for piece, length_m in enumerate(track.lengths_m):
            start_ns, stop_ns = track.at_ns[piece : piece + 2]
            inside_s = max(0, min(now_ns, stop_ns) - start_ns) / 1e9
            total += inside_s * np.hypot(length_m / ((stop_ns - start_ns) / 1e9), scatter_mps)
        assert found == pytest.approx(total, rel=1e-9, abs=1e-12)


def test_a_static_ue_moves_only_by_its_surroundings() -> None:
    assert list(travelled_m(speed_profile(static(3, 4), 0.3), np.array([0, 10 * SECOND_NS]))) == [
        0.0,
        pytest.approx(3.0),
    ]


def test_waypoints_with_pauses() -> None:
    track = waypoints(((0, 0), (30, 40), (30, 40), (30, 0)), 10.0, 2 * SECOND_NS)
    assert list(track.at_ns) == [0, 5 * SECOND_NS, 7 * SECOND_NS, 11 * SECOND_NS]
    assert track.points_m.tolist() == [[0, 0], [30, 40], [30, 40], [30, 0]]
    assert waypoints(((1, 2),), 5.0).points_m.tolist() == [[1, 2]]


@pytest.mark.parametrize("pause_ns", [0, 3 * SECOND_NS])
def test_to_and_fro_returns(pause_ns: int) -> None:
    track = to_and_fro(((0, 0), (10, 0), (10, 20)), 5.0, 100 * SECOND_NS, pause_ns)
    assert track.at_ns[-1] >= 100 * SECOND_NS
    way_ns = 6 * SECOND_NS + 2 * pause_ns  # there, with the pause at its middle and at its end
    for time_s in (0.0, 1.5, 2.0, 4.4):
        now_ns = time_s * SECOND_NS
        back_ns = 2 * way_ns - pause_ns - now_ns  # the mirror image about the middle of the pause at the far end
        assert place(track, now_ns) == pytest.approx(place(track, now_ns + 2 * way_ns))
        assert place(track, now_ns) == pytest.approx(place(track, back_ns))


def test_to_and_fro_at_one_place_stands_still() -> None:
    assert to_and_fro(((1, 2), (1, 2)), 5.0, SECOND_NS).points_m.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("points_m", "speed_mps", "pause_ns", "message"),
    [
        ((), 1.0, 0, r"track.points_m=\(\): must have at least one point"),
        (((0.0, 0.0),), 0.0, 0, "track.speed_mps=0: must be finite and above 0"),
        (((0.0, 0.0),), float("nan"), 0, "track.speed_mps=nan: must be finite and above 0"),
        (((0.0, 0.0),), 1.0, -1, "track.pause_ns=-1: must be at least 0"),
        (((0.0, float("inf")),), 1.0, 0, "track.points_m: must be finite"),
    ],
)
def test_invalid_waypoints_are_refused(
    points_m: tuple[tuple[float, float]], speed_mps: float, pause_ns: int, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        waypoints(points_m, speed_mps, pause_ns)


@pytest.mark.parametrize(
    ("at_ns", "message"),
    [
        ([], r"track.at_ns: must begin at 0"),
        ([1, 2], r"track.at_ns: must begin at 0"),
        ([0, 5, 5], r"track.at_ns: row 2: 5: must be above the one before"),
    ],
)
def test_invalid_instants_are_refused(at_ns: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Track(np.array(at_ns, np.int64), np.zeros((len(at_ns), 2)))


def test_too_many_passes_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^track.to_and_fro_m=142857143 passes: one way must last 0.01 ms or more, not 7e-06$"
    ):
        to_and_fro(((0, 0), (1e-6, 0)), 150.0, SECOND_NS)


def test_recorded_in_metres(tmp_path: Path) -> None:
    path = tmp_path / "way.csv"
    path.write_text("time_s,x_m,y_m\n10,1,2\n10.5,3,4\n\n12,3,-4\n")
    track = load_track(path)
    assert list(track.at_ns) == [0, SECOND_NS // 2, 2 * SECOND_NS]
    assert track.points_m.tolist() == [[1, 2], [3, 4], [3, -4]]


def test_recorded_as_latitude_and_longitude(tmp_path: Path) -> None:
    """A minute of latitude is 1853 m on the mean sphere, one of longitude half of it at 60 degrees."""
    path = tmp_path / "way.csv"
    path.write_text("time_s,latitude,longitude\n0,60,179.99\n60,60.0166666667,179.99\n120,60,-179.9933333333\n")
    expected_m = np.array([[0, 0], [0, 1853.2], [926.6, 0]])
    np.testing.assert_allclose(load_track(path).points_m, expected_m, atol=0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "row 1: header='': must be time_s,x_m,y_m or time_s,latitude,longitude"),
        ("time_s,x_m,y_m\n", "row 2: row='': must hold the first place"),
        ("time_s,x_m,y_m\n0,1\n", "row 2: row='0,1': must have 3 values"),
        ("time_s,x_m,y_m\n0,1,far\n", "row 2: y_m='far': must be a finite number"),
        ("time_s,x_m,y_m\n1,1,1\n1,2,2\n", "row 3: time_s='1': must be above the one before"),
        ("time_s,latitude,longitude\n0,95,0\n", "row 2: latitude='95.0': must lie within 89 of 0"),
    ],
)
def test_invalid_recorded_tracks_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "way.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"^.*way\.csv: ") as caught:
        load_track(path)
    assert str(caught.value) == f"{path}: {message}"
