from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples
from emulator.trace.fitted.rearrangement import Levels, rearranged
from emulator.trace.fitted.variation import level_of, mean_spell_samples, window_means
from tests.emulator.trace.fitted.series import autoregression, calm_spells

SERIES = {
    "autoregression": autoregression(600, 8, 1),
    "calm spells": calm_spells(600, 2),
    "drift and jitter": np.arange(400) + 100 * autoregression(400, 0.5, 3),
    "rare bursts": np.where(autoregression(300, 4, 4) > 1.5, 1e7, 0.0),
    "short": autoregression(64, 3, 5),
}


class Case(NamedTuple):
    values: Floats
    orders: list[Ints]

    @property
    def draws(self) -> list[Floats]:
        return [self.values[order] for order in self.orders]


@pytest.fixture(scope="module", params=SERIES.values(), ids=list(SERIES))
def case(request: pytest.FixtureRequest) -> Case:
    values: Floats = request.param
    firsts = range(0, len(values), len(values) // 8)
    return Case(values, [rearranged(values, first, generator(first, "ue", "test")) for first in firsts[:8]])


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=16, max_size=80), st.integers(0, 15), st.integers(0, 99))
def test_each_sample_comes_once(values: list[int], first: int, seed: int) -> None:
    order = rearranged(np.array(values, dtype=float), first, generator(seed, "ue", "test"))
    assert order[0] == first
    assert np.array_equal(np.sort(order), np.arange(len(values)))


def test_orders_differ_and_are_cut_into_pieces(case: Case) -> None:
    assert len({order.tobytes() for order in case.orders}) == 8
    pieces = [np.count_nonzero(np.diff(order) != 1) + 1 for order in case.orders]
    times = len(case.values) / crossing_samples(autocorrelation(case.values))
    assert np.mean(pieces) > 0.5 * min(times, len(case.values) / 2)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5, 0.75])
def test_spells_keep_their_mean_length_at_every_level(case: Case, share: float) -> None:
    level = level_of(case.values, share)
    drawn = np.mean([mean_spell_samples(each, level) for each in case.draws])
    assert drawn == pytest.approx(mean_spell_samples(case.values, level), rel=0.2)


@pytest.mark.parametrize("time", [crossing_samples, integrated_samples])
def test_the_times_of_the_autocorrelation_are_kept(case: Case, time: Callable[[Floats], float]) -> None:
    """To a quarter, in the median draw."""
    drawn = np.median([time(autocorrelation(each)) for each in case.draws])
    assert drawn == pytest.approx(time(autocorrelation(case.values)), rel=0.25)


@pytest.mark.parametrize("parts", [4, 8])
def test_means_over_windows_vary_as_those_of_the_recording(case: Case, parts: int) -> None:
    samples = len(case.values) // parts
    drawn = np.std([window_means(each, samples) for each in case.draws])
    assert drawn == pytest.approx(window_means(case.values, samples).std(), rel=0.25)


@settings(max_examples=50)
@given(st.integers(0, 999))
def test_an_exchange_at_one_level_keeps_all_pairs_of_neighbours(seed: int) -> None:
    """So every level is crossed as often as before."""
    rng = generator(seed, "ue", "test")
    values = np.where(rng.random(200) < 0.7, rng.integers(1, 5, 200), 7)
    at_seven = rng.permutation(np.flatnonzero(values == 7))
    order = Levels(np.resize(at_seven, 200), 2).exchanged(np.arange(200), rng)
    assert (order != np.arange(200)).any()
    pairs = [sorted(zip(each[:-1].tolist(), each[1:].tolist(), strict=True)) for each in (values, values[order])]
    assert pairs[0] == pairs[1]


def test_the_ends_of_exchanged_parts_are_at_near_levels() -> None:
    """With values equal to their numbers, at most twice `near` lies between the three cut samples."""
    levels = Levels.of(np.arange(100.0), generator(1, "ue", "test"))
    for seed in range(50):
        order = levels.exchanged(np.arange(100), generator(seed, "ue", "cut"))
        joins = np.flatnonzero(np.diff(order) != 1)
        ends = np.concatenate((order[joins], order[joins + 1]))
        assert 0 < np.ptp(ends) <= 2 * levels.near + 1


def test_a_constant_series_is_rearranged_too() -> None:
    values = np.full(20, 5.0)
    assert values[rearranged(values, 3, generator(1, "ue", "test"))].tolist() == [5.0] * 20
