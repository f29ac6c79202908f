"""A model and the data that it is scored on: language models on windows of a text, vision models on labelled images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from emulator.activation.concealment import Calibration
from emulator.core.arrays import Float32s, Floats
from topologies.models.chain import Chain

Judge = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # (outputs, truth) -> (losses, answers), (inputs, n) each


class Scores(NamedTuple):
    """Of each unit: the mean negative log-likelihood (nats a token) or the share of wrong answers, and the share of
    answers that are those of the unharmed model; shape (units,) each."""

    losses: Floats
    agreements: Floats


@dataclass
class Subject:
    """A whole model and the data that it is scored on. The activations at the cuts, and the answers of the unharmed
    model, are computed once, by `prepare`.

    `truth` has a row for each input: its tokens, or its label. A *unit* is `unit_size` inputs, which are scored
    together: one window of text, or a group of images. The model runs `batch` inputs at a time.
    """

    chain: Chain
    inputs: Tensor
    truth: Tensor
    judge: Judge
    unit: str
    unit_size: int
    batch: int
    unharmed: Scores = field(init=False)
    _answers: Tensor = field(init=False)
    _activations: dict[int, Tensor] = field(init=False, default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.chain.plan.name

    @property
    def window_tokens(self) -> int:
        """The tokens of a window of text; 0 for images."""
        return self.inputs.shape[1] if self.chain.plan.family == "causal_lm" else 0

    def prepare(self, cuts: tuple[int, ...]) -> None:
        """Compute the activations at all cuts and the answers of the unharmed model."""
        self._activations = activations(self.chain, self.inputs, cuts, self.batch)
        last = max(cuts)
        losses, self._answers = self._judged(self._activations[last], last)
        self.unharmed = Scores(self._by_unit(losses), np.ones(len(self.inputs) // self.unit_size))

    def matrices(self, cut: int) -> Float32s:
        """Return the unharmed activations at a prepared cut, shape (inputs, tokens, elements). An image is one
        token."""
        x = self._activations[cut]
        matrices: Float32s = x.reshape(len(x), max(self.window_tokens, 1), -1).numpy()
        return matrices

    def scores(self, cut: int, matrices: Float32s) -> Scores:
        """Return the scores of all units if the activations at a cut are `matrices`."""
        x = torch.from_numpy(matrices).reshape(self._activations[cut].shape)
        losses, answers = self._judged(x, cut)
        return Scores(self._by_unit(losses), self._by_unit((answers == self._answers).double()))

    def _by_unit(self, values: Tensor) -> Floats:
        """Return the mean of each unit of values of shape (inputs, n)."""
        means: Floats = values.double().reshape(-1, self.unit_size * values.shape[1]).mean(dim=1).numpy()
        return means

    def _judged(self, x: Tensor, cut: int) -> tuple[Tensor, Tensor]:
        stop, parts = len(self.chain.plan.layers), _batches(len(x), self.batch)
        judged = [self.judge(self.chain.run(x[part], cut, stop), self.truth[part]) for part in parts]
        losses, answers = (torch.cat(each) for each in zip(*judged, strict=True))
        return losses, answers


@torch.inference_mode()
def judge_language(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the negative log-likelihood of each token but the first, and the most likely token in its place, shape
    (sequences, tokens - 1) each."""
    ahead = logits[:, :-1]
    chosen = ahead.gather(2, tokens[:, 1:, None]).squeeze(2)
    return ahead.logsumexp(dim=2) - chosen, ahead.argmax(dim=2)


@torch.inference_mode()
def judge_vision(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return whether the answer is wrong, and the answer; shape (images, 1) each, as has `labels`."""
    answers = logits.argmax(dim=1, keepdim=True)
    return (answers != labels).float(), answers


def activations(chain: Chain, inputs: Tensor, cuts: tuple[int, ...], batch: int) -> dict[int, Tensor]:
    """Return the input of layer `cut` for each cut; every layer runs once."""
    found: dict[int, Tensor] = {}
    x, before = inputs, 0
    for cut in sorted(cuts):
        x = torch.cat([chain.run(x[part], before, cut) for part in _batches(len(x), batch)])
        found[cut], before = x, cut
    return found


def _batches(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def calibrate(chain: Chain, inputs: Tensor, cuts: tuple[int, ...], batch: int) -> Mapping[int, Calibration]:
    """Return what receivers know of the activation at each cut, from inputs that nothing is scored on: all images, or
    all tokens but the first of each window. Means are those of the file, in half precision."""
    found = {}
    for cut, x in activations(chain, inputs, cuts, batch).items():
        rows = x[:, 1:].reshape(-1, x.shape[2]) if chain.plan.family == "causal_lm" else x.reshape(len(x), -1)
        order = rows.double().square().mean(dim=0).argsort(descending=True, stable=True)
        found[cut] = Calibration(rows.mean(dim=0).half().float().numpy(), order.numpy())
    return found
