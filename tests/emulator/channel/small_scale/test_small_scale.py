"""Fading gains are a pure function of distance, however distances are split into calls."""

import tracemalloc
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.radio import Fading, Profile
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.channel.small_scale.fading import FadingProcess, Receiver
from emulator.channel.small_scale.multipath import Multipath
from emulator.core.arrays import Floats
from emulator.core.randomness import generator

WAVELENGTH_M = 0.1
RECEIVER = Receiver(WAVELENGTH_M, np.linspace(-15e6, 15e6, 5), 2)
PROFILES: list[Profile] = [
    "auto",
    "none",
    "rayleigh",
    "rice",
    "nakagami",
    "tdl-a",
    "tdl-b",
    "tdl-c",
    "tdl-d",
    "tdl-e",
]


def small_scale(profile: Profile, seed: int = 1) -> FadingProcess:
    fading = Fading(profile)
    return FadingProcess(fading, lambda los: 50.0 if los else 200.0, RECEIVER, partial(generator, seed, "ue"), "fading")


def states(places: int) -> npt.NDArray[np.bool_]:
    return np.arange(places) % 500 < 200


def way(places: int, step_wavelengths: float) -> Floats:
    return np.arange(places, dtype=np.float64) * step_wavelengths * WAVELENGTH_M


def whole(profile: Profile, way_m: Floats) -> Floats:
    return small_scale(profile).layer_gains(way_m, states(len(way_m)), 1)[:, 0]


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, 2000), max_size=6), speed=st.sampled_from([0.003, 0.1, 2.0, 45.0]))
def test_values_do_not_depend_on_how_distances_are_split(profile: Profile, cuts: list[int], speed: float) -> None:
    way_m = np.cumsum(np.random.default_rng(3).uniform(0, 2 * speed * WAVELENGTH_M, 2000))
    fading = small_scale(profile)
    edges = [0, *sorted(cuts), 2000]
    parts = [fading.layer_gains(way_m[a:b], states(2000)[a:b], 1)[:, 0] for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), whole(profile, way_m))


@pytest.mark.parametrize("profile", PROFILES)
def test_twice_the_speed_gives_every_other_gain(profile: Profile) -> None:
    way_m = way(4000, 0.13)
    assert np.array_equal(
        whole(profile, way_m)[::2], small_scale(profile).layer_gains(way_m[::2], states(4000)[::2], 1)[:, 0]
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_skipped_distance_changes_nothing(profile: Profile) -> None:
    way_m = way(6000, 0.4)
    late = whole(profile, way_m)[5990:]
    assert np.array_equal(late, small_scale(profile).layer_gains(way_m[5990:], states(6000)[5990:], 1)[:, 0])


@pytest.mark.parametrize("profile", [profile for profile in PROFILES if profile != "none"])
def test_seeds_fade_independently(profile: Profile) -> None:
    way_m = way(100, 1.0)
    assert not np.any(whole(profile, way_m) == small_scale(profile, 2).layer_gains(way_m, states(100), 1)[:, 0])


def test_no_fading_is_the_gain_of_the_antennas() -> None:
    assert np.array_equal(whole("none", np.arange(7.0)), np.full((7, 5), 2.0))


@pytest.mark.parametrize("way_m", [[1.0, 0.9], [-0.1, 0.0]])
def test_decreasing_distances_are_refused(way_m: list[float]) -> None:
    with pytest.raises(ValueError, match="travelled_m: must be at least 0 and not go back"):
        whole("rayleigh", np.array(way_m))


def test_no_places_give_no_gains() -> None:
    assert whole("auto", np.zeros(0)).shape == (0, 5)


def test_memory_does_not_grow_with_distance() -> None:
    """The most that is held on the way does not grow with the way: 60 segments after 4."""
    fading = small_scale("tdl-c")
    peaks = []
    for segments in (4, 60):
        tracemalloc.start()
        for segment in range(segments):
            fading.layer_gains(segment * 256 * WAVELENGTH_M + way(1000, 0.1), np.zeros(1000, dtype=bool), 1)[:, 0]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_line_of_sight_selects_the_delay_line_and_its_spread() -> None:
    """TDL-D in line of sight, TDL-C out of it: two processes over one track."""
    way_m, los = way(3000, 0.2), states(3000)
    gains = small_scale("auto").layer_gains(way_m, los, 1)[:, 0]
    for state, purpose, line, spread_ns in (
        (True, "fading in sight", "tdl-d", 50.0),
        (False, "fading out of sight", "tdl-c", 200.0),
    ):
        process = Multipath(tapped_delay_line(line, spread_ns), *RECEIVER, partial(generator, 1, "ue", purpose))
        assert np.array_equal(gains[los == state], process.gains(way_m)[los == state])


def test_one_profile_continues_through_changes_of_sight() -> None:
    way_m = way(3000, 0.2)
    fading = FadingProcess(Fading("tdl-c", 300.0), lambda los: 0.0, RECEIVER, partial(generator, 1, "ue"), "fading")
    process = Multipath(
        tapped_delay_line("tdl-c", 300.0), *RECEIVER, partial(generator, 1, "ue", "fading out of sight")
    )
    assert np.array_equal(fading.layer_gains(way_m, states(3000), 1)[:, 0], process.gains(way_m))
