"""The surrogate of the model-based form: a small network that predicts what a split earns at a level, fitted to single
noisy measurements (Chen et al. 2025, section on the reward surrogate model)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.learning.networks import one_thread
from emulator.core.arrays import Floats, Ints

HIDDEN = 128
LEAST_RATIO = 0.05  # of a perplexity to that of the unharmed model, below which no prediction is believed


class Measurements(NamedTuple):
    """Single measurements, shape (N,) each: one window of text each. `losses`: rise of the loss in nats a token over
    that of the unharmed model on the same window."""

    levels: Floats
    splits: Ints
    losses: Floats


def gains_of(losses: Floats) -> Floats:
    """Return the normalised gains of perplexity of losses in nats a token, (PPL₀ - PPL) / PPL₀ with PPL₀ that of the
    unharmed model: 0 without harm, negative with it."""
    found: Floats = -np.expm1(losses)
    return found


@dataclass(frozen=True)
class Regression:
    """A fitted network 2-128-128-1 with ReLU, as weights and biases of three layers; its input is (level / max_level,
    split / max_split), its output the target over `scale`."""

    layers: tuple[tuple[Floats, Floats], ...]
    max_level: float
    max_split: int
    scale: float

    def predicted(self, levels: Floats, splits: Ints) -> Floats:
        """Return the predicted targets, shape (N,)."""
        x: Floats = np.stack([levels / self.max_level, splits / self.max_split], axis=1)
        for index, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            x = x if index == len(self.layers) - 1 else np.maximum(x, 0)
        return x[:, 0] * self.scale


@dataclass(frozen=True)
class GainSurrogate:
    """The published surrogate, of gains of perplexity."""

    gains: Regression

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return the losses with the predicted gains, in nats a token, shape (N,)."""
        found: Floats = np.log(np.maximum(1 - self.gains.predicted(levels, splits), LEAST_RATIO))
        return found


@dataclass(frozen=True)
class NatsSurrogate:
    """A surrogate of losses in nats a token (ours): single windows with a great loss weigh less than in perplexity."""

    nats: Regression

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return the predicted losses in nats a token, shape (N,)."""
        return self.nats.predicted(levels, splits)


def fit_gains(measured: Measurements, seed: int) -> GainSurrogate:
    """Fit a surrogate to gains of perplexity, as published. Deterministic for a seed, on one thread."""
    return GainSurrogate(fit(measured.levels, measured.splits, gains_of(measured.losses), seed))


def fit_nats(measured: Measurements, seed: int) -> NatsSurrogate:
    """Fit a surrogate to losses in nats. Deterministic for a seed, on one thread."""
    return NatsSurrogate(fit(measured.levels, measured.splits, measured.losses, seed))


def fit(
    levels: Floats, splits: Ints, targets: Floats, seed: int, epochs: int = 300, batch: int = 64, rate: float = 1e-3
) -> Regression:
    """Fit targets, shape (N,), by Adam to the least mean squared error."""
    with one_thread():
        return _fit(levels, splits, targets, seed, epochs, batch, rate)


def _fit(levels: Floats, splits: Ints, targets: Floats, seed: int, epochs: int, batch: int, rate: float) -> Regression:
    draws = torch.Generator().manual_seed(seed)
    max_level, max_split = float(levels.max()), int(splits.max())
    scale = float(np.abs(targets).mean()) or 1.0
    x = torch.tensor(np.stack([levels / max_level, splits / max_split], axis=1), dtype=torch.float32)
    y = torch.tensor(targets / scale, dtype=torch.float32)
    linear = (_linear(2, draws), _linear(HIDDEN, draws), _linear(HIDDEN, draws, 1))
    network = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = rate * (1 - epoch / epochs)
        order = torch.randperm(len(x), generator=draws)
        for first in range(0, len(x), batch):
            index = order[first : first + batch]
            loss = (network(x[index]).squeeze(1) - y[index]).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    layers = tuple((_copy(layer.weight), _copy(layer.bias)) for layer in linear)
    return Regression(layers, max_level, max_split, scale)


def _linear(fan_in: int, draws: torch.Generator, fan_out: int = HIDDEN) -> nn.Linear:
    """Return a layer with weights drawn from `draws` only (He et al., ICCV 2015), and zero biases."""
    layer = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=draws)
    nn.init.zeros_(layer.bias)
    return layer


def _copy(values: Tensor) -> Floats:
    found: Floats = values.detach().double().numpy().copy()
    return found
