"""Movement that a scenario cannot have: keys without effect, and tracks that end before the run."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.large_scale.track import Track, there_and_back
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build, training_system
from topologies.build.tracks import track_of
from topologies.loading.loader import load
from topologies.new_traces import new_traces, trace_request
from topologies.schema.radio import RadioSection

NS = 1_000_000_000
WALK = "time_s,x_m,y_m\n0,30,0\n1,33,0\n1.5,33,4\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    (tmp_path / "walk.csv").write_text(WALK)
    return path


@pytest.mark.parametrize("key", ["speed_mps=5", "pause_s=2"])
@pytest.mark.parametrize(
    ("place", "reason"),
    [("at_m: [40, 0]", "at_m, where the UE stands still"), ("track: walk.csv", "track, whose times give the speed")],
)
def test_field_speed_or_pause_of_a_ue_whose_place_is_given_is_refused(
    good: Path, key: str, place: str, reason: str
) -> None:
    good.write_text(GOOD.replace("at_m: [40, 0]", f"{place}, {key.replace('=', ': ')}"))
    message = re.escape(f"good.yaml:16: links[0].radio: must not give {key} beside {reason}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        load(good)


def test_field_speed_of_a_static_ue_is_refused_by_trace_new() -> None:
    with pytest.raises(ValueError, match=r"^trace new: --set radio: must not give speed_mps=5 beside at_m, where"):
        trace_request("umi", ("radio.at_m=[10, 20]", "radio.speed_mps=5"))


def test_field_speed_and_pause_have_the_effect_that_they_had_by_default() -> None:
    way = ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0))
    by_default = track_of(RadioSection(waypoints_m=way), NS, 1, "ue1", Path())
    given = track_of(RadioSection(waypoints_m=way, speed_mps=1.4, pause_s=0.0), NS, 1, "ue1", Path())
    np.testing.assert_array_equal(by_default.at_ns, given.at_ns)
    assert RadioSection(waypoints_m=way).movement == {"waypoints_m": way, "speed_mps": 1.4, "pause_s": 0.0}
    assert RadioSection(at_m=(1.0, 2.0)).movement == {"at_m": (1.0, 2.0)}


def test_field_track_shorter_than_the_run_is_refused_with_both_durations(good: Path) -> None:
    good.write_text(GOOD.replace("at_m: [40, 0]", "track: walk.csv"))
    with pytest.raises(
        ValueError,
        match=r"^good\.yaml:16: links\[0\]\.radio: track=walk\.csv: must last as long as duration_s, 2 s, and lasts"
        r" 1\.5 s; shorten duration_s, take a longer track, or give after_track: stay or return$",
    ):
        build(load(good), good.parent)
    assert build(load(good, ["duration_s=1.5"]), good.parent).links
    with pytest.raises(ValueError, match=r"must last as long as training\.duration_s, 60 s, and lasts 1\.5 s"):
        training_system(load(good, ["duration_s=1.5"]), good.parent, 0)


def test_field_track_shorter_than_new_traces_is_refused(good: Path) -> None:
    request = trace_request("umi", (f"radio.track={good.parent / 'walk.csv'}",))
    with pytest.raises(ValueError, match=r"must last as long as --duration, 3 s, and lasts 1\.5 s") as caught:
        list(new_traces(request, 1, ("uplink",), 3 * NS, 1, good.parent / "out"))
    assert "\n" not in str(caught.value)
    assert not (good.parent / "out").exists()


@pytest.mark.parametrize(("after", "x_m"), [("stay", 33.0), ("return", 30.0)])
def test_field_ue_stays_or_returns_after_its_track_if_the_scenario_says_so(good: Path, after: str, x_m: float) -> None:
    good.write_text(GOOD.replace("at_m: [40, 0]", f"track: walk.csv, after_track: {after}"))
    scenario = load(good, ["duration_s=3"])
    radio = scenario.links[0].radio
    assert radio is not None
    assert build(scenario, good.parent).links
    track = track_of(radio, 3 * NS, 1, "ue1", good.parent)
    assert np.interp(3 * NS, track.at_ns, track.points_m[:, 0]) == x_m


def test_field_after_track_without_a_track_is_refused(good: Path) -> None:
    message = r"links\[0\]\.radio: must not give after_track=stay without a track$"
    with pytest.raises(ValueError, match=message):
        load(good, ["links[0].radio.after_track=stay"])


@given(
    steps_ns=st.lists(st.integers(1, NS), min_size=1, max_size=6),
    places=st.lists(st.floats(-100, 100), min_size=7, max_size=7),
    passes=st.floats(0.1, 5),
    share=st.floats(0, 1),
)
def test_field_return_along_a_track_mirrors_it_in_time(
    steps_ns: list[int], places: list[float], passes: float, share: float
) -> None:
    at_ns = np.concatenate([[0], np.cumsum(steps_ns)])
    x_m = np.array(places[: len(at_ns)])
    once = Track(at_ns, np.stack([x_m, -x_m], axis=1))
    pass_ns = int(at_ns[-1])
    duration_ns = max(1, round(passes * pass_ns))
    track = there_and_back(once, duration_ns)
    assert track.at_ns[-1] >= duration_ns
    now_ns = round(share * int(track.at_ns[-1]))
    number, since_ns = divmod(now_ns, pass_ns)
    expected = np.interp(pass_ns - since_ns if number % 2 else since_ns, at_ns, x_m)
    assert np.interp(now_ns, track.at_ns, track.points_m[:, 0]) == pytest.approx(expected, abs=1e-6)
