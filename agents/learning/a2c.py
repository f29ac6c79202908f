"""Synchronous advantage actor-critic: A3C (Mnih et al. 2016, arXiv 1602.01783) with one worker."""

from agents.learning.heads import HeadedEnvironment, MakeEnvironment, environment_seed
from agents.learning.n_step import gradient_of
from agents.learning.networks import MakeNetwork, SeparateNetworks, one_thread
from agents.learning.rollout import Collector
from agents.learning.settings import A2cSettings
from agents.learning.torch_state import generator_state, restore_generator
from agents.learning.training.curve import Curve, UpdateReport
from agents.learning.training.loop import run
from agents.learning.training.state import TrainingState, joined
from agents.learning.training.supervision import UNSUPERVISED, Supervision
from agents.learning.training.weights import Weights
from agents.learning.updates import Parameters, worker_copy


def train(
    environments: MakeEnvironment,
    settings: A2cSettings,
    seed: int,
    supervision: Supervision = UNSUPERVISED,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points.

    The same environments, settings and seed give the same parameters on machines where torch rounds equally. Raises
    ValueError for an environment with other spaces than `HeadedEnvironment` takes, and as `training.loop.run`.
    """
    with one_thread():
        return run(_A2c(HeadedEnvironment(environments(settings.num_envs)), settings, seed, network), supervision)


class _A2c:
    """A `Learner`."""

    agent = "a2c"

    def __init__(self, environment: HeadedEnvironment, settings: A2cSettings, seed: int, network: MakeNetwork) -> None:
        self.settings, self.seed = settings, seed
        self.steps = settings.num_envs * settings.num_steps
        self.updates = max(1, settings.total_timesteps // self.steps)
        self._parameters = Parameters(network, environment.shape, settings, seed)
        _, self._rng = worker_copy(network, settings, seed, 0, self._parameters.model)  # draws of A3C's first worker
        self._collector = Collector(environment, environment_seed(seed), self._rng, settings)

    def update(self, left: float) -> UpdateReport:
        """Learn from a rollout. `left`: remaining share of the training, 1 to 0."""
        model = self._parameters.model
        rollout = self._collector.collect(model)
        gradient = gradient_of(model, rollout, self.settings, left)
        self._parameters.apply(gradient.values, left)
        return gradient.report

    def weights(self) -> Weights:
        """Return a copy of the parameters, by name."""
        return self._parameters.model.weights()

    def state(self) -> TrainingState:
        """Return parameters, mean squared gradients, the generator and the environments."""
        return joined(
            network=self._parameters.state(), draws=generator_state(self._rng), rollout=self._collector.state()
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        self._parameters.restore(state.part("network"))
        restore_generator(self._rng, state.part("draws"))
        self._collector.restore(state.part("rollout"))
