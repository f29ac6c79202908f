"""Handovers of drives through a hexagonal layout follow the borders of its cells."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.motion import SPACINGS_M, SPEEDS_KMH, counts_of, drive, line_m, nearest_site, radio_of
from emulator.channel.radio import Environment

DRIVES = {"umi": 20, "uma": 12}


@pytest.mark.parametrize("environment", list(SPACINGS_M))
def test_handovers_are_about_as_many_as_borders_and_stays_are_long(environment: Environment) -> None:
    """Within a factor 2 of the borders crossed, up to three standard errors over the drives; no more stays of less
    than a second than 5 % of the handovers give in one of a thousand samples of this size."""
    radio = radio_of(environment)
    driven = [drive(radio, seed) for seed in range(DRIVES[environment])]
    for kmh in SPEEDS_KMH:
        counts = [counts_of(radio, each, kmh) for each in driven]
        crossings = np.array([each.crossings for each in counts])
        handovers = np.array([each.handovers for each in counts])
        ratio = handovers.sum() / crossings.sum()
        error = np.sqrt(len(counts)) * (handovers - ratio * crossings).std(ddof=1) / crossings.sum()
        assert 0.5 - 3 * error < ratio < 2 + 3 * error, kmh
        short_stays = sum(each.short_stays for each in counts)
        assert short_stays <= stats.binom.ppf(0.999, handovers.sum(), 0.05), kmh


def test_borders_are_crossed_as_often_as_geometry_says() -> None:
    """A straight line crosses lines of length L an area 2 L / pi times a length (Cauchy and Crofton); the borders of
    hexagons whose centres are s apart have 2 / s."""
    radio = radio_of("umi")
    nearest = [nearest_site(radio, line_m(SPACINGS_M["umi"], seed)) for seed in range(300)]
    crossed = np.array([np.count_nonzero(np.diff(each)) for each in nearest])
    assert crossed.mean() == pytest.approx(4 * 4 / np.pi, abs=4 * crossed.std(ddof=1) / np.sqrt(len(crossed)))
