"""Fits to processes with known parameters, and to recordings if there are any."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import j0
from scipy.stats import ks_2samp

from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Interval, Trace
from emulator.trace.fitted import Correlation, RateModel, describe, draw, learn, load_model, save_model
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples
from emulator.trace.fitted.drawing import draw_rates_bps
from emulator.trace.fitted.learning import mean_rates_bps, zero_runs
from emulator.trace.fitted.model import PROBABILITIES
from emulator.trace.formats import import_trace

FOLDER = Path(__file__).parents[4].parent / "shared" / "traces" / "lumos5g"
RECORDINGS = sorted(FOLDER.glob("*/*_trace_*"))


def trace_of(bits: object, slot_ns: int = NS_PER_S) -> Trace:
    return Trace(slot_ns, {"capacity_bits": np.asarray(bits, dtype=np.int64)}, lineage=(Interval("test", 0, 10**12),))


def autoregression(samples: int, time: float, seed: int) -> Floats:
    factor = math.exp(-1 / time)
    noise = generator(seed, "test", "autoregression").standard_normal(samples)
    values = np.empty(samples)
    values[0] = noise[0]
    for at in range(1, samples):
        values[at] = factor * values[at - 1] + math.sqrt(1 - factor**2) * noise[at]
    return values


@pytest.mark.parametrize("seed", range(4))
def test_the_correlation_of_a_known_process_is_found(seed: int) -> None:
    """Two autoregressions and jitter. The autocorrelation of one record is off by Bartlett's standard error at most
    (1 + 2 sum of squares, over n); what is fitted to it is no worse than four of those."""
    samples = 8_192
    jitter = generator(seed, "test", "jitter").standard_normal(samples)
    fast, slow = autoregression(samples, 3, seed), autoregression(samples, 40, seed + 100)
    levels = math.sqrt(0.3) * fast + math.sqrt(0.5) * slow + math.sqrt(0.2) * jitter
    lags = np.array([1, 2, 5, 10, 20, 40, 80])
    truth = 0.3 * np.exp(-lags / 3) + 0.5 * np.exp(-lags / 40)
    every = np.arange(1, 1_000)
    error = math.sqrt((1 + 2 * np.sum((0.3 * np.exp(-every / 3) + 0.5 * np.exp(-every / 40)) ** 2)) / samples)
    model = learn(trace_of(1e6 * (10 + levels)))
    assert np.abs(model.correlation.at(lags * float(NS_PER_S)) - truth).max() <= 4 * error
    assert model.zero_share == 0


@pytest.mark.parametrize("seed", range(4))
def test_sudden_outages_are_fitted_by_a_chain(seed: int) -> None:
    """Share and mean stay, to four standard errors: stays and the times between them are geometric."""
    rng = generator(seed, "test", "chain")
    stays, bad, good = 200, 4.0, 16.0
    lengths = np.column_stack((rng.geometric(1 / good, stays), rng.geometric(1 / bad, stays))).ravel()
    up = np.repeat(np.tile([1, 0], stays), lengths)
    levels = 1e6 * (10 + autoregression(len(up), 30, seed))
    model = learn(trace_of(levels * up))
    assert model.outage_ns is not None
    assert model.outage_ns / NS_PER_S == pytest.approx(bad, abs=4 * bad / math.sqrt(stays))
    share = bad / (bad + good)
    assert model.zero_share == pytest.approx(share, abs=4 * share * (1 - share) * math.sqrt(2 / stays))
    assert model.leave_probabilities[1] == pytest.approx(NS_PER_S / model.outage_ns)
    assert model.leave_probabilities[0] / sum(model.leave_probabilities) == pytest.approx(model.zero_share)


@pytest.mark.parametrize("seed", range(4))
def test_zeros_at_the_bottoms_of_fades_are_no_outages(seed: int) -> None:
    levels = autoregression(4_000, 30, seed)
    model = learn(trace_of(1e6 * np.maximum(levels + 1, 0)))
    assert model.outage_ns is None
    assert model.zero_share > 0.05


@given(
    st.lists(st.one_of(st.just(0), st.integers(1, 5), st.integers(1, 10**9)), min_size=16, max_size=300).filter(any),
)
def test_the_distribution_is_never_far_from_the_recorded_one(bits: list[int]) -> None:
    """No knots are farther apart than 0.0327; a sample's weight is 1/n, counted at both ends and in both samples."""
    rates = np.array(bits, dtype=float)
    positive = rates[rates > 0]
    model = RateModel(
        NS_PER_S,
        len(bits) * NS_PER_S,
        tuple(np.quantile(positive, PROBABILITIES).tolist()),
        float((rates == 0).mean()),
        None,
        Correlation(0.0, 1, 0.0, 1, 1.0),
    )
    distance = ks_2samp(rates, model.rates_bps(10_000), method="asymp").statistic
    assert distance <= np.diff(PROBABILITIES).max() * len(positive) / len(bits) + 1 / len(bits) + 2e-4


def test_a_constant_rate_is_drawn_unchanged() -> None:
    model = learn(trace_of([5_000] * 20))
    assert draw(model, 30 * NS_PER_S, 1, "ue").capacity_bits.tolist() == [5_000] * 30


