"""Predictions from SINR: exact for a recording made by the model; errors match their definitions."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emulator.channel.air.expected import expected_link
from emulator.channel.air.modulation import mcs_table
from emulator.channel.radio import Adaptation
from emulator.core.arrays import Floats
from emulator.trace import Trace, whole_bits
from emulator.trace.formats import import_trace, parse_columns
from results.figures.predictions import error_rows, prediction_pages
from results.prediction import (
    Prediction,
    by_mean,
    correlation,
    declared,
    facts,
    means_by_level,
    means_of,
    predict,
    with_anchor,
)

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "traces"
SINR_DB = np.round(10 + 8 * np.sin(np.arange(400) / 17))


def recorded(sinr_db: Floats, rate_bps: Floats, slot_ns: int = 10**9) -> Trace:
    columns = {"capacity_bits": whole_bits(rate_bps * slot_ns / 1e9), "sinr_db": sinr_db}
    return Trace(slot_ns, columns)


def model(sinr_db: Floats, width_hz: float, anchor_bps: float = 0.0, layers: int = 1) -> Floats:
    return width_hz * expected_link(sinr_db, Adaptation(), layers).efficiency + anchor_bps


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_recording_made_by_the_model_is_predicted(layers: int) -> None:
    """Not to the bit, as the air interface's draws differ with its loss."""
    found = predict(recorded(SINR_DB, model(SINR_DB, 18e6, layers=layers)))
    assert found.link == (layers, 2.0, "usual") and found.mcs_errors is None
    assert found.scale.width_hz == pytest.approx(18e6, rel=0.002) and found.scale.anchor_bps == 0
    assert (found.covered, int(found.judged.sum()), bool(found.judged[:200].any())) == (1, 200, False)
    assert max(abs(found.errors.bias), found.errors.nrmse, found.errors.mae, found.errors.nrmse_of_best) < 0.02
    assert min(found.errors.correlation, found.errors.correlation_10s) > 0.999
    assert found.errors.nrmse_of_constant > 0.3


def test_an_anchor_is_found_beside_the_width() -> None:
    trace = recorded(SINR_DB, model(SINR_DB, 18e6, 40e6))
    found = predict(trace, with_anchor)
    assert found.scale.width_hz == pytest.approx(18e6, rel=0.01)
    assert found.scale.anchor_bps == pytest.approx(40e6, rel=0.01)
    assert found.errors.nrmse < 0.02
    assert predict(trace, by_mean).errors.nrmse > 0.1


def test_anchor_is_not_negative() -> None:
    found = predict(recorded(SINR_DB, np.maximum(model(SINR_DB, 18e6, -10e6), 0)), with_anchor)
    assert found.scale.anchor_bps == 0 and found.scale.width_hz > 0
    found = predict(recorded(SINR_DB, 60e6 - model(SINR_DB, 5e6)), with_anchor)
    assert found.scale.width_hz == 0 and found.scale.anchor_bps > 0


def test_declared_width_is_used() -> None:
    found = predict(recorded(SINR_DB, model(SINR_DB, 18e6)), declared(9e6), layers=1)
    assert found.scale == (9e6, 0, "declared")
    assert found.errors.bias == pytest.approx(-0.5, rel=0.005)
    assert facts(found)["width_hz"] == 9e6 and facts(found)["samples_judged"] == 200


def test_declared_width_tells_the_layers() -> None:
    found = predict(recorded(SINR_DB, model(SINR_DB, 18e6, layers=2)), declared(18e6))
    assert found.link.layers == 2 and found.errors.nrmse < 0.02


def test_fit_uses_the_first_half_only() -> None:
    rate_bps = model(SINR_DB, 18e6)
    rate_bps[200:] *= 2
    found = predict(recorded(SINR_DB, rate_bps))
    assert found.scale.width_hz == pytest.approx(18e6, rel=0.002)
    assert found.errors.bias == pytest.approx(-0.5, rel=0.005)


def test_samples_without_a_sinr_do_not_count() -> None:
    """Halves are of samples with a SINR: the first 100 of 400 have none, so the second half starts at 250."""
    sinr_db = SINR_DB.copy()
    sinr_db[:100] = np.nan
    rate_bps = model(SINR_DB, 18e6)
    rate_bps[:100] = 1e9
    found = predict(recorded(sinr_db, rate_bps))
    assert found.covered == 0.75 and np.flatnonzero(found.judged)[0] == 250
    assert found.errors.nrmse < 0.02 and np.isnan(found.predicted_bps[:100]).all()


