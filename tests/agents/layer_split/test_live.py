"""The language model in the loop against its layers, applied by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from agents.layer_split.live import LiveLoss, LiveLosses, live_subject
from emulator.activation.delivery import parse_delivery
from emulator.core.errors import MissingDependency
from emulator.core.randomness import generator
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


@torch.inference_mode()
def test_a_loss_is_that_of_the_layers_behind_the_split(subject: Subject) -> None:
    """Every layer applied by hand: the embedding and p decoder layers, the erasure, and the others."""
    layers, splits = list(subject.chain.layers.values()), [1, 2, 1, 2]
    found = LiveLosses(subject, DELIVERY, seed=1).losses(np.full(4, 0.2), np.array(splits))
    for number, split in enumerate(splits):
        rng = generator(1, "layer split", "live measurement", number)
        window = int(rng.integers(3))
        tokens = subject.inputs[window : window + 1]
        hidden = run(layers[: split + 1], tokens)
        sent = hidden[0].half().float().numpy()
        received = parse_delivery(DELIVERY).harmed(sent, 0.2, 2 * sent.size, None, rng)
        assert np.mean(received == 0) == pytest.approx(0.2, abs=0.02)
        harmed, unharmed = (
            cross_entropy(run(layers[split + 1 :], x)[0, :-1], tokens[0, 1:]).item()
            for x in (torch.from_numpy(received)[None], hidden)
        )
        assert found[number] == pytest.approx(harmed - unharmed, abs=1e-3)
    assert np.ptp(found) > 0.1


def run(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def test_known_losses_continue_an_interrupted_training(subject: Subject) -> None:
    levels, splits, kept = np.full(4, 0.2), np.array([1, 2, 1, 2]), list[LiveLoss]()
    whole = LiveLosses(subject, DELIVERY, seed=2, keep=kept.append).losses(levels, splits)
    assert kept == list(zip(levels.tolist(), splits.tolist(), whole.tolist(), strict=True))
    added = list[LiveLoss]()
    again = LiveLosses(subject, DELIVERY, 2, kept[:3], added.append)
    np.testing.assert_array_equal(again.losses(levels, splits), whole)
    assert added == kept[3:]
