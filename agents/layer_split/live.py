"""The language model in the loop: every loss is measured, on a window of text and with losses that are drawn anew."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from agents.layer_split.losses import CODEC
from emulator.activation.codecs import codec
from emulator.activation.delivery import parse_delivery
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from topologies.quality.data import SampleSize, prepare
from topologies.quality.measured_model import find_model
from topologies.quality.subject import Subject


class LiveLoss(NamedTuple):
    """The loss in nats a token that was measured at a level and a split."""

    level: float
    split: int
    loss: float


class LiveLosses:
    """Runs the layers behind a split, cut p + 1, on one window. `subject` is prepared for the cuts of all splits.

    Measurement n has draws of its own under `seed`. `known`: the first measurements, which are not made again, so that
    an interrupted training continues; `known_in`: the file that has them, for errors. `keep` gets every new one.
    """

    def __init__(
        self,
        subject: Subject,
        delivery: str,
        seed: int,
        known: Sequence[LiveLoss] = (),
        keep: Callable[[LiveLoss], object] = lambda loss: None,
        known_in: str = "known",
    ) -> None:
        self.subject = subject
        self._delivery, self._seed, self._known, self._keep = parse_delivery(delivery), seed, known, keep
        self._known_in = known_in
        self.measured = 0

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return a measured loss for each of N splits, shape (N,); above the loss of the unharmed model on the same
        window, so that windows that are hard to predict add no noise. Raises ValueError (one line) for a known
        measurement of another level or split."""
        return np.array([self._next(float(level), int(split)) for level, split in zip(levels, splits, strict=True)])

    def _next(self, level: float, split: int) -> float:
        number = self.measured
        self.measured += 1
        if number < len(self._known):
            known = self._known[number]
            if (known.level, known.split) != (level, split):
                raise ValueError(
                    f"{self._known_in}: measurement {number + 1} is of level {known.level} at split {known.split}, but "
                    f"the training asks for level {level} at split {split}: remove the file"
                )
            return known.loss
        loss = self._loss(level, split, generator(self._seed, "layer split", "live measurement", number))
        self._keep(LiveLoss(level, split, loss))
        return loss

    def _loss(self, level: float, split: int, rng: np.random.Generator) -> float:
        cut, chain = split + 1, self.subject.chain
        window = int(rng.integers(len(self.subject.inputs)))
        values = self.subject.matrices(cut)[window]
        coder = codec(CODEC)
        payload = coder.encode(values)
        sent = coder.decode(payload, (values.shape[0], values.shape[1]))
        received = self._delivery.harmed(sent, level, len(payload), None, rng)
        logits = chain.run(torch.from_numpy(received)[None], cut, len(chain.plan.layers))
        found, _ = self.subject.judge(logits, self.subject.truth[window : window + 1])
        return float(found.mean()) - float(self.subject.unharmed.losses[window])


def live_subject(model: str, splits: int, windows: int, tokens: int) -> Subject:
    """Return a shipped language model, prepared for splits 0 to `splits`, on so many windows of so many tokens.

    Runs torch on one thread, for the whole process. Raises ValueError for a model that is no trained one;
    MissingDependency for one that is not installed.
    """
    torch.set_num_threads(1)
    subject = prepare(find_model(model), None, SampleSize(seeds=windows, units=1, window_tokens=tokens)).subject
    subject.prepare(tuple(range(1, splits + 2)))
    return subject