def test_share_of_fresh_values() -> None:
    held_db = np.repeat(SINR_DB[::8], 8) + np.repeat([0.0, 0.5], 200)
    changes = np.count_nonzero(np.diff(held_db)) / 399
    assert predict(recorded(held_db, model(held_db, 1e7))).fresh == pytest.approx(changes)


def test_short_slots_are_averaged_over_seconds() -> None:
    seconds = recorded(SINR_DB, model(SINR_DB, 18e6))
    tenths = predict(seconds.resample(10**8))
    assert len(tenths.judged) == 400 and tenths.samples.step_s == 1
    np.testing.assert_allclose(tenths.samples.rate_bps, seconds.capacity_bits, atol=1)
    assert tenths.errors.nrmse < 0.02


@pytest.mark.parametrize(
    ("trace", "rule"),
    [
        (Trace(10**9, {"capacity_bits": np.ones(100, dtype=np.int64)}), "columns: must hold sinr_db"),
        (recorded(SINR_DB[:39], np.full(39, 1e6)), "sinr_db: must hold 40 samples at least, not 39"),
        (recorded(np.full(100, np.nan), np.full(100, 1e6)), "sinr_db: must hold 40 samples at least, not 0"),
        (recorded(np.full(100, -30.0), np.full(100, 1e6)), "sinr_db=-30: must be high enough for some rate"),
        (recorded(SINR_DB, np.where(np.arange(len(SINR_DB)) < 30, 1e6, 0)), "rate=0: must be above 0 in some sample"),
        (recorded(SINR_DB[:3], np.full(3, 1e9), 10**8), "slots=3: must last a second at least"),
    ],
)
def test_too_little_is_refused(trace: Trace, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        predict(trace)


@pytest.mark.parametrize(("name", "value", "most"), [("mcs", 32, 31), ("rank", 9, 8)])
def test_values_that_no_network_has_are_refused(name: str, value: int, most: int) -> None:
    plain = recorded(SINR_DB, model(SINR_DB, 18e6))
    values = np.full(len(SINR_DB), most)
    trace = replace(plain, columns={**plain.columns, name: values})
    predict(trace)
    values[7] = value
    with pytest.raises(ValueError, match=f"^{name}={value}: must be at most {most}$"):
        predict(trace)


def test_a_loss_at_the_limit_of_the_fit_is_said() -> None:
    plain = recorded(SINR_DB, model(SINR_DB, 18e6))
    for mcs, origin in ((31, "limit"), (10, "fitted")):
        trace = replace(plain, columns={**plain.columns, "mcs": np.full(len(SINR_DB), mcs)})
        assert predict(trace).link.loss_origin == origin


@given(st.lists(st.tuples(st.integers(-3, 30), st.floats(1, 500)), min_size=40, max_size=120))
@settings(max_examples=30)
def test_no_function_of_whole_db_is_better_than_the_best(samples: list[tuple[int, float]]) -> None:
    sinr_db, rate_mbps = (np.array(each, dtype=np.float64) for each in zip(*samples, strict=True))
    for calibrate in (by_mean, with_anchor):
        errors = predict(recorded(sinr_db, rate_mbps * 1e6), calibrate).errors
        assert errors.nrmse_of_best <= min(errors.nrmse, errors.nrmse_of_constant) + 1e-9


def test_errors_match_their_definitions() -> None:
    draws = np.random.default_rng(7)
    one, other = draws.normal(size=200), draws.normal(0.3, size=150)
    assert correlation(one[:150], other) == pytest.approx(stats.pearsonr(one[:150], other).statistic)
    assert np.isnan(correlation(one, np.ones(200)))
    np.testing.assert_array_equal(means_by_level(np.array([1.0, 2, 6]), np.array([3.0, 5, 3])), [3.5, 2, 3.5])
    counted = np.array([True, True, False, False, False, True, True])
    np.testing.assert_array_equal(means_of(np.arange(7.0), counted, 3), [0.5, np.nan])
    np.testing.assert_array_equal(means_of(np.arange(7.0), counted, 2), [0.5, np.nan, 5])


THREE_DB_A_LAYER = {"in all": (0.0, 3.0, 6.0, 9.0), "beyond the split": (0.0, 6.01, 10.77, 15.02)}


def network(losses_db: tuple[float, ...], loss_db: float, seed: int) -> Trace:
    """Return an hour of a network that takes, in each second, the number of layers with the most bits, by the
    standard's table and Shannon's formula: each of r layers is `losses_db[r - 1]` below the SINR."""
    draws = np.random.default_rng(seed)
    sinr_db = 12 + 12 * np.sin(np.arange(3600) / 170) + draws.normal(0, 1.5, 3600)
    rows = mcs_table(2)
    needed_db = 10 * np.log10(2**rows.efficiency - 1) + 2.5
    of_second_db = sinr_db - loss_db + draws.normal(0, 1.5, 3600)  # fading
    options = np.array([of_second_db - loss for loss in losses_db])
    mcs = np.maximum(np.searchsorted(needed_db, options, side="right") - 1, 0)
    bits = np.arange(1, 5)[:, None] * rows.efficiency[mcs] * (options >= needed_db[0])
    rank = bits.argmax(axis=0)
    sent = mcs[rank, np.arange(3600)]
    noisy = np.clip(np.rint(sent + draws.normal(0, 1.0, 3600)), 0, 27)
    columns = {"capacity_bits": whole_bits(bits.max(axis=0) * 20e6), "sinr_db": np.round(sinr_db)}
    return Trace(10**9, columns | {"mcs": noisy, "rank": rank + 1.0})


@pytest.mark.parametrize("loss_db", [-3.0, 1.0, 6.0])
def test_a_network_of_the_model_is_recovered(loss_db: float) -> None:
    """Seconds whose MCS and rank are the model's, with noise of 1.5 indices and 0.4 layers."""
    draws = np.random.default_rng(21)
    sinr_db = draws.uniform(-2, 26, 1200)
    expected = expected_link(sinr_db - loss_db, Adaptation(implementation_loss_db=0.0), 4)
    columns = {
        "mcs": np.clip(np.rint(expected.mcs + draws.normal(0, 1.5, 1200)), 0, 27),
        "rank": np.clip(np.rint(expected.rank + draws.normal(0, 0.4, 1200)), 1, 4),
    }
    trace = recorded(sinr_db, 20e6 * expected.efficiency)
    found = predict(Trace(10**9, {**trace.columns, **columns}))
    assert found.link.layers == 4 and found.link.loss_origin == "fitted"
    assert found.link.loss_db == pytest.approx(loss_db, abs=1.0)
    errors = found.mcs_errors
    assert errors is not None and 450 < errors.mcs_samples <= 600
    assert errors.mcs_median_error <= 1.5 and errors.rank_mean_error < 0.6
    assert found.scale.width_hz == pytest.approx(20e6, rel=0.1)


@pytest.mark.parametrize("losses_db", THREE_DB_A_LAYER.values(), ids=THREE_DB_A_LAYER)
@pytest.mark.parametrize("loss_db", [0.0, 2.0])
def test_a_network_with_other_losses_of_its_layers_is_fitted(losses_db: tuple[float, ...], loss_db: float) -> None:
    trace = network(losses_db, loss_db, seed=5)
    found = predict(trace)
    assert found.mcs_errors is not None and found.mcs_errors.mcs_median_error <= 1.5
    one = predict(trace, layers=1).mcs_errors
    assert one is not None and one.mcs_median_error > found.mcs_errors.mcs_median_error
    assert abs(found.link.loss_db - loss_db) < 5


def test_the_loss_is_fitted_on_the_first_half_between_0_and_24_db() -> None:
    trace = network(THREE_DB_A_LAYER["in all"], 2.0, seed=6)
    mcs, second = trace.columns["mcs"].copy(), np.arange(3600) >= 1800
    mcs[second] = 27 - mcs[second]
    outside = (trace.columns["sinr_db"] < 0) | (trace.columns["sinr_db"] > 24)
    mcs[outside] = 13
    assert outside.any()
    changed = predict(Trace(10**9, {**trace.columns, "mcs": mcs}))
    assert changed.link == predict(trace).link
    assert changed.mcs_errors is not None and changed.mcs_errors.mcs_median_error > 5


def test_slots_without_a_block_have_no_mcs() -> None:
    """A trace in short slots: -1 and 0 stand where nothing is sent. Rank may be absent."""
    sinr_db = np.repeat(SINR_DB, 10)
    mcs = np.repeat(np.rint(8 + SINR_DB / 2), 10)
    mcs[np.arange(4000) % 10 > 3] = -1
    found = predict(Trace(10**8, {**recorded(sinr_db, model(sinr_db, 18e6), 10**8).columns, "mcs": mcs}))
    np.testing.assert_array_equal(found.samples.mcs, np.rint(8 + SINR_DB / 2))
    assert found.mcs_errors is not None and np.isnan(found.mcs_errors.rank_mean_error)


def test_too_few_mcs_leave_the_usual_loss() -> None:
    mcs = np.full(400, np.nan)
    mcs[:100] = 9.0
    trace = recorded(SINR_DB, model(SINR_DB, 18e6))
    found = predict(Trace(10**9, {**trace.columns, "mcs": mcs}))
    assert found.mcs_errors is None and found.link.loss_origin == "usual"
    assert "mcs_median_error" not in facts(found) and facts(found)["loss_db"] == 2.0


@pytest.fixture(scope="module")
def made() -> Prediction:
    draws = np.random.default_rng(3)
    return predict(recorded(SINR_DB, model(SINR_DB, 18e6, 9e6) * draws.uniform(0.7, 1.3, 400)), with_anchor)


def test_pages_are_vectors_with_true_fonts_and_the_same_each_time(made: Prediction, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        prediction_pages([("one", made), ("two", made)], tmp_path / name)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert content.count(b"/Type /Page ") + content.count(b"/Type /Page\n") == 2
    assert b"/Type3" not in content and b"/Subtype /Image" not in content


def test_one_page_may_be_a_picture_and_several_not(made: Prediction, tmp_path: Path) -> None:
    assert prediction_pages([("one", made)], tmp_path / "a.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match=re.escape("a.svg: ending must be .pdf for 2 pages")):
        prediction_pages([("one", made), ("two", made)], tmp_path / "a.svg")
    with pytest.raises(ValueError, match=re.escape("a.txt: ending must be one of")):
        prediction_pages([("one", made)], tmp_path / "a.txt")


def test_printed_numbers_have_names(made: Prediction) -> None:
    named = dict(error_rows(made))
    assert named["width (fitted)"].endswith(" MHz") and named["LTE anchor (fitted)"].endswith(" Mbit/s")
    plain = dict(error_rows(made._replace(scale=declared(2e7)(SINR_DB, SINR_DB))))
    assert plain["width (declared)"] == "20 MHz" and len(plain) == len(named) - 1


def recordings() -> list[object]:
    found = [*RECORDINGS.glob("sigcomm21_walking/*.csv"), *RECORDINGS.glob("uccmisl_5g/*.csv")]
    if not found:
        return [pytest.param(RECORDINGS, marks=pytest.mark.skip(reason=f"no recordings under {RECORDINGS}"))]
    return [pytest.param(path, id=path.name) for path in sorted(found)]


@pytest.mark.parametrize("path", recordings())
def test_every_recording_with_sinr_and_rate_has_a_page(path: Path, tmp_path: Path) -> None:
    found = predict(import_trace(path, "csv"))
    assert found.judged.sum() > 300 and 1e6 < found.scale.width_hz < 1e9
    assert 0 < found.errors.ks < 1 and np.isfinite(found.errors).all()
    assert prediction_pages([(path.name, found)], tmp_path / "page.pdf").stat().st_size > 10_000


def test_prediction_beats_a_constant_where_sinr_is_fresh() -> None:
    """The one NSA uplink whose phone renews its SINR every second or two, by the interface's counter."""
    path = RECORDINGS / "sigcomm21_walking" / "S20UPM-run195.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    errors = predict(import_trace(path, "csv", parse_columns("sigcomm21,rate=uplink_mbps")), with_anchor).errors
    assert errors.nrmse < 0.85 * errors.nrmse_of_constant and errors.correlation > 0.6 and abs(errors.bias) < 0.1
