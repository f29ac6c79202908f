"""The language model in the loop against the measured table."""

import numpy as np
import pytest

from agents.layer_split.live import LiveLoss, LiveLosses, live_subject
from agents.layer_split.losses import shipped_losses
from emulator.core.errors import MissingDependency
from topologies.quality.subject import Subject

DELIVERY = "scalars/none/zero"


@pytest.fixture(scope="module")
def subject() -> Subject:
    try:
        return live_subject("smollm2-135m", splits=2, windows=3, tokens=32)
    except MissingDependency as missing:
        pytest.skip(str(missing))


def test_nothing_lost_costs_what_half_precision_costs(subject: Subject) -> None:
    losses = LiveLosses(subject, DELIVERY, seed=1).losses(np.zeros(2), np.array([1, 2]))
    assert np.all(np.abs(losses) < 0.01)


def test_single_measurements_scatter_around_the_table(subject: Subject) -> None:
    """Within what a dozen windows of 32 tokens can tell."""
    levels, splits = np.full(12, 0.2), np.full(12, 2)
    found = LiveLosses(subject, DELIVERY, seed=1).losses(levels, splits)
    assert len(set(found.tolist())) > 6
    table = shipped_losses(DELIVERY).losses(levels[:1], splits[:1])[0]
    assert found.mean() == pytest.approx(table, abs=4 * found.std(ddof=1) / 12**0.5 + 0.2)


def test_known_losses_continue_an_interrupted_training(subject: Subject) -> None:
    levels, splits, kept = np.full(4, 0.2), np.array([1, 2, 1, 2]), list[LiveLoss]()
    whole = LiveLosses(subject, DELIVERY, seed=2, keep=kept.append).losses(levels, splits)
    assert kept == list(zip(levels.tolist(), splits.tolist(), whole.tolist(), strict=True))
    added = list[LiveLoss]()
    again = LiveLosses(subject, DELIVERY, 2, kept[:3], added.append)
    np.testing.assert_array_equal(again.losses(levels, splits), whole)
    assert added == kept[3:]
