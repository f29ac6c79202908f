"""What PPO and A3C share: the network, sampling, the learning curve and repeatable training."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.split_inference.checkpoint import Checkpoint, Training
from agents.split_inference.episodes import Episodes
from emulator.core.arrays import Float32s


class ActorCritic(nn.Module):
    """Two networks with tanh layers: the actor gives a logit for each choice, the critic the observation's value."""

    def __init__(self, features: int, choices: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.actor = _tanh_layers((features, hidden, hidden, choices), 0.01, generator)
        self.critic = _tanh_layers((features, hidden, hidden, 1), 1.0, generator)

    def forward(self, observations: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return log probabilities of the choices (batch, choices), minus infinity where masked, and values (batch,).

        `observations`: (batch, features). `masks`: (batch, choices), true where a choice is allowed.
        """
        logits = self.actor(observations).masked_fill(~masks, -torch.inf)
        return torch.log_softmax(logits, -1), self.critic(observations).squeeze(-1)

    def actor_weights(self) -> dict[str, Float32s]:
        """Return a copy of the actor's parameters, by name."""
        return {f"actor.{name}": value.detach().numpy().copy() for name, value in self.actor.named_parameters()}


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
    """Sample one choice per row with the Gumbel-max trick, (batch, choices) to (batch,); never a masked one."""
    draws = torch.rand(log_probabilities.shape, generator=generator).clamp_min_(1e-20)
    return (log_probabilities - torch.log(-torch.log(draws))).argmax(-1)


def entropy(log_probabilities: Tensor) -> Tensor:
    """Return the entropy of each row in nats, (batch, choices) to (batch,); masked choices add 0."""
    finite = log_probabilities.clamp_min(-1e9)
    return -(finite.exp() * finite).sum(-1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict torch to one thread, so that sums have one order and the same seed gives the same parameters."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """Return the share of the returns' variance that the predicted values explain; NaN if returns do not vary."""
    variance = returns.var(correction=0)
    return float(1 - (returns - values).var(correction=0) / variance) if variance > 0 else float("nan")


class Diagnostics(NamedTuple):
    """Statistics of a training update, as CleanRL defines them.

    `entropy` (mean, nats), `value_loss` and `approx_kl` are of the last minibatch. `clipfrac` is the mean share of
    clipped ratios over all minibatches. A3C clips nothing: there the last two are None.
    """

    entropy: float
    value_loss: float
    explained_variance: float
    approx_kl: float | None = None
    clipfrac: float | None = None


def curve_point(
    agent: str, seed: int, step: int, episodes: Episodes, reward_mean: float, diagnostics: Diagnostics
) -> dict[str, Any]:
    """Return a point of a learning curve: `agent`, `seed`, `step`, `episode_return` (mean reward times the number of
    steps of an episode) and the fields of `Diagnostics`."""
    return {
        "agent": agent,
        "seed": seed,
        "step": step,
        "episode_return": reward_mean * episodes.settings.steps,
        **diagnostics._asdict(),
    }


def checkpoint_of(
    model: ActorCritic, episodes: Episodes, agent: str, seed: int, settings: dict[str, object]
) -> Checkpoint:
    """Return the trained actor with its training's description. Raises ValueError if a weight is not finite."""
    weights = model.actor_weights()
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise ValueError(f"{agent}: settings must keep the weights finite: a lower learning_rate or a higher num_envs")
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
