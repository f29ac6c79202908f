"""Models of series with known properties, and of recordings if there are any."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted import describe, draw, learn, load_model, save_model
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples
from emulator.trace.fitted.drawing import draw_order
from emulator.trace.fitted.variation import level_of, mean_spell_samples
from emulator.trace.formats import import_trace
from tests.emulator.trace.fitted.series import trace_of

FOLDER = Path(__file__).parents[4].parent / "shared" / "traces" / "lumos5g"
RECORDINGS = sorted(FOLDER.glob("*/*_trace_*"))


def test_a_constant_rate_is_drawn_unchanged() -> None:
    model = learn(trace_of([5_000] * 20))
    assert draw(model, 30 * NS_PER_S, 1, "ue").capacity_bits.tolist() == [5_000] * 30


def test_samples_are_a_slot_or_100_ms() -> None:
    short = trace_of(np.arange(1, 3_206), NS_PER_MS)
    assert learn(short).sample_ns == 100 * NS_PER_MS
    assert learn(short).span_ns == 3_200 * NS_PER_MS
    assert learn(short, 10 * NS_PER_MS).span_ns == 3_200 * NS_PER_MS
    assert learn(trace_of(np.arange(1, 40))).sample_ns == NS_PER_S
    assert learn(short).rates_bps()[:2].tolist() == [50_500, 150_500]


def test_the_horizon_is_a_quarter_of_the_recording_in_whole_samples() -> None:
    assert learn(trace_of(np.arange(1, 40))).horizon_ns == 9 * NS_PER_S
    assert learn(trace_of(np.arange(16))).horizon_ns == 4 * NS_PER_S


def test_the_lineage_of_the_recording_is_kept() -> None:
    trace = trace_of(np.arange(1, 40))
    assert learn(trace).learned_from == trace.lineage


def test_facts_of_a_square_wave() -> None:
    """Ten times 4 s of nothing and 16 s of 1 Mbit/s."""
    model = learn(trace_of(np.tile(np.repeat([0, 10**6], [4, 16]), 10)))
    facts = describe(model)
    assert facts["mean_rate_bps"] == 0.8e6
    assert facts["zero_share"] == pytest.approx(0.2)
    assert facts["low_rate_bps"] == 0
    assert facts["low_spell_ns"] == 4 * NS_PER_S
    assert (facts["span_ns"], facts["horizon_ns"]) == (200 * NS_PER_S, 50 * NS_PER_S)


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


def test_a_saved_model_is_loaded_unchanged(tmp_path: Path) -> None:
    model = learn(trace_of(np.r_[np.arange(40), 0, 0, 0, np.arange(90)]))
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    assert json.loads((tmp_path / "model.json").read_text())["horizon_ns"] == 33 * NS_PER_S


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"sample_ns": 0}, "sample_ns=0: must be a whole number above 0"),
        ({"sample_ns": True}, "sample_ns=True: must be a whole number above 0"),
        ({"horizon_ns": 1e9}, "horizon_ns=1000000000.0: must be a whole number above 0"),
        ({"horizon_ns": 1}, "horizon_ns=1: must be whole samples, 1 to 39"),
        ({"horizon_ns": 40 * NS_PER_S}, "must be whole samples, 1 to 39"),
        ({"capacity_bits": [1] * 15}, "capacity_bits: must be at least 16, not 15"),
        ({"capacity_bits": [0] * 39}, "capacity_bits: at least one must be above 0"),
        ({"capacity_bits": [1] * 38 + [-1]}, r"capacity_bits\[38\]=-1: must be a whole number, 0 to 2\^53"),
        ({"capacity_bits": [1.5] * 39}, r"capacity_bits\[0\]=1.5: must be a whole number"),
        ({"capacity_bits": None}, "must be a model"),
        ({"learned_from": 3}, "must be a model"),
        ({"more": 1}, "unexpected"),
        ({"quantiles_bps": [1.0]}, "an earlier version wrote this one: fit the recording again"),
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


@pytest.mark.skipif(not RECORDINGS, reason=f"no recordings under {FOLDER}")
def test_draws_of_first_halves_of_recordings() -> None:
    """Their distribution predicts the second half's; correlation time and spells are those of the first half in nine
    recordings of ten."""
    times, spells = [], []
    for path in RECORDINGS:
        trace = import_trace(path, "rate")
        half = len(trace) // 2
        model, second = learn(trace.slice(0, half)), learn(trace.slice(half, 2 * half))
        before, after = model.rates_bps(), second.rates_bps()
        draws = [before[draw_order(model, half, seed, "ue")] for seed in range(3)]
        between = ks_2samp(before, after, method="asymp").statistic
        assert max(ks_2samp(each, after, method="asymp").statistic for each in draws) <= between + 0.05, path.name
        drawn = np.median([crossing_samples(autocorrelation(each)) for each in draws])
        times.append(drawn / crossing_samples(autocorrelation(before)))
        low = level_of(before, 0.1)
        spells.append(np.mean([mean_spell_samples(each, low) for each in draws]) / mean_spell_samples(before, low))
    assert (np.abs(np.array(times) - 1) <= 0.25).mean() >= 0.9
    assert (np.abs(np.log(spells)) <= np.log(1.5)).mean() >= 0.9
