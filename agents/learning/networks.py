"""Networks of an actor and a critic, sampling of actions, and repeatable training.

An action has M heads, each a choice of one of K outcomes; M is 1 for a `Discrete` action.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from agents.learning.heads import Shape
from agents.learning.training.weights import Weights


class ActorCritic(nn.Module, ABC):
    """Gives a logit for each outcome of each head, and the observation's value."""

    shape: Shape

    def forward(self, observations: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return log probabilities of the outcomes (..., M, K), minus infinity where masked, and values (...).

        `observations`: (..., features). `masks`: (..., M, K), true where an outcome is allowed.
        """
        logits, values = self.outputs(observations)
        logits = logits.reshape(masks.shape).masked_fill(~masks, -torch.inf)
        return torch.log_softmax(logits, -1), values.squeeze(-1)

    @abstractmethod
    def outputs(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (..., M * K) and values (..., 1)."""

    def __call__(self, observations: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Call `forward`, with its types."""
        log_probabilities, values = super().__call__(observations, masks)
        return log_probabilities, values

    def weights(self) -> Weights:
        """Return a copy of the parameters, by name."""
        return {name: value.detach().numpy().copy() for name, value in self.named_parameters()}


MakeNetwork = Callable[[Shape, int, torch.Generator], ActorCritic]  # (shape, units of a hidden layer, draws)


class SeparateNetworks(ActorCritic):
    """Two networks of two tanh layers each: `actor` and `critic`."""

    def __init__(self, shape: Shape, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.actor = _tanh_layers((shape.features, hidden, hidden, shape.heads * shape.outcomes), 0.01, generator)
        self.critic = _tanh_layers((shape.features, hidden, hidden, 1), 1.0, generator)

    def outputs(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (..., M * K) and values (..., 1)."""
        return self.actor(observations), self.critic(observations)


class SharedTrunk(ActorCritic):
    """One `trunk` of two tanh layers, below a layer with M `heads` of K outputs and below the `critic`.

    So outputs grow as M * K and not as K^M: the network of MT-A3C (Li et al., IEEE TMC 23(10), 2024).
    """

    def __init__(self, shape: Shape, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = nn.Sequential(*_tanh_layers((shape.features, hidden, hidden), 2**0.5, generator), nn.Tanh())
        self.heads = _tanh_layers((hidden, shape.heads * shape.outcomes), 0.01, generator)
        self.critic = _tanh_layers((hidden, 1), 1.0, generator)

    def outputs(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (..., M * K) and values (..., 1)."""
        hidden = self.trunk(observations)
        return self.heads(hidden), self.critic(hidden)


def _tanh_layers(sizes: tuple[int, ...], last_gain: float, generator: torch.Generator) -> nn.Sequential:
    """Return layers with orthogonal weights, drawn from `generator` only, and zero biases."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out, device="meta").to_empty(
            device="cpu"
        )  # skips the default initialisation, which would draw from torch's global generator
        last = len(layers) == 2 * (len(sizes) - 2)
        nn.init.orthogonal_(linear.weight, last_gain if last else 2**0.5, generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


def sample(log_probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Sample an outcome for each row with the Gumbel-max trick, (..., K) to (...); never a masked one."""
    draws = torch.rand(log_probabilities.shape, generator=generator).clamp_min_(1e-20)
    return (log_probabilities - torch.log(-torch.log(draws))).argmax(-1)


def joint(log_probabilities: Tensor, actions: Tensor) -> Tensor:
    """Return the log probability of each action, (..., M, K) and (..., M) to (...): the sum over its heads."""
    return log_probabilities.gather(-1, actions[..., None]).squeeze(-1).sum(-1)


def entropy(log_probabilities: Tensor) -> Tensor:
    """Return the entropy of each action in nats, (..., M, K) to (...): the sum over heads; masked outcomes add 0."""
    finite = log_probabilities.clamp_min(-1e9)
    return -(finite.exp() * finite).sum(-1).sum(-1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict torch and BLAS to one thread: sums then have one order, and the same seed gives the same parameters."""
    with torch_on_one_thread(), threadpool_limits(1, "blas"):  # environments may use it
        yield


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Restrict torch alone to one thread, which takes no time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
