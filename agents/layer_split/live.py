"""The language model in the loop: every loss is measured, on a window of text and with losses that are drawn anew."""

from dataclasses import dataclass

import numpy as np
import torch

from agents.layer_split.losses import CODEC
from emulator.activation.codecs import codec
from emulator.activation.delivery import parse_delivery
from emulator.core.arrays import Floats, Ints
from topologies.quality.data import SampleSize, prepare
from topologies.quality.measured_model import find_model
from topologies.quality.subject import Subject


@dataclass(frozen=True)
class LiveLosses:
    """Runs the layers behind a split, cut p + 1, on one window. `subject` is prepared for the cuts of all splits."""

    subject: Subject
    delivery: str
    rng: np.random.Generator

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return a measured loss for each of N splits, shape (N,); above the loss of the unharmed model on the same
        window, so that windows that are hard to predict add no noise."""
        return np.array([self._loss(float(level), int(split)) for level, split in zip(levels, splits, strict=True)])

    def _loss(self, level: float, split: int) -> float:
        cut, chain = split + 1, self.subject.chain
        window = int(self.rng.integers(len(self.subject.inputs)))
        values = self.subject.matrices(cut)[window]
        coder = codec(CODEC)
        payload = coder.encode(values)
        sent = coder.decode(payload, (values.shape[0], values.shape[1]))
        received = parse_delivery(self.delivery).harmed(sent, level, len(payload), None, self.rng)
        logits = chain.run(torch.from_numpy(received)[None], cut, len(chain.plan.layers))
        found, _ = self.subject.judge(logits, self.subject.truth[window : window + 1])
        return float(found.mean()) - float(self.subject.unharmed.losses[window])


def live_losses(model: str, delivery: str, splits: int, windows: int, tokens: int, seed: int) -> LiveLosses:
    """Return a shipped language model in the loop, for splits 0 to `splits`, on so many windows of so many tokens.

    Runs torch on one thread, for the whole process. Raises ValueError for a model that is no trained one;
    MissingDependency for one that is not installed.
    """
    torch.set_num_threads(1)
    subject = prepare(find_model(model), None, SampleSize(seeds=windows, units=1, window_tokens=tokens)).subject
    subject.prepare(tuple(range(1, splits + 2)))
    return LiveLosses(subject, delivery, np.random.default_rng(seed))
