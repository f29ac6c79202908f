"""Asynchronous advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), with workers in turns or in threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch

from agents.learning.curve import Curve, Diagnostics, curve_point
from agents.learning.heads import HeadedEnvironment, MakeEnvironment
from agents.learning.n_step import Gradient, gradient_of
from agents.learning.networks import MakeNetwork, SeparateNetworks, Weights, one_thread, require_finite
from agents.learning.rollout import Collector
from agents.learning.settings import A3cSettings
from emulator.core.progress import Progress

MAX_CURVE_POINTS = 50  # about as many points in a learning curve


def train(
    environments: MakeEnvironment,
    settings: A3cSettings,
    seed: int,
    progress: Progress = lambda done, total: None,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points, the last one at the
    end.

    Calls `progress(done, total)` with counts of environment steps. The same environments, settings and seed give the
    same parameters on machines where torch rounds equally, unless workers are `asynchronous`. Raises ValueError for
    an environment with other spaces than `HeadedEnvironment` takes, and if a trained parameter is not finite.
    """
    with one_thread():
        own = [HeadedEnvironment(environments(settings.num_envs)) for _ in range(settings.workers)]
        shared = _Shared(own[0], settings, seed, progress, network)
        workers = [_Worker(shared, environment, number, network) for number, environment in enumerate(own)]
        turns = shared.updates // settings.workers
        if settings.asynchronous:
            with ThreadPoolExecutor(settings.workers) as pool:
                list(pool.map(lambda worker: [worker.turn() for _ in range(turns)], workers))
        else:
            for _ in range(turns):
                for worker in workers:
                    worker.turn()
        weights = shared.model.weights()
        require_finite("a3c", weights)
        return weights, shared.curve


class _Shared:
    """What all workers share: the parameters, the optimiser's state and the learning curve."""

    def __init__(
        self, environment: HeadedEnvironment, settings: A3cSettings, seed: int, progress: Progress, network: MakeNetwork
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.model = network(environment.shape, settings.hidden, torch.Generator().manual_seed(seed))
        self.optimizer = torch.optim.RMSprop(
            self.model.parameters(), lr=settings.learning_rate, alpha=settings.decay, eps=1e-5
        )
        self.steps_per_update = settings.num_envs * settings.num_steps
        self.updates = max(settings.workers, settings.total_timesteps // self.steps_per_update)
        self.updates -= self.updates % settings.workers
        self.done = 0
        self.curve: Curve = []
        self.lock = Lock()
        self.recent: list[Gradient] = []
        self.progress = progress

    @property
    def left(self) -> float:
        """Remaining share of the training, 1 to 0."""
        return 1 - self.done / self.updates

    def apply(self, gradient: Gradient) -> None:
        """Take one optimiser step with a worker's gradient, and record a point of the curve at intervals."""
        with self.lock:  # workers compute gradients outside the lock; the optimiser's state needs it
            for parameter, values in zip(self.model.parameters(), gradient.values, strict=True):
                parameter.grad = values
            self.optimizer.param_groups[0]["lr"] = self.settings.learning_rate * self.left
            self.optimizer.step()
            self.done += 1
            self.recent.append(gradient)
            if self.done % max(1, self.updates // MAX_CURVE_POINTS) == 0 or self.done == self.updates:
                step = self.done * self.steps_per_update
                self.curve.append(point_of(self.recent, self.seed, step))
                self.recent.clear()
                self.progress(step, self.updates * self.steps_per_update)


def point_of(recent: list[Gradient], seed: int, step: int) -> dict[str, object]:
    """Return a point of the curve with the means of the updates since the last point."""
    rows = [(each.reward_mean, *each.diagnostics[:3]) for each in recent]
    reward_mean, *means = (sum(column) / len(column) for column in zip(*rows, strict=True))
    returns = [value for each in recent for value in each.returns]
    episode_return = float(np.mean(returns)) if returns else float("nan")
    return curve_point("a3c", seed, step, reward_mean, episode_return, Diagnostics(*means))


class _Worker:
    """A worker with its own copy of the parameters, its own environments and its own random generator."""

    def __init__(self, shared: _Shared, environment: HeadedEnvironment, number: int, network: MakeNetwork) -> None:
        self.shared, self.settings = shared, shared.settings
        rng = torch.Generator().manual_seed(shared.seed * 1_000 + number + 1)
        self.model = network(environment.shape, self.settings.hidden, rng)
        self.model.load_state_dict(shared.model.state_dict())
        self.collector = Collector(environment, shared.seed * 1_000 + number * self.settings.num_envs, rng)

    def turn(self) -> None:
        """Sample a rollout, compute its gradient, update the shared parameters and copy them."""
        rollout = self.collector.collect(self.model, self.settings.num_steps)
        self.shared.apply(gradient_of(self.model, rollout, self.settings, self.shared.left))
        self.model.load_state_dict(self.shared.model.state_dict())
