"""Powers and interference against closed forms."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emulator.channel.bursts import BurstShare
from emulator.channel.large_scale.budget import milliwatts, noise_dbm, per_subcarrier_dbm, uplink_power_dbm
from emulator.channel.radio import Bursts, Ue
from emulator.core.randomness import generator

MS = 1_000_000


def test_noise_is_k_t_b() -> None:
    boltzmann_dbm = 10 * np.log10(1.380649e-23 * 290 * 30e3 * 1e3)
    assert noise_dbm(30e3, 7.0) == pytest.approx(boltzmann_dbm + 7, abs=0.03)  # -174 is rounded
    assert noise_dbm(1e6, 0.0) == pytest.approx(-114.0)


def test_subcarrier_powers_add_up_to_the_carriers_power() -> None:
    each_mw = milliwatts(per_subcarrier_dbm(np.array([33.0, -5.0]), 106))
    np.testing.assert_allclose(each_mw * 106 * 12, 10 ** np.array([3.3, -0.5]))


def test_uplink_power_compensates_a_share_of_the_loss_up_to_the_maximum() -> None:
    """P0 -80, alpha 0.8, 106 blocks of 30 kHz: -80 + 10 log10(212) + 0.8 PL, at most 23 dBm."""
    losses_db = np.array([60.0, 80.0, 90.0, 120.0])
    got_dbm = uplink_power_dbm(Ue(p0_dbm=-80.0, alpha=0.8, tx_power_dbm=23.0), 1, 106, losses_db)
    np.testing.assert_allclose(got_dbm, [-8.7366, 7.2634, 15.2634, 23.0], atol=1e-4)
    full_dbm = uplink_power_dbm(Ue(alpha=1.0, tx_power_dbm=99.0), 0, 25, losses_db)
    np.testing.assert_allclose(np.diff(full_dbm - losses_db), 0, atol=1e-9)  # the same power arrives from anywhere
    assert np.ptp(uplink_power_dbm(replace(Ue(), alpha=0.0), 1, 106, losses_db)) == 0


def share(bursts: Bursts, seed: int) -> BurstShare:
    return BurstShare(bursts, generator(seed, "test", "bursts"))


@given(st.integers(0, 50), st.lists(st.integers(1, 3_000), max_size=8))
def test_bursts_do_not_depend_on_how_time_is_split_into_calls(seed: int, cuts: list[int]) -> None:
    bursts = Bursts(10.0, 700_000, 2 * MS)
    edges_ns = np.arange(3_001, dtype=np.int64) * MS // 2
    whole = share(bursts, seed).of(edges_ns)
    in_parts = share(bursts, seed)
    places = sorted({0, 3_000, *cuts})
    parts = [in_parts.of(edges_ns[first : stop + 1]) for first, stop in itertools.pairwise(places)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.min() >= 0 and whole.max() <= 1 + 1e-12


@pytest.mark.parametrize(("on_ms", "off_ms"), [(2, 6), (5, 1)])
def test_bursts_are_exponential_and_stationary_from_the_start(on_ms: int, off_ms: int) -> None:
    """Slots of 10 us; the correlation of two states t apart falls as exp(-t (1/on + 1/off))."""
    bursts = Bursts(10.0, on_ms * MS, off_ms * MS)
    edges_ns = np.arange(2_000_001, dtype=np.int64) * MS // 100
    on = share(bursts, 3).of(edges_ns) > 0.5
    turns = np.flatnonzero(np.diff(on.astype(np.int8)))
    lengths_ms = np.diff(turns) / 100
    for state, mean_ms in ((True, on_ms), (False, off_ms)):
        found_ms = lengths_ms[on[turns[:-1] + 1] == state]
        # times below a slot or two are missed, and the rest is as memoryless as before
        assert stats.kstest(found_ms[found_ms > 0.05] - 0.05, stats.expon(scale=mean_ms).cdf).pvalue > 0.005
    expected = on_ms / (on_ms + off_ms)
    begins_on = np.array([share(bursts, seed).of(edges_ns[:2])[0] > 0.5 for seed in range(2_000)])
    assert begins_on.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 2_000))
    independent = 20_000 / (2 / (1 / on_ms + 1 / off_ms))  # 20 s over twice the correlation time
    assert on.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / independent))


@pytest.mark.parametrize("name", ["mean_on_ns", "mean_off_ns"])
def test_bursts_of_zero_length_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^bursts.{name}=0: must be at least 1"):
        share(replace(Bursts(10.0, MS, MS), **{name: 0}), 1)
