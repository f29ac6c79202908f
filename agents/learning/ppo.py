"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) in a vector environment."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.learning.heads import HeadedEnvironment, MakeEnvironment, environment_seed
from agents.learning.networks import ActorCritic, MakeNetwork, SeparateNetworks, entropy, joint, one_thread
from agents.learning.rollout import Collector, Rollout
from agents.learning.settings import PpoSettings
from agents.learning.torch_state import generator_state, network_state, restore_generator, restore_network
from agents.learning.training.curve import Curve, Diagnostics, UpdateReport, explained_variance
from agents.learning.training.loop import run
from agents.learning.training.state import TrainingState, joined
from agents.learning.training.supervision import UNSUPERVISED, Supervision
from agents.learning.training.weights import Weights


def train(
    environments: MakeEnvironment,
    settings: PpoSettings,
    seed: int,
    supervision: Supervision = UNSUPERVISED,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points.

    The same environments, settings and seed give the same parameters on machines where torch rounds equally. Raises
    ValueError for an environment with other spaces than `HeadedEnvironment` takes, and as `training.loop.run`.
    """
    with one_thread():
        return run(_Ppo(HeadedEnvironment(environments(settings.num_envs)), settings, seed, network), supervision)


class _Ppo:
    """A `Learner`."""

    agent = "ppo"

    def __init__(self, environment: HeadedEnvironment, settings: PpoSettings, seed: int, network: MakeNetwork) -> None:
        self.settings, self.seed = settings, seed
        self.steps = settings.num_steps * settings.num_envs
        self.updates = max(1, settings.total_timesteps // self.steps)
        self._rng = torch.Generator().manual_seed(seed)
        self._model = network(environment.shape, settings.hidden, self._rng)
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=settings.learning_rate, eps=1e-5)
        self._collector = Collector(environment, environment_seed(seed), self._rng, settings)

    def update(self, left: float) -> UpdateReport:
        """Learn from a rollout. `left`: remaining share of the training, 1 to 0."""
        settings, model, optimizer = self.settings, self._model, self._optimizer
        optimizer.param_groups[0]["lr"] = settings.learning_rate * left
        rollout = self._collector.collect(model)
        batch = batch_of(rollout, settings)
        clipfracs = []
        for _ in range(settings.update_epochs):
            for index in torch.randperm(len(batch.values), generator=self._rng).chunk(settings.num_minibatches):
                loss = minibatch_loss(model, settings, left, Batch(*(tensor[index] for tensor in batch)))
                clipfracs.append(loss.clipfrac)
                optimizer.zero_grad()
                torch.autograd.backward(loss.total)
                nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()
        diagnostics = Diagnostics(
            loss.entropy,
            loss.value_loss,
            explained_variance(batch.values.numpy(), batch.returns.numpy()),
            loss.approx_kl,
            sum(clipfracs) / len(clipfracs),
        )
        reward_mean = rollout.rewards[rollout.learned].mean().item()
        return UpdateReport(reward_mean, rollout.returns, diagnostics)

    def weights(self) -> Weights:
        """Return a copy of the parameters, by name."""
        return self._model.weights()

    def state(self) -> TrainingState:
        """Return parameters, moments of Adam, the generator and the environments."""
        return joined(
            network=network_state(self._model, self._optimizer),
            draws=generator_state(self._rng),
            rollout=self._collector.state(),
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        restore_network(self._model, self._optimizer, state.part("network"))
        restore_generator(self._rng, state.part("draws"))
        self._collector.restore(state.part("rollout"))


class Batch(NamedTuple):
    """The steps of a rollout to learn from, all at once or some of them."""

    observations: Tensor  # (batch, features)
    masks: Tensor  # (batch, M, K)
    actions: Tensor  # (batch, M)
    log_probabilities: Tensor  # (batch,), under the policy that sampled the actions
    advantages: Tensor  # (batch,)
    returns: Tensor  # (batch,), estimates that values learn
    values: Tensor  # (batch,), before the update


def batch_of(rollout: Rollout, settings: PpoSettings) -> Batch:
    """Return the steps that a rollout is learned from, with advantages and returns."""
    discounts, settled = rollout.discounts(settings.gamma), rollout.settled
    advantages = advantages_of(
        rollout.rewards, rollout.values, rollout.terminated, rollout.ended, settled, discounts, settings.gae_lambda
    )
    values = rollout.values[:-1]
    columns = (rollout.observations[:-1], rollout.masks[:-1], rollout.actions, rollout.log_probabilities)
    return Batch(*(tensor[rollout.learned] for tensor in (*columns, advantages, advantages + values, values)))


class MinibatchLoss(NamedTuple):
    """The loss to minimise, and statistics of the minibatch. `entropy`: mean, in nats. `approx_kl`: estimate of the
    divergence from the policy that sampled the actions. `clipfrac`: share of probability ratios that were clipped."""

    total: Tensor
    entropy: float
    value_loss: float
    approx_kl: float
    clipfrac: float


def minibatch_loss(model: ActorCritic, settings: PpoSettings, left: float, batch: Batch) -> MinibatchLoss:
    """Return the loss of the clipped objective for one minibatch. `left`: remaining share of the training, 1 to 0."""
    log_p, values = model(batch.observations, batch.masks)
    log_ratio = joint(log_p, batch.actions) - batch.log_probabilities
    ratio = log_ratio.exp()
    scaled = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - settings.clip_coef, 1 + settings.clip_coef)
    policy_loss = -torch.min(ratio * scaled, clipped * scaled).mean()
    value_loss = (batch.returns - values).square().mean() / 2
    entropy_mean = entropy(log_p).mean()
    loss = policy_loss + settings.vf_coef * value_loss - settings.ent_coef * left * entropy_mean
    with torch.no_grad():
        approx_kl = ((ratio - 1) - log_ratio).mean().item()
        clipfrac = ((ratio - 1).abs() > settings.clip_coef).float().mean().item()
    return MinibatchLoss(loss, entropy_mean.item(), value_loss.item(), approx_kl, clipfrac)


def advantages_of(
    rewards: Tensor,
    values: Tensor,
    terminated: Tensor,
    ended: Tensor,
    settled: Tensor,
    discounts: Tensor,
    gae_lambda: float,
) -> Tensor:
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438), shape (T, N).

    `values` has one more row than the others; row t + 1 is of the state after step t. The sum stops where an episode
    `ended`. The value after it is 0 if it `terminated`, otherwise that of the truncated state. A step whose reward is
    not `settled` adds nothing: it is taken to have earned what its values say. `discounts`, (T, N), are those of what
    follows each step.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        after = torch.where(terminated[t], 0.0, values[t + 1])
        error = torch.where(settled[t], rewards[t] + discounts[t] * after - values[t], 0.0)
        running = error + discounts[t] * gae_lambda * torch.where(ended[t], 0.0, running)
        advantages[t] = running
    return advantages
