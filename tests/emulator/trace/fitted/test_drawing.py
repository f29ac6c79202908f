import numpy as np
import pytest

from emulator.core.units import NS_PER_S
from emulator.trace.fitted import RateModel, draw, learn
from emulator.trace.fitted.drawing import draw_order
from emulator.trace.fitted.variation import window_means
from tests.emulator.trace.fitted.series import calm_spells, trace_of

MODEL = learn(trace_of(calm_spells(160, 1)))


def drawn_bits(seconds: int, seed: int = 1, entity: str = "ue1", model: RateModel = MODEL) -> list[int]:
    bits: list[int] = draw(model, seconds * NS_PER_S, seed, entity).capacity_bits.tolist()
    return bits


def test_a_draw_as_long_as_the_recording_has_each_of_its_samples_once() -> None:
    assert sorted(drawn_bits(160)) == sorted(MODEL.capacity_bits)
    assert drawn_bits(160) != list(MODEL.capacity_bits)


def test_a_longer_draw_is_several_rearrangements_that_begin_with_one_sample() -> None:
    order = draw_order(MODEL, 400, 1, "ue1")
    laps = order[:160], order[160:320]
    assert np.array_equal(laps[0], draw_order(MODEL, 160, 1, "ue1"))
    assert all(np.array_equal(np.sort(lap), np.arange(160)) for lap in laps)
    assert not np.array_equal(*laps)
    assert order[0] == order[160] == order[320]
    assert len(order) == 400


def test_draws_begin_with_any_sample_and_shorter_ones_anywhere_in_a_rearrangement() -> None:
    """All places are equally likely: the standard error of their mean is 0.29/6 of their range, with 36 seeds."""
    firsts, starts = [], []
    for seed in range(36):
        whole, part = (draw_order(MODEL, samples, seed, "ue1") for samples in (160, 40))
        start = int(np.flatnonzero(whole == part[0])[0])
        assert np.array_equal(part, whole[start : start + 40])
        firsts.append(whole[0] / 159)
        starts.append(start / 120)
    for places in (firsts, starts):
        assert np.mean(places) == pytest.approx(0.5, abs=4 * 0.29 / 6)
        assert np.ptp(places) > 0.8


def test_means_of_short_draws_vary_as_windows_of_the_recording() -> None:
    """Standard deviations of 48 means have a relative standard error of 10 %, and draws vary by some more."""
    window = MODEL.horizon_ns // MODEL.sample_ns
    rates = MODEL.rates_bps()
    drawn = np.std([rates[draw_order(MODEL, window, seed, "ue")].mean() for seed in range(48)])
    assert drawn == pytest.approx(window_means(rates, window).std(), rel=0.4)


def test_draws_are_addressed() -> None:
    span_ns = MODEL.span_ns
    trace = draw(MODEL, span_ns, 1, "ue1")
    assert draw(MODEL, span_ns, 1, "ue1").sha256 == trace.sha256
    others = [draw(MODEL, span_ns, *address) for address in ((2, "ue1"), (1, "ue2"))]
    assert len({trace.sha256, *(other.sha256 for other in others)}) == 3
    assert not any(trace.shares_lineage(other) for other in others)
    assert trace.shares_lineage(draw(MODEL, 5 * NS_PER_S, 1, "ue1"))


def test_a_trace_has_the_slots_of_its_model_and_facts_about_the_recording() -> None:
    trace = draw(MODEL, 40 * NS_PER_S, 1, "ue1")
    assert (trace.slot_ns, trace.release, trace.period_ns) == (NS_PER_S, "fluid", 40 * NS_PER_S)
    assert trace.metadata["model"]["horizon_ns"] == 40 * NS_PER_S
    assert trace.metadata["model"]["learned_from"] == MODEL.learned_from
    assert "capacity_bits" not in trace.metadata["model"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (40, []),
        (41, ["drawn for 41 s, but the recording of 160 s shows only how means over up to 40 s vary"]),
        (160, ["from 160 s on hardly or not at all"]),
    ],
)
def test_a_draw_beyond_the_horizon_says_so(seconds: int, words: list[str]) -> None:
    notes = draw(MODEL, seconds * NS_PER_S, 1, "ue1").metadata["notes"]
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


@pytest.mark.parametrize("duration_ns", [0, -NS_PER_S, NS_PER_S + 1])
def test_a_duration_must_be_a_whole_number_of_samples(duration_ns: int) -> None:
    with pytest.raises(ValueError, match=r"^duration=.* s: must be a whole number of samples of 1 s$"):
        draw(MODEL, duration_ns, 1, "ue1")


def test_an_entity_must_have_a_name() -> None:
    with pytest.raises(ValueError, match=r"^entity='': must name whose channel it is$"):
        draw(MODEL, NS_PER_S, 1, "")
