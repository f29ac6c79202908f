"""PPO as `agents.learning.ppo` defines it, with `SeparateNetworks`, several times faster and without torch.

The networks are small, so most of the time of a training in torch is spent between its operations. Here parameters
lie in one array, gradients are written out, and nothing is allocated in an update. Draws, and so samples and
minibatches, are those of `agents.learning.ppo`; results differ by rounding only.
"""

from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from agents.learning import kernels
from agents.learning.curve import Curve, Diagnostics, curve_point, explained_variance
from agents.learning.draws import Draws
from agents.learning.flat_networks import FlatNetworks, Parts
from agents.learning.heads import HeadedEnvironment, MakeEnvironment
from agents.learning.kernels import Array
from agents.learning.settings import PpoSettings
from agents.learning.weights import Weights, require_finite
from emulator.core.arrays import Flags, Ints
from emulator.core.progress import Progress


def train(
    environments: MakeEnvironment, settings: PpoSettings, seed: int, progress: Progress = lambda done, total: None
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve, a `curve_point` for each rollout.

    Calls `progress(done, total)` with counts of environment steps. The same environments, settings and seed give the
    same parameters on machines where NumPy rounds equally. Raises ValueError for an environment with other spaces
    than `HeadedEnvironment` takes, and if a trained parameter is not finite.
    """
    with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
        training = _Training(HeadedEnvironment(environments(settings.num_envs)), settings, seed)
        curve = []
        for update in range(training.updates):
            curve.append(training.update(1 - update / training.updates))
            progress(curve[-1]["step"], training.updates * training.steps)
        weights = training.networks.parameters.weights()
    require_finite("ppo", weights)
    return weights, curve


class Rows(NamedTuple):
    """Arrays of the steps of a rollout; see `agents.learning.ppo.Batch`."""

    observations: Array
    masks: Array
    actions: Array
    log_probabilities: Array
    advantages: Array
    returns: Array

    def taken(self, index: "Ints | Flags | slice") -> "Rows":
        """Return some of the rows."""
        return Rows(*(column[index] for column in self))


class _Training:
    """The state of a training, and the arrays of a rollout."""

    def __init__(self, environment: HeadedEnvironment, settings: PpoSettings, seed: int) -> None:
        self.settings, self.seed, self.environment = settings, seed, environment
        T, N, (features, M, K) = settings.num_steps, settings.num_envs, environment.shape
        self.steps = T * N
        self.updates = max(1, settings.total_timesteps // self.steps)
        self.draws = Draws(seed)
        self.networks = FlatNetworks(environment.shape, settings.hidden, (T + 1) * N)
        self.networks.parameters.draw(self.draws)
        self.mean, self.square = (Parts(environment.shape, settings.hidden) for _ in range(2))
        self.adam_steps, self.done = 0, 0

        self.state = environment.reset(seed)
        self.running_returns = np.zeros(N)
        self.observations = np.zeros((T + 1, N, features), dtype=np.float32)
        self.masks = np.zeros((T + 1, N, M, K), dtype=np.bool_)
        self.actions = np.zeros((T, N, M), dtype=np.int64)
        self.rewards = np.zeros((T, N), dtype=np.float32)
        self.terminated, self.ended, self.resets = (np.zeros((T, N), dtype=np.bool_) for _ in range(3))
        self.advantages, self.log_probabilities = (np.zeros((T, N), dtype=np.float32) for _ in range(2))

    def update(self, left: float) -> dict[str, Any]:
        """Take a rollout and learn from it. `left`: remaining share of the training, 1 to 0."""
        settings = self.settings
        returns = self.roll_out()
        values, rows = self.batch()
        statistics = []
        for _ in range(settings.update_epochs):
            order = self.draws.permutation(len(rows.returns))
            shuffled = rows.taken(order)
            size = -(-len(order) // settings.num_minibatches)
            parts = (shuffled.taken(slice(start, start + size)) for start in range(0, len(order), size))
            statistics += [self.learn(part, left) for part in parts]
        self.done += self.steps
        _, entropy, value_loss, approx_kl, _ = statistics[-1]
        clipfrac = sum(each[-1] for each in statistics) / len(statistics)
        explained = explained_variance(values, rows.returns)
        reward_mean = float(self.rewards[~self.resets].mean())
        episode_return = float(np.mean(returns)) if returns else float("nan")
        diagnostics = Diagnostics(entropy, value_loss, explained, approx_kl, clipfrac)
        return curve_point("ppo", self.seed, self.done, reward_mean, episode_return, diagnostics)

    def roll_out(self) -> list[float]:
        """Take T steps in all environments. Return the returns of the episodes that ended."""
        noise = self.draws.uniform(self.masks[:-1].shape)
        np.maximum(noise, np.float32(1e-20), out=noise)
        noise = -np.log(-np.log(noise))
        returns: list[float] = []
        state = self.state
        for t in range(len(self.actions)):
            self.observations[t], self.masks[t] = state.observations, state.masks
            np.logical_or(state.terminated, state.truncated, out=self.resets[t])
            kernels.choose(self.networks.logits(state.observations), state.masks, noise[t], self.actions[t])
            state = self.environment.step(self.actions[t])
            self.rewards[t], self.terminated[t] = state.rewards, state.terminated
            ended = np.logical_or(state.terminated, state.truncated, out=self.ended[t])
            self.running_returns += state.rewards
            if ended.any():
                returns.extend(self.running_returns[ended].tolist())
                self.running_returns[ended] = 0
        self.observations[-1], self.masks[-1] = state.observations, state.masks
        self.state = state
        return returns

    def batch(self) -> tuple[Array, Rows]:
        """Return the values of the steps that are not resets, before the update, and what is learned from them."""
        T, N = self.rewards.shape
        count, (_, M, K) = (T + 1) * N, self.environment.shape
        output = self.networks.forward(self.observations.reshape(count, -1), self.masks.reshape(count, M, K))
        kernels.chosen(
            output.shifted, output.totals, self.actions.reshape(T * N, -1), self.log_probabilities.reshape(-1)
        )
        values = output.values.reshape(T + 1, N)
        settings = self.settings
        kernels.advantages_of(
            self.rewards, values, self.terminated, self.ended, settings.gamma, settings.gae_lambda, self.advantages
        )
        values = values[:-1]
        rows = Rows(
            self.observations[:-1], self.masks[:-1], self.actions,
            self.log_probabilities, self.advantages, self.advantages + values,
        )  # fmt: skip
        learn = ~self.resets
        return values[learn], rows.taken(learn)

    def learn(self, rows: Rows, left: float) -> tuple[float, float, float, float, float]:
        """Take a step of Adam. Return what `kernels.loss_gradient` returns."""
        settings = self.settings
        statistics = gradient_of(self.networks, rows, settings, left)
        self.adam_steps += 1
        kernels.adam_step(
            self.networks.parameters.flat, self.networks.gradient.flat, self.mean.flat, self.square.flat,
            self.adam_steps, settings.learning_rate * left, settings.max_grad_norm,
        )  # fmt: skip
        return statistics


def gradient_of(
    networks: FlatNetworks, rows: Rows, settings: PpoSettings, left: float
) -> tuple[float, float, float, float, float]:
    """Compute the gradient of a minibatch's loss in `networks.gradient`. Return what `kernels.loss_gradient` does."""
    output = networks.forward(rows.observations, rows.masks)
    by_logits, by_values = output.exponentials, np.empty_like(output.values)
    statistics: tuple[float, float, float, float, float] = kernels.loss_gradient(
        output.shifted, output.totals, output.values, rows.actions, rows.log_probabilities, rows.advantages,
        rows.returns, settings.clip_coef, settings.ent_coef * left, settings.vf_coef, by_logits, by_values,
    )  # fmt: skip
    networks.backward(rows.observations, by_logits, by_values)
    return statistics
