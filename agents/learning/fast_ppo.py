"""PPO as `agents.learning.ppo` defines it, several times faster and without torch.

The networks are small, so most of the time of a training in torch is spent between its operations. Here parameters
lie in one array, gradients are written out, and nothing is allocated in an update. Draws, and so samples and
minibatches, are those of `agents.learning.ppo`; results differ by rounding only.
"""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from agents.learning import kernels
from agents.learning.draws import Draws
from agents.learning.flat_networks import SEPARATE, FlatNetworks, Parts
from agents.learning.heads import HeadedEnvironment, MakeEnvironment, environment_seed, restored_step, step_state
from agents.learning.kernels import Rows
from agents.learning.network_kernels import Array
from agents.learning.settings import PpoSettings
from agents.learning.training.curve import Curve, Diagnostics, UpdateReport, explained_variance
from agents.learning.training.loop import run
from agents.learning.training.state import Arrays, TrainingState, assign, joined
from agents.learning.training.supervision import UNSUPERVISED, Supervision
from agents.learning.training.weights import Weights


def train(
    environments: MakeEnvironment,
    settings: PpoSettings,
    seed: int,
    supervision: Supervision = UNSUPERVISED,
    trunks: int = SEPARATE,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points. Its networks are those
    of `SeparateNetworks`, or with `trunks` SHARED those of `SharedTrunk`.

    The same environments, settings and seed give the same parameters on machines where NumPy rounds equally. Raises
    ValueError for an environment with other spaces than `HeadedEnvironment` takes, and as `training.loop.run`.
    """
    with _blas().limit(limits=1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
        return run(_FastPpo(HeadedEnvironment(environments(settings.num_envs)), settings, seed, trunks), supervision)


@cache
def _blas() -> ThreadpoolController:
    """Return the libraries of linear algebra, which are loaded by now. To find them takes milliseconds."""
    return ThreadpoolController()


class _FastPpo:
    """A `Learner`, with the arrays of a rollout."""

    agent = "ppo"

    def __init__(self, environment: HeadedEnvironment, settings: PpoSettings, seed: int, trunks: int) -> None:
        self.settings, self.seed, self.environment = settings, seed, environment
        T, N, (features, M, K) = settings.num_steps, settings.num_envs, environment.shape
        self.steps = T * N
        self.updates = max(1, settings.total_timesteps // self.steps)
        self.draws = Draws(seed)
        self.networks = FlatNetworks(environment.shape, settings.hidden, (T + 1) * N, trunks=trunks)
        self.networks.parameters.draw(self.draws)
        self.mean, self.square = (Parts(environment.shape, settings.hidden, trunks=trunks) for _ in range(2))
        self.adam_steps = 0

        self.observed = environment.reset(environment_seed(seed))
        self.running_returns = np.zeros(N)
        self.observations = np.zeros((T + 1, N, features), dtype=np.float32)
        self.masks = np.zeros((T + 1, N, M, K), dtype=np.bool_)
        self.actions = np.zeros((T, N, M), dtype=np.int64)
        self.rewards = np.zeros((T, N), dtype=np.float32)
        self.terminated, self.ended, self.resets = (np.zeros((T, N), dtype=np.bool_) for _ in range(3))
        self.discounts, self.advantages, self.log_probabilities, self.targets = (
            np.zeros((T, N), dtype=np.float32) for _ in range(4)
        )
        self.shuffled = Rows._make(np.empty_like(column) for column in self.rows())

    def update(self, left: float) -> UpdateReport:
        """Learn from a rollout. `left`: remaining share of the training, 1 to 0."""
        settings = self.settings
        returns = self.roll_out()
        values, rows, learned = self.values(), self.rows(), np.flatnonzero(~self.resets)
        size = -(-len(learned) // settings.num_minibatches)
        statistics = []
        for _ in range(settings.update_epochs):
            kernels.gather(rows, learned[self.draws.permutation(len(learned))], self.shuffled)
            for start in range(0, len(learned), size):
                part = slice(start, min(start + size, len(learned)))
                statistics.append(self.learn(Rows._make(column[part] for column in self.shuffled), left))
        _, entropy, value_loss, approx_kl, _ = statistics[-1]
        clipfrac = sum(each[-1] for each in statistics) / len(statistics)
        explained = explained_variance(values[learned], rows.returns[learned])
        reward_mean = float(self.rewards[~self.resets].mean())
        return UpdateReport(reward_mean, returns, Diagnostics(entropy, value_loss, explained, approx_kl, clipfrac))

    def weights(self) -> Weights:
        """Return a copy of the parameters, by name."""
        return self.networks.parameters.weights()

    def state(self) -> TrainingState:
        """Return parameters, moments of Adam, the generator and the environments."""
        arrays = {name: each.copy() for name, each in self._kept().items()}
        return joined(
            learner=TrainingState(arrays, {"adam_steps": self.adam_steps}),
            draws=self.draws.state(),
            step=step_state(self.observed),
            environments=self.environment.state(),
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        arrays, data = state.part("learner")
        for name, each in self._kept().items():
            assign(each, arrays[name])
        self.adam_steps = int(data["adam_steps"])
        self.draws.restore(state.part("draws"))
        self.observed = restored_step(state.part("step"))
        self.environment.restore(state.part("environments"))

    def _kept(self) -> Arrays:
        """Return the arrays that last from one update to the next."""
        parts = {"weights": self.networks.parameters, "mean": self.mean, "square": self.square}
        return {name: each.flat for name, each in parts.items()} | {"returns": self.running_returns}

    def roll_out(self) -> list[float]:
        """Take T steps in all environments. Return the returns of the episodes that ended."""
        noise = self.draws.uniform(self.masks[:-1].shape)
        np.maximum(noise, np.float32(1e-20), out=noise)
        noise = -np.log(-np.log(noise))
        returns: list[float] = []
        state = self.observed
        for t in range(len(self.actions)):
            self.observations[t], self.masks[t] = state.observations, state.masks
            np.logical_or(state.terminated, state.truncated, out=self.resets[t])
            kernels.choose(self.networks.logits(self.observations[t]), self.masks[t], noise[t], self.actions[t])
            state = self.environment.step(self.actions[t])
            self.rewards[t], self.terminated[t] = state.rewards, state.terminated
            self.discounts[t] = self.settings.gamma**state.times
            ended = np.logical_or(state.terminated, state.truncated, out=self.ended[t])
            self.running_returns += state.rewards
            if ended.any():
                returns.extend(self.running_returns[ended].tolist())
                self.running_returns[ended] = 0
        self.observations[-1], self.masks[-1] = state.observations, state.masks
        self.observed = state
        return returns

    def values(self) -> Array:
        """Return the values of all steps before the update, shape (T * N,), and compute what is learned from them."""
        (T, N), (features, M, K) = self.rewards.shape, self.environment.shape
        output = self.networks.forward(self.observations.reshape(-1, features), self.masks.reshape(-1, M, K))
        kernels.chosen(
            output.shifted, output.totals, self.actions.reshape(T * N, -1), self.log_probabilities.reshape(-1)
        )
        values, settings = output.values.reshape(T + 1, N), self.settings
        kernels.advantages_of(
            self.rewards, values, self.terminated, self.ended, self.discounts, settings.gae_lambda, self.advantages
        )
        np.add(self.advantages, values[:-1], out=self.targets)
        return values[:-1].ravel().copy()

    def rows(self) -> Rows:
        """Return the steps of the rollout, one a row."""
        features, M, K = self.environment.shape
        return Rows(
            self.observations[:-1].reshape(-1, features), self.masks[:-1].reshape(-1, M, K),
            self.actions.reshape(-1, M), self.log_probabilities.reshape(-1), self.advantages.reshape(-1),
            self.targets.reshape(-1),
        )  # fmt: skip

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
