"""Channels against drawn fading, and losses against the curves of a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agents.layer_split.channels import CHANNELS, NoiseRatio, Outage, channel_of
from agents.layer_split.losses import measured_losses
from emulator.quality import QualityRow, QualityTable
from tests.agents.layer_split.problems import drawn_losses


@pytest.mark.parametrize(("m", "threshold"), [(1.0, 1.0), (0.5, 3.0), (4.0, 0.5)])
def test_outage_is_the_share_of_drawn_amplitudes_that_carry_too_little(m: float, threshold: float) -> None:
    noise, scale, draws = 0.6, 0.9, 200_000
    amplitudes = stats.nakagami(m, scale=np.sqrt(2) * scale).rvs(draws, random_state=1)
    carried = np.log2(1 + amplitudes**2 / noise**2)
    lost = float(np.mean(carried < np.log2(1 + threshold)))
    level = Outage(m, threshold).level(np.array([noise]), np.array([scale]))[0]
    assert level == pytest.approx(lost, abs=5 * np.sqrt(level * (1 - level) / draws))


@given(m=st.sampled_from([0.5, 1.0, 3.0]), level=st.floats(0.001, 0.5), scale=st.floats(0.3, 2))
def test_noise_is_the_inverse_of_level(m: float, level: float, scale: float) -> None:
    levels, scales = np.array([level]), np.array([scale])
    for impairment in (Outage(m), NoiseRatio()):
        found = impairment.level(impairment.noise(levels, scales), scales)
        np.testing.assert_allclose(found, levels, rtol=1e-9)


def test_rayleigh_outage_has_its_closed_form() -> None:
    noise, scale = np.array([0.2, 0.7]), np.array([0.5, 1.5])
    np.testing.assert_allclose(Outage().level(noise, scale), 1 - np.exp(-(noise**2) / (2 * scale**2)), rtol=1e-12)


def test_unknown_channel() -> None:
    with pytest.raises(ValueError, match=rf"^channel=air: must be one of {', '.join(CHANNELS)}$"):
        channel_of("air")


def table(cuts: range, levels: tuple[float, ...]) -> QualityTable:
    rng = np.random.default_rng(0)
    rows = [
        QualityRow(cut, codec, delivery, level, rng.random(), 0, 1, 1)
        for cut in cuts
        for codec in ("int8", "fp16")
        for delivery, level in [("", 0.0), *(("scalars/none/zero", level) for level in levels)]
    ]
    return QualityTable("toy", "nats a token", 3.0, tuple(rows))


def test_losses_are_those_of_the_curves() -> None:
    measured = table(range(1, 5), (0.1, 0.3))
    losses = measured_losses(measured, "scalars/none/zero")
    for cut in range(1, 5):
        curve = measured.curve(cut, "fp16", "scalars/none/zero")
        for level in (0.0, 0.04, 0.1, 0.22, 0.3):
            assert losses.losses(np.array([level]), np.array([cut - 1]))[0] == pytest.approx(curve.at(level))


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^cuts=\(2, 3\): must be 1, 2, 3, \.\.\.$"):
        measured_losses(table(range(2, 4), (0.1,)), "scalars/none/zero")
    with pytest.raises(ValueError, match="delivery=noise/none/zero"):
        measured_losses(table(range(1, 4), (0.1,)), "noise/none/zero")
    losses = drawn_losses(0)
    with pytest.raises(ValueError, match=r"^split=.*: quality was measured for splits 0 to 11$"):
        losses.losses(np.array([0.1]), np.array([12]))
    for level in (-0.1, 0.6, np.nan):
        with pytest.raises(ValueError, match=r"^level=.*: quality was measured from 0 to 0\.5$"):
            losses.losses(np.array([level]), np.array([1]))
