"""The network that PPO and A3C share, and what makes its training repeatable."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.checkpoint import Checkpoint, Training
from agents.episodes import Episodes
from emulator.core.arrays import Float32s

Progress = Callable[[int, int], None]  # (environment steps done, total)


class ActorCritic(nn.Module):
    """Two networks of tanh layers: logits of the choices, and the value of the observation."""

    def __init__(self, features: int, choices: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.actor = _tanh_layers((features, hidden, hidden, choices), 0.01, generator)
        self.critic = _tanh_layers((features, hidden, hidden, 1), 1.0, generator)

    def forward(self, observations: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the choices (masked: minus infinity) and values, of (batch, features)
        observations and (batch, choices) masks: shapes (batch, choices) and (batch,)."""
        logits = self.actor(observations).masked_fill(~masks, -torch.inf)
        return torch.log_softmax(logits, -1), self.critic(observations).squeeze(-1)

    def actor_weights(self) -> dict[str, Float32s]:
        """A copy of the actor's parameters by name."""
        return {f"actor.{name}": value.detach().numpy().copy() for name, value in self.actor.named_parameters()}


def _tanh_layers(sizes: tuple[int, ...], last_gain: float, generator: torch.Generator) -> nn.Sequential:
    """Orthogonal weights drawn from `generator` alone, and zero biases."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")  # draws nothing
        last = len(layers) == 2 * (len(sizes) - 2)
        nn.init.orthogonal_(linear.weight, last_gain if last else 2**0.5, generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


def sample(log_probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One choice a row by the Gumbel-max trick, (batch, choices) to (batch,): a masked one is never chosen."""
    draws = torch.rand(log_probabilities.shape, generator=generator).clamp_min_(1e-20)
    return (log_probabilities - torch.log(-torch.log(draws))).argmax(-1)


def entropy(log_probabilities: Tensor) -> Tensor:
    """Entropy in nats of each row, (batch, choices) to (batch,); masked choices add nothing."""
    finite = log_probabilities.clamp_min(-1e9)
    return -(finite.exp() * finite).sum(-1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that the same seed gives the same parameters; the count is restored after."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def curve_point(
    agent: str, seed: int, step: int, episodes: Episodes, reward_mean: float, entropy_mean: float, value_loss: float
) -> dict[str, Any]:
    """A point of a learning curve: `agent`, `seed`, `step`, `episode_return` (the mean reward times an episode's
    steps), `entropy` (mean, nats), `value_loss`."""
    return {
        "agent": agent,
        "seed": seed,
        "step": step,
        "episode_return": reward_mean * episodes.settings.steps,
        "entropy": entropy_mean,
        "value_loss": value_loss,
    }


def checkpoint_of(
    model: ActorCritic, episodes: Episodes, agent: str, seed: int, settings: dict[str, object]
) -> Checkpoint:
    """The trained actor with its origin. Raises ValueError where its weights have left all bounds."""
    weights = model.actor_weights()
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise ValueError(f"{agent}: settings must keep the weights finite: a lower learning_rate or more environments")
    traces = {trace.sha256: trace for system in episodes.systems for trace in (link.trace for link in system.links)}
    lineage = tuple(dict.fromkeys(interval for trace in traces.values() for interval in trace.lineage))
    described = {
        **settings,
        "episodes": len(episodes),
        "steps": episodes.settings.steps,
        "draws": episodes.settings.seed,
    }
    training = Training(agent, seed, described, tuple(traces), lineage, torch.__version__, torch.get_num_threads())
    return Checkpoint(weights, episodes.layout, training)
