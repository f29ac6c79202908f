"""Generated channels against closed forms; tolerances come from the number of independent samples."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from scipy.special import j0

from emulator.channel import ChannelSettings, generate
from emulator.channel.adaptation import cqi_of, failed_transmissions, load_cqi_table
from emulator.channel.fading import doppler_hz, nakagami_gain, power_gain, rayleigh, rice
from emulator.channel.large_scale import free_space_db, noise_dbm, path_loss_db, shadowing_db, to_and_fro_m
from emulator.randomness import generator

SECOND_NS = 10**9
PLAIN = ChannelSettings(
    shadowing_sigma_db=0.0, fading="none", speed_mps=0.0, bler_target=0.0, cqi_margin_db=0.0, cqi_delay_ns=0
)


def draws(purpose: str, index: int = 0) -> np.random.Generator:
    return generator(7, "test", purpose, index)


def correlation_and_error(
    processes: npt.NDArray[np.complexfloating[Any, Any]] | npt.NDArray[np.float64], lag: int
) -> tuple[float, float]:
    """The mean of x(t) conj(x(t + lag)) over time and realisations, and its standard error over realisations;
    `processes` has shape (realisations, slots)."""
    slots = processes.shape[1]
    each = (processes[:, : slots - lag] * processes[:, lag:].conj()).real.mean(axis=1)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


@pytest.mark.parametrize("doppler_per_slot", [0.01, 0.05, 0.3, 1.3])
def test_rayleigh_autocorrelation_is_bessels(doppler_per_slot: float) -> None:
    """The last case is faster than the slots, so its spectrum folds: the samples' correlation stays J0's."""
    processes = np.stack(
        [rayleigh(draws("autocorrelation", index), 2_000, 1e-3, doppler_per_slot * 1e3) for index in range(400)]
    )
    for lag in (0, 1, 3, 8, 15, 24, 38, 60, 120):
        mean, error = correlation_and_error(processes, lag)
        assert mean == pytest.approx(j0(2 * np.pi * doppler_per_slot * lag), abs=4 * error + 0.002)


def test_rayleigh_has_no_power_beyond_the_doppler_shift() -> None:
    process = rayleigh(draws("spectrum"), 1 << 14, 1e-3, 50.0) * np.hanning(1 << 14)
    power = np.abs(np.fft.fft(process)) ** 2
    beyond = np.abs(np.fft.fftfreq(1 << 14, 1e-3)) > 51.0
    assert power[beyond].sum() < 1e-5 * power.sum()


def decorrelated(kind: dict[str, Any]) -> npt.NDArray[np.float64]:
    """3000 samples of the power gain, 40 Doppler periods apart: |J0| there is below 0.05."""
    settings = ChannelSettings(carrier_hz=3e9, speed_mps=40.0, slot_ns=1_000_000, **kind)
    apart = round(40 / (doppler_hz(40.0, 3e9) * 1e-3))
    return power_gain(settings, draws("envelope"), 3_000 * apart)[::apart]


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        ({"fading": "rayleigh"}, stats.rayleigh(scale=np.sqrt(0.5))),
        # Rice with K: amplitude of the steady path over the deviation of either part is sqrt(2 K)
        ({"fading": "rice", "rice_k_db": 3.0}, stats.rice(np.sqrt(2 * 10**0.3), scale=np.sqrt(0.5 / (1 + 10**0.3)))),
        ({"fading": "rice", "rice_k_db": 10.0}, stats.rice(np.sqrt(20), scale=np.sqrt(0.5 / 11))),
        ({"fading": "nakagami", "nakagami_m": 0.5}, stats.nakagami(0.5)),
        ({"fading": "nakagami", "nakagami_m": 1.0}, stats.rayleigh(scale=np.sqrt(0.5))),
        ({"fading": "nakagami", "nakagami_m": 3.7}, stats.nakagami(3.7)),
    ],
)
def test_envelope_follows_its_law(kind: dict[str, Any], law: Any) -> None:
    envelope = np.sqrt(decorrelated(kind))
    assert stats.kstest(envelope, law.cdf).pvalue > 0.01
    assert (envelope**2).mean() == pytest.approx(1, abs=4 * (envelope**2).std() / np.sqrt(len(envelope)))


def test_envelopes_of_different_laws_are_told_apart() -> None:
    """The test above can fail: 3000 samples of one law are refused by its neighbour."""
    envelope = np.sqrt(decorrelated({"fading": "nakagami", "nakagami_m": 1.2}))
    assert stats.kstest(envelope, stats.rayleigh(scale=np.sqrt(0.5)).cdf).pvalue < 1e-3


def test_nakagami_of_shape_one_is_rayleigh_and_keeps_the_order_of_fades() -> None:
    gain = np.abs(rayleigh(draws("order"), 5_000, 1e-3, 10.0)) ** 2
    np.testing.assert_allclose(nakagami_gain(gain, 1.0), gain, rtol=1e-9)
    assert (np.argsort(nakagami_gain(gain, 4.0)) == np.argsort(gain)).all()
    assert nakagami_gain(np.array([1e-18, 700.0]), 2.0) == pytest.approx([np.sqrt(2e-18) / 2, 353.3], rel=1e-3)


def test_rice_turns_with_the_steady_path() -> None:
    """Almost no scatter: constant power, and a Doppler shift within the largest."""
    process = rice(draws("rice"), 1_000, 1e-3, 20.0, 1e8)
    np.testing.assert_allclose(np.abs(process), 1, atol=1e-3)
    shift_hz = np.angle(process[1:] * process[:-1].conj()).mean() / (2 * np.pi * 1e-3)
    assert 0.1 < abs(shift_hz) <= 20.0


def test_fading_stands_still_with_the_ue() -> None:
    for fading in ("rayleigh", "rice", "nakagami"):
        trace = generate(replace(PLAIN, fading=cast(Any, fading)), SECOND_NS, 1, "ue")
        assert np.ptp(trace.columns["fading_db"]) == 0
        assert trace.columns["fading_db"][0] != 0


def test_shadowing_correlation_falls_with_the_way() -> None:
    step_m, correlation_m, sigma_db = 0.5, 10.0, 6.0
    processes = np.stack(
        [shadowing_db(draws("shadowing", index), 4_000, step_m, sigma_db, correlation_m) for index in range(300)]
    )
    for lag in (0, 1, 5, 20, 60, 200):
        mean, error = correlation_and_error(processes, lag)
        assert mean == pytest.approx(sigma_db**2 * np.exp(-lag * step_m / correlation_m), abs=4 * error)
    first = processes[:, 0]
    assert stats.kstest(first / sigma_db, "norm").pvalue > 0.01  # stationary from the first slot on
    assert np.ptp(shadowing_db(draws("still"), 100, 0.0, sigma_db, correlation_m)) == 0


def test_losses_at_known_points() -> None:
    assert free_space_db(3.5e9, 1.0) == pytest.approx(43.33, abs=0.005)  # 32.45 + 20 log10(3500 MHz) - 60
    assert free_space_db(28e9, 100.0) == pytest.approx(101.39, abs=0.005)
    loss_db = path_loss_db(np.array([1.0, 10.0, 20.0, 100.0]), 3.2, 1.0, 43.33)
    np.testing.assert_allclose(loss_db, [43.33, 75.33, 75.33 + 32 * np.log10(2), 107.33])
    assert path_loss_db(np.array([100.0]), 2.0, 10.0, 60.0)[0] == pytest.approx(80.0)


def test_noise_is_k_t_b() -> None:
    boltzmann_dbm = 10 * np.log10(1.380649e-23 * 290 * 20e6 * 1e3)
    assert noise_dbm(20e6, 5.0) == pytest.approx(boltzmann_dbm + 5, abs=0.03)
    assert noise_dbm(1e6, 0.0) == pytest.approx(-114.0)


def test_the_ue_walks_to_and_fro() -> None:
    travelled_m = np.array([0.0, 30, 40, 50, 120, 130, 200, 240])
    np.testing.assert_allclose(to_and_fro_m(travelled_m, 60, 20, 100), [60, 90, 100, 90, 20, 30, 100, 60])
    walk_m = to_and_fro_m(np.linspace(0, 1_000, 10_001), 60, 20, 100)
    np.testing.assert_allclose(np.abs(np.diff(walk_m)), 0.1, atol=1e-9)


def test_cqi_table_is_the_standards() -> None:
    table = load_cqi_table()
    order = np.array([2] * 6 + [4] * 3 + [6] * 6)
    rate = np.array([78, 120, 193, 308, 449, 602, 378, 490, 616, 466, 567, 666, 772, 873, 948])
    np.testing.assert_allclose(table.efficiency[1:], order * rate / 1024, atol=6e-5)
    assert table.efficiency[0] == 0 and (np.diff(table.efficiency) > 0).all()
    assert len(table.least_snr_db) == 15 and (np.diff(table.least_snr_db) > 0).all()
    shannon = np.log2(1 + 10 ** (table.least_snr_db / 10))
    assert (table.efficiency[1:] < shannon).all()


def test_cqi_is_the_highest_that_the_snr_reaches() -> None:
    table = load_cqi_table()
    assert cqi_of(np.array([-30.0, -1.90, -1.89, -0.83, 29.31, 29.32, 90.0]), table).tolist() == [
        0,
        0,
        1,
        1,
        14,
        15,
        15,
    ]


@pytest.mark.parametrize(("bler", "most"), [(0.1, 4), (0.5, 3), (0.3, 1), (0.0, 4)])
def test_harq_against_the_geometric_law(bler: float, most: int) -> None:
    slots = 200_000
    failed = failed_transmissions(draws("harq"), np.zeros(slots, dtype=np.bool_), bler, most)
    lost = bler**most
    assert (failed == most).mean() == pytest.approx(lost, abs=4 * np.sqrt(lost / slots) + 1e-12)
    expected = sum(bler**attempt for attempt in range(1, most + 1))
    assert failed.mean() == pytest.approx(expected, abs=4 * failed.std() / np.sqrt(slots) + 1e-12)
    assert failed.max() <= most


def test_a_block_with_too_high_a_cqi_fails_first() -> None:
    too_high = np.arange(100_000) % 2 == 0
    failed = failed_transmissions(draws("stale"), too_high, 0.1, 4)
    assert failed[too_high].min() == 1
    later = failed[too_high] - 1
    assert later.mean() == pytest.approx(0.1 + 0.01 + 0.001, abs=4 * later.std() / np.sqrt(len(later)))


@pytest.mark.parametrize(("distance_m", "cqi"), [(20.0, 15), (60.0, 14), (100.0, 12), (150.0, 9)])
def test_capacity_of_a_still_channel_is_the_formula(distance_m: float, cqi: int) -> None:
    settings = replace(PLAIN, start_m=distance_m, duty=0.25)
    trace = generate(settings, SECOND_NS, 3, "ue")
    snr_db = 23 + 8 - (free_space_db(3.5e9, 1.0) + 32 * np.log10(distance_m)) - noise_dbm(20e6, 5.0)
    np.testing.assert_allclose(trace.columns["snr_db"], snr_db, atol=0.006)
    assert (trace.columns["cqi"] == cqi).all()
    assert trace.mean_rate_bps == pytest.approx(load_cqi_table().efficiency[cqi] * 20e6 * 0.86 * 0.25, abs=1)
    assert not trace.columns["block_lost"].any() and not trace.columns["harq_delay_ns"].any()
    assert trace.release == "slot"


def test_retransmissions_take_their_airtime() -> None:
    """A block takes 1 + 0.1 + 0.01 + 0.001 transmissions on average."""
    still = generate(PLAIN, 100 * SECOND_NS, 3, "ue")
    trace = generate(replace(PLAIN, bler_target=0.1), 100 * SECOND_NS, 3, "ue")
    assert still.mean_rate_bps / trace.mean_rate_bps == pytest.approx(1.111, abs=4 * 0.35 / np.sqrt(len(trace)))
    failures = trace.columns["harq_delay_ns"] / PLAIN.harq_round_trip_ns
    assert failures.mean() == pytest.approx(0.111, abs=4 * 0.35 / np.sqrt(len(trace)))
    assert set(np.unique(failures)) <= {0, 1, 2, 3}


def test_the_rate_follows_an_old_report() -> None:
    settings = ChannelSettings(cqi_delay_ns=7_500_000, speed_mps=5.0)
    trace = generate(settings, 10 * SECOND_NS, 3, "ue")
    delayed = cqi_of(trace.columns["snr_db"][:-8].astype(np.float64) - settings.cqi_margin_db, load_cqi_table())
    same = trace.columns["cqi"][8:] == delayed
    assert same.mean() > 0.995  # the column is kept to 0.01 dB, so a few stand on a threshold
    current = cqi_of(trace.columns["snr_db"].astype(np.float64), load_cqi_table())
    too_high = trace.columns["cqi"] > current
    assert 0.05 < too_high.mean() < 0.6
    assert (trace.columns["harq_delay_ns"][too_high] > 0).mean() > 0.98


def test_nothing_is_sent_out_of_range() -> None:
    trace = generate(ChannelSettings(tx_power_dbm=0.0, bler_target=0.5), 20 * SECOND_NS, 3, "ue")
    silent = trace.columns["cqi"] == 0
    assert 0.05 < silent.mean() < 0.95
    assert (trace.capacity_bits[silent] == 0).all() and (trace.capacity_bits[~silent] > 0).all()
    assert not trace.columns["block_lost"][silent].any() and not trace.columns["harq_delay_ns"][silent].any()
    assert trace.columns["block_lost"][~silent].any()


def test_the_same_seed_gives_the_same_trace_in_another_process() -> None:
    code = (
        "from emulator.channel import ChannelSettings, generate\n"
        "print(generate(ChannelSettings(fading='nakagami'), 10**9, 5, 'ue1').sha256)"
    )
    here = generate(ChannelSettings(fading="nakagami"), SECOND_NS, 5, "ue1").sha256
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == here


def test_entities_and_seeds_have_channels_of_their_own() -> None:
    settings = ChannelSettings()
    alone = generate(settings, SECOND_NS, 5, "ue1")
    other = generate(replace(settings, speed_mps=30.0), SECOND_NS, 5, "ue2")
    again = generate(settings, SECOND_NS, 5, "ue1")
    reseeded = generate(settings, SECOND_NS, 6, "ue1")
    assert alone.sha256 == again.sha256
    assert len({alone.sha256, other.sha256, reseeded.sha256}) == 3
    assert not alone.shares_lineage(other) and not alone.shares_lineage(reseeded)
    louder = generate(replace(settings, tx_power_dbm=26.0), SECOND_NS, 5, "ue1")
    assert alone.shares_lineage(louder)  # the same draws under other settings are no fresh channel
    np.testing.assert_array_equal(alone.columns["fading_db"], louder.columns["fading_db"])


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"carrier_hz": 0.0}, "carrier_hz=0.0: must be above 0"),
        ({"slot_ns": -1}, "slot_ns=-1: must be above 0"),
        ({"speed_mps": -1.0}, "speed_mps=-1.0: must not be negative"),
        ({"tx_power_dbm": float("nan")}, "tx_power_dbm=nan: must be finite"),
        ({"farthest_m": 10.0}, "farthest_m=10.0: must be above nearest_m"),
        ({"start_m": 1.0}, "start_m=1.0: must be from nearest_m to farthest_m"),
        ({"fading": "weibull"}, "fading='weibull': must be one of none, rayleigh, rice, nakagami"),
        ({"nakagami_m": 0.4}, "nakagami_m=0.4: must be at least 0.5"),
        ({"overhead": 1.0}, "overhead=1.0: must be at least 0 and below 1"),
        ({"duty": 0.0}, "duty=0.0: must be above 0 and at most 1"),
        ({"bler_target": 1.0}, "bler_target=1.0: must be at least 0 and below 1"),
        ({"max_transmissions": 0}, "max_transmissions=0: must be at least 1"),
        ({"max_transmissions": 10**30}, f"max_transmissions={10**30}: must be from 1 to 1000"),
        ({"harq_round_trip_ns": 10**30}, f"harq_round_trip_ns={10**30}: must be from 0 to 1e+12"),
        ({"speed_mps": 1e308}, "speed_mps=1e+308: must be from 0 to 10000"),
        ({"tx_power_dbm": -1e308}, "tx_power_dbm=-1e+308: must be from -1000 to 1000"),
        ({"carrier_hz": 1e-308}, "carrier_hz=1e-308: must be from 1000 to 1e+13"),
    ],
)
def test_settings_that_break_a_rule_are_refused(setting: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError) as caught:
        ChannelSettings(**setting)
    assert str(caught.value) == rule


def test_a_duration_of_no_whole_slots_and_a_dead_channel_are_refused() -> None:
    for duration_ns in (0, -1_000_000, 1_500_000):
        with pytest.raises(ValueError, match=f"duration_ns={duration_ns}: must be a whole number of slots"):
            generate(PLAIN, duration_ns, 1, "ue")
    with pytest.raises(ValueError, match="at least one slot must carry bits"):
        generate(replace(PLAIN, tx_power_dbm=-100.0), SECOND_NS, 1, "ue")
