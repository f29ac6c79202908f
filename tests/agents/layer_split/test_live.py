"""The language model in the loop against the measured table."""

import numpy as np
import pytest

from agents.layer_split.live import LiveLosses, live_losses
from agents.layer_split.losses import shipped_losses
from emulator.core.errors import MissingDependency

DELIVERY = "scalars/none/zero"


@pytest.fixture(scope="module")
def live() -> LiveLosses:
    try:
        return live_losses("smollm2-135m", DELIVERY, splits=2, windows=3, tokens=32, seed=1)
    except MissingDependency as missing:
        pytest.skip(str(missing))


def test_nothing_lost_costs_what_half_precision_costs(live: LiveLosses) -> None:
    assert np.all(np.abs(live.losses(np.zeros(2), np.array([1, 2]))) < 0.01)


def test_single_measurements_scatter_around_the_table(live: LiveLosses) -> None:
    """Within what a dozen windows of 32 tokens can tell."""
    levels, splits = np.full(12, 0.2), np.full(12, 2)
    found = live.losses(levels, splits)
    assert len(set(found.tolist())) > 6
    table = shipped_losses(DELIVERY).losses(levels[:1], splits[:1])[0]
    assert found.mean() == pytest.approx(table, abs=4 * found.std(ddof=1) / 12**0.5 + 0.2)
