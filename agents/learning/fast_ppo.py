"""PPO as `agents.learning.ppo` defines it, several times faster and without torch.

The networks are small, so most of the time of a training in torch is spent between its operations. Here parameters
lie in one array, gradients are written out, and nothing is allocated in an update. Draws, and so samples and
minibatches, are those of `agents.learning.ppo`; results differ by rounding only.
"""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from agents.learning import kernels
from agents.learning.credit import EarnedRewards, forget_rows
from agents.learning.draws import Draws
from agents.learning.flat_networks import SEPARATE, FlatNetworks, Parts
from agents.learning.heads import HeadedEnvironment, MakeEnvironment, environment_seed, restored_step, step_state
from agents.learning.kernels import Rows
from agents.learning.settings import PpoSettings
from agents.learning.training.curve import Curve, Diagnostics, UpdateReport, explained_variance
from agents.learning.training.loop import run
from agents.learning.training.state import Arrays, TrainingState, assign, joined
from agents.learning.training.supervision import UNSUPERVISED, Supervision
from agents.learning.training.weights import Weights
from emulator.core.arrays import Ints


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
        R = (settings.credit_steps if environment.has_credits else 0) + T  # steps that are kept
        most_rows = max((T + 1) * N, -(-R * N // settings.num_minibatches))
        self.networks = FlatNetworks(environment.shape, settings.hidden, most_rows, trunks=trunks)
        self.networks.parameters.draw(self.draws)
        self.mean, self.square = (Parts(environment.shape, settings.hidden, trunks=trunks) for _ in range(2))
        self.adam_steps = 0

        self.observed = environment.reset(environment_seed(seed))
        self.running_returns = np.zeros(N)
        self.earned = EarnedRewards(R - T, T, N)
        self.observations = np.zeros((R + 1, N, features), dtype=np.float32)
        self.masks = np.ones((R + 1, N, M, K), dtype=np.bool_)
        self.values = np.zeros((R + 1, N), dtype=np.float32)  # as they were when the step was taken
        self.actions = np.zeros((R, N, M), dtype=np.int64)
        self.terminated, self.ended = np.zeros((2, R, N), dtype=np.bool_)
        self.discounts, self.log_probabilities = np.zeros((2, R, N), dtype=np.float32)
        self.advantages, self.targets = np.zeros((2, R, N), dtype=np.float32)
        self.shuffled = Rows._make(np.empty_like(column) for column in self.rows())

    def update(self, left: float) -> UpdateReport:
        """Learn from a rollout. `left`: remaining share of the training, 1 to 0."""
        settings = self.settings
        returns, learned = self.roll_out()
        self.judge()
        values, rows = self.values[:-1].ravel(), self.rows()
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
        reward_mean = float(self.earned.rewards.ravel()[learned].mean())
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
            earned=self.earned.state(),
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
        self.earned.restore(state.part("earned"))
        self.environment.restore(state.part("environments"))

    def _kept(self) -> Arrays:
        """Return the arrays that last from one update to the next."""
        parts = {"weights": self.networks.parameters, "mean": self.mean, "square": self.square}
        return {name: each.flat for name, each in parts.items()} | {"returns": self.running_returns} | self._steps()

    def _steps(self) -> Arrays:
        """Return the columns of the steps that are kept, but for those in `earned`."""
        names = ("observations", "masks", "values", "actions", "terminated", "ended", "discounts", "log_probabilities")
        return {name: getattr(self, name) for name in names}

    def roll_out(self) -> tuple[list[float], Ints]:
        """Take T steps in all environments, and further T until there are steps to learn from. Return the returns of
        the episodes that ended, and the numbers of these steps among all R * N."""
        returns: list[float] = []
        while True:
            self._step(returns)
            learned = np.flatnonzero(self.earned.take_settled())
            if len(learned):
                return returns, learned

    def _step(self, returns: list[float]) -> None:
        """Take T steps, and add the returns of the episodes that end."""
        T, last = self.settings.num_steps, len(self.actions)
        self.earned.begin_rollout()
        for column in self._steps().values():
            forget_rows(column, T)
        noise = self.draws.uniform((T, *self.masks.shape[1:]))
        np.maximum(noise, np.float32(1e-20), out=noise)
        noise = -np.log(-np.log(noise))
        state = self.observed
        for t in range(last - T, last):
            self.observations[t], self.masks[t] = state.observations, state.masks
            resets = np.logical_or(state.terminated, state.truncated)
            logits = self.networks.logits(self.observations[t])
            kernels.choose(logits, self.masks[t], noise[t - last + T], self.actions[t])
            state = self.environment.step(self.actions[t])
            self.earned.add(t, state.rewards, state.credits, resets)
            self.terminated[t] = state.terminated
            self.discounts[t] = self.settings.gamma**state.times
            ended = np.logical_or(state.terminated, state.truncated, out=self.ended[t])
            self.running_returns += state.rewards
            if ended.any():
                returns.extend(self.running_returns[ended].tolist())
                self.running_returns[ended] = 0
        self.observations[last], self.masks[last] = state.observations, state.masks
        self.observed = state
        self._look(last - T)

    def _look(self, first: int) -> None:
        """Compute the values of the states and the probabilities of the actions from row `first` on."""
        features, M, K = self.environment.shape
        output = self.networks.forward(
            self.observations[first:].reshape(-1, features), self.masks[first:].reshape(-1, M, K)
        )
        self.values[first:] = output.values.reshape(-1, self.settings.num_envs)
        actions, out = self.actions[first:].reshape(-1, M), self.log_probabilities[first:].reshape(-1)
        kernels.chosen(output.shifted, output.totals, actions, out)

    def judge(self) -> None:
        """Compute the advantages of all steps, and the values that are learned."""
        kernels.advantages_of(
            self.earned.rewards, self.values, self.terminated, self.ended, self.earned.settled, self.discounts,
            self.settings.gae_lambda, self.advantages,
        )  # fmt: skip
        np.add(self.advantages, self.values[:-1], out=self.targets)

    def rows(self) -> Rows:
        """Return the steps that are kept, one a row."""
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