def test_samples_are_a_slot_or_100_ms() -> None:
    short = trace_of(np.arange(1, 3_206), NS_PER_MS)
    assert learn(short).sample_ns == 100 * NS_PER_MS
    assert learn(short).span_ns == 3_200 * NS_PER_MS
    assert learn(short, 10 * NS_PER_MS).span_ns == 3_200 * NS_PER_MS
    assert learn(trace_of(np.arange(1, 40))).sample_ns == NS_PER_S
    assert mean_rates_bps(short, 100 * NS_PER_MS)[:2].tolist() == [50_500, 150_500]


def test_the_lineage_of_the_recording_is_kept() -> None:
    trace = trace_of(np.arange(1, 40))
    assert learn(trace).learned_from == trace.lineage


@pytest.mark.parametrize(
    ("trace", "sample_ns", "rule"),
    [
        (trace_of([1] * 15), None, "samples=15: must be at least 16 of 1000 ms,"),
        (trace_of([1] * 20), NS_PER_MS, "sample=1 ms: must be at least a slot, 1000 ms"),
        (trace_of([0] * 1_600 + [7], NS_PER_MS), None, "at least one sample must carry bits"),
    ],
)
def test_unsuitable_recordings_are_refused(trace: Trace, sample_ns: int | None, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        learn(trace, sample_ns)


def test_zero_runs_and_the_rank_beside_them() -> None:
    runs, rank = zero_runs(np.array([0, 1, 0, 0, 4, 3, 2, 0.0]))
    assert runs == 3
    assert rank == pytest.approx((1 + 1 + 7 + 3) / 8 / 4)
    assert zero_runs(np.array([1.0, 2.0])) == (0, 0.0)


def test_the_apparent_doppler_is_where_jakes_falls_to_1_over_e() -> None:
    correlation = Correlation(1.0, 3 * NS_PER_S, 0.0, 3 * NS_PER_S, 1.0)
    assert j0(2 * math.pi * correlation.apparent_doppler_hz * 3) == pytest.approx(1 / math.e, abs=1e-5)
    assert correlation.jitter_share == 0


def test_a_saved_model_is_loaded_unchanged(tmp_path: Path) -> None:
    model = learn(trace_of(np.r_[np.arange(40), 0, 0, 0, np.arange(90)]))
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    assert describe(model)["mean_rate_bps"] == model.mean_rate_bps


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"span_ns": 1}, "span_ns=1: must be a whole number of samples"),
        ({"quantiles_bps": [1.0]}, "quantiles_bps: must be 49, not 1"),
        ({"quantiles_bps": [0.0] * 49}, "quantiles_bps: must be finite"),
        ({"quantiles_bps": [2.0, *[1.0] * 48]}, r"quantiles_bps\[1\]: must not decrease"),
        ({"zero_share": 1.0}, "zero_share=1.0: must be at least 0 and below 1"),
        ({"outage_ns": 5}, "outage_ns=5: must be at least a sample"),
        ({"correlation": {}}, "missing"),
        ({"correlation": [0.9, 5, 0.2, 6, 1.0]}, "must be a mapping|must be a model"),
        ({"learned_from": 3}, "must be a model"),
        ({"more": 1}, "unexpected"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(change: dict[str, object], rule: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    save_model(learn(trace_of(np.arange(1, 40))), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=rule) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ((0.9, 5, 0.2, 6, 1.0), "at most 1 together"),
        ((-0.1, 5, 0.2, 6, 1.0), "must not be negative"),
        ((0.1, 7, 0.2, 6, 1.0), "fading_ns=7: must be 1 to shadowing_ns"),
        ((0.1, 5, 0.2, 6, 2.1), "shadowing_shape=2.1: must be above 0 and at most 2"),
    ],
)
def test_rules_of_a_correlation(values: tuple[float, int, float, int, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Correlation(*values)


@pytest.mark.skipif(not RECORDINGS, reason=f"no recordings under {FOLDER}")
def test_first_halves_of_recordings_predict_their_second_halves() -> None:
    """In distribution, each; the correlation time of draws is that of the fitted half in nine recordings of ten."""
    times = []
    for path in RECORDINGS:
        trace = import_trace(path, "rate")
        half = len(trace) // 2
        model = learn(trace.slice(0, half))
        before, after = (mean_rates_bps(part, NS_PER_S) for part in (trace.slice(0, half), trace.slice(half, 2 * half)))
        draws = [draw_rates_bps(model, half, seed, "ue") for seed in range(4)]
        between = ks_2samp(before, after, method="asymp").statistic
        assert max(ks_2samp(each, after, method="asymp").statistic for each in draws) <= between + 0.05, path.name
        drawn = np.median([crossing_samples(autocorrelation(each)) for each in draws])
        times.append(drawn / crossing_samples(autocorrelation(before)))
    assert (np.abs(np.array(times) - 1) <= 0.25).mean() >= 0.9


def test_a_model_of_a_draw_has_its_outages() -> None:
    """A model fitted to a draw has the drawn share and lengths of outages."""
    model = RateModel(
        NS_PER_S,
        2_000 * NS_PER_S,
        tuple(np.linspace(5e6, 2e7, 49).tolist()),
        0.1,
        5 * NS_PER_S,
        Correlation(0.0, NS_PER_S, 0.95, 30 * NS_PER_S, 1.0),
    )
    again = learn(draw(model, model.span_ns, 1, "ue"))
    assert again.zero_share == 0.1
    assert again.outage_ns == pytest.approx(5 * NS_PER_S, rel=0.05)
    assert replace(again, correlation=model.correlation).mean_rate_bps == pytest.approx(model.mean_rate_bps, rel=0.01)
