"""Learned policies: MT-A3C, A3C, A2C, PPO, and DQN of Stable-Baselines3.

MT-A3C has one trunk, M heads and one critic, and workers with shared parameters. A2C is its synchronous twin: one
worker. A3C has one head over all K^M placements where these are few (`MOST_JOINT_OUTCOMES`), otherwise a network for
each block. Workers take turns, so that the same seed gives the same policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents.block_placement import dqn
from agents.block_placement.networks import MOST_JOINT_OUTCOMES, JointActions, NetworkPerBlock
from agents.block_placement.optimum import all_placements
from agents.block_placement.policies import Choose, Situation
from agents.block_placement.problem import BlockPlacement
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.learning import a2c, a3c, fast_ppo
from agents.learning.flat_networks import FlatNetworks
from agents.learning.heads import MakeEnvironment, Shape, shape_of
from agents.learning.networks import MakeNetwork, SeparateNetworks, SharedTrunk
from agents.learning.settings import A3cSettings, PpoSettings
from agents.learning.training.weights import Weights
from emulator.core.arrays import Ints

if TYPE_CHECKING:
    from agents.learning.networks import ActorCritic

Learn = Callable[[BlockPlacement, int, int], Choose]  # (problem, steps in slots, seed)


def settings_of(steps: int) -> A3cSettings:
    """Return the settings of training, of which A2C takes its part: found by hand on the default problem.

    `gamma` is 0 (published: 0.95). That is exact in the printed form, and in the mended form wherever the queues are
    empty at the end of a slot.
    """
    return A3cSettings(
        total_timesteps=steps,
        workers=4,
        num_envs=64,
        num_steps=2,
        learning_rate=2e-3,
        ent_coef=0.05,
    )


def ppo_settings_of(steps: int) -> PpoSettings:
    """Return the settings of training of PPO."""
    return PpoSettings(steps, learning_rate=3e-3, update_epochs=4, num_minibatches=2)


def learn_mt_a3c(problem: BlockPlacement, steps: int, seed: int, **changed: Any) -> Choose:
    """Train MT-A3C for some slots, with some of its settings changed."""
    environments, settings = _environments(problem), replace(settings_of(steps), **changed)
    weights, _ = a3c.train(environments, settings, seed, network=SharedTrunk)
    return _policy(environments, SharedTrunk, settings, weights)


def learn_a2c(problem: BlockPlacement, steps: int, seed: int) -> Choose:
    """Train MT-A3C's synchronous twin for some slots."""
    environments, settings = _environments(problem), settings_of(steps)
    weights, _ = a2c.train(environments, settings, seed, network=SharedTrunk)
    return _policy(environments, SharedTrunk, settings, weights)


def learn_a3c(problem: BlockPlacement, steps: int, seed: int) -> Choose:
    """Train A3C for some slots."""
    environments, settings = _environments(problem), settings_of(steps)
    network: MakeNetwork = NetworkPerBlock
    if problem.places**problem.settings.blocks <= MOST_JOINT_OUTCOMES:
        environments, network = partial(_joint, problem=problem), SeparateNetworks
    weights, _ = a3c.train(environments, settings, seed, network=network)
    return _policy(environments, network, settings, weights)


def learn_ppo(problem: BlockPlacement, steps: int, seed: int) -> Choose:
    """Train PPO in NumPy for some slots."""
    weights, _ = fast_ppo.train(_environments(problem), ppo_settings_of(steps), seed)
    return separate_policy(problem, weights)


def separate_policy(problem: BlockPlacement, weights: Weights) -> Choose:
    """Return the policy of trained parameters of `SeparateNetworks`, without torch."""
    shape = Shape(problem.features, problem.settings.blocks, problem.places)
    networks = FlatNetworks(shape, len(weights["actor.0.bias"]), 1)
    networks.parameters.set(weights)
    return partial(_largest, networks)


def _environments(problem: BlockPlacement) -> MakeEnvironment:
    return partial(BlockPlacementVector, problem=problem)


def _joint(count: int, problem: BlockPlacement) -> JointActions:
    return JointActions(BlockPlacementVector(count, problem))


def _policy(environments: MakeEnvironment, network: MakeNetwork, settings: A3cSettings, weights: Weights) -> Choose:
    """Return the policy of trained parameters."""
    example = environments(1)
    shape = shape_of(example.single_observation_space, example.single_action_space)
    model = network(shape, settings.hidden, torch.Generator())
    model.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return partial(_most_probable, model)


def _largest(networks: FlatNetworks, situation: Situation) -> Ints:
    """Return the most probable placements, shape (B, M)."""
    observations = situation.problem.observe(situation.slots, situation.carried)
    placements: Ints = networks.logits(observations).argmax(-1)
    return placements


def _most_probable(model: "ActorCritic", situation: Situation) -> Ints:
    """Return the most probable placements, shape (B, M)."""
    observations = torch.from_numpy(situation.problem.observe(situation.slots, situation.carried))
    with torch.no_grad():
        logits, _ = model.outputs(observations)
    outcomes: Ints = logits.reshape(len(observations), *model.shape[1:]).argmax(-1).numpy()  # (B, heads)
    blocks = situation.problem.settings.blocks
    if model.shape.heads == blocks:
        return outcomes
    return np.asarray(all_placements(blocks, situation.problem.places)[outcomes[:, 0]])


LEARNERS: Mapping[str, Learn] = {
    "mt-a3c": learn_mt_a3c,
    "a2c": learn_a2c,
    "a3c": learn_a3c,
    "ppo": learn_ppo,
    "dqn": dqn.learn,
}


def training_settings(policy: str, steps: int) -> object:
    """Return the settings with which one of LEARNERS, or a change of MT-A3C, learns."""
    if policy == "ppo":
        return ppo_settings_of(steps)
    if policy == "dqn":
        return dqn.SETTINGS
    return settings_of(steps)
