"""Synchronous advantage actor-critic: A3C (Mnih et al. 2016, arXiv 1602.01783) with one worker."""

from agents.learning.curve import Curve
from agents.learning.heads import HeadedEnvironment, MakeEnvironment
from agents.learning.n_step import UpdateReport, gradient_of
from agents.learning.networks import MakeNetwork, SeparateNetworks, one_thread
from agents.learning.rollout import Collector
from agents.learning.settings import A2cSettings
from agents.learning.updates import Parameters, curve_of, is_point, worker_copy
from agents.learning.weights import Weights, require_finite
from emulator.core.progress import Progress


def train(
    environments: MakeEnvironment,
    settings: A2cSettings,
    seed: int,
    progress: Progress = lambda done, total: None,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points.

    Calls `progress(done, total)` with counts of environment steps. The same environments, settings and seed give the
    same parameters on machines where torch rounds equally. Raises ValueError for an environment with other spaces
    than `HeadedEnvironment` takes, and if a trained parameter is not finite.
    """
    with one_thread():
        environment = HeadedEnvironment(environments(settings.num_envs))
        parameters = Parameters(network, environment.shape, settings, seed)
        model = parameters.model
        _, rng = worker_copy(network, settings, seed, 0, model)  # the draws of A3C's first worker
        collector = Collector(environment, seed * 1_000, rng)
        steps = settings.num_envs * settings.num_steps
        updates = max(1, settings.total_timesteps // steps)
        reports: list[UpdateReport] = []
        for update in range(updates):
            left = 1 - update / updates
            gradient = gradient_of(model, collector.collect(model, settings.num_steps), settings, left)
            parameters.apply(gradient.values, left)
            reports.append(gradient.report)
            if is_point(update + 1, updates):
                progress((update + 1) * steps, updates * steps)
        weights = model.weights()
        require_finite("a2c", weights)
        return weights, curve_of("a2c", seed, reports, steps)
