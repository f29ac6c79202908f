"""Windows of a text: whole, spread evenly, and never both scored and calibrated on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.errors import MissingDependency
from topologies.datasets.photographs import SCORED, crops
from topologies.models.vision.images import image_input
from topologies.quality.data import SampleSize, prepare, shipped_text, windows
from topologies.quality.measured_model import find_model


@given(st.integers(0, 400), st.integers(2, 20), st.integers(1, 30))
def test_windows(tokens: int, length: int, count: int) -> None:
    text = np.arange(tokens)
    if tokens < 2 * length:
        with pytest.raises(ValueError, match=rf"^book: {tokens} tokens: must have at least {2 * length}, two windows$"):
            windows(text, length, count, "book")
        return
    scored, between = windows(text, length, count, "book")
    assert scored.shape == (count, length)
    for window in (*scored, *between):
        assert window[0] % length == 0
        assert (np.diff(window) == 1).all()
    assert set(scored[:, 0].tolist()).isdisjoint(between[:, 0].tolist())
    available = (tokens // length + 1) // 2
    assert len(set(scored[:, 0].tolist())) == min(count, available)  # none twice while there are others


def test_shipped_text() -> None:
    text = shipped_text()
    assert len(text) > 300_000
    assert "assert" in text


def test_photographs_are_scored_by_the_answers_of_the_unharmed_model() -> None:
    """One photograph for each seed, so that intervals are over photographs."""
    torch.set_num_threads(1)
    try:
        prepared = prepare(find_model("efficientnet-lite0"), None, SampleSize(seeds=3, units=1, group_images=2))
    except MissingDependency as missing:
        pytest.skip(str(missing))
    subject = prepared.subject
    expected = image_input(subject.chain.plan, crops(SCORED, [0, 5, 1, 6, 2, 7], 224))
    assert torch.equal(subject.inputs, expected)
    assert subject.truth[:, 0].tolist() == subject.chain(expected).argmax(1).tolist()
    subject.prepare((17,))
    assert subject.unharmed.losses.tolist() == [0, 0, 0]
    scores = subject.scores(17, 0 * subject.matrices(17))  # all images are alike then
    assert scores.losses == pytest.approx(1 - scores.agreements)
    assert scores.losses.mean() > 0.5
